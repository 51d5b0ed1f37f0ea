//! Links detach, close and attach again [2.6.4-2.6.6] [2.7.7].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/peer.rs"]
mod peer;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    Pair, attach, attach_receiver, attach_sender, detach, disposition, end, flow, transfer,
};
use amqp_proto::types::{DeliveryTag, Limits, LinkKey};
use amqp_proto::wire::{AmqpError, Condition, Outcome, Source};
use amqp_proto::{Event, FlowError, LinkError, Origin, SendError, SettleError, StaleKey};
use peer::{Peer, credit, detach_with};

/// A disposition that settles a delivery as accepted.
fn accepted(id: u32) -> amqp_proto::testing::Literal {
    disposition(true, id, None).boolean(true).raw("00532445")
}

/// L-DET-01, L-CLOSE-01: each end answers a detach with a detach of the same kind. A closed link is removed, a
/// detached link is suspended.
#[test]
fn l_det_01_a_detach_is_answered_in_kind() {
    for (closed, ours) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut peer = Peer::new();
        let link = peer.receiver(&ReceiverOptions::new());
        if ours {
            let mut receiver = peer.amqp.receiver(link).unwrap();
            if closed { receiver.close() } else { receiver.detach() }.unwrap();
            assert_eq!(receiver.detach(), Err(LinkError::Detached));
            assert_eq!(receiver.set_credit(1), Err(FlowError::Detached));
            peer.hears([detach(0, closed)]);
            peer.send(detach(0, closed));
        } else {
            peer.send(detach(0, closed));
        }
        let (key, told, reason) = peer.detached();
        assert_eq!((key, told, reason.error), (link.into(), closed, None));
        assert_eq!(reason.origin, if ours { Origin::Local } else { Origin::Remote });
        peer.hears(if ours { None } else { Some(detach(0, closed)) });
        match peer.amqp.receiver(link) {
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
    let mut peer = Peer::new();
    let link = peer.receiver(&ReceiverOptions::new());
    peer.amqp.receiver(link).unwrap().detach().unwrap();
    peer.send(transfer(0, 0, b"t").payload(common::octets("0053 7740"))).send(detach(0, false));
    let events = peer.events();
    let [Event::Message { delivery, .. }, Event::LinkDetached { closed: false, .. }] = events[..] else {
        panic!("{events:?}")
    };
    let mut receiver = peer.amqp.receiver(link).unwrap();
    assert_eq!(receiver.receive().unwrap().key(), delivery);
    receiver.accept(delivery).unwrap();
    peer.hears([detach(0, false), accepted(0)]);
}

/// L-DET-03, T-RES-03: the link is attached again on its session under its old key, with another terminus and without
/// an unsettled map. Its sent deliveries are lost (T-RES-05); tags and unread messages stay.
#[test]
fn l_det_03_the_same_link_again() {
    let mut peer = Peer::new();
    let out = peer.sender(&SenderOptions::new(), 10);
    let inbox = peer.receiver_on(1, "in", &ReceiverOptions::new().with_prefetch(0));
    peer.amqp.receiver(inbox).unwrap().set_credit(5).unwrap();
    let first = peer.amqp.sender(out).unwrap().send("first").unwrap();
    peer.send(transfer(1, 0, b"t").payload(common::octets("0053 7740")));
    peer.send(detach(0, false)).send(detach(1, false));
    assert_eq!(peer.events().len(), 3);
    assert_eq!(peer.amqp.sender(out).unwrap().send("no"), Err(SendError::Detached));
    peer.octets();

    let mut session = peer.amqp.session(peer.session).unwrap();
    let options =
        SenderOptions::to("b").with_source(Source::at("other")).with_initial_delivery_count(7.into());
    assert_eq!(session.attach_sender("out", &options), Ok(out));
    assert!(peer.amqp.sender(out).unwrap().peer_attach().is_none());
    let again = attach("out", 0, false).nulls(2).terminus(0x28, "other").terminus(0x29, "b");
    peer.hears([again.nulls(2).uint(7)]);
    peer.send(attach_receiver("out", 5, "other", "b")).send(credit(5, 7, 2));
    // The receiver's map names no unsettled delivery (T-RES-05).
    let lost = Event::Lost { link: out.into(), delivery: first, state: None };
    assert_eq!(peer.events(), [Event::LinkAttached(out.into()), lost, Event::Sendable(out)]);
    let second = peer.amqp.sender(out).unwrap().send("second").unwrap();
    assert_eq!(peer.amqp.sender(out).unwrap().unsettled().collect::<Vec<_>>(), [second]);
    assert_eq!(peer.amqp.delivery(second).unwrap().tag(), DeliveryTag::from(1));

    // The peer attaches the other link again: its message is still readable, and its tag still in use.
    peer.octets();
    peer.send(attach_sender("in", 1, "a", "b"));
    assert_eq!(peer.offered(), inbox.into());
    let mut receiver = peer.amqp.receiver(inbox).unwrap();
    receiver.accept_link(&ReceiverOptions::new().with_prefetch(0)).unwrap();
    assert!(receiver.receive().is_some());
    receiver.set_credit(5).unwrap();
    assert_eq!(receiver.unsettled_len(), 1);
    peer.send(transfer(1, 1, b"t"));
    let events = peer.events();
    assert!(
        matches!(events[..], [Event::Lost { .. }, Event::LinkDetached { closed: true, .. }]),
        "{events:?}"
    );
    assert!(peer.lines().last().unwrap().contains("amqp:not-allowed"));
}

/// L-DET-03, S-END-04: a suspended link that moves to another session loses its deliveries, which is reported. The
/// end of the old session does not affect it.
#[test]
fn l_det_03_on_another_session() {
    for by_peer in [false, true] {
        let mut peer = Peer::new();
        let link = peer.receiver(&ReceiverOptions::new().with_prefetch(3));
        peer.send(transfer(0, 0, b"t").payload("x")).send(detach(0, false));
        let events = peer.events();
        let Event::Message { delivery, .. } = events[0] else { panic!("{events:?}") };
        peer.send(amqp_proto::testing::begin(None, 0, 10, 10).on(1));
        let Event::SessionOffered(other) = peer.event() else { panic!() };
        peer.amqp.session(other).unwrap().accept(&SessionOptions::new()).unwrap();
        peer.octets();
        let lost = Event::Lost { link: link.into(), delivery, state: None };
        if by_peer {
            peer.send(attach_sender("in", 0, "a", "b").on(1));
            assert_eq!(peer.events(), [lost, Event::LinkOffered(link.into())]);
            peer.amqp.receiver(link).unwrap().accept_link(&ReceiverOptions::new()).unwrap();
        } else {
            let mut session = peer.amqp.session(other).unwrap();
            assert_eq!(session.attach_receiver("in", &ReceiverOptions::new()), Ok(link));
            peer.send(attach_sender("in", 0, "a", "b").on(1));
            assert_eq!(peer.events(), [lost, Event::LinkAttached(link.into())]);
        }
        assert!(peer.amqp.receiver(link).unwrap().receive().is_none());
        assert_eq!(peer.amqp.receiver(link).unwrap().accept(delivery), Err(SettleError::Settled));
        peer.send(transfer(0, 0, b"t").on(1).payload("y"));
        assert!(matches!(peer.event(), Event::Message { .. }));
        peer.send(end());
        assert!(matches!(peer.event(), Event::SessionEnded { .. }));
        assert!(peer.amqp.receiver(link).unwrap().receive().is_some());
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
        let mut peer = Peer::with(Limits::DEFAULT.with_suspended_links(limit), &SessionOptions::new(), 10);
        let links: Vec<_> = (0..4)
            .map(|handle| peer.sender_on(handle, &format!("l{handle}"), &SenderOptions::new(), 5))
            .collect();
        let sent = peer.amqp.sender(links[0]).unwrap().send("x").unwrap();
        for handle in 0..4 {
            peer.send(detach(handle, false));
        }
        let lost = Event::Lost { link: links[0].into(), delivery: sent, state: None };
        let events = peer.events();
        assert_eq!(events.iter().filter(|event| **event == lost).count(), 1);
        assert_eq!(events.len(), 5);
        let alive = links.iter().filter(|link| peer.amqp.sender(**link).is_ok()).count();
        assert_eq!(alive, limit as usize);
        let mut session = peer.amqp.session(peer.session).unwrap();
        assert_ne!(session.attach_sender("l0", &SenderOptions::new()), Ok(links[0]));
        assert_eq!(session.attach_sender("l3", &SenderOptions::new()) == Ok(links[3]), limit > 0);
    }
}

/// L-CLOSE-02: a plain detach crosses a closing one. One attach and one closing detach follow; the engine expects the
/// answers to both and reports no offer.
#[test]
fn l_close_02_a_plain_detach_crosses_a_closing_one() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new(), 5);
    peer.amqp.sender(link).unwrap().detach().unwrap();
    peer.hears([detach(0, false)]);
    peer.send(detach(0, true));
    let (key, closed, _) = peer.detached();
    assert_eq!((key, closed), (link.into(), true));
    assert!(peer.amqp.sender(link).is_err());
    peer.hears([attach("out", 0, false).nulls(6).uint(0), detach(0, true)]);
    let mut session = peer.amqp.session(peer.session).unwrap();
    assert_eq!(session.attach_sender("out", &SenderOptions::new()), Err(LinkError::NameInUse));
    peer.send(attach("out", 3, true)).send(credit(3, 0, 10)).send(detach(3, true)).quiet();
    let mut session = peer.amqp.session(peer.session).unwrap();
    session.attach_sender("out", &SenderOptions::new()).unwrap();
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
    let mut peer = Peer::new();
    let link = peer.receiver(&ReceiverOptions::new());
    peer.amqp.receiver(link).unwrap().close().unwrap();
    peer.send(detach(0, false));
    let (key, closed, reason) = peer.detached();
    assert_eq!((key, closed, reason.origin), (link.into(), true, Origin::Local));
    assert!(peer.amqp.receiver(link).is_err());
    peer.hears([detach(0, true)]);
}

