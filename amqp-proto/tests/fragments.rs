//! Messages in many frames: where they are cut, in which order they are sent, and reading before the end [2.6.14].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::message::Payload;
use amqp_proto::testing::{Literal, Pair, flow, transfer};
use amqp_proto::types::{DeliveryKey, DeliveryTag, Limits, ReceiverKey, SenderKey};
use amqp_proto::wire::{Frame, Performative, Transfer};
use amqp_proto::{Event, PartEnd, ReadError, SendError};
use bytes::{Buf, Bytes};
use common::wire::Wire;

/// This number of octets; neighbours differ.
fn octets(len: usize) -> Bytes {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn payload(len: usize) -> Payload {
    octets(len).into()
}

/// Takes the output and returns its transfers, with their sizes and payloads.
fn transfers(wire: &mut Wire) -> Vec<(u32, Transfer, Bytes)> {
    let transfer = |(size, frame)| match frame {
        Frame::Amqp { performative: Performative::Transfer(transfer), payload, .. } => {
            Some((size, transfer, payload))
        }
        _ => None,
    };
    wire.sized_frames().into_iter().filter_map(transfer).collect()
}

/// A first transfer that is not the last takes two octets more: settled is null, more is true.
const MORE: usize = 2;

/// T-XFER-21, T-XFER-10, F-MAX-02: sends a message of this size, and checks that it goes out in the fewest and
/// largest frames, with all octets.
fn goes_out(wire: &mut Wire, link: SenderKey, max: usize, len: usize, options: &SendOptions) {
    let delivery = wire.engine.sender(link).unwrap().send_payload(&payload(len), options).unwrap();
    let frames = transfers(wire);
    let last = frames.len() - 1;
    let mut all = Vec::new();
    for (at, (size, transfer, part)) in frames.iter().enumerate() {
        assert_eq!(transfer.more, at < last, "{len}");
        assert_eq!(transfer.delivery_id.is_some(), at == 0, "{len}");
        assert!(*size as usize == max || (at == last && *size as usize <= max), "{len}: {size}");
        assert!(last == 0 || !part.is_empty(), "{len}");
        all.extend_from_slice(part);
    }
    assert_eq!(all, octets(len), "{len}");
    wire.engine.sender(link).unwrap().settle(delivery).unwrap();
    wire.octets();
}

/// T-XFER-21: every size up to a few of the smallest frames.
#[test]
fn t_xfer_21_every_size_in_the_smallest_frames() {
    let mut wire = Wire::framed(512, 2048);
    let link = wire.sender(SenderOptions::new(), u32::MAX >> 1);
    wire.peer_sends(flow(Some(0), u32::MAX, 0, 0));
    let long_tag = SendOptions::new().with_tag(DeliveryTag::new(&[9; 32]).unwrap());
    for len in 0..1_600 {
        goes_out(&mut wire, link, 512, len, &SendOptions::new());
        goes_out(&mut wire, link, 512, len, &long_tag);
    }
}

/// T-XFER-21: sizes around each border of larger frames.
#[test]
fn t_xfer_21_sizes_around_every_border() {
    for max in [513, 600, 1_023, 1_024, 4_096, 65_536] {
        let mut wire = Wire::framed(u32::try_from(max).unwrap(), 2048);
        let link = wire.sender(SenderOptions::new(), u32::MAX >> 1);
        wire.peer_sends(flow(Some(0), u32::MAX, 0, 0));
        for frames in 1..4_usize {
            // A frame has up to 40 octets beside its payload.
            for len in (frames * (max - 45)..=frames * max + 2).step_by(if max > 4_096 { 3 } else { 1 }) {
                goes_out(&mut wire, link, max, len, &SendOptions::new());
            }
        }
    }
}

/// T-XFER-21: a message that just fits a frame, and one that just does not, octet by octet.
#[test]
fn t_xfer_21_an_exact_fit() {
    let head = transfer(0, 0, &[0; 4]).to_octets().len();
    let fits = 512 - head;
    let mut wire = Wire::framed(512, 2048);
    let link = wire.sender(SenderOptions::new(), 10);
    let message = octets(fits);
    let sent =
        wire.engine.sender(link).unwrap().send_payload(&message.slice(..fits).into(), &SendOptions::new());
    wire.engine_wrote([transfer(0, 0, &[0; 4]).payload(&message[..fits])]);
    wire.engine.sender(link).unwrap().settle(sent.unwrap()).unwrap();
    wire.octets();
    wire.engine.sender(link).unwrap().send_payload(&message.clone().into(), &SendOptions::new()).unwrap();
    // A delivery-id of 1 takes one octet more than 0.
    let (first, rest) = message.split_at(fits - 1 - MORE);
    wire.engine_wrote([
        transfer(0, 1, &[0, 0, 0, 1]).null().boolean(true).payload(first),
        Literal::new(0x14).uint(0).payload(rest),
    ]);
}

/// T-XFER-10, T-XFER-21: chunks of all sizes pass between two engines with different frame sizes, in portions of all
/// sizes, and arrive unchanged.
#[test]
fn t_xfer_21_chunks_frames_and_portions() {
    let limits = |frame_size| Limits::DEFAULT.with_frame_size(frame_size);
    let mut pair = Pair::new(
        Options::new("client").with_limits(limits(700)),
        Options::new("server").with_limits(limits(512)),
    )
    .portioned(&[1, 500, 3, 1_000, 13]);
    pair.drive();
    pair.server.collects = true;
    let (sender, _) = pair.link("x");
    let all = octets(20_000);
    for chunk in [1, 499, 1_024, 7_000, 20_000] {
        let payload: Payload = all.chunks(chunk).map(Bytes::copy_from_slice).collect();
        pair.client.sender(sender).unwrap().send_payload(&payload, &SendOptions::new()).unwrap();
        pair.drive();
        let (_, delivery) = pair.server.messages().remove(0);
        assert_eq!(delivery.payload().to_bytes(), all);
    }
}

/// T-XFER-10, T-XFER-13: a delivery written in pieces goes out frame by frame, and ends when the application says so,
/// even with no octets.
#[test]
fn t_xfer_10_a_delivery_in_pieces() {
    let mut wire = Wire::framed(512, 2048);
    let link = wire.sender(SenderOptions::new(), 10);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("").unwrap();
    sender.write("ab").unwrap();
    sender.write("cd").unwrap();
    sender.finish().unwrap();
    sender.begin_delivery(&SendOptions::new().with_settled(true)).unwrap();
    sender.finish().unwrap();
    let more = || Literal::new(0x14).uint(0);
    wire.engine_wrote([
        transfer(0, 0, &[0; 4]).null().boolean(true).payload("ab"),
        more().nulls(4).boolean(true).payload("cd"),
        more(),
        transfer(0, 1, &[0, 0, 0, 1]).boolean(true),
    ]);
}

/// T-XFER-13, T-XFER-14: a delivery aborted before, between and behind its frames; the abort settles it, and the next
/// one follows.
#[test]
fn t_xfer_13_given_up_in_each_phase() {
    let aborted = || Literal::new(0x14).uint(0).nulls(8).boolean(true);
    // Before the first frame: the peer has to learn of the delivery-id.
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 10);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.abort().unwrap();
    assert_eq!((sender.unsettled_len(), sender.abort()), (0, Err(SendError::NoDelivery)));
    wire.engine_wrote([transfer(0, 0, &[0; 4]).boolean(true).nulls(4).boolean(true)]);
    // Between frames.
    let mut sender = wire.engine.sender(link).unwrap();
    let delivery = sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("a").unwrap();
    sender.abort().unwrap();
    assert!(wire.engine.delivery(delivery).is_err());
    wire.engine_wrote([transfer(0, 1, &[0, 0, 0, 1]).null().boolean(true).payload("a"), aborted()]);
    // With octets that wait for the window.
    wire.peer_sends(flow(Some(3), 1, 0, 2048));
    wire.events();
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write("b").unwrap();
    sender.write("c").unwrap();
    sender.abort().unwrap();
    wire.engine_wrote([transfer(0, 2, &[0, 0, 0, 2]).null().boolean(true).payload("b")]);
    wire.peer_sends(flow(Some(4), 9, 0, 2048));
    wire.events();
    wire.engine_wrote([aborted()]);
    // A complete delivery cannot be aborted.
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.finish().unwrap();
    assert_eq!(sender.abort(), Err(SendError::NoDelivery));
    wire.engine_wrote([transfer(0, 3, &[0, 0, 0, 3])]);
}

