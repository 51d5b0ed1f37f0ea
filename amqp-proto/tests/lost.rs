//! Deliveries that can no longer be settled: each is reported once, and earlier reports stay true [2.5.2] [2.6.6].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions};
use amqp_proto::testing::{
    Literal, Pair, attach_receiver, attach_sender, close, detach, disposition, end, flow, transfer,
};
use amqp_proto::types::{DeliveryKey, DeliveryTag};
use amqp_proto::wire::{Outcome, ReceiverSettleMode};
use amqp_proto::{Event, PartEnd, SettleError};
use common::wire::Wire;

/// The ways in which a link can end.
const ENDINGS: [&str; 8] =
    ["detach", "end", "close", "cut", "own close of the link", "own end", "own close", "fault"];

/// Ends the link on handle 0 in this way, or its session or connection.
fn finish(wire: &mut Wire, ending: &str) {
    match ending {
        "detach" => {
            wire.peer_sends(detach(0, true)).peer_sends(detach(1, true));
        }
        "end" => {
            wire.peer_sends(end());
        }
        "close" => {
            wire.peer_sends(close());
        }
        "cut" => wire.engine.end_of_input(),
        "own end" => {
            wire.session().end().unwrap();
            wire.peer_sends(end());
        }
        "own close" => {
            assert!(wire.engine.close());
            wire.peer_sends(close());
        }
        "fault" => {
            wire.peer_sends(transfer(77, 99, b"t"));
        }
        other => panic!("{other}"),
    }
}

/// Returns the deliveries that were reported lost, in order.
fn lost(events: &[Event]) -> Vec<DeliveryKey> {
    let lost = |event: &Event| match event {
        Event::Lost { delivery, .. } => Some(*delivery),
        _ => None,
    };
    events.iter().filter_map(lost).collect()
}

/// S-END-04: every unsettled delivery of both directions is reported lost once, before the end of its link, in all
/// ways of ending; settled deliveries are not.
#[test]
fn s_end_04_every_unsettled_delivery_is_reported_once() {
    for ending in ENDINGS {
        let mut wire = Wire::begun();
        let out = wire.sender(SenderOptions::new(), 9);
        let inbox = wire.receiver_on(1, "in", ReceiverOptions::new());
        let mut sender = wire.engine.sender(out).unwrap();
        let sent: Vec<_> = (0..4).map(|_| sender.send("x").unwrap()).collect();
        sender.send_with(&"settled".into(), &SendOptions::new().with_settled(true)).unwrap();
        wire.peer_sends(disposition(true, 1, None).boolean(true).raw("00532445"));
        (0..3_u32).for_each(|id| {
            wire.peer_sends(transfer(1, id, &id.to_be_bytes()));
        });
        wire.events();
        let taken: Vec<_> = wire.engine.receiver(inbox).unwrap().unsettled().collect();
        wire.engine.receiver(inbox).unwrap().accept(taken[0]).unwrap();
        if ending == "own close of the link" {
            wire.engine.sender(out).unwrap().close().unwrap();
            wire.engine.receiver(inbox).unwrap().close().unwrap();
            wire.peer_sends(detach(0, true)).peer_sends(detach(1, true));
        } else {
            finish(&mut wire, ending);
        }
        let events = wire.events();
        let mut reported = lost(&events);
        reported.sort();
        let mut expected = vec![sent[0], sent[2], sent[3], taken[1], taken[2]];
        expected.sort();
        assert_eq!(reported, expected, "{ending}");
        for link in [out.into(), inbox.into()] {
            let gone =
                events.iter().position(|e| matches!(e, Event::LinkDetached { link: l, .. } if *l == link));
            let last = events.iter().rposition(|e| matches!(e, Event::Lost { link: l, .. } if *l == link));
            assert!(last < gone, "{ending}: {events:?}");
        }
        // Dispositions that arrive later have no effect.
        wire.peer_sends(disposition(true, 0, Some(9)).boolean(true).raw("00532445"));
        assert!(lost(&wire.events()).is_empty());
        assert!(wire.engine.delivery(sent[0]).is_err() && wire.engine.delivery(taken[1]).is_err());
    }
}

