//! A producer and a consumer whose connections are cut after any octet, stalled and half-open: what was accepted is there.
//!
//! `AMQP_KILLS=1000 cargo test -p amqp-tokio --test kills` cuts more of them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, unused_imports, reason = "the other programs need more of it")]
#[path = "shared/adapter.rs"]
mod adapter;
#[allow(dead_code, reason = "the other programs need more of it")]
#[path = "../../amqp-proto/adapter-tests/tests/outages/mod.rs"]
mod outages;

use std::time::Duration;

use amqp_tokio as amqp;
use amqp_tokio::policy::Recovery;
use outages::Until;

/// The number of connections that fail, in each mode.
fn failures() -> usize {
    outages::variable("AMQP_KILLS").map_or(20, |number| usize::try_from(number).unwrap())
}

fn limit() -> u64 {
    120 + 2 * failures() as u64
}

/// This is the only test here, since others would hold files and threads, too.
#[test]
#[adapter_tests::bounded(limit())]
fn accepted_messages_are_there_whenever_a_connection_fails() {
    adapter::run(async {
        for mode in [Recovery::Replay, Recovery::Report] {
            outages::play(mode, Until::Failures(failures())).await;
        }
    });
}

async fn sleep(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Returns the number of tasks.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
