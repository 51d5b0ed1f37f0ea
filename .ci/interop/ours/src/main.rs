//! Runs every case with both clients against the given brokers, and fails if a case does not end as expected.
//! `bash .ci/interop/run` starts the brokers and this program.

mod broker;
mod builders;
mod cases;
mod client;
mod exchange;
mod failure;
mod limits;
mod management;
mod messages;
mod on_blocking;
mod on_tokio;
mod run;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use anyhow::Context;
use clap::Parser;

use crate::broker::Peer;
use crate::cases::{Case, Set};
use crate::run::{Report, Verdict, play};

/// Runs every case with both clients against brokers by other authors.
#[derive(Debug, Parser)]
struct Arguments {
    /// The brokers, each as NAME=URL; NAME is rabbitmq, rabbitmq-4, proton-broker, rhea-broker or artemis.
    #[arg(required = true)]
    brokers: Vec<Peer>,
    /// The set of cases that the brokers are configured for.
    #[arg(long, value_enum, default_value = "open")]
    set: Set,
    /// The certificate of the authority that has issued the brokers' certificates.
    #[arg(long)]
    authority: Option<PathBuf>,
    /// Runs only cases whose name contains this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Appends the result of each case to this file: broker, client, case, result, text and group, separated by tabs.
    #[arg(long)]
    results: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::parse();
    arguments.brokers.iter_mut().for_each(|peer| peer.authority.clone_from(&arguments.authority));
    let cases: Vec<Case> =
        arguments.set.cases().into_iter().filter(|case| case.name.contains(&arguments.only)).collect();
    let output = Mutex::new(());
    let reports: Vec<Report> = thread::scope(|scope| {
        let brokers: Vec<_> =
            arguments.brokers.iter().map(|peer| scope.spawn(|| on(peer, &cases, &output))).collect();
        brokers.into_iter().flat_map(|broker| broker.join().unwrap_or_default()).collect()
    });
    if let Some(path) = &arguments.results {
        write(path, &reports).with_context(|| path.display().to_string())?;
    }
    let count = |is: fn(&Verdict) -> bool| reports.iter().filter(|report| is(&report.verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Fail(_)));
    let limits = count(|verdict| matches!(verdict, Verdict::Limit(_)));
    let passed = count(|verdict| matches!(verdict, Verdict::Pass));
    // Failures are printed once more, since the end of a log is what is read first.
    reports.iter().filter(|report| matches!(report.verdict, Verdict::Fail(_))).for_each(print);
    println!("{passed} ok, {limits} known limits, {failed} failed");
    let expected: usize = arguments.brokers.iter().map(|peer| of(peer, &cases).count()).sum();
    let is_complete = reports.len() == expected && !reports.is_empty();
    Ok(if failed == 0 && is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the cases for a broker.
fn of<'a>(peer: &'a Peer, cases: &'a [Case]) -> impl Iterator<Item = &'a Case> {
    cases.iter().filter(move |case| case.only.is_none_or(|only| only == peer.broker))
}

/// Runs all cases on one broker.
fn on(peer: &Peer, cases: &[Case], output: &Mutex<()>) -> Vec<Report> {
    let played = of(peer, cases).map(|case| {
        let report = play(case, peer);
        let _line = output.lock();
        print(&report);
        report
    });
    played.collect()
}

/// Returns the result of a case in one word, and the reason.
fn result(verdict: &Verdict) -> (&'static str, &str) {
    match verdict {
        Verdict::Pass => ("ok", ""),
        Verdict::Limit(limit) => ("limit", limit.note),
        Verdict::Fail(words) => ("FAIL", words),
    }
}

fn print(report: &Report) {
    let (Report { broker, client, case, .. }, (result, words)) = (report, result(&report.verdict));
    println!("{broker:<13} {client:<8} {case:<60} {result:<5} {words}");
}

fn write(path: &Path, reports: &[Report]) -> anyhow::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    for report in reports {
        let (Report { broker, client, group, case, .. }, (result, words)) = (report, result(&report.verdict));
        writeln!(file, "{broker}\t{client}\t{case}\t{result}\t{words}\t{group}")?;
    }
    Ok(())
}
