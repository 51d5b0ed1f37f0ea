//! The windows of sessions, in frames and octets, and the flows that announce them [2.5.6] [2.7.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    Literal, Pair, attach_receiver, attach_sender, begin, detach, flow, open, transfer,
};
use amqp_proto::types::{Limits, LinkKey, ReceiverKey, SenderKey, SessionKey, TransferNumber};
use amqp_proto::wire::{Condition, Frame, Performative};
use amqp_proto::{Event, SendError};
use common::wire::{Wire, beginning, frames};

/// This end's outgoing-window, which never limits it.
const OPEN: u32 = 0x7fff_ffff;

/// An engine with a session of these options, which sends on the peer's handle 0 with this credit.
fn sending(begin: Literal, options: SessionOptions, credit: u32) -> (Wire, SenderKey) {
    let mut wire = Wire::opened();
    wire.peer_begins(begin, options);
    let LinkKey::Sender(link) = wire.peer_attaches(attach_receiver("n", 0, "a", "b")) else {
        panic!("a receiver")
    };
    wire.engine.sender(link).unwrap().accept_link(SenderOptions::new()).unwrap();
    wire.octets();
    if credit > 0 {
        wire.peer_sends(flow(None, 100, 0, 100).uint(0).uint(0).uint(credit));
        assert_eq!(wire.events(), [Event::Sendable(link)]);
    }
    (wire, link)
}

/// An engine that receives on the peer's handle 0 with this credit; the output so far is taken.
fn receiving(options: SessionOptions, credit: u32) -> (Wire, SessionKey, ReceiverKey) {
    let (mut wire, session) = Wire::with_session(options);
    let link = receives(&mut wire, credit);
    (wire, session, link)
}

fn receives(wire: &mut Wire, credit: u32) -> ReceiverKey {
    let LinkKey::Receiver(link) = wire.peer_attaches(attach_sender("n", 0, "a", "b")) else {
        panic!("a sender")
    };
    let mut view = wire.engine.receiver(link).unwrap();
    view.accept_link(ReceiverOptions::new().with_prefetch(0)).unwrap();
    view.set_credit(credit).unwrap();
    wire.octets();
    link
}

/// Settled messages of this size, with these delivery-ids.
fn messages(ids: std::ops::Range<u32>, octets: usize) -> String {
    let one = |id: u32| transfer(0, id, &id.to_be_bytes()).boolean(true).payload(vec![0; octets]);
    ids.map(|id| frames([one(id)])).collect()
}

/// Returns the numbers of transfers and flows in the output.
fn count(wire: &mut Wire) -> (usize, usize) {
    let frames = wire.frames();
    let of = |wanted: &str| {
        let named = |frame: &&Frame| matches!(frame, Frame::Amqp { performative, .. } if performative.name() == wanted);
        frames.iter().filter(named).count()
    };
    (of("transfer"), of("flow"))
}

/// S-WIN-01, S-WIN-02, S-WIN-03: each frame of a sent delivery takes an id and a place in the peer's window, and
/// flows show that.
#[test]
fn s_win_03_a_transfer_takes_an_id_and_a_place() {
    let (mut wire, link) = sending(beginning(0), SessionOptions::new(), 10);
    let session = wire.engine.sender(link).unwrap().session().unwrap();
    assert_eq!(wire.engine.session(session).unwrap().remote_incoming_window(), 100);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&Default::default()).unwrap();
    for _ in 0..3 {
        sender.write("piece").unwrap();
    }
    assert_eq!(count(&mut wire), (3, 0));
    assert_eq!(wire.engine.session(session).unwrap().remote_incoming_window(), 97);
    wire.engine.sender(link).unwrap().finish().unwrap();
    wire.octets();
    wire.peer_sends(flow(Some(4), 100, 0, 100).nulls(5).boolean(true));
    wire.engine_wrote([flow(Some(0), 512, 4, OPEN)]);
}

/// S-WIN-04, S-WIN-05, S-WIN-10: each received frame takes a place in this end's window; flows show the next id; one
/// frame too many ends the session.
#[test]
fn s_win_04_a_transfer_that_comes_takes_a_place() {
    let (mut wire, session, _) = receiving(SessionOptions::new().with_incoming_frames(2), 10);
    let window = |wire: &mut Wire| wire.engine.session(session).unwrap().incoming_window();
    assert_eq!(window(&mut wire), 2);
    wire.peer_sends(messages(0..1, 5));
    wire.events();
    assert_eq!(window(&mut wire), 1);
    wire.peer_sends(flow(Some(0), 100, 0xffff_ffff, 100).nulls(5).boolean(true));
    wire.engine_wrote([flow(Some(0xffff_ffff), 1, 0, OPEN)]);
    wire.peer_sends(messages(1..2, 5));
    wire.events();
    wire.peer_sends(flow(Some(0), 100, 0, 100).nulls(5).boolean(true));
    wire.engine_wrote([flow(Some(0), 0, 0, OPEN)]);
    wire.peer_sends(messages(2..3, 5));
    assert_eq!(wire.engine_ends(), Condition::WindowViolation);
}

