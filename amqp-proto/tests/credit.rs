//! Link credit: granted, counted, renewed and withdrawn [2.6.7-2.6.10] [2.7.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::message::Payload;
use amqp_proto::testing::{Auto, Literal, Pair, attach_sender, flow, transfer};
use amqp_proto::types::{Limits, LinkKey, ReceiverKey, SenderKey};
use amqp_proto::wire::{Condition, Flow, Frame, Performative};
use amqp_proto::{Event, Origin, SendError};
use bytes::Bytes;
use common::wire::{Wire, credit};

/// Takes the output and returns its flows.
fn flows(wire: &mut Wire) -> Vec<Flow> {
    let flow = |frame| match frame {
        Frame::Amqp { performative: Performative::Flow(flow), .. } => Some(flow),
        _ => None,
    };
    wire.frames().into_iter().filter_map(flow).collect()
}

/// Takes the output and returns the credit of its one flow.
#[track_caller]
fn granted(wire: &mut Wire) -> u32 {
    let flows = flows(wire);
    assert_eq!(flows.len(), 1, "{flows:?}");
    flows[0].link_credit.unwrap()
}

/// The peer's message on handle 0.
fn message(id: u32) -> Literal {
    transfer(0, id, &id.to_be_bytes()).payload("x")
}

fn by_hand() -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(0)
}

/// Sends until a send is refused, and returns the number of messages.
fn send_all(wire: &mut Wire, link: SenderKey) -> usize {
    let mut sender = wire.engine.sender(link).unwrap();
    let mut taken = 0;
    while sender.send("x").is_ok() {
        taken += 1;
    }
    taken
}

/// Receives a message and accepts it.
fn take(wire: &mut Wire, link: ReceiverKey) {
    let mut receiver = wire.engine.receiver(link).unwrap();
    let delivery = receiver.receive().unwrap();
    receiver.accept(delivery.key()).unwrap();
}

/// T-CREDIT-01, T-CREDIT-06: a new link has no credit, and sends nothing.
#[test]
fn t_credit_01_a_fresh_link_sends_nothing() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 0);
    let mut sender = wire.engine.sender(link).unwrap();
    assert_eq!((sender.credit(), sender.is_draining(), sender.is_sendable()), (0, false, false));
    assert_eq!(sender.send("x"), Err(SendError::NoCredit));
    assert_eq!(sender.begin_delivery(&SendOptions::new()), Err(SendError::NoCredit));
    wire.quiet();
    let inbox = wire.receiver_on(1, "in", by_hand());
    let receiver = wire.engine.receiver(inbox).unwrap();
    assert_eq!((receiver.credit(), receiver.available()), (0, 0));
    assert_eq!(receiver.delivery_count().unwrap().get(), 0);
}

/// T-CREDIT-02, T-CREDIT-03, T-CREDIT-07, T-CREDIT-16: messages on the way count, the delivery-count wraps, credit
/// never falls below zero, and a repeated flow changes nothing.
#[test]
fn t_credit_03_messages_on_the_way_count() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new().with_initial_delivery_count(u32::MAX.into()), 0);
    wire.peer_sends(credit(0, u32::MAX, 10));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    for _ in 0..3 {
        wire.engine.sender(link).unwrap().send("x").unwrap();
    }
    let sender = wire.engine.sender(link).unwrap();
    assert_eq!((sender.delivery_count().get(), sender.credit()), (2, 7));
    for (count, granted, left) in [(u32::MAX, 10, 7), (u32::MAX, 10, 7), (2, 10, 10), (0, 1, 0), (1, 5, 4)] {
        wire.peer_sends(credit(0, count, granted));
        assert_eq!(wire.engine.sender(link).unwrap().credit(), left);
    }
    assert_eq!(send_all(&mut wire, link), 4);
}

/// T-CREDIT-06: a begun delivery needs no more credit, whatever its number of frames.
#[test]
fn t_credit_06_credit_is_for_deliveries_not_for_frames() {
    let mut pair = Pair::opened();
    pair.server.auto = Auto::Sessions;
    let sender = pair.client.attach_sender("x");
    pair.drive();
    let receiver = pair.server.expect_attach().accept_with_credit(1);
    pair.drive();
    let mut at_client = pair.client.sender(sender).unwrap();
    at_client.send_payload(&Payload::from(Bytes::from(vec![7; 300_000])), &SendOptions::new()).unwrap();
    assert_eq!(at_client.send("more"), Err(SendError::NoCredit));
    pair.drive();
    pair.server.expect_message();
    let mut at_server = pair.server.receiver(receiver).unwrap();
    assert_eq!((at_server.credit(), at_server.delivery_count().unwrap().get()), (0, 1));
    assert_eq!(at_server.receive().unwrap().payload().len(), 300_000);
}

