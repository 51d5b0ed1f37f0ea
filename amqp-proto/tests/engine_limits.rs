//! Every limit of [`Limits`] that the engine keeps: what exceeds it is refused, and what is within it works.
//! `limits.rs` tests the limits of decoding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::sasl::{Identity, ServerMechanism, ServerSasl, Step, TransportSecurity};
use amqp_proto::testing::{
    Literal, Pair, SASL_HEADER, attach, attach_receiver, attach_sender, begin, detach, flow, open, transfer,
};
use amqp_proto::types::{DeliveryTag, Limits, LinkKey, Moment, ReceiverKey, SenderKey, Symbol};
use amqp_proto::wire::{AmqpError, Condition, Secret};
use amqp_proto::{Connection, Event, LinkError, Reading, SendError, symbol};
use bytes::BufMut;
use common::hex;
use common::wire::{Wire, beginning, frames, opening};

fn limited(limits: Limits) -> Wire {
    let mut wire = Wire::opened_by(Options::new("s").with_limits(limits), open("p"));
    wire.peer_begins(beginning(0), SessionOptions::new());
    wire.octets();
    wire
}

/// A link on which the engine receives, on the peer's handle 0, with credit for 100 messages.
fn receiving(wire: &mut Wire, options: ReceiverOptions) -> ReceiverKey {
    let LinkKey::Receiver(link) = wire.peer_attaches(attach_sender("n", 0, "a", "b")) else {
        panic!("a sender")
    };
    wire.engine.receiver(link).unwrap().accept_link(options).unwrap();
    wire.octets();
    link
}

/// A link on which the engine sends, on the peer's handle 0, with credit for 1,000 messages.
fn sending(wire: &mut Wire) -> SenderKey {
    let LinkKey::Sender(link) = wire.peer_attaches(attach_receiver("n", 0, "a", "b")) else {
        panic!("a receiver")
    };
    wire.engine.sender(link).unwrap().accept_link(SenderOptions::new()).unwrap();
    wire.peer_sends(flow(Some(0), 10_000, 0, 100).uint(0).uint(0).uint(1_000));
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    wire.octets();
    link
}

/// Returns the condition with which the engine has closed the link because of the peer.
fn detached(wire: &mut Wire) -> Condition {
    let told = wire.events().into_iter().find_map(|event| match event {
        Event::LinkDetached { closed: true, reason, .. } => reason.error,
        _ => None,
    });
    let said = wire.written();
    let condition = told.unwrap().condition;
    assert!(said.contains(&hex(condition.as_str().as_bytes())), "{said}");
    assert!(wire.engine.is_open());
    condition
}

/// frame_size: see also F-MAX-03.
#[test]
fn frame_size() {
    let limits = Limits::DEFAULT.with_frame_size(600);
    let padded = |octets: usize| transfer(0, 0, b"t").payload(vec![0; octets]);
    let over = padded(0).to_octets().len();
    for (size, is_right) in [(600, true), (601, false)] {
        let mut wire = limited(limits.clone());
        receiving(&mut wire, ReceiverOptions::new());
        wire.peer_sends(padded(size - over));
        if is_right {
            assert!(matches!(wire.events()[..], [Event::Message { .. }]));
        } else {
            assert_eq!(wire.engine_closes(), Condition::FramingError);
        }
    }
}

/// sasl_frame_size: see A-SASL-03 in `sasl_layer.rs`, too.
#[test]
fn sasl_frame_size() {
    for (limit, is_right) in [(600, true), (599, false)] {
        let options = Options::new("s").with_limits(Limits::DEFAULT.with_sasl_frame_size(limit));
        let sasl = ServerSasl::new(TransportSecurity::Clear).with_mechanism(Endless);
        let mut wire = Wire::of(Connection::server_with_sasl(options, sasl, Moment::START));
        let init = Literal::sasl(0x41).symbol("ENDLESS");
        let init = init.clone().binary(&vec![0; 600 - 11 - init.to_octets().len()]);
        assert_eq!(init.to_octets().len(), 600);
        wire.peer_sends(hex(&SASL_HEADER) + &frames([init]));
        assert_eq!(wire.engine.is_over(), !is_right);
    }
}

