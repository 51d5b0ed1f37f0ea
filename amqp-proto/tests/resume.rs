//! Resuming links and deliveries, as far as supported: unsettled maps are read, bounded and shown, and a delivery
//! that resumes an unknown one is ignored [2.6.13] [2.7.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::Event;
use amqp_proto::config::{ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, attach, detach, transfer};
use amqp_proto::types::{Limits, LinkKey, ReceiverKey, Value};
use amqp_proto::wire::{Attach, DeliveryState, Outcome};
use common::wire::Wire;

/// A sender's attach with this unsettled map.
fn resuming(unsettled: &str, is_incomplete: bool) -> Literal {
    let frame = attach("x", 0, false).nulls(2).terminus(0x28, "a").terminus(0x29, "b");
    frame.raw(unsettled).boolean(is_incomplete).uint(0)
}

/// Sends the attach, and returns what the application gets.
fn offered(frame: Literal) -> (Wire, ReceiverKey, Attach) {
    let mut wire = Wire::begun();
    wire.peer_sends(frame);
    let LinkKey::Receiver(link) = wire.offered() else { panic!() };
    let attach = wire.engine.receiver(link).unwrap().peer_attach().unwrap();
    (wire, link, attach)
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
    let (mut wire, link, attach) = offered(resuming("c10c04 a00131 40 a00132 00532445", true));
    let map = attach.unsettled.unwrap();
    assert_eq!(map.len(), 2);
    assert_eq!(map.get_value(&Value::Binary("1".into())), Some(&Value::Null));
    assert!(attach.incomplete_unsettled);
    wire.engine.receiver(link).unwrap().accept_link(ReceiverOptions::new()).unwrap();
    assert!(wire.engine.receiver(link).unwrap().is_attached());
    assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
}

/// T-RES-01, T-RES-02: a key of the map is a tag of up to 32 octets, not null or anything else.
#[test]
fn t_res_02_no_null_among_the_keys() {
    let long = format!("c12502 a021 {} 40", "00".repeat(33));
    for map in ["c10302 40 40", "c10402 5201 40", "c10502 a10131 40", &long] {
        let mut wire = Wire::begun();
        wire.peer_sends(resuming(map, false));
        let lines = wire.lines();
        assert!(lines.len() == 2 && lines[1].contains("amqp:invalid-field"), "{lines:?}");
        assert!(matches!(wire.event(), Event::LinkDetached { closed: true, .. }));
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
        let mut wire = Wire::begun_with(Limits::DEFAULT.with_attach_octets(limit), SessionOptions::new(), 9);
        wire.peer_sends(resuming(&common::hex(&map), false));
        match wire.event() {
            Event::LinkOffered(_) => assert!(is_kept),
            other => {
                assert!(!is_kept && matches!(other, Event::LinkDetached { closed: true, .. }), "{other:?}")
            }
        }
        assert_eq!(wire.lines().iter().any(|line| line.contains("amqp:resource-limit-exceeded")), !is_kept);
    }
}

/// T-RES-03, L-DET-03: this end attaches a suspended link again without resuming it, so it sends no map.
#[test]
fn t_res_03_attaching_again_sends_no_map() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 9);
    wire.engine.sender(link).unwrap().send("x").unwrap();
    wire.peer_sends(detach(0, false));
    wire.events();
    wire.octets();
    let mut session = wire.session();
    session.attach_sender("out", SenderOptions::to("b")).unwrap();
    assert!(!wire.lines()[0].contains("unsettled:"));
    assert_eq!(wire.engine.sender(link).unwrap().unsettled_len(), 1);
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
            let mut wire = Wire::begun();
            let link = wire.sender(SenderOptions::new(), 9);
            let sent = wire.engine.sender(link).unwrap().send("x").unwrap();
            wire.peer_sends(detach(0, false));
            wire.events();
            wire.octets();
            if !is_theirs {
                let mut session = wire.session();
                session.attach_sender("out", SenderOptions::to("b")).unwrap();
            }
            let again = attach("out", 0, true).nulls(2).terminus(0x28, "a").terminus(0x29, "b").raw(&map);
            wire.peer_sends(again);
            let mut events = wire.events();
            if is_theirs {
                assert_eq!(events, [Event::LinkOffered(link.into())]);
                wire.engine.sender(link).unwrap().accept_link(SenderOptions::new()).unwrap();
                events = wire.events();
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
            assert_eq!(wire.engine.sender(link).unwrap().unsettled_len(), 0);
        }
    }
}

