//! The broker compiles outside of the crate: it needs the public API only.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code, unused_imports)]

use amqp_tokio::wire::Outcome;
use amqp_tokio::{
    CommitRequest, Connection, Coordinator, CoordinatorEvent, Delivery, LinkState, Listener, OfferedLink,
    OfferedReceiver, OfferedSender, Receiver, Resumed, Sender, SentOutcomes, Session,
};

#[path = "../src/broker/mod.rs"]
mod broker;

#[tokio::test]
async fn a_broker_is_written_on_the_public_api() {
    let connection = broker::Broker::new().unwrap().connect().await.unwrap();
    let sender = connection.sender("queue").await.unwrap();
    assert_eq!(sender.send("one").await.unwrap(), Outcome::Accepted);
    let receiver = connection.receiver("queue").await.unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some("one"));
    delivery.accept().unwrap();
    connection.close().await.unwrap();
}
