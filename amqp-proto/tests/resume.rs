//! Resuming links and deliveries, as far as supported: unsettled maps are read, bounded and shown, and a delivery
//! that resumes an unknown one is ignored [2.6.13] [2.7.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/peer.rs"]
mod peer;

use amqp_proto::Event;
use amqp_proto::config::{ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, attach, detach, transfer};
use amqp_proto::types::{Limits, LinkKey, ReceiverKey, Value};
use amqp_proto::wire::{Attach, DeliveryState, Outcome};
use peer::Peer;

/// A sender's attach with this unsettled map.
fn resuming(unsettled: &str, is_incomplete: bool) -> Literal {
    let frame = attach("x", 0, false).nulls(2).terminus(0x28, "a").terminus(0x29, "b");
    frame.raw(unsettled).boolean(is_incomplete).uint(0)
}

/// Sends the attach, and returns what the application gets.
fn offered(frame: Literal) -> (Peer, ReceiverKey, Attach) {
    let mut peer = Peer::new();
    peer.send(frame);
    let LinkKey::Receiver(link) = peer.offered() else { panic!() };
    let attach = peer.amqp.receiver(link).unwrap().peer_attach().unwrap();
    (peer, link, attach)
}

/// T-RES-01, T-RES-04, L-ATT-11: a map, an empty map and no map are distinct, and the application can see which it
/// is.
#[test]
fn t_res_04_a_map_an_empty_one_and_none() {
    let (_, _, attach) = offered(resuming("40", false));
    assert_eq!(attach.unsettled, None);
    let (_, _, attach) = offered(resuming("c10100", false));
    assert_eq!(attach.unsettled.map(|map| map.len()), Some(0));
    // A tag without a state, and a tag that was accepted.
    let (mut peer, link, attach) = offered(resuming("c10c04 a00131 40 a00132 00532445", true));
    let map = attach.unsettled.unwrap();
    assert_eq!(map.len(), 2);
    assert_eq!(map.get_value(&Value::Binary("1".into())), Some(&Value::Null));
    assert!(attach.incomplete_unsettled);
    peer.amqp.receiver(link).unwrap().accept_link(&ReceiverOptions::new()).unwrap();
    assert!(peer.amqp.receiver(link).unwrap().is_attached());
    assert_eq!(peer.amqp.receiver(link).unwrap().unsettled_len(), 0);
}

/// T-RES-01, T-RES-02: a key of the map is a tag of up to 32 octets, not null or anything else.
#[test]
fn t_res_02_no_null_among_the_keys() {
    let long = format!("c12502 a021 {} 40", "00".repeat(33));
    for map in ["c10302 40 40", "c10402 5201 40", "c10502 a10131 40", &long] {
        let mut peer = Peer::new();
        peer.send(resuming(map, false));
        let lines = peer.lines();
        assert!(lines.len() == 2 && lines[1].contains("amqp:invalid-field"), "{lines:?}");
        assert!(matches!(peer.event(), Event::LinkDetached { closed: true, .. }));
    }
}

/// T-RES-15, Limits::attach_octets: a link whose unsettled map exceeds the limit is refused.
#[test]
fn t_res_15_a_map_is_bounded() {
    let entries: Vec<u8> = (0..200_u8).flat_map(|tag| [0xa0, 1, tag, 0x40]).collect();
    let count = 400_u32;
    let size = u32::try_from(entries.len()).unwrap() + 4;
    let map = [&[0xd1][..], &size.to_be_bytes(), &count.to_be_bytes(), &entries].concat();
    for (limit, is_kept) in [(500, false), (2_000, true)] {
        let mut peer = Peer::with(Limits::DEFAULT.with_attach_octets(limit), &SessionOptions::new(), 9);
        peer.send(resuming(&common::hex(&map), false));
        match peer.event() {
            Event::LinkOffered(_) => assert!(is_kept),
            other => {
                assert!(!is_kept && matches!(other, Event::LinkDetached { closed: true, .. }), "{other:?}")
            }
        }
        assert_eq!(peer.lines().iter().any(|line| line.contains("amqp:resource-limit-exceeded")), !is_kept);
    }
}

/// T-RES-03, L-DET-03: this end attaches a suspended link again without resuming it, so it sends no map.
#[test]
fn t_res_03_attaching_again_sends_no_map() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new(), 9);
    peer.amqp.sender(link).unwrap().send("x").unwrap();
    peer.send(detach(0, false));
    peer.events();
    peer.octets();
    let mut session = peer.amqp.session(peer.session).unwrap();
    session.attach_sender("out", &SenderOptions::to("b")).unwrap();
    assert!(!peer.lines()[0].contains("unsettled:"));
    assert_eq!(peer.amqp.sender(link).unwrap().unsettled_len(), 1);
}

