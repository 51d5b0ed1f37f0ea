//! Link credit: how it is granted, counted, topped up and taken back [2.6.7-2.6.10] [2.7.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/peer.rs"]
mod peer;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::message::Payload;
use amqp_proto::testing::{Auto, Literal, Pair, attach_sender, flow, transfer};
use amqp_proto::types::{Limits, LinkKey, ReceiverKey, SenderKey};
use amqp_proto::wire::{Condition, Flow, Frame, Performative};
use amqp_proto::{Event, Origin, SendError};
use bytes::Bytes;
use peer::{Peer, credit};

/// The flows that have come out.
fn flows(peer: &mut Peer) -> Vec<Flow> {
    let flow = |frame| match frame {
        Frame::Amqp { performative: Performative::Flow(flow), .. } => Some(flow),
        _ => None,
    };
    peer.frames().into_iter().filter_map(flow).collect()
}

/// The credit of the one flow that has come out.
#[track_caller]
fn granted(peer: &mut Peer) -> u32 {
    let flows = flows(peer);
    assert_eq!(flows.len(), 1, "{flows:?}");
    flows[0].link_credit.unwrap()
}

/// A message of the peer on handle 0.
fn message(id: u32) -> Literal {
    transfer(0, id, &id.to_be_bytes()).payload("x")
}

fn by_hand() -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(0)
}

/// Sends until it is refused; how many were taken.
fn send_all(peer: &mut Peer, link: SenderKey) -> usize {
    let mut sender = peer.amqp.sender(link).unwrap();
    let mut taken = 0;
    while sender.send("x").is_ok() {
        taken += 1;
    }
    taken
}

/// Takes a message and accepts it.
fn take(peer: &mut Peer, link: ReceiverKey) {
    let mut receiver = peer.amqp.receiver(link).unwrap();
    let delivery = receiver.receive().unwrap();
    receiver.accept(delivery.key()).unwrap();
}

/// T-CREDIT-01, T-CREDIT-06: a fresh link has no credit, and sends nothing.
#[test]
fn t_credit_01_a_fresh_link_sends_nothing() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new(), 0);
    let mut sender = peer.amqp.sender(link).unwrap();
    assert_eq!((sender.credit(), sender.is_draining(), sender.is_sendable()), (0, false, false));
    assert_eq!(sender.send("x"), Err(SendError::NoCredit));
    assert_eq!(sender.begin_delivery(&SendOptions::new()), Err(SendError::NoCredit));
    peer.quiet();
    let inbox = peer.receiver_on(1, "in", &by_hand());
    let receiver = peer.amqp.receiver(inbox).unwrap();
    assert_eq!((receiver.credit(), receiver.available()), (0, 0));
    assert_eq!(receiver.delivery_count().unwrap().get(), 0);
}

/// T-CREDIT-02, T-CREDIT-03, T-CREDIT-07, T-CREDIT-16: what is on the way counts, the delivery-count wraps, less than
/// nothing is nothing, and saying a thing twice changes nothing.
#[test]
fn t_credit_03_what_is_on_the_way_counts() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new().with_initial_delivery_count(u32::MAX.into()), 0);
    peer.send(credit(0, u32::MAX, 10));
    assert_eq!(peer.events(), [Event::Sendable(link)]);
    for _ in 0..3 {
        peer.amqp.sender(link).unwrap().send("x").unwrap();
    }
    let sender = peer.amqp.sender(link).unwrap();
    assert_eq!((sender.delivery_count().get(), sender.credit()), (2, 7));
    for (count, granted, left) in [(u32::MAX, 10, 7), (u32::MAX, 10, 7), (2, 10, 10), (0, 1, 0), (1, 5, 4)] {
        peer.send(credit(0, count, granted));
        assert_eq!(peer.amqp.sender(link).unwrap().credit(), left);
    }
    assert_eq!(send_all(&mut peer, link), 4);
}

/// T-CREDIT-06: a delivery that is begun needs no more credit, however many frames it takes.
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

