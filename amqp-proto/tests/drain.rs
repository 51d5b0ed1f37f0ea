//! Draining: the sender uses its credit or gives it back [2.6.7] [2.6.8].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions};
use amqp_proto::message::Payload;
use amqp_proto::testing::{Literal, Pair, attach_receiver, detach, flow, transfer};
use amqp_proto::types::{Moment, ReceiverKey, SenderKey};
use amqp_proto::{Deadline, Event};
use bytes::Bytes;
use common::wire::{Wire, credit};

/// The peer's drain flow with this credit, counted from this delivery-count.
fn drain(delivery_count: u32, credit: u32) -> Literal {
    flow(Some(0), 2048, 0, 2048).uint(0).uint(delivery_count).uint(credit).null().boolean(true)
}

/// The sender's answer to a drain: all credit is counted, none is left.
fn drained(frames: u32, delivery_count: u32, credit: u32) -> Literal {
    let session = flow(Some(0), 512, frames, 0x7fff_ffff);
    session.uint(0).uint(delivery_count).uint(credit).null().boolean(true)
}

fn payload(text: &'static str) -> Payload {
    Bytes::from_static(text.as_bytes()).into()
}

/// A pair with a link on which the server receives, with this credit and no prefetch.
fn linked(credit: u32) -> (Pair, amqp_proto::types::SenderKey, ReceiverKey) {
    let mut pair = Pair::opened();
    pair.server.receiver_options = ReceiverOptions::new().with_prefetch(0);
    let (sender, receiver) = pair.link("x");
    if credit > 0 {
        pair.server.receiver(receiver).unwrap().set_credit(credit).unwrap();
        pair.drive();
    }
    pair.client.events();
    pair.server.events();
    (pair, sender, receiver)
}

/// T-DRAIN-01, T-DRAIN-06: with no messages, the sender gives back all credit at once, by a flow.
#[test]
fn t_drain_01_nothing_to_send() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(drain(0, 10));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    assert!(wire.engine.sender(link).unwrap().is_draining());
    wire.engine_wrote([drained(0, 10, 0)]);
    assert_eq!(wire.engine.sender(link).unwrap().delivery_count().get(), 10);
    wire.quiet();
}

/// [2.6.7]: more credit is no news for a sender that has some, whoever answers the drains.
#[test]
fn more_credit_is_told_once() {
    for options in [SenderOptions::new(), SenderOptions::new().with_auto_drain(false)] {
        let mut wire = Wire::begun();
        let link = wire.sender(options, 0);
        wire.peer_sends(credit(0, 0, 5));
        assert_eq!(wire.events(), [Event::Sendable(link)]);
        wire.peer_sends(credit(0, 0, 9));
        assert_eq!(wire.events(), []);
    }
}

/// T-DRAIN-02: messages sent in answer to the event go first, and the rest of the credit is given back behind them,
/// also if output is taken before the events.
#[test]
fn t_drain_02_waiting_messages_go_first() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(drain(0, 5));
    assert_eq!(wire.lines(), [""; 0]);
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    for _ in 0..2 {
        wire.engine.sender(link).unwrap().send_payload(&payload("x"), &SendOptions::new()).unwrap();
    }
    wire.engine_wrote([
        transfer(0, 0, &[0, 0, 0, 0]).payload("x"),
        transfer(0, 1, &[0, 0, 0, 1]).payload("x"),
        drained(2, 5, 0),
    ]);
}

/// T-DRAIN-03: the receiver gets one event and has no credit left.
#[test]
fn t_drain_03_the_receiver_gets_one_event() {
    let (mut pair, _, receiver) = linked(5);
    pair.server.receiver(receiver).unwrap().drain().unwrap();
    pair.drive();
    assert_eq!(pair.server.events(), [Event::Drained(receiver)]);
    let mut at_server = pair.server.receiver(receiver).unwrap();
    assert_eq!((at_server.credit(), at_server.delivery_count().unwrap().get()), (0, 5));
    at_server.echo().unwrap();
    pair.drive();
    pair.server.expect_quiet();
}

/// T-DRAIN-04: a sender answers a drain without credit. The receiver gets its event at once, since not every sender
/// answers.
#[test]
fn t_drain_04_without_credit() {
    let mut wire = Wire::begun();
    wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(drain(0, 0));
    wire.engine_wrote([drained(0, 0, 0)]);
    let (mut pair, _, receiver) = linked(0);
    pair.server.receiver(receiver).unwrap().drain().unwrap();
    pair.drive();
    assert_eq!(pair.server.events(), [Event::Drained(receiver)]);
}

