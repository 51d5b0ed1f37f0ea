//! Sessions begin and end: channels, answers, handles, faults [2.5.1-2.5.5] [2.7.2] [2.7.8].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    Literal, Pair, attach_receiver, attach_sender, begin, detach, end, flow, open, transfer,
};
use amqp_proto::types::{Fields, Limits, LinkKey, SessionKey, TransferNumber, Value};
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{Event, LinkError, Origin, SessionError, symbol};
use common::wire::{Wire, beginning};

/// The begin that this end sends.
fn begun(remote_channel: Option<u16>) -> Literal {
    begin(remote_channel, 0, 512, 0x7fff_ffff).uint(65_535)
}

/// A server with memory for several sessions whose windows are all as wide as can be.
fn roomy() -> Wire {
    let limits = Limits::DEFAULT.with_memory(1 << 30);
    Wire::opened_by(Options::new("s").with_limits(limits), amqp_proto::testing::open("p"))
}

/// The peer's answer to a begin.
fn answer(to: u16, on: u16) -> Literal {
    begin(Some(to), 0, 100, 100).on(on)
}

/// Begins a session on this channel, which the peer answers on the same channel.
fn begins(wire: &mut Wire, channel: u16) -> SessionKey {
    let session = wire.engine.begin(SessionOptions::new()).unwrap();
    wire.engine_wrote([begun(None).on(channel)]);
    wire.peer_sends(answer(channel, channel));
    assert_eq!(wire.events(), [Event::SessionBegun(session)]);
    session
}

/// Returns the one session that has ended, the origin of the end and its error.
fn ended(wire: &mut Wire) -> (SessionKey, Origin, Option<AmqpError>) {
    match &wire.events()[..] {
        [Event::SessionEnded { session, reason }] => (*session, reason.origin, reason.error.clone()),
        other => panic!("{other:?}"),
    }
}

/// S-BEG-01: the first begin names no remote-channel; the answer names the channel of the first.
#[test]
fn s_beg_01_an_answer_names_the_channel_that_it_answers() {
    let mut wire = roomy();
    wire.peer_begins(beginning(7), SessionOptions::new());
    wire.engine_wrote([begun(Some(7))]);
    begins(&mut wire, 1);
}

/// S-BEG-01: all fields of a begin arrive, in both directions.
#[test]
fn s_beg_01_all_fields_of_a_begin_arrive() {
    let properties: Fields = [(symbol!("x"), Value::from(1_u8))].into_iter().collect();
    let options = SessionOptions::new()
        .with_next_outgoing_id(TransferNumber::new(9))
        .with_incoming_frames(5)
        .with_offered_capabilities(symbol!("A"))
        .with_properties(properties.clone());
    let mut pair = Pair::opened();
    let session = pair.client.begin(options).unwrap();
    assert_eq!(pair.client.session(session).unwrap().peer_begin(), None);
    pair.drive();
    let offered = pair.server.expect_session_offer();
    let heard = pair.server.session(offered).unwrap().peer_begin().unwrap();
    assert_eq!((heard.next_outgoing_id.get(), heard.incoming_window, heard.handle_max.get()), (9, 5, 65_535));
    assert_eq!((heard.offered_capabilities[..].to_vec(), heard.properties), (vec![symbol!("A")], properties));
    assert_eq!(pair.client.expect_session_begun(), session);
    assert_eq!(pair.client.session(session).unwrap().peer_begin().unwrap().remote_channel, Some(0));
}

/// S-BEG-02: a begin on the channel of a session closes the connection.
#[test]
fn s_beg_02_one_session_on_a_channel() {
    let mut wire = roomy();
    wire.peer_begins(beginning(3), SessionOptions::new());
    wire.peer_sends(beginning(3));
    assert_eq!(wire.engine_closes(), Condition::IllegalState);
}

/// S-BEG-02, S-BEG-03, S-END-01: a session takes the lowest channel that is free at both ends.
#[test]
fn s_beg_03_the_lowest_free_channel_is_used() {
    let mut wire = roomy();
    let sessions = [0, 1, 2].map(|channel| begins(&mut wire, channel));
    wire.engine.session(sessions[1]).unwrap().end().unwrap();
    wire.engine_wrote([end().on(1)]);
    // The peer may still send on that channel, so another session takes another one.
    wire.engine.begin(SessionOptions::new()).unwrap();
    wire.engine_wrote([begun(None).on(3)]);
    wire.peer_sends(end().on(1));
    assert_eq!(ended(&mut wire), (sessions[1], Origin::Local, None));
    begins(&mut wire, 1);
    wire.peer_sends(end().on(0));
    assert_eq!(ended(&mut wire), (sessions[0], Origin::Remote, None));
    wire.engine_wrote([end()]);
    begins(&mut wire, 0);
}