/// T-CREDIT-10: a delivery counts from its first frame on, at both ends.
#[test]
fn t_credit_10_a_delivery_counts_from_its_first_frame() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new(), 5);
    let mut sender = peer.amqp.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("part").unwrap();
    peer.send(flow(Some(1), 2048, 0, 2048).uint(0).uint(0).uint(5).nulls(2).boolean(true));
    let told = flows(&mut peer).pop().unwrap();
    assert_eq!((told.delivery_count.unwrap().get(), told.link_credit), (1, Some(4)));
    let inbox = peer.receiver_on(1, "in", &by_hand());
    peer.amqp.receiver(inbox).unwrap().set_credit(2).unwrap();
    peer.octets();
    peer.send(transfer(1, 0, b"t").null().boolean(true).payload("part"));
    assert_eq!(peer.amqp.receiver(inbox).unwrap().delivery_count().unwrap().get(), 1);
    assert_eq!(peer.amqp.receiver(inbox).unwrap().credit(), 1);
}

/// T-CREDIT-11: an aborted delivery has used its credit up, at both ends.
#[test]
fn t_credit_11_an_aborted_delivery_has_used_credit() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new(), 1);
    let mut sender = peer.amqp.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("part").unwrap();
    sender.abort().unwrap();
    assert_eq!((sender.credit(), sender.send("x")), (0, Err(SendError::NoCredit)));
    let inbox = peer.receiver_on(1, "in", &by_hand());
    peer.amqp.receiver(inbox).unwrap().set_credit(2).unwrap();
    peer.send(transfer(1, 0, b"t").null().boolean(true).payload("part"));
    peer.send(Literal::new(0x14).uint(1).nulls(8).boolean(true));
    assert_eq!(peer.amqp.receiver(inbox).unwrap().credit(), 1);
}

/// T-CREDIT-08, T-CREDIT-09: what was once granted may still come after it was taken back; one more closes the link
/// with transfer-limit-exceeded.
#[test]
fn t_credit_09_never_more_than_was_granted() {
    let mut peer = Peer::new();
    let link = peer.receiver(&by_hand());
    peer.amqp.receiver(link).unwrap().set_credit(2).unwrap();
    assert_eq!(granted(&mut peer), 2);
    peer.amqp.receiver(link).unwrap().set_credit(0).unwrap();
    assert_eq!(granted(&mut peer), 0);
    peer.send(message(0)).send(message(1));
    assert_eq!(peer.events().len(), 2);
    peer.send(message(2));
    let events = peer.events();
    let Some(Event::LinkDetached { closed: true, reason, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(reason.origin, Origin::Local);
    assert_eq!(reason.error.as_ref().unwrap().condition, Condition::TransferLimitExceeded);
    assert!(peer.lines()[0].contains("amqp:link:transfer-limit-exceeded"));
}

/// T-CREDIT-12, T-CREDIT-13, T-AVAIL-01, S-WIN-12: what flows of both ends say, to the octet.
#[test]
fn t_credit_12_what_a_flow_says() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new().with_initial_delivery_count(9.into()), 0);
    peer.send(credit(0, 9, 5));
    peer.events();
    peer.amqp.sender(link).unwrap().send("x").unwrap();
    peer.octets();
    peer.amqp.sender(link).unwrap().set_available(3).unwrap();
    let session_part = || flow(Some(0), 512, 1, 0x7fff_ffff);
    peer.hears([session_part().uint(0).uint(10).uint(4).uint(3)]);
    peer.amqp.sender(link).unwrap().send("x").unwrap();
    peer.octets();
    // One less waits.
    peer.send(flow(Some(0), 2048, 0, 2048).uint(0).uint(9).uint(5).nulls(2).boolean(true));
    peer.hears([flow(Some(0), 512, 2, 0x7fff_ffff).uint(0).uint(11).uint(3).uint(2)]);

    let inbox = peer.receiver_on(1, "in", &by_hand());
    peer.amqp.receiver(inbox).unwrap().set_credit(7).unwrap();
    peer.hears([flow(Some(0), 512, 2, 0x7fff_ffff).uint(1).uint(0).uint(7)]);
}

