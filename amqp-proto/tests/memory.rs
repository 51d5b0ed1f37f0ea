//! The memory of a busy engine: at most [`Connection::memory_bound`], at several limits at once, whatever the peer
//! writes and in whatever pieces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use allocation_counter::measure;
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    HEADER, Literal, attach_receiver, attach_sender, begin, detach, disposition, end, flow, open, transfer,
};
use amqp_proto::types::{Limits, LinkKey, Moment, ReceiverKey, SenderKey, SessionKey};
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{Connection, Event, Reading, symbol};
use bytes::{Buf, BufMut};
use common::hex;
use common::wire::{Wire, beginning, frames};

const CHANNELS: u16 = 2;
const LINKS: u32 = 12;
const SUSPENDED: u32 = 2;
const FRAMES: u32 = 32;
const UNSETTLED: u32 = 24;
const TRANSFERS: u32 = 40;

fn limits() -> Limits {
    Limits::DEFAULT
        .with_frame_size(1_024)
        .with_elements(512)
        .with_zero_width_elements(64)
        .with_channel_max(CHANNELS - 1)
        .with_links(LINKS)
        .with_suspended_links(SUSPENDED)
        .with_attach_octets(512)
        .with_session_frames(FRAMES)
        .with_session_octets(1 << 20)
        .with_message_octets(1 << 20)
        .with_transfers_per_delivery(TRANSFERS)
        .with_unsettled(UNSETTLED)
        .with_output_octets(4_096)
        .with_output_octets_hard(8_192)
}

/// An engine whose application accepts all offers and receives messages when told to.
struct Busy {
    engine: Connection,
    sessions: Vec<SessionKey>,
    senders: Vec<SenderKey>,
    receivers: Vec<ReceiverKey>,
    takes: bool,
    refuses: bool,
}

impl Busy {
    fn new() -> Self {
        let engine = Connection::server(Options::new("s").with_limits(limits()), Moment::START);
        Self {
            engine,
            sessions: Vec::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            takes: true,
            refuses: false,
        }
    }

    /// Feeds octets to the engine, as many at a time as it has room for, and handles the events.
    fn peer_sends(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let mut room = self.engine.input();
            let (now, rest) = octets.split_at(room.remaining_mut().min(octets.len()));
            room.put_slice(now);
            octets = rest;
            self.engine.received(Moment::START);
            self.polls();
        }
    }

    fn polls(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::SessionOffered(key) => {
                    self.engine.session(key).unwrap().accept(SessionOptions::new()).unwrap();
                    self.sessions.push(key);
                }
                Event::LinkOffered(LinkKey::Receiver(key)) if self.refuses => {
                    let error = AmqpError::new(Condition::NotAllowed);
                    self.engine.receiver(key).unwrap().refuse_link(error).unwrap();
                }
                Event::LinkOffered(LinkKey::Receiver(key)) => {
                    let mut link = self.engine.receiver(key).unwrap();
                    link.accept_link(ReceiverOptions::new().with_prefetch(0)).unwrap();
                    link.set_credit(1_000).unwrap();
                    self.receivers.push(key);
                }
                Event::LinkOffered(LinkKey::Sender(key)) => {
                    let options = SenderOptions::new().with_auto_settle(false);
                    self.engine.sender(key).unwrap().accept_link(options).unwrap();
                    self.senders.push(key);
                }
                Event::Message { receiver, .. } if self.takes => {
                    drop(self.engine.receiver(receiver).unwrap().receive().unwrap());
                }
                _ => {}
            }
        }
    }

    /// Takes the output and drops it.
    fn drop_output(&mut self) {
        let mut output = self.engine.output();
        output.advance(output.remaining());
    }
}

/// The peer's octets, as the engine reads them.
type Reads = Vec<Vec<u8>>;

fn reads<const N: usize>(frames: [Literal; N]) -> Reads {
    frames.into_iter().map(|frame| frame.to_octets()).collect()
}

/// A map of this number of symbols, up to 10,000.
fn fields(count: usize) -> String {
    let entries: String =
        (0..count).map(|at| format!("a304{}43", hex(format!("{at:04}").as_bytes()))).collect();
    format!("d1{:08x}{:08x}{entries}", entries.len() / 2 + 4, 2 * count)
}

/// An outcome modified with this number of annotations.
fn modified(count: usize) -> String {
    let fields = fields(count);
    format!("005327 d0{:08x}00000003 4242{fields}", 4 + 2 + fields.len() / 2)
}

/// An error with an info map of this size.
fn error(count: usize) -> String {
    let fields = fields(count);
    format!("00531d d0{:08x}00000003 a30178 40{fields}", 4 + 4 + fields.len() / 2)
}

/// Header and open, sessions, and on each session two links on which the engine receives and two on which it sends.
fn beginnings() -> Reads {
    let mut all = vec![HEADER.to_vec(), open("p").nulls(8).raw(&fields(100)).to_octets()];
    for channel in 0..CHANNELS {
        all.extend(reads([begin(None, 0, 1_000, 1_000).on(channel)]));
        for handle in 0..4 {
            let name = format!("{channel}.{handle}{}", "n".repeat(200));
            let attach = if handle < 2 {
                attach_sender(&name, handle, "a", "b")
            } else {
                attach_receiver(&name, handle, "a", "b")
            };
            all.extend(reads([attach.on(channel)]));
            if handle >= 2 {
                let credit = flow(Some(0), 1_000, 0, 1_000).uint(handle).uint(0).uint(1_000);
                all.extend(reads([credit.on(channel)]));
            }
        }
        for handle in 4..6 {
            let name = format!("suspended {channel}.{handle}");
            all.extend(reads([
                attach_sender(&name, handle, "a", "b").on(channel),
                detach(handle, false).on(channel),
            ]));
        }
    }
    all
}