/// S-WIN-06, S-WIN-07, S-WIN-09: frames on the way count, across the wrap. A peer that has not seen the begin counts
/// from the first id. A peer that reduces its window gets no more frames.
#[test]
fn s_win_06_frames_on_the_way_count() {
    let options = SessionOptions::new().with_next_outgoing_id(TransferNumber::new(0xffff_fffe));
    let (mut wire, link) = sending(beginning(0), options, 50);
    let session = wire.engine.sender(link).unwrap().session().unwrap();
    for _ in 0..4 {
        wire.engine.sender(link).unwrap().send("x").unwrap();
    }
    for (next_incoming_id, window, left) in [
        (Some(0xffff_fffe), 10, 6),
        (Some(1), 10, 9),
        (Some(2), 10, 10),
        (Some(0xffff_ffff), 1, 0),
        (Some(2), 7, 7),
    ] {
        wire.peer_sends(flow(next_incoming_id, window, 0, 100));
        wire.events();
        assert_eq!(wire.engine.session(session).unwrap().remote_incoming_window(), left);
    }
}

/// S-WIN-07: a flow that crosses the begin counts from the begin's next-outgoing-id.
#[test]
fn s_win_07_a_flow_that_crosses_the_begin() {
    let options = SessionOptions::new().with_next_outgoing_id(TransferNumber::new(7));
    let mut wire = Wire::opened();
    let session = wire.peer_begins(begin(None, 0, 0, 0), options);
    wire.peer_sends(flow(None, 5, 0, 100));
    assert_eq!((wire.events(), wire.engine.session(session).unwrap().remote_incoming_window()), (vec![], 5));
}

/// S-WIN-08, T-CREDIT-15: no transfer exceeds the peer's window. A delivery cut in two continues when the window
/// opens, and waiting senders get their event.
#[test]
fn s_win_08_transfers_wait_for_the_window() {
    let (mut wire, link) = sending(beginning(0), SessionOptions::new(), 10);
    wire.peer_sends(flow(Some(0), 2, 0, 100));
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&Default::default()).unwrap();
    for _ in 0..2 {
        sender.write("x").unwrap();
    }
    assert_eq!(count(&mut wire), (2, 0));
    let mut sender = wire.engine.sender(link).unwrap();
    sender.write("x").unwrap();
    sender.finish().unwrap();
    assert_eq!((count(&mut wire), wire.events()), ((0, 0), vec![]));
    wire.peer_sends(flow(Some(2), 1, 0, 100));
    assert_eq!((count(&mut wire), wire.events()), ((1, 0), vec![]));
    assert_eq!(wire.engine.sender(link).unwrap().send("y"), Err(SendError::WindowClosed));
    assert!(!wire.engine.sender(link).unwrap().is_sendable());
    wire.peer_sends(flow(Some(3), 1, 0, 100));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
}

/// S-WIN-11: the window opens when messages are received, not when they are settled, by flows of the session, once
/// half of it is used.
#[test]
fn s_win_11_the_window_opens_as_messages_are_received() {
    let (mut wire, session, link) = receiving(SessionOptions::new().with_incoming_frames(10), 1_000);
    wire.peer_sends(messages(0..10, 5));
    assert_eq!(wire.events().len(), 10);
    wire.engine_wrote("");
    let _ = wire.engine.receiver(link).unwrap().receive().unwrap();
    assert_eq!(wire.written(), frames([flow(Some(10), 1, 0, OPEN)]), "closed, it opens at once");
    for _ in 0..9 {
        let _ = wire.engine.receiver(link).unwrap().receive().unwrap();
    }
    wire.engine_wrote([flow(Some(10), 10, 0, OPEN)]);
    let mut flows = 0;
    for id in 10..110 {
        wire.peer_sends(messages(id..id + 1, 5));
        wire.events();
        let _ = wire.engine.receiver(link).unwrap().receive().unwrap();
        flows += count(&mut wire).1;
    }
    assert_eq!(flows, 20);
    assert!(wire.engine.session(session).unwrap().incoming_window() >= 5);
}

