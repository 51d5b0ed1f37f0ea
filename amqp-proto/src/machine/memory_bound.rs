//! [`memory_bound`]: the greatest memory use of a connection.

use bytes::Bytes;

use super::connection::Machine;
use super::delivery::Ledger;
use super::effects::MIN_MAX_FRAME_SIZE;
use super::event::Event;
use super::input::{kept_blocks, largest_block};
use super::link::{Arrival, Link};
use super::output::BLOCK;
use super::reason::Reason;
use super::session::Session;
use super::transaction::{Retired, Transaction};
use crate::types::{DeliveryKey, DeliveryTag, Key, Limits, LinkIx, Str, TransactionId, TransactionIx};
use crate::wire::{DeliveryState, Disposition};

/// The structs behind pointers in one decoded field of a frame.
const BOXES: u64 = 4_096;
/// The memory of one level of nesting while decoding.
const OCTETS_PER_LEVEL: u64 = 240;
/// The dispositions that wait in each direction, and one more.
const PENDING: u64 = 17;
/// A place in a table and the pointer in it, twice, since tables grow.
const PLACE: u64 = 64;
/// The empty tables of a session.
const TABLES: u64 = 1_024;
/// The largest disposition with only a range.
const ANSWER: u64 = 64;

/// Returns the greatest memory use of a connection with these limits: the sum of the worst cases.
pub(crate) fn memory_bound(limits: &Limits) -> u64 {
    let costs = Costs::new(limits);
    let sessions = u64::from(limits.channel_max()) + 1;
    sum([
        costs.connection(limits),
        product([sessions, costs.session(limits)]),
        product([limits.links().into(), costs.link(limits)]),
        costs.transactions(limits),
    ])
}

/// The costs of the common parts.
struct Costs {
    /// The largest received frame.
    frame: u64,
    /// A block of input, which stays while any part of it does.
    block: u64,
    /// A decoded field of a frame, and the block that it was cut from.
    value: u64,
    /// The blocks of input that are kept to be filled again.
    kept: u64,
    /// An event that waits to be polled, with its content.
    event: u64,
}

impl Costs {
    fn new(limits: &Limits) -> Self {
        let frame = limits.frame_size().max(limits.sasl_frame_size()).max(MIN_MAX_FRAME_SIZE);
        let block = largest_block(frame);
        // Each element has an octet on the wire, or is a zero-width element.
        let elements = limits.elements().min(frame.saturating_add(limits.zero_width_elements()));
        let decoded = product([elements.into(), Limits::octets_per_element() as u64]);
        let value = sum([decoded, BOXES, block]);
        let event = sum([twice(size_of::<Event>()), value, size_of::<Reason>() as u64]);
        Self { frame: frame.into(), block, value, kept: kept_blocks(frame), event }
    }

    /// Returns the cost of the single parts: input, output, both opens, and the current frame.
    fn connection(&self, limits: &Limits) -> u64 {
        let output = sum([
            limits.output_octets_hard() as u64,
            self.frame,
            product([ANSWER, limits.unsettled().into()]),
        ]);
        let elements = product([2, limits.elements().into(), Limits::octets_per_element() as u64]);
        let levels = product([limits.depth().into(), OCTETS_PER_LEVEL]);
        sum([
            size_of::<Machine>() as u64,
            product([2, output]),
            // Headers between large payloads share blocks of their own.
            BLOCK as u64,
            self.kept,
            elements,
            levels,
            product([4, sum([self.frame, self.block, self.value, self.event])]),
        ])
    }

    /// Returns the cost of a session without its links.
    fn session(&self, limits: &Limits) -> u64 {
        let held = sum([twice(size_of::<Arrival>()), self.part(), self.value, self.event]);
        let disposition = sum([twice(size_of::<Disposition>()), self.value]);
        sum([
            size_of::<Session>() as u64,
            PLACE,
            TABLES,
            self.frame,
            product([2, sum([Ledger::SPARE_OCTETS as u64, self.value, self.event])]),
            product([2, PENDING, disposition]),
            product([2, limits.unsettled().into(), self.delivery()]),
            product([limits.session_frames().into(), held]),
        ])
    }

    /// Returns the cost of an unsettled delivery: its record, its tag in use, both states, and its event.
    fn delivery(&self) -> u64 {
        sum([
            Ledger::OCTETS_PER_DELIVERY as u64,
            tree(size_of::<DeliveryTag>()),
            // Its places in a transaction.
            tree(size_of::<(DeliveryKey, Key<TransactionIx>)>()),
            tree(size_of::<DeliveryKey>()),
            product([2, sum([size_of::<Option<DeliveryState>>() as u64, self.value])]),
            self.event,
        ])
    }

    /// Returns the cost of a link with an incomplete message: its name, the peer's attach, its places in
    /// tables.
    fn link(&self, limits: &Limits) -> u64 {
        let tables = sum([
            tree(size_of::<(Str, Key<LinkIx>)>()),
            tree(size_of::<(u32, u32)>()),
            tree(size_of::<u32>()),
        ]);
        sum([
            size_of::<Link>() as u64,
            PLACE,
            product([2, tables]),
            self.frame,
            product([2, limits.attach_octets().into()]),
            product([2, sum([self.value, self.event])]),
            sum([twice(size_of::<Arrival>()), self.value, self.event]),
            product([limits.transfers_per_delivery().into(), self.part()]),
        ])
    }

    /// Returns the cost of the transactions without their deliveries, and of the outcomes that wait for a commit.
    fn transactions(&self, limits: &Limits) -> u64 {
        let one = sum([
            size_of::<Transaction>() as u64,
            PLACE,
            tree(size_of::<(TransactionId, Key<TransactionIx>)>()),
            self.value,
            self.event,
        ]);
        let retired = sum([
            twice(size_of::<Retired>()),
            tree(size_of::<(DeliveryKey, Key<TransactionIx>)>()),
            self.value,
        ]);
        sum([product([limits.transactions().into(), one]), product([limits.unsettled().into(), retired])])
    }

    /// Returns the cost of a part of a message.
    fn part(&self) -> u64 {
        sum([twice(size_of::<Bytes>()), self.block])
    }
}

/// Returns the cost of an entry in a tree whose nodes are half empty.
fn tree(entry: usize) -> u64 {
    sum([product([3, entry as u64]), 32])
}

/// Returns twice the size, since vectors grow to up to twice their content.
fn twice(octets: usize) -> u64 {
    product([2, octets as u64])
}

fn sum<const N: usize>(parts: [u64; N]) -> u64 {
    parts.into_iter().fold(0, u64::saturating_add)
}

fn product<const N: usize>(factors: [u64; N]) -> u64 {
    factors.into_iter().fold(1, u64::saturating_mul)
}
