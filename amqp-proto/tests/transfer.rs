//! Transfers: their fields, and the deliveries that they make up [2.6.12] [2.6.14] [2.7.5].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::message::{Message, Payload};
use amqp_proto::testing::{Literal, Pair, disposition, transfer};
use amqp_proto::types::{DeliveryTag, Limits, ReceiverKey};
use amqp_proto::wire::{DeliveryState, Outcome, Received, ReceiverSettleMode, TransactionalState};
use amqp_proto::{Delivery, Event, SendError};
use bytes::{Buf, Bytes, BytesMut};
use common::wire::{Wire, credit};

/// A peer that sends to the engine on handle 0.
fn receiving() -> (Wire, ReceiverKey) {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new());
    (wire, link)
}

/// A transfer on handle 0 that continues a delivery.
fn more() -> Literal {
    Literal::new(0x14).uint(0)
}

/// The first transfer of several.
fn first(id: u32) -> Literal {
    transfer(0, id, b"t").null().boolean(true)
}

/// Receives the one message that has arrived.
#[track_caller]
fn taken(wire: &mut Wire, link: ReceiverKey) -> Delivery {
    assert!(matches!(wire.event(), Event::Message { .. }));
    wire.engine.receiver(link).unwrap().receive().unwrap()
}

/// Checks that the link is closed with this condition.
#[track_caller]
fn fails_with(wire: &mut Wire, condition: &str) {
    let events = wire.events();
    let Some(Event::LinkDetached { closed: true, reason, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(reason.error.as_ref().unwrap().condition.as_str(), condition);
    let lines = wire.lines();
    assert!(
        lines.len() == 1 && lines[0].contains("closed: true") && lines[0].contains(condition),
        "{lines:?}"
    );
}

fn payload(octets: &[u8]) -> Payload {
    Bytes::copy_from_slice(octets).into()
}

/// T-XFER-01: a transfer without a handle is refused.
#[test]
fn t_xfer_01_a_handle() {
    let (mut wire, _) = receiving();
    wire.peer_sends(Literal::new(0x14).null().uint(0).binary(b"t"));
    assert!(wire.lines()[0].starts_with("[0] close"));
}

/// T-XFER-02, T-XFER-03: the first transfer of a delivery needs an id and a tag.
#[test]
fn t_xfer_02_id_and_tag_of_the_first() {
    for frame in [more().null().binary(b"t"), more().uint(0), more()] {
        let (mut wire, _) = receiving();
        wire.peer_sends(frame);
        fails_with(&mut wire, "amqp:invalid-field");
    }
}

/// T-XFER-02, T-XFER-03, T-XFER-04, T-XFER-11: later transfers of a delivery have the same id, tag and format, or
/// none; others would be another delivery, which is not allowed.
#[test]
fn t_xfer_02_transfers_that_continue_a_delivery() {
    for frame in [more(), more().uint(0), more().null().binary(b"t"), transfer(0, 0, b"t")] {
        let (mut wire, link) = receiving();
        wire.peer_sends(first(0).payload("a")).peer_sends(frame.payload("b"));
        assert_eq!(taken(&mut wire, link).payload().to_bytes(), "ab");
    }
    for frame in [more().uint(1), more().null().binary(b"u"), more().nulls(2).uint(1), transfer(0, 1, b"u")] {
        let (mut wire, _) = receiving();
        wire.peer_sends(first(0).payload("a")).peer_sends(frame.payload("b"));
        fails_with(&mut wire, "amqp:invalid-field");
    }
}

/// T-XFER-04, T-XFER-22: an absent format is 0; unknown formats are carried in both directions.
#[test]
fn t_xfer_22_message_formats() {
    for (format, sent) in [(0, None), (0, Some(0)), (0x8001_3700, Some(0x8001_3700))] {
        let (mut wire, link) = receiving();
        wire.peer_sends(more().uint(0).binary(b"t").optional_uint(sent).payload("?"));
        assert_eq!(taken(&mut wire, link).message_format(), format);
    }
    let mut pair = Pair::opened();
    pair.server.collects = true;
    let (sender, _) = pair.link("x");
    let options = SendOptions::new().with_message_format(0x8001_3700);
    pair.client.sender(sender).unwrap().send_payload(&payload(b"\xff"), &options).unwrap();
    pair.drive();
    let (_, delivery) = pair.server.messages().remove(0);
    assert_eq!((delivery.message_format(), &*delivery.payload().to_bytes()), (0x8001_3700, &b"\xff"[..]));
}

/// T-XFER-05: delivery-ids rise by one across the links of a session; the peer's may skip numbers, but not fall.
#[test]
fn t_xfer_05_delivery_ids() {
    let mut wire =
        Wire::begun_with(Limits::DEFAULT, SessionOptions::new().with_next_outgoing_id(u32::MAX.into()), 99);
    let links = [0, 1].map(|handle| wire.sender_on(handle, &format!("{handle}"), SenderOptions::new(), 9));
    for at in [0, 1, 0] {
        wire.engine.sender(links[at]).unwrap().send_payload(&payload(b"x"), &SendOptions::new()).unwrap();
    }
    let (zero, one) = ([0; 4], [0, 0, 0, 1]);
    let sent = [(0, u32::MAX, zero), (1, 0, zero), (0, 1, one)];
    wire.engine_wrote(sent.map(|(handle, id, tag)| transfer(handle, id, &tag).payload("x")));

    let (mut wire, _) = receiving();
    for id in [0xffff_fffe, 3] {
        wire.peer_sends(transfer(0, id, &id.to_be_bytes()));
        assert!(matches!(wire.event(), Event::Message { .. }));
    }
    wire.peer_sends(transfer(0, 3, b"again"));
    assert!(wire.lines()[0].contains("amqp:invalid-field"));
    assert!(matches!(wire.events().last(), Some(Event::SessionEnded { .. })));
}

/// T-XFER-05, T-DISP-04: after skipped ids, unsettled deliveries are still found.
#[test]
fn t_xfer_05_skipped_ids_leave_the_unsettled_alone() {
    for skipped in [15, 16, 17, 1_000] {
        for settled in [true, false] {
            let (mut wire, link) = receiving();
            wire.peer_sends(transfer(0, 0, b"0"));
            let first = taken(&mut wire, link).key();
            wire.peer_sends(transfer(0, skipped, b"1").boolean(settled));
            let second = taken(&mut wire, link).key();
            assert!(wire.engine.delivery(first).is_ok(), "{skipped}");
            assert_eq!(wire.engine.delivery(second).is_err(), settled);
            wire.peer_sends(transfer(0, skipped + 1, b"2"));
            let third = taken(&mut wire, link).key();
            let mut receiver = wire.engine.receiver(link).unwrap();
            let open: Vec<_> = receiver.unsettled().collect();
            assert_eq!(open.len(), if settled { 2 } else { 3 });
            for key in [first, third] {
                receiver.accept(key).unwrap();
            }
        }
    }
}

/// T-XFER-06, E-COMP-13: a tag is free once its delivery is settled; generated tags skip those that the application
/// has chosen.
#[test]
fn t_xfer_06_tags_of_this_end() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 99);
    let tagged = |tag: &[u8]| SendOptions::new().with_tag(DeliveryTag::new(tag).unwrap());
    let mut sender = wire.engine.sender(link).unwrap();
    let message = Message::from("x");
    let keys: Vec<_> = [&[7; 32][..], b"", &[0, 0, 0, 1], &[0, 0, 0, 2]]
        .map(|tag| sender.send_with(&message, &tagged(tag)).unwrap())
        .into();
    let again = DeliveryTag::new(&[7; 32]).unwrap();
    assert_eq!(sender.send_with(&message, &tagged(&[7; 32])), Err(SendError::TagInUse(again)));
    sender.send_with(&message, &tagged(&[7; 32]).with_settled(true)).unwrap();
    let generated: Vec<_> = (0..2).map(|_| sender.send("x").unwrap()).collect();
    sender.settle(keys[0]).unwrap();
    sender.send_with(&message, &tagged(&[7; 32])).unwrap();
    let tags = [0, 1].map(|at| wire.engine.delivery(generated[at]).unwrap().tag());
    assert_eq!(tags, [DeliveryTag::from(0), DeliveryTag::from(3)]);
}

