//! The numbers of a connection: what they count, and what goes on counting when sessions are over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::config::{SendOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::Pair;
use amqp_proto::types::{LinkKey, Moment};

#[test]
fn octets_are_counted_at_both_ends() {
    let mut pair = Pair::opened();
    pair.drive();
    let (client, server) = (pair.client.metrics(), pair.server.metrics());
    assert!(client.octets_sent > 8);
    assert_eq!(client.octets_sent, server.octets_received);
    assert_eq!(server.octets_sent, client.octets_received);
    assert_eq!((client.sessions, client.links, client.output_octets), (0, 0, 0));
    assert_eq!((client.deliveries_sent, client.deliveries_received), (0, 0));
}

#[test]
fn deliveries_are_counted_until_they_are_settled_and_after() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("jobs");
    let settled = SendOptions::new().with_settled(true);
    for _ in 0..3 {
        pair.client.sender(sender).unwrap().send("job").unwrap();
    }
    pair.client.sender(sender).unwrap().send_with(&"job".into(), &settled).unwrap();
    pair.drive();
    let (client, server) = (pair.client.metrics(), pair.server.metrics());
    assert_eq!((client.deliveries_sent, client.unsettled_sent), (4, 3));
    assert_eq!((server.deliveries_received, server.unsettled_received), (4, 3));
    assert_eq!((client.deliveries_received, server.deliveries_sent), (0, 0));
    assert_eq!((client.sessions, client.links), (1, 1));

    let mut at_server = pair.server.receiver(receiver).unwrap();
    let first = at_server.receive().unwrap().key();
    at_server.accept(first).unwrap();
    pair.drive();
    let (client, server) = (pair.client.metrics(), pair.server.metrics());
    assert_eq!((client.deliveries_sent, client.unsettled_sent), (4, 2));
    assert_eq!((server.deliveries_received, server.unsettled_received), (4, 2));
}

#[test]
fn the_deliveries_of_a_session_that_is_over_stay_counted() {
    let mut pair = Pair::opened();
    for round in 1..=3_u64 {
        let session = pair.client.begin(SessionOptions::new()).unwrap();
        let options = SenderOptions::to("jobs");
        let sender = pair.client.session(session).unwrap().attach_sender("jobs", options).unwrap();
        pair.drive();
        let LinkKey::Receiver(_) = pair.server.expect_attach().accept() else { panic!("it receives") };
        pair.drive();
        for _ in 0..2 {
            pair.client.sender(sender).unwrap().send("job").unwrap();
        }
        pair.drive();
        assert_eq!(pair.client.metrics().sessions, 1);
        pair.client.session(session).unwrap().end().unwrap();
        pair.drive();
        pair.client.events();
        pair.server.events();
        let (client, server) = (pair.client.metrics(), pair.server.metrics());
        assert_eq!((client.sessions, client.links, client.unsettled_sent), (0, 0, 0), "{round}");
        assert_eq!((client.deliveries_sent, server.deliveries_received), (2 * round, 2 * round));
    }
}

/// A read that is reported twice is counted once.
#[test]
fn no_octet_is_counted_twice() {
    let mut pair = Pair::opened();
    pair.drive();
    let before = pair.client.metrics().octets_received;
    pair.client.received(Moment::START);
    pair.client.received(Moment::START);
    assert_eq!(pair.client.metrics().octets_received, before);
}
