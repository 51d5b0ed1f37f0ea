//! The events of a sender that may send again, and the announcement of output [2.6.7] [2.5.6].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, Pair, detach, disposition, flow};
use amqp_proto::types::{DeliveryKey, Limits, LinkKey, SenderKey};
use amqp_proto::{Event, SendError};
use bytes::Buf;
use common::wire::{Wire, credit};
use proptest::prelude::*;

/// The way in which an application sends after its event.
#[derive(Debug, Clone, Copy)]
enum Habit {
    /// Sends while the sender says that it may.
    WhileSendable,
    /// Sends until a message is refused.
    UntilRefused,
    /// Sends one message, which fills the output.
    One,
}

/// Sends messages of these sizes from one engine to another, which accepts them, and returns the number that were sent
/// when nothing more happens. The output of the sender holds `output` octets; `unsettled` deliveries may be unsettled.
fn sent(sizes: &[usize], output: usize, window: u32, unsettled: u32, habit: Habit) -> usize {
    let limits = Limits::default().with_output_octets(output).with_unsettled(unsettled);
    let mut pair = Pair::new(Options::new("client").with_limits(limits), Options::new("server"));
    pair.server.receiver_options = ReceiverOptions::new().with_prefetch(3);
    pair.server.session_options = SessionOptions::new().with_incoming_frames(window);
    pair.server.collects = true;
    let sender = pair.client.attach_sender("jobs");
    pair.drive();
    let LinkKey::Receiver(inbox) = pair.server.expect_attach().accept() else { panic!("no receiver") };
    let mut sent = 0;
    loop {
        pair.drive();
        pair.server.receiver(inbox).unwrap().accept_all();
        pair.drive();
        let told = pair.client.events().iter().filter(|event| **event == Event::Sendable(sender)).count();
        if told == 0 {
            assert_eq!(pair.server.messages().len(), sent);
            return sent;
        }
        let mut sender = pair.client.sender(sender).unwrap();
        while let Some(size) = sizes.get(sent) {
            if matches!(habit, Habit::WhileSendable) && !sender.is_sendable() {
                break;
            }
            if sender.send(vec![7; *size]).is_err() {
                assert!(matches!(habit, Habit::UntilRefused));
                break;
            }
            sent += 1;
            if matches!(habit, Habit::One) {
                break;
            }
        }
    }
}

/// T-CREDIT-15: messages of many frames are all sent, like those of one frame.
#[test]
fn t_credit_15_large_messages_are_sent_to_the_last() {
    for size in [100, 100_000, 1_000_000] {
        for habit in [Habit::WhileSendable, Habit::UntilRefused] {
            assert_eq!(sent(&[size; 20], 256 * 1024, 2_048, 100, habit), 20, "{size} octets, {habit:?}");
        }
    }
    assert_eq!(sent(&[100_000; 20], 64 * 1024, 2_048, 100, Habit::One), 20);
}

