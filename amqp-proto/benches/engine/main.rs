//! Measures the engine: both ends of a connection in memory, on one thread.
//!
//! `cargo bench -p amqp-proto --bench engine` prints the cost of a message, then that of live objects.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a case that fails has no figures
#![allow(clippy::cast_possible_truncation)] // of counts that are chosen here

#[path = "../measure/mod.rs"]
mod measure;
mod pair;
mod scale;

use amqp_proto::SenderMut;
use amqp_proto::config::SendOptions;
use amqp_proto::message::{Message, Payload};
use measure::Case;
use pair::Pair;

const CASES: &[Case] = &[
    Case::new("at least once, window 100, 256 B", |times| acknowledged(times, 100, 256), 1_000_000),
    Case::new("at least once, window 1000, 256 B", |times| acknowledged(times, 1_000, 256), 1_000_000),
    Case::new("at least once, window 100, 16 B", |times| acknowledged(times, 100, 16), 1_000_000),
    Case::new("at least once, window 100, 16 KiB", |times| acknowledged(times, 100, 16 << 10), 100_000),
    Case::new("at least once, window 100, 1 MiB", |times| acknowledged(times, 100, 1 << 20), 2_000),
    Case::new("pre-settled, window 100, 256 B", |times| settled(times, 256), 1_000_000),
    Case::new("typical message, encoded and read, 256 B", typical, 1_000_000),
    Case::new("1,000 links in turn, 256 B", |times| many_links(times, 1_000), 1_000_000),
    Case::new("100,000 links in turn, 256 B", |times| many_links(times, 100_000), 1_000_000),
    Case::new("beside 1,000,000 unsettled, 256 B", beside_unsettled, 1_000_000),
];

fn payload(octets: usize) -> Payload {
    Message::from(vec![7; octets]).to_payload().expect("a message that can be encoded")
}

fn acknowledged(times: u64, window: u32, octets: usize) {
    let (mut pair, payload, options) = (Pair::new(window), payload(octets), SendOptions::new());
    pair.exchange(times, |sender| sender.send_payload(&payload, &options).is_ok());
}

fn settled(times: u64, octets: usize) {
    let (mut pair, payload, options) =
        (Pair::new(100), payload(octets), SendOptions::new().with_settled(true));
    pair.exchange(times, |sender| sender.send_payload(&payload, &options).is_ok());
}

fn typical(times: u64) {
    let (mut pair, options) = (Pair::new(100), SendOptions::new());
    pair.reads_all = true;
    let message = Message::from(vec![7; 256])
        .with_durable(true)
        .with_message_id("3f1c2a7e-88d1-4b60-9a5c-0d6f1e2b3c4d")
        .with_to("queue/orders")
        .with_property("tenant", "acme")
        .with_property("kind", "order.created")
        .with_property("attempt", 1000)
        .with_property("trace", 0x1122_3344_5566_i64);
    pair.exchange(times, |sender| sender.send_with(&message, &options).is_ok());
}

/// Sends on each link in turn; all links were used before.
fn many_links(times: u64, links: usize) {
    let (mut pair, payload, options) = (Pair::with_links(100, links), payload(256), SendOptions::new());
    let mut send = |sender: &mut SenderMut<'_>| sender.send_payload(&payload, &options).is_ok();
    pair.exchange(links as u64, &mut send);
    pair.exchange(times, &mut send);
}

/// A million deliveries on another link stay unsettled meanwhile.
fn beside_unsettled(times: u64) {
    let (mut pair, payload, options) = (Pair::with_links(100, 2), payload(256), SendOptions::new());
    pair.pile_up(1_000_000, &payload);
    pair.exchange(times, |sender| sender.send_payload(&payload, &options).is_ok());
}

fn main() {
    measure::main(CASES);
    if !std::env::args().any(|argument| argument == "--case" || argument == "--counts") {
        scale::report();
    }
}
