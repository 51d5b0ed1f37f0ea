//! The memory of transactions: whatever a controller writes, at most [`Limits::memory`] and the connection itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use allocation_counter::measure;
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    HEADER, Literal, attach, attach_receiver, attach_sender, begin, disposition, flow, open, transfer,
};
use amqp_proto::types::{Limits, LinkKey, Moment, TransactionKey};
use amqp_proto::{Connection, Event, Reading};
use bytes::{Buf, BufMut};

const DECLARE: [u8; 7] = [0, 0x53, 0x77, 0, 0x53, 0x31, 0x45];
/// The source of a control link that knows the outcome rejected.
const REJECTS: &str = "005328 c01e0a 404040404040404040 a312 616d71703a72656a65637465643a6c697374";

/// The end with the coordinator. Its application decides nothing, and commits what it can.
struct Coordinator {
    engine: Connection,
    declared: u32,
    asked: Vec<TransactionKey>,
}

impl Coordinator {
    fn new(limits: Limits) -> Self {
        let engine = Connection::server(Options::new("s").with_limits(limits), Moment::START);
        Self { engine, declared: 0, asked: Vec::new() }
    }

    /// Feeds octets to the engine. Returns `false` when it wants no more.
    fn reads(&mut self, mut octets: &[u8]) -> bool {
        while !octets.is_empty() {
            if self.engine.reading() == Reading::Over {
                return false;
            }
            let mut room = self.engine.input();
            let (now, rest) = octets.split_at(room.remaining_mut().min(octets.len()));
            room.put_slice(now);
            octets = rest;
            self.engine.received(Moment::START);
            self.polls();
            let mut output = self.engine.output();
            output.advance(output.remaining());
        }
        true
    }

    fn polls(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::SessionOffered(key) => {
                    drop(self.engine.session(key).map(|mut session| session.accept(SessionOptions::new())));
                }
                Event::LinkOffered(LinkKey::Receiver(key)) => {
                    let Ok(mut link) = self.engine.receiver(key) else { continue };
                    let options = ReceiverOptions::new().with_prefetch(0);
                    if link.accept_coordinator().is_ok() || link.accept_link(options).is_ok() {
                        link.set_credit(1 << 20).unwrap();
                    }
                }
                Event::LinkOffered(LinkKey::Sender(key)) => {
                    let Ok(mut link) = self.engine.sender(key) else { continue };
                    let _ = link.accept_link(SenderOptions::new().with_auto_settle(false));
                }
                Event::Sendable(key) => {
                    let Ok(mut link) = self.engine.sender(key) else { continue };
                    while link.send("").is_ok() {}
                }
                Event::Declared(_) => self.declared += 1,
                Event::Discharge(key) => self.asked.push(key),
                _ => {}
            }
        }
        for key in std::mem::take(&mut self.asked) {
            let _ = self.engine.transaction(key).map(|mut one| one.commit());
        }
    }
}

/// A described list of this number of fields.
fn list(descriptor: u8, count: u32, fields: &[u8]) -> Vec<u8> {
    let size = u32::try_from(fields.len()).unwrap() + 4;
    [&[0, 0x53, descriptor, 0xd0][..], &size.to_be_bytes(), &count.to_be_bytes(), fields].concat()
}

/// The outcome modified, with this number of annotations, up to 10,000.
fn modified(count: u32) -> Vec<u8> {
    let entries = (0..count).flat_map(|at| [&[0xa3, 4][..], format!("{at:04}").as_bytes(), &[0x43]].concat());
    let entries: Vec<u8> = entries.collect();
    let size = u32::try_from(entries.len()).unwrap() + 4;
    let map = [&[0xd1][..], &size.to_be_bytes(), &(2 * count).to_be_bytes(), &entries].concat();
    list(0x27, 3, &[&[0x42, 0x42][..], &map].concat())
}

fn in_transaction(number: u32, outcome: &[u8]) -> Vec<u8> {
    let id = [&[0xa0, 4][..], &number.to_be_bytes(), outcome].concat();
    list(0x34, if outcome.is_empty() { 1 } else { 2 }, &id)
}

/// The frames that a controller sends again and again.
#[derive(Debug, Clone, Copy)]
enum Greed {
    Declares,
    Posts,
    Retires,
    RetiresSettled,
    /// All of these, and discharges in between.
    All,
}