/// T-DISP-10, T-DISP-19: a delivery settled before its first frame is written: the peer gets the transfer before the
/// disposition.
#[test]
fn t_disp_19_settled_before_the_first_frame() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 10);
    let mut sender = wire.engine.sender(link).unwrap();
    let delivery = sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.settle(delivery).unwrap();
    wire.engine_wrote([]);
    wire.engine.sender(link).unwrap().write("a").unwrap();
    wire.engine_wrote([
        transfer(0, 0, &[0; 4]).null().boolean(true).payload("a"),
        amqp_proto::testing::disposition(false, 0, None).boolean(true),
    ]);
}

/// T-CREDIT-15, S-WIN-08: a large message passes a window of one frame and a small output without loss; the sender
/// gets an event for the next message.
#[test]
fn s_win_08_a_large_message_through_a_small_window() {
    let small = Limits::DEFAULT.with_output_octets(4_096).with_frame_size(1_024).with_session_frames(1);
    let mut pair = Pair::new(
        Options::new("client").with_limits(small.clone()),
        Options::new("server").with_limits(small),
    )
    .with_most_steps(10_000_000)
    .untraced();
    pair.drive();
    pair.server.collects = true;
    let (sender, _) = pair.link("x");
    pair.client.events();
    for _ in 0..2 {
        let mut at_client = pair.client.sender(sender).unwrap();
        at_client.send_payload(&payload(1 << 20), &SendOptions::new()).unwrap();
        assert_eq!(at_client.send("next"), Err(SendError::Incomplete));
        assert!(pair.client.output().remaining() < 6_000);
        pair.drive();
        assert_eq!(pair.client.events(), [Event::Sendable(sender)]);
        assert_eq!(pair.server.messages().remove(0).1.payload().to_bytes(), octets(1 << 20));
    }
}

