//! The public methods of a connection: input lent or copied, output in any portions, stale keys, and late commands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::IoSlice;

use amqp_proto::config::{Options, ReceiverOptions, SessionOptions};
use amqp_proto::testing::{Alike, Pair, attach_receiver, attach_sender, close, end, flow, open, transfer};
use amqp_proto::types::Moment;
use amqp_proto::{
    Connection, Event, FlowError, LinkError, Reading, SendError, SessionError, SettleError, StaleKey,
};
use bytes::{Buf, BufMut};
use common::wire::{Wire, beginning, frames, opening};
use common::{hex, octets};

/// The octets of a peer of a server that accepts everything.
fn conversation() -> String {
    opening([
        open("p"),
        beginning(0),
        attach_sender("in", 0, "a", "b"),
        attach_receiver("out", 1, "a", "b"),
        flow(Some(0), 100, 0, 100).uint(1).uint(0).uint(5),
        transfer(0, 0, b"t").payload(vec![7; 3_000]),
        end(),
        close(),
    ])
}

/// Accepts all offers and returns the events.
fn polled(engine: &mut Connection) -> Vec<Event> {
    let mut told = Vec::new();
    while let Some(event) = engine.poll_event() {
        match &event {
            Event::SessionOffered(key) => {
                engine.session(*key).unwrap().accept(SessionOptions::new()).unwrap()
            }
            Event::LinkOffered(amqp_proto::types::LinkKey::Sender(key)) => {
                engine.sender(*key).unwrap().accept_link(Default::default()).unwrap();
            }
            Event::LinkOffered(amqp_proto::types::LinkKey::Receiver(key)) => {
                engine.receiver(*key).unwrap().accept_link(ReceiverOptions::new()).unwrap();
            }
            Event::Sendable(key) => {
                engine.sender(*key).unwrap().send("x".repeat(3_000)).unwrap();
            }
            _ => {}
        }
        told.push(event);
    }
    told
}

fn server() -> Connection {
    Connection::server(Options::new("s"), Moment::START)
}

/// A server that was fed the conversation, copied.
fn listened() -> (Connection, Vec<Event>) {
    let mut engine = server();
    engine.receive(Moment::START, &octets(&conversation()));
    let told = polled(&mut engine);
    assert!(matches!(told.last(), Some(Event::Closed(_))) && told.len() > 8, "{told:?}");
    (engine, told)
}

fn written(engine: &mut Connection) -> String {
    let mut output = engine.output();
    hex(&output.copy_to_bytes(output.remaining()))
}

#[test]
fn octets_may_be_lent_or_copied() {
    let (mut copied, told) = listened();
    let said = written(&mut copied);
    for portion in [1, 10, 1_000_000] {
        let mut engine = server();
        let all = octets(&conversation());
        let (mut rest, mut heard) = (&all[..], Vec::new());
        while !rest.is_empty() {
            assert_eq!(engine.reading(), Reading::Wanted);
            let mut room = engine.input();
            let count = room.remaining_mut().min(rest.len()).min(portion);
            assert!(count > 0);
            room.put_slice(&rest[..count]);
            rest = &rest[count..];
            engine.received(Moment::START);
            heard.extend(polled(&mut engine));
        }
        assert_eq!(
            (Alike::of(&heard), written(&mut engine)),
            (Alike::of(&told), said.clone()),
            "{portion} at a time"
        );
    }
}

#[test]
fn output_may_be_taken_in_any_portions() {
    let said = written(&mut listened().0);
    for portion in [1, 7, 2_999, 1_000_000] {
        let (mut engine, _) = listened();
        let mut taken = Vec::new();
        while engine.output().has_remaining() {
            let mut output = engine.output();
            let mut slices = [IoSlice::new(&[]); 4];
            let count = output.chunks_vectored(&mut slices);
            // A write takes any part of the slices.
            let whole: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            let some = &whole[..whole.len().min(portion)];
            assert!(whole.starts_with(output.chunk()) && !some.is_empty());
            taken.extend_from_slice(some);
            let octets = some.len();
            output.advance(octets);
        }
        assert_eq!(hex(&taken), said);
    }
}

#[test]
fn input_waits_for_events_and_is_not_wanted_after_the_end() {
    let mut engine = server();
    assert_eq!(engine.reading(), Reading::Wanted);
    engine.receive(Moment::START, &octets(&opening([open("p"), beginning(0), beginning(1)])));
    for _ in 0..3 {
        assert_eq!(engine.reading(), Reading::Events);
        assert!(engine.poll_event().is_some());
    }
    assert_eq!(engine.reading(), Reading::Wanted);
    engine.end_of_input();
    assert!(engine.poll_event().is_some());
    assert_eq!(engine.reading(), Reading::Over);
}