/// T-CREDIT-10: a delivery uses credit with its first frame, at both ends.
#[test]
fn t_credit_10_a_delivery_counts_from_its_first_frame() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 5);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("part").unwrap();
    wire.peer_sends(flow(Some(1), 2048, 0, 2048).uint(0).uint(0).uint(5).nulls(2).boolean(true));
    let told = flows(&mut wire).pop().unwrap();
    assert_eq!((told.delivery_count.unwrap().get(), told.link_credit), (1, Some(4)));
    let inbox = wire.receiver_on(1, "in", by_hand());
    wire.engine.receiver(inbox).unwrap().set_credit(2).unwrap();
    wire.octets();
    wire.peer_sends(transfer(1, 0, b"t").null().boolean(true).payload("part"));
    assert_eq!(wire.engine.receiver(inbox).unwrap().delivery_count().unwrap().get(), 1);
    assert_eq!(wire.engine.receiver(inbox).unwrap().credit(), 1);
}

/// T-CREDIT-11: an aborted delivery has used its credit, at both ends.
#[test]
fn t_credit_11_an_aborted_delivery_has_used_credit() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 1);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("part").unwrap();
    sender.abort().unwrap();
    assert_eq!((sender.credit(), sender.send("x")), (0, Err(SendError::NoCredit)));
    let inbox = wire.receiver_on(1, "in", by_hand());
    wire.engine.receiver(inbox).unwrap().set_credit(2).unwrap();
    wire.peer_sends(transfer(1, 0, b"t").null().boolean(true).payload("part"));
    wire.peer_sends(Literal::new(0x14).uint(1).nulls(8).boolean(true));
    assert_eq!(wire.engine.receiver(inbox).unwrap().credit(), 1);
}

/// T-CREDIT-08, T-CREDIT-09: messages may use credit that was withdrawn before; one message more closes the link with
/// transfer-limit-exceeded.
#[test]
fn t_credit_09_never_more_than_was_granted() {
    let mut wire = Wire::begun();
    let link = wire.receiver(by_hand());
    wire.engine.receiver(link).unwrap().set_credit(2).unwrap();
    assert_eq!(granted(&mut wire), 2);
    wire.engine.receiver(link).unwrap().set_credit(0).unwrap();
    assert_eq!(granted(&mut wire), 0);
    wire.peer_sends(message(0)).peer_sends(message(1));
    assert_eq!(wire.events().len(), 2);
    wire.peer_sends(message(2));
    let events = wire.events();
    let Some(Event::LinkDetached { closed: true, reason, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(reason.origin, Origin::Local);
    assert_eq!(reason.error.as_ref().unwrap().condition, Condition::TransferLimitExceeded);
    assert!(wire.lines()[0].contains("amqp:link:transfer-limit-exceeded"));
}

/// T-CREDIT-12, T-CREDIT-13, T-AVAIL-01, S-WIN-12: the flows of both ends, octet by octet.
#[test]
fn t_credit_12_the_fields_of_a_flow() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new().with_initial_delivery_count(9.into()), 0);
    wire.peer_sends(credit(0, 9, 5));
    wire.events();
    wire.engine.sender(link).unwrap().send("x").unwrap();
    wire.octets();
    wire.engine.sender(link).unwrap().set_available(3).unwrap();
    let session_part = || flow(Some(0), 512, 1, 0x7fff_ffff);
    wire.engine_wrote([session_part().uint(0).uint(10).uint(4).uint(3)]);
    wire.engine.sender(link).unwrap().send("x").unwrap();
    wire.octets();
    // One message less is available.
    wire.peer_sends(flow(Some(0), 2048, 0, 2048).uint(0).uint(9).uint(5).nulls(2).boolean(true));
    wire.engine_wrote([flow(Some(0), 512, 2, 0x7fff_ffff).uint(0).uint(11).uint(3).uint(2)]);

    let inbox = wire.receiver_on(1, "in", by_hand());
    wire.engine.receiver(inbox).unwrap().set_credit(7).unwrap();
    wire.engine_wrote([flow(Some(0), 512, 2, 0x7fff_ffff).uint(1).uint(0).uint(7)]);
}