/// A mechanism that sends challenges for ever.
#[derive(Debug)]
struct Endless;

impl ServerMechanism for Endless {
    fn name(&self) -> Symbol {
        symbol!("ENDLESS")
    }

    fn init(&mut self, _: Option<&Secret>) -> Step {
        Step::Challenge(Secret::default())
    }

    fn response(&mut self, response: &Secret) -> Step {
        if response.expose()[..] == *b"me" {
            return Step::Done { identity: Identity::of("me"), additional_data: None };
        }
        Step::Challenge(Secret::default())
    }
}

/// sasl_rounds: after this number of challenges the mechanism must decide.
#[test]
fn sasl_rounds() {
    for (rounds, answers, is_right) in [(3, 3, true), (3, 4, false), (16, 16, true), (16, 17, false)] {
        let options = Options::new("s").with_limits(Limits::DEFAULT.with_sasl_rounds(rounds));
        let sasl = ServerSasl::new(TransportSecurity::Clear).with_mechanism(Endless);
        let mut wire = Wire::of(Connection::server_with_sasl(options, sasl, Moment::START));
        wire.peer_sends(hex(&SASL_HEADER) + &frames([Literal::sasl(0x41).symbol("ENDLESS")]));
        for _ in 1..answers {
            wire.peer_sends(Literal::sasl(0x43).binary(b""));
        }
        wire.peer_sends(Literal::sasl(0x43).binary(b"me"));
        let code = if is_right { 0 } else { 1 };
        assert!(wire.written().ends_with(&frames([Literal::sasl(0x44).ubyte(code)])), "{rounds}, {answers}");
        assert_eq!(wire.engine.is_over(), !is_right);
    }
}

/// channel_max: the number of sessions.
#[test]
fn channel_max() {
    let mut wire = limited(Limits::DEFAULT.with_channel_max(1));
    wire.peer_begins(beginning(1), SessionOptions::new());
    wire.octets();
    wire.peer_sends(beginning(2));
    assert_eq!(wire.engine_closes(), Condition::FramingError);
}

/// handle_max: the number of links on a session.
#[test]
fn handle_max() {
    let mut wire = limited(Limits::DEFAULT.with_handle_max(1));
    wire.peer_sends(attach_sender("a", 1, "a", "b"));
    assert_eq!(wire.events().len(), 1);
    wire.peer_sends(attach_sender("b", 2, "a", "b"));
    assert_eq!(wire.engine_closes(), Condition::FramingError);
}

/// links: the number of links of all sessions, attached by either end.
#[test]
fn links() {
    let mut wire = limited(Limits::DEFAULT.with_links(3));
    let other = wire.peer_begins(beginning(1), SessionOptions::new());
    wire.peer_sends([attach_sender("a", 0, "a", "b"), attach_sender("b", 0, "a", "b").on(1)]);
    assert_eq!(wire.events().len(), 2);
    let mut view = wire.engine.session(other).unwrap();
    view.attach_sender("c", SenderOptions::new()).unwrap();
    assert_eq!(view.attach_sender("d", SenderOptions::new()), Err(LinkError::Limit));
    wire.octets();
    wire.peer_sends(attach_sender("e", 1, "a", "b"));
    assert_eq!(wire.engine_ends(), Condition::ResourceLimitExceeded);
    wire.peer_sends(amqp_proto::testing::end());
    wire.events();
    let mut view = wire.engine.session(other).unwrap();
    view.attach_sender("d", SenderOptions::new()).unwrap();
}