#[test]
fn keys_become_stale_after_the_event_of_the_end() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("jobs");
    let session = pair.client.default_session();
    let delivery = pair.client.sender(sender).unwrap().send("x").unwrap();
    pair.drive();
    pair.client.session(session).unwrap().end().unwrap();
    pair.drive();
    assert!(matches!(pair.client.session(session), Err(StaleKey)));
    assert!(matches!(pair.client.sender(sender), Err(StaleKey)));
    assert!(matches!(pair.client.delivery(delivery), Err(StaleKey)));
    assert!(matches!(pair.server.receiver(receiver), Err(StaleKey)));
    // The same slots again, under other keys.
    let again = pair.client.begin(SessionOptions::new()).unwrap();
    assert_ne!(again, session);
    assert!(pair.client.session(session).is_err() && pair.client.session(again).is_ok());
}

/// Commands on an ended connection, session or link are refused and change nothing.
#[test]
fn commands_after_the_end_are_refused() {
    for closes in [true, false] {
        let mut pair = Pair::opened();
        let (sender, receiver) = pair.link("jobs");
        let delivery = pair.client.sender(sender).unwrap().send("x").unwrap();
        pair.drive();
        let (ours, theirs) = (pair.client.default_session(), pair.server.default_session());
        if closes {
            assert!(pair.client.close() && pair.server.close());
        } else {
            pair.client.session(ours).unwrap().end().unwrap();
            pair.server.session(theirs).unwrap().end().unwrap();
        }
        let mut end = pair.client.sender(sender).unwrap();
        assert!(!end.is_sendable());
        assert_eq!(end.send("y"), Err(SendError::Detached));
        assert_eq!(end.begin_delivery(&Default::default()), Err(SendError::Detached));
        assert_eq!(end.settle(delivery), Err(SettleError::Ended));
        assert_eq!(end.set_available(1), Err(FlowError::Detached));
        assert_eq!(end.detach(), Err(LinkError::NoSession));
        assert_eq!((end.unsettled_len(), end.is_attached()), (1, true));
        let mut end = pair.server.receiver(receiver).unwrap();
        let message = end.receive().unwrap();
        assert_eq!(end.accept(message.key()), Err(SettleError::Ended));
        assert_eq!((end.set_credit(5), end.drain()), (Err(FlowError::Detached), Err(FlowError::Detached)));
        assert_eq!(end.close(), Err(LinkError::NoSession));
        let mut session = pair.client.session(ours).unwrap();
        assert_eq!(session.attach_sender("more", Default::default()), Err(LinkError::NoSession));
        assert_eq!(session.end(), Err(if closes { SessionError::NotOpen } else { SessionError::Ended }));
        // Both ends write their last frames and no others.
        pair.clear_trace();
        pair.drive();
        assert_eq!(pair.trace().len(), 2, "{:?}", pair.trace());
    }
}

/// A server without input has no output, whatever is asked of it.
#[test]
fn a_server_without_input_has_no_output() {
    let mut wire = Wire::server(Options::new("s"));
    wire.quiet();
    assert_eq!(wire.engine.begin(SessionOptions::new()), Err(SessionError::NotOpen));
    assert!(!wire.engine.is_open() && wire.engine.peer_open().is_none() && wire.engine.identity().is_none());
    assert!(wire.engine.close());
    assert!(matches!(wire.events()[..], [Event::Closed(_)]));
    assert_eq!((wire.written(), frames([]), wire.engine.is_over()), (String::new(), String::new(), true));
}

/// A key of another connection is an error, and never matches anything of this one.
#[test]
fn keys_know_their_connection() {
    let (mut pair, mut other) = (Pair::opened(), Pair::opened());
    let (sender, receiver) = pair.link("x");
    let (there, _) = other.link("x");
    let session = pair.client.default_session();
    let delivery = pair.client.sender(sender).unwrap().send("x").unwrap();
    pair.drive();
    let received = pair.server.receiver(receiver).unwrap().receive().unwrap();
    other.client.sender(there).unwrap().send("y").unwrap();
    assert!(other.client.sender(sender).is_err());
    assert!(other.client.session(session).is_err());
    assert!(other.client.delivery(delivery).is_err());
    assert!(other.server.receiver(receiver).is_err());
    assert!(other.client.sender(there).unwrap().settle(delivery).is_err());
    let (_, receiver) = other.link("z");
    assert!(other.server.receiver(receiver).unwrap().accept(received.key()).is_err());
}
