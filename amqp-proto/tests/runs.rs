//! Shortened random runs, each of which once failed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Auto, Pair};
use amqp_proto::types::{LinkKey, ReceiverKey, SenderKey};
use amqp_proto::wire::{Condition, Outcome};
use amqp_proto::{Event, Origin};

/// Two ends that accept sessions; the test accepts links.
fn sessions_only() -> Pair {
    let mut pair = Pair::opened().with_auto(Auto::Sessions);
    pair.client.default_session();
    pair.drive();
    pair.client.events();
    pair.server.events();
    pair
}

fn sender(link: LinkKey) -> SenderKey {
    let LinkKey::Sender(key) = link else { panic!("{link:?}") };
    key
}

fn payload(pair: &mut Pair, link: ReceiverKey) -> Option<Vec<u8>> {
    Some(pair.server.receiver(link).unwrap().receive()?.payload().to_bytes().to_vec())
}

/// L-ATT-05, L-CLOSE-02: a link detached before it was accepted is refused, and nothing follows.
#[test]
fn l_att_05_a_detach_before_the_answer_comes_to_an_end() {
    let mut pair = sessions_only();
    let link = pair.client.attach_sender("jobs");
    pair.client.sender(link).unwrap().detach().unwrap();
    pair.clear_trace();
    pair.drive();
    assert_eq!(pair.trace().len(), 4, "{:#?}", pair.trace());
    assert!(pair.client.expect_detached().1);
    assert_eq!((pair.client.links_len(), pair.server.links_len()), (0, 0));
}

/// L-CLOSE-02: a detach crosses a closing detach; an attach and a closing detach follow, answered once. The end that
/// had closed reports one more link.
#[test]
fn l_close_02_a_detach_that_crosses_a_close_comes_to_an_end() {
    for auto in [Auto::Sessions, Auto::Links] {
        let mut pair = Pair::opened();
        let (link, other) = pair.link("jobs");
        pair.client.sender(link).unwrap().detach().unwrap();
        pair.server.receiver(other).unwrap().close().unwrap();
        pair.server.auto = auto;
        pair.client.events();
        pair.clear_trace();
        pair.drive();
        assert_eq!(pair.trace().len(), 6, "{:#?}", pair.trace());
        assert!(pair.client.expect_detached().1);
        pair.client.expect_quiet();
        assert_eq!((pair.client.links_len(), pair.server.links_len()), (0, 0));
    }
}

/// T-CREDIT-15: credit granted before the application accepts the link counts from then on.
#[test]
fn t_credit_15_credit_waits_for_the_link() {
    let mut pair = sessions_only();
    let options = ReceiverOptions::from("jobs").with_prefetch(0);
    let link = pair.client.attach_receiver_with("jobs", options);
    pair.client.receiver(link).unwrap().set_credit(3).unwrap();
    pair.drive();
    let other = sender(pair.server.expect_attach().accept());
    assert_eq!(pair.server.sender(other).unwrap().credit(), 3);
    pair.drive();
    assert_eq!(pair.server.expect_sendable(), other);
}

/// S-END-06, L-NAME-03: both ends attach the same name on different sessions, and each refuses the other's link.
#[test]
fn s_end_06_one_name_on_two_sessions() {
    let mut pair = sessions_only();
    let session = pair.server.begin(SessionOptions::new()).unwrap();
    pair.drive();
    pair.client.attach_sender("jobs");
    let options = ReceiverOptions::from("jobs");
    pair.server.session(session).unwrap().attach_receiver("jobs", options).unwrap();
    pair.drive();
    for end in [&mut pair.client, &mut pair.server] {
        let (_, closed, reason) = end.expect_detached();
        assert_eq!((closed, reason.origin), (true, Origin::Remote));
        assert_eq!(reason.error.unwrap().condition, Condition::NotAllowed);
        assert_eq!(end.links_len(), 0);
        assert!(!end.events().iter().any(|event| matches!(event, Event::LinkDetached { .. })));
    }
}

/// T-DRAIN-01, T-CREDIT-14: a delivery without a written frame keeps its credit in a drain.
#[test]
fn t_drain_01_a_delivery_that_was_begun_is_not_given_back() {
    let mut pair = Pair::opened();
    let (link, other) = pair.link("jobs");
    pair.client.sender(link).unwrap().begin_delivery(&SendOptions::new()).unwrap();
    pair.client.sender(link).unwrap().set_available(1).unwrap();
    pair.drive();
    pair.server.receiver(other).unwrap().drain().unwrap();
    pair.drive();
    pair.client.sender(link).unwrap().write("job").unwrap();
    pair.client.sender(link).unwrap().finish().unwrap();
    pair.drive();
    assert_eq!(payload(&mut pair, other).as_deref(), Some(&b"job"[..]));
    assert_eq!(pair.server.expect_drained(), other);
}

