//! Links detach, close and attach again [2.6.4-2.6.6] [2.7.7].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    Pair, attach, attach_receiver, attach_sender, detach, disposition, end, flow, transfer,
};
use amqp_proto::types::{DeliveryTag, Limits, LinkKey};
use amqp_proto::wire::{AmqpError, Condition, Outcome, Source};
use amqp_proto::{Event, FlowError, LinkError, Origin, SendError, SettleError, StaleKey};
use common::wire::{Wire, credit, detach_with};

/// A disposition that settles a delivery as accepted.
fn accepted(id: u32) -> amqp_proto::testing::Literal {
    disposition(true, id, None).boolean(true).raw("00532445")
}

/// L-DET-01, L-CLOSE-01: each end answers a detach with a detach of the same kind. A closed link is removed, a
/// detached link is suspended.
#[test]
fn l_det_01_a_detach_is_answered_in_kind() {
    for (closed, ours) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut wire = Wire::begun();
        let link = wire.receiver(ReceiverOptions::new());
        if ours {
            let mut receiver = wire.engine.receiver(link).unwrap();
            if closed { receiver.close() } else { receiver.detach() }.unwrap();
            assert_eq!(receiver.detach(), Err(LinkError::Detached));
            assert_eq!(receiver.set_credit(1), Err(FlowError::Detached));
            wire.engine_wrote([detach(0, closed)]);
            wire.peer_sends(detach(0, closed));
        } else {
            wire.peer_sends(detach(0, closed));
        }
        let (key, told, reason) = wire.detached();
        assert_eq!((key, told, reason.error), (link.into(), closed, None));
        assert_eq!(reason.origin, if ours { Origin::Local } else { Origin::Remote });
        wire.engine_wrote(if ours { None } else { Some(detach(0, closed)) });
        match wire.engine.receiver(link) {
            Err(StaleKey) => assert!(closed),
            Ok(receiver) => assert!(!closed && receiver.is_suspended()),
        }
    }
}

/// L-DET-02, T-DISP-09: deliveries of a detached link stay unsettled, and both ends can send states for their ids.
#[test]
fn l_det_02_deliveries_outlive_a_detach() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("x");
    let sent: Vec<_> = ["1", "2"].map(|text| pair.client.sender(sender).unwrap().send(text).unwrap()).into();
    pair.drive();
    let mut at_server = pair.server.receiver(receiver).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| at_server.receive()).map(|delivery| delivery.key()).collect();
    at_server.detach().unwrap();
    at_server.accept(taken[0]).unwrap();
    pair.drive();
    pair.client.expect_detached();
    assert_eq!(pair.client.outcome(sent[0]), Some(Outcome::Accepted));
    assert_eq!(pair.client.sender(sender).unwrap().unsettled_len(), 1);
    pair.server.receiver(receiver).unwrap().release(taken[1]).unwrap();
    pair.drive();
    assert_eq!(pair.client.outcome(sent[1]), Some(Outcome::Released));
    assert!(pair.client.sender(sender).unwrap().is_suspended());
}

/// L-DET-02: a message on the way while this end detaches is received and settled like earlier messages.
#[test]
fn l_det_02_messages_on_the_way_arrive() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new());
    wire.engine.receiver(link).unwrap().detach().unwrap();
    wire.peer_sends(transfer(0, 0, b"t").payload(common::octets("0053 7740"))).peer_sends(detach(0, false));
    let events = wire.events();
    let [Event::Message { delivery, .. }, Event::LinkDetached { closed: false, .. }] = events[..] else {
        panic!("{events:?}")
    };
    let mut receiver = wire.engine.receiver(link).unwrap();
    assert_eq!(receiver.receive().unwrap().key(), delivery);
    receiver.accept(delivery).unwrap();
    wire.engine_wrote([detach(0, false), accepted(0)]);
}

