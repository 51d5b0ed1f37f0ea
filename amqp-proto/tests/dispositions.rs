//! Dispositions that this end sends: merged, in order, and in time [2.7.6].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, Pair, close, detach, disposition, end, transfer};
use amqp_proto::types::{DeliveryKey, DeliveryTag, Limits, LinkKey, ReceiverKey, TransactionId};
use amqp_proto::wire::{
    AmqpError, Condition, DeliveryState, Outcome, Received, ReceiverSettleMode, TransactionalState,
};
use amqp_proto::{Event, SettleError};
use bytes::{Buf, Bytes};
use common::wire::Wire;

const ACCEPTED: &str = "00532445";
/// The transactional state: accepted in transaction "t".
const RETIRED: &str = "005334 c00802 a00174 00532445";

fn transaction() -> TransactionId {
    TransactionId::new(b"t").unwrap()
}

fn accepted(first: u32, last: Option<u32>) -> Literal {
    disposition(true, first, last).boolean(true).raw(ACCEPTED)
}

/// A peer that has sent this number of messages on one link, and the deliveries received.
fn received(count: u32, mode: ReceiverSettleMode) -> (Wire, ReceiverKey, Vec<DeliveryKey>) {
    let mut wire = Wire::begun();
    let options = ReceiverOptions::new().with_prefetch(0).with_rcv_settle_mode(mode);
    let link = wire.receiver(options);
    wire.engine.receiver(link).unwrap().set_credit(count).unwrap();
    wire.octets();
    (0..count).for_each(|id| {
        wire.peer_sends(transfer(0, id, &id.to_be_bytes()).payload("x"));
    });
    assert_eq!(wire.events().len(), count as usize);
    let mut receiver = wire.engine.receiver(link).unwrap();
    let keys = std::iter::from_fn(|| receiver.receive().map(|delivery| delivery.key())).collect();
    (wire, link, keys)
}

/// T-DISP-20: equal states of neighbouring deliveries are merged into one range, in whatever order the application
/// sets them. A gap or another outcome begins a new range.
#[test]
fn t_disp_20_neighbours_are_merged() {
    let (mut wire, link, keys) = received(10, ReceiverSettleMode::First);
    let mut receiver = wire.engine.receiver(link).unwrap();
    for at in [0, 2, 1, 3, 6, 5] {
        receiver.accept(keys[at]).unwrap();
    }
    receiver.release(keys[4]).unwrap();
    receiver.reject(keys[8], None).unwrap();
    receiver.reject(keys[9], None).unwrap();
    wire.engine_wrote([
        accepted(0, Some(3)),
        accepted(5, Some(6)),
        disposition(true, 4, None).boolean(true).raw("00532645"),
        disposition(true, 8, Some(9)).boolean(true).raw("00532545"),
    ]);
    wire.engine.receiver(link).unwrap().accept_all();
    wire.engine_wrote([accepted(7, None)]);
}

/// T-DISP-20: ranges span links, and all deliveries until output is taken.
#[test]
fn t_disp_20_ranges_over_links() {
    let mut wire = Wire::begun();
    let links = [0, 1].map(|handle| wire.receiver_on(handle, &format!("{handle}"), ReceiverOptions::new()));
    for id in 0..100_u32 {
        wire.peer_sends(transfer(id % 2, id, &id.to_be_bytes()));
        let Event::Message { receiver, delivery } = wire.event() else { panic!() };
        assert_eq!(receiver, links[id as usize % 2]);
        let mut receiver = wire.engine.receiver(receiver).unwrap();
        let _ = receiver.receive().unwrap();
        receiver.accept(delivery).unwrap();
    }
    assert!(wire.lines()[0].contains("first: 0, last: 99"));
}

/// T-DISP-07, T-DISP-16: a settlement is never sent before the delivery's outcome, not even if neighbours without an
/// outcome are settled.
#[test]
fn t_disp_07_settled_behind_its_outcome() {
    let (mut wire, link, keys) = received(3, ReceiverSettleMode::First);
    let mut receiver = wire.engine.receiver(link).unwrap();
    receiver.settle(keys[0]).unwrap();
    receiver.retire(keys[1], transaction(), Outcome::Accepted).unwrap();
    receiver.settle(keys[1]).unwrap();
    wire.engine_wrote([
        disposition(true, 0, None).boolean(true),
        disposition(true, 1, None).null().raw(RETIRED),
        disposition(true, 1, None).boolean(true),
    ]);
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 9);
    let mut sender = wire.engine.sender(link).unwrap();
    let keys = [0, 1].map(|_| sender.send_payload(&Bytes::new().into(), &SendOptions::new()).unwrap());
    wire.octets();
    let mut sender = wire.engine.sender(link).unwrap();
    sender.settle(keys[0]).unwrap();
    sender.update(keys[1], &Outcome::Accepted.into()).unwrap();
    sender.settle(keys[1]).unwrap();
    wire.engine_wrote([
        disposition(false, 0, None).boolean(true),
        disposition(false, 1, None).null().raw(ACCEPTED),
        disposition(false, 1, None).boolean(true),
    ]);
}

