//! Receives messages from a node, and gives each an outcome.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::process::ExitCode;

use amqp_tokio::wire::SenderSettleMode;
use amqp_tokio::{Connection, Delivery, Receiver};
use anyhow::{Context, Result, bail};
use clap::Parser;
use common::{Messages, Tally, Target, bar, exit, say, text};

/// Receives messages, and gives each the same outcome.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    messages: Messages,
    /// The credit to grant ahead.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    credit: u32,
    /// Fails if the body of a message does not have this many octets.
    #[arg(long)]
    size: Option<usize>,
    /// Prints the body of each message.
    #[arg(long)]
    print: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(run(&Arguments::parse()).await)
}

/// Returns whether all messages came, or the reader of the output had enough.
async fn run(arguments: &Arguments) -> Result<bool> {
    let (connection, address) = arguments.target.connect().await?;
    // No more is asked for than is to be received: what is not taken is not kept from others.
    let credit =
        u32::try_from(arguments.messages.count).map_or(arguments.credit, |count| count.min(arguments.credit));
    let prefetch = if u64::from(credit) == arguments.messages.count { 0 } else { credit };
    let mut attaching = connection.receiver(&*address).with_prefetch(prefetch);
    if arguments.messages.presettled {
        attaching = attaching.with_snd_settle_mode(SenderSettleMode::Settled);
    }
    let receiver = attaching.await.with_context(|| format!("cannot receive from '{address}'"))?;
    if prefetch == 0 {
        receiver.set_credit(credit)?;
    }
    let mut tally = Tally::new();
    let received = receive_and_close(arguments, &connection, &receiver, &mut tally).await;
    tally.print("received", arguments.target.json);
    let is_read = received?;
    Ok(!is_read || tally.of(arguments.messages.outcome) == arguments.messages.count)
}

/// Receives until the end or Ctrl-C, and closes in any case. Returns whether all that was printed was read.
async fn receive_and_close(
    arguments: &Arguments,
    connection: &Connection,
    receiver: &Receiver,
    tally: &mut Tally,
) -> Result<bool> {
    let received = tokio::select! {
        done = receive_all(arguments, receiver, tally) => done,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("interrupted");
            Ok(true)
        }
    };
    let closed = give_back(connection, receiver).await;
    received.and_then(|is_read| closed.map(|()| is_read))
}

async fn give_back(connection: &Connection, receiver: &Receiver) -> Result<()> {
    // What has come and was not taken goes elsewhere.
    receiver.close().await?;
    Ok(connection.close().await?)
}

/// Returns whether all that was printed was read.
async fn receive_all(arguments: &Arguments, receiver: &Receiver, tally: &mut Tally) -> Result<bool> {
    let bar = bar(arguments.messages.count, arguments.target.json);
    while tally.messages < arguments.messages.count {
        let Some(delivery) = receiver.recv().await? else { bail!("the link was closed by the peer") };
        if (arguments.print || arguments.size.is_some()) && !check(arguments, &delivery)? {
            delivery.release()?;
            return Ok(false);
        }
        tally.messages += 1;
        tally.count(arguments.messages.outcome);
        bar.inc(1);
        arguments.messages.outcome.decide(delivery)?;
    }
    bar.finish_and_clear();
    Ok(true)
}

/// Checks and prints a message. Returns whether the output is still read.
fn check(arguments: &Arguments, delivery: &Delivery) -> Result<bool> {
    let body = delivery.message()?.body()?;
    let octets = body.bytes().map(|body| body.len());
    match arguments.size {
        Some(size) if octets != Some(size) => bail!("a body of {octets:?} octets, not {size}"),
        _ => Ok(!arguments.print || say(text(&body))),
    }
}