/// S-BEG-04: a begin that answers no begin of this end.
#[test]
fn s_beg_04_an_answer_to_no_begin() {
    for repeated in [false, true] {
        let mut wire = roomy();
        begins(&mut wire, 0);
        wire.peer_sends(if repeated { answer(0, 1) } else { answer(9, 1) });
        assert_eq!(wire.engine_closes(), Condition::NotAllowed);
    }
}

/// S-BEG-05: the three mandatory numbers of a begin.
#[test]
fn s_beg_05_a_begin_has_its_numbers() {
    for missing in 1..=3 {
        let mut wire = roomy();
        let field = |frame: Literal, at| if at == missing { frame.null() } else { frame.uint(1) };
        wire.peer_sends((1..=3).fold(Literal::new(0x11).null(), field));
        assert_eq!(wire.engine_closes(), Condition::InvalidField);
    }
}

/// S-BEG-06: transfer-ids start at any number and wrap.
#[test]
fn s_beg_06_ids_start_anywhere() {
    let options = SessionOptions::new().with_next_outgoing_id(TransferNumber::new(0xffff_fff0));
    let mut pair = Pair::opened();
    (pair.client.session_options, pair.server.session_options) = (options.clone(), options);
    pair.server.collects = true;
    let (sender, receiver) = pair.link("jobs");
    for _ in 0..100 {
        pair.client.sender(sender).unwrap().send("x").unwrap();
        pair.drive();
        pair.server.receiver(receiver).unwrap().accept_all();
        pair.drive();
    }
    assert_eq!(pair.server.messages().len(), 100);
    assert_eq!(pair.client.sender(sender).unwrap().unsettled_len(), 0);
    let lines = pair.trace().into_iter().filter(|line| line.contains("transfer {"));
    let ids =
        lines.filter(|line| line.contains("delivery_id: 4294967295") || line.contains("delivery_id: 0,"));
    assert_eq!(ids.count(), 2);
}

/// S-BEG-07: this end attaches no link above the peer's handle-max.
#[test]
fn s_beg_07_no_handle_above_the_peers_highest() {
    let mut wire = roomy();
    let session = wire.peer_begins(beginning(0).uint(0), SessionOptions::new());
    let mut view = wire.engine.session(session).unwrap();
    let first = view.attach_sender("a", SenderOptions::to("a")).unwrap();
    assert_eq!(view.attach_sender("b", SenderOptions::to("b")), Err(LinkError::Handles));
    wire.engine.sender(first).unwrap().close().unwrap();
    let mut view = wire.engine.session(session).unwrap();
    view.attach_sender("b", SenderOptions::to("b")).unwrap();
    assert!(!wire.written().is_empty());
}

/// S-BEG-08: a handle above this end's handle-max closes the connection.
#[test]
fn s_beg_08_a_handle_above_the_highest_closes_the_connection() {
    for (handle, is_right) in [(7, true), (8, false), (u32::MAX, false)] {
        let limits = Limits::DEFAULT.with_handle_max(7);
        let mut wire = Wire::opened_by(Options::new("s").with_limits(limits), open("p"));
        wire.peer_begins(beginning(0), SessionOptions::new());
        wire.engine_wrote([begin(Some(0), 0, 512, 0x7fff_ffff).uint(7)]);
        wire.peer_sends(attach_sender("n", handle, "a", "b"));
        if is_right {
            assert!(matches!(wire.events()[..], [Event::LinkOffered(_)]));
        } else {
            assert_eq!(wire.engine_closes(), Condition::FramingError);
        }
    }
}

/// S-BEG-10, S-WIN-12: a session is usable before the peer's begin; its flows have no next-incoming-id until then.
#[test]
fn s_beg_10_a_session_may_be_used_before_the_answer() {
    let mut wire = roomy();
    let session = wire.engine.begin(SessionOptions::new()).unwrap();
    let mut view = wire.engine.session(session).unwrap();
    assert!(!view.is_mapped());
    let options = amqp_proto::config::ReceiverOptions::from("jobs").with_prefetch(0);
    let link = view.attach_receiver("n", options).unwrap();
    wire.engine.receiver(link).unwrap().set_credit(3).unwrap();
    let max_message_size = 64 << 20;
    let attach = amqp_proto::testing::attach("n", 0, true).nulls(2).terminus(0x28, "jobs").raw("00532945");
    let attach = attach.nulls(3).ulong(max_message_size);
    let credit = flow(None, 512, 0, 0x7fff_ffff).uint(0).null().uint(3);
    wire.engine_wrote([begun(None), attach, credit]);
    wire.peer_sends([answer(0, 0), attach_sender("n", 0, "jobs", "here")]);
    assert_eq!(wire.events(), [Event::SessionBegun(session), Event::LinkAttached(link.into())]);
    assert_eq!((wire.written(), wire.engine.receiver(link).unwrap().credit()), (String::new(), 3));
}

