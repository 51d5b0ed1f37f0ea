//! Sends messages to a node, and counts their outcomes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

use amqp_tokio::wire::SenderSettleMode;
use amqp_tokio::{Connection, Sender, Sent};
use anyhow::{Context, Result};
use clap::Parser;
use common::{Kind, Messages, Tally, Target, bar, exit};

/// Sends messages, and waits for the outcome of each.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    messages: Messages,
    /// The size of each body, in octets.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// The most messages that wait for their outcome at a time.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
}

/// The time to wait for outcomes after Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    exit(run(&Arguments::parse()).await)
}

/// Sends all messages. Returns whether every outcome is the expected one.
async fn run(arguments: &Arguments) -> Result<bool> {
    let (connection, address) = arguments.target.connect().await?;
    let mut attaching = connection.sender(&*address);
    if arguments.messages.presettled {
        attaching = attaching.with_snd_settle_mode(SenderSettleMode::Settled);
    }
    let sender = attaching.await.with_context(|| format!("cannot send to '{address}'"))?;
    let mut tally = Tally::new();
    let sent = send_and_close(arguments, &connection, &sender, &mut tally).await;
    tally.print("sent", arguments.target.json);
    sent?;
    Ok(tally.of(arguments.messages.outcome) == arguments.messages.count)
}

/// Sends until the end or Ctrl-C, and closes in any case.
async fn send_and_close(
    arguments: &Arguments,
    connection: &Connection,
    sender: &Sender,
    tally: &mut Tally,
) -> Result<()> {
    let mut waiting = VecDeque::new();
    let sent = tokio::select! {
        done = send_all(arguments, sender, tally, &mut waiting) => done,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("interrupted; it may still take {PATIENCE:?} until all outcomes are known");
            Ok(())
        }
    };
    // What was sent has an outcome, too, when no more is sent; but a broker with a full queue may keep that for long.
    let sent = match sent {
        Ok(()) if tally.messages < arguments.messages.count => {
            tokio::time::timeout(PATIENCE, collect(&mut waiting, tally)).await.unwrap_or(Ok(()))
        }
        Ok(()) => tokio::select! {
            done = collect(&mut waiting, tally) => done,
            _ = tokio::signal::ctrl_c() => {
                eprintln!("interrupted");
                Ok(())
            }
        },
        failed => failed,
    };
    let closed = match sender.close().await {
        Ok(()) => connection.close().await,
        failed => failed,
    };
    sent?;
    Ok(closed?)
}

async fn collect(waiting: &mut VecDeque<Sent>, tally: &mut Tally) -> Result<()> {
    while let Some(oldest) = waiting.front_mut() {
        let outcome = oldest.outcome().await?;
        waiting.pop_front();
        tally.count(Kind::of(&outcome)?);
    }
    Ok(())
}

async fn send_all(
    arguments: &Arguments,
    sender: &Sender,
    tally: &mut Tally,
    waiting: &mut VecDeque<Sent>,
) -> Result<()> {
    let bar = bar(arguments.messages.count, arguments.target.json);
    let body = bytes(arguments.size);
    for _ in 0..arguments.messages.count {
        if waiting.len() as u64 >= arguments.window
            && let Some(oldest) = waiting.front_mut()
        {
            let outcome = oldest.outcome().await?;
            waiting.pop_front();
            tally.count(Kind::of(&outcome)?);
        }
        waiting.push_back(sender.send_queued(body.clone()).await?);
        tally.messages += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Makes the octets that all messages share.
fn bytes(size: usize) -> bytes::Bytes {
    vec![b'x'; size].into()
}