/// suspended_links: the link that was detached first is forgotten.
#[test]
fn suspended_links() {
    let mut wire = limited(Limits::DEFAULT.with_suspended_links(2));
    let mut keys = Vec::new();
    for name in ["a", "b", "c"] {
        let LinkKey::Receiver(link) = wire.peer_attaches(attach_sender(name, 0, "a", "b")) else {
            panic!("a sender")
        };
        wire.engine.receiver(link).unwrap().accept_link(ReceiverOptions::new()).unwrap();
        wire.peer_sends(detach(0, false));
        assert!(matches!(wire.events()[..], [Event::LinkDetached { closed: false, .. }]));
        keys.push(link);
    }
    let known = keys.iter().map(|key| wire.engine.receiver(*key).is_ok()).collect::<Vec<_>>();
    assert_eq!(known, [false, true, true]);
    assert_eq!(wire.peer_attaches(attach_sender("b", 0, "a", "b")), keys[1].into());
}

/// attach_octets: a larger attach is refused with its link.
#[test]
fn attach_octets() {
    let named = |octets: usize| attach_sender(&"n".repeat(octets), 0, "a", "b");
    // The attach with its descriptor counts, the frame around it does not.
    let over = named(200).to_octets().len() - 8 - 200;
    for (octets, is_right) in [(200, true), (201, false)] {
        let limit = u32::try_from(over + 200).unwrap();
        let mut wire = limited(Limits::DEFAULT.with_attach_octets(limit));
        wire.peer_sends(named(octets));
        if is_right {
            assert!(matches!(wire.events()[..], [Event::LinkOffered(_)]));
        } else {
            assert_eq!(detached(&mut wire), Condition::ResourceLimitExceeded);
        }
    }
}

/// session_frames: bounds the options of sessions; one transfer too many ends the session.
#[test]
fn session_frames() {
    let mut wire =
        Wire::opened_by(Options::new("s").with_limits(Limits::DEFAULT.with_session_frames(3)), open("p"));
    wire.peer_begins(beginning(0), SessionOptions::new().with_incoming_frames(1_000));
    wire.engine_wrote([begin(Some(0), 0, 3, 0x7fff_ffff).uint(65_535)]);
    receiving(&mut wire, ReceiverOptions::new());
    let one = |id: u32| transfer(0, id, &[0]).boolean(true).payload(*b"x");
    wire.peer_sends([one(0), one(1), one(2)]);
    assert_eq!((wire.events().len(), wire.written()), (3, String::new()));
    wire.peer_sends(one(3));
    assert_eq!(wire.engine_ends(), Condition::WindowViolation);
}

/// session_octets: the window is at most the room for frames of the largest size, but at least one frame.
#[test]
fn session_octets() {
    for (octets, window) in [(4_000, 4), (3_999, 3), (1_000, 1), (1, 1), (0, 1)] {
        let limits = Limits::DEFAULT.with_frame_size(1_000).with_session_octets(octets);
        let mut wire = Wire::opened_by(Options::new("s").with_limits(limits), open("p"));
        wire.peer_begins(beginning(0), SessionOptions::new().with_incoming_octets(1 << 40));
        wire.engine_wrote([begin(Some(0), 0, window, 0x7fff_ffff).uint(65_535)]);
    }
}

/// message_octets: announced, and checked over all frames of a message; a link's options can set another size.
#[test]
fn message_octets() {
    for (asked, limit) in [(None, 1_000), (Some(2_000), 2_000)] {
        let mut wire = limited(Limits::DEFAULT.with_message_octets(1_000));
        let options = ReceiverOptions::new();
        let options = asked.map_or(options.clone(), |octets| options.with_max_message_size(octets));
        let LinkKey::Receiver(link) = wire.peer_attaches(attach_sender("n", 0, "a", "b")) else {
            panic!("a sender")
        };
        wire.engine.receiver(link).unwrap().accept_link(options).unwrap();
        let answer =
            attach("n", 0, true).nulls(2).terminus(0x28, "a").terminus(0x29, "b").nulls(3).ulong(limit);
        assert!(wire.written().starts_with(&frames([answer])));
        let half = vec![0; usize::try_from(limit).unwrap() / 2];
        let part = |id, more| transfer(0, id, &[0]).boolean(true).boolean(more).payload(half.clone());
        wire.peer_sends([part(0, true), part(0, false)]);
        assert!(matches!(wire.events()[..], [Event::Message { .. }]));
        wire.peer_sends([part(1, true), part(1, true), transfer(0, 1, &[0]).payload([0])]);
        assert_eq!(detached(&mut wire), Condition::MessageSizeExceeded);
    }
}

