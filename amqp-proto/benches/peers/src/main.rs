//! Compares this repository's crates with other implementations of AMQP 1.0, in one run with one table.
//!
//! `cargo run --release --manifest-path amqp-proto/benches/peers/Cargo.toml` measures each row several times, one program
//! after the other. It writes the table as text and as Markdown, and a chart. The page
//! `amqp-proto/docs/PERFORMANCE.md` explains the rows. proton-c comes from Debian's package libqpid-proton11-dev; the run
//! compiles `c/proton.c`.
#![forbid(unsafe_code)]

mod blocking;
mod cases;
mod chart;
mod codec;
mod engine;
mod fe2o3;
mod ntex;
mod ours;
#[allow(dead_code)] // the engine's own benchmark uses the rest
#[path = "../../engine/pair.rs"]
mod pair;
mod peers;
mod ramqp;
mod raw;
mod report;
mod role;
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;

use crate::cases::Effort;
use crate::report::Table;
use crate::role::Role;
use crate::run::Run;

/// Compares this repository's crates with other implementations of AMQP 1.0.
#[derive(Debug, Parser)]
struct Options {
    /// Does a twentieth of the work, once: shows that everything runs, not how fast.
    #[arg(long)]
    quick: bool,
    /// Measures only rows whose title contains this; may be given more than once.
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// Measures each row this often; 7 times by default.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Writes table.txt, table.md and chart.svg there.
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Replaces the table between the marks of this page, and writes the chart beside it as performance.svg.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Lists the rows.
    #[arg(long)]
    list: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, first, who, role, more @ ..] = &arguments[..]
        && first == "role"
    {
        return play(who, role, &Role::new(more.iter().cloned()));
    }
    compare(&Options::parse());
}

/// Plays one role in this process.
fn play(who: &str, role: &str, how: &Role) {
    match (who, role) {
        ("ours", "codec") => codec::ours(how),
        ("ours", "engine") => engine::run(how),
        ("ours", "send") if how.text("shape") == "blocking" => blocking::send(how),
        ("ours", "send") => ours::send(how),
        ("ours", "recv") if how.text("shape") == "blocking" => blocking::receive(how),
        ("ours", "recv") => ours::receive(how),
        ("ours", "tasks") => ours::tasks(how),
        ("ours", "memory") => ours::memory(how),
        ("ours", "crowd") => ours::crowd(how),
        ("ours", "crowd-server") => ours::crowd_server(how),
        ("raw", "recv") => raw::receive(how),
        ("raw", "send") => raw::send(how),
        ("raw", "tasks") => raw::tasks(how),
        ("raw", "spin") => raw::spin(),
        ("fe2o3", "codec") => codec::fe2o3(how),
        ("fe2o3", "engine") => fe2o3::engine(how),
        ("fe2o3", "send") => fe2o3::send(how),
        ("fe2o3", "recv") => fe2o3::receive(how),
        ("fe2o3", "tasks") => fe2o3::tasks(how),
        ("fe2o3", "memory") => fe2o3::memory(how),
        ("ramqp", "codec") => codec::ramqp(how),
        ("ramqp", "send") => ramqp::send(how),
        ("ramqp", "tasks") => ramqp::tasks(how),
        ("ramqp", "memory") => ramqp::memory(how),
        ("ntex", "codec") => codec::ntex(how),
        ("ntex", "send") => ntex::send(how),
        ("ntex", "tasks") => ntex::tasks(how),
        ("ntex", "memory") => ntex::memory(how),
        _ => panic!("{who} does not play {role}"),
    }
}

fn compare(options: &Options) {
    let mut cases = cases::all(Effort { is_quick: options.quick });
    if !options.only.is_empty() {
        cases.retain(|case| options.only.iter().any(|part| case.title().contains(part)));
    }
    if options.list {
        cases.iter().for_each(|case| println!("{}", case.title()));
        return;
    }
    let folder = options.output.clone().unwrap_or_else(|| own("target/report"));
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 7 });
    let before = load();
    let mut run = Run::new(folder.join("work"));
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        run.round(round, &cases);
    }
    let table = Table::new(&cases, &run, about(rounds, options.quick, &before));
    let text = table.text();
    println!("{text}");
    let write = |file: &Path, text: &str| std::fs::write(file, text).expect("a file can be written");
    write(&folder.join("table.txt"), &text);
    write(&folder.join("table.md"), &table.markdown());
    let chart = chart::draw(&table);
    write(&folder.join("chart.svg"), &chart);
    eprintln!("\nwritten to {}", folder.display());
    if let Some(page) = &options.page {
        let old = std::fs::read_to_string(page).expect("the page can be read");
        write(page, &filled(&old, &table.markdown()));
        write(&page.with_file_name("performance.svg"), &chart);
    }
}

const BEGIN: &str = "<!-- the table of a run begins -->\n";
const END: &str = "<!-- the table of a run ends -->\n";

/// Returns a page with another table between its marks.
fn filled(page: &str, table: &str) -> String {
    let (head, rest) = page.split_once(BEGIN).expect("the page marks where the table begins");
    let (_, tail) = rest.split_once(END).expect("the page marks where the table ends");
    format!("{head}{BEGIN}\n{table}\n{END}{tail}")
}

/// Returns a path inside of this package.
fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the first line that a command prints.
fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).current_dir(own("")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_string()
}

fn load() -> String {
    let line = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    line.split(' ').next().unwrap_or("unknown").to_string()
}

/// Describes what was run, on what, and when.
fn about(rounds: usize, is_quick: bool, before: &str) -> Vec<String> {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = said("uname", &["-sr"]);
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let kind = if is_quick { ", quick: the figures say little" } else { "" };
    vec![
        format!("{}, commit {commit}; {}; {rounds} rounds{kind}.", said("date", &["-u", "+%F"]), said("rustc", &["--version"])),
        format!("{model}, {cores} cores, {kernel}; load {before} before the run, {} after it.", load()),
        "Medians; ± is half the range between the quartiles. A ratio above 1 means that this repository is ahead.".into(),
    ]
}
