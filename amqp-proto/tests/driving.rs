//! What drivers ask the engine beside octets and events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::Event;
use amqp_proto::config::{SenderOptions, SessionOptions};
use amqp_proto::testing::{Auto, Pair};
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

/// S-BEG-01, S-END-01: a session that is ended as soon as it is begun is answered as what it is, and not taken for one
/// of the peer's own.
#[test]
fn s_beg_01_a_session_that_is_given_up_at_once() {
    let mut pair = Pair::opened();
    pair.server.auto = Auto::Off;
    for _ in 0..3 {
        let session = pair.client.begin(&SessionOptions::new()).unwrap();
        pair.client.session(session).unwrap().end().unwrap();
        pair.drive();
        assert_eq!(pair.client.expect_session_ended().0, session);
        assert!(pair.client.is_open() && pair.server.is_open());
        assert!(pair.client.events().is_empty());
        pair.server.events();
    }
}
