//! [`race`]: connecting to the first of several addresses that answers.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use amqp_proto::client::STAGGER;

/// Tries addresses in order, each in a thread of its own, the next one as soon as one has failed or has not answered
/// for a while; gives the first that answers, or why the last one has not.
pub(crate) fn race<T: Send + 'static>(
    addresses: Vec<SocketAddr>,
    by: Option<Instant>,
    connect: impl Fn(SocketAddr, Option<Duration>) -> io::Result<T> + Copy + Send + 'static,
) -> io::Result<T> {
    let time_left = move || by.map(|by| by.saturating_duration_since(Instant::now()));
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let (tell, told) = mpsc::channel();
    let (mut addresses, mut running) = (addresses.into_iter(), 0);
    loop {
        let next = addresses.next();
        if let Some(address) = next {
            let (tell, left) = (tell.clone(), time_left().map(|left| left.max(SHORTEST)));
            let attempt = move || drop(tell.send(connect(address, left)));
            thread::Builder::new().name("amqp-connect".into()).spawn(attempt)?;
            running += 1;
        } else if running == 0 {
            return Err(failure);
        }
        let pause = Some(STAGGER).filter(|_| addresses.len() > 0);
        let wait = pause.into_iter().chain(time_left()).min();
        match told.recv_timeout(wait.unwrap_or(Duration::MAX)) {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                failure = error;
                running -= 1;
            }
            Err(_) if time_left() == Some(Duration::ZERO) => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
}

/// The shortest time of an attempt: a timeout of zero is refused.
const SHORTEST: Duration = Duration::from_millis(1);
