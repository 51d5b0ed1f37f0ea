//! [`Receiver`]: the state of a receiving link.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::credit::ReceiverCredit;
use crate::config::{OnDrop, ReceiverOptions};
use crate::machine::delivery::Tag;
use crate::machine::memory::PART;
use crate::message::Payload;
use crate::types::Limits;
use crate::wire::DeliveryState;

/// The state that a receiving link has in addition to that of all links.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) credit: ReceiverCredit,
    /// The deliveries that have arrived and were not taken; the last one may be incomplete.
    pub(crate) inbox: VecDeque<Arrival>,
    prefetch: u32,
    /// `true` from the peer's attach until the first flow is written.
    pub(crate) is_unseen: bool,
    /// `true` while prefetch is paused: the application has withdrawn all credit, or drains it.
    pub(crate) is_paused: bool,
    /// `true` while the application waits for the end of a drain [2.6.7].
    pub(crate) drains: bool,
    /// `true` while the application waits for the sender's answer after it has withdrawn all credit.
    pub(crate) stops: bool,
    /// `true` if the drain ends only with the sender's answer, since the sender may have used withdrawn
    /// credit.
    pub(crate) awaits_answer: bool,
    /// `true` if only deliveries that are resumed may come, since the map in this end's attach was incomplete.
    pub(crate) only_resumed: bool,
    /// `true` if the link leads to this end's coordinator.
    pub(crate) is_coordinator: bool,
    pub(crate) manual_accept: bool,
    pub(crate) on_drop: OnDrop,
    pub(crate) streaming: bool,
    /// The size of the largest accepted message; `None` for any size.
    pub(crate) max_message_size: Option<u64>,
}

/// A delivery that has arrived, possibly incomplete.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) number: u64,
    pub(crate) tag: Tag,
    pub(crate) message_format: u32,
    /// The number of its frames that have arrived.
    pub(crate) transfers: u32,
    /// The room that it holds in the session's window.
    pub(crate) held: Held,
    /// The number of its octets that have arrived.
    pub(crate) size: u64,
    pub(crate) payload: Payload,
    pub(crate) settled: bool,
    /// The epoch of the blocks of input that it shares; see [`memory`](crate::machine::memory).
    pub(crate) epoch: u32,
    pub(crate) progress: Progress,
    pub(crate) resumption: Resumption,
    /// The state in its transfers.
    pub(crate) state: Option<Box<DeliveryState>>,
}

/// The treatment of the octets of a delivery that is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumption {
    /// The delivery is not resumed.
    None,
    /// This end does not know the delivery, or the application has its message: no octets are kept [2.7.5].
    Ignored,
    /// The octets are joined with those received before.
    Joined,
}

impl Resumption {
    pub(crate) fn is_ignored(self) -> bool {
        self == Self::Ignored
    }
}

/// The progress of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Partial,
    Complete,
    Aborted,
}

/// Room in a session's window. Without frames, the memory of an incomplete message, which takes no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) frames: u32,
    pub(crate) octets: usize,
}

impl Held {
    /// Returns the room of a complete message, or of pieces that are read as they arrive.
    pub(crate) fn of(frames: u32, octets: usize) -> Self {
        Self { frames, octets }
    }

    /// Returns the memory of a piece of an incomplete message.
    pub(crate) fn partial(octets: usize) -> Self {
        Self { frames: 0, octets: octets + PART }
    }

    /// Returns the sum of what one delivery holds.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { frames: self.frames + other.frames, octets: self.octets + other.octets }
    }
}

impl Arrival {
    /// Notes that it shares blocks of input of this epoch, unless it shares blocks of the one before.
    pub(crate) fn shares(&mut self, epoch: u32) {
        if self.epoch.wrapping_add(1) != epoch {
            self.epoch = epoch;
        }
    }
}