/// T-XFER-10: one refused write leads to one event.
#[test]
fn t_xfer_10_a_refused_stream_gets_one_event() {
    let limits = Limits::DEFAULT.with_output_octets(1_000);
    let mut wire = Wire::begun_with(limits, SessionOptions::new(), 99);
    let link = wire.sender(SenderOptions::new(), 5);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new()).unwrap();
    sender.write(octets(1_000)).unwrap();
    sender.write(octets(1_000)).unwrap();
    assert_eq!(sender.write("more"), Err(SendError::Full));
    wire.octets();
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    for _ in 0..3 {
        wire.engine.sender(link).unwrap().write("more").unwrap();
        wire.octets();
        assert_eq!(wire.events(), []);
    }
}

/// T-XFER-10: a stream that is written faster than it goes out is refused, and gets an event to continue.
#[test]
fn t_xfer_10_a_stream_that_has_to_wait() {
    let small = Limits::DEFAULT.with_output_octets(2_000);
    let mut pair = Pair::new(
        Options::new("client").with_limits(small),
        Options::new("server").with_limits(Limits::DEFAULT),
    );
    pair.drive();
    pair.server.collects = true;
    let (sender, _) = pair.link("x");
    pair.client.events();
    pair.client.sender(sender).unwrap().begin_delivery(&SendOptions::new()).unwrap();
    let (mut written, mut waits) = (0, 0);
    while written < 100 {
        match pair.client.sender(sender).unwrap().write(octets(1_000)) {
            Ok(()) => written += 1,
            Err(error) => {
                assert_eq!(error, SendError::Full);
                waits += 1;
                pair.drive();
                assert_eq!(pair.client.events(), [Event::Sendable(sender)]);
            }
        }
    }
    pair.client.sender(sender).unwrap().finish().unwrap();
    pair.drive();
    assert!(waits > 10);
    assert_eq!(pair.server.messages().remove(0).1.payload().len(), 100_000);
}

