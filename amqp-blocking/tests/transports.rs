//! Transports that break, or move single octets: nothing hangs, nothing spins, and each outcome is reported once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use amqp_blocking::message::Message;
use amqp_blocking::types::Limits;
use amqp_blocking::wire::{AmqpError, Condition, Outcome};
use amqp_blocking::{
    Acceptor, AddressError, Connection, ConnectionOptions, Error, Origin, Result, Transport,
};
use common::{Pipe, run, sending};

/// The behaviour of a transport at one end.
#[derive(Debug, Clone, Copy, Default)]
struct Ways {
    /// The most octets of a read or a write; 0 for any.
    crumb: usize,
    /// True if every other call is interrupted.
    is_interrupted: bool,
    /// The number of octets of input, and the way in which it then ends.
    input: Option<(usize, Option<ErrorKind>)>,
    /// The error of writes.
    write: Option<ErrorKind>,
    /// True if a write takes nothing.
    is_deaf: bool,
    flush: Option<ErrorKind>,
    calls: usize,
    writes: usize,
}

struct Faulty {
    inner: Pipe,
    ways: Arc<Mutex<Ways>>,
}

impl Faulty {
    fn new(inner: Pipe, ways: Ways) -> (Self, Arc<Mutex<Ways>>) {
        let ways = Arc::new(Mutex::new(ways));
        (Self { inner, ways: ways.clone() }, ways)
    }

    /// Counts a call. Returns the octets that it may move.
    fn call(&self) -> io::Result<usize> {
        let mut ways = self.ways.lock().unwrap();
        ways.calls += 1;
        if ways.is_interrupted && ways.calls % 2 == 1 {
            return Err(ErrorKind::Interrupted.into());
        }
        Ok(if ways.crumb == 0 { usize::MAX } else { ways.crumb })
    }
}

impl Read for Faulty {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut most = self.call()?.min(space.len());
        match self.ways.lock().unwrap().input {
            Some((0, None)) => return Ok(0),
            Some((0, Some(kind))) => return Err(kind.into()),
            Some((left, _)) => most = most.min(left),
            None => {}
        }
        let octets = self.inner.read(&mut space[..most])?;
        if let Some((left, _)) = &mut self.ways.lock().unwrap().input {
            *left -= octets;
        }
        Ok(octets)
    }
}