/// S-BEG-11, S-END-07: a session is refused by a begin and an end with an error.
#[test]
fn s_beg_11_a_session_is_refused_by_begin_and_end() {
    let mut wire = roomy();
    wire.peer_sends(beginning(4));
    let [Event::SessionOffered(session)] = wire.events()[..] else { panic!("no session") };
    let error = AmqpError::new(Condition::NotAllowed).with_description("no");
    wire.engine.session(session).unwrap().end_with(error.clone()).unwrap();
    let written = "00 53 1d c0 17 02 a3 10 616d71703a6e6f742d616c6c6f776564 a1 02 6e6f";
    wire.engine_wrote([begun(Some(4)), end().raw(written)]);
    assert_eq!(
        wire.engine.session(session).unwrap().accept(SessionOptions::new()),
        Err(SessionError::NotOffered)
    );
    wire.peer_sends([flow(Some(0), 1, 0, 1).on(4), end().on(4)]);
    assert_eq!(ended(&mut wire), (session, Origin::Local, Some(error)));
    assert!(wire.engine.session(session).is_err());
}

/// S-END-01, S-END-07: an end is answered and its error reported, after the events of links and deliveries.
#[test]
fn s_end_01_an_end_is_answered() {
    let (mut wire, session) = Wire::with_session(SessionOptions::new());
    let LinkKey::Sender(link) = wire.peer_attaches(attach_receiver("n", 0, "a", "b")) else {
        panic!("a receiver")
    };
    wire.engine.sender(link).unwrap().accept_link(SenderOptions::new()).unwrap();
    wire.peer_sends(flow(Some(0), 9, 0, 9).uint(0).uint(0).uint(9));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    let delivery = wire.engine.sender(link).unwrap().send("x").unwrap();
    wire.octets();
    wire.peer_sends(end().error("amqp:resource-limit-exceeded"));
    let events = wire.events();
    assert!(
        matches!(&events[..], [
        Event::Lost { delivery: lost, state: None, .. },
        Event::LinkDetached { closed: false, reason: why, .. },
        Event::SessionEnded { session: over, reason },
    ] if *lost == delivery && *over == session && why == reason && reason.origin == Origin::Remote
        && reason.error == Some(Condition::ResourceLimitExceeded.into())),
        "{events:?}"
    );
    wire.engine_wrote([end()]);
    assert!(wire.engine.session(session).is_err() && wire.engine.sender(link).is_err());
}

/// S-END-02: crossing ends answer each other.
#[test]
fn s_end_02_crossing_ends() {
    let mut pair = Pair::opened();
    let ours = pair.client.default_session();
    pair.drive();
    let theirs = pair.server.expect_session_offer();
    pair.client.expect_session_begun();
    pair.client.session(ours).unwrap().end_with(Condition::InternalError.into()).unwrap();
    pair.server.session(theirs).unwrap().end().unwrap();
    assert_eq!(pair.client.session(ours).unwrap().end(), Err(SessionError::Ended));
    pair.drive();
    let (key, reason) = pair.client.expect_session_ended();
    assert_eq!(
        (key, reason.origin, reason.error),
        (ours, Origin::Local, Some(Condition::InternalError.into()))
    );
    let (key, reason) = pair.server.expect_session_ended();
    assert_eq!((key, reason.origin, reason.error), (theirs, Origin::Local, None));
    assert_eq!(pair.trace().iter().filter(|line| line.contains("[0] end")).count(), 2);
    pair.client.expect_quiet();
    pair.server.expect_quiet();
}