/// T-CREDIT-15: at the limit on unsettled deliveries, the sender gets an event when one is settled.
#[test]
fn t_credit_15_messages_beyond_the_unsettled_are_sent_to_the_last() {
    for size in [10, 100_000] {
        for habit in [Habit::WhileSendable, Habit::UntilRefused] {
            for unsettled in [1, 2, 7] {
                let what = format!("{size} octets, {unsettled} unsettled, {habit:?}");
                assert_eq!(sent(&[size; 20], 256 * 1024, 2_048, unsettled, habit), 20, "{what}");
            }
        }
        assert_eq!(sent(&[size; 20], 256 * 1024, 2_048, 1, Habit::One), 20, "{size} octets");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// T-CREDIT-15: for any sizes, windows and room in the output.
    #[test]
    fn t_credit_15_any_messages_are_sent_to_the_last(
        sizes in prop::collection::vec(prop_oneof![0_usize..300, 60_000_usize..70_000, 0_usize..400_000], 0..12),
        output in prop_oneof![Just(1_usize), 1_000_usize..300_000],
        window in 1_u32..8,
        unsettled in 1_u32..8,
        refused in any::<bool>(),
    ) {
        let habit = if refused { Habit::UntilRefused } else { Habit::WhileSendable };
        prop_assert_eq!(sent(&sizes, output, window, unsettled, habit), sizes.len());
    }
}

/// T-CREDIT-15: a sender that finds the window used up by another gets an event when there is room again.
#[test]
fn t_credit_15_a_refused_sender_gets_an_event() {
    let mut wire = Wire::begun_with(Limits::DEFAULT, SessionOptions::new(), 1);
    let [one, two] =
        [0, 1].map(|handle| wire.sender_on(handle, &format!("{handle}"), SenderOptions::new(), 0));
    for handle in [0, 1] {
        wire.peer_sends(flow(Some(0), 1, 0, 2048).uint(handle).uint(0).uint(9));
    }
    assert_eq!(wire.events(), [Event::Sendable(one), Event::Sendable(two)]);
    wire.engine.sender(one).unwrap().send("x").unwrap();
    assert!(!wire.engine.sender(two).unwrap().is_sendable());
    wire.octets();
    wire.peer_sends(flow(Some(1), 1, 0, 2048));
    let events = wire.events();
    assert!(events.contains(&Event::Sendable(two)), "{events:?}");
}

/// A delivery begun on one link and not yet written, and another link with credit; the peer's window is one transfer.
fn reserved() -> (Wire, SenderKey, SenderKey) {
    let mut wire = Wire::begun_with(Limits::DEFAULT, SessionOptions::new(), 1);
    let links = [0, 1].map(|handle| wire.sender_on(handle, &format!("{handle}"), SenderOptions::new(), 0));
    wire.peer_sends(flow(Some(0), 1, 0, 2048).uint(0).uint(0).uint(9)).events();
    wire.engine.sender(links[0]).unwrap().begin_delivery(&SendOptions::new()).unwrap();
    wire.peer_sends(flow(Some(0), 1, 0, 2048).uint(1).uint(0).uint(9));
    assert_eq!(wire.events(), []);
    (wire, links[0], links[1])
}

/// T-XFER-05: the window's place of a begun delivery is no room for another link, and no output.
#[test]
fn t_xfer_05_a_place_that_is_kept_is_no_output() {
    let (mut wire, _, two) = reserved();
    for _ in 0..3 {
        assert_eq!(wire.octets().len(), 0);
        assert!(!wire.engine.has_output());
        assert_eq!(wire.engine.sender(two).unwrap().send("x"), Err(SendError::WindowClosed));
    }
    wire.peer_sends(flow(Some(0), 2, 0, 2048));
    assert_eq!(wire.events(), [Event::Sendable(two)]);
}

/// T-XFER-05: the place is free when the delivery is lost with its link, and the other link gets its event.
#[test]
fn t_xfer_05_a_place_is_free_when_its_link_ends() {
    for closed in [false, true] {
        let (mut wire, one, two) = reserved();
        wire.octets();
        let mut sender = wire.engine.sender(one).unwrap();
        if closed { sender.close() } else { sender.detach() }.unwrap();
        assert_eq!(wire.lines().len(), 1);
        let events = wire.events();
        assert!(events.contains(&Event::Sendable(two)), "{events:?}");
        assert!(!wire.engine.has_output());
    }
}

/// T-DRAIN-02: a flow that waits for events to be polled becomes output only then.
#[test]
fn t_drain_02_an_answer_that_waits_is_no_output() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(flow(Some(0), 2048, 0, 2048).uint(0).uint(0).uint(5).null().boolean(true));
    assert_eq!(wire.engine.output().remaining(), 0);
    assert!(!wire.engine.has_output());
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    assert!(wire.engine.has_output());
    assert_eq!(wire.lines().len(), 1);
    assert!(!wire.engine.has_output());
    wire.peer_sends(credit(0, 5, 1));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
}

/// Two links of one session, which may have two unsettled deliveries and has one of each link.
fn crowded(options: SenderOptions) -> (Wire, [SenderKey; 2], [DeliveryKey; 2]) {
    let mut wire = Wire::begun_with(Limits::DEFAULT.with_unsettled(2), SessionOptions::new(), 9);
    let links = [0, 1].map(|handle| wire.sender_on(handle, &format!("{handle}"), options.clone(), 9));
    let sent = links.map(|link| wire.engine.sender(link).unwrap().send("x").unwrap());
    wire.octets();
    (wire, links, sent)
}

fn accepted(id: u32) -> Literal {
    disposition(true, id, None).boolean(true).raw("00532445")
}

/// T-CREDIT-15: a link that reaches the limit on unsettled deliveries, or is refused at it, is told of the settlement
/// that makes room, once, and after it.
#[test]
fn t_credit_15_a_settlement_makes_senders_sendable() {
    let (mut wire, [one, two], [first, _]) = crowded(SenderOptions::new());
    for link in [one, two] {
        assert!(!wire.engine.sender(link).unwrap().is_sendable());
        assert_eq!(wire.engine.sender(link).unwrap().send("x"), Err(SendError::Unsettled(2)));
    }
    wire.quiet();
    wire.peer_sends(accepted(0));
    let events = wire.events();
    assert!(matches!(events[0], Event::Updated { delivery, settled: true, .. } if delivery == first));
    assert_eq!(events[1..], [Event::Sendable(two), Event::Sendable(one)]);
    assert!(wire.engine.sender(one).unwrap().is_sendable());
    wire.engine.sender(one).unwrap().send("x").unwrap();
    // Without an attempt, the other one does not know that the room is used up again.
    wire.peer_sends(accepted(2));
    assert_eq!(wire.events()[1..], [Event::Sendable(one)]);
    wire.engine.sender(two).unwrap().send("x").unwrap();
}