/// T-CREDIT-13, T-CREDIT-04: credit that is granted before the sender has attached counts from where it will start,
/// and its flow leaves the delivery-count out.
#[test]
fn t_credit_13_credit_before_the_senders_attach() {
    let mut peer = Peer::new();
    let mut session = peer.amqp.session(peer.session).unwrap();
    let link = session.attach_receiver("in", &ReceiverOptions::from("a").with_prefetch(10)).unwrap();
    peer.amqp.receiver(link).unwrap().set_credit(3).unwrap();
    let lines = peer.lines();
    assert!(lines[1].contains("link_credit: 3") && !lines[1].contains("delivery_count"), "{lines:?}");
    let attach = amqp_proto::testing::attach("in", 0, false).nulls(2).terminus(0x28, "a").terminus(0x29, "b");
    peer.send(attach.nulls(2).uint(u32::MAX));
    assert_eq!(peer.event(), Event::LinkAttached(link.into()));
    peer.send(message(0)).send(message(1)).send(message(2));
    assert_eq!(peer.events().len(), 3);
    let receiver = peer.amqp.receiver(link).unwrap();
    assert_eq!((receiver.credit(), receiver.delivery_count().unwrap().get()), (0, 2));
}

/// T-CREDIT-14, T-AVAIL-01, T-AVAIL-02: what a sender says of credit does not count, what it says waits is shown,
/// goes down with each message and is said back to it.
#[test]
fn t_credit_14_what_the_sender_says() {
    let mut peer = Peer::new();
    let link = peer.receiver(&by_hand());
    peer.amqp.receiver(link).unwrap().set_credit(5).unwrap();
    peer.octets();
    peer.send(flow(Some(0), 2048, 0, 2048).uint(0).uint(0).uint(99).uint(1)).quiet();
    let receiver = peer.amqp.receiver(link).unwrap();
    assert_eq!((receiver.credit(), receiver.available()), (5, 1));
    peer.amqp.receiver(link).unwrap().echo().unwrap();
    let told = flows(&mut peer).pop().unwrap();
    assert_eq!((told.available, told.echo), (Some(1), true));
    peer.send(message(0)).send(message(1));
    assert_eq!(peer.events().len(), 2);
    let receiver = peer.amqp.receiver(link).unwrap();
    assert_eq!((receiver.credit(), receiver.available()), (3, 0));
}

/// T-CREDIT-15, S-WIN-08: credit and window are both needed; when the window opens the sender is told.
#[test]
fn t_credit_15_credit_and_window() {
    let mut peer = Peer::with(Limits::DEFAULT, &SessionOptions::new(), 2);
    let link = peer.sender(&SenderOptions::new(), 0);
    peer.send(flow(Some(0), 2, 0, 2048).uint(0).uint(0).uint(10));
    assert_eq!(peer.events(), [Event::Sendable(link)]);
    assert_eq!(send_all(&mut peer, link), 2);
    assert_eq!(peer.amqp.sender(link).unwrap().send("x"), Err(SendError::WindowClosed));
    assert_eq!(peer.amqp.sender(link).unwrap().credit(), 8);
    assert_eq!(peer.events(), []);
    peer.send(flow(Some(2), 1, 0, 2048));
    assert_eq!(peer.events(), [Event::Sendable(link)]);
    assert_eq!(send_all(&mut peer, link), 1);
}

/// T-CREDIT-03: credit that was taken back, or given back, is told again when it is granted again.
#[test]
fn sendable_is_told_again_after_credit_was_taken_back() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new(), 0);
    peer.send(credit(0, 0, 5));
    assert_eq!(peer.events(), [Event::Sendable(link)]);
    peer.send(credit(0, 0, 0));
    assert_eq!(peer.events(), []);
    peer.send(credit(0, 0, 3));
    assert_eq!(peer.events(), [Event::Sendable(link)]);
    // What the flow takes back was on the way already.
    peer.amqp.sender(link).unwrap().send("x").unwrap();
    peer.send(credit(0, 0, 1));
    assert_eq!(peer.events(), []);
    peer.send(flow(Some(0), 2048, 0, 2048).uint(0).uint(1).uint(2).null().boolean(true));
    assert_eq!(peer.events(), [Event::Sendable(link)]);
    peer.lines();
    assert_eq!(peer.amqp.sender(link).unwrap().credit(), 0);
    peer.send(credit(0, 3, 1));
    assert_eq!(peer.events(), [Event::Sendable(link)]);
}

