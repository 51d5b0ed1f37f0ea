//! A long time of connections that fail: files, threads, tasks and memory are as before.
//!
//! `AMQP_SOAK_SECONDS=1800 cargo test -p amqp-blocking --test soak` runs for half an hour.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, unused_imports, reason = "the other programs need more of it")]
#[path = "shared/adapter.rs"]
mod adapter;
mod common;
#[allow(dead_code, reason = "the other programs need more of it")]
#[path = "../../amqp-proto/adapter-tests/tests/outages/mod.rs"]
mod outages;

use std::time::Duration;

use amqp_blocking as amqp;
use amqp_blocking::policy::Recovery;
use outages::Until;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The growth of what the standard library and the runtime keep, in octets.
const SLACK: usize = 64 << 10;

/// The time for which connections fail.
fn span() -> Duration {
    Duration::from_secs(outages::variable("AMQP_SOAK_SECONDS").unwrap_or(4))
}

/// This is the only test here, since others would use the same heap.
#[test]
#[adapter_tests::bounded(120 + span().as_secs())]
fn nothing_is_left_after_a_long_time_of_failures() {
    let warm_up = Duration::from_secs(1);
    outages::play(Recovery::Replay, Until::Elapsed(warm_up));
    let before = HEAP.current_usage();
    for mode in [Recovery::Replay, Recovery::Report] {
        HEAP.reset_peak_usage();
        outages::play(mode, Until::Elapsed(span() / 2));
        let after = HEAP.current_usage();
        println!("heap: {before} octets before, {} at most, {after} after", HEAP.peak_usage());
        assert!(after <= before + SLACK, "{before} octets before, {after} after");
    }
}

fn sleep(span: Duration) {
    std::thread::sleep(span);
}

/// Returns the number of tasks: there are threads only.
fn tasks() -> usize {
    0
}