/// T-CREDIT-13, T-CREDIT-04: credit granted before the sender's attach counts from its initial-delivery-count, and
/// the flow has no delivery-count.
#[test]
fn t_credit_13_credit_before_the_senders_attach() {
    let mut wire = Wire::begun();
    let mut session = wire.session();
    let link = session.attach_receiver("in", ReceiverOptions::from("a").with_prefetch(10)).unwrap();
    wire.engine.receiver(link).unwrap().set_credit(3).unwrap();
    let lines = wire.lines();
    assert!(lines[1].contains("link_credit: 3") && !lines[1].contains("delivery_count"), "{lines:?}");
    let attach = amqp_proto::testing::attach("in", 0, false).nulls(2).terminus(0x28, "a").terminus(0x29, "b");
    wire.peer_sends(attach.nulls(2).uint(u32::MAX));
    assert_eq!(wire.event(), Event::LinkAttached(link.into()));
    wire.peer_sends(message(0)).peer_sends(message(1)).peer_sends(message(2));
    assert_eq!(wire.events().len(), 3);
    let receiver = wire.engine.receiver(link).unwrap();
    assert_eq!((receiver.credit(), receiver.delivery_count().unwrap().get()), (0, 2));
}

/// T-CREDIT-14, T-AVAIL-01, T-AVAIL-02: the credit in a sender's flow is ignored. Its `available` is readable, falls
/// with each message, and is in the receiver's flows.
#[test]
fn t_credit_14_the_flow_of_a_sender() {
    let mut wire = Wire::begun();
    let link = wire.receiver(by_hand());
    wire.engine.receiver(link).unwrap().set_credit(5).unwrap();
    wire.octets();
    wire.peer_sends(flow(Some(0), 2048, 0, 2048).uint(0).uint(0).uint(99).uint(1)).quiet();
    let receiver = wire.engine.receiver(link).unwrap();
    assert_eq!((receiver.credit(), receiver.available()), (5, 1));
    wire.engine.receiver(link).unwrap().echo().unwrap();
    let told = flows(&mut wire).pop().unwrap();
    assert_eq!((told.available, told.echo), (Some(1), true));
    wire.peer_sends(message(0)).peer_sends(message(1));
    assert_eq!(wire.events().len(), 2);
    let receiver = wire.engine.receiver(link).unwrap();
    assert_eq!((receiver.credit(), receiver.available()), (3, 0));
}

/// T-CREDIT-15, S-WIN-08: sending needs credit and window; the sender gets an event when the window opens.
#[test]
fn t_credit_15_credit_and_window() {
    let mut wire = Wire::begun_with(Limits::DEFAULT, SessionOptions::new(), 2);
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(flow(Some(0), 2, 0, 2048).uint(0).uint(0).uint(10));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    assert_eq!(send_all(&mut wire, link), 2);
    assert_eq!(wire.engine.sender(link).unwrap().send("x"), Err(SendError::WindowClosed));
    assert_eq!(wire.engine.sender(link).unwrap().credit(), 8);
    assert_eq!(wire.events(), []);
    wire.peer_sends(flow(Some(2), 1, 0, 2048));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    assert_eq!(send_all(&mut wire, link), 1);
}

/// T-CREDIT-03: after credit was withdrawn or given back, new credit leads to a new event.
#[test]
fn sendable_is_reported_again_after_credit_was_withdrawn() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(credit(0, 0, 5));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    wire.peer_sends(credit(0, 0, 0));
    assert_eq!(wire.events(), []);
    wire.peer_sends(credit(0, 0, 3));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    // The withdrawn credit was already used by a message on the way.
    wire.engine.sender(link).unwrap().send("x").unwrap();
    wire.peer_sends(credit(0, 0, 1));
    assert_eq!(wire.events(), []);
    wire.peer_sends(flow(Some(0), 2048, 0, 2048).uint(0).uint(1).uint(2).null().boolean(true));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    wire.lines();
    assert_eq!(wire.engine.sender(link).unwrap().credit(), 0);
    wire.peer_sends(credit(0, 3, 1));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
}