/// L-DET-03, T-RES-03: the link is attached again on its session under its old key, with another terminus and without
/// an unsettled map. Its sent deliveries are lost (T-RES-05); tags and unread messages stay.
#[test]
fn l_det_03_the_same_link_again() {
    let mut wire = Wire::begun();
    let out = wire.sender(SenderOptions::new(), 10);
    let inbox = wire.receiver_on(1, "in", ReceiverOptions::new().with_prefetch(0));
    wire.engine.receiver(inbox).unwrap().set_credit(5).unwrap();
    let first = wire.engine.sender(out).unwrap().send("first").unwrap();
    wire.peer_sends(transfer(1, 0, b"t").payload(common::octets("0053 7740")));
    wire.peer_sends(detach(0, false)).peer_sends(detach(1, false));
    assert_eq!(wire.events().len(), 3);
    assert_eq!(wire.engine.sender(out).unwrap().send("no"), Err(SendError::Detached));
    wire.octets();

    let mut session = wire.session();
    let options =
        SenderOptions::to("b").with_source(Source::at("other")).with_initial_delivery_count(7.into());
    assert_eq!(session.attach_sender("out", options), Ok(out));
    assert!(wire.engine.sender(out).unwrap().peer_attach().is_none());
    let again = attach("out", 0, false).nulls(2).terminus(0x28, "other").terminus(0x29, "b");
    wire.engine_wrote([again.nulls(2).uint(7)]);
    wire.peer_sends(attach_receiver("out", 5, "other", "b")).peer_sends(credit(5, 7, 2));
    // The receiver's map names no unsettled delivery (T-RES-05).
    let lost = Event::Lost { link: out.into(), delivery: first, state: None };
    assert_eq!(wire.events(), [Event::LinkAttached(out.into()), lost, Event::Sendable(out)]);
    let second = wire.engine.sender(out).unwrap().send("second").unwrap();
    assert_eq!(wire.engine.sender(out).unwrap().unsettled().collect::<Vec<_>>(), [second]);
    assert_eq!(wire.engine.delivery(second).unwrap().tag(), DeliveryTag::from(1));

    // The peer attaches the other link again: its message is still readable, and its tag still in use.
    wire.octets();
    wire.peer_sends(attach_sender("in", 1, "a", "b"));
    assert_eq!(wire.offered(), inbox.into());
    let mut receiver = wire.engine.receiver(inbox).unwrap();
    receiver.accept_link(ReceiverOptions::new().with_prefetch(0)).unwrap();
    assert!(receiver.receive().is_some());
    receiver.set_credit(5).unwrap();
    assert_eq!(receiver.unsettled_len(), 1);
    wire.peer_sends(transfer(1, 1, b"t"));
    let events = wire.events();
    assert!(
        matches!(events[..], [Event::Lost { .. }, Event::LinkDetached { closed: true, .. }]),
        "{events:?}"
    );
    assert!(wire.lines().last().unwrap().contains("amqp:not-allowed"));
}

/// L-DET-03, S-END-04: a suspended link that moves to another session loses its deliveries, which is reported. The
/// end of the old session does not affect it.
#[test]
fn l_det_03_on_another_session() {
    for by_peer in [false, true] {
        let mut wire = Wire::begun();
        let link = wire.receiver(ReceiverOptions::new().with_prefetch(3));
        wire.peer_sends(transfer(0, 0, b"t").payload("x")).peer_sends(detach(0, false));
        let events = wire.events();
        let Event::Message { delivery, .. } = events[0] else { panic!("{events:?}") };
        wire.peer_sends(amqp_proto::testing::begin(None, 0, 10, 10).on(1));
        let Event::SessionOffered(other) = wire.event() else { panic!() };
        wire.engine.session(other).unwrap().accept(SessionOptions::new()).unwrap();
        wire.octets();
        let lost = Event::Lost { link: link.into(), delivery, state: None };
        if by_peer {
            wire.peer_sends(attach_sender("in", 0, "a", "b").on(1));
            assert_eq!(wire.events(), [lost, Event::LinkOffered(link.into())]);
            wire.engine.receiver(link).unwrap().accept_link(ReceiverOptions::new()).unwrap();
        } else {
            let mut session = wire.engine.session(other).unwrap();
            assert_eq!(session.attach_receiver("in", ReceiverOptions::new()), Ok(link));
            wire.peer_sends(attach_sender("in", 0, "a", "b").on(1));
            assert_eq!(wire.events(), [lost, Event::LinkAttached(link.into())]);
        }
        assert!(wire.engine.receiver(link).unwrap().receive().is_none());
        assert_eq!(wire.engine.receiver(link).unwrap().accept(delivery), Err(SettleError::Settled));
        wire.peer_sends(transfer(0, 0, b"t").on(1).payload("y"));
        assert!(matches!(wire.event(), Event::Message { .. }));
        wire.peer_sends(end());
        assert!(matches!(wire.event(), Event::SessionEnded { .. }));
        assert!(wire.engine.receiver(link).unwrap().receive().is_some());
    }
}