/// S-END-03: a fault ends the session; later frames on it are dropped until the peer's end. The connection stays
/// open.
#[test]
fn s_end_03_after_a_fault_a_session_drops_all_frames() {
    let (mut wire, session) = Wire::with_session(SessionOptions::new());
    wire.peer_sends(transfer(9, 0, b"t").payload(*b"x"));
    assert_eq!(wire.engine_ends(), Condition::UnattachedHandle);
    assert!(wire.engine.session(session).is_err());
    wire.peer_sends([
        transfer(9, 1, b"u").payload(*b"x"),
        attach_sender("n", 0, "a", "b"),
        flow(None, 1, 0, 1).uint(77),
        detach(5, true),
        amqp_proto::testing::disposition(true, 9, Some(0)),
    ]);
    wire.quiet();
    wire.peer_sends(beginning(1));
    assert!(matches!(wire.events()[..], [Event::SessionOffered(_)]));
    wire.peer_sends(end());
    wire.quiet();
    wire.peer_begins(beginning(0), SessionOptions::new());
    // The first session is there until its end was polled, so the window is as wide as its memory.
    wire.engine_wrote([begin(Some(0), 0, 318, 0x7fff_ffff).uint(65_535)]);
}

/// S-END-03: a fault on a session that is not accepted yet is reported once, even if no channel is left for the
/// answer.
#[test]
fn s_end_03_a_fault_before_the_answer() {
    for channel_max in [0, 1] {
        let mut wire = Wire::opened_by(Options::new("s"), open("p").nulls(2).ushort(channel_max));
        begins(&mut wire, 0);
        wire.peer_sends(beginning(1));
        assert!(matches!(wire.events()[..], [Event::SessionOffered(_)]));
        wire.peer_sends(flow(None, 1, 0, 1).uint(77).on(1));
        let (_, origin, error) = ended(&mut wire);
        assert_eq!((origin, error.unwrap().condition), (Origin::Local, Condition::UnattachedHandle));
        assert_eq!(wire.frames().len(), if channel_max == 0 { 0 } else { 2 });
        wire.peer_sends(end().on(1));
        wire.quiet();
        wire.peer_sends(beginning(1));
        assert!(matches!(wire.events()[..], [Event::SessionOffered(_)]));
    }
}

/// S-END-04: the end of the connection ends its sessions, and that ends their links.
#[test]
fn s_end_04_sessions_end_with_the_connection() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("jobs");
    let delivery = pair.client.sender(sender).unwrap().send("x").unwrap();
    pair.drive();
    pair.client.events();
    pair.server.events();
    pair.cut();
    for (end, link) in [(&mut pair.client, LinkKey::from(sender)), (&mut pair.server, receiver.into())] {
        let events = end.events();
        assert!(
            matches!(&events[..], [
            Event::Lost { .. },
            Event::LinkDetached { link: lost, closed: false, .. },
            Event::SessionEnded { .. },
            Event::Closed(reason),
        ] if *lost == link && reason.origin == Origin::Transport),
            "{events:?}"
        );
    }
    assert!(pair.client.delivery(delivery).is_err());
}

/// S-END-05: frames on the way when this end ends the session do no harm.
#[test]
fn s_end_05_frames_on_the_way_are_consumed() {
    let (mut wire, session) = Wire::with_session(SessionOptions::new());
    let LinkKey::Receiver(link) = wire.peer_attaches(attach_sender("n", 0, "a", "b")) else {
        panic!("a sender")
    };
    wire.engine.receiver(link).unwrap().accept_link(Default::default()).unwrap();
    wire.octets();
    wire.engine.session(session).unwrap().end().unwrap();
    wire.engine_wrote([end()]);
    wire.peer_sends([
        transfer(0, 0, b"t").payload(*b"x"),
        flow(Some(0), 1, 1, 1).nulls(5).boolean(true),
        detach(0, true),
        attach_sender("m", 1, "a", "b"),
        end(),
    ]);
    let told = wire.events();
    assert!(matches!(told.last(), Some(Event::SessionEnded { session: over, .. }) if *over == session));
    assert!(!told.iter().any(|event| matches!(event, Event::Message { .. } | Event::LinkOffered(_))));
    wire.engine_wrote("");
}

/// S-END-06, L-NAME-03: a link attached on a second session leaves the first.
#[test]
fn s_end_06_a_link_is_on_one_session() {
    let (mut wire, _) = Wire::with_session(SessionOptions::new());
    let first = wire.peer_attaches(attach_sender("n", 0, "a", "b"));
    let second = wire.peer_begins(beginning(1), SessionOptions::new());
    wire.octets();
    wire.peer_sends(attach_sender("n", 0, "a", "b").on(1));
    let events = wire.events();
    let [
        Event::LinkDetached { link, closed: true, reason, .. },
        Event::LinkOffered(LinkKey::Receiver(again)),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*link, &reason.error.as_ref().unwrap().condition), (first, &Condition::Stolen));
    assert_eq!(wire.engine.receiver(*again).unwrap().session(), Some(second));
}
