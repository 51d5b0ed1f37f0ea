//! Measures the codec: instructions, allocations, allocated octets and time of each operation.
//!
//! `cargo bench -p amqp-proto` prints the table; the module `measure` explains it.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a case that fails has no figures

mod measure;

use std::hint::black_box;

use amqp_proto::codec::{Entries, ValueRef};
use amqp_proto::message::{Message, MessageView, Sections};
use amqp_proto::types::{Channel, DeliveryNumber, DeliveryTag, Handle, Limits};
use amqp_proto::wire::{Deframer, Frame, MessageId, Performative, SectionKind, Transfer};
use bytes::{Bytes, BytesMut};
use measure::Case;

const MAX_FRAME_SIZE: u32 = 1 << 24;

const CASES: &[Case] = &[
    Case::new("transfer frame encode, 256 B", transfer_encode, 1_000_000),
    Case::new("transfer frame decode, 256 B", transfer_decode, 1_000_000),
    Case::new("plain message encode, 256 B", plain_encode, 1_000_000),
    Case::new("plain message decode, 256 B", plain_decode, 1_000_000),
    Case::new("typical message encode, 256 B", typical_encode, 1_000_000),
    Case::new("typical message decode, every field", typical_decode, 1_000_000),
    Case::new("typical message, typed accessors", typed_accessors, 1_000_000),
    Case::new("typical message, whole sections", whole_sections, 1_000_000),
    Case::new("typical message, Message::decode", whole_decode, 1_000_000),
    Case::new("typical message, find the body", find_body, 1_000_000),
    Case::new("typical message, find all sections", view, 1_000_000),
    Case::new("transfer frame decode, 1 MiB", large_transfer_decode, 2_000),
    Case::new("message decode, 1 MiB", large_decode, 2_000),
    Case::new("message encode to slices, 1 MiB", large_encode, 2_000),
];

fn typical() -> Message {
    Message::from(vec![7; 256])
        .with_durable(true)
        .with_message_id("3f1c2a7e-88d1-4b60-9a5c-0d6f1e2b3c4d")
        .with_to("queue/orders")
        .with_property("tenant", "acme")
        .with_property("kind", "order.created")
        .with_property("attempt", 1000)
        .with_property("trace", 0x1122_3344_5566_i64)
}

fn encoded(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out).expect("a message that can be encoded");
    out.freeze()
}

fn transfer() -> Performative {
    let mut transfer = Transfer::new(Handle::new(0));
    transfer.delivery_id = Some(DeliveryNumber::new(7));
    transfer.delivery_tag = Some(DeliveryTag::from(7));
    transfer.message_format = Some(0);
    transfer.settled = Some(false);
    transfer.into()
}

fn transfer_frame(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    transfer()
        .encode_frame(Channel::new(0), payload.len(), MAX_FRAME_SIZE, &mut out)
        .expect("a frame that fits");
    out.extend_from_slice(payload);
    out.freeze()
}

fn transfer_encode(times: u64) {
    let (performative, payload) = (transfer(), encoded(&Message::from(vec![7; 256])));
    let mut out = BytesMut::with_capacity(1024);
    for _ in 0..times {
        out.clear();
        let performative = black_box(&performative);
        let done = performative.encode_frame(Channel::new(0), payload.len(), MAX_FRAME_SIZE, &mut out);
        out.extend_from_slice(black_box(&payload));
        black_box(done).expect("a frame that fits");
    }
}

/// Decodes from the deframer's buffer, which is reused once the frame is dropped.
fn decode_frames(times: u64, frame: &[u8]) {
    let mut deframer = Deframer::new();
    deframer.input().reserve(4 * frame.len());
    for _ in 0..times {
        deframer.input().extend_from_slice(black_box(frame));
        let Ok(Some(raw)) = deframer.next_frame(MAX_FRAME_SIZE) else { panic!("no frame") };
        let frame = raw.decode(&Limits::DEFAULT);
        assert!(matches!(black_box(&frame), Ok(Frame::Amqp { .. })));
    }
}

fn transfer_decode(times: u64) {
    decode_frames(times, &transfer_frame(&encoded(&Message::from(vec![7; 256]))));
}

