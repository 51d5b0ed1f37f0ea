//! Sends messages, and waits for the outcome of each.
//!
//! ```text
//! cargo run -p amqp-blocking --example blocking_send -- amqp://localhost/jobs --count 1000 --size 256
//! ```
#![allow(clippy::cast_precision_loss, missing_docs, unreachable_pub)]

mod common;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amqp_blocking::{Error, Outgoing, Sender, Sent};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Parser;
use common::{Common, Kind, Tally};

/// Sends messages, and waits for the outcome of each. Exits with 0 if every outcome is the expected one.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    common: Common,
    /// The number of messages to send
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The size of each body, in octets
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// The most messages that wait for their outcome at a time
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    /// Sends messages settled: at most once, without an outcome
    #[arg(long)]
    presettled: bool,
    /// The outcome expected of each message
    #[arg(long, value_enum, default_value = "accepted")]
    outcome: Kind,
}

/// The time between two looks at whether Ctrl-C was pressed.
const TURN: Duration = Duration::from_millis(100);
/// The time to wait for an outcome after Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    common::report(run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode> {
    let node = options.common.node()?;
    let connection = options.common.connect()?;
    let sender = connection.sender(&*node).attach().with_context(|| format!("cannot send to '{node}'"))?;
    let is_over = stop_by_key(&sender)?;
    let mut tally = Tally::new("sent", options.count);
    let done = send_all(options, &sender, &is_over, &mut tally);
    if let Err(error) = done.and_then(|()| connection.close()) {
        tally.say(&format!("error: {error}"));
        tally.unexpected += 1;
    }
    Ok(tally.finish(options.count, options.common.json))
}

fn send_all(
    options: &Options,
    sender: &Sender,
    is_over: &AtomicBool,
    tally: &mut Tally,
) -> Result<(), Error> {
    let body = Bytes::from(vec![b'x'; options.size]);
    let window = usize::try_from(options.window).unwrap_or(usize::MAX);
    let mut on_the_way = VecDeque::new();
    for _ in 0..options.count {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        // What is not said to be settled is as the link has it.
        let message = Outgoing::from(body.clone());
        let message = if options.presettled { message.with_settled(true) } else { message };
        match send(sender, &message, is_over)? {
            Some(sent) => on_the_way.push_back(sent),
            None => break,
        }
        tally.messages += 1;
        while on_the_way.len() >= window && track(options, &mut on_the_way, is_over, tally)? {}
    }
    while track(options, &mut on_the_way, is_over, tally)? {}
    Ok(())
}

/// Sends a message when there is credit. Returns `None` after Ctrl-C.
fn send(sender: &Sender, message: &Outgoing, is_over: &AtomicBool) -> Result<Option<Sent>, Error> {
    while !is_over.load(Ordering::Relaxed) {
        match sender.send_queued_timeout(message.clone(), TURN) {
            Ok(sent) => return Ok(Some(sent)),
            Err(Error::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Waits for the outcome of the message that was sent first, and not for long when it is over: a broker with a full
/// queue may keep that for long. Returns whether there was one.
fn track(
    options: &Options,
    on_the_way: &mut VecDeque<Sent>,
    is_over: &AtomicBool,
    tally: &mut Tally,
) -> Result<bool, Error> {
    let Some(sent) = on_the_way.pop_front() else { return Ok(false) };
    let outcome = loop {
        let is_last = is_over.load(Ordering::Relaxed);
        match sent.outcome_timeout(if is_last { PATIENCE } else { TURN }) {
            Err(Error::TimedOut) if is_last => return Ok(false),
            Err(Error::TimedOut) => {}
            outcome => break outcome?,
        }
    };
    tally.note(Kind::of(&outcome), options.outcome);
    if tally.unexpected == 1 && Kind::of(&outcome) != Some(options.outcome) {
        tally.say(&format!("the first outcome that was not expected: {outcome:?}"));
    }
    Ok(true)
}

/// Has Ctrl-C end the sending. Outcomes are still waited for, until a second Ctrl-C.
fn stop_by_key(sender: &Sender) -> Result<Arc<AtomicBool>> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (told, sender) = (Arc::clone(&is_over), sender.clone());
    ctrlc::set_handler(move || {
        if told.swap(true, Ordering::Relaxed) {
            let _ = sender.close();
        }
    })?;
    Ok(is_over)
}