/// T-XFER-06: a tag of the peer that is in use closes the link with not-allowed; a settled delivery's tag may return.
#[test]
fn t_xfer_06_tags_of_the_peer() {
    let (mut wire, link) = receiving();
    wire.peer_sends(transfer(0, 0, b"t"));
    let delivery = taken(&mut wire, link).key();
    wire.engine.receiver(link).unwrap().accept(delivery).unwrap();
    wire.octets();
    wire.peer_sends(transfer(0, 1, b"t"));
    let _ = taken(&mut wire, link);
    wire.peer_sends(transfer(0, 2, b"t"));
    fails_with(&mut wire, "amqp:not-allowed");
}

/// T-XFER-07: one settled transfer settles the delivery; later transfers cannot undo it.
#[test]
fn t_xfer_07_settled_on_any_frame() {
    let settled = |frame: Literal, settled: Option<bool>, more: bool| match settled {
        Some(settled) => frame.boolean(settled).boolean(more),
        None => frame.null().boolean(more),
    };
    for at in 0..3 {
        let (mut wire, link) = receiving();
        let says = |n| (n == at).then_some(true);
        wire.peer_sends(settled(transfer(0, 0, b"t"), says(0), true))
            .peer_sends(settled(more().nulls(3), says(1), true))
            .peer_sends(settled(more().nulls(3), says(2), false));
        let delivery = taken(&mut wire, link);
        assert!(delivery.is_settled());
        assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
        assert!(wire.engine.receiver(link).unwrap().accept(delivery.key()).is_err());
        assert_eq!(wire.lines(), [""; 0]);
    }
}

