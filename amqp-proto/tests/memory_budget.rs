//! The memory of a connection: whatever the peer writes, at most [`Limits::memory`] and the connection itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use allocation_counter::measure;
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    HEADER, Literal, Pair, attach_receiver, attach_sender, begin, detach, disposition, end, flow, open,
    transfer,
};
use amqp_proto::types::{Limits, LinkKey, Moment};
use amqp_proto::wire::Condition;
use amqp_proto::{Connection, Event, Reading};
use bytes::{Buf, BufMut};
use common::wire::Wire;

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % sides
    }

    fn is_one_of(&mut self, sides: u32) -> bool {
        self.roll(sides) == 0
    }
}

/// An engine whose application accepts all that is offered, and takes few of the messages.
struct Slow {
    engine: Connection,
    /// One message in this many is taken; 0 for none.
    takes: u32,
    streams: bool,
}

impl Slow {
    fn new(limits: Limits, takes: u32, streams: bool) -> Self {
        let engine = Connection::server(Options::new("s").with_limits(limits), Moment::START);
        Self { engine, takes, streams }
    }

    /// Feeds octets to the engine. Returns `false` when it wants no more.
    fn reads(&mut self, mut octets: &[u8], dice: &mut Dice) -> bool {
        while !octets.is_empty() {
            if self.engine.reading() == Reading::Over {
                return false;
            }
            let mut room = self.engine.input();
            let size = room.remaining_mut().min(octets.len());
            let size = if dice.is_one_of(4) { 1 + dice.roll(40) as usize % size } else { size };
            let (now, rest) = octets.split_at(size);
            room.put_slice(now);
            octets = rest;
            self.engine.received(Moment::START);
            self.polls(dice);
            if !dice.is_one_of(8) || self.engine.reading() == Reading::Output {
                let mut output = self.engine.output();
                output.advance(output.remaining());
            }
        }
        true
    }

    fn polls(&mut self, dice: &mut Dice) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::SessionOffered(key) => {
                    drop(self.engine.session(key).map(|mut session| session.accept(SessionOptions::new())));
                }
                Event::LinkOffered(LinkKey::Receiver(key)) => {
                    let Ok(mut link) = self.engine.receiver(key) else { continue };
                    let options = ReceiverOptions::new().with_prefetch(0).with_streaming(self.streams);
                    if link.accept_link(options).is_ok() {
                        link.set_credit(1 << 20).unwrap();
                    }
                }
                Event::LinkOffered(LinkKey::Sender(key)) => {
                    let Ok(mut link) = self.engine.sender(key) else { continue };
                    let _ = link.accept_link(SenderOptions::new().with_auto_settle(false));
                }
                Event::Sendable(key) => {
                    let Ok(mut link) = self.engine.sender(key) else { continue };
                    // What the application sends is its own affair until it is written.
                    while link.send("").is_ok() && !dice.is_one_of(200) {}
                }
                Event::Message { receiver, delivery } if self.takes > 0 && dice.is_one_of(self.takes) => {
                    let Ok(mut link) = self.engine.receiver(receiver) else { continue };
                    let _ = if self.streams {
                        link.read(delivery).ok().map(drop)
                    } else {
                        link.receive().map(drop)
                    };
                }
                _ => {}
            }
        }
    }
}

/// A map with this number of entries, up to 10,000.
fn fields(count: u32) -> Vec<u8> {
    let mut entries = Vec::new();
    for at in 0..count {
        entries.extend_from_slice(&[0xa3, 4]);
        entries.extend_from_slice(format!("{at:04}").as_bytes());
        entries.push(0x43);
    }
    let size = u32::try_from(entries.len()).unwrap() + 4;
    [&[0xd1][..], &size.to_be_bytes(), &(2 * count).to_be_bytes(), &entries].concat()
}

/// The outcome modified, with this number of annotations.
fn modified(count: u32) -> Vec<u8> {
    let fields = fields(count);
    let size = u32::try_from(fields.len()).unwrap() + 6;
    [&[0, 0x53, 0x27, 0xd0][..], &size.to_be_bytes(), &[0, 0, 0, 3, 0x42, 0x42], &fields].concat()
}

