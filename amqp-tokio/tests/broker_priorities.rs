//! The broker in memory: the order of messages with priorities [3.2.1].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::broker::Broker;
use amqp_tokio::message::Message;
use amqp_tokio::types::Symbol;
use amqp_tokio::wire::DistributionMode;
use amqp_tokio::{Connection, Receiver};
use common::served::{bounded, connect, next};

async fn send(connection: &Connection, address: &'static str, messages: &[(&'static str, Option<u8>)]) {
    let sender = connection.sender(address).await.unwrap();
    for (text, priority) in messages {
        let mut message = Message::from(*text);
        message.header_mut().priority = *priority;
        sender.send(message).await.unwrap().accepted().unwrap();
    }
}

/// Takes this many messages, and accepts them.
async fn take(receiver: &Receiver, count: u32) -> Vec<String> {
    receiver.set_credit(count).unwrap();
    let mut texts = Vec::new();
    for _ in 0..count {
        let (delivery, text) = bounded(next(receiver)).await;
        delivery.accept().unwrap();
        texts.push(text);
    }
    texts
}

const MIXED: [(&str, Option<u8>); 7] = [
    ("a", None),
    ("b", Some(9)),
    ("c", Some(4)),
    ("d", Some(0)),
    ("e", Some(255)),
    ("f", Some(9)),
    ("g", Some(5)),
];

/// Every level differs from the next, and absent means 4. Messages of one priority keep their order.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_hdr_03_messages_of_a_higher_priority_come_first() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    send(&connection, "jobs", &MIXED).await;
    let receiver = connection.receiver("jobs").with_prefetch(0).with_auto_accept(false).await.unwrap();
    assert_eq!(take(&receiver, 3).await, ["e", "b", "f"]);
    // One that comes later still comes before those of a lower priority.
    send(&connection, "jobs", &[("h", Some(7)), ("i", Some(4))]).await;
    assert_eq!(take(&receiver, 6).await, ["h", "g", "a", "c", "i", "d"]);
}

/// A message that comes back takes its place again.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_message_that_comes_back_takes_its_place_again() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    send(&connection, "jobs", &MIXED).await;
    let receiver = connection.receiver("jobs").with_prefetch(0).with_auto_accept(false).await.unwrap();
    receiver.set_credit(5).unwrap();
    let mut taken = Vec::new();
    for expected in ["e", "b", "f", "g", "a"] {
        let (delivery, text) = bounded(next(&receiver)).await;
        assert_eq!(text, expected);
        taken.push(delivery);
    }
    // In another order than they came.
    for at in [1, 2, 2, 0, 0] {
        taken.remove(at).release().unwrap();
    }
    let all = async {
        while broker.len("jobs") < 7 {
            tokio::task::yield_now().await;
        }
    };
    bounded(all).await;
    assert_eq!(take(&receiver, 7).await, ["e", "b", "f", "g", "a", "c", "d"]);
}

/// Selectors and browsers see the same order, also of what comes while they look.
#[tokio::test]
#[adapter_tests::bounded]
async fn selectors_and_browsers_keep_the_order() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    send(&connection, "jobs", &MIXED).await;
    let browser = connection.receiver("jobs").with_distribution_mode(DistributionMode::Copy);
    let browser = browser.with_prefetch(0).with_auto_accept(false).await.unwrap();
    assert_eq!(take(&browser, 4).await, ["e", "b", "f", "g"]);
    let urgent = connection.receiver("jobs").with_selector("JMSPriority >= 5");
    let urgent = urgent.with_prefetch(0).with_auto_accept(false).await.unwrap();
    assert_eq!(take(&urgent, 1).await, ["e"]);
    send(&connection, "jobs", &[("h", Some(255)), ("i", Some(6))]).await;
    assert_eq!(take(&browser, 5).await, ["h", "i", "a", "c", "d"]);
    assert_eq!(take(&urgent, 5).await, ["h", "b", "f", "i", "g"]);
}

/// A consumer of a topic that falls behind gets what waits for it by priority.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_listener_of_a_topic_gets_its_copies_by_priority() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let topic = Symbol::new("topic").unwrap();
    let late = connection.receiver("news").with_capabilities(topic).with_prefetch(0).with_auto_accept(false);
    let late = late.await.unwrap();
    send(&connection, "news", &MIXED).await;
    assert_eq!(take(&late, 7).await, ["e", "b", "f", "g", "a", "c", "d"]);
}
