//! Drives a connection with poll(2), over TLS if the program's next argument is a file of trusted certificates.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::process::ExitCode;

use amqp_drivers::{Clock, Exchange, MESSAGES, exit, options, tls};
use amqp_proto::client::TlsLayer;
use amqp_proto::{Connection, Reading};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

fn main() -> ExitCode {
    exit(|broker| {
        let mut socket = TcpStream::connect(broker)?;
        socket.set_nonblocking(true)?;
        let (clock, mut tls, mut app) = (Clock::start(), tls()?, Exchange::new("poll", MESSAGES));
        let mut amqp = Connection::client(options("poll"), clock.now());
        while let Some(interest) = turn(&mut socket, &mut tls, &mut amqp, &mut app, clock)? {
            let rest = Timespec::try_from(clock.rest(&amqp))?;
            retry_on_intr(|| poll(&mut [PollFd::new(&socket, interest)], Some(&rest)))?;
        }
        app.verdict()
    })
}

/// Moves octets until the socket blocks, and returns what to wait for; `None` if the connection is over.
fn turn(
    socket: &mut TcpStream,
    tls: &mut Option<TlsLayer>,
    amqp: &mut Connection,
    app: &mut Exchange,
    clock: Clock,
) -> io::Result<Option<PollFlags>> {
    let mut space = [0; 1 << 14];
    loop {
        amqp.handle_deadline(clock.now());
        while let Some(event) = amqp.poll_event() {
            app.on(event, amqp);
        }
        let (is_written, reading) = match tls {
            Some(tls) => (tls.write_to(amqp, socket)?, tls.reading(amqp)),
            None => (amqp.write_to(socket)?, amqp.reading()),
        };
        let interest = if is_written { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        match reading {
            Reading::Over => return Ok(None),
            Reading::Events => continue,
            Reading::Wanted => {}
            _ => return Ok(Some(PollFlags::OUT)), // the output has to be written first
        }
        match (socket.read(&mut space), &mut *tls) {
            (Ok(0), Some(tls)) => tls.end_of_input(amqp)?,
            (Ok(0), None) => amqp.end_of_input(),
            (Ok(octets), Some(tls)) => {
                if let Err(failure) = tls.receive(&space[..octets], clock.now(), amqp) {
                    tls.write_to(amqp, socket)?; // the alert for the peer
                    return Err(failure);
                }
            }
            (Ok(octets), None) => amqp.receive(clock.now(), &space[..octets]),
            (Err(error), _) if error.kind() == ErrorKind::WouldBlock => return Ok(Some(interest)),
            (Err(error), _) => return Err(error),
        }
    }
}
