//! [`Receiver`]: the end of a link that receives.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::credit::ReceiverCredit;
use crate::config::{OnDrop, ReceiverOptions};
use crate::machine::delivery::Tag;
use crate::message::Payload;
use crate::types::Limits;
use crate::wire::DeliveryState;

/// What a receiving end keeps beside what all links do.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) credit: ReceiverCredit,
    /// What has come and is not taken; the last may be incomplete.
    pub(crate) inbox: VecDeque<Arrival>,
    prefetch: u32,
    /// Whether the peer has attached it and no flow was written since.
    pub(crate) is_unseen: bool,
    /// Whether no credit is given ahead until the application gives some: it has taken all back, or drains it.
    pub(crate) is_paused: bool,
    /// Whether the application is to be told when there is no credit left [2.6.7].
    pub(crate) drains: bool,
    /// Whether the application is to be told of the sender's next flow: it has taken all credit back.
    pub(crate) stops: bool,
    /// Whether only the sender can say that: it may have used credit before it heard that this was taken back.
    pub(crate) awaits_answer: bool,
    pub(crate) manual_accept: bool,
    pub(crate) on_drop: OnDrop,
    pub(crate) streaming: bool,
    /// The largest message that is taken; any, if none.
    pub(crate) max_message_size: Option<u64>,
}

/// A delivery that has come, wholly or in part.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) number: u64,
    pub(crate) tag: Tag,
    pub(crate) message_format: u32,
    /// How many frames have come of it.
    pub(crate) transfers: u32,
    /// How many of them the session's window holds, and for how many octets.
    pub(crate) held: Held,
    /// How many octets have come of it.
    pub(crate) size: u64,
    pub(crate) payload: Payload,
    pub(crate) settled: bool,
    pub(crate) progress: Progress,
    /// Whether nothing of it is kept: it resumes what this end does not know [2.7.5].
    pub(crate) ignored: bool,
    /// What the sender told of its state.
    pub(crate) state: Option<Box<DeliveryState>>,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Partial,
    Complete,
    Aborted,
}

/// What a delivery takes of its session's window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) frames: u32,
    pub(crate) octets: usize,
}

impl Receiver {
    pub(crate) fn new(options: &ReceiverOptions, limits: &Limits, is_lenient: bool) -> Self {
        let max_message_size = options.max_message_size.unwrap_or(limits.message_octets());
        Self {
            credit: ReceiverCredit::new(is_lenient),
            inbox: VecDeque::new(),
            prefetch: options.prefetch,
            is_unseen: false,
            is_paused: false,
            drains: false,
            stops: false,
            awaits_answer: false,
            manual_accept: options.manual_accept,
            on_drop: options.on_drop,
            streaming: options.streaming,
            max_message_size: Some(max_message_size).filter(|size| *size != 0),
        }
    }

    /// For a link that the peer has attached, before the application has accepted it.
    pub(crate) fn offered(limits: &Limits, is_lenient: bool) -> Self {
        Self::new(&ReceiverOptions::new(), limits, is_lenient)
    }

    /// Returns the delivery of which more is to come.
    #[inline]
    pub(crate) fn partial(&self) -> Option<&Arrival> {
        self.inbox.back().filter(|arrival| arrival.progress == Progress::Partial)
    }

    /// Takes out the delivery of which more is to come.
    #[inline]
    pub(crate) fn take_partial(&mut self) -> Option<Arrival> {
        if self.partial().is_some() { self.inbox.pop_back() } else { None }
    }

    /// Tops credit up when half of what is asked for ahead has been taken [2.6.9]; whether it did.
    pub(crate) fn top_up(&mut self) -> bool {
        if self.prefetch == 0 || !self.is_low() || self.is_paused {
            return false;
        }
        self.credit.set(self.prefetch.saturating_sub(self.waiting()), false);
        true
    }

    /// Returns whether half of what is asked for ahead, or more, has been taken.
    #[inline]
    pub(crate) fn is_low(&self) -> bool {
        self.credit.credit().saturating_add(self.waiting()) <= self.prefetch / 2
    }

    /// Returns how many deliveries wait to be taken.
    #[inline]
    fn waiting(&self) -> u32 {
        u32::try_from(self.inbox.len()).unwrap_or(u32::MAX)
    }

    /// Returns whether all credit that was to be drained is gone, which is to be told once: when what has begun to
    /// come is complete, so that a message never comes behind it [2.6.8].
    #[inline]
    pub(crate) fn is_drained(&mut self) -> bool {
        if !self.drains || self.credit.credit() > 0 || self.awaits_answer || self.partial().is_some() {
            return false;
        }
        self.drains = false;
        true
    }

    /// Takes out the complete deliveries that the sender has not settled.
    pub(crate) fn take_unsettled(&mut self) -> VecDeque<Arrival> {
        let is_taken = |arrival: &Arrival| arrival.progress == Progress::Complete && !arrival.settled;
        let (taken, kept) = self.inbox.drain(..).partition(is_taken);
        self.inbox = kept;
        taken
    }

    /// The link is detached: credit ends with it.
    pub(crate) fn end(&mut self) {
        self.credit.end();
        self.is_paused = false;
        self.drains = false;
        self.stops = false;
        self.awaits_answer = false;
    }

    /// Forgets the delivery of which more was to come; gives what it held of the window.
    pub(crate) fn drop_partial(&mut self) -> Held {
        self.take_partial().map_or(Held::default(), |arrival| arrival.held)
    }

    /// Forgets all that has come; gives what it held of the window.
    pub(crate) fn clear(&mut self) -> Held {
        self.inbox.drain(..).fold(Held::default(), |sum, arrival| Held {
            frames: sum.frames + arrival.held.frames,
            octets: sum.octets + arrival.held.octets,
        })
    }

    /// Returns the arrival of this number.
    pub(crate) fn find(&self, number: u64) -> Option<usize> {
        self.inbox.binary_search_by_key(&number, |arrival| arrival.number).ok()
    }
}
