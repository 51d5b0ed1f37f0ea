//! What the codec costs: instructions, allocations, octets allocated and time for each operation.
//!
//! `cargo bench -p amqp-proto` prints the table. Instructions are counted by valgrind (callgrind), each case in
//! a process of its own that runs it twice as often the second time, so that start-up cancels out; without
//! valgrind that column stays empty. Allocations come from a counting allocator.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a case that fails has no figures
#![allow(clippy::cast_precision_loss)] // of averages

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Instant;

use amqp_proto::codec::{Entries, ValueRef};
use amqp_proto::message::{Message, MessageView, Sections};
use amqp_proto::types::{Channel, DeliveryNumber, DeliveryTag, Handle, Limits};
use amqp_proto::wire::{Deframer, Frame, MessageId, Performative, SectionKind, Transfer};
use bytes::{Bytes, BytesMut};

const MAX_FRAME_SIZE: u32 = 1 << 24;

/// An operation to be run so many times.
type Case = (&'static str, fn(u64));

const CASES: &[Case] = &[
    ("transfer frame encode, 256 B", transfer_encode),
    ("transfer frame decode, 256 B", transfer_decode),
    ("plain message encode, 256 B", plain_encode),
    ("plain message decode, 256 B", plain_decode),
    ("typical message encode, 256 B", typical_encode),
    ("typical message decode, every field", typical_decode),
    ("typical message, find the body", find_body),
    ("typical message, find all sections", view),
    ("transfer frame decode, 1 MiB", large_transfer_decode),
    ("message decode, 1 MiB", large_decode),
    ("message encode to slices, 1 MiB", large_encode),
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

/// Octets arrive in the deframer's buffer, which is used again once the frame is dropped.
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
        // The socket's part, one copy: everything after it shares this buffer.
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

/// The instructions of a whole process that runs one case so many times.
fn instructions(case: usize, times: u64) -> Option<u64> {
    let own = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["--case", &case.to_string(), &times.to_string()])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = report.lines().find(|line| line.contains("Collected :"))?;
    line.split_whitespace().last()?.parse().ok()
}

fn report(case: usize) {
    const TIMES: u64 = 200;
    let (name, run) = CASES[case];
    run(TIMES); // warm up
    let once = allocation_counter::measure(|| run(TIMES));
    let twice = allocation_counter::measure(|| run(2 * TIMES));
    let per_call = |a: u64, b: u64| (b as f64 - a as f64) / TIMES as f64;

    let rounds = if name.contains("MiB") { 2_000 } else { 1_000_000 };
    let start = Instant::now();
    run(rounds);
    let nanos = start.elapsed().as_nanos() as f64 / rounds as f64;

    let counted = instructions(case, TIMES).zip(instructions(case, 2 * TIMES));
    let counted = counted.map_or("-".into(), |(a, b)| format!("{:.0}", (b - a) as f64 / TIMES as f64));
    println!(
        "{name:<38} {counted:>12} {:>12.1} {:>14.0} {nanos:>10.0}",
        per_call(once.count_total, twice.count_total),
        per_call(once.bytes_total, twice.bytes_total),
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--case") {
        let case: usize = arguments[at + 1].parse().expect("the number of a case");
        CASES[case].1(arguments[at + 2].parse().expect("how many times"));
        return;
    }
    println!(
        "{:<38} {:>12} {:>12} {:>14} {:>10}",
        "per call", "instructions", "allocations", "octets alloc'd", "ns"
    );
    (0..CASES.len()).for_each(report);
}
