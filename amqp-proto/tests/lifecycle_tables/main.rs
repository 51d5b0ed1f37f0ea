//! The lifecycles of connections, of the security layer, of sessions and of links, as tables: in each state, whatever
//! the peer sends and whatever the application asks for, with what is written and told about it.
//!
//! The tables are in `tests/data/lifecycle`. A state is a header; a row is `event | answer | written | told`, where the
//! answer is that of a command. States that a call passes through are not in them: a header is answered at once, as are
//! an open, a close and an end, and after a fault of the peer this end does not wait for its close.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod connection;
mod link;
mod probe;
mod sasl;
mod session;

use probe::Probe;

/// What happens: a name, and how.
type Act = (&'static str, fn(&mut Probe) -> String);

/// Where it happens: a name, and how it is reached.
type State = (&'static str, fn() -> Probe);

/// Walks a machine and compares it with its table.
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
            // Whatever comes after that is no reason to panic.
            for (_, run) in acts {
                run(&mut probe);
                probe.rest();
            }
        }
        table.push('\n');
    }
    let path = format!("{}/tests/data/lifecycle/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    // The first lines of the file say what it is.
    let wanted = wanted.split_once("\n\n").map_or("", |(_, table)| table);
    if table.trim() != wanted.trim() {
        let differs = table.lines().zip(wanted.lines()).find(|(is, was)| is != was);
        panic!("{name} differs from its table, first in {differs:?}; all of it is\n{table}");
    }
}