impl Write for Faulty {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let most = self.call()?.min(octets.len());
        let ways = {
            let mut ways = self.ways.lock().unwrap();
            ways.writes += 1;
            *ways
        };
        match ways.write {
            Some(kind) => Err(kind.into()),
            None if ways.is_deaf => Ok(0),
            None => self.inner.write(&octets[..most]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call()?;
        self.ways.lock().unwrap().flush.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl Transport for Faulty {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { inner: self.inner.try_clone()?, ways: self.ways.clone() })
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        self.inner.prepare(write_timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }
}

/// A client over such a transport, and a server.
fn faulty(
    options: ConnectionOptions,
    ways: Ways,
) -> (Result<Connection>, Connection, Arc<Mutex<Ways>>, Pipe) {
    let (near, far) = Pipe::pair();
    let hold = near.try_clone().unwrap();
    let (near, ways) = Faulty::new(near, ways);
    let server = run(move || Connection::accept(far, &Acceptor::default()));
    let client = Connection::over(near, options);
    (client, server.join().unwrap().unwrap(), ways, hold)
}

/// Checks the fate of a delivery: accepted, or lost with the transport.
fn is_accepted(outcome: Result<Outcome>) -> bool {
    match outcome {
        Ok(Outcome::Accepted) => true,
        Err(Error::Lost(ended)) if ended.origin() == Origin::Transport => false,
        other => panic!("{other:?}"),
    }
}

/// EOF or a reset after any octet: each wait ends, and earlier reports stay true.
#[test]
#[adapter_tests::bounded]
fn input_that_ends_anywhere() {
    for kind in [None, Some(ErrorKind::ConnectionReset)] {
        // The number of octets depends on how dispositions are merged.
        let are_all_accepted = (0..2_000).step_by(3).any(|octets| {
            let (near, far) = Pipe::pair();
            let (near, _) = Faulty::new(near, Ways { input: Some((octets, kind)), ..Ways::default() });
            let server = run(move || {
                let server = Connection::accept(far, &Acceptor::default())?;
                while let Some(offer) = server.next_offer()? {
                    if let amqp_blocking::Accepted::Receiver(receiver) = offer.accept()? {
                        receiver.for_each(1, |_| Ok::<(), Error>(()))?;
                    }
                }
                Ok::<(), Error>(())
            });
            let accepted = three(near, kind);
            let _ = server.join().unwrap();
            accepted == 3
        });
        assert!(are_all_accepted);
    }
}

/// Sends three messages, and returns how many were accepted.
fn three(near: Faulty, kind: Option<ErrorKind>) -> usize {
    let send = || {
        let client = Connection::over(near, ConnectionOptions::new().without_sasl())?;
        let sender = client.sender("jobs").attach()?;
        let sent: Vec<_> = (0..3).map(|_| sender.send_queued("job")).collect::<Result<_>>()?;
        let accepted = sent.iter().filter(|sent| is_accepted(sent.outcome())).count();
        if accepted == 3 {
            // Dispositions may be merged, so that the input is too short to reach the end.
            let _ = client.close();
            return Ok(3);
        }
        let end = client.closed();
        assert_eq!((end.origin(), end.io().map(io::Error::kind)), (Origin::Transport, kind));
        Ok::<_, Error>(accepted)
    };
    send().unwrap_or_else(|error| {
        assert!(error.ended().is_some(), "{error}");
        0
    })
}

/// Input that arrived before the peer disappeared is read, although output fails.
#[test]
#[adapter_tests::bounded]
fn output_that_breaks_before_input() {
    let (client, server, ways, _) = faulty(ConnectionOptions::new(), Ways::default());
    let client = client.unwrap();
    let (sender, receiver) = sending(&client, &server);
    let first = sender.send_queued("first").unwrap();
    let delivery = receiver.recv().unwrap().unwrap();
    ways.lock().unwrap().write = Some(ErrorKind::BrokenPipe);
    delivery.accept().unwrap();
    let second = sender.send_queued("second").unwrap();
    assert!(is_accepted(first.outcome()) && !is_accepted(second.outcome()));
    let end = client.closed();
    assert_eq!(
        (end.origin(), end.io().map(io::Error::kind)),
        (Origin::Transport, Some(ErrorKind::BrokenPipe))
    );
    assert!(client.close().is_err() && client.session().is_err());
}

/// The reason in the peer's close is reported, although the transport breaks after it.
#[test]
#[adapter_tests::bounded]
fn the_last_words_of_a_peer() {
    let (client, server, ways, _) = faulty(ConnectionOptions::new(), Ways::default());
    let client = client.unwrap();
    let (sender, receiver) = sending(&client, &server);
    let sent = sender.send_queued("job").unwrap();
    let _undecided = receiver.recv().unwrap().unwrap().into_undecided();
    ways.lock().unwrap().write = Some(ErrorKind::ConnectionReset);
    let closing = run(move || server.close_with(AmqpError::new(Condition::NotAllowed)));
    let Error::Lost(end) = sent.outcome().unwrap_err() else { panic!("it is lost") };
    assert_eq!((end.origin(), end.condition()), (Origin::Remote, Some(&Condition::NotAllowed)));
    closing.join().unwrap().unwrap();
}

/// A write of no octets ends the connection and is not repeated for ever; so does a failed flush.
#[test]
#[adapter_tests::bounded]
fn writes_of_nothing_and_flushes_that_fail() {
    for is_deaf in [true, false] {
        let (client, server, ways, _) = faulty(ConnectionOptions::new(), Ways::default());
        let client = client.unwrap();
        let (sender, _receiver) = sending(&client, &server);
        {
            let mut ways = ways.lock().unwrap();
            ways.is_deaf = is_deaf;
            ways.flush = (!is_deaf).then_some(ErrorKind::BrokenPipe);
        }
        // A message whose flush fails may have arrived.
        let outcome = sender.send("job");
        assert!(!is_deaf || !is_accepted(outcome));
        let kind = if is_deaf { ErrorKind::WriteZero } else { ErrorKind::BrokenPipe };
        assert_eq!(client.closed().io().map(io::Error::kind), Some(kind));
    }
}

/// One octet for each call, or an interruption at every other call: slow, with the same result.
#[test]
#[adapter_tests::bounded]
fn octets_one_by_one_and_interruptions() {
    for (crumb, is_interrupted) in [(1, false), (1, true), (0, true)] {
        let ways = Ways { crumb, is_interrupted, ..Ways::default() };
        let (client, server, _, _) = faulty(ConnectionOptions::new(), ways);
        let client = client.unwrap();
        let (sender, receiver) = sending(&client, &server);
        let sent = sender.send_queued(Message::new(vec![1; 20_000])).unwrap();
        let delivery = receiver.recv().unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap().len(), 20_000);
        delivery.accept().unwrap();
        assert!(is_accepted(sent.outcome()));
        client.close().unwrap();
    }
}

/// A peer that does not read is not polled again and again, and its output stays within the limits.
#[test]
#[adapter_tests::bounded]
fn a_peer_that_takes_nothing() {
    const LARGE: usize = 100_000;
    let options = ConnectionOptions::new().with_close_timeout(Duration::from_millis(100));
    let (client, server, ways, pipe) = faulty(options, Ways::default());
    let client = client.unwrap();
    let (sender, _receiver) = sending(&client, &server);
    pipe.stall(true);
    let sent: Vec<_> = (0..100).map_while(|_| sender.try_send(Message::new(vec![1; LARGE])).ok()).collect();
    // The output in the engine, the output taken from it, and the pipe.
    let most = 2 * Limits::DEFAULT.output_octets() / LARGE + 3;
    assert!((1..=most).contains(&sent.len()), "{} are queued", sent.len());
    let before = ways.lock().unwrap().writes;
    thread::sleep(Duration::from_millis(1_500));
    let writes = ways.lock().unwrap().writes - before;
    assert!(writes < 20, "{writes} writes for nothing");
    // The messages could not be written, and the close reports that (C-CLOSE-02).
    let error = client.close().unwrap_err();
    assert!(error.to_string().contains("before all sent messages were written"), "{error}");
    assert!(sent.iter().all(|sent| matches!(sent.outcome(), Err(Error::Lost(_)))));
}

/// The input ends while the output is full: the end is not delayed.
#[test]
#[adapter_tests::bounded]
fn input_that_ends_behind_output() {
    let limits = Limits::DEFAULT.with_output_octets(4096).with_output_octets_hard(4096);
    let (client, server, _, pipe) = faulty(ConnectionOptions::new().with_limits(limits), Ways::default());
    let client = client.unwrap();
    let (sender, _receiver) = sending(&client, &server);
    pipe.stall(true);
    let sent = sender.send_queued(Message::new(vec![1; 1 << 20])).unwrap();
    // The peer has ended its own direction, and does not read.
    let half = pipe.try_clone().unwrap();
    half.end_input();
    assert!(!is_accepted(sent.outcome()));
    assert_eq!(client.closed().origin(), Origin::Transport);
}

/// A WebSocket would need one thread that reads and writes.
#[test]
#[adapter_tests::bounded]
fn a_websocket_is_refused() {
    for url in ["ws://localhost/amqp", "wss://localhost"] {
        let error = Connection::open(url).unwrap_err();
        assert!(matches!(error, Error::Address(AddressError::NoWebSocket)), "{error:?}");
    }
}
