//! The broker in memory: subscriptions to topics that are full while they have no link.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::broker::{Broker, DeadLetterReason};
use amqp_tokio::message::Message;
use amqp_tokio::types::{Many, Symbol};
use amqp_tokio::wire::{ExpiryPolicy, Outcome, Source, TerminusDurability};
use amqp_tokio::{Connection, ConnectionOptions, Receiver, Sender};
use common::served::{connect_as, next};

fn names(names: &[&str]) -> Many<Symbol> {
    names.iter().map(|name| Symbol::new(*name).unwrap()).collect()
}

/// The source of a durable subscription, with these capabilities.
fn durable(capabilities: &[&str]) -> Source {
    Source {
        durable: TerminusDurability::UnsettledState,
        expiry_policy: ExpiryPolicy::Never,
        capabilities: names(capabilities),
        ..Source::at("news")
    }
}

async fn client(broker: &Broker, container: &str) -> Connection {
    connect_as(broker, ConnectionOptions::new().with_container_id(container)).await.unwrap()
}

async fn subscribe(connection: &Connection, source: Source) -> Receiver {
    connection.receiver("").with_name("news").with_source(source).with_prefetch(0).await.unwrap()
}

async fn publisher(connection: &Connection) -> Sender {
    connection.sender("news").with_capabilities(names(&["topic"])).await.unwrap()
}

async fn publish(sender: &Sender, texts: &[&'static str]) {
    for text in texts {
        assert_eq!(sender.send(*text).await.unwrap(), Outcome::Accepted);
    }
}

/// Receives all that waits, and accepts it.
async fn all(receiver: &Receiver) -> Vec<String> {
    let mut texts = Vec::new();
    receiver.add_credit(100).unwrap();
    receiver.drain().await.unwrap();
    while let Some(delivery) = receiver.try_recv().unwrap() {
        texts.push(delivery.message().unwrap().body().unwrap().as_str().unwrap().to_owned());
        delivery.accept().unwrap();
    }
    texts
}

/// Returns the texts of the dead letters, which all are from the topic.
fn overflowed(broker: &Broker) -> Vec<String> {
    let letters = broker.dead_letters();
    let text = |letter: &amqp_tokio::broker::DeadLetter| {
        assert_eq!((letter.address().as_str(), letter.reason()), ("news", &DeadLetterReason::Overflow));
        letter.message().unwrap().body().unwrap().as_str().unwrap().to_owned()
    };
    letters.iter().map(text).collect()
}

/// The oldest messages go. The publisher and the other subscriptions are not delayed, and miss nothing.
#[tokio::test]
#[adapter_tests::bounded]
async fn the_oldest_messages_of_a_subscription_without_a_link_go() {
    let broker = Broker::builder().with_depth(3).build().unwrap();
    let subscriber = client(&broker, "subscriber").await;
    subscribe(&subscriber, durable(&["topic"])).await.detach().await.unwrap();
    let other = client(&broker, "other").await;
    let listening = other.receiver("news").with_capabilities(names(&["topic"])).await.unwrap();
    let sender = publisher(&client(&broker, "publisher").await).await;
    for text in ["one", "two", "three", "four", "five"] {
        publish(&sender, &[text]).await;
        let (delivery, got) = next(&listening).await;
        assert_eq!(got, text);
        delivery.accept().unwrap();
    }
    assert_eq!(overflowed(&broker), ["one", "two"]);
    let receiver = subscribe(&subscriber, durable(&["topic"])).await;
    assert_eq!(all(&receiver).await, ["three", "four", "five"]);
    // Its room is free again.
    receiver.detach().await.unwrap();
    publish(&sender, &["six", "seven", "eight"]).await;
    assert_eq!(overflowed(&broker).len(), 2);
}

/// A link that does not receive delays its topic, and no longer once it is detached.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_publisher_that_waits_goes_on_when_the_link_is_detached() {
    let broker = Broker::builder().with_depth(2).build().unwrap();
    let subscriber = client(&broker, "subscriber").await;
    let receiver = subscribe(&subscriber, durable(&["topic"])).await;
    let sender = publisher(&client(&broker, "publisher").await).await;
    publish(&sender, &["one", "two"]).await;
    let waiting = sender.send_queued("three").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), waiting.outcome()).await;
    assert!(early.is_err() && overflowed(&broker).is_empty());
    receiver.detach().await.unwrap();
    publish(&sender, &["four"]).await;
    assert_eq!(overflowed(&broker), ["one", "two"]);
    assert_eq!(all(&subscribe(&subscriber, durable(&["topic"])).await).await, ["three", "four"]);
}

