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
use common::solo::{Solo, beginning, frames};

/// This end's outgoing-window, which never limits it.
const OPEN: u32 = 0x7fff_ffff;

/// An engine with a session of these options, which sends on the peer's handle 0 with this credit.
fn sending(begin: Literal, options: &SessionOptions, credit: u32) -> (Solo, SenderKey) {
    let mut solo = Solo::open();
    solo.accepts(begin, options);
    let LinkKey::Sender(link) = solo.is_offered(attach_receiver("n", 0, "a", "b")) else {
        panic!("a receiver")
    };
    solo.engine.sender(link).unwrap().accept_link(&SenderOptions::new()).unwrap();
    solo.says();
    if credit > 0 {
        solo.hears(&frames([flow(None, 100, 0, 100).uint(0).uint(0).uint(credit)]));
        assert_eq!(solo.events(), [Event::Sendable(link)]);
    }
    (solo, link)
}

/// An engine that receives on the peer's handle 0 with this credit; the output so far is taken.
fn receiving(options: &SessionOptions, credit: u32) -> (Solo, SessionKey, ReceiverKey) {
    let (mut solo, session) = Solo::with_session(options);
    let link = receives(&mut solo, credit);
    (solo, session, link)
}

fn receives(solo: &mut Solo, credit: u32) -> ReceiverKey {
    let LinkKey::Receiver(link) = solo.is_offered(attach_sender("n", 0, "a", "b")) else {
        panic!("a sender")
    };
    let mut view = solo.engine.receiver(link).unwrap();
    view.accept_link(&ReceiverOptions::new().with_prefetch(0)).unwrap();
    view.set_credit(credit).unwrap();
    solo.says();
    link
}

/// Settled messages of this size, with these delivery-ids.
fn messages(ids: std::ops::Range<u32>, octets: usize) -> String {
    let one = |id: u32| transfer(0, id, &id.to_be_bytes()).boolean(true).payload(vec![0; octets]);
    ids.map(|id| frames([one(id)])).collect()
}

/// Returns the numbers of transfers and flows in the output.
fn count(solo: &mut Solo) -> (usize, usize) {
    let frames = solo.frames();
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
    let (mut solo, link) = sending(beginning(0), &SessionOptions::new(), 10);
    let session = solo.engine.sender(link).unwrap().session().unwrap();
    assert_eq!(solo.engine.session(session).unwrap().remote_incoming_window(), 100);
    let mut sender = solo.engine.sender(link).unwrap();
    sender.begin_delivery(&Default::default()).unwrap();
    for _ in 0..3 {
        sender.write("piece").unwrap();
    }
    assert_eq!(count(&mut solo), (3, 0));
    assert_eq!(solo.engine.session(session).unwrap().remote_incoming_window(), 97);
    solo.engine.sender(link).unwrap().finish().unwrap();
    solo.says();
    solo.hears(&frames([flow(Some(4), 100, 0, 100).nulls(5).boolean(true)]));
    assert_eq!(solo.says(), frames([flow(Some(0), 512, 4, OPEN)]));
}

/// S-WIN-04, S-WIN-05, S-WIN-10: each received frame takes a place in this end's window; flows show the next id; one
/// frame too many ends the session.
#[test]
fn s_win_04_a_transfer_that_comes_takes_a_place() {
    let (mut solo, session, _) = receiving(&SessionOptions::new().with_incoming_frames(2), 10);
    let window = |solo: &mut Solo| solo.engine.session(session).unwrap().incoming_window();
    assert_eq!(window(&mut solo), 2);
    solo.hears(&messages(0..1, 5));
    solo.events();
    assert_eq!(window(&mut solo), 1);
    solo.hears(&frames([flow(Some(0), 100, 0xffff_ffff, 100).nulls(5).boolean(true)]));
    assert_eq!(solo.says(), frames([flow(Some(0xffff_ffff), 1, 0, OPEN)]));
    solo.hears(&messages(1..2, 5));
    solo.events();
    solo.hears(&frames([flow(Some(0), 100, 0, 100).nulls(5).boolean(true)]));
    assert_eq!(solo.says(), frames([flow(Some(0), 0, 0, OPEN)]));
    solo.hears(&messages(2..3, 5));
    assert_eq!(solo.ends_for(), Condition::WindowViolation);
}