/// T-XFER-06, L-ERR-02: the tag of a lost delivery is free again, at both ends, although the link stays.
#[test]
fn t_xfer_06_the_tags_of_lost_deliveries_are_free() {
    let tagged = SendOptions::new().with_tag(DeliveryTag::new(b"t").unwrap());
    let mut wire = Wire::begun();
    let out = wire.sender(SenderOptions::to("b"), 9);
    let inbox = wire.receiver_on(1, "in", ReceiverOptions::new());
    // Two deliveries of each tag, out of order, so that the engine has to count tags.
    let send = |wire: &mut Wire, id: u32| {
        for tag in [&b"u"[..], b"t"] {
            let options = tagged.clone().with_tag(DeliveryTag::new(tag).unwrap());
            wire.engine.sender(out).unwrap().send_with(&"x".into(), &options).unwrap();
        }
        wire.peer_sends(transfer(1, id, b"u")).peer_sends(transfer(1, id + 1, b"t"));
        let events = wire.events();
        assert!(
            events.iter().all(|event| matches!(event, Event::Message { .. })) && events.len() == 2,
            "{events:?}"
        );
    };
    send(&mut wire, 0);
    let failed = |handle| detach(handle, false).boolean(false).error("amqp:internal-error");
    wire.peer_sends(failed(0)).peer_sends(failed(1));
    assert_eq!(lost(&wire.events()).len(), 4);
    wire.octets();
    let mut session = wire.session();
    session.attach_sender("out", SenderOptions::to("b")).unwrap();
    session.attach_receiver("in", ReceiverOptions::from("a")).unwrap();
    wire.peer_sends(attach_receiver("out", 0, "a", "b")).peer_sends(attach_sender("in", 1, "a", "b"));
    wire.peer_sends(flow(Some(2), 2048, 2, 2048).uint(0).uint(2).uint(9)).events();
    wire.octets();
    assert_eq!(wire.engine.receiver(inbox).unwrap().unsettled_len(), 0);
    send(&mut wire, 2);
}

/// L-DET-01: a plain detach loses only incomplete deliveries.
#[test]
fn l_det_01_a_plain_detach_loses_incomplete_deliveries() {
    for by_peer in [false, true] {
        let mut wire = Wire::begun();
        let out = wire.sender(SenderOptions::new(), 9);
        let inbox = wire.receiver_on(1, "in", ReceiverOptions::new().with_streaming(true));
        let whole = wire.receiver_on(2, "whole", ReceiverOptions::new());
        let mut sender = wire.engine.sender(out).unwrap();
        sender.send("complete").unwrap();
        let begun = sender.begin_delivery(&SendOptions::new()).unwrap();
        sender.write("part").unwrap();
        let part = |handle, id| transfer(handle, id, b"t").null().boolean(true).payload("part");
        wire.peer_sends(part(1, 0)).peer_sends(part(2, 1));
        let Event::Message { delivery: told, .. } = wire.event() else { panic!() };
        if !by_peer {
            wire.engine.sender(out).unwrap().detach().unwrap();
            wire.engine.receiver(inbox).unwrap().detach().unwrap();
            wire.engine.receiver(whole).unwrap().detach().unwrap();
        }
        for handle in 0..3 {
            wire.peer_sends(detach(handle, false));
        }
        let events = wire.events();
        assert_eq!(lost(&events), [begun, told], "{events:?}");
        assert_eq!(events.len(), 5);
        assert_eq!(wire.engine.sender(out).unwrap().unsettled_len(), 1);
        assert_eq!(wire.engine.receiver(inbox).unwrap().unsettled_len(), 0);
        // A delivery that was not reported before is not reported as lost.
        assert_eq!(wire.engine.receiver(whole).unwrap().unsettled_len(), 0);
    }
}

/// T-XFER-10: an incomplete delivery on a closed link is reported lost only if it was reported before.
#[test]
fn unreported_deliveries_are_not_reported_lost() {
    for (streaming, reported) in [(false, 0), (true, 1)] {
        let mut wire = Wire::begun();
        wire.receiver(ReceiverOptions::new().with_streaming(streaming));
        wire.peer_sends(transfer(0, 0, b"t").null().boolean(true).payload("part"));
        wire.events();
        wire.peer_sends(detach(0, true));
        assert_eq!(lost(&wire.events()).len(), reported);
    }
}