/// L-DET-01, S-END-04: a suspended link outlives its session; its unsettled deliveries do not.
#[test]
fn s_end_04_a_suspended_link_outlives_its_session() {
    let mut pair = Pair::opened();
    let (sender, _) = pair.link("x");
    let sent = pair.client.sender(sender).unwrap().send("1").unwrap();
    pair.client.sender(sender).unwrap().detach().unwrap();
    pair.drive();
    let session = pair.client.default_session();
    pair.client.session(session).unwrap().end().unwrap();
    pair.drive();
    assert!(pair.client.is_lost(sent));
    assert!(pair.client.sender(sender).unwrap().is_suspended());
    pair.client.events();
    assert_eq!(pair.client.attach_sender("x"), sender);
    pair.drive();
    assert_eq!(pair.client.expect_attached(), sender.into());
    pair.client.expect_sendable();
}

/// Limits::suspended_links: with one suspended link too many, the engine forgets the one that was detached first.
#[test]
fn suspended_links_are_forgotten_beyond_the_limit() {
    for limit in [0, 2] {
        let mut wire =
            Wire::begun_with(Limits::DEFAULT.with_suspended_links(limit), SessionOptions::new(), 10);
        let links: Vec<_> = (0..4)
            .map(|handle| wire.sender_on(handle, &format!("l{handle}"), SenderOptions::new(), 5))
            .collect();
        let sent = wire.engine.sender(links[0]).unwrap().send("x").unwrap();
        for handle in 0..4 {
            wire.peer_sends(detach(handle, false));
        }
        let lost = Event::Lost { link: links[0].into(), delivery: sent, state: None };
        let events = wire.events();
        assert_eq!(events.iter().filter(|event| **event == lost).count(), 1);
        assert_eq!(events.len(), 5);
        let alive = links.iter().filter(|link| wire.engine.sender(**link).is_ok()).count();
        assert_eq!(alive, limit as usize);
        let mut session = wire.session();
        assert_ne!(session.attach_sender("l0", SenderOptions::new()), Ok(links[0]));
        assert_eq!(session.attach_sender("l3", SenderOptions::new()) == Ok(links[3]), limit > 0);
    }
}

/// L-CLOSE-02: a plain detach crosses a closing one. One attach and one closing detach follow; the engine expects the
/// answers to both and reports no offer.
#[test]
fn l_close_02_a_plain_detach_crosses_a_closing_one() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 5);
    wire.engine.sender(link).unwrap().detach().unwrap();
    wire.engine_wrote([detach(0, false)]);
    wire.peer_sends(detach(0, true));
    let (key, closed, _) = wire.detached();
    assert_eq!((key, closed), (link.into(), true));
    assert!(wire.engine.sender(link).is_err());
    wire.engine_wrote([attach("out", 0, false).nulls(6).uint(0), detach(0, true)]);
    let mut session = wire.session();
    assert_eq!(session.attach_sender("out", SenderOptions::new()), Err(LinkError::NameInUse));
    wire.peer_sends(attach("out", 3, true)).peer_sends(credit(3, 0, 10)).peer_sends(detach(3, true)).quiet();
    let mut session = wire.session();
    session.attach_sender("out", SenderOptions::new()).unwrap();
}

/// L-CLOSE-02: two engines come to rest after such a crossing, whichever of them closed.
#[test]
fn l_close_02_crossing_detaches_come_to_rest() {
    for client_closes in [false, true] {
        let mut pair = Pair::opened().with_most_steps(50);
        let (sender, receiver) = pair.link("x");
        let (mut at_client, mut at_server) =
            (pair.client.sender(sender).unwrap(), pair.server.receiver(receiver).unwrap());
        if client_closes {
            at_client.close().unwrap();
            at_server.detach().unwrap();
        } else {
            at_client.detach().unwrap();
            at_server.close().unwrap();
        }
        pair.drive();
        assert!(pair.client.sender(sender).is_err() && pair.server.receiver(receiver).is_err());
        pair.client.expect_detached();
        pair.server.expect_detached();
        pair.client.events();
        let (sender, _) = pair.link("x");
        assert!(pair.client.sender(sender).unwrap().is_attached());
    }
}

