//! The memory that decoding takes: bounded by the limits for any octets, and nothing where nothing is kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use allocation_counter::{AllocationInfo, measure};
use amqp_proto::Connection;
use amqp_proto::codec::{Entries, ValueRef};
use amqp_proto::config::Options;
use amqp_proto::message::{Message, MessageView, Payload};
use amqp_proto::types::{DeliveryNumber, DeliveryTag, Handle, Limits, Moment, Value};
use amqp_proto::wire::{
    Deframer, Frame, Header, Performative, Properties, SaslMechanisms, SectionKind, Transfer,
};
use bytes::{BufMut, Bytes, BytesMut};
use common::{data, octets, text};
use proptest::prelude::*;
use proptest::sample::Index;

const SMALL: Limits = Limits::DEFAULT.with_depth(8).with_elements(64).with_zero_width_elements(16);

/// Boxed structs, such as the error in an outcome in a source in an attach.
const BOXES: usize = 4096;
/// A level costs 80 octets on a stack that doubles; for a moment, both the old and the new stack are live.
const PER_LEVEL: usize = 3 * 80;

/// Measures the octets that `run` allocates, and those that its result still holds.
fn measured<T>(run: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut result = None;
    let info = measure(|| result = Some(run()));
    (result.unwrap(), info)
}

/// Checks the memory that the docs of [`Limits`] state: for each element in the octets, once for the kept value and
/// once while it is decoded, and for each level.
fn check_cost(octets: usize, limits: &Limits, cost: AllocationInfo, what: &str) {
    let elements = u32::try_from(octets).unwrap().saturating_add(limits.zero_width_elements());
    let kept = elements.min(limits.elements()) as usize * Limits::octets_per_element();
    let levels = octets.min(limits.depth().into()) * PER_LEVEL;
    let (current, peak) =
        (usize::try_from(cost.bytes_current).unwrap(), usize::try_from(cost.bytes_max).unwrap());
    assert!(current <= kept + BOXES, "{what}: {current} octets are kept for {octets}, at most {kept}");
    assert!(peak <= 2 * kept + levels + BOXES, "{what}: {peak} octets are allocated for {octets}");
}

/// Decodes octets as every type, and checks the memory.
fn check_all(octets: &Bytes, limits: &Limits, what: &str) {
    let (result, cost) = measured(|| Value::decode(&mut octets.clone(), limits));
    check_cost(octets.len(), limits, cost, what);
    drop(result);

    let mut deframer = Deframer::new();
    deframer.input().put_slice(octets);
    let _ = deframer.next_header();
    while let Ok(Some(frame)) = deframer.next_frame(u32::MAX) {
        let size = frame.octets.len();
        let (result, cost) = measured(|| frame.decode(limits));
        check_cost(size, limits, cost, what);
        drop(result);
    }

    // A section's entry takes about 100 octets, and the section three octets of input.
    let sections = 128 * (octets.len() / 3).min(limits.sections() as usize);
    let (result, mut cost) = measured(|| Message::decode(octets.clone(), limits));
    cost.bytes_max = cost.bytes_max.saturating_sub(sections as u64);
    cost.bytes_current = cost.bytes_current.saturating_sub_unsigned(sections as u64).max(0);
    check_cost(octets.len(), limits, cost, what);
    drop(result);
}

/// Octets in a shared buffer, like that of a frame.
fn shared(octets: impl Into<Bytes>) -> Bytes {
    let octets = BytesMut::from(octets.into()).freeze();
    drop(octets.clone());
    octets
}

#[test]
fn e_size_05_hostile_octets_buy_no_memory() {
    let threats = data("threats.json");
    let mut values = 0;
    for threat in threats.as_array().unwrap() {
        for key in ["value_hex", "stream_hex"] {
            let Some(hex) = threat[key].as_str() else { continue };
            for limits in [Limits::DEFAULT, SMALL] {
                check_all(&shared(octets(hex)), &limits, text(threat, "id"));
            }
            values += usize::from(key == "value_hex");
        }
    }
    assert_eq!(values, 24);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn e_size_05_spoiled_octets_buy_no_memory(
        which: Index,
        changes in proptest::collection::vec(any::<(Index, u8)>(), 1..6),
        deep: bool,
    ) {
        let examples = data("wire-examples.json");
        let example = which.get(examples["examples"].as_array().unwrap());
        let mut octets = octets(text(example, "hex")).to_vec();
        for (at, octet) in changes {
            *at.get_mut(&mut octets) = octet;
        }
        let limits = if deep { Limits::DEFAULT } else { SMALL };
        check_all(&shared(octets), &limits, text(example, "name"));
    }
}

/// A list32, map32 or array32 of `count` items.
fn compound(code: u8, count: u32, items: &[u8]) -> Vec<u8> {
    let size = u32::try_from(items.len() + 4).unwrap();
    [&[code], &size.to_be_bytes()[..], &count.to_be_bytes(), items].concat()
}

