//! Drives the engine over a plain TCP socket, with the standard library alone.
//!
//! ```text
//! cargo run -p amqp-proto --example tcp -- listen 127.0.0.1:5672
//! cargo run -p amqp-proto --example tcp -- send 127.0.0.1:5672
//! ```
//!
//! `send` sends messages to the node `examples` and waits for their outcomes. `listen` takes connections, and accepts
//! and prints every message. Both also work with other AMQP 1.0 software that asks for no authentication.

#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::error::Error;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, io, thread};

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::types::{LinkKey, Moment, SenderKey};
use amqp_proto::wire::{DeliveryState, Outcome};
use amqp_proto::{Connection, Event, Reading, Reason};

const USAGE: &str = "\
usage: tcp listen HOST:PORT
       tcp send HOST:PORT [COUNT]

listen  takes connections, and accepts and prints every message; port 0 picks a free port
send    sends COUNT messages (default 3) to the node 'examples', and waits until
        each has its outcome

There is no TLS and no authentication. The exit code is 0 if all was accepted.
";

type Failure = Box<dyn Error>;

/// Acts on an event, by calls on the connection.
type App<'a> = dyn FnMut(Event, &mut Connection) + 'a;

/// Runs a new connection over a socket until it is over.
fn drive(amqp: &mut Connection, socket: &mut TcpStream, app: &mut App<'_>) -> io::Result<()> {
    let (start, mut octets) = (Instant::now(), vec![0; 1 << 16]);
    let now = || Moment::START + start.elapsed();
    loop {
        amqp.handle_deadline(now());
        while let Some(event) = amqp.poll_event() {
            app(event, amqp);
        }
        amqp.write_to(socket)?;
        match amqp.reading() {
            Reading::Over => return Ok(()),
            Reading::Wanted => {}
            _ => continue, // the output that was taken has made room
        }
        let wait = amqp.next_deadline().map(|(at, _)| (at - now()).max(Duration::from_millis(1)));
        socket.set_read_timeout(wait)?;
        match socket.read(&mut octets) {
            Ok(0) => amqp.end_of_input(),
            Ok(read) => amqp.receive(now(), &octets[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the result of a connection that ended.
fn verdict(closed: Option<Box<Reason>>, driven: io::Result<()>) -> Result<(), Failure> {
    match closed {
        Some(reason) if reason.is_failure() => Err(reason),
        _ => Ok(driven?),
    }
}

/// The messages to send to the node `examples`.
#[derive(Default)]
struct Sending {
    left: u32,
    pending: u32,
    accepted: u32,
    /// The reason of the connection's or the link's end.
    closed: Option<Box<Reason>>,
}

impl Sending {
    fn on(&mut self, event: Event, amqp: &mut Connection) -> Result<(), Failure> {
        match event {
            Event::Opened => {
                let session = amqp.begin(SessionOptions::new())?;
                amqp.session(session)?.attach_sender("examples", SenderOptions::to("examples"))?;
            }
            Event::Sendable(sender) => self.send(sender, amqp)?,
            Event::Updated { delivery, state, settled: true, .. } => {
                self.pending -= 1;
                self.accepted += u32::from(state == Some(DeliveryState::Outcome(Outcome::Accepted)));
                println!("{delivery}: {}", state.map_or("settled".into(), |state| format!("{state:?}")));
            }
            Event::LinkDetached { reason, .. } => self.closed = Some(reason),
            Event::Closed(reason) => self.closed = self.closed.take().or(Some(reason)),
            _ => {}
        }
        if (self.left == 0 && self.pending == 0) || self.closed.is_some() {
            amqp.close();
        }
        Ok(())
    }

    /// Sends while there is credit and room.
    fn send(&mut self, sender: SenderKey, amqp: &mut Connection) -> Result<(), Failure> {
        let mut sender = amqp.sender(sender)?;
        while self.left > 0 && sender.is_sendable() {
            sender.send(format!("message with {} to go", self.left - 1))?;
            self.left -= 1;
            self.pending += 1;
        }
        Ok(())
    }
}

fn send(address: &str, count: u32) -> Result<(), Failure> {
    let mut socket = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
    socket.set_nodelay(true)?;
    let mut amqp = Connection::client(Options::new("tcp-example").with_hostname(address), Moment::START);
    let (mut sending, mut failed) = (Sending { left: count, ..Sending::default() }, None);
    let driven = drive(&mut amqp, &mut socket, &mut |event, amqp| {
        if let Err(error) = sending.on(event, amqp) {
            amqp.close();
            failed = failed.take().or(Some(error));
        }
    });
    println!("{} of {count} messages accepted", sending.accepted);
    failed.map_or(Ok(()), Err)?;
    verdict(sending.closed, driven)?;
    if sending.accepted == count { Ok(()) } else { Err("some were not accepted".into()) }
}

fn listen(address: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    for socket in listener.incoming() {
        let socket = socket?;
        thread::spawn(move || {
            let peer = socket.peer_addr().map_or("?".into(), |peer| peer.to_string());
            match serve(socket) {
                Ok(()) => println!("{peer}: closed"),
                Err(error) => eprintln!("{peer}: {error}"),
            }
        });
    }
    Ok(())
}

fn serve(mut socket: TcpStream) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let mut amqp = Connection::server(Options::new("tcp-example"), Moment::START);
    let mut closed = None;
    let driven = drive(&mut amqp, &mut socket, &mut |event, amqp| {
        if let Event::Closed(reason) = event {
            closed = Some(reason);
        } else if let Err(error) = on_server_event(event, amqp) {
            eprintln!("{error}");
            amqp.close();
        }
    });
    verdict(closed, driven)
}

fn on_server_event(event: Event, amqp: &mut Connection) -> Result<(), Failure> {
    match event {
        Event::SessionOffered(session) => amqp.session(session)?.accept(SessionOptions::new())?,
        Event::LinkOffered(LinkKey::Receiver(link)) => {
            amqp.receiver(link)?.accept_link(ReceiverOptions::new())?;
        }
        Event::LinkOffered(LinkKey::Sender(link)) => amqp.sender(link)?.accept_link(SenderOptions::new())?,
        Event::Message { receiver, .. } => {
            let mut receiver = amqp.receiver(receiver)?;
            if let Some(delivery) = receiver.receive() {
                match delivery.message().and_then(|message| message.body()) {
                    Ok(body) => println!("{body:?}"),
                    Err(error) => println!("not a message: {error}"),
                }
                // One that was sent settled is not to be accepted.
                let _ = receiver.accept(delivery.key());
            }
        }
        _ => {}
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["listen", address] => listen(address),
        ["send", address] => send(address, 3),
        ["send", address, count] if count.parse::<u32>().is_ok() => {
            send(address, count.parse().unwrap_or_default())
        }
        ["-h" | "--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
