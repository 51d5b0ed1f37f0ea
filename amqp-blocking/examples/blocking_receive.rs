//! Receives messages, and gives each an outcome.
//!
//! ```text
//! cargo run -p amqp-blocking --example blocking_receive -- amqp://localhost/jobs --count 1000 --credit 100
//! ```
#![allow(clippy::cast_precision_loss, missing_docs, unreachable_pub)]

mod common;

use std::process::ExitCode;
use std::time::Duration;

use amqp_blocking::wire::{AmqpError, Condition, Modified, SenderSettleMode};
use amqp_blocking::{Delivery, Error, Receiver};
use anyhow::{Context as _, Result};
use clap::Parser;
use common::{Common, Kind, Tally, say, text};

/// Receives messages, and gives each the same outcome. Exits with 0 if all came.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    common: Common,
    /// The number of messages to receive; 0 for all until Ctrl-C
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The credit to grant ahead
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    credit: u32,
    /// Has messages sent settled: at most once, without an outcome
    #[arg(long)]
    presettled: bool,
    /// The outcome of each message
    #[arg(long, value_enum, default_value = "accepted")]
    outcome: Kind,
    /// Ends after this many seconds without a message
    #[arg(long, value_name = "SECONDS")]
    idle: Option<u64>,
    /// Prints the body of each message
    #[arg(long)]
    print: bool,
}

fn main() -> ExitCode {
    common::report(run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode> {
    let node = options.common.node()?;
    let connection = options.common.connect()?;
    // No more is asked for than is wanted: what is left stays for others.
    let wanted = u32::try_from(options.count).ok().filter(|count| *count > 0).unwrap_or(u32::MAX);
    let mut builder = connection.receiver(&*node).with_prefetch(0);
    if options.presettled {
        builder = builder.with_snd_settle_mode(SenderSettleMode::Settled);
    }
    let receiver = builder.attach().with_context(|| format!("cannot receive from '{node}'"))?;
    stop_by_key(&receiver)?;
    let mut tally = Tally::new("received", options.count);
    let done = receiver
        .set_credit(options.credit.min(wanted))
        .and_then(|()| receive_all(options, &receiver, &mut tally));
    if let Err(error) = done.and_then(|()| connection.close()) {
        tally.say(&format!("error: {error}"));
        tally.unexpected += 1;
    }
    Ok(tally.finish(options.count, options.common.json))
}

fn receive_all(options: &Options, receiver: &Receiver, tally: &mut Tally) -> Result<(), Error> {
    let mut granted = u64::from(options.credit);
    while options.count == 0 || tally.messages < options.count {
        let delivery = match options.idle {
            Some(seconds) => receiver.recv_timeout(Duration::from_secs(seconds)),
            None => receiver.recv(),
        };
        let delivery = match delivery {
            Ok(Some(delivery)) => delivery,
            Ok(None) => break,
            Err(Error::TimedOut) => break,
            Err(error) => return Err(error),
        };
        if options.print && !print(&delivery) {
            // Nobody reads on: others may have the rest.
            delivery.release()?;
            tally.is_cut = true;
            break;
        }
        tally.messages += 1;
        decide(options, delivery, tally)?;
        granted = top_up(options, receiver, tally.messages, granted)?;
    }
    Ok(())
}

/// Grants more credit when half of it is used.
fn top_up(options: &Options, receiver: &Receiver, received: u64, granted: u64) -> Result<u64, Error> {
    let most = if options.count == 0 { u64::MAX } else { options.count };
    let ahead = granted.saturating_sub(received);
    if ahead > u64::from(options.credit / 2) || granted >= most {
        return Ok(granted);
    }
    let more = (u64::from(options.credit) - ahead).min(most - granted);
    receiver.add_credit(u32::try_from(more).unwrap_or(u32::MAX))?;
    Ok(granted + more)
}

/// Prints a message. Returns whether the output is still read.
fn print(delivery: &Delivery) -> bool {
    match delivery.message().and_then(|message| Ok(message.body()?)) {
        Ok(body) => say(text(&body)),
        Err(error) => say(error),
    }
}

fn decide(options: &Options, delivery: Delivery, tally: &mut Tally) -> Result<(), Error> {
    if delivery.is_settled() {
        tally.note(Some(Kind::Accepted), Kind::Accepted);
        return Ok(());
    }
    match options.outcome {
        Kind::Accepted => delivery.accept()?,
        Kind::Rejected => delivery.reject(AmqpError::new(Condition::NotAllowed))?,
        Kind::Released => delivery.release()?,
        Kind::Modified => {
            delivery.modify(Modified { delivery_failed: Some(true), ..Modified::default() })?;
        }
    }
    tally.note(Some(options.outcome), options.outcome);
    Ok(())
}

/// Has Ctrl-C close the link, after the outcomes are written.
fn stop_by_key(receiver: &Receiver) -> Result<()> {
    let receiver = receiver.clone();
    ctrlc::set_handler(move || {
        let _ = receiver.close();
    })?;
    Ok(())
}