impl Greed {
    /// Returns the frame of this number.
    fn frame(self, at: u32, next: &mut u32, declared: u32) -> Literal {
        let mut id = || {
            *next += 1;
            *next - 1
        };
        let number = at.wrapping_mul(2_654_435_761) % declared.max(1);
        match self {
            _ if declared == 0 => Self::request(id(), &DECLARE),
            Self::Declares => Self::request(id(), &DECLARE),
            Self::Posts => {
                let id = id();
                let posting = transfer(1, id, &[id.to_be_bytes(); 8].concat()).nulls(3);
                posting.encoded(&in_transaction(number, &[])).payload([0, 0x53, 0x77, 0x45])
            }
            Self::Retires | Self::RetiresSettled => {
                let state = in_transaction(0, &modified(40));
                let settled = matches!(self, Self::RetiresSettled);
                disposition(true, at, Some(at + at % 3)).boolean(settled).encoded(&state)
            }
            Self::All if at % 50 == 49 => {
                let fields = [&[0xa0, 4][..], &number.to_be_bytes(), &[0x42]].concat();
                let discharge = list(0x32, 2, &fields);
                Self::request(id(), &[&[0, 0x53, 0x77][..], &discharge].concat())
            }
            Self::All => {
                let greed =
                    [Self::Declares, Self::Posts, Self::Retires, Self::RetiresSettled][at as usize % 4];
                greed.frame(at, next, declared)
            }
        }
    }

    fn request(id: u32, body: &[u8]) -> Literal {
        transfer(0, id, &id.to_be_bytes()).payload(body.to_vec())
    }

    /// Lets a controller write this number of frames. Returns the greatest memory.
    fn exchange(self, limits: &Limits, frames: u32) -> u64 {
        let limits = limits.clone().with_transactions(1 << 20);
        let mut end = None;
        let made = measure(|| end = Some(Coordinator::new(limits)));
        let mut end = end.unwrap();
        let (mut live, mut most) = (made.bytes_current, 0);
        let mut reads = |octets: &[u8]| {
            let mut goes_on = false;
            let cost = measure(|| goes_on = end.reads(octets));
            most = most.max(live + i64::try_from(cost.bytes_max).unwrap());
            live += cost.bytes_current;
            (goes_on, end.declared)
        };
        let asks = attach("ctl", 0, false).nulls(2).raw(REJECTS).raw("00533045").nulls(2).uint(0);
        let credit = flow(Some(0), 1 << 20, 0, 1 << 20).uint(2).uint(0).uint(1 << 20);
        let first = [begin(None, 0, 1 << 20, 1 << 20), asks, attach_sender("in", 1, "a", "b")];
        let second = [attach_receiver("out", 2, "a", "b"), credit];
        let all = first.into_iter().chain(second).flat_map(|frame| frame.to_octets());
        let (mut goes_on, mut declared) =
            reads(&[HEADER.to_vec(), open("p").to_octets(), all.collect()].concat());
        let mut next = 0;
        for at in 0..frames {
            if goes_on {
                (goes_on, declared) = reads(&self.frame(at, &mut next, declared).to_octets());
            }
        }
        assert!(declared > 0, "{self:?}: a transaction is declared");
        u64::try_from(most).unwrap()
    }
}

/// Transactions, postings, and outcomes that wait for the commit: the controller fills the memory, and not more.
#[test]
fn a_greedy_controller_gets_the_memory_and_no_more() {
    for memory in [Limits::LEAST_MEMORY, 32 << 10, 100_000, 1 << 20] {
        let limits = Limits::DEFAULT.with_memory(memory);
        let bound = Connection::memory_bound(&limits);
        for greed in [Greed::Declares, Greed::Posts, Greed::Retires, Greed::RetiresSettled, Greed::All] {
            let most = greed.exchange(&limits, u32::try_from(memory / 60).unwrap().clamp(400, 4_000));
            assert!(most <= bound, "{greed:?}: {most} octets with {memory} allowed; the bound is {bound}");
            assert!(most > memory / 8, "{greed:?}: {most} octets with {memory} allowed: nothing was filled");
        }
    }
}
