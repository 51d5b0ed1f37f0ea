//! A long exchange leaves no memory behind: the live heap is as before.
//!
//! `AMQP_MEMORY_MESSAGES=5000000 cargo test --release -p amqp-blocking --test memory` runs a longer one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::VecDeque;
use std::thread;

use amqp_blocking::wire::Outcome;
use amqp_blocking::{Connection, Receiver, Sender, Sent};
use common::{piped, run, sending};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The growth of buffers, in octets, for any number of messages: a block of input at each end.
const SLACK: usize = 128 << 10;
/// The most messages on the way.
const WINDOW: usize = 500;

fn messages() -> usize {
    let number = std::env::var("AMQP_MEMORY_MESSAGES").ok();
    number.map_or(200_000, |number| number.parse().expect("a number of messages"))
}

fn exchange(sender: &Sender, receiver: &Receiver, messages: usize) {
    let sends = sender.clone();
    let sends = run(move || {
        let mut sent: VecDeque<Sent> = VecDeque::new();
        for number in 0..messages {
            if sent.len() == WINDOW {
                assert_eq!(sent.pop_front().unwrap().outcome().unwrap(), Outcome::Accepted);
            }
            let queued = sends.send_queued("a message of a usual length, more or less").unwrap();
            // Some outcomes are not waited for.
            if number % 10 > 0 {
                sent.push_back(queued);
            }
        }
        sent.iter().for_each(|sent| assert_eq!(sent.outcome().unwrap(), Outcome::Accepted));
    });
    assert_eq!(receiver.iter().take(messages).filter(Result::is_ok).count(), messages);
    sends.join().unwrap();
    while sender.unsettled() > 0 {
        thread::yield_now();
    }
}

/// Attaches and closes a link.
fn come_and_go(client: &Connection, server: &Connection) {
    let (sender, receiver) = sending(client, server);
    drop(sender.send_queued("job").unwrap());
    drop(receiver.recv().unwrap());
    sender.close().unwrap();
}

#[track_caller]
fn assert_kept_nothing(before: usize, what: &str) {
    let after = HEAP.current_usage();
    assert!(after <= before + SLACK, "{what}: {before} octets before, {after} after");
}

/// This is the only test here, since others would use the same heap.
#[test]
#[adapter_tests::bounded(3_600)]
fn nothing_is_kept() {
    let (client, server, _) = piped();
    let (sender, receiver) = sending(&client, &server);
    exchange(&sender, &receiver, 10_000);
    let before = HEAP.current_usage();
    exchange(&sender, &receiver, messages());
    assert_kept_nothing(before, "messages");
    for _ in 0..100 {
        come_and_go(&client, &server);
    }
    let before = HEAP.current_usage();
    for _ in 0..1_000 {
        come_and_go(&client, &server);
    }
    assert_kept_nothing(before, "links");
    client.close().unwrap();
}
