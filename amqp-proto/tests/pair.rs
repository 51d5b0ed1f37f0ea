//! The test kit's pair: its lines and its time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use amqp_proto::config::Options;
use amqp_proto::testing::{Pair, Side};
use amqp_proto::types::Moment;
use amqp_proto::{Event, Origin};

#[test]
fn octets_take_their_time() {
    let mut pair = Pair::new(Options::new("client"), Options::new("server")).delayed(50);
    assert!(pair.step());
    assert_eq!((pair.to_server.is_empty(), pair.server.next_event()), (false, None));
    pair.skip(49);
    assert!(!pair.step());
    pair.skip(1);
    assert!(pair.step());
    pair.server.expect_opened();
    pair.drive();
    assert_eq!(pair.now(), Moment::from_millis(100));
    pair.client.expect_opened();
}

#[test]
fn deadlines_are_met_when_time_is_driven_and_not_else() {
    let idle = |name: &'static str| Options::new(name).with_idle_timeout(Duration::from_secs(1));
    let mut pair = Pair::new(idle("client"), idle("server"));
    pair.drive();
    pair.clear_trace();
    pair.drive();
    assert_eq!((pair.now(), pair.trace().len()), (Moment::START, 0));
    pair.advance(10_000);
    assert_eq!(pair.now(), Moment::from_millis(10_000));
    assert!(pair.trace().len() >= 20 && pair.client.is_open() && pair.server.is_open());
    // The server no longer hears the client, and gives it up.
    pair.to_server.stall();
    pair.advance(2_000);
    let reason = pair.server.expect_closed();
    assert_eq!(reason.origin, Origin::Local);
    pair.client.expect_closed();
}

#[test]
fn a_stalled_line_holds_octets_back() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("jobs");
    pair.to_server.stall();
    pair.client.sender(sender).unwrap().send("job").unwrap();
    pair.drive();
    assert_eq!(pair.server.receiver(receiver).unwrap().receive().map(|delivery| delivery.key()), None);
    pair.to_server.resume();
    pair.server.collects = true;
    pair.drive();
    assert_eq!(pair.server.messages().len(), 1);
}

#[test]
fn a_cut_loses_later_octets() {
    for octets in [0, 10, u64::MAX] {
        let mut pair = Pair::opened().chunked(7);
        let (sender, _) = pair.link("jobs");
        pair.server.events();
        pair.to_server.cut_after(octets);
        pair.client.sender(sender).unwrap().send("job").unwrap();
        pair.drive();
        let told = pair.server.events();
        assert_eq!(told.iter().any(|event| matches!(event, Event::Message { .. })), octets == u64::MAX);
        assert_eq!(pair.server.is_over(), octets != u64::MAX);
        // The other end sees the end of the input, since the transport is closed then.
        assert_eq!(pair.client.is_over(), octets != u64::MAX);
    }
}

#[test]
fn so_many_octets_move_and_no_more() {
    let mut pair = Pair::new(Options::new("client"), Options::new("server"));
    assert!(pair.step_some(Side::Client, 8));
    assert_eq!(pair.trace(), ["client -> header Amqp 1.0.0"]);
    assert!(!pair.step_some(Side::Client, 0));
    pair.drive();
    pair.server.expect_opened();
    pair.server.expect_quiet();
}

#[test]
#[should_panic(expected = "no rest after 3 steps")]
fn a_pair_without_rest_panics() {
    let idle = |name: &'static str| Options::new(name).with_idle_timeout(Duration::from_secs(1));
    let mut pair = Pair::new(idle("client"), idle("server")).with_most_steps(3);
    pair.advance(60_000);
}

#[test]
#[should_panic(expected = "the server: expected that a message is there")]
fn the_panic_names_the_expected_event() {
    Pair::opened().server.expect_message();
}