/// T-DRAIN-05: a drain lasts until a flow of the receiver ends it.
#[test]
fn t_drain_05_draining_lasts() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(drain(0, 1));
    wire.events();
    wire.engine_wrote([drained(0, 1, 0)]);
    wire.peer_sends(drain(1, 2));
    wire.events();
    wire.engine_wrote([drained(0, 3, 0)]);
    wire.peer_sends(credit(0, 3, 2));
    wire.events();
    assert_eq!(wire.lines(), [""; 0]);
    assert_eq!(
        (wire.engine.sender(link).unwrap().credit(), wire.engine.sender(link).unwrap().is_draining()),
        (2, false)
    );
}

/// T-DRAIN-05: prefetch stops during a drain and stays off until credit is set.
#[test]
fn t_drain_05_nothing_is_asked_for_ahead() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new().with_prefetch(2));
    wire.engine.receiver(link).unwrap().drain().unwrap();
    wire.octets();
    wire.peer_sends(transfer(0, 0, b"1")).peer_sends(transfer(0, 1, b"2"));
    let events = wire.events();
    assert_eq!(events.len(), 3);
    assert_eq!(events[2], Event::Drained(link));
    let mut receiver = wire.engine.receiver(link).unwrap();
    while let Some(delivery) = receiver.receive() {
        receiver.accept(delivery.key()).unwrap();
    }
    assert!(wire.lines().iter().all(|line| !line.contains("flow")));
    wire.engine.receiver(link).unwrap().set_credit(2).unwrap();
    assert!(wire.lines()[0].contains("link_credit: 2"));
}

/// T-DRAIN-07: credit is not given back during an incomplete delivery; one flow answers after the last frame.
#[test]
fn t_drain_07_in_the_middle_of_a_delivery() {
    for aborts in [false, true] {
        let mut wire = Wire::begun();
        let link = wire.sender(SenderOptions::new(), 3);
        let mut sender = wire.engine.sender(link).unwrap();
        sender.begin_delivery(&SendOptions::new()).unwrap();
        sender.write("one").unwrap();
        wire.octets();
        wire.peer_sends(drain(0, 3)).events();
        wire.engine_wrote([]);
        let mut sender = wire.engine.sender(link).unwrap();
        sender.write("two").unwrap();
        if aborts { sender.abort() } else { sender.finish() }.unwrap();
        wire.events();
        let rest = |aborted| {
            let frame = Literal::new(0x14).uint(0);
            if aborted { frame.nulls(8).boolean(true) } else { frame }
        };
        wire.engine_wrote([
            Literal::new(0x14).uint(0).nulls(4).boolean(true).payload("two"),
            rest(aborts),
            drained(3, 3, 0),
        ]);
    }
}

/// T-DRAIN-01: a sender without auto-drain gives credit back only when the application says so.
#[test]
fn t_drain_01_by_hand() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new().with_auto_drain(false), 0);
    wire.peer_sends(drain(0, 2)).events();
    wire.engine_wrote([]);
    wire.engine.sender(link).unwrap().send_payload(&payload("x"), &SendOptions::new()).unwrap();
    wire.engine.sender(link).unwrap().drained().unwrap();
    wire.engine_wrote([transfer(0, 0, &[0, 0, 0, 0]).payload("x"), drained(1, 2, 0)]);
    wire.engine.sender(link).unwrap().drained().unwrap();
    wire.quiet();
}

/// T-DRAIN-01, T-DRAIN-02: a sender without auto-drain answers by itself, once, when its messages have used all
/// credit.
#[test]
fn t_drain_02_the_last_message_ends_the_drain() {
    for octets in [1, 1_000] {
        let mut wire = Wire::framed(512, 99);
        let link = wire.sender(SenderOptions::new().with_auto_drain(false), 0);
        wire.peer_sends(drain(0, 2)).events();
        for left in [1, 0] {
            wire.engine.sender(link).unwrap().send(vec![7; octets]).unwrap();
            let lines = wire.lines();
            let flows = lines.iter().filter(|line| line.contains("flow")).count();
            assert_eq!(flows, usize::from(left == 0), "{lines:?}");
        }
        wire.engine.sender(link).unwrap().drained().unwrap();
        wire.quiet();
    }
}

/// T-DRAIN-07: `drained` during an incomplete delivery takes effect behind it.
#[test]
fn t_drain_07_drained_by_hand_in_the_middle_of_a_delivery() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new().with_auto_drain(false), 3);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("one").unwrap();
    wire.octets();
    wire.peer_sends(drain(0, 3)).events();
    let mut sender = wire.engine.sender(link).unwrap();
    sender.drained().unwrap();
    sender.finish().unwrap();
    wire.events();
    wire.engine_wrote([Literal::new(0x14).uint(0), drained(2, 3, 0)]);
    wire.quiet();
}