/// A sender gets one event when it may send, and another one after it has used its credit and window, whether it
/// tried to send more or not.
#[test]
fn sendable_is_reported_once_each_time() {
    let mut wire = Wire::begun_with(Limits::DEFAULT, SessionOptions::new(), 3);
    let link = wire.sender(SenderOptions::new(), 0);
    for (seen, window, count, granted, told) in
        [(0, 3, 0, 1, 1), (0, 3, 0, 2, 0), (0, 3, 0, 2, 0), (2, 0, 2, 3, 0), (2, 1, 2, 3, 1), (3, 5, 3, 2, 1)]
    {
        wire.peer_sends(flow(Some(seen), window, 0, 2048).uint(0).uint(count).uint(granted));
        assert_eq!(wire.events().len(), told, "{granted} from {count}");
        // Sends as many messages as it may, and tries no more.
        while (granted > 1 || count > 0) && wire.engine.sender(link).unwrap().is_sendable() {
            wire.engine.sender(link).unwrap().send("x").unwrap();
        }
    }
}

/// T-PREF-01: credit is renewed when half of the prefetch is received.
#[test]
fn t_pref_01_credit_is_topped_up_at_half() {
    let mut wire = Wire::begun();
    wire.peer_sends(attach_sender("in", 0, "a", "b"));
    let LinkKey::Receiver(link) = wire.offered() else { panic!() };
    wire.engine.receiver(link).unwrap().accept_link(ReceiverOptions::new().with_prefetch(10)).unwrap();
    assert_eq!(granted(&mut wire), 10);
    (0..10).for_each(|id| {
        wire.peer_sends(message(id));
    });
    assert_eq!(wire.events().len(), 10);
    assert_eq!(flows(&mut wire), []);
    let topped: Vec<_> = (0..10)
        .map(|_| {
            take(&mut wire, link);
            flows(&mut wire)
                .first()
                .map(|flow| (flow.delivery_count.unwrap().get(), flow.link_credit.unwrap()))
        })
        .collect();
    // Five messages wait and five more are asked for; from then on the credit alone suffices.
    let expected = [None, None, None, None, Some((10, 5)), None, None, None, None, Some((10, 10))];
    assert_eq!(topped, expected);
}

/// T-PREF-01: prefetched credit never runs out, whatever the peer does with it: aborted deliveries are replaced, too.
#[test]
fn t_pref_01_aborted_deliveries_are_made_up_for() {
    for first_frame in [false, true] {
        let mut wire = Wire::begun();
        let link = wire.receiver(ReceiverOptions::new().with_prefetch(4));
        for id in 0..20 {
            if first_frame {
                wire.peer_sends(transfer(0, id, b"t").null().boolean(true).payload("x"));
                wire.peer_sends(Literal::new(0x14).uint(0).nulls(8).boolean(true));
            } else {
                wire.peer_sends(transfer(0, id, b"t").nulls(5).boolean(true));
            }
            assert_eq!(wire.events(), []);
            assert!(wire.engine.receiver(link).unwrap().credit() > 1);
        }
        assert_eq!(flows(&mut wire).len(), 1);
    }
}

/// T-PREF-01: a long stream with little credit never stalls.
#[test]
fn t_pref_01_a_long_stream_never_stalls() {
    let mut pair = Pair::opened().untraced();
    pair.server.collects = true;
    pair.server.receiver_options = ReceiverOptions::new().with_prefetch(7);
    let (sender, receiver) = pair.link("x");
    let mut sent = 0;
    while sent < 5_000 {
        let mut at_client = pair.client.sender(sender).unwrap();
        let before = sent;
        while at_client.send_with(&"x".into(), &SendOptions::new().with_settled(true)).is_ok() {
            sent += 1;
        }
        assert!(sent > before);
        pair.drive();
    }
    assert_eq!(pair.server.messages().len(), sent);
    assert!(pair.server.receiver(receiver).unwrap().credit() > 3);
}

/// T-CREDIT-16: credit is set, added to and lowered; each change goes out with the next output.
#[test]
fn t_credit_16_credit_is_set_added_and_lowered() {
    let mut wire = Wire::begun();
    let link = wire.receiver(by_hand());
    let mut receiver = wire.engine.receiver(link).unwrap();
    receiver.set_credit(5).unwrap();
    receiver.add_credit(2).unwrap();
    assert_eq!(granted(&mut wire), 7);
    wire.engine.receiver(link).unwrap().set_credit(3).unwrap();
    assert_eq!(granted(&mut wire), 3);
    wire.engine.receiver(link).unwrap().set_credit(3).unwrap();
    assert_eq!(granted(&mut wire), 3);
    wire.engine.receiver(link).unwrap().add_credit(u32::MAX).unwrap();
    assert_eq!(granted(&mut wire), u32::MAX >> 1);
}