/// T-XFER-10, T-XFER-24: empty transfers anywhere in a delivery, and a message cut at each octet.
#[test]
fn t_xfer_24_a_message_cut_anywhere() {
    let mut octets = BytesMut::new();
    let message = Message::from("body").with_property("k", 7);
    message.encode(&mut octets).unwrap();
    for at in 0..=octets.len() {
        let (mut wire, link) = receiving();
        wire.peer_sends(first(0))
            .peer_sends(more().nulls(4).boolean(true).payload(&octets[..at]))
            .peer_sends(more().nulls(4).boolean(true))
            .peer_sends(more().nulls(4).boolean(true).payload(&octets[at..]))
            .peer_sends(more());
        let delivery = taken(&mut wire, link);
        assert_eq!(delivery.payload().to_bytes(), octets);
        assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some("body"));
    }
}

/// T-XFER-11: a link has one incomplete delivery at a time; other links of the session may have their own.
#[test]
fn t_xfer_11_deliveries_are_interleaved_between_links_only() {
    let (mut wire, one) = receiving();
    let two = wire.receiver_on(1, "two", ReceiverOptions::new());
    let other = |id: u32| transfer(1, id, b"t").null().boolean(true);
    wire.peer_sends(first(0).payload("a"))
        .peer_sends(other(1).payload("1"))
        .peer_sends(more().nulls(4).boolean(true).payload("b"))
        .peer_sends(Literal::new(0x14).uint(1).payload("2"))
        .peer_sends(more().payload("c"));
    assert_eq!(wire.events().len(), 2);
    for (link, octets) in [(one, "abc"), (two, "12")] {
        assert_eq!(wire.engine.receiver(link).unwrap().receive().unwrap().payload().to_bytes(), octets);
    }
    let out = wire.sender_on(2, "out", SenderOptions::new(), 9);
    let mut sender = wire.engine.sender(out).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    assert_eq!(sender.send("x"), Err(SendError::Incomplete));
    assert_eq!(sender.begin_delivery(&SendOptions::new()), Err(SendError::Incomplete));
    sender.finish().unwrap();
    assert_eq!(sender.finish(), Err(SendError::NoDelivery));
    assert_eq!(sender.write("x"), Err(SendError::NoDelivery));
    sender.send("x").unwrap();
}

