//! The lifecycles of connections, SASL, sessions and links as tables: for each state, every input and command with
//! its output and events.
//!
//! The tables are in `tests/data/lifecycle`. A state is a header; a row is `event | answer | written | told`, where
//! the answer is the result of a command. States within a call are not in the tables: a header, an open, a close and
//! an end are answered at once, and after a fault of the peer this end does not wait for its close.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod connection;
mod link;
mod probe;
mod sasl;
mod session;

use probe::Probe;

/// An event: its name and its effect.
type Act = (&'static str, fn(&mut Probe) -> String);

/// A state: its name and a way to reach it.
type State = (&'static str, fn() -> Probe);

/// Runs all events in all states and compares the result with the table.
fn walk(name: &str, states: &[State], acts: &[Act]) {
    let mut table = String::new();
    for (state, reach) in states {
        table.push_str(&format!("## {state}\n"));
        for (act, run) in acts {
            let mut probe = reach();
            assert_eq!(probe.rest(), ("-".to_string(), "-".to_string()), "{state} is not at rest");
            let answer = run(&mut probe);
            let (written, told) = probe.rest();
            table.push_str(&format!("{act} | {answer} | {written} | {told}\n"));
            // No later event may panic.
            for (_, run) in acts {
                run(&mut probe);
                probe.rest();
            }
        }
        table.push('\n');
    }
    let path = format!("{}/tests/data/lifecycle/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    // The first lines of the file explain it.
    let wanted = wanted.split_once("\n\n").map_or("", |(_, table)| table);
    if table.trim() != wanted.trim() {
        let differs = table.lines().zip(wanted.lines()).find(|(is, was)| is != was);
        panic!("{name} differs from its table, first in {differs:?}; all of it is\n{table}");
    }
}