/// S-WIN-08: when a session's window opens, even by one frame at a time, waiting links send one frame each, in turn;
/// none starves.
#[test]
fn s_win_08_links_take_turns() {
    const LINKS: u32 = 7;
    for opens_by in [1, 3, 10, 100] {
        let mut wire = Wire::framed(512, LINKS);
        let links: Vec<_> = (0..LINKS)
            .map(|handle| wire.sender_on(handle, &format!("{handle}"), SenderOptions::new(), 0))
            .collect();
        for (handle, link) in (0..).zip(&links) {
            wire.peer_sends(flow(Some(0), LINKS, 0, 9).uint(handle).uint(0).uint(9));
            wire.events();
            wire.engine.sender(*link).unwrap().begin_delivery(&SendOptions::new()).unwrap();
        }
        for link in &links {
            let mut sender = wire.engine.sender(*link).unwrap();
            sender.write(octets(4_000)).unwrap();
            sender.finish().unwrap();
        }
        // The first links have used the window up.
        assert_eq!(transfers(&mut wire).len(), LINKS as usize);
        let mut seen = LINKS;
        let mut order = Vec::new();
        for _ in 0..60 {
            wire.peer_sends(flow(Some(seen), opens_by, 0, 9));
            wire.events();
            let frames = transfers(&mut wire);
            seen += u32::try_from(frames.len()).unwrap();
            order.extend(frames.into_iter().map(|(_, transfer, _)| transfer.handle.get()));
        }
        assert!(order.len() > 12, "{order:?}");
        // Between two frames of one link, every other unfinished link sends one.
        for (at, handle) in order.iter().enumerate() {
            if let Some(next) = order[at + 1..].iter().position(|other| other == handle) {
                let between: std::collections::BTreeSet<_> = order[at..=at + next].iter().collect();
                let left: std::collections::BTreeSet<_> = order[at + next + 1..].iter().collect();
                assert!(left.iter().all(|other| between.contains(other)), "{opens_by}: {at} {order:?}");
            }
        }
    }
}

/// T-XFER-11: many links send large messages at once on one session; all arrive complete.
#[test]
fn t_xfer_11_many_links_at_once() {
    let limits = || Limits::DEFAULT.with_frame_size(512).with_session_frames(8).with_output_octets(3_000);
    let mut pair =
        Pair::new(Options::new("client").with_limits(limits()), Options::new("server").with_limits(limits()))
            .with_most_steps(10_000_000)
            .untraced();
    pair.drive();
    pair.server.collects = true;
    let names: Vec<String> = (0..50).map(|at| format!("l{at}")).collect();
    let links: Vec<_> = names.iter().map(|name| pair.client.attach_sender(name.clone())).collect();
    pair.drive();
    let mut left: Vec<_> = links.iter().flat_map(|link| [*link, *link]).collect();
    while !left.is_empty() {
        left.retain(|link| {
            let mut sender = pair.client.sender(*link).unwrap();
            sender.send_payload(&payload(5_000), &SendOptions::new()).is_err()
        });
        pair.drive();
    }
    let messages = pair.server.messages();
    assert_eq!(messages.len(), 100);
    assert!(messages.iter().all(|(_, delivery)| delivery.payload().to_bytes() == octets(5_000)));
}

/// A peer that sends on handle 0 to a streaming receiver.
fn streaming(frames: u32) -> (Wire, ReceiverKey) {
    let options = SessionOptions::new().with_incoming_frames(frames);
    let mut wire = Wire::begun_with(Limits::DEFAULT, options, 9);
    let link = wire.receiver(ReceiverOptions::new().with_streaming(true));
    (wire, link)
}

fn piece(text: &str) -> Literal {
    Literal::new(0x14).uint(0).nulls(4).boolean(true).payload(text)
}

