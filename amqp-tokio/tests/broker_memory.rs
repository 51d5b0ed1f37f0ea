//! A stored message in the broker costs its own length, not that of its read buffers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::broker::Broker;
use amqp_tokio::message::Message;
use amqp_tokio::types::Symbol;
use amqp_tokio::wire::{AmqpError, Condition, Modified, Outcome};
use common::served::{connect, next};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The number of small messages that are kept, each sent before a large one that is not.
const KEPT: usize = 300;
/// The most heap for each of them.
const COST: usize = 4 << 10;

#[track_caller]
fn assert_cost(before: usize, what: &str) {
    let cost = HEAP.current_usage().saturating_sub(before) / KEPT;
    assert!(cost < COST, "{what}: {cost} octets each");
}

/// This is the only test here, since others would use the same heap.
#[tokio::test]
#[adapter_tests::bounded(3_600)]
async fn a_kept_message_pins_no_buffer() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let (jobs, sink) =
        (connection.sender("jobs").await.unwrap(), connection.sender("outcome.accepted").await.unwrap());
    let large = "x".repeat(60_000);
    let fill = async || assert_eq!(sink.send(large.clone()).await.unwrap(), Outcome::Accepted);
    fill().await;
    let before = HEAP.current_usage();
    for _ in 0..KEPT {
        let _ = jobs.send("1").await.unwrap();
        fill().await;
    }
    assert_cost(before, "messages");
    // The consumer's annotations and errors arrive in frames.
    let receiver = connection.receiver("jobs").with_prefetch(1).await.unwrap();
    for _ in 0..KEPT {
        let mut modified = Modified { undeliverable_here: Some(true), ..Modified::default() };
        modified.message_annotations.insert(Symbol::new("x-opt-why").unwrap(), "busy");
        next(&receiver).await.0.modify(modified).unwrap();
        fill().await;
    }
    receiver.close().await.unwrap();
    assert_cost(before, "annotations");
    let receiver = connection.receiver("jobs").with_prefetch(1).await.unwrap();
    for _ in 0..KEPT {
        let error = AmqpError::new(Condition::InvalidField).with_description("no such job");
        next(&receiver).await.0.reject(error).unwrap();
        fill().await;
    }
    receiver.close().await.unwrap();
    assert_eq!(broker.dead_letters().len(), KEPT);
    assert_cost(before, "dead letters");
    // A relay makes queues whose addresses were read with the messages.
    let relay = connection.sender("").without_address().await.unwrap();
    for n in 0..KEPT {
        let _ = relay.send(Message::from("1").with_to(format!("relayed.{n}"))).await.unwrap();
        fill().await;
    }
    assert_cost(before, "addresses");
}