/// T-XFER-06, T-DISP-18: dispositions of sent deliveries go out before a later transfer, or the peer would see a tag
/// twice. Dispositions made together stay merged.
#[test]
fn t_xfer_06_a_settlement_goes_out_before_a_later_transfer() {
    let tagged = SendOptions::new().with_tag(DeliveryTag::new(b"t").unwrap());
    let large = Bytes::from(vec![7; 700]);
    for octets in [Bytes::from_static(b"x"), large] {
        for streams in [false, true] {
            let mut wire = Wire::framed(512, 99);
            let link = wire.sender(SenderOptions::new(), 9);
            let mut sender = wire.engine.sender(link).unwrap();
            let first = sender.send_payload(&Bytes::new().into(), &tagged).unwrap();
            let second = sender.send_payload(&Bytes::new().into(), &SendOptions::new()).unwrap();
            wire.octets();
            let mut sender = wire.engine.sender(link).unwrap();
            sender.settle(first).unwrap();
            sender.settle(second).unwrap();
            if streams {
                sender.begin_delivery(&tagged).unwrap();
                sender.write(octets.clone()).unwrap();
                sender.finish().unwrap();
            } else {
                sender.send_payload(&octets.clone().into(), &tagged).unwrap();
            }
            let lines = wire.lines();
            assert!(lines[0].contains("disposition") && lines[0].contains("last: 1"), "{lines:?}");
            assert!(lines[1..].iter().all(|line| line.contains("transfer")), "{lines:?}");
        }
    }
}

/// T-XFER-06, T-DISP-16: dispositions that the engine sends when the receiver has sent an outcome go out before a
/// later transfer, too, although dispositions of received deliveries wait.
#[test]
fn t_xfer_06_a_settlement_by_itself_goes_out_before_a_later_transfer() {
    let tagged = SendOptions::new().with_tag(DeliveryTag::new(b"t").unwrap());
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 9);
    for id in 0..3 {
        wire.engine.sender(link).unwrap().send_payload(&Bytes::new().into(), &tagged).unwrap();
        let frame = transfer(0, id, b"t");
        match id {
            0 => wire.engine_wrote([frame]),
            _ => wire.engine_wrote([disposition(false, id - 1, None).boolean(true), frame]),
        }
        wire.peer_sends(disposition(true, id, None).null().raw(ACCEPTED));
        assert!(matches!(wire.event(), Event::Updated { settled: true, .. }));
    }
}

/// T-DISP-18: dispositions also go out between the frames of one delivery, before later frames.
#[test]
fn t_disp_18_dispositions_go_out_before_a_later_frame() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 9);
    let mut sender = wire.engine.sender(link).unwrap();
    let keys = [0, 1].map(|_| sender.send_payload(&Bytes::new().into(), &SendOptions::new()).unwrap());
    wire.octets();
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    for (key, piece) in keys.into_iter().zip(["a", "b"]) {
        sender.settle(key).unwrap();
        sender.write(piece).unwrap();
    }
    let lines = wire.lines();
    let names: Vec<_> = lines.iter().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(names, ["disposition", "transfer", "disposition", "transfer"], "{lines:?}");
}

/// X-RET-01, [4.4.2]: dispositions in a transaction go out before a later transfer on any session, which may
/// discharge the transaction. Dispositions made together stay merged.
#[test]
fn x_ret_01_a_retirement_goes_out_before_a_later_transfer() {
    for on_another in [false, true] {
        for settles in [false, true] {
            let mut pair = Pair::opened();
            let (receiver, control) = (pair.client.attach_receiver("work"), pair.client.attach_sender("c"));
            let control = match on_another {
                true => {
                    let session = pair.client.begin(SessionOptions::new()).unwrap();
                    let mut session = pair.client.session(session).unwrap();
                    session.attach_sender("control", SenderOptions::to("control")).unwrap()
                }
                false => control,
            };
            pair.drive();
            let LinkKey::Sender(work) = pair.server.expect_attach().key() else { panic!() };
            for _ in 0..3 {
                pair.server.sender(work).unwrap().send("x").unwrap();
            }
            pair.drive();
            pair.clear_trace();
            let mut at_client = pair.client.receiver(receiver).unwrap();
            let keys: Vec<_> = at_client.unsettled().collect();
            let state = DeliveryState::Transactional(Box::new(TransactionalState {
                outcome: Some(Outcome::Accepted),
                ..TransactionalState::new(transaction())
            }));
            for key in keys {
                match settles {
                    true => at_client.dispose(key, &state).unwrap(),
                    false => at_client.retire(key, transaction(), Outcome::Accepted).unwrap(),
                }
            }
            pair.client.sender(control).unwrap().send("discharge").unwrap();
            pair.drive();
            let sent: Vec<_> = pair
                .trace()
                .into_iter()
                .filter(|line| line.starts_with("client") && !line.contains("flow"))
                .collect();
            assert_eq!(sent.len(), 2, "{sent:?}");
            assert!(sent[0].contains("disposition") && sent[0].contains("last: 2"), "{sent:?}");
            assert!(sent[1].contains("transfer"), "{sent:?}");
        }
    }
}

