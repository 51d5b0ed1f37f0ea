//! Settle modes and the size of messages, as both ends of a link agree on them [2.6.3] [2.7.3] [2.8.2] [2.8.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions};
use amqp_proto::message::Payload;
use amqp_proto::testing::{Literal, Pair, attach, transfer};
use amqp_proto::types::LinkKey;
use amqp_proto::wire::{ReceiverSettleMode, SenderSettleMode};
use amqp_proto::{Event, SendError};
use bytes::Bytes;
use common::wire::{Wire, credit};

fn payload(len: usize) -> Payload {
    Bytes::from(vec![7; len]).into()
}

/// L-MODE-01, L-MODE-02, L-MODE-03: each end decides the mode of its own role and requests that of the other role.
/// The end that answers grants the request unless its options say otherwise.
#[test]
fn l_mode_01_the_mode_of_each_end_is_its_own() {
    use ReceiverSettleMode::{First, Second};
    use SenderSettleMode::{Mixed, Settled, Unsettled};
    // The sender's request and own mode, the receiver's own mode and request, and the modes in force.
    let cases = [
        (None, None, None, None, Mixed, First),
        (Some(Unsettled), None, None, Some(Mixed), Unsettled, First),
        (Some(Settled), Some(Second), None, None, Settled, Second),
        (None, Some(Second), Some(First), None, Mixed, First),
        (None, None, Some(Second), None, Mixed, Second),
    ];
    for (snd, wished_rcv, rcv, wished_snd, snd_in_force, rcv_in_force) in cases {
        let mut pair = Pair::opened();
        let mut sender = SenderOptions::to("x");
        let mut receiver = ReceiverOptions::new();
        if let Some(mode) = snd {
            sender = sender.with_snd_settle_mode(mode);
        }
        if let Some(mode) = wished_rcv {
            sender = sender.with_rcv_settle_mode(mode);
        }
        if let Some(mode) = rcv {
            receiver = receiver.with_rcv_settle_mode(mode);
        }
        if let Some(mode) = wished_snd {
            receiver = receiver.with_snd_settle_mode(mode);
        }
        pair.server.receiver_options = receiver;
        let link = pair.client.attach_sender_with("x", sender);
        pair.drive();
        let LinkKey::Receiver(other) = pair.server.expect_attach().key() else { panic!() };
        let at_client = pair.client.sender(link).unwrap();
        assert_eq!((at_client.snd_settle_mode(), at_client.rcv_settle_mode()), (snd_in_force, rcv_in_force));
        let at_server = pair.server.receiver(other).unwrap();
        assert_eq!((at_server.snd_settle_mode(), at_server.rcv_settle_mode()), (snd_in_force, rcv_in_force));
    }
}

/// L-MODE-02: a receiver that requests settled messages gets them from a sender without a mode of its own.
#[test]
fn l_mode_02_a_wish_is_honoured() {
    for (mode, octet) in
        [(SenderSettleMode::Unsettled, 0), (SenderSettleMode::Settled, 1), (SenderSettleMode::Mixed, 2)]
    {
        let mut wire = Wire::begun();
        let asks = attach("x", 0, true).ubyte(octet).null().terminus(0x28, "a").terminus(0x29, "b");
        wire.peer_sends(asks);
        let LinkKey::Sender(link) = wire.offered() else { panic!() };
        wire.engine.sender(link).unwrap().accept_link(SenderOptions::new()).unwrap();
        assert_eq!(wire.engine.sender(link).unwrap().snd_settle_mode(), mode);
        let answer = attach("x", 0, false);
        let answer = if octet == 2 { answer.null() } else { answer.ubyte(octet) };
        wire.engine_wrote([answer.null().terminus(0x28, "a").terminus(0x29, "b").nulls(2).uint(0)]);
    }
}

/// L-MODE-04, T-XFER-08, T-XFER-09: a send that the mode does not allow is refused; if the mode leaves a choice,
/// messages are sent unsettled.
#[test]
fn l_mode_04_sends_that_a_mode_allows() {
    use SenderSettleMode::{Mixed, Settled, Unsettled};
    for (mode, asked, settled) in [
        (Unsettled, None, Some(false)),
        (Unsettled, Some(false), Some(false)),
        (Unsettled, Some(true), None),
        (Settled, None, Some(true)),
        (Settled, Some(true), Some(true)),
        (Settled, Some(false), None),
        (Mixed, None, Some(false)),
        (Mixed, Some(false), Some(false)),
        (Mixed, Some(true), Some(true)),
    ] {
        let mut wire = Wire::begun();
        let link = wire.sender(SenderOptions::new().with_snd_settle_mode(mode), 5);
        let mut options = SendOptions::new();
        if let Some(settled) = asked {
            options = options.with_settled(settled);
        }
        let mut sender = wire.engine.sender(link).unwrap();
        let sent = sender.send_payload(&payload(1), &options);
        match settled {
            None => {
                assert_eq!(sent, Err(SendError::SettleMode));
                assert_eq!((sender.credit(), sender.unsettled_len()), (5, 0));
                wire.engine_wrote([]);
            }
            Some(settled) => {
                assert_eq!(sender.unsettled_len(), u32::from(!settled));
                let frame = transfer(0, 0, &[0; 4]).payload([7]);
                wire.engine_wrote([if settled { frame.boolean(true) } else { frame }]);
            }
        }
    }
}