/// T-RES-10: a delivery that resumes an unknown one is ignored, in any number of frames and with any fields. The
/// credit and window that it used are granted again, and the next delivery is received.
#[test]
fn t_res_10_resuming_an_unknown_delivery_is_ignored() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new().with_prefetch(4));
    let resumed = |id: u32, more| transfer(0, id, b"old").null().boolean(more).nulls(2).boolean(true);
    for id in 0..20 {
        wire.peer_sends(resumed(id, true).payload("a"))
            .peer_sends(Literal::new(0x14).uint(0).nulls(4).boolean(true).payload("b"))
            .peer_sends(Literal::new(0x14).uint(0).payload("c"));
        assert_eq!(wire.events(), []);
        assert!(wire.engine.receiver(link).unwrap().credit() > 1);
        assert!(wire.lines().iter().all(|line| line.contains("flow")));
    }
    assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
    wire.peer_sends(resumed(20, false)).peer_sends(transfer(0, 21, b"new").payload("new"));
    assert!(matches!(wire.event(), Event::Message { .. }));
    let delivery = wire.engine.receiver(link).unwrap().receive().unwrap();
    assert_eq!((delivery.payload().to_bytes(), &delivery.tag()[..]), ("new".into(), &b"new"[..]));
}

/// T-RES-10, T-XFER-13: such a delivery is aborted, at once or later.
#[test]
fn t_res_10_resumed_and_given_up() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new().with_streaming(true));
    wire.peer_sends(transfer(0, 0, b"old").nulls(4).boolean(true).boolean(true));
    wire.peer_sends(transfer(0, 1, b"old").null().boolean(true).nulls(2).boolean(true));
    wire.peer_sends(Literal::new(0x14).uint(0).nulls(8).boolean(true)).quiet();
    assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
}

/// L-ERR-03: after an error the peer attaches the link again, with a map or without; for this end it is a new link.
#[test]
fn l_err_03_attached_after_an_error() {
    for map in ["40", "c10100"] {
        let mut wire = Wire::begun();
        let link = wire.receiver(ReceiverOptions::new().with_max_message_size(1));
        wire.peer_sends(transfer(0, 0, b"t").payload("xx"));
        assert!(matches!(wire.events()[..], [Event::Lost { .. } | Event::LinkDetached { .. }, ..]));
        wire.peer_sends(detach(0, true));
        wire.peer_sends(
            attach("in", 0, false).nulls(2).terminus(0x28, "a").terminus(0x29, "b").raw(map).null().uint(0),
        );
        assert_ne!(wire.offered(), link.into());
    }
}

/// L-ERR-02, L-ERR-03: a link that the peer detached with an error has lost its deliveries; this end resumes it with
/// an empty map, while it attaches other links without a map.
#[test]
fn l_err_03_resumed_after_an_error() {
    for (error, is_failed) in [(Some("amqp:internal-error"), true), (None, false)] {
        let mut wire = Wire::begun();
        let link = wire.sender(SenderOptions::new(), 9);
        let sent = wire.engine.sender(link).unwrap().send("x").unwrap();
        wire.octets();
        wire.peer_sends(match error {
            Some(condition) => detach(0, false).null().error(condition),
            None => detach(0, false),
        });
        let lost = Event::Lost { link: link.into(), delivery: sent, state: None };
        let events = wire.events();
        assert_eq!(events.contains(&lost), is_failed);
        assert!(matches!(events.last(), Some(Event::LinkDetached { closed: false, .. })));
        wire.engine_wrote([detach(0, false)]);
        let mut session = wire.session();
        assert_eq!(session.attach_sender("out", SenderOptions::to("b")), Ok(link));
        let again = attach("out", 0, false).nulls(2).raw("00532845").terminus(0x29, "b");
        let again = if is_failed { again.raw("c10100") } else { again.null() };
        wire.engine_wrote([again.null().uint(0)]);
    }
}
