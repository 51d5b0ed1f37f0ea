//! Sending waits for credit, and a receiver can drain it.

use super::common::{link, listener, next_client, pair, receiving, sending};
use crate::adapter::{self, both, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::policy::{Reconnect, Recovery};
use crate::amqp::proto::FlowError;
use crate::amqp::types::{Fields, Limits};
use crate::amqp::wire::Outcome;
use crate::amqp::{Connection, ConnectionOptions, Error};

fn without_credit() -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(0).with_auto_accept(false)
}

/// Sending waits for credit, and never exceeds it.
#[adapter::test]
async fn sending_waits_for_credit() {
    let (sender, receiver, _ends) = link(without_credit()).await;
    assert!(matches!(sender.try_send("too early"), Err(Error::Send(_))));
    let mut waiting = Vec::new();
    for number in 0..20 {
        let sender = sender.clone();
        waiting.push(spawn(async move { sender.send(format!("job {number}")).await.unwrap() }));
    }
    for _ in 0..20 {
        receiver.add_credit(1).unwrap();
        receiver.recv().await.unwrap().unwrap().accept().unwrap();
        assert!(receiver.try_recv().unwrap().is_none());
    }
    for waiting in waiting {
        assert_eq!(waiting.join().await.unwrap(), Outcome::Accepted);
    }
}

#[adapter::test]
async fn waiting_until_a_message_can_be_sent() {
    let (sender, receiver, _ends) = link(without_credit()).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let sender = sender.clone();
        waiting.push(spawn(async move { sender.sendable().await }));
    }
    receiver.add_credit(1).unwrap();
    // A task that only looks takes no credit, and passes the turn on.
    for waiting in waiting {
        waiting.join().await.unwrap().unwrap();
    }
    let sent = sender.try_send("job").unwrap();
    assert!(sent.tag().is_some() && !sent.is_settled());
    assert_eq!(sender.unsettled(), 1);
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    assert_eq!((sender.unsettled(), receiver.unsettled()), (0, 0));
    let waiting = spawn(async move { sender.sendable().await });
    receiver.close().await.unwrap();
    assert!(waiting.join().await.unwrap().is_err());
}

/// T-CREDIT-15: at the limit on unsettled messages, or on those that are kept to be sent again, no message can be sent, and
/// all senders that wait go on as messages are settled.
#[adapter::test]
async fn t_credit_15_senders_wait_at_the_limit_on_unsettled_messages() {
    let limited = ConnectionOptions::new().with_limits(Limits::DEFAULT.with_unsettled(2));
    let replays = ConnectionOptions::new().with_reconnect(Reconnect::new());
    for (options, recovery) in [(limited, Recovery::Report), (replays, Recovery::Replay)] {
        let (listener, url) = listener().await;
        let connect = async { Connection::open_with(&url, options).await.unwrap() };
        let (client, server) = both(connect, async { next_client(&listener).await }).await;
        let builder = client.sender("jobs").with_recovery(recovery).with_replay_limits(2, 1 << 20);
        let (sender, receiver, _session) = sending(builder, &server, ReceiverOptions::new()).await;
        sender.sendable().await.unwrap();
        let first = [sender.send_queued("0").await.unwrap(), sender.send_queued("1").await.unwrap()];
        assert!(!sender.is_sendable());
        assert!(matches!(sender.try_send("too early"), Err(Error::Send(_))));
        let mut waiting = Vec::new();
        for number in 2..8 {
            let sender = sender.clone();
            waiting.push(spawn(async move {
                sender.sendable().await.unwrap();
                sender.send(format!("{number}")).await.unwrap()
            }));
        }
        for _ in 0..8 {
            let delivery = receiver.recv().await.unwrap().unwrap();
            assert!(sender.unsettled() <= 2);
            delivery.accept().unwrap();
        }
        for waiting in waiting {
            assert_eq!(waiting.join().await.unwrap(), Outcome::Accepted);
        }
        for first in first {
            assert_eq!(first.outcome().await.unwrap(), Outcome::Accepted);
        }
        sender.sendable().await.unwrap();
        assert!(sender.is_sendable());
    }
}

/// T-AVAIL-01: the receiver learns the number of messages that wait at the sender.
#[adapter::test]
async fn available_messages_are_announced() {
    let (sender, receiver, _ends) = link(without_credit()).await;
    sender.set_available(17).unwrap();
    receiver.add_credit(1).unwrap();
    let sent = sender.send_queued("job").await.unwrap();
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    sent.outcome().await.unwrap().accepted().unwrap();
    receiver.drain().await.unwrap();
    assert_eq!(receiver.available(), 16, "one of them has come");
}

#[adapter::test]
async fn a_drained_receiver_has_all_there_was() {
    let (client, server) = pair().await;
    let (receiver, sender, _session) = receiving(client.receiver("jobs").with_prefetch(0), &server).await;
    receiver.set_credit(10).unwrap();
    sender.sendable().await.unwrap();
    for _ in 0..3 {
        drop(sender.send_queued("job").await.unwrap());
    }
    receiver.drain().await.unwrap();
    assert_eq!((receiver.credit(), sender.credit()), (0, 0));
    for _ in 0..3 {
        assert!(receiver.try_recv().unwrap().is_some());
    }
    assert!(receiver.try_recv().unwrap().is_none());
}

/// T-DRAIN-01: no message waits, so all credit comes back.
#[adapter::test]
async fn draining_with_nothing_to_send() {
    let (sender, receiver, _ends) = link(without_credit()).await;
    receiver.set_credit(10).unwrap();
    sender.sendable().await.unwrap();
    receiver.drain().await.unwrap();
    assert_eq!((sender.credit(), receiver.credit()), (0, 0));
    assert!(matches!(sender.try_send("job"), Err(Error::Send(_))));
    receiver.set_credit(1).unwrap();
    sender.sendable().await.unwrap();
}

/// Properties of a link's state reach the other end, in both directions. Newer ones replace those that were not taken.
#[adapter::test]
async fn properties_of_a_links_state_reach_the_other_end() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let lag = |number: u32| Fields::from([("lag", number)]);
    let waiting = {
        let sender = sender.clone();
        spawn(async move { sender.next_flow_properties().await })
    };
    receiver.send_flow_properties(&lag(1)).unwrap();
    assert_eq!(waiting.join().await.unwrap().unwrap(), Some(lag(1)));
    for number in 2..5 {
        sender.send_flow_properties(&lag(number)).unwrap();
    }
    while receiver.next_flow_properties().await.unwrap() != Some(lag(4)) {}
    let huge = Fields::from([("text", "x".repeat(1 << 20))]);
    assert!(matches!(sender.send_flow_properties(&huge), Err(Error::Credit(FlowError::TooLarge(_)))));
    let closing = spawn(async move { sender.close().await });
    assert_eq!(receiver.next_flow_properties().await.unwrap(), None, "the link has ended");
    assert!(matches!(receiver.send_flow_properties(&lag(5)), Err(Error::Link(_))));
    closing.join().await.unwrap().unwrap();
}