/// T-XFER-12, T-XFER-13: an aborted delivery is settled and removed, whatever else its last transfer says, and has no
/// event.
#[test]
fn t_xfer_13_an_aborted_delivery() {
    for has_more in [false, true] {
        let (mut wire, link) = receiving();
        wire.peer_sends(first(0).payload("void"))
            .peer_sends(more().nulls(4).boolean(has_more).nulls(3).boolean(true).payload("void"))
            .quiet();
        assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
        wire.peer_sends(transfer(0, 1, b"t").payload("next"));
        assert_eq!(taken(&mut wire, link).payload().to_bytes(), "next");
    }
}

/// T-XFER-14: a delivery aborted by its first transfer is never reported; without a delivery-id the transfer is an
/// error.
#[test]
fn t_xfer_14_aborted_at_the_start() {
    let (mut wire, link) = receiving();
    wire.peer_sends(transfer(0, 0, b"t").nulls(5).boolean(true)).quiet();
    assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
    wire.peer_sends(more().nulls(8).boolean(true));
    fails_with(&mut wire, "amqp:invalid-field");
}

/// T-XFER-15, T-XFER-16, T-XFER-17: a transfer may request mode second on a link of mode second only, and mode first
/// on any; on a settled delivery the request has no effect.
#[test]
fn t_xfer_15_settle_mode_of_a_delivery() {
    use ReceiverSettleMode::{First, Second};
    for (link_mode, asked, settles) in
        [(First, Some(0), true), (Second, Some(0), true), (Second, Some(1), false)]
    {
        let mut wire = Wire::begun();
        let link = wire.receiver(ReceiverOptions::new().with_rcv_settle_mode(link_mode));
        let frame = transfer(0, 0, b"t").nulls(2);
        wire.peer_sends(match asked {
            Some(mode) => frame.ubyte(mode),
            None => frame,
        });
        let delivery = taken(&mut wire, link).key();
        wire.engine.receiver(link).unwrap().accept(delivery).unwrap();
        let told = disposition(true, 0, None);
        let told = if settles { told.boolean(true) } else { told.null() };
        wire.engine_wrote([told.raw("00532445")]);
    }
    let (mut wire, _) = receiving();
    wire.peer_sends(transfer(0, 0, b"t").nulls(2).ubyte(1));
    fails_with(&mut wire, "amqp:invalid-field");
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 5);
    let options = SendOptions::new().with_rcv_settle_mode(Second);
    assert_eq!(
        wire.engine.sender(link).unwrap().send_with(&"x".into(), &options),
        Err(SendError::SettleMode)
    );
}

/// T-XFER-18, X-POST-01: the state of a transfer, first or not, is the sender's state.
#[test]
fn t_xfer_18_a_state_with_a_transfer() {
    let in_transaction =
        |id: &[u8]| DeliveryState::Transactional(Box::new(TransactionalState::new(id.try_into().unwrap())));
    let mut pair = Pair::opened();
    pair.server.collects = true;
    let (sender, _) = pair.link("x");
    let state = in_transaction(b"txn-1");
    let options = SendOptions::new().with_state(state.clone());
    let large = payload(&[7; 200_000]);
    let sent = pair.client.sender(sender).unwrap().send_payload(&large, &options).unwrap();
    assert_eq!(pair.client.delivery(sent).unwrap().local_state(), Some(state.clone()));
    pair.drive();
    let (_, delivery) = pair.server.messages().remove(0);
    assert_eq!(delivery.state(), Some(&state));
    assert_eq!(pair.server.delivery(delivery.key()).unwrap().remote_state(), Some(state));

    let (mut wire, link) = receiving();
    wire.peer_sends(first(0)).peer_sends(more().nulls(6).raw("005323 c00302 43 44"));
    let delivery = taken(&mut wire, link);
    assert_eq!(delivery.state(), Some(&DeliveryState::Received(Received::new(0, 0))));
}

