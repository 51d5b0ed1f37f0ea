//! Drives a connection with compio, over io_uring where the system has it: reads and writes own their buffers.

use std::process::ExitCode;

use amqp_drivers::{Clock, Exchange, Failure, MESSAGES, exit, options};
use amqp_proto::{Connection, Reading};
use bytes::Buf;
use compio::buf::BufResult;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::TcpStream;
use compio::time::timeout;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

fn main() -> ExitCode {
    exit(|broker| {
        compio::runtime::Runtime::new()?.block_on(async {
            let mut app = Exchange::new("compio", MESSAGES);
            drive(&TcpStream::connect(broker).await?, &mut app).await?;
            app.verdict()
        })
    })
}

async fn drive(socket: &TcpStream, app: &mut Exchange) -> Result<(), Failure> {
    let clock = Clock::start();
    let mut amqp = Connection::client(options("compio"), clock.now());
    let (mut operations, mut is_reading, mut is_writing) = (FuturesUnordered::new(), false, false);
    loop {
        amqp.handle_deadline(clock.now());
        while let Some(event) = amqp.poll_event() {
            app.on(event, &mut amqp);
        }
        if !is_writing && amqp.has_output() {
            let mut output = amqp.output();
            let octets = output.copy_to_bytes(output.remaining());
            operations.push(async { { socket }.write_all(octets).await.0.map(|()| None) }.boxed_local());
            is_writing = true;
        }
        match amqp.reading() {
            Reading::Over if !is_writing => return Ok(()),
            Reading::Events => continue,
            Reading::Wanted if !is_reading => {
                let read = async {
                    let BufResult(read, octets) = { socket }.read(Vec::with_capacity(1 << 14)).await;
                    read.map(|_| Some(octets))
                };
                operations.push(read.boxed_local());
                is_reading = true;
            }
            _ => {}
        }
        let Ok(done) = timeout(clock.rest(&amqp), operations.select_next_some()).await else { continue };
        match done? {
            None => is_writing = false,
            Some(octets) => {
                is_reading = false;
                match octets.len() {
                    0 => amqp.end_of_input(),
                    _ => amqp.receive(clock.now(), &octets),
                }
            }
        }
    }
}
