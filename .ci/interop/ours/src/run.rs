//! Runs one case after the other, on each broker with each client, and records the results.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::broker::{Broker, Fixture, Peer};
use crate::cases::Case;
use crate::failure::{Done, Failure};
use crate::limits::Limit;

/// The time after which a case counts as hanging.
const LONGEST: Duration = Duration::from_secs(90);

/// The result of a case.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) broker: Broker,
    pub(crate) client: &'static str,
    pub(crate) group: &'static str,
    pub(crate) case: &'static str,
    pub(crate) verdict: Verdict,
}

#[derive(Debug)]
pub(crate) enum Verdict {
    Pass,
    /// The case ended with the known limit of the broker.
    Limit(&'static Limit),
    Fail(String),
}

/// Runs a case. The thread of a case that hangs is abandoned.
pub(crate) fn play(case: &Case, peer: &Peer) -> Report {
    let (told, result) = mpsc::channel();
    let (play, fixture) = (case.play, Fixture::new(peer));
    thread::spawn(move || {
        let done = catch_unwind(AssertUnwindSafe(|| play(&fixture)));
        let done = done.unwrap_or_else(|_| Err(Failure::wrong("it panics")));
        // The receiver is dropped if the case took too long.
        let _ = told.send(done);
    });
    let done = result.recv_timeout(LONGEST).unwrap_or_else(|_| Err(Failure::wrong("it does not end")));
    let verdict = judge(Limit::find(peer.broker, case.name), done);
    Report { broker: peer.broker, client: case.client, group: case.group, case: case.name, verdict }
}

fn judge(limit: Option<&'static Limit>, done: Done) -> Verdict {
    match (limit, done) {
        (None, Ok(())) => Verdict::Pass,
        (None, Err(failure)) => Verdict::Fail(failure.to_string()),
        (Some(limit), Err(failure)) if limit.is_met(&failure) => Verdict::Limit(limit),
        (Some(limit), Err(failure)) => Verdict::Fail(format!("{failure}; expected: {}", limit.note)),
        (Some(limit), Ok(())) => Verdict::Fail(format!("it passes; expected: {}", limit.note)),
    }
}