/// transfers_per_delivery: counts transfers of any size, also empty ones.
#[test]
fn transfers_per_delivery() {
    for (count, is_right) in [(5, true), (6, false)] {
        let mut wire = limited(Limits::DEFAULT.with_transfers_per_delivery(5));
        receiving(&mut wire, ReceiverOptions::new());
        for at in 1..=count {
            wire.peer_sends(transfer(0, 0, &[0]).null().boolean(at < count));
        }
        if is_right {
            assert!(matches!(wire.events()[..], [Event::Message { .. }]));
        } else {
            assert_eq!(detached(&mut wire), Condition::MessageSizeExceeded);
        }
    }
}

/// unsettled: counted for each direction; settled deliveries do not count, and settling makes room.
#[test]
fn unsettled() {
    let mut wire = limited(Limits::DEFAULT.with_unsettled(3));
    let link = receiving(&mut wire, ReceiverOptions::new());
    let one = |id: u32| transfer(0, id, &id.to_be_bytes());
    wire.peer_sends([one(0), one(1), one(2), one(3).boolean(true)]);
    assert_eq!(wire.events().len(), 4);
    wire.engine.receiver(link).unwrap().accept_all();
    wire.peer_sends([one(4), one(5), one(6)]);
    assert_eq!(wire.events().len(), 3);
    wire.peer_sends(one(7));
    assert_eq!(detached(&mut wire), Condition::ResourceLimitExceeded);

    let mut wire = limited(Limits::DEFAULT.with_unsettled(3));
    let link = sending(&mut wire);
    let mut sender = wire.engine.sender(link).unwrap();
    let first = sender.send("x").unwrap();
    for _ in 0..2 {
        sender.send("x").unwrap();
    }
    assert_eq!(sender.send("x"), Err(SendError::Unsettled(3)));
    sender.send_with(&"x".into(), &SendOptions::new().with_settled(true)).unwrap();
    sender.settle(first).unwrap();
    sender.send_with(&"x".into(), &SendOptions::new().with_tag(DeliveryTag::from(99))).unwrap();
}

/// output_octets: sends beyond it are refused, and the sender gets an event when there is room.
#[test]
fn output_octets() {
    let mut wire = limited(Limits::DEFAULT.with_output_octets(1_000));
    let link = sending(&mut wire);
    let mut sender = wire.engine.sender(link).unwrap();
    let sent = std::iter::repeat_with(|| sender.send("x".repeat(100))).take_while(Result::is_ok).count();
    assert_eq!(sender.send("x"), Err(SendError::Full));
    assert!(!sender.is_sendable());
    let octets = wire.written().len() / 2;
    assert!((1_000..1_200).contains(&octets) && sent < 10, "{sent} messages, {octets} octets");
    assert_eq!(wire.events(), [Event::Sendable(link)]);
}

/// output_octets: the octets of a message that the peer's window holds back are bounded alike, while there is no output.
#[test]
fn output_octets_of_a_message_in_parts() {
    let mut wire = Wire::begun_with(Limits::DEFAULT.with_output_octets(1_000), SessionOptions::new(), 0);
    let link = sending(&mut wire);
    wire.engine.sender(link).unwrap().begin_delivery(&SendOptions::new()).unwrap();
    wire.peer_sends(flow(Some(0), 0, 0, 2048));
    let mut sender = wire.engine.sender(link).unwrap();
    sender.write(vec![7; 600]).unwrap();
    sender.write(vec![7; 600]).unwrap();
    assert_eq!(sender.write(vec![7; 600]), Err(SendError::Full));
    assert_eq!(wire.written(), "");
}