/// A sender is told once that it may send, and again when it has used up what that takes, whether it tried to send
/// more or not.
#[test]
fn sendable_is_told_once_each_time() {
    let mut peer = Peer::with(Limits::DEFAULT, &SessionOptions::new(), 3);
    let link = peer.sender(&SenderOptions::new(), 0);
    for (seen, window, count, granted, told) in
        [(0, 3, 0, 1, 1), (0, 3, 0, 2, 0), (0, 3, 0, 2, 0), (2, 0, 2, 3, 0), (2, 1, 2, 3, 1), (3, 5, 3, 2, 1)]
    {
        peer.send(flow(Some(seen), window, 0, 2048).uint(0).uint(count).uint(granted));
        assert_eq!(peer.events().len(), told, "{granted} from {count}");
        // As many as may be sent, and not one more is tried.
        while (granted > 1 || count > 0) && peer.amqp.sender(link).unwrap().is_sendable() {
            peer.amqp.sender(link).unwrap().send("x").unwrap();
        }
    }
}

/// T-PREF-01: credit is topped up when half of what is asked for ahead has been taken.
#[test]
fn t_pref_01_credit_is_topped_up_at_half() {
    let mut peer = Peer::new();
    peer.send(attach_sender("in", 0, "a", "b"));
    let LinkKey::Receiver(link) = peer.offered() else { panic!() };
    peer.amqp.receiver(link).unwrap().accept_link(&ReceiverOptions::new().with_prefetch(10)).unwrap();
    assert_eq!(granted(&mut peer), 10);
    (0..10).for_each(|id| {
        peer.send(message(id));
    });
    assert_eq!(peer.events().len(), 10);
    assert_eq!(flows(&mut peer), []);
    let topped: Vec<_> = (0..10)
        .map(|_| {
            take(&mut peer, link);
            flows(&mut peer)
                .first()
                .map(|flow| (flow.delivery_count.unwrap().get(), flow.link_credit.unwrap()))
        })
        .collect();
    // Five wait and five more are asked for; from then on credit alone is enough.
    let expected = [None, None, None, None, Some((10, 5)), None, None, None, None, Some((10, 10))];
    assert_eq!(topped, expected);
}

/// T-PREF-01: what is asked for ahead never runs out, whatever the peer does with the credit: deliveries that it
/// aborts are made up for as those that are taken.
#[test]
fn t_pref_01_aborted_deliveries_are_made_up_for() {
    for first_frame in [false, true] {
        let mut peer = Peer::new();
        let link = peer.receiver(&ReceiverOptions::new().with_prefetch(4));
        for id in 0..20 {
            if first_frame {
                peer.send(transfer(0, id, b"t").null().boolean(true).payload("x"));
                peer.send(Literal::new(0x14).uint(0).nulls(8).boolean(true));
            } else {
                peer.send(transfer(0, id, b"t").nulls(5).boolean(true));
            }
            assert_eq!(peer.events(), []);
            assert!(peer.amqp.receiver(link).unwrap().credit() > 1);
        }
        assert_eq!(flows(&mut peer).len(), 1);
    }
}

/// T-PREF-01: a stream of many messages with little credit never stalls.
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

/// T-CREDIT-16: credit is set to what is asked for, added to, and lowered; each is told, with the next output.
#[test]
fn t_credit_16_credit_is_set_added_and_lowered() {
    let mut peer = Peer::new();
    let link = peer.receiver(&by_hand());
    let mut receiver = peer.amqp.receiver(link).unwrap();
    receiver.set_credit(5).unwrap();
    receiver.add_credit(2).unwrap();
    assert_eq!(granted(&mut peer), 7);
    peer.amqp.receiver(link).unwrap().set_credit(3).unwrap();
    assert_eq!(granted(&mut peer), 3);
    peer.amqp.receiver(link).unwrap().set_credit(3).unwrap();
    assert_eq!(granted(&mut peer), 3);
    peer.amqp.receiver(link).unwrap().add_credit(u32::MAX).unwrap();
    assert_eq!(granted(&mut peer), u32::MAX >> 1);
}