/// T-RES-05 [2.6.13]: the peer attaches the link, with null, an empty map or an outcome. Each unsettled delivery ends
/// with that outcome, or is lost, and is reported.
#[test]
fn t_res_05_deliveries_not_resumed_are_reported() {
    let accepted = Some(DeliveryState::Outcome(Outcome::Accepted));
    let tag = "a004 00000000";
    for (map, state) in [
        ("40".to_owned(), None),
        ("c10100".to_owned(), None),
        (format!("c10802 {tag} 40"), None),
        (format!("c10b02 {tag} 00532445"), accepted),
    ] {
        for is_theirs in [true, false] {
            let mut peer = Peer::new();
            let link = peer.sender(&SenderOptions::new(), 9);
            let sent = peer.amqp.sender(link).unwrap().send("x").unwrap();
            peer.send(detach(0, false));
            peer.events();
            peer.octets();
            if !is_theirs {
                let mut session = peer.amqp.session(peer.session).unwrap();
                session.attach_sender("out", &SenderOptions::to("b")).unwrap();
            }
            let again = attach("out", 0, true).nulls(2).terminus(0x28, "a").terminus(0x29, "b").raw(&map);
            peer.send(again);
            let mut events = peer.events();
            if is_theirs {
                assert_eq!(events, [Event::LinkOffered(link.into())]);
                peer.amqp.sender(link).unwrap().accept_link(&SenderOptions::new()).unwrap();
                events = peer.events();
            } else {
                assert_eq!(events.remove(0), Event::LinkAttached(link.into()));
            }
            let told = match state.clone() {
                Some(state) => {
                    Event::Updated { link: link.into(), delivery: sent, state: Some(state), settled: true }
                }
                None => Event::Lost { link: link.into(), delivery: sent, state: None },
            };
            assert_eq!(events, [told], "{map}");
            assert_eq!(peer.amqp.sender(link).unwrap().unsettled_len(), 0);
        }
    }
}

/// T-RES-10: a delivery that resumes an unknown one is ignored, in any number of frames and with any fields. The
/// credit and window that it used are granted again, and the next delivery is received.
#[test]
fn t_res_10_resuming_an_unknown_delivery_is_ignored() {
    let mut peer = Peer::new();
    let link = peer.receiver(&ReceiverOptions::new().with_prefetch(4));
    let resumed = |id: u32, more| transfer(0, id, b"old").null().boolean(more).nulls(2).boolean(true);
    for id in 0..20 {
        peer.send(resumed(id, true).payload("a"))
            .send(Literal::new(0x14).uint(0).nulls(4).boolean(true).payload("b"))
            .send(Literal::new(0x14).uint(0).payload("c"));
        assert_eq!(peer.events(), []);
        assert!(peer.amqp.receiver(link).unwrap().credit() > 1);
        assert!(peer.lines().iter().all(|line| line.contains("flow")));
    }
    assert_eq!(peer.amqp.receiver(link).unwrap().unsettled_len(), 0);
    peer.send(resumed(20, false)).send(transfer(0, 21, b"new").payload("new"));
    assert!(matches!(peer.event(), Event::Message { .. }));
    let delivery = peer.amqp.receiver(link).unwrap().receive().unwrap();
    assert_eq!((delivery.payload().to_bytes(), &delivery.tag()[..]), ("new".into(), &b"new"[..]));
}

/// T-RES-10, T-XFER-13: such a delivery is aborted, at once or later.
#[test]
fn t_res_10_resumed_and_given_up() {
    let mut peer = Peer::new();
    let link = peer.receiver(&ReceiverOptions::new().with_streaming(true));
    peer.send(transfer(0, 0, b"old").nulls(4).boolean(true).boolean(true));
    peer.send(transfer(0, 1, b"old").null().boolean(true).nulls(2).boolean(true));
    peer.send(Literal::new(0x14).uint(0).nulls(8).boolean(true)).quiet();
    assert_eq!(peer.amqp.receiver(link).unwrap().unsettled_len(), 0);
}

/// L-ERR-03: after an error the peer attaches the link again, with a map or without; for this end it is a new link.
#[test]
fn l_err_03_attached_after_an_error() {
    for map in ["40", "c10100"] {
        let mut peer = Peer::new();
        let link = peer.receiver(&ReceiverOptions::new().with_max_message_size(1));
        peer.send(transfer(0, 0, b"t").payload("xx"));
        assert!(matches!(peer.events()[..], [Event::Lost { .. } | Event::LinkDetached { .. }, ..]));
        peer.send(detach(0, true));
        peer.send(
            attach("in", 0, false).nulls(2).terminus(0x28, "a").terminus(0x29, "b").raw(map).null().uint(0),
        );
        assert_ne!(peer.offered(), link.into());
    }
}

/// L-ERR-02, L-ERR-03: a link that the peer detached with an error has lost its deliveries; this end resumes it with
/// an empty map, while it attaches other links without a map.
#[test]
fn l_err_03_resumed_after_an_error() {
    for (error, is_failed) in [(Some("amqp:internal-error"), true), (None, false)] {
        let mut peer = Peer::new();
        let link = peer.sender(&SenderOptions::new(), 9);
        let sent = peer.amqp.sender(link).unwrap().send("x").unwrap();
        peer.octets();
        peer.send(match error {
            Some(condition) => detach(0, false).null().error(condition),
            None => detach(0, false),
        });
        let lost = Event::Lost { link: link.into(), delivery: sent, state: None };
        let events = peer.events();
        assert_eq!(events.contains(&lost), is_failed);
        assert!(matches!(events.last(), Some(Event::LinkDetached { closed: false, .. })));
        peer.hears([detach(0, false)]);
        let mut session = peer.amqp.session(peer.session).unwrap();
        assert_eq!(session.attach_sender("out", &SenderOptions::to("b")), Ok(link));
        let again = attach("out", 0, false).nulls(2).raw("00532845").terminus(0x29, "b");
        let again = if is_failed { again.raw("c10100") } else { again.null() };
        peer.hears([again.null().uint(0)]);
    }
}