/// S-WIN-11, T-XFER-13: an aborted delivery gives its part of the window back, whether its octets were read or not.
#[test]
fn s_win_11_an_aborted_stream_gives_its_window_back() {
    let (mut wire, _) = Wire::with_session(SessionOptions::new().with_incoming_frames(4));
    let LinkKey::Receiver(link) = wire.peer_attaches(attach_sender("n", 0, "a", "b")) else {
        panic!("a sender")
    };
    let options = ReceiverOptions::new().with_prefetch(5).with_streaming(true);
    wire.engine.receiver(link).unwrap().accept_link(options).unwrap();
    wire.octets();
    let more = || Literal::new(0x14).uint(0).nulls(4);
    wire.peer_sends([
        transfer(0, 0, b"t").null().boolean(true).payload("a"),
        more().boolean(true).payload("b"),
        more().boolean(false).nulls(3).boolean(true),
    ]);
    assert!(matches!(wire.events()[..], [.., Event::Aborted { .. }]));
    wire.engine_wrote([flow(Some(3), 4, 0, OPEN)]);
}

/// S-WIN-11, L-CLOSE-04: a closed link gives back the window of its unread messages.
#[test]
fn s_win_11_a_closed_link_gives_its_window_back() {
    let (mut wire, _, _) = receiving(SessionOptions::new().with_incoming_frames(4), 10);
    wire.peer_sends(messages(0..3, 5));
    assert_eq!(wire.events().len(), 3);
    wire.peer_sends(detach(0, true));
    assert_eq!(wire.written(), frames([detach(0, true)]), "they can still be taken");
    assert!(matches!(wire.events()[..], [Event::LinkDetached { .. }]));
    wire.engine_wrote([flow(Some(3), 4, 0, OPEN)]);
}

/// S-WIN-11: the window also counts octets: there is room for every frame on the way.
#[test]
fn s_win_11_the_window_counts_octets() {
    let limits = Limits::DEFAULT.with_frame_size(1_000);
    let mut wire = Wire::opened_by(Options::new("s").with_limits(limits), open("p"));
    let session = wire.peer_begins(beginning(0), SessionOptions::new().with_incoming_octets(10_000));
    let written = begin(Some(0), 0, 10, OPEN).uint(65_535);
    assert_eq!(wire.written(), frames([written]), "ten of the largest frames");
    let link = receives(&mut wire, 1_000);
    wire.peer_sends(messages(0..5, 900));
    wire.events();
    assert_eq!(wire.written(), "", "there is no room for more than was told");
    // Five small frames arrived, which leave room for four and a half large ones.
    wire.peer_sends(messages(5..10, 10));
    wire.events();
    wire.engine_wrote([flow(Some(10), 5, 0, OPEN)]);
    for _ in 0..10 {
        let _ = wire.engine.receiver(link).unwrap().receive().unwrap();
    }
    wire.engine_wrote([flow(Some(10), 10, 0, OPEN)]);
    assert_eq!(wire.engine.session(session).unwrap().incoming_window(), 10);
}

/// S-WIN-11: any stream passes any window.
#[test]
fn s_win_11_a_stream_passes_any_window() {
    for (frames, octets) in [(1, u64::MAX), (2, u64::MAX), (3, 1), (7, 2_000), (2_048, 0)] {
        let limits = Limits::DEFAULT.with_frame_size(512);
        let options = |name| Options::new(name).with_limits(limits.clone());
        let mut pair = Pair::new(options("c"), options("s"));
        pair.server.session_options =
            SessionOptions::new().with_incoming_frames(frames).with_incoming_octets(octets);
        pair.server.collects = true;
        let sender = pair.client.attach_sender("jobs");
        pair.drive();
        for _ in 0..20 {
            pair.client.sender(sender).unwrap().send("x".repeat(2_000)).unwrap();
            pair.drive();
        }
        assert_eq!(pair.server.messages().len(), 20, "{frames} frames, {octets} octets");
        assert!(pair.client.sender(sender).unwrap().is_sendable());
    }
}

/// S-WIN-12: a flow without next-incoming-id, although the peer has the begin.
#[test]
fn s_win_12_a_flow_has_the_next_incoming_id() {
    let mut wire = Wire::opened();
    let session = wire.engine.begin(SessionOptions::new()).unwrap();
    wire.peer_sends([begin(Some(0), 0, 9, 9), flow(None, 9, 0, 9)]);
    assert_eq!(wire.engine_ends(), Condition::InvalidField);
    assert!(wire.engine.session(session).is_err());
}