/// T-DRAIN-07, S-FLOW-03: a delivery begun while the answer waits to be written goes first. An echo request beside
/// the drain is answered at once.
#[test]
fn t_drain_07_the_answer_comes_behind_the_begun_delivery() {
    for echo in [false, true] {
        let mut wire = Wire::begun();
        let link = wire.sender(SenderOptions::new(), 0);
        wire.peer_sends(drain(0, 3).boolean(echo)).events();
        let mut sender = wire.engine.sender(link).unwrap();
        sender.begin_delivery(&SendOptions::new()).unwrap();
        sender.write("one").unwrap();
        let lines = wire.lines();
        assert_eq!(lines.iter().filter(|line| line.contains("flow")).count(), usize::from(echo), "{lines:?}");
        wire.engine.sender(link).unwrap().finish().unwrap();
        wire.events();
        wire.engine_wrote([Literal::new(0x14).uint(0), drained(2, 3, 0)]);
    }
}

/// T-AVAIL-01: a flow has `available` only if the application has set it.
#[test]
fn t_avail_01_available_is_not_made_up() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 0);
    for waiting in [None, Some(3)] {
        if let Some(waiting) = waiting {
            wire.engine.sender(link).unwrap().set_available(waiting).unwrap();
        }
        wire.peer_sends(
            flow(Some(0), 2048, 0, 2048).uint(0).uint(0).uint(0).null().boolean(false).boolean(true),
        );
        let lines = wire.lines();
        let told = lines[0].contains("available: 3");
        assert_eq!(
            (lines[0].contains("available"), told),
            (waiting.is_some(), waiting.is_some()),
            "{lines:?}"
        );
    }
}

/// L-DET-01, T-CREDIT-01: credit and drain end with a detach, at both ends; attached again, the link has no credit.
#[test]
fn l_det_01_credit_and_drain_end_with_the_attachment() {
    let mut wire = Wire::begun();
    let manual = SenderOptions::to("b").with_auto_drain(false);
    let link = wire.sender(manual.clone(), 0);
    wire.peer_sends(drain(0, 5));
    wire.events();
    let state = |wire: &mut Wire| {
        let sender = wire.engine.sender(link).unwrap();
        (sender.credit(), sender.is_draining())
    };
    assert_eq!(state(&mut wire), (5, true));
    wire.peer_sends(detach(0, false)).events();
    assert_eq!(state(&mut wire), (0, false));
    wire.octets();
    wire.session().attach_sender("out", manual).unwrap();
    wire.peer_sends(attach_receiver("out", 0, "a", "b"));
    assert_eq!(wire.events(), [Event::LinkAttached(link.into())]);
    assert_eq!(state(&mut wire), (0, false));
    assert!(wire.engine.sender(link).unwrap().drained().is_ok());
    assert!(wire.lines().iter().all(|line| !line.contains("flow")), "there is no drain to be answered");

    let (mut pair, _, receiver) = linked(5);
    pair.server.receiver(receiver).unwrap().drain().unwrap();
    pair.server.receiver(receiver).unwrap().detach().unwrap();
    pair.drive();
    assert_eq!(pair.server.receiver(receiver).unwrap().credit(), 0);
}

/// T-GET-01: after one credit and a drain, either a message or the end of the credit ends the wait. If both cross,
/// the message is reported first.
#[test]
fn t_get_01_a_message_that_crosses_the_drain() {
    let (mut pair, sender, receiver) = linked(1);
    pair.server.receiver(receiver).unwrap().drain().unwrap();
    pair.client.sender(sender).unwrap().send("just in time").unwrap();
    pair.drive();
    let events = pair.server.events();
    assert!(matches!(events[..], [Event::Message { .. }, Event::Drained(_)]), "{events:?}");
    assert!(pair.server.receiver(receiver).unwrap().receive().is_some());
}

/// T-GET-01: a message of many frames is complete before the receiver learns that its credit is used.
#[test]
fn t_get_01_a_large_message_comes_before_the_end_of_the_credit() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new().with_prefetch(0));
    let mut receiver = wire.engine.receiver(link).unwrap();
    receiver.set_credit(1).unwrap();
    receiver.drain().unwrap();
    wire.octets();
    wire.peer_sends(transfer(0, 0, b"t").null().boolean(true).payload("a"));
    wire.peer_sends(flow(Some(0), 2048, 1, 2048).uint(0).uint(1).uint(0).null().boolean(true)).quiet();
    wire.peer_sends(Literal::new(0x14).uint(0).payload("b"));
    let events = wire.events();
    assert!(matches!(events[..], [Event::Message { .. }, Event::Drained(_)]), "{events:?}");
}