/// A peer that knows no measure: sessions, links, messages, states, and what breaks no rule in between.
struct Greedy {
    dice: Dice,
    sessions: u16,
    links: [u32; 256],
    ids: [u32; 256],
    /// The largest frame that the engine accepts.
    most: usize,
    /// The frames that this peer prefers.
    tastes: [u32; 3],
}

impl Greedy {
    fn new(seed: u64, most: u32) -> Self {
        let mut dice = Dice(seed);
        let tastes = [(); 3].map(|()| dice.roll(12));
        Self { dice, sessions: 0, links: [0; 256], ids: [0; 256], most: most as usize, tastes }
    }

    fn filler(&mut self, head: usize) -> Vec<u8> {
        let most = self.most.saturating_sub(head + 100);
        let size = match self.dice.roll(3) {
            0 => 1,
            1 => self.dice.roll(300) as usize,
            _ => most,
        };
        vec![7; size.min(most)]
    }

    fn frame(&mut self) -> Literal {
        let channel = if self.sessions == 0 { 0 } else { self.dice.roll(self.sessions.into()) };
        let at = channel as usize;
        let channel = u16::try_from(channel).unwrap();
        let taste = self.tastes[self.dice.roll(3) as usize];
        let taste = if self.dice.is_one_of(8) { self.dice.roll(12) } else { taste };
        let entries = u32::try_from(self.most).unwrap().saturating_sub(150) / 8;
        let handle = self.dice.roll(self.links[at].max(1));
        if self.sessions == 0 || (taste == 0 && self.sessions < 256) {
            self.sessions += 1;
            return begin(None, 0, 1 << 20, 1 << 20).on(self.sessions - 1);
        }
        match taste {
            1 | 2 => {
                let handle = self.links[at];
                self.links[at] += 1;
                let filler = self.filler(50);
                let name = format!("{channel}.{handle}.{}", "n".repeat(filler.len().min(200)));
                let attach = match handle % 4 {
                    3 => attach_receiver(&name, handle, "a", "b"),
                    _ => attach_sender(&name, handle, "a", "b"),
                };
                attach.on(channel)
            }
            // Complete messages, settled or not, a state with each, or none.
            3..=6 => {
                let id = self.ids[at];
                self.ids[at] += 1;
                let transfer = transfer(handle, id, &[id.to_be_bytes(); 6].concat());
                let transfer = match taste {
                    3 => transfer.boolean(true),
                    4 => transfer.nulls(3).encoded(&modified(self.dice.roll(entries.min(9_000)))),
                    _ => transfer,
                };
                if taste == 4 { transfer.on(channel) } else { transfer.payload(self.filler(60)).on(channel) }
            }
            // The beginnings of messages, and what comes next of one.
            7 | 8 => {
                let id = self.ids[at];
                self.ids[at] += u32::from(self.dice.is_one_of(30));
                let transfer = transfer(handle, id, &[id.to_be_bytes(); 3].concat());
                transfer.null().boolean(true).payload(self.filler(60)).on(channel)
            }
            9 => {
                let first = self.dice.roll(200);
                let state = modified(self.dice.roll(entries.min(9_000)));
                disposition(true, first, Some(first + self.dice.roll(50)))
                    .boolean(false)
                    .encoded(&state)
                    .on(channel)
            }
            10 => match self.dice.roll(30) {
                0 => detach(handle, self.dice.is_one_of(2)).on(channel),
                1 => end().on(channel),
                _ => flow(Some(0), 1 << 20, 0, 1 << 20).uint(handle).uint(0).uint(1 << 20).on(channel),
            },
            _ => flow(Some(0), 1 << 20, 0, 1 << 20).nulls(4).null().boolean(true).on(channel),
        }
    }
}