/// Each limit is reached in the most expensive way.
#[test]
fn e_size_05_limits_cost_the_documented_memory() {
    let limits = Limits::DEFAULT.with_elements(3001).with_zero_width_elements(3001);
    let keys: Vec<u8> =
        (0..1500_u16).flat_map(|key| [0x60, key.to_be_bytes()[0], key.to_be_bytes()[1], 0x40]).collect();
    for (what, octets) in [
        ("nulls", compound(0xd0, 3001, &[0x40; 3001])),
        ("nulls that take no octets", compound(0xf0, 3001, &[0x40])),
        ("lists that take no octets", compound(0xf0, 3001, &[0x45])),
        ("empty arrays", compound(0xd0, 3001, &[0xe0, 2, 0, 0x40].repeat(3001))),
        (
            "empty arrays of described values",
            compound(0xd0, 1500, &[0xe0, 4, 0, 0x00, 0x40, 0x40].repeat(1500)),
        ),
        ("described values", compound(0xd0, 1000, &[0x00, 0x40, 0x40].repeat(1000))),
        ("keys", compound(0xd1, 3000, &keys)),
    ] {
        let octets = shared(octets);
        let (value, cost) = measured(|| Value::decode(&mut octets.clone(), &limits).unwrap());
        let kept = 3001 * Limits::octets_per_element();
        assert!(cost.bytes_current <= i64::try_from(kept).unwrap(), "{what}: {cost:?}");
        assert!(cost.bytes_max <= 2 * kept as u64, "{what}: {cost:?}");
        drop(value);
    }

    let symbols = compound(0xf0, 3001, &[&[0xa3][..], &[0; 3001]].concat());
    let octets = shared([vec![0x00, 0x53, 0x40], compound(0xd0, 1, &symbols)].concat());
    let (mechanisms, cost) = measured(|| SaslMechanisms::decode(&mut octets.clone(), &limits).unwrap());
    assert_eq!(mechanisms.sasl_server_mechanisms.len(), 3001);
    check_cost(3001, &limits, cost, "symbols");
}

/// E-SIZE-06: depth costs heap up to the limit, and no stack, also to drop and compare. E-ARR-05: all sections of a
/// message share one budget.
#[test]
fn e_arr_05_sections_do_not_multiply_the_limits() {
    let sequence = [0, 0x53, 0x76, 0xc0, 11, 1, 0xf0, 0, 0, 0, 5, 0, 0, 16, 0, 0x40]; // 4,096 nulls
    for (sections, fits) in [(1, true), (2, false), (1000, false)] {
        let octets = shared(sequence.repeat(sections));
        let (message, cost) = measured(|| Message::decode(octets.clone(), &Limits::DEFAULT));
        assert_eq!(message.is_ok(), fits);
        assert!(cost.bytes_max < 1 << 19, "{cost:?}");
    }
}

#[test]
fn e_size_06_depth_costs_the_documented_memory() {
    let limits = Limits::DEFAULT.with_depth(u16::MAX).with_elements(u32::MAX);
    for (what, opening) in [("described", &[0x00, 0x40][..]), ("in descriptors", &[0x00][..])] {
        let levels = usize::from(u16::MAX);
        let octets = shared([opening.repeat(levels), vec![0x40; levels + 1]].concat());
        let (value, cost) = measured(|| Value::decode(&mut octets.clone(), &limits).unwrap());
        check_cost(2 * levels, &limits, cost, what);
        let copy = value.clone();
        assert!(copy == value);
        let mut out = BytesMut::new();
        value.encode(&mut out).unwrap();
        assert!(octets.starts_with(&out));
        assert!(!value.to_string().is_empty());
    }
}

/// A transfer of one frame.
fn transfer() -> Performative {
    let mut transfer = Transfer::new(Handle::new(3));
    transfer.delivery_id = Some(DeliveryNumber::new(77));
    transfer.delivery_tag = Some(DeliveryTag::from(77));
    transfer.settled = Some(false);
    transfer.into()
}

/// Appends a frame with a transfer, and its payload.
fn put_frame(payload: &[u8], out: &mut BytesMut) {
    transfer().encode_frame(0.into(), payload.len(), u32::MAX, out).unwrap();
    out.put_slice(payload);
}

#[test]
fn transfers_are_read_without_allocation() {
    let message = Message::from("job-content").with_message_id("id-1").with_subject("print").with_priority(7);
    let payload = message.to_payload().unwrap().to_bytes();
    let mut frame = BytesMut::new();
    put_frame(&payload, &mut frame);

    let mut deframer = Deframer::new();
    let mut cost = AllocationInfo::default();
    for _ in 0..64 {
        let (received, this) = measured(|| {
            deframer.input().put_slice(&frame);
            deframer.next_frame(4096).unwrap().unwrap().decode(&Limits::DEFAULT).unwrap()
        });
        let Frame::Amqp { performative, payload: received, .. } = received else {
            panic!("not an AMQP frame")
        };
        assert_eq!((performative, received), (transfer(), payload.clone()));
        cost = this;
    }
    assert_eq!(cost.count_total, 0, "once the buffer has its size: {cost:?}");
}