fn large_transfer_decode(times: u64) {
    let frame = transfer_frame(&encoded(&Message::from(vec![7; 1 << 20])));
    for _ in 0..times {
        let mut deframer = Deframer::new();
        // Like a socket, this copies once; everything behind it shares the buffer.
        deframer.input().extend_from_slice(&frame);
        let raw = deframer.next_frame(MAX_FRAME_SIZE).expect("a frame").expect("a whole one");
        black_box(raw.decode(&Limits::DEFAULT)).expect("a transfer");
    }
}

fn encode(times: u64, message: &Message) {
    let mut out = BytesMut::with_capacity(4096);
    for _ in 0..times {
        out.clear();
        black_box(message).encode(black_box(&mut out)).expect("a message that can be encoded");
    }
}

fn plain_encode(times: u64) {
    encode(times, &Message::from(vec![7; 256]));
}

fn typical_encode(times: u64) {
    encode(times, &typical());
}

fn plain_decode(times: u64) {
    let octets = encoded(&Message::from(vec![7; 256]));
    for _ in 0..times {
        let view = MessageView::new(black_box(&octets).clone(), &Limits::DEFAULT).expect("a message");
        black_box(view.data().expect("data"));
    }
}

fn typical_decode(times: u64) {
    let octets = encoded(&typical());
    for _ in 0..times {
        let view = MessageView::new(black_box(&octets).clone(), &Limits::DEFAULT).expect("a message");
        let header = view.header().expect("a header");
        assert!(header.durable);
        let properties = view.properties().expect("properties");
        assert!(matches!(black_box(&properties).message_id, Some(MessageId::String(_))));
        let section = view.section(SectionKind::ApplicationProperties).expect("application-properties");
        for pair in Entries::new(&section).expect("a map") {
            let (key, value) = pair.expect("a pair");
            assert!(matches!(black_box(key), ValueRef::String(_)));
            black_box(value);
        }
        black_box(view.data().expect("data"));
    }
}

/// Reads each field by its method, as most programs do.
fn typed_accessors(times: u64) {
    let octets = encoded(&typical());
    for _ in 0..times {
        let view = MessageView::new(black_box(&octets).clone(), &Limits::DEFAULT).expect("a message");
        assert!(view.header().expect("a header").durable);
        assert!(matches!(black_box(view.message_id()).expect("properties"), Some(MessageId::String(_))));
        assert!(black_box(view.to()).expect("properties").is_some());
        for name in ["tenant", "kind", "attempt", "trace"] {
            assert!(black_box(view.property(name).expect("application-properties")).is_some());
        }
        black_box(view.data().expect("data"));
    }
}

/// Reads each section as a whole.
fn whole_sections(times: u64) {
    let octets = encoded(&typical());
    for _ in 0..times {
        let view = MessageView::new(black_box(&octets).clone(), &Limits::DEFAULT).expect("a message");
        assert!(view.header().expect("a header").durable);
        let properties = view.properties().expect("properties");
        assert!(matches!(black_box(&properties).message_id, Some(MessageId::String(_))));
        let properties = view.application_properties().expect("application-properties");
        for key in ["tenant", "kind", "attempt", "trace"] {
            assert!(black_box(properties.get(key)).is_some());
        }
        black_box(view.data().expect("data"));
    }
}

fn whole_decode(times: u64) {
    let octets = encoded(&typical());
    for _ in 0..times {
        black_box(Message::decode(black_box(&octets).clone(), &Limits::DEFAULT)).expect("a message");
    }
}

fn view(times: u64) {
    let octets = encoded(&typical());
    for _ in 0..times {
        let view = MessageView::new(black_box(&octets).clone(), &Limits::DEFAULT).expect("a message");
        black_box(view.body_kind());
    }
}

fn find_body(times: u64) {
    let octets = encoded(&typical());
    for _ in 0..times {
        let body = Sections::new(black_box(&octets)).find_map(|section| {
            let (kind, value) = section.expect("a section");
            (kind >= SectionKind::Data).then_some(value)
        });
        black_box(body);
    }
}

fn large_decode(times: u64) {
    let octets = encoded(&Message::from(vec![7; 1 << 20]));
    for _ in 0..times {
        black_box(Message::decode(black_box(&octets).clone(), &Limits::DEFAULT)).expect("a message");
    }
}

fn large_encode(times: u64) {
    let message = Message::from(vec![7; 1 << 20]);
    for _ in 0..times {
        black_box(black_box(&message).to_payload()).expect("a message that can be encoded");
    }
}

fn main() {
    measure::main(CASES);
}