/// T-DRAIN-03: a cancelled drain is not reported, and a repeated drain is reported once.
#[test]
fn t_drain_03_called_off_and_repeated() {
    let (mut pair, _, receiver) = linked(5);
    let mut at_server = pair.server.receiver(receiver).unwrap();
    at_server.drain().unwrap();
    at_server.set_credit(5).unwrap();
    pair.drive();
    pair.server.expect_quiet();
    assert_eq!(pair.server.receiver(receiver).unwrap().credit(), 5);
    for _ in 0..3 {
        pair.server.receiver(receiver).unwrap().drain().unwrap();
    }
    pair.drive();
    assert_eq!(pair.server.events(), [Event::Drained(receiver)]);
    // A detached link cannot be drained.
    pair.server.receiver(receiver).unwrap().set_credit(5).unwrap();
    pair.drive();
    pair.server.receiver(receiver).unwrap().drain().unwrap();
    pair.server.receiver(receiver).unwrap().detach().unwrap();
    pair.drive();
    assert!(matches!(pair.server.events()[..], [Event::LinkDetached { .. }] | [Event::Drained(_), _]));
}

/// A sender that keeps drained credit for 5 ms, with this credit in a drain.
fn late(credit: u32) -> (Wire, SenderKey) {
    let options = Options::new("engine").with_drain_pause(Duration::from_millis(5));
    let mut wire = Wire::begun_of(options);
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(drain(0, credit));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    (wire, link)
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

/// T-DRAIN-02 [2.6.7]: drained credit stays for a while, and each sent message gives more time. Then one flow behind
/// the messages gives the rest back. The time is a deadline of the engine.
#[test]
fn t_drain_02_credit_stays_while_it_is_used() {
    let (mut wire, link) = late(5);
    assert!(!wire.engine.has_output());
    assert_eq!(wire.engine.next_deadline(), Some((at(5), Deadline::Drain)));
    wire.engine.handle_deadline(at(4));
    assert_eq!(wire.lines(), [""; 0]);
    wire.engine.sender(link).unwrap().send_payload(&payload("x"), &SendOptions::new()).unwrap();
    wire.engine.handle_deadline(at(5));
    wire.engine_wrote([transfer(0, 0, &[0, 0, 0, 0]).payload("x")]);
    assert_eq!(wire.engine.next_deadline(), Some((at(10), Deadline::Drain)));
    wire.engine.handle_deadline(at(10));
    let lines = wire.lines();
    assert!(lines.len() == 1 && lines[0].contains("delivery_count: 5, link_credit: 0"), "{lines:?}");
    assert_eq!(wire.engine.next_deadline(), None);
    wire.quiet();
}

/// T-DRAIN-02 [2.6.7]: used-up credit ends the wait at once, and a cancelled drain is forgotten.
#[test]
fn t_drain_02_credit_that_is_used_up_is_answered_at_once() {
    let (mut wire, link) = late(1);
    wire.engine.sender(link).unwrap().send_payload(&payload("x"), &SendOptions::new()).unwrap();
    let refused = wire.engine.sender(link).unwrap().send_payload(&payload("y"), &SendOptions::new());
    assert!(refused.is_err());
    let lines = wire.lines();
    assert!(lines.len() == 2 && lines[1].contains("delivery_count: 1, link_credit: 0"), "{lines:?}");
    let (mut wire, link) = late(3);
    wire.peer_sends(credit(0, 0, 3));
    wire.engine.handle_deadline(at(99));
    assert_eq!(wire.lines(), [""; 0]);
    assert_eq!(wire.engine.sender(link).unwrap().credit(), 3);
}

/// T-DRAIN-03, T-CREDIT-08 [2.6.7]: the sender may have used withdrawn credit before it learned of that. A drain ends
/// when the sender says that it has none, and messages on the way are reported first.
#[test]
fn t_drain_03_messages_on_the_way_come_before_the_end() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new().with_prefetch(0));
    let mut receiver = wire.engine.receiver(link).unwrap();
    receiver.set_credit(2).unwrap();
    receiver.set_credit(0).unwrap();
    receiver.drain().unwrap();
    let lines = wire.lines();
    assert!(lines.last().unwrap().contains("echo: true"), "{lines:?}");
    assert_eq!(wire.events(), []);
    wire.peer_sends(transfer(0, 0, b"t").payload("under way"));
    wire.peer_sends(flow(Some(0), 2048, 1, 2048).uint(0).uint(1).uint(0).null().boolean(true));
    let events = wire.events();
    assert!(matches!(events[..], [Event::Message { .. }, Event::Drained(_)]), "{events:?}");
}
