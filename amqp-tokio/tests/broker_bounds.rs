//! The broker in memory: bounds on the memory that clients can use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::broker::{Broker, DeadLetterReason};
use amqp_tokio::message::Message;
use amqp_tokio::types::{Limits, Map, Symbol, Value};
use amqp_tokio::wire::{AmqpError, Condition, Modified, Outcome};
use amqp_tokio::{Connection, ConnectionOptions, Listener, MemoryPool};
use common::served::{bounded, connect, delivery_count, next};

#[track_caller]
fn assert_no_room(outcome: &Outcome) {
    let Outcome::Rejected(rejected) = outcome else { panic!("{outcome:?}") };
    assert_eq!(rejected.error.as_ref().unwrap().condition, Condition::ResourceLimitExceeded);
}

/// A queue is bounded in octets, including messages that consumers have; an empty queue accepts any message.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_queue_is_bounded_in_octets() {
    let broker = Broker::builder().with_queue_octets(10_000).build().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    let receiver = connection.receiver("jobs").with_prefetch(0).with_auto_accept(false).await.unwrap();
    assert_eq!(sender.send("x".repeat(20_000)).await.unwrap(), Outcome::Accepted);
    receiver.set_credit(1).unwrap();
    let (large, _) = next(&receiver).await;
    let queued = sender.send_queued("small").await.unwrap();
    // The message waits, although no message waits before it.
    common::polls::rest().await;
    assert!(broker.is_empty("jobs"));
    large.accept().unwrap();
    assert_eq!(bounded(queued).await.unwrap(), Outcome::Accepted);
    for _ in 0..3 {
        assert_eq!(sender.send("x".repeat(2_000)).await.unwrap(), Outcome::Accepted);
    }
}

/// Messages beyond the bound of all queues are rejected, and accepted again once there is room.
#[tokio::test]
#[adapter_tests::bounded]
async fn all_queues_are_bounded_in_octets() {
    let broker = Broker::builder().with_total_octets(10_000).build().unwrap();
    let connection = connect(&broker).await;
    let senders = [connection.sender("one").await.unwrap(), connection.sender("two").await.unwrap()];
    for sender in &senders {
        assert_eq!(sender.send("x".repeat(4_000)).await.unwrap(), Outcome::Accepted);
    }
    for sender in &senders {
        assert_no_room(&sender.send("x".repeat(4_000)).await.unwrap());
    }
    let receiver = connection.receiver("one").await.unwrap();
    next(&receiver).await.0.accept().unwrap();
    // Until the outcome has arrived.
    let taken = async { while senders[1].send("x".repeat(4_000)).await.unwrap() != Outcome::Accepted {} };
    bounded(taken).await;
}

#[tokio::test]
#[adapter_tests::bounded]
async fn dead_letters_are_bounded_in_octets() {
    let broker = Broker::builder().with_dead_letter_octets(5_000).build().unwrap();
    let connection = connect(&broker).await;
    let relay = connection.sender("").without_address().await.unwrap();
    for n in 0..10 {
        let message = Message::from("x".repeat(1_000)).with_subject(format!("{n}"));
        assert!(matches!(relay.send(message).await.unwrap(), Outcome::Rejected(_)));
    }
    let letters = broker.dead_letters();
    assert!((2..=4).contains(&letters.len()), "{}", letters.len());
    let last = letters.last().unwrap().message().unwrap().properties().unwrap();
    assert_eq!(last.subject.unwrap(), "9");
    let broker = Broker::builder().with_dead_letters(2).build().unwrap();
    let relay = connect(&broker).await.sender("").without_address().await.unwrap();
    for n in 0..5 {
        let _ = relay.send(format!("{n}")).await.unwrap();
    }
    assert_eq!(broker.dead_letters().len(), 2);
}