/// T-DRAIN-03: a drain also ends when messages use all the credit; the last message has arrived by then.
#[test]
fn t_drain_03_used_up_credit_is_drained() {
    let mut pair = sessions_only();
    let link = pair.client.attach_sender("jobs");
    pair.drive();
    let other = pair.server.expect_attach().accept_with_credit(1);
    pair.drive();
    pair.client.sender(link).unwrap().send(vec![0; 200_000]).unwrap();
    pair.server.receiver(other).unwrap().drain().unwrap();
    pair.drive();
    assert!(matches!(
        pair.server.events()[..],
        [Event::Message { receiver: one, .. }, Event::Drained(two)] if one == other && two == other
    ));
}

/// T-XFER-05: deliveries are sent in the order in which they began, even if their octets come later.
#[test]
fn t_xfer_05_deliveries_of_two_links_stay_in_order() {
    let mut pair = Pair::opened();
    let ((slow, slow_end), (fast, fast_end)) = (pair.link("slow"), pair.link("fast"));
    pair.client.sender(slow).unwrap().begin_delivery(&SendOptions::new()).unwrap();
    pair.client.sender(fast).unwrap().send("fast").unwrap();
    pair.drive();
    pair.client.sender(slow).unwrap().write("slow").unwrap();
    pair.client.sender(slow).unwrap().finish().unwrap();
    pair.drive();
    assert!(payload(&mut pair, fast_end).is_some_and(|octets| octets.ends_with(b"fast")));
    assert_eq!(payload(&mut pair, slow_end).as_deref(), Some(&b"slow"[..]));
}

/// T-XFER-05: the window keeps a place for the delivery that began first.
#[test]
fn t_xfer_05_the_first_delivery_keeps_its_place_in_the_window() {
    let mut pair = Pair::new(Options::new("client"), Options::new("server"));
    pair.server.session_options = SessionOptions::new().with_incoming_frames(1);
    pair.drive();
    let ((slow, _), (fast, fast_end)) = (pair.link("slow"), pair.link("fast"));
    pair.client.sender(slow).unwrap().begin_delivery(&SendOptions::new()).unwrap();
    pair.client.events();
    assert!(!pair.client.sender(fast).unwrap().is_sendable());
    pair.client.sender(fast).unwrap().send("fast").unwrap_err();
    pair.client.sender(slow).unwrap().write("slow").unwrap();
    pair.drive();
    assert_eq!(pair.client.expect_sendable(), fast);
    pair.client.sender(fast).unwrap().send("fast").unwrap();
    pair.drive();
    assert!(payload(&mut pair, fast_end).is_some());
}

/// L-DET-02, L-DET-03, T-RES-05: a message that arrived before a detach can be received after the link is attached
/// again; its sender has reported it as lost by then. New deliveries get other tags.
#[test]
fn l_det_03_unread_messages_outlive_the_detach() {
    let mut pair = Pair::opened();
    let (link, other) = pair.link("jobs");
    let first = pair.client.sender(link).unwrap().send("first").unwrap();
    pair.drive();
    pair.client.sender(link).unwrap().detach().unwrap();
    pair.drive();
    assert_eq!(pair.link("jobs"), (link, other));
    assert!(pair.client.delivery(first).is_err());
    let second = pair.client.sender(link).unwrap().send("second").unwrap();
    pair.drive();
    for (delivery, outcome) in [(first, None), (second, Some(Outcome::Accepted))] {
        let received = pair.server.receiver(other).unwrap().receive().unwrap();
        pair.server.receiver(other).unwrap().accept(received.key()).unwrap();
        pair.drive();
        assert_eq!(pair.client.outcome(delivery), outcome);
    }
}

/// L-DET-03, S-END-04: a link attached again on another session leaves its deliveries behind, and the end of the
/// first session does not affect it.
#[test]
fn l_det_03_a_link_that_moves_leaves_its_deliveries() {
    let mut pair = Pair::opened();
    let (link, other) = pair.link("jobs");
    let old = pair.client.default_session();
    let delivery = pair.client.sender(link).unwrap().send("first").unwrap();
    pair.drive();
    pair.client.sender(link).unwrap().detach().unwrap();
    pair.drive();
    let new = pair.client.begin(SessionOptions::new()).unwrap();
    let options = SenderOptions::to("jobs");
    pair.client.session(new).unwrap().attach_sender("jobs", options).unwrap();
    pair.drive();
    assert!(pair.client.is_lost(delivery));
    assert_eq!(pair.client.session(old).unwrap().unsettled_sent(), 0);
    let window = pair.client.session(old).unwrap().remote_incoming_window();
    pair.client.session(old).unwrap().end().unwrap();
    pair.drive();
    pair.client.sender(link).unwrap().send("second").unwrap();
    pair.drive();
    assert!(payload(&mut pair, other).is_some_and(|octets| octets.ends_with(b"second")));
    assert!(window > 0);
}