/// Lets a greedy peer write to a slow application. Returns the greatest memory.
fn exchange(limits: &Limits, seed: u64, frames: u32) -> u64 {
    let mut peer = Greedy::new(seed, limits.within_memory().frame_size());
    let (takes, streams) = (peer.dice.roll(4), peer.dice.is_one_of(4));
    let mut app = None;
    let made = measure(|| app = Some(Slow::new(limits.clone(), takes, streams)));
    let (mut app, mut dice) = (app.unwrap(), Dice(seed));
    let (mut live, mut most) = (made.bytes_current, 0);
    let mut reads = |octets: &[u8]| {
        let mut goes_on = false;
        let cost = measure(|| goes_on = app.reads(octets, &mut dice));
        most = most.max(live + i64::try_from(cost.bytes_max).unwrap());
        live += cost.bytes_current;
        goes_on
    };
    let head = [HEADER.to_vec(), open("p").nulls(8).encoded(&fields(20)).to_octets()].concat();
    let mut goes_on = reads(&head);
    assert!(goes_on, "the connection is opened");
    for _ in 0..frames {
        goes_on = goes_on && reads(&peer.frame().to_octets());
    }
    u64::try_from(most).unwrap()
}

/// Sessions, links, messages and states at random: the peer fills the memory, and not more.
#[test]
fn a_greedy_peer_gets_the_memory_and_no_more() {
    for memory in [Limits::LEAST_MEMORY, 32 << 10, 100_000, 1 << 20, 4 << 20] {
        let limits = Limits::DEFAULT.with_memory(memory);
        let frames = u32::try_from(memory / 60).unwrap().clamp(400, 2_500);
        let most = (0..24).map(|seed| exchange(&limits, seed, frames)).max().unwrap();
        let bound = Connection::memory_bound(&limits);
        assert!(most <= bound, "{most} octets with {memory} allowed; the bound is {bound}");
        assert!(most > memory / 4, "{most} octets with {memory} allowed: nothing was filled");
    }
}

/// A server with little memory, and a client that sends as the windows allow, on several links and two sessions.
#[test]
fn a_slow_application_slows_its_peer() {
    for memory in [Limits::LEAST_MEMORY, 32 << 10, 1 << 20] {
        let mut pair = Pair::new(
            Options::new("client"),
            Options::new("server").with_limits(Limits::DEFAULT.with_memory(memory)),
        );
        pair.server.receiver_options = ReceiverOptions::new().with_prefetch(10_000);
        let links = ["a", "b", "c"].map(|name| pair.link(name));
        let mut taken = 0;
        for round in 0..400 {
            for (sender, _) in links {
                let mut sender = pair.client.sender(sender).unwrap();
                while sender.send(vec![7; 300]).is_ok() {}
            }
            pair.drive();
            assert!(pair.server.is_open(), "in round {round} with {memory} octets");
            for (_, receiver) in links {
                let delivery = pair.server.receiver(receiver).unwrap().receive();
                if let Some(delivery) = delivery {
                    pair.server.receiver(receiver).unwrap().accept(delivery.key()).unwrap();
                    taken += 1;
                }
            }
        }
        assert!(taken >= 400, "{taken} messages with {memory} octets");
    }
}

/// A window that was closed since another session held the memory opens once the memory is free.
#[test]
fn a_closed_window_opens_when_another_session_frees_memory() {
    let limits = Limits::DEFAULT.with_memory(64 << 10);
    let mut wire = Wire::opened_by(Options::new("s").with_limits(limits), open("p"));
    let mut links = Vec::new();
    for channel in 0..2 {
        wire.peer_begins(begin(None, 0, 1 << 20, 1 << 20).on(channel), SessionOptions::new());
        let attach = attach_sender(&channel.to_string(), 0, "a", "b").on(channel);
        let LinkKey::Receiver(link) = wire.peer_attaches(attach) else { panic!("a sender") };
        let options = ReceiverOptions::new().with_prefetch(0);
        let mut receiver = wire.engine.receiver(link).unwrap();
        receiver.accept_link(options).unwrap();
        receiver.set_credit(10_000).unwrap();
        links.push(link);
    }
    wire.octets();
    let sends = |wire: &mut Wire, channel: u16, id: &mut u32| {
        // The second session's messages are larger than what the first one leaves.
        let payload = vec![7; if channel == 0 { 100 } else { 400 }];
        wire.peer_sends(transfer(0, *id, &id.to_be_bytes()).boolean(true).payload(payload).on(channel));
        *id += 1;
        wire.events();
        wire.octets();
    };
    let window = |wire: &mut Wire, at: usize| {
        let link = links[at];
        let session = wire.engine.receiver(link).unwrap().session().unwrap();
        wire.engine.session(session).unwrap().incoming_window()
    };
    let mut ids = [0, 0];
    while window(&mut wire, 0) > 0 {
        sends(&mut wire, 0, &mut ids[0]);
    }
    while window(&mut wire, 1) > 0 {
        sends(&mut wire, 1, &mut ids[1]);
        drop(wire.engine.receiver(links[1]).unwrap().receive().unwrap());
        wire.octets();
        assert!(ids[1] < 1_000, "the other session has all the memory");
    }
    assert!(wire.engine.is_open());
    while wire.engine.receiver(links[0]).unwrap().receive().is_some() {}
    wire.octets();
    assert!(window(&mut wire, 1) > 0);
}

