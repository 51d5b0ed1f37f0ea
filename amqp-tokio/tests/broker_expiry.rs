//! The broker in memory: messages that expire [3.2.1] [3.2.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, SystemTime};

use amqp_tokio::broker::{Broker, DeadLetterReason};
use amqp_tokio::message::Message;
use amqp_tokio::types::{Symbol, Timestamp};
use amqp_tokio::wire::DistributionMode;
use amqp_tokio::{Connection, Receiver};
use common::served::{bounded, connect, next};

async fn send(connection: &Connection, address: &'static str, message: Message) {
    let sender = connection.sender(address).await.unwrap();
    sender.send(message).await.unwrap().accepted().unwrap();
    sender.close().await.unwrap();
}

fn living(text: &'static str, millis: u64) -> Message {
    Message::from(text).with_ttl(Duration::from_millis(millis))
}

async fn receiver(connection: &Connection, address: &'static str) -> Receiver {
    connection.receiver(address).with_prefetch(0).with_auto_accept(false).await.unwrap()
}

async fn take(receiver: &Receiver) -> String {
    receiver.set_credit(1).unwrap();
    let (delivery, text) = bounded(next(receiver)).await;
    delivery.accept().unwrap();
    text
}

fn expired(broker: &Broker) -> Vec<String> {
    let letters = broker.dead_letters();
    let texts = letters.iter().map(|letter| {
        assert_eq!(letter.reason(), &DeadLetterReason::Expired);
        letter.message().unwrap().body().unwrap().as_str().unwrap().to_owned()
    });
    texts.collect()
}

/// Waits until the broker has this many dead letters.
async fn dead(broker: &Broker, count: usize) {
    let dead = async {
        while broker.dead_letters().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    bounded(dead).await;
}

#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn an_expired_message_is_not_delivered() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    for message in
        [living("a", 100), living("b", 1_000), Message::from("c"), living("d", 200), living("e", 0)]
    {
        send(&connection, "jobs", message).await;
    }
    let begin = tokio::time::Instant::now();
    dead(&broker, 1).await;
    assert_eq!(expired(&broker), ["e"]);
    tokio::time::sleep(Duration::from_millis(250)).await;
    dead(&broker, 3).await;
    assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
    assert_eq!((expired(&broker), broker.len("jobs")), (["e", "a", "d"].map(String::from).to_vec(), 2));
    let receiver = receiver(&connection, "jobs").await;
    assert_eq!(take(&receiver).await, "b");
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(take(&receiver).await, "c");
    assert_eq!(broker.dead_letters()[0].address(), "jobs");
}

/// M-HDR-04: what is left of the time to live goes on, also to browsers and consumers of topics.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn m_hdr_04_the_time_to_live_goes_down_while_a_message_waits() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let topic = Symbol::new("topic").unwrap();
    let listener = connection.receiver("news").with_capabilities(topic).with_prefetch(0).await.unwrap();
    send(&connection, "jobs", living("job", 10_000)).await;
    send(&connection, "news", living("job", 10_000)).await;
    tokio::time::sleep(Duration::from_millis(4_000)).await;
    let browser = connection.receiver("jobs").with_distribution_mode(DistributionMode::Copy);
    let browser = browser.with_prefetch(0).await.unwrap();
    let consumer = receiver(&connection, "jobs").await;
    for receiver in [&browser, &listener, &consumer] {
        receiver.set_credit(1).unwrap();
        let (delivery, _) = bounded(next(receiver)).await;
        let header = delivery.message().unwrap().header().unwrap();
        let ttl = header.ttl.unwrap();
        assert!((5_900..=6_000).contains(&ttl), "{ttl}");
        assert!(!header.first_acquirer);
        delivery.accept().unwrap();
    }
}

/// The absolute time is of this machine's clock. The earlier of both ends a message.
#[tokio::test]
#[adapter_tests::bounded]
async fn an_absolute_expiry_time_counts_as_well() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let until = |text: &'static str, time: Timestamp| {
        let mut message = Message::from(text);
        message.properties_mut().absolute_expiry_time = Some(time);
        message
    };
    let now = Timestamp::from(SystemTime::now());
    let (hour, moment) = (Duration::from_secs(3_600), Duration::from_millis(30));
    send(&connection, "jobs", until("past", now - hour)).await;
    send(&connection, "jobs", until("soon", now + moment).with_ttl(hour)).await;
    send(&connection, "jobs", until("later", now + hour).with_ttl(moment)).await;
    send(&connection, "jobs", until("far", now + hour)).await;
    send(&connection, "jobs", until("farthest", Timestamp::from_millis(i64::MAX))).await;
    dead(&broker, 3).await;
    let mut ended = expired(&broker);
    ended.sort_unstable();
    assert_eq!(ended, ["later", "past", "soon"]);
    let receiver = receiver(&connection, "jobs").await;
    assert_eq!((take(&receiver).await, take(&receiver).await), ("far".into(), "farthest".into()));
}

/// A message that a consumer has may expire; then it does not come again.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn a_message_that_expires_with_a_consumer_does_not_come_again() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    send(&connection, "jobs", living("one", 1_000)).await;
    send(&connection, "jobs", living("two", 1_000)).await;
    let receiver = receiver(&connection, "jobs").await;
    receiver.set_credit(2).unwrap();
    let (one, _) = next(&receiver).await;
    let (two, _) = next(&receiver).await;
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert!(broker.dead_letters().is_empty());
    one.accept().unwrap();
    two.release().unwrap();
    dead(&broker, 1).await;
    assert_eq!((expired(&broker), broker.len("jobs")), (vec!["two".to_owned()], 0));
}

/// The room of an expired message is free again, and a queue that nothing uses goes with its last message.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn expired_messages_free_their_room() {
    let broker = Broker::builder().with_depth(2).build().unwrap();
    let connection = connect(&broker).await;
    send(&connection, "jobs", living("a", 1_000)).await;
    send(&connection, "jobs", living("b", 1_000)).await;
    let sender = connection.sender("jobs").await.unwrap();
    let begin = tokio::time::Instant::now();
    sender.send(living("c", 1_000)).await.unwrap().accepted().unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
    sender.close().await.unwrap();
    dead(&broker, 3).await;
    let gone = async {
        while broker.node_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    bounded(gone).await;
    assert_eq!(expired(&broker), ["a", "b", "c"]);
}

/// A thousand messages that expire together are all removed, and other messages go on meanwhile.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn many_messages_expire_at_once() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    for _ in 0..999 {
        drop(sender.send_queued(living("x", 50)).await.unwrap());
    }
    sender.send(living("x", 50)).await.unwrap().accepted().unwrap();
    sender.send("stays").await.unwrap().accepted().unwrap();
    dead(&broker, 1_000).await;
    assert_eq!(broker.len("jobs"), 1);
    assert_eq!(take(&receiver(&connection, "jobs").await).await, "stays");
}