/// T-DISP-20: dispositions of received deliveries wait to be merged while messages are sent, which no peer can
/// notice.
#[test]
fn t_disp_20_outcomes_wait_while_messages_are_sent() {
    let (mut wire, link, keys) = received(4, ReceiverSettleMode::First);
    let out = wire.sender_on(1, "out", SenderOptions::new(), 9);
    for key in keys {
        wire.engine.receiver(link).unwrap().accept(key).unwrap();
        wire.engine.sender(out).unwrap().send("answer").unwrap();
    }
    let lines = wire.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("disposition")).count(), 1, "{lines:?}");
}

/// T-DISP-21, M-STATE-01: states that are not outcomes are sent one by one, in order.
#[test]
fn t_disp_21_a_state_without_outcome_is_not_merged() {
    let (mut wire, link, keys) = received(1, ReceiverSettleMode::First);
    let mut receiver = wire.engine.receiver(link).unwrap();
    for offset in [0, 5] {
        receiver.dispose(keys[0], &DeliveryState::Received(Received::new(0, offset))).unwrap();
    }
    receiver.accept(keys[0]).unwrap();
    wire.engine_wrote([
        disposition(true, 0, None).null().raw("005323 c00302 43 44"),
        disposition(true, 0, None).null().raw("005323 c00402 43 5305"),
        accepted(0, None),
    ]);
}

/// T-DISP-21: at neither end are they merged with equal states or with later states of their deliveries.
#[test]
fn t_disp_21_a_state_without_outcome_goes_out_alone() {
    const RECEIVED: &str = "005323 c00302 43 44";
    let begun = DeliveryState::Received(Received::new(0, 0));
    let (mut wire, link, keys) = received(2, ReceiverSettleMode::First);
    let mut receiver = wire.engine.receiver(link).unwrap();
    keys.iter().for_each(|key| receiver.dispose(*key, &begun).unwrap());
    wire.engine_wrote([0, 1].map(|id| disposition(true, id, None).null().raw(RECEIVED)));

    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 9);
    let mut sender = wire.engine.sender(link).unwrap();
    let keys = [0, 1].map(|_| sender.send_payload(&Bytes::new().into(), &SendOptions::new()).unwrap());
    wire.octets();
    let mut sender = wire.engine.sender(link).unwrap();
    sender.settle(keys[0]).unwrap();
    let retired = TransactionalState::new(transaction());
    sender.update(keys[1], &DeliveryState::Transactional(retired.into())).unwrap();
    sender.settle(keys[1]).unwrap();
    wire.engine_wrote([
        disposition(false, 0, None).boolean(true),
        disposition(false, 1, None).null().raw("005334 c00401 a00174"),
        disposition(false, 1, None).boolean(true),
    ]);
}

/// T-DISP-07, T-DISP-18: an outcome set by the sender goes out before the settlement that answers the receiver, even
/// if a neighbour without an outcome is settled.
#[test]
fn t_disp_07_own_outcome_goes_out_before_the_settlement() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 9);
    let mut sender = wire.engine.sender(link).unwrap();
    let keys = [0, 1].map(|_| sender.send_payload(&Bytes::new().into(), &SendOptions::new()).unwrap());
    wire.octets();
    wire.peer_sends(disposition(true, 0, None).null().raw(ACCEPTED));
    assert_eq!(wire.events().len(), 1);
    wire.engine.sender(link).unwrap().update(keys[1], &Outcome::Released.into()).unwrap();
    wire.peer_sends(disposition(true, 1, None).null().raw(ACCEPTED));
    assert_eq!(wire.events().len(), 1);
    wire.engine_wrote([
        disposition(false, 0, None).boolean(true),
        disposition(false, 1, None).null().raw("00532645"),
        disposition(false, 1, None).boolean(true),
    ]);
}