/// A shared subscription has no link when all its links are detached.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_shared_subscription_overflows_without_its_last_link() {
    let broker = Broker::builder().with_depth(2).build().unwrap();
    let shared = || durable(&["topic", "shared", "global"]);
    let (one, other) = (client(&broker, "one").await, client(&broker, "other").await);
    let (first, second) = (subscribe(&one, shared()).await, subscribe(&other, shared()).await);
    first.detach().await.unwrap();
    let sender = publisher(&client(&broker, "publisher").await).await;
    publish(&sender, &["one", "two"]).await;
    let waiting = sender.send_queued("three").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting.outcome()).await.is_err());
    second.detach().await.unwrap();
    publish(&sender, &["four"]).await;
    assert_eq!(overflowed(&broker), ["one", "two"]);
    assert_eq!(all(&subscribe(&one, shared()).await).await, ["three", "four"]);
}

/// Messages of a higher priority stay, also in place of a new one.
#[tokio::test]
#[adapter_tests::bounded]
async fn the_lowest_priority_goes_first() {
    let broker = Broker::builder().with_depth(3).build().unwrap();
    let subscriber = client(&broker, "subscriber").await;
    subscribe(&subscriber, durable(&["topic"])).await.detach().await.unwrap();
    let sender = publisher(&client(&broker, "publisher").await).await;
    for (text, priority) in [("a", 9), ("b", 4), ("c", 4), ("d", 9), ("e", 9), ("f", 4), ("g", 9)] {
        let message = Message::from(text).with_priority(priority);
        assert_eq!(sender.send(message).await.unwrap(), Outcome::Accepted);
    }
    assert_eq!(overflowed(&broker), ["b", "c", "f", "a"]);
    assert_eq!(all(&subscribe(&subscriber, durable(&["topic"])).await).await, ["d", "e", "g"]);
}

/// Octets are bounded, too; a single message of any size has room. The letters go to the queue of the topic.
#[tokio::test]
#[adapter_tests::bounded]
async fn octets_are_bounded_and_letters_have_a_queue() {
    let builder = Broker::builder().with_queue_octets(4_096).with_dead_letter_queue("news", "news.dead");
    let broker = builder.build().unwrap();
    let subscriber = client(&broker, "subscriber").await;
    subscribe(&subscriber, durable(&["topic"])).await.detach().await.unwrap();
    let sender = publisher(&client(&broker, "publisher").await).await;
    publish(&sender, &["small"]).await;
    let large = "x".repeat(8_192);
    assert_eq!(sender.send(large.as_str()).await.unwrap(), Outcome::Accepted);
    assert_eq!(broker.len("news.dead"), 1);
    publish(&sender, &["after"]).await;
    assert_eq!((broker.len("news.dead"), broker.dead_letters().len()), (1, 1));
    let dead = subscriber.receiver("news.dead").await.unwrap();
    let (letter, text) = next(&dead).await;
    let reason = letter.message().unwrap().annotation("x-opt-dead-letter-reason").unwrap().unwrap();
    assert_eq!((text.as_str(), reason.as_str()), ("small", Some("overflow")));
    assert_eq!(all(&subscribe(&subscriber, durable(&["topic"])).await).await, ["after"]);
}

/// Messages that a client has and has not settled keep their room. If there is no other, the new message goes.
#[tokio::test]
#[adapter_tests::bounded]
async fn unsettled_messages_keep_their_room() {
    let broker = Broker::builder().with_depth(2).build().unwrap();
    let subscriber = client(&broker, "subscriber").await;
    let receiver = subscribe(&subscriber, durable(&["topic"])).await;
    let sender = publisher(&client(&broker, "publisher").await).await;
    publish(&sender, &["one", "two"]).await;
    receiver.add_credit(2).unwrap();
    let held = [next(&receiver).await.0, next(&receiver).await.0];
    std::mem::forget(held);
    receiver.detach().await.unwrap();
    publish(&sender, &["three", "four"]).await;
    // The client has forgotten the two, so they come again or have gone.
    let texts = all(&subscribe(&subscriber, durable(&["topic"])).await).await;
    assert_eq!((texts.len(), overflowed(&broker).len()), (2, 2), "{texts:?}");
}

/// A transaction whose messages exceed the bounds of a subscription without a link is committed, and the oldest go.
#[tokio::test]
#[adapter_tests::bounded]
async fn committed_messages_are_bounded() {
    let broker = Broker::builder().with_depth(2).build().unwrap();
    let subscriber = client(&broker, "subscriber").await;
    subscribe(&subscriber, durable(&["topic"])).await.detach().await.unwrap();
    let connection = client(&broker, "publisher").await;
    let session = connection.session().await.unwrap();
    let sender = session.sender("news").with_capabilities(names(&["topic"])).await.unwrap();
    let transaction = session.transaction().await.unwrap();
    for text in ["one", "two", "three", "four"] {
        let _ = transaction.send(&sender, text).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(overflowed(&broker), ["one", "two"]);
    assert_eq!(all(&subscribe(&subscriber, durable(&["topic"])).await).await, ["three", "four"]);
}