/// T-STOP-01: all credit is taken back and an answer asked for; what was on the way comes before that, and nothing is
/// asked for ahead until there is credit again.
#[test]
fn t_stop_01_stopping_lasts() {
    let mut peer = Peer::new();
    let link = peer.receiver(&ReceiverOptions::new().with_prefetch(2));
    peer.amqp.receiver(link).unwrap().stop().unwrap();
    let told = flows(&mut peer).pop().unwrap();
    assert_eq!((told.link_credit, told.echo, told.drain), (Some(0), true, false));
    peer.send(message(0)).send(message(1));
    peer.send(flow(Some(0), 2048, 2, 2048).uint(0).uint(2).uint(0));
    let events = peer.events();
    assert!(
        matches!(events[..], [Event::Message { .. }, Event::Message { .. }, Event::Stopped(key)] if key == link)
    );
    take(&mut peer, link);
    take(&mut peer, link);
    assert_eq!(flows(&mut peer), []);
    peer.amqp.receiver(link).unwrap().set_credit(2).unwrap();
    assert_eq!(granted(&mut peer), 2);
    peer.send(message(2));
    peer.events();
    take(&mut peer, link);
    assert_eq!(granted(&mut peer), 2);
}

/// S-FLOW-03, S-FLOW-04, S-FLOW-05: an echo is answered with the state of the link, many at once by one flow, and
/// the answer asks for none.
#[test]
fn s_flow_03_an_echo_is_answered_once() {
    let mut peer = Peer::new();
    let link = peer.sender(&SenderOptions::new(), 4);
    for _ in 0..5 {
        peer.send(flow(Some(0), 2048, 0, 2048).uint(0).uint(0).uint(4).nulls(2).boolean(true));
    }
    let told = flows(&mut peer);
    assert_eq!((told.len(), told[0].handle.map(|handle| handle.get()), told[0].echo), (1, Some(0), false));
    peer.send(flow(Some(0), 2048, 0, 2048).nulls(5).boolean(true));
    let told = flows(&mut peer);
    assert_eq!((told.len(), told[0].handle), (1, None));
    assert_eq!(peer.amqp.sender(link).unwrap().credit(), 4);

    let mut pair = Pair::opened().with_most_steps(50);
    let (_, receiver) = pair.link("x");
    pair.clear_trace();
    pair.server.receiver(receiver).unwrap().echo().unwrap();
    pair.drive();
    assert_eq!(pair.trace().len(), 2);
}

/// T-CREDIT-01: a peer that answers a message needs the credit for its answer: the first credit of a link is told before
/// a later transfer, and whatever changes it later may wait.
#[test]
fn t_credit_01_first_credit_goes_out_before_a_later_transfer() {
    let mut peer = Peer::new();
    let out = peer.sender(&SenderOptions::new(), 9);
    let inbox = peer.receiver_on(1, "in", &by_hand());
    let granted = |sent: u32, credit| flow(Some(0), 512, sent, 0x7fff_ffff).uint(1).uint(0).uint(credit);
    let sent = |id: u32| transfer(0, id, &id.to_be_bytes()).payload([0, 0x53, 0x77, 0xa1, 1, b'x']);
    peer.amqp.receiver(inbox).unwrap().set_credit(3).unwrap();
    peer.amqp.sender(out).unwrap().send("x").unwrap();
    peer.hears([granted(0, 3), sent(0)]);
    peer.amqp.receiver(inbox).unwrap().set_credit(5).unwrap();
    peer.amqp.sender(out).unwrap().send("x").unwrap();
    peer.hears([sent(1), granted(2, 5)]);
    peer.quiet();
}

/// T-CREDIT-01: the same for credit that is given ahead, as soon as the application has heard of the link [2.6.3].
#[test]
fn t_credit_01_credit_ahead_goes_out_before_a_later_transfer() {
    for has_heard in [true, false] {
        let mut peer = Peer::new();
        let out = peer.sender(&SenderOptions::new(), 9);
        let mut session = peer.amqp.session(peer.session).unwrap();
        session.attach_receiver("in", &ReceiverOptions::from("a").with_prefetch(10)).unwrap();
        peer.octets();
        peer.send(attach_sender("in", 1, "a", "b"));
        if has_heard {
            assert!(matches!(peer.event(), Event::LinkAttached(_)));
        }
        peer.amqp.sender(out).unwrap().send("x").unwrap();
        let lines = peer.lines();
        let is_told = lines[0].contains("flow") && lines[0].contains("link_credit: 10");
        assert_eq!(is_told, has_heard, "{lines:?}");
    }
}
