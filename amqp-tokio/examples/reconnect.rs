//! Sends messages to a node, over as many connections as that takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

use amqp_tokio::message::Message;
use amqp_tokio::proto::policy::Backoff;
use amqp_tokio::wire::{Condition, Outcome};
use amqp_tokio::{Address, Connection, Error, Origin, Result};
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

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { url, count, attempts } = Arguments::parse();
    let job = |n| Message::from(format!("job {n}")).with_message_id(u64::from(n)).with_durable(true);
    let backoff = Backoff::default().with_attempts(attempts);
    match send_all(&url, &mut (0..count).map(job).collect(), &backoff).await {
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

/// Sends all messages. One leaves the queue when its outcome is known and not before, so none is lost; one whose outcome
/// is lost with its connection is sent again, so it may come twice, which its message-id shows.
pub async fn send_all(url: &str, jobs: &mut VecDeque<Message>, backoff: &Backoff) -> Result<()> {
    let mut failures = 0;
    loop {
        let before = jobs.len();
        let Err(error) = send_over_one(url, jobs).await else { return Ok(()) };
        if jobs.len() < before {
            failures = 0;
        }
        if !is_passing(&error) || !backoff.allows(failures) {
            return Err(error);
        }
        let wait = Duration::from_millis(backoff.delay(failures, RandomState::new().hash_one(failures)));
        failures += 1;
        eprintln!("{error}; {} left, again in {wait:?}", jobs.len());
        tokio::time::sleep(wait).await;
    }
}

/// Sends as many as one connection lasts for.
async fn send_over_one(url: &str, jobs: &mut VecDeque<Message>) -> Result<()> {
    let address: Address = url.parse()?;
    let connection = Connection::open(url).await?;
    let sender = connection.sender(address.path()).await?;
    while let Some(job) = jobs.front() {
        match sender.send(job.clone()).await? {
            Outcome::Accepted => drop(jobs.pop_front()),
            Outcome::Rejected(rejected) => {
                eprintln!("rejected: {:?}", rejected.error);
                jobs.pop_front();
            }
            // It is still ours: others first.
            _ => {
                jobs.rotate_left(1);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // All is known by now, however this ends.
    let _ = connection.close().await;
    Ok(())
}

/// Whether it may go better the next time: the network failed, or the peer did, or it has gone for a while.
fn is_passing(error: &Error) -> bool {
    match (error, error.condition()) {
        // Certificates that are not believed, and do not change.
        (Error::Io(error), _) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
            false
        }
        (Error::Io(_), _) | (_, Some(Condition::ConnectionForced | Condition::DetachForced)) => true,
        (_, Some(Condition::UnauthorizedAccess)) => false,
        (_, Some(_)) => matches!(error.origin(), Some(Origin::Transport | Origin::Local)),
        // Something has ended, and nothing was wrong; or this end was asked for what it cannot do.
        (_, None) => error.origin().is_some(),
    }
}
