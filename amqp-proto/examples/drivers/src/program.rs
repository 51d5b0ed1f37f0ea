//! The parts of programs around the loops: arguments, results, clock, hub, and an application with handles.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use amqp_proto::client::{
    ClientTls, ConnectionOptions, Host, Peer, ReceiverSettings, SenderSettings, TlsLayer,
};
use amqp_proto::driver::{self, Connection, Hub, HubOptions, Queued, Receiver, Sender, Sent};
use amqp_proto::types::Moment;
use amqp_proto::wire::Outcome;

use crate::{Failure, Incomplete, MESSAGES, PATIENCE};

/// Runs a driver against the broker that the program's argument names, prints its result, and returns the exit code: 1
/// after an error, 2 without such an argument.
pub fn exit(run: impl FnOnce(SocketAddr) -> Result<String, Failure>) -> ExitCode {
    match argument() {
        Some(broker) => report(run(broker)).into(),
        None => USAGE.into(),
    }
}

/// Returns the broker that the program's argument names, for a driver whose `main` is a task. Ends the program without
/// such an argument.
pub fn broker() -> SocketAddr {
    argument().unwrap_or_else(|| process::exit(USAGE.into()))
}

/// Prints the result of a driver whose `main` is a task, and ends the program.
pub fn leave(result: Result<String, Failure>) -> ! {
    process::exit(report(result).into())
}

const USAGE: u8 = 2;

fn argument() -> Option<SocketAddr> {
    let broker = std::env::args().nth(1).and_then(|broker| broker.parse().ok());
    if broker.is_none() {
        eprintln!("the argument is the address and port of a broker, such as 127.0.0.1:5672");
    }
    broker
}

fn report(result: Result<String, Failure>) -> u8 {
    match result {
        Ok(counts) => println!("{counts}"),
        Err(failure) => {
            eprintln!("{failure}");
            return 1;
        }
    }
    0
}

/// The clock of an engine, by that of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Returns a clock that starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the engine's time.
    pub fn now(self) -> Moment {
        Moment::START + self.0.elapsed()
    }

    /// Returns the time for which a driver may sleep. To wake up without a reason does no harm.
    pub fn rest(self, amqp: &amqp_proto::Connection) -> Duration {
        amqp.next_deadline().map_or(PATIENCE, |(at, _)| at - self.now())
    }

    /// Returns the system's time of an engine's moment.
    pub fn instant(self, at: Moment) -> Instant {
        self.0 + (at - Moment::START)
    }
}

/// Returns the hub of a new connection to a broker.
///
/// # Errors
///
/// The system has no random numbers.
pub fn hub(broker: SocketAddr, clock: Clock) -> Result<Arc<Hub<Waker>>, Failure> {
    let fill = |octets: &mut [u8]| Ok(getrandom::fill(octets)?);
    let host = Host::new(fill, |name| std::env::var_os(name), |line| eprintln!("{line}"));
    let options = ConnectionOptions::new().with_open_timeout(PATIENCE);
    let engine = options.client(&host, &Peer::at(broker), Moment::START)?;
    let clock = driver::Clock::new(move || clock.now());
    Ok(Hub::new(engine, HubOptions::new(clock, host.random_name()?, &options)))
}

/// Returns the TLS of a new connection if the program's second argument is a file of trusted certificates; the third is
/// the name in the broker's certificate.
///
/// # Errors
///
/// The file has no certificates; there is no name.
pub fn tls() -> Result<Option<TlsLayer>, Failure> {
    let Some(trusted) = std::env::args().nth(2) else { return Ok(None) };
    let name = std::env::args().nth(3).ok_or("the name in the broker's certificate is missing")?;
    let tls = ClientTls::builder().with_trusted_pem(&std::fs::read(trusted)?)?.build()?;
    Ok(Some(tls.connect(&name)?.into()))
}

/// Does with handles what [`Exchange`](crate::Exchange) does with events.
///
/// # Errors
///
/// The end of the connection or of a link; [`Incomplete`].
pub async fn exchange(connection: Connection<Waker>, queue: &str) -> Result<String, Failure> {
    Connection::opened(&connection).await?;
    let home = Connection::home(&connection);
    let sender = Sender::attach(&home, &SenderSettings::to(queue))?;
    Sender::attached(&sender).await?;
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        sent.push(match Sender::queue(&sender, format!("message {number}"))? {
            Queued::Sent(sent) => sent,
            Queued::Waiting(turn) => turn.await?,
        });
    }
    let mut counts = Incomplete { messages: MESSAGES, accepted: 0, received: 0 };
    for sent in sent {
        let outcome = poll_fn(|context| Sent::poll_outcome(&sent, context.waker())).await?;
        counts.accepted += u32::from(outcome == Outcome::Accepted);
    }
    let receiver = Receiver::attach(&home, &ReceiverSettings::from(queue))?;
    Receiver::attached(&receiver).await?;
    while counts.received < MESSAGES
        && let Some(delivery) = Receiver::recv(&receiver).await?
    {
        let expected = format!("message {}", counts.received);
        if delivery.message()?.body()?.as_str() != Some(expected.as_str()) {
            return Err(format!("'{expected}' did not arrive in its turn").into());
        }
        delivery.accept()?;
        counts.received += 1;
    }
    Connection::close(&connection).await?;
    counts.verdict()
}