/// Small messages wait, and large ones that come between them are taken: the small ones keep no blocks of input.
#[test]
fn messages_that_wait_keep_no_blocks_of_input() {
    for memory in [256 << 10, 1 << 20, 16 << 20] {
        let limits = Limits::DEFAULT.with_memory(memory);
        let frame = limits.within_memory().frame_size() as usize;
        let mut most = 0;
        let mut live = 0;
        let mut wire = None;
        let mut counts = |run: &mut dyn FnMut()| {
            let cost = measure(run);
            most = most.max(live + i64::try_from(cost.bytes_max).unwrap());
            live += cost.bytes_current;
        };
        counts(&mut || wire = Some(Wire::begun_with(limits.clone(), SessionOptions::new(), 1 << 20)));
        let mut wire = wire.unwrap();
        let options = || ReceiverOptions::new().with_prefetch(0);
        let links = [0, 1].map(|handle| wire.receiver_on(handle, &handle.to_string(), options()));
        for link in links {
            wire.engine.receiver(link).unwrap().set_credit(10_000).unwrap();
        }
        for id in 0..1_000 {
            let waits = id % 5 == 0;
            let payload = vec![7; if waits { 1 } else { frame - 100 }];
            let octets =
                transfer(u32::from(!waits), id, &id.to_be_bytes()).boolean(true).payload(payload).to_octets();
            let mut rest = &octets[..];
            counts(&mut || {
                while !rest.is_empty() {
                    let mut room = wire.engine.input();
                    let (now, later) = rest.split_at(room.remaining_mut().min(rest.len()));
                    room.put_slice(now);
                    rest = later;
                    wire.engine.received(Moment::START);
                }
                while wire.engine.poll_event().is_some() {}
                while wire.engine.receiver(links[1]).unwrap().receive().is_some() {}
                let mut output = wire.engine.output();
                output.advance(output.remaining());
            });
        }
        assert!(wire.engine.is_open());
        let mut waiting = 0;
        while let Some(delivery) = wire.engine.receiver(links[0]).unwrap().receive() {
            assert_eq!(delivery.payload().to_bytes(), [7][..]);
            waiting += 1;
        }
        assert_eq!(waiting, 200);
        let bound = i64::try_from(Connection::memory_bound(&limits)).unwrap();
        // Without a copy, each of them keeps more than four frames.
        assert!(200 * 4 * i64::try_from(frame).unwrap() > bound);
        assert!(most <= bound / 4 * 3, "{most} octets with {memory} allowed");
    }
}

