//! Two ends in one process: over loopback, or over a pipe in memory that a test can stall and break.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::{
    Accepted, Acceptor, Connection, ConnectionOptions, Listener, Offer, OfferedLink, Receiver, Sender,
    Transport,
};

/// Returns an open client and an open server over loopback.
pub fn pair() -> (Connection, Connection) {
    pair_with(ConnectionOptions::new().with_accept_offers(true), Acceptor::default())
}

pub fn pair_with(client: ConnectionOptions, server: Acceptor) -> (Connection, Connection) {
    let listener = Listener::bind_with("127.0.0.1:0", server).unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || listener.accept().unwrap().open().unwrap());
    let client = Connection::open_with(&url, client).unwrap();
    (client, server.join().unwrap())
}

/// Returns an open client and an open server over a pipe, and the pipe.
pub fn piped() -> (Connection, Connection, Pipe) {
    piped_with(ConnectionOptions::new().with_accept_offers(true))
}

pub fn piped_with(options: ConnectionOptions) -> (Connection, Connection, Pipe) {
    let (near, far) = Pipe::pair();
    let hold = near.try_clone().unwrap();
    let server = thread::spawn(move || Connection::accept(far, &Acceptor::default()).unwrap());
    let client = Connection::over(near, options).unwrap();
    (client, server.join().unwrap(), hold)
}

/// Accepts an offer. A receiver accepts dropped messages.
pub fn accept(offer: Offer) -> Accepted {
    match offer {
        Offer::Link(OfferedLink::Receiver(link)) => {
            Accepted::Receiver(link.accept_with(ReceiverOptions::new().with_auto_accept(true)).unwrap())
        }
        offer => offer.accept().unwrap(),
    }
}

/// Accepts the next link of the peer, and the sessions that it begins before.
pub fn next_link(connection: &Connection) -> Accepted {
    loop {
        match accept(connection.next_offer().unwrap().unwrap()) {
            Accepted::Session(_) => {}
            link => return link,
        }
    }
}

pub fn next_receiver(connection: &Connection) -> Receiver {
    match next_link(connection) {
        Accepted::Receiver(receiver) => receiver,
        other => panic!("{other:?}"),
    }
}

pub fn next_sender(connection: &Connection) -> Sender {
    match next_link(connection) {
        Accepted::Sender(sender) => sender,
        other => panic!("{other:?}"),
    }
}

/// Attaches a link on which the client sends, at both ends.
pub fn sending(client: &Connection, server: &Connection) -> (Sender, Receiver) {
    let sender = client.clone();
    let sender = thread::spawn(move || sender.sender("jobs").attach().unwrap());
    let receiver = next_receiver(server);
    (sender.join().unwrap(), receiver)
}

/// Starts a thread whose panic fails the test.
pub fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::spawn(work)
}

/// One end of a pipe in memory.
pub struct Pipe {
    input: Arc<Way>,
    output: Arc<Way>,
}

#[derive(Default)]
struct Way {
    state: Mutex<Flow>,
    changed: Condvar,
}

#[derive(Default)]
struct Flow {
    octets: Vec<u8>,
    is_ended: bool,
    is_stalled: bool,
    write_timeout: Option<Duration>,
}

/// The buffer of a pipe.
const ROOM: usize = 64 << 10;

impl Pipe {
    pub fn pair() -> (Self, Self) {
        let (one, other) = (Arc::<Way>::default(), Arc::<Way>::default());
        (Self { input: one.clone(), output: other.clone() }, Self { input: other, output: one })
    }

    /// Stalls this end's output, or resumes it.
    pub fn stall(&self, is_stalled: bool) {
        self.output.change(|flow| flow.is_stalled = is_stalled);
    }

    /// Ends this end's input. Its output stays.
    pub fn end_input(&self) {
        self.input.change(|flow| flow.is_ended = true);
    }

    /// Cuts both directions.
    pub fn cut(&self) {
        self.input.change(|flow| flow.is_ended = true);
        self.output.change(|flow| flow.is_ended = true);
    }
}

impl Way {
    fn change(&self, change: impl FnOnce(&mut Flow)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.input.state.lock().unwrap();
        let waits = |flow: &mut Flow| !flow.is_ended && (flow.is_stalled || flow.octets.is_empty());
        let mut state = self.input.changed.wait_while(state, waits).unwrap();
        let octets = if state.is_stalled { 0 } else { state.octets.len().min(buffer.len()) };
        buffer[..octets].copy_from_slice(&state.octets[..octets]);
        state.octets.drain(..octets);
        self.input.changed.notify_all();
        Ok(octets)
    }
}

impl Write for Pipe {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let state = self.output.state.lock().unwrap();
        let time_out = state.write_timeout.unwrap_or(Duration::MAX);
        let waits = |flow: &mut Flow| !flow.is_ended && flow.octets.len() >= ROOM;
        let (mut state, waited) = self.output.changed.wait_timeout_while(state, time_out, waits).unwrap();
        if state.is_ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if waited.timed_out() {
            return Err(ErrorKind::TimedOut.into());
        }
        let octets = buffer.len().min(ROOM - state.octets.len());
        state.octets.extend_from_slice(&buffer[..octets]);
        self.output.changed.notify_all();
        Ok(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Pipe {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { input: self.input.clone(), output: self.output.clone() })
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        self.output.change(|flow| flow.write_timeout = Some(write_timeout));
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Write {
            self.input.change(|flow| flow.is_ended = true);
        }
        if how != Shutdown::Read {
            self.output.change(|flow| flow.is_ended = true);
        }
        Ok(())
    }
}
