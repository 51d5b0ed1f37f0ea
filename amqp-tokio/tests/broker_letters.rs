//! The broker in memory: queues for dead letters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::message::{Message, MessageView};
use amqp_tokio::types::Symbol;
use amqp_tokio::wire::{AmqpError, Condition, Modified};
use amqp_tokio::{Connection, Receiver};
use common::served::{bounded, connect, next};

fn broker() -> Broker {
    let broker = Broker::builder().with_dead_letter_queue("jobs", "dead");
    broker.with_dead_letter_queue("dead", "jobs").with_depth(3).build().unwrap()
}

async fn receiver(connection: &Connection, address: &'static str) -> Receiver {
    connection.receiver(address).with_auto_accept(false).await.unwrap()
}

async fn send(connection: &Connection, address: &'static str, message: Message) {
    let sender = connection.sender(address).await.unwrap();
    sender.send(message).await.unwrap().accepted().unwrap();
    sender.close().await.unwrap();
}

fn annotation(message: &MessageView, name: &str) -> Option<String> {
    let name = format!("x-opt-dead-letter-{name}");
    message.annotation(&name).unwrap().map(|value| value.as_str().unwrap().to_owned())
}

/// A rejected message says where it was and why, and what has happened to it before.
#[tokio::test]
#[adapter_tests::bounded]
async fn rejected_messages_go_to_the_queue_for_dead_letters() {
    let broker = broker();
    let connection = connect(&broker).await;
    let jobs = receiver(&connection, "jobs").await;
    send(&connection, "jobs", Message::from("bad").with_priority(7).with_property("n", 1)).await;
    let mut modified = Modified { delivery_failed: Some(true), ..Modified::default() };
    modified.message_annotations.insert(Symbol::new("x-opt-why").unwrap(), "busy");
    next(&jobs).await.0.modify(modified).unwrap();
    let error = AmqpError::new(Condition::InvalidField).with_description("no such job");
    next(&jobs).await.0.reject(error).unwrap();
    let dead = receiver(&connection, "dead").await;
    let (letter, text) = bounded(next(&dead)).await;
    let message = letter.message().unwrap();
    let header = message.header().unwrap();
    assert_eq!((&*text, header.priority, header.delivery_count), ("bad", Some(7), 1));
    assert_eq!(message.property("n").unwrap().unwrap().as_i64(), Some(1));
    assert_eq!(message.annotation("x-opt-why").unwrap().unwrap().as_str(), Some("busy"));
    let told =
        ["queue", "reason", "condition", "description"].map(|name| annotation(&message, name).unwrap());
    assert_eq!(told, ["jobs", "rejected", "amqp:invalid-field", "no such job"]);
    assert!(broker.dead_letters().is_empty());
    // Rejected again, it goes back, with the newer reason.
    letter.reject(None).unwrap();
    let (again, _) = bounded(next(&jobs)).await;
    let message = again.message().unwrap();
    assert_eq!(
        (annotation(&message, "queue").unwrap(), annotation(&message, "reason").unwrap()),
        ("dead".into(), "rejected".into())
    );
    again.accept().unwrap();
}

/// An expired message goes there as well, and does not expire again.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn expired_messages_go_to_the_queue_for_dead_letters() {
    let broker = broker();
    let connection = connect(&broker).await;
    let dead = receiver(&connection, "dead").await;
    let begin = tokio::time::Instant::now();
    send(&connection, "jobs", Message::from("late").with_ttl(Duration::from_secs(5))).await;
    // A consumer that waits gets it at once.
    let (letter, text) = bounded(next(&dead)).await;
    assert!((5_000..5_100).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    let message = letter.message().unwrap();
    assert_eq!((&*text, message.header().unwrap().ttl), ("late", None));
    let told = ["queue", "reason"].map(|name| annotation(&message, name).unwrap());
    assert_eq!((told, annotation(&message, "condition")), (["jobs", "expired"].map(String::from), None));
    tokio::time::sleep(Duration::from_secs(100)).await;
    letter.release().unwrap();
    bounded(next(&dead)).await.0.accept().unwrap();
    assert!(broker.dead_letters().is_empty() && broker.is_empty("jobs"));
}

/// A queue for dead letters is bounded as any other. What does not fit is in the list, as are those of other queues.
#[tokio::test]
#[adapter_tests::bounded]
async fn dead_letters_without_room_are_listed() {
    let broker = broker();
    let connection = connect(&broker).await;
    let jobs = receiver(&connection, "jobs").await;
    for text in ["a", "b", "c", "d", "e"] {
        send(&connection, "jobs", text.into()).await;
        next(&jobs).await.0.reject(None).unwrap();
    }
    send(&connection, "others", "f".into()).await;
    next(&receiver(&connection, "others").await).await.0.reject(None).unwrap();
    let listed = async {
        while broker.dead_letters().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    bounded(listed).await;
    assert_eq!(broker.len("dead"), 3);
    let mut texts: Vec<_> = broker
        .dead_letters()
        .iter()
        .map(|letter| letter.message().unwrap().body().unwrap().as_str().unwrap().to_owned())
        .collect();
    texts.sort_unstable();
    assert_eq!(texts, ["d", "e", "f"]);
}