/// S-WIN-06, S-WIN-07, S-WIN-09: frames on the way count, across the wrap. A peer that has not seen the begin counts
/// from the first id. A peer that reduces its window gets no more frames.
#[test]
fn s_win_06_frames_on_the_way_count() {
    let options = SessionOptions::new().with_next_outgoing_id(TransferNumber::new(0xffff_fffe));
    let (mut solo, link) = sending(beginning(0), &options, 50);
    let session = solo.engine.sender(link).unwrap().session().unwrap();
    for _ in 0..4 {
        solo.engine.sender(link).unwrap().send("x").unwrap();
    }
    for (next_incoming_id, window, left) in [
        (Some(0xffff_fffe), 10, 6),
        (Some(1), 10, 9),
        (Some(2), 10, 10),
        (Some(0xffff_ffff), 1, 0),
        (Some(2), 7, 7),
    ] {
        solo.hears(&frames([flow(next_incoming_id, window, 0, 100)]));
        solo.events();
        assert_eq!(solo.engine.session(session).unwrap().remote_incoming_window(), left);
    }
}

/// S-WIN-07: a flow that crosses the begin counts from the begin's next-outgoing-id.
#[test]
fn s_win_07_a_flow_that_crosses_the_begin() {
    let options = SessionOptions::new().with_next_outgoing_id(TransferNumber::new(7));
    let mut solo = Solo::open();
    let session = solo.accepts(begin(None, 0, 0, 0), &options);
    solo.hears(&frames([flow(None, 5, 0, 100)]));
    assert_eq!((solo.events(), solo.engine.session(session).unwrap().remote_incoming_window()), (vec![], 5));
}

/// S-WIN-08, T-CREDIT-15: no transfer exceeds the peer's window. A delivery cut in two continues when the window
/// opens, and waiting senders get their event.
#[test]
fn s_win_08_transfers_wait_for_the_window() {
    let (mut solo, link) = sending(beginning(0), &SessionOptions::new(), 10);
    solo.hears(&frames([flow(Some(0), 2, 0, 100)]));
    let mut sender = solo.engine.sender(link).unwrap();
    sender.begin_delivery(&Default::default()).unwrap();
    for _ in 0..2 {
        sender.write("x").unwrap();
    }
    assert_eq!(count(&mut solo), (2, 0));
    let mut sender = solo.engine.sender(link).unwrap();
    sender.write("x").unwrap();
    sender.finish().unwrap();
    assert_eq!((count(&mut solo), solo.events()), ((0, 0), vec![]));
    solo.hears(&frames([flow(Some(2), 1, 0, 100)]));
    assert_eq!((count(&mut solo), solo.events()), ((1, 0), vec![]));
    assert_eq!(solo.engine.sender(link).unwrap().send("y"), Err(SendError::WindowClosed));
    assert!(!solo.engine.sender(link).unwrap().is_sendable());
    solo.hears(&frames([flow(Some(3), 1, 0, 100)]));
    assert_eq!(solo.events(), [Event::Sendable(link)]);
}