/// T-XFER-08, T-XFER-09: a transfer that the sender's mode does not allow closes the link with not-allowed; an
/// aborted delivery is settled in any mode.
#[test]
fn t_xfer_08_transfers_that_a_mode_allows() {
    let more = || Literal::new(0x14).uint(0);
    let first = |settled: Option<bool>, has_more| match settled {
        Some(settled) => transfer(0, 0, b"t").boolean(settled).boolean(has_more),
        None => transfer(0, 0, b"t").null().boolean(has_more),
    };
    let cases: Vec<(u8, Vec<Literal>, bool)> = vec![
        (0, vec![first(None, false)], true),
        (0, vec![first(Some(false), false)], true),
        (0, vec![first(Some(true), false)], false),
        (0, vec![first(None, true), more().nulls(3).boolean(true)], false),
        (0, vec![first(None, true), more().nulls(3).boolean(true).nulls(4).boolean(true)], true),
        (1, vec![first(Some(true), false)], true),
        (1, vec![first(None, true), more().nulls(3).boolean(true)], true),
        (1, vec![first(None, false)], false),
        (1, vec![first(Some(false), true), more()], false),
        (2, vec![first(None, false)], true),
        (2, vec![first(Some(true), false)], true),
    ];
    for (mode, frames, is_allowed) in cases {
        let mut wire = Wire::begun();
        let asks = attach("x", 0, false).ubyte(mode).null().terminus(0x28, "a").terminus(0x29, "b");
        wire.peer_sends(asks.nulls(2).uint(0));
        let LinkKey::Receiver(link) = wire.offered() else { panic!() };
        wire.engine.receiver(link).unwrap().accept_link(ReceiverOptions::new()).unwrap();
        wire.octets();
        for frame in frames {
            wire.peer_sends(frame);
        }
        let lines = wire.lines();
        if is_allowed {
            assert_eq!(lines, [""; 0]);
        } else {
            assert!(lines.len() == 1 && lines[0].contains("amqp:not-allowed"), "{mode}: {lines:?}");
            assert!(matches!(wire.events().last(), Some(Event::LinkDetached { closed: true, .. })));
        }
    }
}

/// L-MODE-05: a receiver of mode first settles with its outcome, one of mode second after the sender.
#[test]
fn l_mode_05_the_end_that_settles_first() {
    for (mode, ours, theirs) in [(ReceiverSettleMode::First, 0, 0), (ReceiverSettleMode::Second, 1, 1)] {
        let mut pair = Pair::opened();
        pair.server.receiver_options = ReceiverOptions::new().with_rcv_settle_mode(mode);
        let options = SenderOptions::to("x").with_auto_settle(false);
        let sender = pair.client.attach_sender_with("x", options);
        pair.drive();
        let LinkKey::Receiver(receiver) = pair.server.expect_attach().key() else { panic!() };
        let sent = pair.client.sender(sender).unwrap().send("x").unwrap();
        pair.drive();
        pair.server.receiver(receiver).unwrap().accept_all();
        pair.drive();
        assert_eq!(pair.server.receiver(receiver).unwrap().unsettled_len(), ours);
        assert_eq!(pair.client.sender(sender).unwrap().unsettled_len(), theirs);
        let settled = pair.client.sender(sender).unwrap().settle(sent);
        assert_eq!(settled.is_ok(), theirs == 1);
        pair.drive();
        assert_eq!(pair.server.receiver(receiver).unwrap().unsettled_len(), 0);
    }
}

