//! What drivers ask the engine beside octets and events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::Event;
use amqp_proto::config::SenderOptions;
use amqp_proto::testing::Pair;
use amqp_proto::types::LinkKey;

/// What came over a link that is then closed can be taken before its end is polled.
#[test]
fn an_event_can_be_looked_at_ahead() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("jobs");
    pair.server.polls = false;
    pair.client.sender(sender).unwrap().send("job").unwrap();
    pair.client.sender(sender).unwrap().close().unwrap();
    pair.drive();
    assert!(matches!(pair.server.peek_event(), Some(Event::Message { .. })));
    assert!(matches!(pair.server.poll_event(), Some(Event::Message { .. })));
    assert!(matches!(pair.server.peek_event(), Some(Event::Lost { .. })));
    assert!(matches!(pair.server.poll_event(), Some(Event::Lost { .. })));
    assert!(matches!(pair.server.peek_event(), Some(Event::LinkDetached { .. })));
    assert!(pair.server.receiver(receiver).unwrap().receive().is_some());
    assert!(matches!(pair.server.poll_event(), Some(Event::LinkDetached { .. })));
    assert!(pair.server.receiver(receiver).is_err());
    assert!(pair.server.peek_event().is_none());
}

/// T-DRAIN-01: who drains by hand hears that the receiver wants its credit back, though it was told of it before.
#[test]
fn t_drain_01_who_drains_by_hand_is_told() {
    let mut pair = Pair::opened();
    let sender = pair.client.attach_sender_with("jobs", &SenderOptions::to("jobs").with_auto_drain(false));
    pair.drive();
    let LinkKey::Receiver(receiver) = pair.server.expect_attach().key() else { panic!("of the other end") };
    pair.server.receiver(receiver).unwrap().set_credit(5).unwrap();
    pair.drive();
    assert_eq!(pair.client.expect_sendable(), sender);
    pair.server.receiver(receiver).unwrap().drain().unwrap();
    pair.drive();
    assert_eq!(pair.client.expect_sendable(), sender);
    let mut draining = pair.client.sender(sender).unwrap();
    assert!(draining.is_draining() && draining.credit() == 5 && !draining.is_sending());
    draining.drained().unwrap();
    pair.drive();
    assert_eq!(pair.server.expect_drained(), receiver);
}