/// A suspended link is closed by an attach and a closing detach, and removed at once.
#[test]
fn a_suspended_link_is_closed() {
    let mut peer = Peer::new();
    let link = peer.receiver(&ReceiverOptions::new());
    peer.send(detach(0, false));
    peer.events();
    peer.octets();
    peer.amqp.receiver(link).unwrap().close().unwrap();
    assert!(matches!(peer.event(), Event::LinkDetached { closed: true, .. }));
    peer.hears([attach("in", 0, true), detach(0, true)]);
    peer.send(attach_sender("in", 0, "a", "b")).send(detach(0, true)).quiet();
    assert!(peer.amqp.receiver(link).is_err());
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
    let mut peer = Peer::new();
    let link = peer.receiver(&ReceiverOptions::new().with_max_message_size(4));
    peer.send(transfer(0, 0, b"1").payload("12345"));
    let (_, closed, reason) = peer.detached();
    assert_eq!((closed, reason.error.unwrap().condition), (true, Condition::MessageSizeExceeded));
    assert!(peer.amqp.receiver(link).is_err());
    assert!(peer.lines()[0].contains("amqp:link:message-size-exceeded"));
    peer.send(transfer(0, 1, b"2").payload("1"))
        .send(flow(Some(0), 10, 2, 10).uint(0).uint(2).uint(0).nulls(2).boolean(true))
        .send(disposition(false, 0, None).boolean(true))
        .quiet();
    peer.send(detach(0, true)).quiet();
    peer.send(transfer(0, 2, b"3").payload("1"));
    assert!(matches!(peer.event(), Event::SessionEnded { .. }));
}

