//! Runs a service that answers each request with its text in upper case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::process::ExitCode;
use std::time::Instant;

use amqp_tokio::wire::Outcome;
use amqp_tokio::{Connection, Request, Responder};
use anyhow::{Result, bail};
use clap::Parser;
use common::{Target, exit, print_counts, text};

/// Answers each request with its text in upper case.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Ends after this many requests; 0 for never.
    #[arg(long, default_value_t = 0)]
    count: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(run(&Arguments::parse()).await)
}

/// Answers requests. Returns whether as many were answered as were wanted.
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
    let responder = connection.responder(address).await?;
    let start = Instant::now();
    let (mut requests, mut answered) = (0, 0);
    tokio::select! {
        done = answer_all(arguments, &responder, &mut requests, &mut answered) => done?,
        // Whoever is not answered yet is answered by another.
        done = tokio::signal::ctrl_c() => {
            done?;
            eprintln!("interrupted");
        }
    }
    print_counts(&[("requests", requests), ("answered", answered)], start, arguments.target.json);
    Ok(answered == requests && requests >= arguments.count)
}

async fn answer_all(
    arguments: &Arguments,
    responder: &Responder,
    requests: &mut u64,
    answered: &mut u64,
) -> Result<()> {
    while arguments.count == 0 || *requests < arguments.count {
        let Some(request) = responder.recv().await? else { bail!("the link was closed by the peer") };
        *requests += 1;
        match answer(request).await {
            Ok(Outcome::Accepted) => *answered += 1,
            Ok(outcome) => eprintln!("an answer did not arrive: {outcome:?}"),
            Err(error) => eprintln!("not answered: {error}"),
        }
    }
    Ok(())
}

async fn answer(request: Request) -> Result<Outcome> {
    let answer = text(&request.message().body()?).to_uppercase();
    Ok(request.reply(answer).await?)
}
