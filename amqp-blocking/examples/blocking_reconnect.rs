//! Sends durable messages to a node, over as many connections as that takes.
//!
//! ```text
//! cargo run -p amqp-blocking --example blocking_reconnect -- amqp://localhost/jobs --count 1000
//! ```
#![allow(missing_docs, unreachable_pub)]

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use amqp_blocking::message::Message;
use amqp_blocking::proto::policy::Backoff;
use amqp_blocking::wire::{Condition, Outcome};
use amqp_blocking::{Address, Connection, Error, Origin, Result};
use clap::Parser;

/// Sends messages, and connects again where the broker goes away.
#[derive(Debug, Parser)]
struct Arguments {
    /// The broker and the address of the node there: amqp://host:port/address
    url: String,
    /// How many messages to send.
    #[arg(long, default_value_t = 10)]
    count: u32,
    /// How many more attempts to make when one has failed, in a row.
    #[arg(long, default_value_t = 10)]
    attempts: u32,
}

fn main() -> ExitCode {
    let Arguments { url, count, attempts } = Arguments::parse();
    let job = |n| Message::from(format!("job {n}")).with_message_id(u64::from(n)).with_durable(true);
    let backoff = Backoff::default().with_attempts(attempts);
    match send_all(&url, &mut (0..count).map(job).collect(), &backoff) {
        Ok(()) => {
            println!("the outcomes of {count} messages are known");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends all messages. A message leaves the queue when its outcome is known and not before, so none is lost. A message
/// whose outcome is lost with its connection is sent again, so it may arrive twice; its message-id shows that.
pub fn send_all(url: &str, jobs: &mut VecDeque<Message>, backoff: &Backoff) -> Result<()> {
    let mut failures = 0;
    loop {
        let before = jobs.len();
        let Err(error) = send_over_one(url, jobs) else { return Ok(()) };
        if jobs.len() < before {
            failures = 0;
        }
        if !is_passing(&error) || !backoff.allows(failures) {
            return Err(error);
        }
        let wait = Duration::from_millis(backoff.delay(failures, RandomState::new().hash_one(failures)));
        failures += 1;
        eprintln!("{error}; {} left, again in {wait:?}", jobs.len());
        thread::sleep(wait);
    }
}

/// Sends as many messages as one connection lasts for.
fn send_over_one(url: &str, jobs: &mut VecDeque<Message>) -> Result<()> {
    let address: Address = url.parse()?;
    let connection = Connection::open(url)?;
    let sender = connection.sender(address.path()).attach()?;
    while let Some(job) = jobs.front() {
        match sender.send(job.clone())? {
            Outcome::Accepted => drop(jobs.pop_front()),
            Outcome::Rejected(rejected) => {
                eprintln!("rejected: {:?}", rejected.error);
                jobs.pop_front();
            }
            // The message is still this end's: the others go first.
            _ => {
                jobs.rotate_left(1);
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
    // All outcomes are known by now, however the connection ends.
    let _ = connection.close();
    Ok(())
}

/// Returns whether a new connection may do better: the network failed, or the peer did, or it has gone for a while.
fn is_passing(error: &Error) -> bool {
    match (error, error.condition()) {
        // A certificate that is not believed does not change.
        (Error::Io(error), _) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
            false
        }
        (Error::Io(_), _) | (_, Some(Condition::ConnectionForced | Condition::DetachForced)) => true,
        (_, Some(Condition::UnauthorizedAccess)) => false,
        (_, Some(_)) => matches!(error.origin(), Some(Origin::Transport | Origin::Local)),
        // Something has ended, and nothing was wrong; or this end was asked for something that it cannot do.
        (_, None) => error.origin().is_some(),
    }
}