/// A peer that writes a large frame in small pieces costs no more than the frame, however many pieces there are [2.3.1].
#[test]
fn a_large_frame_in_small_pieces_is_not_copied_for_each() {
    const SIZE: u32 = 1 << 19;
    for piece in [16, 1_000, 50_000] {
        let mut server = Connection::server(
            Options::new("server").with_limits(Limits::DEFAULT.with_frame_size(1 << 20).with_memory(1 << 30)),
            Moment::START,
        );
        server.receive(Moment::START, b"AMQP\0\x01\0\0");
        server.receive(Moment::START, &SIZE.to_be_bytes());
        server.receive(Moment::START, &[2, 0, 0, 0]);
        let pieces = vec![0; piece];
        let ((), cost) = measured(|| {
            for _ in 0..400_000 / piece {
                server.receive(Moment::START, &pieces);
                assert_eq!(server.poll_event(), None);
            }
        });
        assert!(cost.bytes_total < 4 * u64::from(SIZE), "pieces of {piece} octets: {cost:?}");
    }
}

#[test]
fn sections_are_read_without_allocation() {
    let message = Message::from("job-content")
        .with_durable(true)
        .with_message_id("id-1")
        .with_subject("print")
        .with_property("tenant", "acme");
    let octets = shared(message.to_payload().unwrap().to_bytes());
    let (subject, cost) = measured(|| {
        let view = MessageView::new(octets.clone(), &Limits::DEFAULT).unwrap();
        assert!(view.header().unwrap().durable);
        let properties = view.properties().unwrap();
        let section = view.section(SectionKind::ApplicationProperties).unwrap();
        let (key, value) = Entries::new(&section).unwrap().next().unwrap().unwrap();
        assert_eq!((key.as_str(), value.as_str()), (Some("tenant"), Some("acme")));
        let body = view.section(SectionKind::AmqpValue).unwrap();
        assert_eq!(ValueRef::decode(&body).unwrap().as_str(), Some("job-content"));
        properties.subject.unwrap()
    });
    assert_eq!(subject, "print");
    assert_eq!(cost.count_total, 0, "{cost:?}");

    let mut sections = BytesMut::new();
    message.header().encode(&mut sections).unwrap();
    message.properties().encode(&mut sections).unwrap();
    let mut sections = shared(sections);
    let (read, cost) = measured(|| {
        let header = Header::decode(&mut sections, &Limits::DEFAULT).unwrap();
        (header, Properties::decode(&mut sections, &Limits::DEFAULT).unwrap())
    });
    assert_eq!((&read.0, &read.1), (message.header(), message.properties()));
    assert_eq!(cost.count_total, 0, "{cost:?}");
}

#[test]
fn payloads_are_not_copied() {
    let body = Bytes::from(vec![0x5a; 1 << 20]);
    let message = Message::from(body.clone());
    let (payload, cost) = measured(|| message.to_payload().unwrap());
    assert!(payload.chunks().iter().any(|chunk| chunk.as_ptr() == body.as_ptr()), "sent from where it lies");
    assert!(cost.bytes_total < 64 * 1024, "{cost:?}");

    let mut stream = BytesMut::new();
    put_frame(&payload.to_bytes(), &mut stream);
    let mut deframer = Deframer::new();
    deframer.input().put_slice(&stream);
    let inside = deframer.remaining().as_ptr_range();

    let (received, cost) = measured(|| {
        let frame = deframer.next_frame(u32::MAX).unwrap().unwrap().decode(&Limits::DEFAULT).unwrap();
        let Frame::Amqp { payload, .. } = frame else { panic!("not an AMQP frame") };
        let view = MessageView::new(payload, &Limits::DEFAULT).unwrap();
        view.body().unwrap()
    });
    let received = received.as_bytes().unwrap();
    assert_eq!(*received, body);
    let range = received.as_ptr_range();
    assert!(
        inside.start <= range.start && range.end <= inside.end,
        "the body lies in the buffer that was filled"
    );
    assert!(cost.bytes_total < 64 * 1024, "{cost:?}");
}

/// A message of many frames is joined, read and handed out without a copy.
#[test]
fn payloads_in_many_frames_are_not_copied() {
    let body = Bytes::from(vec![0x5a; 1 << 20]);
    let octets = shared(Message::from(body.clone()).with_subject("large").to_payload().unwrap().to_bytes());
    let (data, cost) = measured(|| {
        let chunks = (0..octets.len()).step_by(4096).map(|at| octets.slice(at..octets.len().min(at + 4096)));
        let view = MessageView::new(chunks.collect::<Payload>(), &Limits::DEFAULT).unwrap();
        assert_eq!(view.properties().unwrap().subject.unwrap(), "large");
        view.data().unwrap().unwrap()
    });
    assert_eq!(data.to_bytes(), body);
    assert!(cost.bytes_total < 64 * 1024, "{cost:?}");
}