/// L-CLOSE-03, L-DET-01: crossing detaches of one kind answer each other.
#[test]
fn l_close_03_crossing_detaches_of_one_kind() {
    for closed in [false, true] {
        let mut pair = Pair::opened();
        let (sender, receiver) = pair.link("x");
        pair.clear_trace();
        let (mut at_client, mut at_server) =
            (pair.client.sender(sender).unwrap(), pair.server.receiver(receiver).unwrap());
        if closed {
            at_client.close_with(Condition::InternalError.into()).unwrap();
            at_server.close().unwrap();
        } else {
            at_client.detach().unwrap();
            at_server.detach().unwrap();
        }
        pair.drive();
        assert_eq!(pair.trace().len(), 2, "{:?}", pair.trace());
        for end in [&mut pair.client, &mut pair.server] {
            let (_, told, reason) = end.expect_detached();
            assert_eq!((told, reason.origin), (closed, Origin::Local));
        }
    }
}

/// Some brokers answer a closing detach with a plain one; the link is closed.
#[test]
fn a_plain_answer_to_a_closing_detach_closes() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new());
    wire.engine.receiver(link).unwrap().close().unwrap();
    wire.peer_sends(detach(0, false));
    let (key, closed, reason) = wire.detached();
    assert_eq!((key, closed, reason.origin), (link.into(), true, Origin::Local));
    assert!(wire.engine.receiver(link).is_err());
    wire.engine_wrote([detach(0, true)]);
}

/// A suspended link is closed by an attach and a closing detach, and removed at once.
#[test]
fn a_suspended_link_is_closed() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new());
    wire.peer_sends(detach(0, false));
    wire.events();
    wire.octets();
    wire.engine.receiver(link).unwrap().close().unwrap();
    assert!(matches!(wire.event(), Event::LinkDetached { closed: true, .. }));
    wire.engine_wrote([attach("in", 0, true), detach(0, true)]);
    wire.peer_sends(attach_sender("in", 0, "a", "b")).peer_sends(detach(0, true)).quiet();
    assert!(wire.engine.receiver(link).is_err());
}

/// L-ERR-01, R-ERR-01: the peer gets the complete error of a link, and the link is removed.
#[test]
fn l_err_01_a_detach_with_an_error() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("x");
    let error = AmqpError::new(Condition::PreconditionFailed).with_description("too old");
    pair.server.receiver(receiver).unwrap().close_with(error.clone()).unwrap();
    pair.drive();
    let (key, closed, reason) = pair.client.expect_detached();
    assert_eq!((key, closed, reason.origin), (sender.into(), true, Origin::Remote));
    assert_eq!(reason.error.as_ref(), Some(&error));
    assert_eq!(reason.to_string(), "ended by the peer: amqp:precondition-failed: too old");
    let (_, _, reason) = pair.server.expect_detached();
    assert_eq!((reason.origin, reason.error), (Origin::Local, Some(error)));
}

/// L-ERR-02: after a link is closed with an error, frames for it are dropped until the peer's detach.
#[test]
fn l_err_02_frames_behind_an_error_are_dropped() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new().with_max_message_size(4));
    wire.peer_sends(transfer(0, 0, b"1").payload("12345"));
    let (_, closed, reason) = wire.detached();
    assert_eq!((closed, reason.error.unwrap().condition), (true, Condition::MessageSizeExceeded));
    assert!(wire.engine.receiver(link).is_err());
    assert!(wire.lines()[0].contains("amqp:link:message-size-exceeded"));
    wire.peer_sends(transfer(0, 1, b"2").payload("1"))
        .peer_sends(flow(Some(0), 10, 2, 10).uint(0).uint(2).uint(0).nulls(2).boolean(true))
        .peer_sends(disposition(false, 0, None).boolean(true))
        .quiet();
    wire.peer_sends(detach(0, true)).quiet();
    wire.peer_sends(transfer(0, 2, b"3").payload("1"));
    assert!(matches!(wire.event(), Event::SessionEnded { .. }));
}