/// T-XFER-20: the batchable hint is passed on.
#[test]
fn t_xfer_20_batchable() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 5);
    let options = SendOptions::new().with_batchable(true).with_settled(true);
    wire.engine.sender(link).unwrap().send_payload(&payload(b"x"), &options).unwrap();
    wire.engine_wrote([transfer(0, 0, &[0; 4]).boolean(true).nulls(5).boolean(true).payload("x")]);
}

/// T-XFER-23: both ends keep unsettled deliveries, listed in order, until they are settled.
#[test]
fn t_xfer_23_both_ends_keep_unsettled_deliveries() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("x");
    let mut at_client = pair.client.sender(sender).unwrap();
    let sent: Vec<_> = (0..40).map(|_| at_client.send("x").unwrap()).collect();
    at_client.send_with(&"settled".into(), &SendOptions::new().with_settled(true)).unwrap();
    assert_eq!(at_client.unsettled().collect::<Vec<_>>(), sent);
    pair.drive();
    let mut at_server = pair.server.receiver(receiver).unwrap();
    assert_eq!((at_server.unsettled_len(), at_server.unsettled().count()), (40, 40));
    let session = at_server.session().unwrap();
    at_server.accept_all();
    assert_eq!(at_server.unsettled_len(), 0);
    assert_eq!(pair.server.session(session).unwrap().unsettled_received(), 0);
    pair.drive();
    assert_eq!(pair.client.sender(sender).unwrap().unsettled_len(), 0);
    assert!(sent.iter().all(|key| pair.client.outcome(*key) == Some(Outcome::Accepted)));
}

/// T-XFER-25: endless transfers close the link, by their number if not by their octets; so do too many unsettled
/// deliveries.
#[test]
fn t_xfer_25_bounds() {
    let mut wire = Wire::begun_with(Limits::DEFAULT.with_transfers_per_delivery(3), SessionOptions::new(), 9);
    wire.receiver(ReceiverOptions::new());
    wire.peer_sends(first(0));
    for _ in 0..3 {
        wire.peer_sends(more().nulls(4).boolean(true));
    }
    fails_with(&mut wire, "amqp:link:message-size-exceeded");
    let mut wire = Wire::begun_with(Limits::DEFAULT.with_unsettled(2), SessionOptions::new(), 9);
    wire.receiver(ReceiverOptions::new());
    (0..3_u32).for_each(|id| {
        wire.peer_sends(transfer(0, id, &id.to_be_bytes()));
    });
    fails_with(&mut wire, "amqp:resource-limit-exceeded");
    let out = wire.sender_on(1, "out", SenderOptions::new(), 0);
    wire.peer_sends(credit(1, 0, 9));
    let mut sender = wire.engine.sender(out).unwrap();
    sender.send("1").unwrap();
    sender.send("2").unwrap();
    assert_eq!(sender.send("3"), Err(SendError::Unsettled(2)));
    sender.send_with(&"4".into(), &SendOptions::new().with_settled(true)).unwrap();
}

/// [3.2.6]: octets alone go out as the message does that is nothing but these octets, in as many frames.
#[test]
fn data_goes_out_as_a_message_of_it() {
    for octets in [0, 1, 255, 256, 1_023, 1_024, 70_000] {
        let data = Bytes::from(vec![7; octets]);
        let mut outputs = Vec::new();
        for as_message in [true, false] {
            let mut pair = Pair::opened();
            let (link, _) = pair.link("q");
            pair.drive();
            let mut sender = pair.client.sender(link).unwrap();
            let options = SendOptions::new();
            match as_message {
                true => sender.send_with(&Message::from(data.clone()), &options).unwrap(),
                false => sender.send_data(&data, &options).unwrap(),
            };
            outputs.push(pair.client.output().copy_to_bytes(octets + 200));
        }
        assert!(outputs[0].len() > octets && outputs[0] == outputs[1], "{octets}");
    }
}