/// F-MAX-02: an outcome too long for the peer's frames is sent without its details.
#[test]
fn f_max_02_an_outcome_that_is_too_long() {
    let mut wire = Wire::framed(512, 99);
    let link = wire.receiver(ReceiverOptions::new());
    wire.peer_sends(transfer(0, 0, b"t"));
    let Event::Message { delivery, .. } = wire.event() else { panic!() };
    let error = AmqpError::new(Condition::NotFound).with_description("d".repeat(600));
    wire.engine.receiver(link).unwrap().reject(delivery, error).unwrap();
    let lines = wire.lines();
    assert!(
        lines.len() == 1 && lines[0].contains("rejected") && lines[0].contains("amqp:not-found"),
        "{lines:?}"
    );
}

/// C-CLOSE-01, L-DET-01: dispositions go out before the end of their link, session or connection, however full the
/// output is. Afterwards, none is sent or accepted.
#[test]
fn c_close_01_outcomes_go_out_before_the_end() {
    for depth in 0..3 {
        let limits = Limits::DEFAULT.with_output_octets(1);
        let mut wire = Wire::begun_with(limits, SessionOptions::new(), 99);
        let link = wire.receiver(ReceiverOptions::new());
        wire.peer_sends(transfer(0, 0, b"0")).peer_sends(transfer(0, 1, b"1"));
        let keys: Vec<_> = wire.engine.receiver(link).unwrap().unsettled().collect();
        wire.events();
        let keys =
            if keys.len() == 2 { keys } else { wire.engine.receiver(link).unwrap().unsettled().collect() };
        wire.engine.receiver(link).unwrap().echo().unwrap();
        assert!(wire.engine.output().has_remaining());
        wire.engine.receiver(link).unwrap().accept(keys[0]).unwrap();
        let last = match depth {
            0 => {
                wire.engine.receiver(link).unwrap().close().unwrap();
                detach(0, true)
            }
            1 => {
                wire.session().end().unwrap();
                end()
            }
            _ => {
                assert!(wire.engine.close());
                close()
            }
        };
        assert_eq!(wire.engine.receiver(link).unwrap().accept(keys[1]), Err(SettleError::Ended));
        let octets = wire.octets();
        let expected = [accepted(0, None), last].map(|frame| frame.to_octets()).concat();
        assert!(octets.ends_with(&expected), "{depth}: {}", common::hex(&octets));
    }
}

/// [2.7.6]: all deliveries of a range are told before the end of their link, although both come in one read.
#[test]
fn a_range_is_told_before_the_end_of_its_link() {
    for last in [detach(0, true), detach(0, false), end(), close()] {
        let mut wire = Wire::begun();
        let link = wire.sender(SenderOptions::new(), 10);
        let sent = ["a", "b", "c"].map(|body| wire.engine.sender(link).unwrap().send(body).unwrap());
        wire.octets();
        let told = disposition(true, 0, Some(2)).boolean(true).raw("00532445");
        wire.peer_sends([told, last]);
        let events = wire.events();
        let updated = |event: &Event| match event {
            Event::Updated { delivery, .. } => Some(*delivery),
            _ => None,
        };
        assert!(events.iter().take(3).filter_map(updated).eq(sent), "{events:?}");
        assert!(events.len() > 3 && !events[3..].iter().any(|event| updated(event).is_some()), "{events:?}");
    }
}

/// [2.6.12]: an application that takes no more releases the unsettled messages that wait. What the sender has settled
/// stays, as does an incomplete message.
#[test]
fn untaken_messages_are_released() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new());
    wire.peer_sends([
        transfer(0, 0, b"a").payload(*b"x"),
        transfer(0, 1, b"b").boolean(true).payload(*b"y"),
        transfer(0, 2, b"c").payload(*b"z"),
        transfer(0, 3, b"d").null().boolean(true).payload(*b"part"),
    ]);
    wire.events();
    wire.octets();
    let mut receiver = wire.engine.receiver(link).unwrap();
    receiver.release_untaken();
    assert!(
        receiver.receive().is_some_and(|delivery| delivery.is_settled() && delivery.tag().as_ref() == b"b")
    );
    assert!(receiver.receive().is_none());
    assert_eq!(receiver.unsettled().count(), 1);
    let released: Vec<_> = wire.lines().into_iter().filter(|line| line.contains("disposition")).collect();
    let ids = ["first: 0", "first: 2"];
    assert_eq!(released.len(), ids.len(), "{released:?}");
    assert!(
        released.iter().zip(ids).all(|(line, id)| line.contains("released") && line.contains(id)),
        "{released:?}"
    );
}