/// L-MSG-01, L-MSG-03: a max-message-size of 0 is no limit; a message beyond the peer's limit is refused at this end,
/// and the link stays.
#[test]
fn l_msg_03_a_message_larger_than_the_peer_takes() {
    for (limit, announced) in [(None, None), (None, Some(0)), (Some(1_000), Some(1_000))] {
        let mut wire = Wire::begun();
        let asks = attach("x", 0, true).nulls(2).terminus(0x28, "a").terminus(0x29, "b").nulls(3);
        wire.peer_sends(match announced {
            Some(size) => asks.ulong(size),
            None => asks,
        });
        let LinkKey::Sender(link) = wire.offered() else { panic!() };
        wire.engine.sender(link).unwrap().accept_link(SenderOptions::new()).unwrap();
        wire.peer_sends(credit(0, 0, 9)).events();
        let mut sender = wire.engine.sender(link).unwrap();
        assert_eq!(sender.max_message_size(), limit);
        let large = sender.send_payload(&payload(1_001), &SendOptions::new());
        assert_eq!(large.is_ok(), limit.is_none());
        assert!(limit.is_none() || large == Err(SendError::TooLarge(1_000)));
        sender.send_payload(&payload(1_000), &SendOptions::new()).unwrap();
        sender.begin_delivery(&SendOptions::new()).unwrap();
        sender.write(vec![7; 999]).unwrap();
        let part = sender.write(vec![7; 2]);
        assert!(limit.is_none() || part == Err(SendError::TooLarge(1_000)));
        sender.write(vec![7]).unwrap();
        sender.finish().unwrap();
        assert!(sender.is_attached());
    }
}

/// L-MSG-03: a data section is added as a whole or not at all, and its header counts, too.
#[test]
fn l_msg_03_a_data_section_larger_than_the_peer_takes() {
    let mut pair = Pair::opened();
    pair.server.receiver_options = ReceiverOptions::new().with_max_message_size(20);
    let (sender, receiver) = pair.link("x");
    let mut sender = pair.client.sender(sender).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    assert_eq!(sender.write_data(vec![7; 16]), Err(SendError::TooLarge(20)));
    sender.write_data(vec![7; 8]).unwrap();
    assert_eq!(sender.write_data(vec![7; 3]), Err(SendError::TooLarge(20)));
    sender.write_data(vec![8; 2]).unwrap();
    sender.finish().unwrap();
    pair.drive();
    let message = pair.server.receiver(receiver).unwrap().receive().unwrap().message().unwrap().to_message();
    assert_eq!(message.unwrap().bytes().unwrap(), [7, 7, 7, 7, 7, 7, 7, 7, 8, 8].as_slice());
}

/// L-MSG-02: a message beyond this end's limit closes the link with message-size-exceeded, once its frames together
/// exceed the limit.
#[test]
fn l_msg_02_a_message_larger_than_this_end_takes() {
    let part = |frame: Literal, len| frame.payload(vec![7; len]);
    let first = || transfer(0, 0, b"t").null().boolean(true);
    let more = || Literal::new(0x14).uint(0).nulls(4).boolean(true);
    for streaming in [false, true] {
        let mut wire = Wire::begun();
        let options = ReceiverOptions::new().with_max_message_size(1_000).with_streaming(streaming);
        let link = wire.receiver(options);
        wire.peer_sends(part(first(), 400))
            .peer_sends(part(more(), 400))
            .peer_sends(part(Literal::new(0x14).uint(0), 200));
        assert!(!wire.events().is_empty());
        let taken = wire.engine.receiver(link).unwrap().receive().unwrap();
        assert_eq!(taken.payload().len(), 1_000);
        let again = transfer(0, 1, b"u").null().boolean(true);
        wire.peer_sends(part(again, 400)).peer_sends(part(more(), 400)).peer_sends(part(more(), 201));
        assert!(matches!(wire.events().last(), Some(Event::LinkDetached { closed: true, .. })));
        assert!(wire.lines()[0].contains("amqp:link:message-size-exceeded"));
    }
}

/// L-MSG-01: a limit is announced; no limit is not. Messages that are not read as they arrive have the limit of the memory.
#[test]
fn l_msg_01_the_limit_is_announced() {
    for (size, streaming, announced) in
        [(0, true, None), (0, false, Some(32 << 20)), (7, true, Some(7)), (7, false, Some(7))]
    {
        let mut pair = Pair::opened();
        let options = ReceiverOptions::new().with_max_message_size(size).with_streaming(streaming);
        pair.server.receiver_options = options;
        let (sender, _) = pair.link("x");
        let mut sender = pair.client.sender(sender).unwrap();
        assert_eq!(sender.max_message_size(), announced);
        assert_eq!(sender.peer_attach().unwrap().max_message_size, announced);
        let sent = sender.send_payload(&payload(8), &SendOptions::new());
        assert_eq!(sent.is_ok(), announced != Some(7));
    }
}