/// Queues and topics are removed when they are empty and no link uses them; so are those used by a relay.
#[tokio::test]
#[adapter_tests::bounded]
async fn unused_nodes_are_removed() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let topic = Symbol::new("topic").unwrap();
    for n in 0..5 {
        let sender = connection.sender(format!("jobs.{n}")).await.unwrap();
        let receiver = connection.receiver(format!("jobs.{n}")).await.unwrap();
        let listener =
            connection.receiver(format!("news.{n}")).with_capabilities(topic.clone()).await.unwrap();
        assert_eq!(broker.node_count(), 2);
        let _ = sender.send("job").await.unwrap();
        next(&receiver).await.0.accept().unwrap();
        sender.close().await.unwrap();
        receiver.close().await.unwrap();
        listener.close().await.unwrap();
        gone(&broker, 0).await;
    }
    let relay = connection.sender("").without_address().await.unwrap();
    let _ = relay.send(Message::from("job").with_to("jobs")).await.unwrap();
    let _ = relay.send(Message::from("job").with_to("outcome.accepted")).await.unwrap();
    assert_eq!((broker.node_count(), broker.len("jobs")), (1, 1));
    let receiver = connection.receiver("jobs").await.unwrap();
    next(&receiver).await.0.accept().unwrap();
    receiver.close().await.unwrap();
    gone(&broker, 0).await;
}

/// Waits until the broker has seen links end.
async fn gone(broker: &Broker, left: usize) {
    let gone = async {
        while broker.node_count() > left {
            tokio::task::yield_now().await;
        }
    };
    bounded(gone).await;
}

#[tokio::test]
#[adapter_tests::bounded]
async fn nodes_are_bounded_in_number_and_their_addresses_in_length() {
    let broker = Broker::builder().with_nodes(2).with_address_octets(50).build().unwrap();
    let connection = connect(&broker).await;
    let error = connection.sender("x".repeat(51)).await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::ResourceLimitExceeded));
    let _one = connection.sender("x".repeat(50)).await.unwrap();
    let two = connection.receiver("").with_dynamic().await.unwrap();
    for receiver in [connection.receiver("three"), connection.receiver("").with_dynamic()] {
        let error = receiver.await.unwrap_err();
        assert_eq!(error.condition(), Some(&Condition::ResourceLimitExceeded));
    }
    let relay = connection.sender("").without_address().await.unwrap();
    assert_no_room(&relay.send(Message::from("job").with_to("three")).await.unwrap());
    assert_eq!(broker.dead_letters()[0].reason(), &DeadLetterReason::Undeliverable);
    two.close().await.unwrap();
    gone(&broker, 1).await;
    assert!(connection.receiver("three").await.is_ok());
}

/// [3.4.5] Annotations from consumers are bounded: a link that adds more is closed, and the message comes again.
#[tokio::test]
#[adapter_tests::bounded]
async fn annotations_of_modified_are_bounded() {
    let broker = Broker::builder().with_annotation_octets(1_000).build().unwrap();
    let connection = connect(&broker).await;
    let _ = connection.sender("jobs").await.unwrap().send("job").await.unwrap();
    let annotated = |key: String, value: String| {
        let mut modified = Modified { delivery_failed: Some(true), ..Modified::default() };
        modified.message_annotations.insert(Symbol::new(&*key).unwrap(), value);
        modified
    };
    let receiver = connection.receiver("jobs").await.unwrap();
    for n in 0..9 {
        // These replace the earlier ones, and so are not too many.
        next(&receiver)
            .await
            .0
            .modify(annotated("x-opt-same".into(), format!("{n}{}", "x".repeat(300))))
            .unwrap();
    }
    let mut count = 0;
    let error = loop {
        match bounded(receiver.recv()).await {
            Ok(delivery) => {
                count += 1;
                let modified = annotated(format!("x-opt-{count}"), "x".repeat(300));
                delivery.unwrap().modify(modified).unwrap();
            }
            Err(error) => break error,
        }
    };
    assert_eq!((count, error.condition()), (3, Some(&Condition::ResourceLimitExceeded)));
    let receiver = connection.receiver("jobs").await.unwrap();
    let (delivery, _) = next(&receiver).await;
    assert_eq!(delivery_count(&delivery), (12, false));
    let annotations = delivery.message().unwrap().message_annotations().unwrap();
    assert_eq!(annotations.len(), 3);
    delivery.accept().unwrap();
    // Many short annotations are too many, too.
    let _ = connection.sender("jobs").await.unwrap().send("job").await.unwrap();
    let (delivery, _) = next(&receiver).await;
    let mut modified = Modified::default();
    (0..65_u64).for_each(|n| drop(modified.message_annotations.insert(n, true)));
    delivery.modify(modified).unwrap();
    let error = bounded(receiver.recv()).await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::ResourceLimitExceeded));
}

