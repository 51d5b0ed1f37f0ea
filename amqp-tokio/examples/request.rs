//! Sends requests to a service, and waits for the replies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use amqp_tokio::{Connection, Requester};
use anyhow::{Context, Result};
use clap::Parser;
use common::{Target, bar, exit, print_counts, say, text as text_of};
use tokio::task::JoinSet;

/// Sends requests to a service, and waits for the replies.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// The text of the request.
    #[arg(default_value = "hello")]
    text: String,
    /// The number of requests to send.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The most requests that wait for a reply at a time.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    window: u64,
    /// The seconds to wait for each reply.
    #[arg(long, default_value_t = 10)]
    timeout: u64,
    /// The queue for replies, for brokers without dynamic nodes. No other receiver may use it.
    #[arg(long, value_name = "ADDRESS")]
    reply_to: Option<String>,
    /// Prints the replies.
    #[arg(long)]
    print: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(run(&Arguments::parse()).await)
}

/// Sends all requests. Returns whether each was answered.
async fn run(arguments: &Arguments) -> Result<bool> {
    let (connection, address) = arguments.target.connect().await?;
    let done = run_on(&connection, &address, arguments).await;
    // Also after an error: what is queued is written, and the peer told that it is over.
    let closed = connection.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

async fn run_on(connection: &Connection, address: &str, arguments: &Arguments) -> Result<bool> {
    let requester = match &arguments.reply_to {
        None => connection.requester(address).await.context("no way to get answers")?,
        Some(own) => {
            let answers = connection.receiver(&**own).with_auto_accept(true).await?;
            Requester::new(connection.sender(address).await?, answers)?
        }
    };
    let start = Instant::now();
    let (mut asked, mut answered) = (0, 0);
    tokio::select! {
        done = ask_all(arguments, &requester, &mut asked, &mut answered) => done?,
        done = tokio::signal::ctrl_c() => {
            done?;
            eprintln!("interrupted");
        }
    }
    print_counts(&[("requested", asked), ("answered", answered)], start, arguments.target.json);
    Ok(answered == arguments.count)
}

async fn ask_all(
    arguments: &Arguments,
    requester: &Requester,
    asked: &mut u64,
    answered: &mut u64,
) -> Result<()> {
    let bar = bar(arguments.count, arguments.target.json);
    let mut asking = JoinSet::new();
    while *asked < arguments.count || !asking.is_empty() {
        if *asked < arguments.count && (asking.len() as u64) < arguments.window {
            let span = Duration::from_secs(arguments.timeout);
            asking.spawn(ask(requester.clone(), arguments.text.clone(), span));
            *asked += 1;
            continue;
        }
        let Some(answer) = asking.join_next().await else { break };
        let answer = answer??;
        if arguments.print {
            say(answer);
        }
        *answered += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Returns the text of a reply.
async fn ask(requester: Requester, text: String, span: Duration) -> Result<String> {
    let answer = tokio::time::timeout(span, requester.request(text)).await;
    let body = answer.context("no answer in time")??.message()?.body()?;
    Ok(text_of(&body))
}