/// T-DISP-16: the report of a lost delivery has its last known state, such as an outcome whose settlement is missing.
#[test]
fn the_last_known_state_is_reported() {
    let mut pair = Pair::opened();
    pair.server.receiver_options = ReceiverOptions::new().with_rcv_settle_mode(ReceiverSettleMode::Second);
    let sender = pair.client.attach_sender_with("x", SenderOptions::to("x").with_auto_settle(false));
    pair.drive();
    let sent = pair.client.sender(sender).unwrap().send("x").unwrap();
    pair.drive();
    let (receiver, taken) = pair.server.expect_message();
    pair.server.receiver(receiver).unwrap().accept(taken).unwrap();
    pair.drive();
    pair.cut();
    pair.drive();
    let lost = |event: &Event| match event {
        Event::Lost { delivery, state, .. } => Some((*delivery, state.clone())),
        _ => None,
    };
    assert_eq!(pair.client.expect("lost", lost), (sent, Some(Outcome::Accepted.into())));
    assert_eq!(pair.server.expect("lost", lost), (taken, None));
}

/// A message that came before the end can be received although its event is polled after the end of everything; a
/// streamed message can be read, too.
#[test]
fn messages_before_the_end_can_be_received_late() {
    for streaming in [false, true] {
        for ending in ["detach", "end", "close", "cut", "own end", "own close", "fault"] {
            let mut wire = Wire::begun();
            let link = wire.receiver(ReceiverOptions::new().with_streaming(streaming));
            wire.peer_sends(transfer(0, 0, b"t").null().boolean(true).payload("a"));
            if streaming {
                assert_eq!(wire.events().len(), 1);
            }
            wire.peer_sends(Literal::new(0x14).uint(0).payload("b"));
            if ending == "detach" {
                wire.peer_sends(detach(0, true));
            } else {
                finish(&mut wire, ending);
            }
            let event = wire.engine.poll_event().unwrap();
            let (Event::Message { delivery, .. } | Event::Data { delivery, .. }) = event else {
                panic!("{event:?}")
            };
            let mut receiver = wire.engine.receiver(link).unwrap();
            if streaming {
                let part = receiver.read(delivery).unwrap();
                assert_eq!((part.payload.to_bytes(), part.end), ("ab".into(), PartEnd::Complete));
            } else {
                assert_eq!(receiver.receive().unwrap().payload().to_bytes(), "ab");
            }
            let accepted = receiver.accept(delivery);
            let events = wire.events();
            let is_ours = ending.starts_with("own");
            assert_eq!(accepted, if is_ours { Err(SettleError::Ended) } else { Ok(()) }, "{ending}");
            assert_eq!(lost(&events).len(), usize::from(is_ours), "{ending}: {events:?}");
        }
    }
}

/// S-END-04: the receiver has settled and its disposition does not arrive; the sender reports the delivery as lost.
#[test]
fn an_outcome_that_does_not_arrive() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("x");
    let sent = pair.client.sender(sender).unwrap().send("x").unwrap();
    pair.drive();
    pair.server.receiver(receiver).unwrap().accept_all();
    pair.cut();
    pair.drive();
    assert!(pair.client.is_lost(sent) && pair.client.outcome(sent).is_none());
    assert!(lost(&pair.server.events()).is_empty());
}

/// S-END-04: wherever a stream breaks, each message is accepted or lost at its sender, never both or neither, and
/// each accepted message was received.
#[test]
fn cut_anywhere_in_a_stream() {
    for octets in (0..900).step_by(7) {
        let mut pair = Pair::opened();
        pair.server.collects = true;
        let (sender, _) = pair.link("x");
        pair.to_server.cut_after(octets);
        pair.to_client.cut_after(octets / 3);
        let mut sent = Vec::new();
        for _ in 0..5 {
            for _ in 0..5 {
                if let Ok(mut sender) = pair.client.sender(sender)
                    && let Ok(delivery) = sender.send("message")
                {
                    sent.push(delivery);
                }
            }
            pair.drive();
            for (link, delivery) in pair.server.messages() {
                if let Ok(mut receiver) = pair.server.receiver(link) {
                    let _ = receiver.accept(delivery.key());
                }
            }
            pair.drive();
        }
        pair.client.end_of_input();
        pair.drive();
        for delivery in &sent {
            let is_accepted = pair.client.outcome(*delivery) == Some(Outcome::Accepted);
            assert_ne!(is_accepted, pair.client.is_lost(*delivery), "{octets}: {delivery}");
        }
        assert_eq!(
            lost(&pair.client.events()).len(),
            sent.iter().filter(|key| pair.client.is_lost(**key)).count()
        );
    }
}