/// L-REDIR-01: the peer's detach of a sender is reported at once, and sends fail from then on.
#[test]
fn a_detach_of_the_peer_ends_every_wait() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 1);
    let sent = wire.engine.sender(link).unwrap().send("x").unwrap();
    wire.peer_sends(detach_with(0, "amqp:link:detach-forced"));
    assert_eq!(wire.engine.sender(link).unwrap().send("y"), Err(SendError::Detached));
    let events = wire.events();
    assert_eq!(events[0], Event::Lost { link: link.into(), delivery: sent, state: None });
    assert!(matches!(&events[1], Event::LinkDetached { reason, .. } if reason.error.is_some()));
    assert_eq!(events.len(), 2);
}

/// A link is closed before its attach is answered: the engine ignores the answer, and handle and name are free
/// afterwards.
#[test]
fn a_link_is_given_up_before_the_answer() {
    for closed in [false, true] {
        let mut wire = Wire::begun();
        let mut session = wire.session();
        let link = session.attach_receiver("x", ReceiverOptions::from("a")).unwrap();
        let mut receiver = wire.engine.receiver(link).unwrap();
        if closed { receiver.close() } else { receiver.detach() }.unwrap();
        wire.octets();
        wire.peer_sends(attach_sender("x", 0, "a", "b"));
        wire.quiet();
        wire.peer_sends(detach(0, closed));
        assert!(matches!(wire.event(), Event::LinkDetached { link: LinkKey::Receiver(_), .. }));
        wire.quiet();
        let mut session = wire.session();
        let again = session.attach_receiver("x", ReceiverOptions::from("a")).unwrap();
        assert_eq!(again == link, !closed);
        assert!(wire.lines()[0].contains("handle: 0"));
    }
}

/// S-END-05: a session ends while its links are attached at one end only. Each link is reported once, and frames for
/// it are dropped.
#[test]
fn s_end_05_a_session_ends_while_links_are_half_open() {
    let mut wire = Wire::begun();
    let open = wire.receiver(ReceiverOptions::new());
    wire.peer_sends(attach_sender("offered", 1, "a", "b"));
    let offered = wire.offered();
    let mut session = wire.session();
    let unanswered = session.attach_sender("unanswered", SenderOptions::new()).unwrap();
    let detaching = session.attach_sender("detaching", SenderOptions::new()).unwrap();
    wire.engine.sender(detaching).unwrap().close().unwrap();
    wire.session().end().unwrap();
    assert!(wire.lines().last().unwrap().starts_with("[0] end"));
    wire.peer_sends(attach_receiver("unanswered", 2, "", "b"))
        .peer_sends(attach_sender("more", 3, "a", "b"))
        .peer_sends(credit(2, 0, 5))
        .peer_sends(transfer(0, 0, b"t").payload("x"))
        .peer_sends(detach(3, true))
        .quiet();
    wire.peer_sends(end());
    let events = wire.events();
    for link in [open.into(), offered, unanswered.into(), detaching.into()] {
        let told =
            events.iter().filter(|event| matches!(event, Event::LinkDetached { link: l, .. } if *l == link));
        assert_eq!(told.count(), 1, "{link}: {events:?}");
    }
    assert_eq!(events.len(), 5);
    assert!(matches!(events[4], Event::SessionEnded { .. }));
    assert_eq!(wire.lines(), [""; 0]);
    assert!(wire.has_no_session() && wire.engine.sender(unanswered).is_err());
}

/// Links that open and close in any order on one session leave nothing behind. Some libraries deadlock when one link
/// opens while another closes.
#[test]
fn links_open_while_others_close() {
    let mut pair = Pair::new(Options::new("client"), Options::new("server"));
    let mut open = Vec::new();
    for step in 0..200_u32 {
        open.push(pair.client.attach_sender(format!("l{step}")));
        if step % 3 != 0 {
            let link = open.remove((step as usize * 7) % open.len());
            let mut sender = pair.client.sender(link).unwrap();
            let _ = sender.send_with(&"x".into(), &SendOptions::new());
            if step % 2 == 0 { sender.close() } else { sender.detach() }.unwrap();
        }
        if step % 5 == 0 {
            pair.drive();
        } else {
            pair.step();
        }
    }
    pair.drive();
    for link in open {
        assert!(pair.client.sender(link).unwrap().is_attached());
        pair.client.sender(link).unwrap().close().unwrap();
    }
    pair.drive();
    let trace = pair.trace();
    let count = |what: &str| trace.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("] attach"), count("] detach"), count("] end")), (400, 400, 0));
}
