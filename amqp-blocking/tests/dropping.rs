//! Accepted messages are written before the end, whatever causes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use amqp_blocking::message::Message;
use amqp_blocking::{Acceptor, Connection, ConnectionOptions, Outgoing, Receiver, Transport};
use common::{Pipe, run, sending};

const MESSAGES: usize = 20;
const LARGE: usize = 3 << 20;

/// A message sent at most once.
fn settled(octets: usize) -> Outgoing {
    Outgoing::from(Message::new(vec![7; octets])).with_settled(true)
}

/// Counts messages until the link is over.
fn count(receiver: &Receiver) -> usize {
    receiver.iter().take_while(Result::is_ok).count()
}

/// A slow transport, which records its output.
struct Slow {
    inner: Pipe,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Read for Slow {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.inner.read(space)
    }
}

impl Write for Slow {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(2));
        let count = self.inner.write(&octets[..octets.len().min(20_000)])?;
        self.written.lock().unwrap().extend_from_slice(&octets[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Transport for Slow {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { inner: self.inner.try_clone()?, written: self.written.clone() })
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        self.inner.prepare(write_timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }
}

/// C-CLOSE-01: dropping the last handle writes all queued messages, and the close behind them.
#[test]
#[adapter_tests::bounded]
fn c_close_01_dropping_the_last_handle_writes_queued_messages() {
    let (near, far) = Pipe::pair();
    let written = Arc::new(Mutex::new(Vec::new()));
    let near = Slow { inner: near, written: written.clone() };
    let server = run(move || Connection::accept(far, &Acceptor::default()).unwrap());
    let client = Connection::over(near, ConnectionOptions::new()).unwrap();
    let server = server.join().unwrap();
    let (sender, receiver) = sending(&client, &server);
    let received = run(move || count(&receiver));
    for _ in 0..MESSAGES {
        let _ = sender.send_queued(settled(20_000)).unwrap();
    }
    drop(sender);
    drop(client);
    // A close without an error is this list in a frame.
    assert!(written.lock().unwrap().ends_with(&[0x00, 0x53, 0x18, 0x45]), "the close is not written");
    assert_eq!(received.join().unwrap(), MESSAGES);
    assert_eq!(server.closed().error(), None);
}

/// C-CLOSE-02: dropping a connection whose peer does not read takes a bounded time.
#[test]
#[adapter_tests::bounded]
fn c_close_02_dropping_the_last_handle_does_not_wait_for_ever() {
    let (near, far) = Pipe::pair();
    let hold = near.try_clone().unwrap();
    let server = run(move || Connection::accept(far, &Acceptor::default()).unwrap());
    let options = ConnectionOptions::new().with_close_timeout(Duration::from_millis(200));
    let client = Connection::over(near, options).unwrap();
    let server = server.join().unwrap();
    let (sender, _receiver) = sending(&client, &server);
    hold.stall(true);
    let _ = sender.send_queued(settled(LARGE)).unwrap();
    drop(sender);
    drop(client);
    hold.cut();
}