/// T-CREDIT-15: room is also made by this end: it settles or aborts a delivery, or ends the link of one.
#[test]
fn t_credit_15_what_this_end_settles_makes_room() {
    for way in ["settle", "abort", "close", "detach"] {
        let (mut wire, [one, two], [_, second]) = crowded(SenderOptions::new().with_auto_settle(false));
        if way == "abort" {
            wire.peer_sends(accepted(1));
            wire.events();
            wire.engine.sender(two).unwrap().begin_delivery(&SendOptions::new()).unwrap();
        }
        assert_eq!(wire.engine.sender(one).unwrap().send("x"), Err(SendError::Unsettled(2)), "{way}");
        assert_eq!(wire.events(), []);
        let mut other = wire.engine.sender(two).unwrap();
        match way {
            "settle" => other.settle(second).unwrap(),
            "abort" => other.abort().unwrap(),
            "close" => other.close().unwrap(),
            _ => {
                other.detach().unwrap();
                wire.peer_sends(detach(1, true));
            }
        }
        if way == "close" {
            wire.peer_sends(detach(1, true));
        }
        let events = wire.events();
        assert!(events.contains(&Event::Sendable(one)), "{way}: {events:?}");
        wire.engine.sender(one).unwrap().send("x").unwrap();
    }
}

/// T-CREDIT-15: messages that are sent settled do not count for the limit, and do not wait for it.
#[test]
fn t_credit_15_settled_messages_wait_for_no_settlement() {
    let (mut wire, [one, two], _) = crowded(SenderOptions::new());
    wire.peer_sends(flow(Some(2), 3, 0, 2048));
    let settled = SendOptions::new().with_settled(true);
    let mut sender = wire.engine.sender(one).unwrap();
    while sender.send_with(&"x".into(), &settled).is_ok() {}
    assert_eq!(sender.send_with(&"x".into(), &settled), Err(SendError::WindowClosed));
    assert_eq!(wire.engine.sender(two).unwrap().send("x"), Err(SendError::WindowClosed));
    wire.octets();
    wire.peer_sends(flow(Some(5), 5, 0, 2048));
    assert_eq!(wire.events(), [Event::Sendable(one)]);
    wire.engine.sender(one).unwrap().send_with(&"x".into(), &settled).unwrap();
    assert_eq!(wire.engine.sender(two).unwrap().send("x"), Err(SendError::Unsettled(2)));
    assert_eq!(wire.events(), []);
    wire.peer_sends(accepted(0));
    assert_eq!(wire.events()[1..], [Event::Sendable(two)]);
}

/// T-CREDIT-15: the octets that a resumable link keeps are a limit like the number of its deliveries.
#[test]
fn t_credit_15_a_settlement_makes_room_for_kept_octets() {
    let limits = Limits::DEFAULT.with_kept_octets(20);
    let mut wire = Wire::begun_with(limits, SessionOptions::new(), 99);
    let link = wire.sender(SenderOptions::new().with_resumable(true), 9);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.send("one").unwrap();
    assert_eq!(sender.send("twenty octets or more"), Err(SendError::Kept(20)));
    wire.octets();
    assert_eq!(wire.events(), []);
    wire.peer_sends(accepted(0));
    assert_eq!(wire.events()[1..], [Event::Sendable(link)]);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("12345678901234567890").unwrap();
    assert!(!sender.is_sendable());
    assert_eq!(sender.write("1"), Err(SendError::Kept(20)));
    sender.finish().unwrap();
    assert!(!sender.is_sendable(), "all octets are used");
    wire.octets();
    assert_eq!(wire.events(), []);
    wire.peer_sends(accepted(1));
    assert_eq!(wire.events()[1..], [Event::Sendable(link)]);
}

/// T-CREDIT-15: a peer that attaches and detaches links whose sender waits does not make the list of those grow: for a
/// settlement, or for the session's window.
#[test]
fn t_credit_15_ended_links_do_not_wait() {
    for (unsettled, window, refusal) in [(1, 9, SendError::Unsettled(1)), (9, 0, SendError::WindowClosed)] {
        let limits = Limits::DEFAULT.with_unsettled(unsettled);
        let mut wire = Wire::begun_with(limits, SessionOptions::new(), 9);
        let first = wire.sender(SenderOptions::new(), 9);
        wire.engine.sender(first).unwrap().send("x").unwrap();
        let cycle = |wire: &mut Wire| {
            let link = wire.sender_on(1, "again", SenderOptions::new(), 9);
            wire.peer_sends(flow(Some(1), window, 0, 2048)).events();
            assert_eq!(wire.engine.sender(link).unwrap().send("x"), Err(refusal.clone()));
            wire.peer_sends(detach(1, true)).events();
            wire.octets();
        };
        (0..100).for_each(|_| cycle(&mut wire));
        let cost = allocation_counter::measure(|| (0..2_000).for_each(|_| cycle(&mut wire)));
        assert!(cost.bytes_current < 1_024, "{refusal}: {cost:?}");
        wire.peer_sends(accepted(0)).events();
        wire.peer_sends(flow(Some(1), 9, 0, 2048));
        wire.engine.sender(first).unwrap().send("x").unwrap();
    }
}