/// S-WIN-11: the window opens when messages are received, not when they are settled, by flows of the session, once
/// half of it is used.
#[test]
fn s_win_11_the_window_opens_as_messages_are_received() {
    let (mut solo, session, link) = receiving(&SessionOptions::new().with_incoming_frames(10), 1_000);
    solo.hears(&messages(0..10, 5));
    assert_eq!(solo.events().len(), 10);
    assert_eq!(solo.says(), "");
    let _ = solo.engine.receiver(link).unwrap().receive().unwrap();
    assert_eq!(solo.says(), frames([flow(Some(10), 1, 0, OPEN)]), "closed, it opens at once");
    for _ in 0..9 {
        let _ = solo.engine.receiver(link).unwrap().receive().unwrap();
    }
    assert_eq!(solo.says(), frames([flow(Some(10), 10, 0, OPEN)]));
    let mut flows = 0;
    for id in 10..110 {
        solo.hears(&messages(id..id + 1, 5));
        solo.events();
        let _ = solo.engine.receiver(link).unwrap().receive().unwrap();
        flows += count(&mut solo).1;
    }
    assert_eq!(flows, 20);
    assert!(solo.engine.session(session).unwrap().incoming_window() >= 5);
}

/// S-WIN-11, T-XFER-13: an aborted delivery gives its part of the window back, whether its octets were read or not.
#[test]
fn s_win_11_an_aborted_stream_gives_its_window_back() {
    let (mut solo, _) = Solo::with_session(&SessionOptions::new().with_incoming_frames(4));
    let LinkKey::Receiver(link) = solo.is_offered(attach_sender("n", 0, "a", "b")) else {
        panic!("a sender")
    };
    let options = ReceiverOptions::new().with_prefetch(5).with_streaming(true);
    solo.engine.receiver(link).unwrap().accept_link(&options).unwrap();
    solo.says();
    let more = || Literal::new(0x14).uint(0).nulls(4);
    solo.hears(&frames([
        transfer(0, 0, b"t").null().boolean(true).payload("a"),
        more().boolean(true).payload("b"),
        more().boolean(false).nulls(3).boolean(true),
    ]));
    assert!(matches!(solo.events()[..], [.., Event::Aborted { .. }]));
    assert_eq!(solo.says(), frames([flow(Some(3), 4, 0, OPEN)]));
}

/// S-WIN-11, L-CLOSE-04: a closed link gives back the window of its unread messages.
#[test]
fn s_win_11_a_closed_link_gives_its_window_back() {
    let (mut solo, _, _) = receiving(&SessionOptions::new().with_incoming_frames(4), 10);
    solo.hears(&messages(0..3, 5));
    assert_eq!(solo.events().len(), 3);
    solo.hears(&frames([detach(0, true)]));
    assert_eq!(solo.says(), frames([detach(0, true)]), "they can still be taken");
    assert!(matches!(solo.events()[..], [Event::LinkDetached { .. }]));
    assert_eq!(solo.says(), frames([flow(Some(3), 4, 0, OPEN)]));
}

/// S-WIN-11: the window also counts octets: there is room for every frame on the way.
#[test]
fn s_win_11_the_window_counts_octets() {
    let limits = Limits::DEFAULT.with_frame_size(1_000);
    let mut solo = Solo::open_by(Options::new("s").with_limits(limits), open("p"));
    let session = solo.accepts(beginning(0), &SessionOptions::new().with_incoming_octets(10_000));
    let written = begin(Some(0), 0, 10, OPEN).uint(65_535);
    assert_eq!(solo.says(), frames([written]), "ten of the largest frames");
    let link = receives(&mut solo, 1_000);
    solo.hears(&messages(0..5, 900));
    solo.events();
    assert_eq!(solo.says(), "", "there is no room for more than was told");
    // Five small frames arrived, which leave room for four and a half large ones.
    solo.hears(&messages(5..10, 10));
    solo.events();
    assert_eq!(solo.says(), frames([flow(Some(10), 5, 0, OPEN)]));
    for _ in 0..10 {
        let _ = solo.engine.receiver(link).unwrap().receive().unwrap();
    }
    assert_eq!(solo.says(), frames([flow(Some(10), 10, 0, OPEN)]));
    assert_eq!(solo.engine.session(session).unwrap().incoming_window(), 10);
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
    let mut solo = Solo::open();
    let session = solo.engine.begin(&SessionOptions::new()).unwrap();
    solo.hears(&frames([begin(Some(0), 0, 9, 9), flow(None, 9, 0, 9)]));
    assert_eq!(solo.ends_for(), Condition::InvalidField);
    assert!(solo.engine.session(session).is_err());
}