/// The largest number of unsettled deliveries, each with its own state, one in each read.
fn unsettled(channel: u16) -> Reads {
    let one = |id: u32| {
        let frame = transfer(0, id, &[id.to_be_bytes(); 8].concat()).nulls(3).raw(&modified(90));
        frame.payload(*b"x").on(channel).to_octets()
    };
    (0..UNSETTLED).map(one).collect()
}

/// The largest number of settled, unread messages, each behind a large frame without meaning.
fn held(channel: u16) -> Reads {
    let mut all = Vec::new();
    for at in 0..FRAMES {
        let id = UNSETTLED + 1 + at;
        all.push([0, 0, 0, 8, 2, 0, 0, 0].repeat(64));
        all.extend(reads([transfer(0, id, &[0]).boolean(true).payload(vec![7; 900]).on(channel)]));
    }
    all
}

/// An incomplete message, one octet in each read.
fn partial(channel: u16) -> Reads {
    let id = UNSETTLED;
    let one = |_| transfer(1, id, &[1]).boolean(true).boolean(true).payload([7]).on(channel).to_octets();
    (0..TRANSFERS - 1).map(one).collect()
}

/// A large state for each delivery that the engine has sent.
fn outcomes(channel: u16) -> Reads {
    let one = |id| disposition(true, id, None).boolean(false).raw(&modified(90)).on(channel).to_octets();
    (0..UNSETTLED).map(one).collect()
}

/// Refused links, whose detaches the peer does not read.
fn refused() -> Reads {
    (0..200).flat_map(|_| reads([attach_sender("refused", 9, "a", "b"), detach(9, true)])).collect()
}

/// All limits that a peer can reach, at once; then the end, when everything is reported.
#[test]
fn a_busy_engine_stays_within_its_bound() {
    let sessions = || 0..CHANNELS;
    let begins = beginnings();
    let (fills, waits): (Reads, Reads) =
        (sessions().flat_map(unsettled).collect(), sessions().flat_map(held).collect());
    let (parts, states): (Reads, Reads) =
        (sessions().flat_map(partial).collect(), sessions().flat_map(outcomes).collect());
    let refused = refused();
    let mut result = None;
    let cost = measure(|| {
        let mut busy = Busy::new();
        begins.iter().chain(&fills).for_each(|octets| busy.peer_sends(octets));
        busy.drop_output();
        for sender in busy.senders.clone() {
            let mut sender = busy.engine.sender(sender).unwrap();
            while sender.send("x").is_ok() {}
        }
        busy.drop_output();
        busy.takes = false;
        // Flows open the window for the next messages.
        parts.iter().chain(&waits).for_each(|octets| {
            busy.peer_sends(octets);
            busy.drop_output();
        });
        states.iter().for_each(|octets| busy.peer_sends(octets));
        busy.refuses = true;
        let mut taken = refused.iter();
        while busy.engine.reading() == Reading::Wanted {
            busy.peer_sends(taken.next().unwrap());
        }
        result = Some(busy);
    });
    let mut busy = result.unwrap();
    let mut reached = Vec::new();
    for session in busy.sessions.clone() {
        let view = busy.engine.session(session).unwrap();
        reached.push((view.unsettled_received(), view.unsettled_sent()));
    }
    assert_eq!(reached, vec![(UNSETTLED, UNSETTLED); CHANNELS.into()]);
    for link in busy.receivers.clone() {
        // The first link of each session holds as many messages as the session may.
        let held =
            busy.engine.receiver(link).ok().map(|mut link| std::iter::from_fn(|| link.receive()).count());
        assert!(matches!(held, None | Some(0)) || held == usize::try_from(FRAMES).ok(), "{held:?} are held");
    }
    assert_eq!(busy.engine.reading(), Reading::Output);

    let bound = Connection::memory_bound(&limits());
    let (live, most) = (u64::try_from(cost.bytes_current).unwrap(), cost.bytes_max);
    assert!(most <= bound, "{most} octets at most, {live} in the end; the bound is {bound}");
    assert!(bound / most < 1_000, "{bound} says nothing about {most}");

    let last = end().raw(&error(100)).to_octets();
    let ends = measure(|| {
        busy.drop_output();
        busy.peer_sends(&last);
        busy.engine.end_of_input();
        busy.polls();
        drop(busy);
    });
    let most = ends.bytes_max + live;
    assert!(most <= bound, "{most} octets while it ends; the bound is {bound}");
    assert!(ends.bytes_current <= 0, "{} octets are left", ends.bytes_current);
}

/// S-END-07: the info of an end is kept once, not once for each link.
#[test]
fn s_end_07_the_info_of_an_end_is_there_once() {
    let mut wire = Wire::opened();
    wire.peer_begins(beginning(0), SessionOptions::new());
    for handle in 0..1_000 {
        wire.peer_attaches(attach_sender(&handle.to_string(), handle, "a", "b"));
    }
    wire.octets();
    let last = frames([end().raw(&error(5_000))]);
    let mut told = Vec::new();
    let cost = measure(|| {
        wire.peer_sends(&last);
        told = wire.events();
    });
    assert!(cost.bytes_max < 4 << 20, "{} octets", cost.bytes_max);
    assert_eq!(told.len(), 1_001);
    for event in &told {
        match event {
            Event::LinkDetached { reason, .. } => {
                assert_eq!(reason.error, Some(AmqpError::new(Condition::from(symbol!("x")))))
            }
            Event::SessionEnded { reason, .. } => {
                assert_eq!(reason.error.as_ref().unwrap().info.len(), 5_000)
            }
            other => panic!("{other:?}"),
        }
    }
}