#[track_caller]
fn reads(wire: &mut Wire, link: ReceiverKey, delivery: DeliveryKey, text: &str, end: PartEnd) {
    let part = wire.engine.receiver(link).unwrap().read(delivery).unwrap();
    assert_eq!((part.payload.to_bytes(), part.end), (Bytes::copy_from_slice(text.as_bytes()), end));
}

/// T-XFER-10, S-WIN-11: a message is read while it arrives, in any portions, and the window opens as it is read.
#[test]
fn t_xfer_10_a_message_is_read_before_its_end() {
    let (mut wire, link) = streaming(2);
    wire.peer_sends(transfer(0, 0, b"t").null().boolean(true).payload("a"));
    let Event::Message { delivery, .. } = wire.event() else { panic!() };
    reads(&mut wire, link, delivery, "a", PartEnd::More);
    reads(&mut wire, link, delivery, "", PartEnd::More);
    assert!(wire.engine.receiver(link).unwrap().receive().is_none());
    for text in ["b", "c", "d"] {
        wire.peer_sends(piece(text));
        assert_eq!(wire.event(), Event::Data { receiver: link, delivery });
        reads(&mut wire, link, delivery, text, PartEnd::More);
        assert!(wire.lines().iter().all(|line| line.contains("incoming_window: 2")));
    }
    wire.peer_sends(piece("e")).peer_sends(Literal::new(0x14).uint(0).payload("f"));
    let more = || Event::Data { receiver: link, delivery };
    assert_eq!(wire.events(), [more(), more()]);
    // The window holds two frames, and has no room until they are read.
    assert_eq!(wire.session().incoming_window(), 0);
    reads(&mut wire, link, delivery, "ef", PartEnd::Complete);
    let mut receiver = wire.engine.receiver(link).unwrap();
    assert_eq!(receiver.read(delivery).unwrap_err(), ReadError::NoDelivery);
    receiver.accept(delivery).unwrap();
    assert!(wire.lines().iter().any(|line| line.contains("incoming_window: 2")));
}

/// T-XFER-13: a message aborted while it is read: an event reports it, and reading finds the abort as its end.
#[test]
fn t_xfer_13_a_message_aborted_while_it_is_read() {
    let (mut wire, link) = streaming(9);
    let aborted = || Literal::new(0x14).uint(0).nulls(8).boolean(true);
    wire.peer_sends(transfer(0, 0, b"t").null().boolean(true).payload("a"))
        .peer_sends(piece("b"))
        .peer_sends(aborted());
    let events = wire.events();
    let Event::Message { delivery, .. } = events[0] else { panic!("{events:?}") };
    assert_eq!(events[2], Event::Aborted { receiver: link, delivery });
    assert!(wire.engine.receiver(link).unwrap().accept(delivery).is_err());
    reads(&mut wire, link, delivery, "", PartEnd::Aborted);
    // A receiver of complete messages is not affected.
    wire.peer_sends(transfer(0, 1, b"t").null().boolean(true).payload("a")).peer_sends(aborted());
    wire.peer_sends(transfer(0, 2, b"t").payload("whole"));
    wire.events();
    assert_eq!(wire.engine.receiver(link).unwrap().receive().unwrap().payload().to_bytes(), "whole");
    assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 1);
}

/// M-STATE-09, T-DISP-10: a message accepted before its end arrives completely.
#[test]
fn m_state_09_a_message_accepted_before_its_end() {
    let (mut wire, link) = streaming(9);
    wire.peer_sends(transfer(0, 0, b"t").null().boolean(true).payload("a"));
    let Event::Message { delivery, .. } = wire.event() else { panic!() };
    wire.engine.receiver(link).unwrap().accept(delivery).unwrap();
    assert!(wire.lines()[0].contains("accepted"));
    wire.peer_sends(Literal::new(0x14).uint(0).payload("b"));
    assert_eq!(wire.event(), Event::Data { receiver: link, delivery });
    reads(&mut wire, link, delivery, "ab", PartEnd::Complete);
    wire.quiet();
}
