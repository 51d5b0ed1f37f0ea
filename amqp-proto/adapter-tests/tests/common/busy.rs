//! A peer that asks for heartbeats, and a handler that works longer than its idle time-out.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use amqp_proto::config::Options;
use amqp_proto::handler::{ConnectionToken, Context, Handler};
use amqp_proto::types::Moment;
use amqp_proto::wire::Frame;
use amqp_proto::{Connection, Deadline, Direction, Event, Origin, Reason};
use bytes::Buf;

/// The idle time-out of the peer and the container; they announce half of it.
pub(crate) const SILENCE: Duration = Duration::from_millis(1_600);
/// The number of heartbeats for which the handler works, longer than either time-out.
const BEATS: usize = 5;

/// A handler that works until the peer got heartbeats. It makes output before.
pub(crate) struct Busy {
    pub(crate) url: String,
    pub(crate) beats: mpsc::Receiver<()>,
    /// True if the peer got its heartbeats; and the end of the connection.
    pub(crate) had_beats: bool,
    pub(crate) end: Option<Reason>,
}

impl Handler for Busy {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.connect(self.url.as_str());
    }

    fn on_connection_opened(&mut self, cx: &mut Context<'_>, connection: ConnectionToken) {
        // This makes output, which is written after the handler has returned.
        cx.create_sender(connection, "jobs");
        self.had_beats = (0..BEATS).all(|_| self.beats.recv_timeout(Duration::from_secs(10)).is_ok());
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: ConnectionToken, reason: &Reason) {
        self.end = Some(reason.clone());
    }
}

impl Busy {
    /// Returns a handler, and a peer that closes the connection when a link is offered.
    pub(crate) fn new() -> (Self, thread::JoinHandle<Option<Reason>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("amqp://{}", listener.local_addr().unwrap());
        let (beaten, beats) = mpsc::channel();
        let peer = thread::spawn(move || serve(listener.accept().unwrap().0, &beaten));
        (Self { url, beats, had_beats: false, end: None }, peer)
    }

    /// Checks that the peer got its heartbeats, and neither end found the other silent.
    pub(crate) fn check(&self, peer: thread::JoinHandle<Option<Reason>>) {
        assert!(self.had_beats, "no heartbeats while the handler works");
        for (whose, end) in [(Origin::Remote, self.end.clone()), (Origin::Local, peer.join().unwrap())] {
            assert!(end.as_ref().is_some_and(|end| (end.origin, &end.error) == (whose, &None)), "{end:?}");
        }
    }
}

/// Serves one client, and returns the end of the connection.
fn serve(mut stream: TcpStream, beaten: &mpsc::Sender<()>) -> Option<Reason> {
    let start = Instant::now();
    let now = || Moment::from_millis(start.elapsed().as_millis().try_into().unwrap());
    let options = Options::new("peer").with_idle_timeout(SILENCE);
    let mut connection = Connection::server(options, now());
    let beaten = beaten.clone();
    connection.set_trace(move |frame| {
        if frame.direction() == Direction::In && matches!(frame.frame(), Some(Frame::Empty { .. })) {
            let _ = beaten.send(());
        }
    });
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut space = [0; 4096];
    loop {
        while let Some(event) = connection.poll_event() {
            match event {
                Event::SessionOffered(key) => {
                    connection.session(key).unwrap().accept(Default::default()).unwrap();
                }
                Event::LinkOffered(_) => assert!(connection.close()),
                Event::Closed(reason) => return Some(*reason),
                _ => {}
            }
        }
        let octets = connection.output().copy_to_bytes(usize::MAX);
        stream.write_all(&octets).unwrap();
        match stream.read(&mut space) {
            Ok(0) => connection.end_of_input(),
            Ok(octets) => connection.receive(now(), &space[..octets]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => connection.end_of_input(),
        }
        if connection.next_deadline().is_some_and(|(at, why)| at <= now() && why != Deadline::Close) {
            connection.handle_deadline(now());
        }
    }
}