/// The messages of `source.N` are made on demand: there may be more of them than memory holds.
#[tokio::test]
#[adapter_tests::bounded]
async fn numbered_messages_are_made_on_demand() {
    let broker = Broker::builder().with_depth(10).build().unwrap();
    let connection = connect(&broker).await;
    let source =
        connection.receiver("source.4294967295").with_prefetch(5).with_auto_accept(false).await.unwrap();
    let mut first = None;
    for n in 0..25 {
        let (delivery, body) = next(&source).await;
        assert_eq!(body, format!("msg{n}"));
        match n {
            7 => first = Some(delivery),
            _ => delivery.accept().unwrap(),
        }
    }
    // Returned messages come first.
    first.unwrap().release().unwrap();
    let again = async { while next(&source).await.1 != "msg7" {} };
    bounded(again).await;
    let _few = connection.receiver("source.1000000").await.unwrap();
    assert_eq!(broker.node_count(), 0);
}

#[tokio::test]
#[adapter_tests::bounded]
async fn connections_are_bounded_in_number() {
    let broker = Broker::builder().with_connections(2).build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let serving = broker.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    let one = Connection::open(&url).await.unwrap();
    let _two = Connection::open(&url).await.unwrap();
    assert!(bounded(Connection::open(&url)).await.is_err());
    one.close().await.unwrap();
    let again = async {
        while Connection::open(&url).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    bounded(again).await;
}

/// All connections of a broker share a pool of memory.
#[tokio::test]
#[adapter_tests::bounded]
async fn connections_are_bounded_in_memory() {
    let pool = MemoryPool::new(2 << 20);
    let options = ConnectionOptions::new().with_limits(Limits::default().with_memory(1 << 20));
    let broker = Broker::builder().with_options(options).with_memory_pool(&pool).build().unwrap();
    let (one, _two) = (connect(&broker).await, connect(&broker).await);
    let error = bounded(broker.connect()).await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::ResourceLimitExceeded));
    one.close().await.unwrap();
    let again = async {
        while pool.left() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        connect(&broker).await
    };
    let again = bounded(again).await;
    assert_eq!(again.sender("jobs").await.unwrap().send("job").await.unwrap(), Outcome::Accepted);
}

/// Messages are decoded within the limits of the broker, not the default limits.
#[tokio::test]
#[adapter_tests::bounded]
async fn messages_are_decoded_within_the_limits_of_the_broker() {
    let limits = Limits::default().with_elements(64);
    let broker =
        Broker::builder().with_options(ConnectionOptions::new().with_limits(limits)).build().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    let receiver = connection.receiver("jobs").await.unwrap();
    let body: Map = (0..100).map(|n| (n, n)).collect();
    let _ = sender.send(Message::from(Value::from(body))).await.unwrap();
    receiver.recv().await.unwrap().unwrap().reject(AmqpError::new(Condition::InvalidField)).unwrap();
    receiver.close().await.unwrap();
    let letters = broker.dead_letters();
    assert!(letters[0].message().unwrap().body().is_err());
}