impl Receiver {
    pub(crate) fn new(options: &ReceiverOptions, limits: &Limits, is_lenient: bool) -> Self {
        let asked = options.max_message_size.unwrap_or(limits.message_octets());
        // A message that is read as it arrives needs little memory.
        let max_message_size = match (options.streaming, limits.largest_message()) {
            (true, _) => asked,
            (false, most) if asked == 0 => most,
            (false, most) => asked.min(most),
        };
        Self {
            credit: ReceiverCredit::new(is_lenient),
            inbox: VecDeque::new(),
            prefetch: options.prefetch,
            is_unseen: false,
            is_paused: false,
            drains: false,
            stops: false,
            awaits_answer: false,
            only_resumed: false,
            is_coordinator: false,
            manual_accept: options.manual_accept,
            on_drop: options.on_drop,
            streaming: options.streaming,
            max_message_size: Some(max_message_size).filter(|size| *size != 0),
        }
    }

    /// Returns the state of a link that the peer has attached and the application has not accepted yet.
    pub(crate) fn offered(limits: &Limits, is_lenient: bool) -> Self {
        Self::new(&ReceiverOptions::new(), limits, is_lenient)
    }

    /// Returns the incomplete delivery.
    #[inline]
    pub(crate) fn partial(&self) -> Option<&Arrival> {
        self.inbox.back().filter(|arrival| arrival.progress == Progress::Partial)
    }

    /// Takes the incomplete delivery.
    #[inline]
    pub(crate) fn take_partial(&mut self) -> Option<Arrival> {
        if self.partial().is_some() { self.inbox.pop_back() } else { None }
    }

    /// Renews the credit when half of the prefetched messages were taken [2.6.9]. Returns `true` if it did.
    pub(crate) fn top_up(&mut self) -> bool {
        if self.prefetch == 0 || !self.is_low() || self.is_paused {
            return false;
        }
        self.credit.set(self.prefetch.saturating_sub(self.waiting()), false);
        true
    }

    /// Returns `true` if at least half of the prefetched messages were taken.
    #[inline]
    pub(crate) fn is_low(&self) -> bool {
        self.credit.credit().saturating_add(self.waiting()) <= self.prefetch / 2
    }

    /// Returns the number of deliveries that wait to be taken.
    #[inline]
    fn waiting(&self) -> u32 {
        u32::try_from(self.inbox.len()).unwrap_or(u32::MAX)
    }

    /// Returns `true` once when a drain has ended: no credit is left, and the last delivery is complete, so
    /// that no message comes after the report [2.6.8].
    #[inline]
    pub(crate) fn is_drained(&mut self) -> bool {
        if !self.drains || self.credit.credit() > 0 || self.awaits_answer || self.partial().is_some() {
            return false;
        }
        self.drains = false;
        true
    }

    /// Takes the complete deliveries that the sender has not settled.
    pub(crate) fn take_unsettled(&mut self) -> VecDeque<Arrival> {
        let is_taken = |arrival: &Arrival| arrival.progress == Progress::Complete && !arrival.settled;
        let (taken, kept) = self.inbox.drain(..).partition(is_taken);
        self.inbox = kept;
        taken
    }

    /// Ends the credit with the link's detach.
    pub(crate) fn end(&mut self) {
        self.credit.end();
        self.is_paused = false;
        self.drains = false;
        self.stops = false;
        self.awaits_answer = false;
    }

    /// Drops the incomplete delivery. Returns the room that it held.
    pub(crate) fn drop_partial(&mut self) -> Held {
        self.take_partial().map_or(Held::default(), |arrival| arrival.held)
    }

    /// Takes all deliveries.
    pub(crate) fn clear(&mut self) -> VecDeque<Arrival> {
        core::mem::take(&mut self.inbox)
    }

    /// Returns the delivery with this number, if it is not taken.
    pub(crate) fn arrival(&self, number: u64) -> Option<&Arrival> {
        self.inbox.get(self.find(number)?)
    }

    /// Returns the position of the delivery with this number.
    pub(crate) fn find(&self, number: u64) -> Option<usize> {
        self.inbox.binary_search_by_key(&number, |arrival| arrival.number).ok()
    }
}
