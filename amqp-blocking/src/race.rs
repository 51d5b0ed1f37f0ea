//! [`race`]: connecting to the first of several addresses that answers.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use amqp_proto::client::STAGGER;

/// Tries addresses in order, each in a thread of its own, the next one as soon as one has failed or has not answered
/// for a while; gives the first that answers, or why the last one has not. Gives up once `is_stopped`, which is asked
/// every 100 milliseconds.
pub(crate) fn race<T: Send + 'static>(
    addresses: Vec<SocketAddr>,
    by: Option<Instant>,
    is_stopped: &dyn Fn() -> bool,
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
        let next = (addresses.len() > 0).then(|| Instant::now() + STAGGER);
        let end = next.into_iter().chain(by).min();
        let result = loop {
            let left = end.map_or(TICK, |end| end.saturating_duration_since(Instant::now()));
            match told.recv_timeout(left.min(TICK)) {
                Err(_) if is_stopped() => return Err(io::ErrorKind::ConnectionAborted.into()),
                Err(_) if end.is_none_or(|end| Instant::now() < end) => {}
                result => break result,
            }
        };
        match result {
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

/// The time between two looks whether the race is stopped.
const TICK: Duration = Duration::from_millis(100);
/// The shortest time of an attempt: a timeout of zero is refused.
const SHORTEST: Duration = Duration::from_millis(1);