/// output_octets_hard: no more input is read while answers to it would add to the output.
#[test]
fn output_octets_hard() {
    let mut wire = limited(Limits::DEFAULT.with_output_octets(500).with_output_octets_hard(1_000));
    let echo = frames([flow(Some(0), 100, 0, 100).nulls(5).boolean(true), beginning(1)]);
    assert_eq!(wire.engine.reading(), Reading::Wanted);
    while wire.engine.reading() == Reading::Wanted {
        wire.peer_sends(beginning(1));
        let [Event::SessionOffered(session)] = wire.events()[..] else { panic!("no session") };
        let mut view = wire.engine.session(session).unwrap();
        view.end_with(AmqpError::new(Condition::NotAllowed).with_description("x".repeat(100))).unwrap();
        wire.peer_sends(amqp_proto::testing::end().on(1));
        wire.events();
    }
    assert_eq!(wire.engine.reading(), Reading::Output);
    wire.peer_sends(&echo);
    assert_eq!(wire.events(), []);
    let octets = wire.written().len() / 2;
    assert!((1_000..1_300).contains(&octets), "{octets}");
    assert_eq!(wire.engine.reading(), Reading::Events);
    let events = wire.events();
    assert!(matches!(events[..], [.., Event::SessionOffered(_)]), "{events:?}");
}

/// shortest_idle_timeout: see C-IDLE-06 in `idle.rs`, too.
#[test]
fn shortest_idle_timeout() {
    for (idle, is_right) in [(99, false), (100, true)] {
        let mut wire = Wire::server(Options::new("s"));
        wire.peer_sends(opening([open("p").nulls(3).uint(idle)]));
        if is_right {
            assert_eq!(wire.events(), [Event::Opened]);
            let (at, _) = wire.engine.next_deadline().unwrap();
            assert_eq!(at.as_millis(), 25);
        } else {
            assert_eq!(wire.engine_closes(), Condition::NotAllowed);
        }
    }
}

/// The engine asks for input in portions that suit the frames.
#[test]
fn input_suits_the_frames() {
    for (frame_size, most) in [(512, 4_096), (4_096, 32_768), (65_536, 65_536)] {
        let limits = Limits::DEFAULT.with_frame_size(frame_size);
        let mut wire = Wire::opened_by(Options::new("s").with_limits(limits), open("p"));
        let mut largest = 0;
        for _ in 0..50 {
            let mut room = wire.engine.input();
            largest = largest.max(room.remaining_mut());
            (0..room.remaining_mut() / 8).for_each(|_| room.put_slice(&[0, 0, 0, 8, 2, 0, 0, 0]));
            wire.engine.received(Moment::START);
            assert_eq!(wire.events(), []);
        }
        assert!(largest >= most / 2 && largest <= most, "{largest} for {frame_size}");
    }
}

/// A pair with the smallest limits still works.
#[test]
fn the_smallest_limits_work() {
    let limits = Limits::DEFAULT
        .with_frame_size(512)
        .with_channel_max(0)
        .with_handle_max(0)
        .with_links(1)
        .with_suspended_links(0)
        .with_session_frames(1)
        .with_session_octets(0)
        .with_unsettled(1)
        .with_output_octets(1)
        .with_output_octets_hard(1);
    let mut pair =
        Pair::new(Options::new("c").with_limits(limits.clone()), Options::new("s").with_limits(limits));
    pair.server.collects = true;
    let (sender, receiver) = pair.link("jobs");
    for _ in 0..10 {
        pair.client.sender(sender).unwrap().send("x".repeat(2_000)).unwrap();
        pair.drive();
        pair.server.receiver(receiver).unwrap().accept_all();
        pair.drive();
    }
    assert_eq!(pair.server.messages().len(), 10);
    assert_eq!(pair.client.sender(sender).unwrap().unsettled_len(), 0);
}