/// L-REDIR-01: the peer's detach of a sender is reported at once, and sends fail from then on.
#[test]
fn a_detach_of_the_peer_ends_every_wait() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new(), 1);
    let sent = peer.amqp.sender(link).unwrap().send("x").unwrap();
    peer.send(detach_with(0, "amqp:link:detach-forced"));
    assert_eq!(peer.amqp.sender(link).unwrap().send("y"), Err(SendError::Detached));
    let events = peer.events();
    assert_eq!(events[0], Event::Lost { link: link.into(), delivery: sent, state: None });
    assert!(matches!(&events[1], Event::LinkDetached { reason, .. } if reason.error.is_some()));
    assert_eq!(events.len(), 2);
}

/// A link is closed before its attach is answered: the engine ignores the answer, and handle and name are free
/// afterwards.
#[test]
fn a_link_is_given_up_before_the_answer() {
    for closed in [false, true] {
        let mut peer = Peer::new();
        let mut session = peer.amqp.session(peer.session).unwrap();
        let link = session.attach_receiver("x", &ReceiverOptions::from("a")).unwrap();
        let mut receiver = peer.amqp.receiver(link).unwrap();
        if closed { receiver.close() } else { receiver.detach() }.unwrap();
        peer.octets();
        peer.send(attach_sender("x", 0, "a", "b"));
        peer.quiet();
        peer.send(detach(0, closed));
        assert!(matches!(peer.event(), Event::LinkDetached { link: LinkKey::Receiver(_), .. }));
        peer.quiet();
        let mut session = peer.amqp.session(peer.session).unwrap();
        let again = session.attach_receiver("x", &ReceiverOptions::from("a")).unwrap();
        assert_eq!(again == link, !closed);
        assert!(peer.lines()[0].contains("handle: 0"));
    }
}

/// S-END-05: a session ends while its links are attached at one end only. Each link is reported once, and frames for
/// it are dropped.
#[test]
fn s_end_05_a_session_ends_while_links_are_half_open() {
    let mut peer = Peer::new();
    let open = peer.receiver(&ReceiverOptions::new());
    peer.send(attach_sender("offered", 1, "a", "b"));
    let offered = peer.offered();
    let mut session = peer.amqp.session(peer.session).unwrap();
    let unanswered = session.attach_sender("unanswered", &SenderOptions::new()).unwrap();
    let detaching = session.attach_sender("detaching", &SenderOptions::new()).unwrap();
    peer.amqp.sender(detaching).unwrap().close().unwrap();
    peer.amqp.session(peer.session).unwrap().end().unwrap();
    assert!(peer.lines().last().unwrap().starts_with("[0] end"));
    peer.send(attach_receiver("unanswered", 2, "", "b"))
        .send(attach_sender("more", 3, "a", "b"))
        .send(credit(2, 0, 5))
        .send(transfer(0, 0, b"t").payload("x"))
        .send(detach(3, true))
        .quiet();
    peer.send(end());
    let events = peer.events();
    for link in [open.into(), offered, unanswered.into(), detaching.into()] {
        let told =
            events.iter().filter(|event| matches!(event, Event::LinkDetached { link: l, .. } if *l == link));
        assert_eq!(told.count(), 1, "{link}: {events:?}");
    }
    assert_eq!(events.len(), 5);
    assert!(matches!(events[4], Event::SessionEnded { .. }));
    assert_eq!(peer.lines(), [""; 0]);
    assert!(peer.amqp.session(peer.session).is_err() && peer.amqp.sender(unanswered).is_err());
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
