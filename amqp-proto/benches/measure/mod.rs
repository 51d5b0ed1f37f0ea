//! The measurements of a benchmark: a table of instructions, allocations, allocated octets and time.
//!
//! Instructions are counted by valgrind (callgrind), each case in a process of its own that runs it twice as often the
//! second time, so that start-up cancels out; without valgrind that column stays empty. Allocations come from a
//! counting allocator. With `--counts` only the instructions are counted, one case a line: `.ci/counts` reads them.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // what is not there has no figures
#![allow(clippy::cast_precision_loss)] // of averages

use std::process::{Command, Stdio};
use std::time::Instant;

/// An operation to measure.
pub(crate) struct Case {
    name: &'static str,
    /// Runs the operation this number of times.
    run: fn(u64),
    /// The number of runs that are timed.
    rounds: u64,
}

impl Case {
    /// With a name of its own.
    pub(crate) const fn new(name: &'static str, run: fn(u64), rounds: u64) -> Self {
        Self { name, run, rounds }
    }

    /// The number of runs whose instructions are counted; valgrind is slow.
    fn times(&self) -> u64 {
        (self.rounds / 100).clamp(20, 1_000)
    }

    /// The number of runs whose allocations are counted: enough that those of the first run do not matter.
    fn turns(&self) -> u64 {
        (self.rounds / 10).max(20)
    }
}

/// Prints the table, or only the instructions; or runs one case, for callgrind.
pub(crate) fn main(cases: &[Case]) {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--case") {
        let case: usize = arguments[at + 1].parse().expect("the number of a case");
        (cases[case].run)(arguments[at + 2].parse().expect("how many times"));
        return;
    }
    if arguments.iter().any(|argument| argument == "--counts") {
        (0..cases.len()).for_each(|case| count(cases, case));
        return;
    }
    println!(
        "{:<44} {:>12} {:>12} {:>14} {:>10}",
        "per call", "instructions", "allocations", "octets alloc'd", "ns"
    );
    (0..cases.len()).for_each(|case| report(cases, case));
}

/// Makes the C library copy by the code that every x86-64 processor can run, so that counts are those of other machines.
const PLAIN_COPIES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-ERMS,-FSRM";

/// The instructions of a whole process that runs one case so many times.
fn instructions(case: usize, times: u64) -> Option<u64> {
    let own = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .env("GLIBC_TUNABLES", PLAIN_COPIES)
        .arg(own)
        .args(["--case", &case.to_string(), &times.to_string()])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = report.lines().find(|line| line.contains("Collected :"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// Returns the instructions of one call, without those that the process takes to start.
fn per_call(cases: &[Case], at: usize) -> Option<f64> {
    let times = cases[at].times();
    let (once, twice) = instructions(at, times).zip(instructions(at, 2 * times))?;
    Some(twice.saturating_sub(once) as f64 / times as f64)
}

fn count(cases: &[Case], at: usize) {
    let counted = per_call(cases, at).expect("valgrind counts instructions");
    println!("{counted:.0}\t{}", cases[at].name);
}

fn report(cases: &[Case], at: usize) {
    let case = &cases[at];
    let turns = case.turns();
    (case.run)(turns); // warm up
    let once = allocation_counter::measure(|| (case.run)(turns));
    let twice = allocation_counter::measure(|| (case.run)(2 * turns));
    let each = |a: u64, b: u64| (b as f64 - a as f64) / turns as f64;

    let start = Instant::now();
    (case.run)(case.rounds);
    let nanos = start.elapsed().as_nanos() as f64 / case.rounds as f64;

    let counted = per_call(cases, at).map_or("-".into(), |count| format!("{count:.0}"));
    println!(
        "{:<44} {counted:>12} {:>12.4} {:>14.2} {nanos:>10.0}",
        case.name,
        each(once.count_total, twice.count_total),
        each(once.bytes_total, twice.bytes_total),
    );
}
