//! The feature `texts`: errors have their conditions in any build, and describe themselves with the feature.
//!
//! `cargo test -p amqp-proto --no-default-features --test texts` runs these tests without it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, SessionOptions};
use amqp_proto::types::Moment;
use amqp_proto::wire::Condition;
use amqp_proto::{Cause, Connection, Event};
use common::wire::{Wire, beginning, detach_with};

const HAS_TEXTS: bool = cfg!(feature = "texts");

/// Returns what a build with texts says.
fn told(text: &'static str) -> Option<&'static str> {
    HAS_TEXTS.then_some(text)
}

#[test]
fn a_fault_of_the_peer_has_a_condition_and_with_texts_a_description() {
    let mut wire = Wire::opened_by(Options::new("s"), amqp_proto::testing::open("p"));
    wire.peer_begins(beginning(0), SessionOptions::new());
    wire.peer_sends(detach_with(7, "amqp:not-found"));
    let events = wire.events();
    let [Event::SessionEnded { reason, .. }] = &events[..] else { panic!("{events:?}") };
    let error = reason.error.as_ref().unwrap();
    assert_eq!(error.condition, Condition::UnattachedHandle);
    let text = "no link on handle 7; its detach had the error amqp:not-found";
    assert_eq!(error.description.as_ref().map(|text| text.as_str()), told(text));
}

#[test]
fn another_protocol_is_told_by_its_cause_and_with_texts_by_its_name() {
    let mut client = Connection::client(Options::new("c"), Moment::START);
    client.receive(Moment::START, b"HTTP/1.1 400 Bad Request\r\n");
    let closed = std::iter::from_fn(|| client.poll_event()).find_map(|event| match event {
        Event::Closed(reason) => reason.cause,
        _ => None,
    });
    let Some(Cause::NotAmqp(text)) = closed else { panic!("{closed:?}") };
    assert_eq!(text.contains("it seems to speak HTTP"), HAS_TEXTS, "{text}");
}
