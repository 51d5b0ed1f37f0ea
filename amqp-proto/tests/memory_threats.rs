//! The memory that hostile streams take: each of them, with little memory and with much, costs at most
//! [`Limits::memory`] and the connection itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use allocation_counter::measure;
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::types::{Limits, LinkKey, Moment};
use amqp_proto::{Connection, Event, Reading};
use bytes::{Buf, BufMut};
use common::{data, text};
use endpoint::{Threat, threat};

/// The octets of a flood that are read, at most.
const MOST: usize = 1 << 19;

/// Feeds octets to a server, whose application accepts what is offered, and takes messages or does not. A peer that
/// listens takes the output.
fn feed(engine: &mut Connection, mut octets: &[u8], takes: bool, listens: bool) {
    while !octets.is_empty() && engine.reading() == Reading::Wanted {
        let mut room = engine.input();
        let (now, rest) = octets.split_at(room.remaining_mut().min(octets.len()));
        room.put_slice(now);
        octets = rest;
        engine.received(Moment::START);
        while let Some(event) = engine.poll_event() {
            on(engine, event, takes);
        }
        if listens {
            let mut output = engine.output();
            output.advance(output.remaining());
        }
    }
}

/// Handles an event. What has ended meanwhile needs no answer.
fn on(engine: &mut Connection, event: Event, takes: bool) {
    match event {
        Event::SessionOffered(key) => {
            drop(engine.session(key).map(|mut session| session.accept(SessionOptions::new())));
        }
        Event::LinkOffered(LinkKey::Receiver(key)) => {
            let options = ReceiverOptions::new().with_prefetch(1_000);
            drop(engine.receiver(key).map(|mut link| link.accept_link(options)));
        }
        Event::LinkOffered(LinkKey::Sender(key)) => {
            drop(engine.sender(key).map(|mut link| link.accept_link(SenderOptions::new())));
        }
        Event::Message { receiver, .. } if takes => {
            let Ok(mut link) = engine.receiver(receiver) else { return };
            if let Some(delivery) = link.receive() {
                let _ = link.accept(delivery.key());
            }
        }
        _ => {}
    }
}

/// Returns the greatest memory of a server that reads this attack.
fn attacked(limits: &Limits, threat: &Threat, takes: bool, listens: bool) -> u64 {
    let times = threat.times.min(MOST / threat.repeated.len().max(1));
    let block = threat.repeated.repeat((4_096 / threat.repeated.len().max(1)).max(1));
    let blocks = (times * threat.repeated.len()).div_ceil(block.len().max(1));
    let cost = measure(|| {
        let options = Options::new("s").with_limits(limits.clone());
        let mut engine = Connection::server(options, Moment::START);
        feed(&mut engine, &threat.stream, takes, listens);
        (0..blocks).for_each(|_| feed(&mut engine, &block, takes, listens));
        engine.end_of_input();
        while let Some(event) = engine.poll_event() {
            on(&mut engine, event, takes);
        }
    });
    cost.bytes_max
}

#[test]
fn hostile_streams_get_the_memory_and_no_more() {
    let all = data("threats.json");
    let ids = all.as_array().unwrap().iter().map(|threat| text(threat, "id"));
    let threats: Vec<(&str, Threat)> = ids.map(|id| (id, threat(id))).collect();
    for memory in [Limits::LEAST_MEMORY, 32 << 10, 1 << 20] {
        let limits = Limits::DEFAULT.with_memory(memory);
        let bound = Connection::memory_bound(&limits);
        let mut greatest = 0;
        for (id, threat) in &threats {
            for (takes, listens) in [(true, true), (true, false), (false, true), (false, false)] {
                let most = attacked(&limits, threat, takes, listens);
                assert!(most <= bound, "{id}: {most} octets with {memory} allowed; the bound is {bound}");
                greatest = greatest.max(most);
            }
        }
        assert!(greatest > memory / 8, "{greatest} octets with {memory} allowed: no attack costs anything");
    }
}