/// T-STOP-01: `stop` withdraws all credit and asks for an answer. Messages on the way arrive before it, and prefetch
/// stays off until credit is set.
#[test]
fn t_stop_01_stopping_lasts() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new().with_prefetch(2));
    wire.engine.receiver(link).unwrap().stop().unwrap();
    let told = flows(&mut wire).pop().unwrap();
    assert_eq!((told.link_credit, told.echo, told.drain), (Some(0), true, false));
    wire.peer_sends(message(0)).peer_sends(message(1));
    wire.peer_sends(flow(Some(0), 2048, 2, 2048).uint(0).uint(2).uint(0));
    let events = wire.events();
    assert!(
        matches!(events[..], [Event::Message { .. }, Event::Message { .. }, Event::Stopped(key)] if key == link)
    );
    take(&mut wire, link);
    take(&mut wire, link);
    assert_eq!(flows(&mut wire), []);
    wire.engine.receiver(link).unwrap().set_credit(2).unwrap();
    assert_eq!(granted(&mut wire), 2);
    wire.peer_sends(message(2));
    wire.events();
    take(&mut wire, link);
    assert_eq!(granted(&mut wire), 2);
}

/// S-FLOW-03, S-FLOW-04, S-FLOW-05: one flow answers all echo requests of a link, without an echo request.
#[test]
fn s_flow_03_an_echo_is_answered_once() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 4);
    for _ in 0..5 {
        wire.peer_sends(flow(Some(0), 2048, 0, 2048).uint(0).uint(0).uint(4).nulls(2).boolean(true));
    }
    let told = flows(&mut wire);
    assert_eq!((told.len(), told[0].handle.map(|handle| handle.get()), told[0].echo), (1, Some(0), false));
    wire.peer_sends(flow(Some(0), 2048, 0, 2048).nulls(5).boolean(true));
    let told = flows(&mut wire);
    assert_eq!((told.len(), told[0].handle), (1, None));
    assert_eq!(wire.engine.sender(link).unwrap().credit(), 4);

    let mut pair = Pair::opened().with_most_steps(50);
    let (_, receiver) = pair.link("x");
    pair.clear_trace();
    pair.server.receiver(receiver).unwrap().echo().unwrap();
    pair.drive();
    assert_eq!(pair.trace().len(), 2);
}

/// T-CREDIT-01: a peer needs credit to answer a message, so the first credit of a link goes out before a later
/// transfer; later changes may wait.
#[test]
fn t_credit_01_first_credit_goes_out_before_a_later_transfer() {
    let mut wire = Wire::begun();
    let out = wire.sender(SenderOptions::new(), 9);
    let inbox = wire.receiver_on(1, "in", by_hand());
    let granted = |sent: u32, credit| flow(Some(0), 512, sent, 0x7fff_ffff).uint(1).uint(0).uint(credit);
    let sent = |id: u32| transfer(0, id, &id.to_be_bytes()).payload([0, 0x53, 0x77, 0xa1, 1, b'x']);
    wire.engine.receiver(inbox).unwrap().set_credit(3).unwrap();
    wire.engine.sender(out).unwrap().send("x").unwrap();
    wire.engine_wrote([granted(0, 3), sent(0)]);
    wire.engine.receiver(inbox).unwrap().set_credit(5).unwrap();
    wire.engine.sender(out).unwrap().send("x").unwrap();
    wire.engine_wrote([sent(1), granted(2, 5)]);
    wire.quiet();
}

/// T-CREDIT-01: prefetched credit goes out before a later transfer, too, once the application has got the link's
/// event [2.6.3].
#[test]
fn t_credit_01_credit_ahead_goes_out_before_a_later_transfer() {
    for has_heard in [true, false] {
        let mut wire = Wire::begun();
        let out = wire.sender(SenderOptions::new(), 9);
        let mut session = wire.session();
        session.attach_receiver("in", ReceiverOptions::from("a").with_prefetch(10)).unwrap();
        wire.octets();
        wire.peer_sends(attach_sender("in", 1, "a", "b"));
        if has_heard {
            assert!(matches!(wire.event(), Event::LinkAttached(_)));
        }
        wire.engine.sender(out).unwrap().send("x").unwrap();
        let lines = wire.lines();
        let is_told = lines[0].contains("flow") && lines[0].contains("link_credit: 10");
        assert_eq!(is_told, has_heard, "{lines:?}");
    }
}
