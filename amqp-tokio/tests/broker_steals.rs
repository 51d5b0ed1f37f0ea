//! The broker in memory, and clients that attach a link which their old connection still has [2.6.1].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::types::{Many, Symbol};
use amqp_tokio::wire::{Condition, ExpiryPolicy, Outcome, Source, Target};
use amqp_tokio::{Connection, ConnectionOptions, Error, Receiver, Sender};
use common::served::{connect, connect_as};
use common::valve::{Valve, Way};
use tokio::time::timeout;

/// The longest that a new client may wait for its links.
const SOON: Duration = Duration::from_secs(20);

fn container() -> ConnectionOptions {
    ConnectionOptions::new().with_container_id("worker")
}

fn topic() -> Many<Symbol> {
    [Symbol::from("topic")].into_iter().collect()
}

async fn producer(connection: &Connection, target: Target) -> amqp_tokio::Result<Sender> {
    let target = Target { expiry_policy: ExpiryPolicy::ConnectionClose, timeout: 60, ..target };
    connection.sender("").with_name("x").with_target(target).await
}

async fn consumer(connection: &Connection) -> amqp_tokio::Result<Receiver> {
    let source = Source { expiry_policy: ExpiryPolicy::ConnectionClose, timeout: 60, ..Source::at("jobs") };
    connection.receiver("").with_name("x").with_source(source).with_prefetch(100).await
}

/// Attaches the link `x` and then another one on one session of a new connection. Neither waits for the other.
async fn attach_anew<T>(
    broker: &Broker,
    link: impl AsyncFnOnce(&Connection) -> amqp_tokio::Result<T>,
) -> (Connection, T) {
    let new = connect_as(broker, container()).await.unwrap();
    let links = async { tokio::join!(link(&new), new.sender("others")) };
    let (link, other) = timeout(SOON, links).await.expect("the links are attached soon");
    assert_eq!(other.unwrap().send("other").await.unwrap(), Outcome::Accepted);
    (new, link.unwrap())
}

fn assert_stolen(error: &Error) {
    assert_eq!(error.condition(), Some(&Condition::Stolen), "{error}");
}

/// L-NAME-03: a link is stolen while its message waits for room in a full queue. The message is not lost, and is there
/// once it has room.
#[tokio::test]
#[adapter_tests::bounded]
async fn l_name_03_a_link_whose_message_waits_for_room_is_stolen() {
    let broker = Broker::builder().with_depth(1).build().unwrap();
    let old = connect_as(&broker, container()).await.unwrap();
    let sender = producer(&old, Target::at("jobs")).await.unwrap();
    assert_eq!(sender.send("first").await.unwrap(), Outcome::Accepted);
    let waiting = sender.send_queued("waits").await.unwrap();
    common::polls::rest().await;
    let (_new, again) = attach_anew(&broker, async |new| producer(new, Target::at("jobs")).await).await;
    assert_stolen(&sender.closed().await);
    assert!(waiting.outcome().await.is_err());
    // The new client has no state, so it sends the message again.
    let waiting = again.send_queued("waits").await.unwrap();
    let reader = connect(&broker).await;
    let inbox = reader.receiver("jobs").await.unwrap();
    for text in ["first", "waits"] {
        let (delivery, came) = common::served::next(&inbox).await;
        assert_eq!(came, text);
        delivery.accept().unwrap();
    }
    assert_eq!(waiting.outcome().await.unwrap(), Outcome::Accepted);
}

/// L-NAME-03: a link is stolen while its message waits for a slow consumer of a topic.
#[tokio::test]
#[adapter_tests::bounded]
async fn l_name_03_a_link_that_waits_for_a_topic_is_stolen() {
    let broker = Broker::builder().with_depth(1).build().unwrap();
    let reader = connect(&broker).await;
    let source = Source { capabilities: topic(), ..Source::at("news") };
    let slow: Vec<Receiver> = {
        let slow = || reader.receiver("").with_source(source.clone()).with_prefetch(0).into_future();
        vec![slow().await.unwrap(), slow().await.unwrap()]
    };
    let old = connect_as(&broker, container()).await.unwrap();
    let target = || Target { capabilities: topic(), ..Target::at("news") };
    let sender = producer(&old, target()).await.unwrap();
    assert_eq!(sender.send("first").await.unwrap(), Outcome::Accepted);
    let _waiting = sender.send_queued("waits").await.unwrap();
    common::polls::rest().await;
    let _ends = attach_anew(&broker, async |new| producer(new, target()).await).await;
    assert_stolen(&sender.closed().await);
    drop(slow);
}

/// L-NAME-03: links are stolen from a client that has stopped to read, with more to be written to it than there is room
/// for.
#[tokio::test]
#[adapter_tests::bounded]
async fn l_name_03_links_of_a_client_that_does_not_read_are_stolen() {
    let broker = Broker::builder().build().unwrap();
    let filler = connect(&broker).await.sender("jobs").await.unwrap();
    for n in 0..200 {
        assert_eq!(filler.send(format!("{n:>5000}")).await.unwrap(), Outcome::Accepted);
    }
    let (near, far) = tokio::io::duplex(4_096);
    let (near, hold) = Valve::new(near);
    let (served, acceptor) = (broker.clone(), broker.acceptor());
    tokio::spawn(async move { served.serve_connection(Connection::accept(far, &acceptor).await?).await });
    let old = Connection::over(near, container()).await.unwrap();
    let inbox = consumer(&old).await.unwrap();
    hold.read(Way::Stalled);
    inbox.set_credit(200).unwrap();
    common::polls::rest().await;
    let (_new, again) = attach_anew(&broker, consumer).await;
    let mut came = Vec::new();
    while came.len() < 200 {
        let (delivery, text) = timeout(SOON, common::served::next(&again)).await.expect("each message comes");
        delivery.accept().unwrap();
        came.push(text.trim().parse::<u32>().unwrap());
    }
    came.sort_unstable();
    assert!(came.iter().copied().eq(0..200), "{came:?}");
    drop(old);
}
