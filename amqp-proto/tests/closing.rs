//! Messages accepted before an end are written before it: the end of a link [2.6.5], a session [2.5.5], a connection
//! [2.4.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use amqp_proto::config::{Options, SendOptions, SessionOptions};
use amqp_proto::message::Message;
use amqp_proto::testing::Pair;
use amqp_proto::types::{ReceiverKey, SenderKey, SessionKey};
use amqp_proto::wire::Outcome;
use amqp_proto::{Event, LinkError, Origin, SendError, SessionError};
use bytes::Buf;

/// More than the output holds, so that it is not written at once.
const LARGE: usize = 3 << 20;

fn large() -> Message {
    Message::new(vec![7; LARGE])
}

/// A client that has sent a settled message, partly written.
fn sent() -> (Pair, SenderKey, ReceiverKey) {
    let mut pair = Pair::opened().untraced();
    let (sender, receiver) = pair.link("jobs");
    pair.client.events();
    pair.server.collects = true;
    let options = SendOptions::new().with_settled(true);
    pair.client.sender(sender).unwrap().send_with(&large(), &options).unwrap();
    assert!(pair.client.output_len() < LARGE && pair.client.sender(sender).unwrap().is_sending());
    (pair, sender, receiver)
}

/// Checks that the server has received exactly that message.
fn check_received(pair: &mut Pair) {
    let messages = pair.server.messages();
    let [(_, delivery)] = &messages[..] else { panic!("{} messages", messages.len()) };
    assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap().len(), LARGE);
}

/// C-CLOSE-01: the close follows the sent messages; no new message is begun before it.
#[test]
fn c_close_01_a_connection_is_closed_once_all_is_written() {
    let (mut pair, sender, _) = sent();
    assert!(pair.client.close() && !pair.client.close());
    assert!(pair.client.is_closing() && !pair.client.is_open());
    assert!(!pair.client.sender(sender).unwrap().is_sendable());
    assert!(matches!(pair.client.begin(SessionOptions::new()), Err(SessionError::NotOpen)));
    assert!(pair.client.sender(sender).unwrap().send("more").is_err());
    pair.drive();
    check_received(&mut pair);
    assert_eq!(pair.server.expect_closed().error, None);
    let reason = pair.client.expect_closed();
    assert_eq!((reason.origin, reason.error), (Origin::Local, None));
    assert!(!pair.client.is_closing());
}

/// C-CLOSE-01: a close with an error is written at once.
#[test]
fn c_close_01_with_a_reason_it_is_closed_at_once() {
    let (mut pair, ..) = sent();
    assert!(pair.client.close());
    let why = amqp_proto::wire::AmqpError::new(amqp_proto::wire::Condition::ConnectionForced);
    assert!(pair.client.close_with(why.clone()));
    pair.drive();
    assert_eq!(pair.server.messages().len(), 0);
    assert_eq!(pair.server.expect_closed().error, Some(why));
}

/// L-DET-01: a link is detached after its delivery is written, settled or not.
#[test]
fn l_det_01_a_link_is_detached_once_all_is_written() {
    for settled in [true, false] {
        let mut pair = Pair::opened().untraced();
        let (sender, _) = pair.link("jobs");
        pair.server.collects = true;
        let options = SendOptions::new().with_settled(settled);
        let mut view = pair.client.sender(sender).unwrap();
        let key = view.send_with(&large(), &options).unwrap();
        view.detach().unwrap();
        assert_eq!(view.detach(), Err(LinkError::Detached));
        view.close().unwrap();
        assert_eq!(view.send("more"), Err(SendError::Incomplete));
        pair.drive();
        check_received(&mut pair);
        let (link, closed, reason) = pair.client.expect_detached();
        assert_eq!((link, closed, reason.error), (sender.into(), true, None));
        assert_eq!(pair.client.outcome(key), None::<Outcome>);
    }
}

/// S-END-01: a session is ended after its deliveries are written.
#[test]
fn s_end_01_a_session_is_ended_once_all_is_written() {
    let (mut pair, sender, _) = sent();
    let session: SessionKey = pair.client.sender(sender).unwrap().session().unwrap();
    pair.client.session(session).unwrap().end().unwrap();
    assert!(matches!(pair.client.session(session).unwrap().end(), Err(SessionError::Ended)));
    assert!(pair.client.session(session).unwrap().attach_sender("late", Default::default()).is_err());
    pair.drive();
    check_received(&mut pair);
    let (ended, reason) = pair.client.expect_session_ended();
    assert_eq!((ended, reason.error), (session, None));
}

/// C-CLOSE-02: if the peer does not read in time, or closes first, the close has an error that says so.
#[test]
fn c_close_02_unwritten_messages_are_reported() {
    for is_peers in [true, false] {
        let client = Options::new("client").with_close_timeout(Duration::from_secs(1));
        let mut pair = Pair::new(client, Options::new("server")).untraced();
        pair.drive();
        let (sender, _) = pair.link("jobs");
        pair.client.events();
        let options = SendOptions::new().with_settled(true);
        pair.client.sender(sender).unwrap().send_with(&large(), &options).unwrap();
        assert!(pair.client.close());
        // No output is taken meanwhile.
        if is_peers {
            assert!(pair.server.close());
            let octets = pair.server.output().copy_to_bytes(usize::MAX);
            let now = pair.now();
            pair.client.receive(now, &octets);
        } else {
            let late = pair.now() + Duration::from_millis(1_000);
            pair.client.handle_deadline(late);
        }
        pair.drive();
        let events = pair.client.events();
        let Some(Event::Closed(reason)) = events.last() else { panic!("{events:?}") };
        assert!(reason.origin == Origin::Local && reason.error.is_some(), "{reason}");
        assert!(reason.to_string().contains("before all sent messages were written"), "{reason}");
    }
}
