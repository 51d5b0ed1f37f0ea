//! Sends messages to a node, over as many connections as it takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::time::Duration;

use amqp_tokio::message::Message;
use amqp_tokio::policy::{Backoff, Scope, is_transient};
use amqp_tokio::wire::{AmqpError, Outcome};
use amqp_tokio::{Address, Connection, ConnectionOptions, Result};
use clap::Parser;

/// Sends durable messages, and connects again when the connection breaks.
#[derive(Debug, Parser)]
struct Arguments {
    /// The broker and the address of the node, as amqp://host:port/address.
    url: String,
    /// The address of the node, instead of the URL's path. RabbitMQ 4 needs it: /queues/jobs.
    #[arg(long)]
    address: Option<String>,
    /// The number of messages to send.
    #[arg(long, default_value_t = 10)]
    count: u32,
    /// The number of failed attempts in a row after which to give up.
    #[arg(long, default_value_t = 10)]
    attempts: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { url, address, count, attempts } = Arguments::parse();
    let jobs = (0..count).map(|n| {
        // One that is not durable may be lost with the broker, although it was accepted.
        Message::from(format!("job {n}")).with_message_id(u64::from(n)).with_durable(true)
    });
    let backoff = Backoff::default().with_attempts(attempts);
    match send_all(&url, address.as_deref(), &mut jobs.collect(), &backoff).await {
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
pub async fn send_all(
    url: &str,
    address: Option<&str>,
    jobs: &mut VecDeque<Message>,
    backoff: &Backoff,
) -> Result<()> {
    let url: Address = url.parse()?;
    let address = address.unwrap_or(url.path());
    let mut failures = 0;
    loop {
        let before = jobs.len();
        let Err(error) = send_over_one(&url, address, jobs).await else { return Ok(()) };
        if jobs.len() < before {
            failures = 0;
        }
        if !error.is_transient() || !backoff.allows(failures) {
            return Err(error);
        }
        let wait = backoff.delay(failures, RandomState::new().hash_one(failures));
        failures += 1;
        eprintln!("{error}; {} left, again in {wait:?}", jobs.len());
        tokio::time::sleep(wait).await;
    }
}

/// Sends as many messages as one connection lasts for.
async fn send_over_one(url: &Address, address: &str, jobs: &mut VecDeque<Message>) -> Result<()> {
    let connection = Connection::connect(url, ConnectionOptions::new()).await?;
    let sent = send_on(&connection, address, jobs).await;
    // All is known by now, or lost, however this ends.
    let _ = connection.close().await;
    sent
}

async fn send_on(connection: &Connection, address: &str, jobs: &mut VecDeque<Message>) -> Result<()> {
    let sender = connection.sender(address).await?;
    while let Some(job) = jobs.front() {
        match sender.send(job.clone()).await? {
            Outcome::Accepted => drop(jobs.pop_front()),
            Outcome::Rejected(rejected) if !passes(rejected.error.as_deref()) => {
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
    Ok(())
}

/// Returns whether a later attempt may succeed: the queue is full or unavailable.
fn passes(error: Option<&AmqpError>) -> bool {
    error.is_some_and(|error| is_transient(Scope::Delivery, error))
}