/// S-WIN-13: the mandatory numbers of a flow.
#[test]
fn s_win_13_a_flow_has_its_numbers() {
    for missing in 1..=3 {
        let (mut solo, _) = Solo::with_session(&SessionOptions::new());
        let field = |frame: Literal, at| if at == missing { frame.null() } else { frame.uint(1) };
        solo.hears(&frames([(0..=3).fold(Literal::new(0x13), field)]));
        assert_eq!(solo.closes_for(), Condition::InvalidField);
    }
}

/// S-FLOW-01: link fields of a flow need a handle.
#[test]
fn s_flow_01_link_state_without_a_handle_is_refused() {
    for at in 0..4 {
        let (mut solo, _) = Solo::with_session(&SessionOptions::new());
        let session = flow(Some(0), 1, 0, 1).null().nulls(at);
        solo.hears(&frames([if at == 3 { session.boolean(true) } else { session.uint(1) }]));
        assert_eq!(solo.ends_for(), Condition::InvalidField);
    }
}

/// S-FLOW-02, L-HAND-05: a flow for a handle without a link.
#[test]
fn s_flow_02_a_flow_for_no_link_ends_the_session() {
    let (mut solo, _) = Solo::with_session(&SessionOptions::new());
    solo.hears(&frames([flow(Some(0), 1, 0, 1).uint(77).uint(0).uint(1)]));
    assert_eq!(solo.ends_for(), Condition::UnattachedHandle);
}

/// S-FLOW-03, S-FLOW-04, S-FLOW-05: an echo request of a session or link is answered, once for all requests together,
/// without an echo request.
#[test]
fn s_flow_03_an_echo_is_answered_once() {
    let (mut solo, link) = sending(beginning(0), &SessionOptions::new(), 3);
    let of_session = || flow(Some(0), 100, 0, 100).nulls(5).boolean(true);
    let of_link = || flow(Some(0), 100, 0, 100).uint(0).uint(0).uint(3).null().boolean(false).boolean(true);
    solo.hears(&frames([of_session(), of_session(), of_session()]));
    assert_eq!(solo.says(), frames([flow(Some(0), 512, 0, OPEN)]));
    solo.engine.sender(link).unwrap().set_available(2).unwrap();
    solo.hears(&frames([of_link(), of_session(), of_link(), of_link()]));
    let state = flow(Some(0), 512, 0, OPEN).uint(0).uint(0).uint(3).uint(2);
    assert_eq!(solo.says(), frames([state]));
    assert_eq!((solo.events(), solo.says()), (vec![], String::new()));
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
    let (mut solo, link) = sending(beginning(0), &SessionOptions::new(), 10);
    solo.hears(&frames([flow(Some(0), 0, 0, 100)]));
    solo.events();
    solo.hears(&frames([flow(Some(0), 1, 0, 100)]));
    let delivery = solo.engine.sender(link).unwrap().begin_delivery(&Default::default()).unwrap();
    solo.engine.sender(link).unwrap().write("x").unwrap();
    solo.engine.sender(link).unwrap().write("x").unwrap();
    assert_eq!(count(&mut solo), (1, 0));
    solo.hears(&frames([amqp_proto::testing::end()]));
    let lost: Vec<Event> =
        solo.events().into_iter().filter(|event| matches!(event, Event::Lost { .. })).collect();
    assert!(matches!(lost[..], [Event::Lost { delivery: one, .. }] if one == delivery));
    assert!(matches!(solo.frames()[..], [Frame::Amqp { performative: Performative::End(_), .. }]));
}