/// S-WIN-13: the mandatory numbers of a flow.
#[test]
fn s_win_13_a_flow_has_its_numbers() {
    for missing in 1..=3 {
        let (mut wire, _) = Wire::with_session(SessionOptions::new());
        let field = |frame: Literal, at| if at == missing { frame.null() } else { frame.uint(1) };
        wire.peer_sends((0..=3).fold(Literal::new(0x13), field));
        assert_eq!(wire.engine_closes(), Condition::InvalidField);
    }
}

/// S-FLOW-01: link fields of a flow need a handle.
#[test]
fn s_flow_01_link_state_without_a_handle_is_refused() {
    for at in 0..4 {
        let (mut wire, _) = Wire::with_session(SessionOptions::new());
        let session = flow(Some(0), 1, 0, 1).null().nulls(at);
        wire.peer_sends(if at == 3 { session.boolean(true) } else { session.uint(1) });
        assert_eq!(wire.engine_ends(), Condition::InvalidField);
    }
}

/// S-FLOW-02, L-HAND-05: a flow for a handle without a link.
#[test]
fn s_flow_02_a_flow_for_no_link_ends_the_session() {
    let (mut wire, _) = Wire::with_session(SessionOptions::new());
    wire.peer_sends(flow(Some(0), 1, 0, 1).uint(77).uint(0).uint(1));
    assert_eq!(wire.engine_ends(), Condition::UnattachedHandle);
}

/// S-FLOW-03, S-FLOW-04, S-FLOW-05: an echo request of a session or link is answered, once for all requests together,
/// without an echo request.
#[test]
fn s_flow_03_an_echo_is_answered_once() {
    let (mut wire, link) = sending(beginning(0), SessionOptions::new(), 3);
    let of_session = || flow(Some(0), 100, 0, 100).nulls(5).boolean(true);
    let of_link = || flow(Some(0), 100, 0, 100).uint(0).uint(0).uint(3).null().boolean(false).boolean(true);
    wire.peer_sends([of_session(), of_session(), of_session()]);
    wire.engine_wrote([flow(Some(0), 512, 0, OPEN)]);
    wire.engine.sender(link).unwrap().set_available(2).unwrap();
    wire.peer_sends([of_link(), of_session(), of_link(), of_link()]);
    let state = flow(Some(0), 512, 0, OPEN).uint(0).uint(0).uint(3).uint(2);
    wire.engine_wrote([state]);
    wire.quiet();
}

/// S-FLOW-05: two ends do not answer each other endlessly.
#[test]
fn s_flow_05_the_answer_to_an_echo_gets_no_answer() {
    let mut pair = Pair::opened();
    let (_, receiver) = pair.link("jobs");
    pair.clear_trace();
    pair.server.receiver(receiver).unwrap().echo().unwrap();
    pair.drive();
    let flows: Vec<String> = pair.trace().into_iter().filter(|line| line.contains("flow {")).collect();
    assert_eq!(flows.len(), 2, "{flows:?}");
    assert!(flows[0].starts_with("server") && flows[0].contains("echo: true"), "{flows:?}");
    assert!(flows[1].starts_with("client") && !flows[1].contains("echo"), "{flows:?}");
}

/// S-WIN-08, S-END-04: a delivery that waits for the window when the session ends is lost, and reported once.
#[test]
fn s_win_08_deliveries_waiting_for_the_window_are_lost_with_the_session() {
    let (mut wire, link) = sending(beginning(0), SessionOptions::new(), 10);
    wire.peer_sends(flow(Some(0), 0, 0, 100));
    wire.events();
    wire.peer_sends(flow(Some(0), 1, 0, 100));
    let delivery = wire.engine.sender(link).unwrap().begin_delivery(&Default::default()).unwrap();
    wire.engine.sender(link).unwrap().write("x").unwrap();
    wire.engine.sender(link).unwrap().write("x").unwrap();
    assert_eq!(count(&mut wire), (1, 0));
    wire.peer_sends(amqp_proto::testing::end());
    let lost: Vec<Event> =
        wire.events().into_iter().filter(|event| matches!(event, Event::Lost { .. })).collect();
    assert!(matches!(lost[..], [Event::Lost { delivery: one, .. }] if one == delivery));
    assert!(matches!(wire.frames()[..], [Frame::Amqp { performative: Performative::End(_), .. }]));
}
