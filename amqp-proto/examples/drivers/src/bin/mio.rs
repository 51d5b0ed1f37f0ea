//! Drives many connections with mio, in one thread.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use amqp_drivers::{Clock, Exchange, exit, options};
use amqp_proto::{Connection, Reading};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const CONNECTIONS: usize = 1_000;
const MESSAGES: u32 = 10;
const TICK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    exit(|broker| {
        let (mut poll, mut events, mut ends) = (Poll::new()?, Events::with_capacity(1_024), BTreeMap::new());
        let (clock, mut tick) = (Clock::start(), Instant::now());
        for at in 0..CONNECTIONS {
            let mut socket = TcpStream::connect(broker)?;
            poll.registry().register(&mut socket, Token(at), Interest::READABLE | Interest::WRITABLE)?;
            let app = Exchange::new(&format!("mio-{at}"), MESSAGES);
            ends.insert(at, (socket, Connection::client(options("mio"), clock.now()), app));
        }
        while !ends.is_empty() {
            match poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            // Deadlines are seldom due, so a look at all of them now and then is enough.
            let all = if tick.elapsed() < TICK { 0..0 } else { 0..CONNECTIONS };
            tick = if all.is_empty() { tick } else { Instant::now() };
            for at in events.iter().map(|event| event.token().0).chain(all) {
                let Some((socket, amqp, app)) = ends.get_mut(&at) else { continue };
                if turn(socket, amqp, app, clock)? {
                    ends.remove(&at).map(|(.., app)| app.verdict()).transpose()?;
                }
            }
        }
        Ok(format!("{CONNECTIONS} connections, {MESSAGES} messages each"))
    })
}

/// Moves octets until the socket blocks, and returns `true` if the connection is over.
fn turn(socket: &mut TcpStream, amqp: &mut Connection, app: &mut Exchange, clock: Clock) -> io::Result<bool> {
    let mut space = [0; 1 << 14];
    loop {
        amqp.handle_deadline(clock.now());
        while let Some(event) = amqp.poll_event() {
            app.on(event, amqp);
        }
        amqp.write_to(socket)?;
        match amqp.reading() {
            Reading::Over => return Ok(true),
            Reading::Events => continue,
            Reading::Wanted => {}
            _ => return Ok(false), // the output has to be written first
        }
        match socket.read(&mut space) {
            Ok(0) => amqp.end_of_input(),
            Ok(octets) => amqp.receive(clock.now(), &space[..octets]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