/// Each of many sessions can be used, even if the first ones were promised most of the memory and are idle.
#[test]
fn every_session_has_a_window() {
    for memory in [64 << 10, 64 << 20] {
        let limits = Limits::DEFAULT.with_memory(memory);
        let mut wire = Wire::opened_by(Options::new("s").with_limits(limits), open("p"));
        let keys = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(|channel| {
            wire.peer_begins(begin(None, 0, 1 << 20, 1 << 20).on(channel), SessionOptions::new())
        });
        for key in keys {
            assert!(wire.engine.session(key).unwrap().incoming_window() > 0);
        }
        let LinkKey::Receiver(link) = wire.peer_attaches(attach_sender("x", 0, "a", "b").on(11)) else {
            panic!("a sender")
        };
        wire.engine.receiver(link).unwrap().accept_link(ReceiverOptions::new()).unwrap();
        wire.octets();
        for id in 0..1_000_u32 {
            assert!(wire.engine.session(keys[11]).unwrap().incoming_window() > 0, "before message {id}");
            wire.peer_sends(transfer(0, id, &id.to_be_bytes()).boolean(true).payload(vec![7; 100]).on(11));
            wire.events();
            assert!(wire.engine.receiver(link).unwrap().receive().is_some());
            wire.octets();
        }
    }
}

/// Messages that fill the memory before one of them is complete: one link ends, and the message of the other arrives.
#[test]
fn incomplete_messages_that_fill_the_memory_end_one_link() {
    let limits = Limits::DEFAULT.with_memory(64 << 10);
    let mut wire = Wire::begun_with(limits.clone(), SessionOptions::new(), 1 << 20);
    let links = [0, 1].map(|handle| wire.receiver_on(handle, &handle.to_string(), ReceiverOptions::new()));
    let piece =
        |handle: u32, more: bool| transfer(handle, handle, &[7]).null().boolean(more).payload(vec![7; 400]);
    let (mut pieces, mut ended) = (0, None);
    while ended.is_none() {
        assert!(wire.session().incoming_window() > 0, "nothing can be taken after {pieces} pieces");
        wire.peer_sends(piece(pieces % 2, true));
        ended = wire.events().into_iter().find_map(|event| match event {
            Event::LinkDetached { link, reason, .. } => Some((link, reason)),
            _ => None,
        });
        wire.octets();
        pieces += 1;
        assert!(pieces < 1_000, "the memory bounds nothing");
    }
    let (ended, reason) = ended.unwrap();
    assert_eq!(reason.error.unwrap().condition, Condition::ResourceLimitExceeded);
    let other = usize::from(ended == LinkKey::Receiver(links[0]));
    wire.peer_sends(detach(1 - u32::try_from(other).unwrap(), true));
    wire.peer_sends(piece(u32::try_from(other).unwrap(), false));
    assert!(wire.engine.is_open());
    let delivery = wire.engine.receiver(links[other]).unwrap().receive().unwrap();
    assert!(delivery.payload().len() > 5_000);
}

/// With too little memory no connection begins, and the error names the least.
#[test]
fn too_little_memory_opens_no_connection() {
    let limits = Limits::DEFAULT.with_memory(Limits::LEAST_MEMORY - 1);
    for mut engine in [
        Connection::client(Options::new("c").with_limits(limits.clone()), Moment::START),
        Connection::server(Options::new("s").with_limits(limits.clone()), Moment::START),
    ] {
        let Some(Event::Closed(reason)) = engine.poll_event() else { panic!("it is over") };
        let error = reason.error.unwrap();
        assert_eq!(error.condition, Condition::ResourceLimitExceeded);
        assert!(error.description.unwrap().contains("which needs 16384"));
        assert_eq!((engine.output().remaining(), engine.reading()), (0, Reading::Over));
    }
    let enough = Limits::DEFAULT.with_memory(Limits::LEAST_MEMORY);
    assert_eq!(Connection::client(Options::new("c").with_limits(enough), Moment::START).poll_event(), None);
}

/// Each other limit applies as far as the memory allows.
#[test]
fn limits_within_memory() {
    let small = Limits::SMALL.within_memory();
    assert_eq!((small.frame_size(), small.attach_octets(), small.unsettled()), (512, 1_024, 32));
    assert_eq!(Limits::SMALL.frame_size(), Limits::DEFAULT.frame_size());
    let (wide, default) = (Limits::DEFAULT.within_memory(), Limits::DEFAULT);
    assert_eq!(
        (wide.frame_size(), wide.elements(), wide.unsettled()),
        (default.frame_size(), default.elements(), default.unsettled())
    );
    assert_eq!(
        (wide.output_octets(), wide.output_octets_hard()),
        (default.output_octets(), default.output_octets_hard())
    );
}
