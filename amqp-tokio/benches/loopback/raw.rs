//! Ends without AMQP, as a control: the same octets each way, and the same number of messages in flight.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::end::{Mode, Receiving, Report, Sending, Shape, WINDOW};
use crate::tokio_ends::runtime;

/// The octets of a transfer frame beside its body.
const FRAME: usize = 44;
/// The octets of a disposition frame.
const ANSWER: usize = 32;
/// The octets that are written at a time.
const PIECE: usize = 1 << 16;

/// Counts the messages of a sending end.
struct Window {
    /// Messages not yet sent, and sent but not yet answered.
    left: u64,
    waiting: u64,
    /// Octets of answers that make no whole answer yet.
    rest: usize,
    most: u64,
    /// Messages still to be sent that get no answer, like those that are sent settled. They go first.
    silent: u64,
    length: usize,
}

impl Window {
    fn new(options: &Sending) -> Self {
        let most = if options.mode == Mode::Lat { 1 } else { WINDOW as u64 };
        let silent = if options.mode == Mode::Pre { options.messages.saturating_sub(1) } else { 0 };
        let length = FRAME + options.size;
        Self { left: options.messages, waiting: 0, rest: 0, most, silent, length }
    }

    /// Takes messages that may be sent now; returns their octets.
    fn take(&mut self) -> usize {
        let fit = (PIECE / self.length).max(1) as u64;
        let count = fit.min(self.most - self.waiting).min(self.left);
        let silent = count.min(self.silent);
        self.left -= count;
        self.silent -= silent;
        self.waiting += count - silent;
        count as usize * self.length
    }

    /// Returns whether the end has to read an answer before it can go on.
    fn must_wait(&self) -> bool {
        self.waiting > 0 && (self.left == 0 || self.waiting >= self.most)
    }

    fn answered(&mut self, octets: usize) {
        assert!(octets > 0, "the other end has gone");
        self.rest += octets;
        self.waiting -= (self.rest / ANSWER) as u64;
        self.rest %= ANSWER;
    }
}

pub(crate) fn send(options: &Sending) {
    match options.shape {
        Shape::Blocking => on_thread(options),
        shape => runtime(shape).block_on(on_tokio(options)),
    }
}

fn on_thread(options: &Sending) {
    let mut stream = TcpStream::connect(("127.0.0.1", options.port)).expect("the other end listens");
    stream.set_nodelay(true).expect("a socket");
    let (octets, mut answers) = (vec![0; PIECE.max(FRAME + options.size)], vec![0; PIECE]);
    let (mut window, mut report) = (Window::new(options), Report::begin());
    stream.write_all(&window.silent.to_be_bytes()).expect("the other end reads");
    let mut start = Instant::now();
    while window.left > 0 || window.waiting > 0 {
        let length = window.take();
        stream.write_all(&octets[..length]).expect("the other end reads");
        while window.must_wait() {
            window.answered(stream.read(&mut answers).expect("the other end answers"));
        }
        if options.mode == Mode::Lat {
            report.took(start);
            start = Instant::now();
        }
    }
    report.end(options);
}

async fn on_tokio(options: &Sending) {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", options.port)).await;
    let mut stream = stream.expect("the other end listens");
    stream.set_nodelay(true).expect("a socket");
    let (octets, mut answers) = (vec![0; PIECE.max(FRAME + options.size)], vec![0; PIECE]);
    let (mut window, mut report) = (Window::new(options), Report::begin());
    stream.write_all(&window.silent.to_be_bytes()).await.expect("the other end reads");
    let mut start = Instant::now();
    while window.left > 0 || window.waiting > 0 {
        let length = window.take();
        stream.write_all(&octets[..length]).await.expect("the other end reads");
        while window.must_wait() {
            window.answered(stream.read(&mut answers).await.expect("the other end answers"));
        }
        if options.mode == Mode::Lat {
            report.took(start);
            start = Instant::now();
        }
    }
    report.end(options);
}

/// Answers the messages of one connection, on a thread. The first octets say how many messages get no answer: a sending
/// end that reads no answers until its last message must not get any, or both ends block with full buffers.
pub(crate) fn receive(options: &Receiving) {
    let listener = TcpListener::bind(("127.0.0.1", options.port)).expect("a port");
    println!("LISTENING");
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let mut silent = [0; 8];
    stream.read_exact(&mut silent).expect("a sending end");
    let mut silent = u64::from_be_bytes(silent);
    let (mut input, mut output, mut rest) = (vec![0; 1 << 18], Vec::new(), 0);
    while let Ok(octets @ 1..) = stream.read(&mut input) {
        rest += octets;
        let length = FRAME + options.size;
        let whole = (rest / length) as u64;
        let unanswered = whole.min(silent);
        silent -= unanswered;
        output.resize((whole - unanswered) as usize * ANSWER, 0);
        rest %= length;
        if stream.write_all(&output).is_err() {
            return;
        }
    }
}
