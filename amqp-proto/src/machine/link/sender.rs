//! [`Sender`]: the state of a sending link.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::credit::SenderCredit;
use crate::config::SenderOptions;
use crate::types::{DeliveryTag, SequenceNo};
use crate::wire::{DeliveryState, Outcome, Transfer};

/// The state that a sending link has in addition to that of all links.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) credit: SenderCredit,
    /// The delivery that is not completely written.
    pub(crate) sending: Option<Box<Sending>>,
    next_tag: u32,
    /// `true` if the application knows that it can send, and has not been refused since.
    pub(crate) told: bool,
    /// `true` if the sender waits for the session's window or for room in the output.
    pub(crate) waits: bool,
    /// `true` if the sender waits until a delivery of its session is settled.
    pub(crate) is_crowded_out: bool,
    /// `true` if the last message that the application wanted to send was to be settled.
    pub(crate) sends_settled: bool,
    /// `true` if the receiver waits for the answer to a drain [2.6.7].
    pub(crate) drain_due: bool,
    /// `true` if the application answers drains itself, and `has_drained` if it has answered.
    pub(crate) manual_drain: bool,
    /// `true` if the engine answers a drain after a pause. `is_delayed` during the pause; `seen` is the
    /// delivery-count at its start.
    pub(crate) drains_late: bool,
    pub(crate) is_delayed: bool,
    pub(crate) seen: SequenceNo,
    pub(crate) has_drained: bool,
    /// Set if the link is detached when its delivery is written; `true` to close it.
    pub(crate) leaves: Option<bool>,
    pub(crate) manual_settle: bool,
    /// `true` while deliveries wait to be resumed, before new ones may be sent.
    pub(crate) resumes: bool,
    /// The size of the largest message that the peer accepts; `None` for any size.
    pub(crate) max_message_size: Option<u64>,
    /// The outcome of deliveries that are settled without one [3.5.3].
    pub(crate) default_outcome: Option<Box<Outcome>>,
}

/// A delivery that is being written.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) number: u64,
    /// The transfer before the next piece of payload.
    pub(crate) transfer: Transfer,
    /// `true` if the first frame is written.
    pub(crate) begun: bool,
    pub(crate) chunks: VecDeque<Bytes>,
    /// The octets in `chunks`, and the octets of the delivery so far.
    pub(crate) waiting: usize,
    pub(crate) size: u64,
    pub(crate) end: SendingEnd,
    /// `true` if the application was refused to add octets, and waits for the event.
    pub(crate) is_refused: bool,
    /// `true` if the delivery was settled before its first frame is written: the peer learns of it
    /// afterwards.
    pub(crate) settles: bool,
}

impl Sending {
    /// Puts a state into the first transfer, and notes that the delivery is settled after it.
    pub(crate) fn add_news(&mut self, settles: bool, state: Option<&DeliveryState>) -> bool {
        self.settles = settles;
        if let Some(state) = state {
            self.transfer.state = Some(state.clone());
        }
        true
    }

    /// Prepares the transfer of the next frame, which has only the handle and the transaction [4.4.1].
    pub(crate) fn go_on(&mut self) {
        let state = self.transfer.state.take();
        let state = state.filter(|state| matches!(state, DeliveryState::Transactional(_)));
        self.transfer = Transfer { state, ..Transfer::new(self.transfer.handle) };
    }
}

/// The end of a delivery, as the application has set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendingEnd {
    /// More octets follow.
    Open,
    /// The delivery is complete.
    Complete,
    /// The delivery is aborted.
    Aborted,
}

impl Sender {
    pub(crate) fn new(options: &SenderOptions) -> Self {
        let source = options.source.as_deref();
        Self {
            credit: SenderCredit::new(options.initial_delivery_count),
            sending: None,
            next_tag: 0,
            told: false,
            waits: false,
            is_crowded_out: false,
            sends_settled: false,
            drain_due: false,
            leaves: None,
            manual_drain: options.manual_drain,
            drains_late: false,
            is_delayed: false,
            seen: options.initial_delivery_count,
            has_drained: false,
            manual_settle: options.manual_settle,
            resumes: false,
            max_message_size: None,
            default_outcome: source.and_then(|source| source.default_outcome.clone()).map(Box::new),
        }
    }

    /// Returns the state of a link that the peer has attached and the application has not accepted yet.
    pub(crate) fn offered() -> Self {
        Self::new(&SenderOptions::new())
    }

    /// Copies the next tag from before a detach, and credit that was granted before the link was accepted.
    pub(super) fn adopt(&mut self, kept: &Self) {
        self.next_tag = kept.next_tag;
        self.credit.adopt(&kept.credit);
        self.drain_due = kept.drain_due;
    }

    /// Returns the delivery-count, for an attach [2.7.3].
    pub(crate) fn count(&self) -> SequenceNo {
        self.credit.count()
    }

    /// Returns the delivery-count and the credit for the peer, without a delivery that has no written frame
    /// yet: the peer would take it for returned credit.
    pub(crate) fn told_credit(&self) -> (SequenceNo, u32) {
        let unsent = self.sending.as_ref().is_some_and(|sending| !sending.begun);
        let (count, credit) = (self.credit.count(), self.credit.credit());
        if unsent { (count.add(u32::MAX), credit.saturating_add(1)) } else { (count, credit) }
    }

    /// Returns the next tag, for a delivery without one from the application.
    #[inline]
    pub(crate) fn next_tag(&self) -> DeliveryTag {
        DeliveryTag::from(self.next_tag)
    }

    /// Returns the number of the next tag.
    pub(crate) fn next_tag_number(&self) -> u32 {
        self.next_tag
    }

    /// Sets the number of the next tag.
    pub(crate) fn set_next_tag(&mut self, number: u32) {
        self.next_tag = number;
    }

    /// Moves on to the next tag.
    #[inline]
    pub(crate) fn tag_used(&mut self) {
        self.next_tag = self.next_tag.wrapping_add(1);
    }

    /// Returns `true` if a drain can be answered: the messages are written, and none follows for the rest of
    /// the credit.
    pub(crate) fn answers_drain(&self) -> bool {
        let is_done =
            !(self.manual_drain || self.drains_late) || self.has_drained || self.credit.credit() == 0;
        self.drain_due && self.sending.is_none() && is_done
    }

    /// Returns the credit that the receiver drains, if the drain can be answered [2.6.7].
    pub(crate) fn give_back(&mut self) {
        if self.answers_drain() {
            self.drain_due = false;
            self.has_drained = false;
            self.credit.give_back();
        }
    }

    /// Ends sending with the link's detach.
    pub(crate) fn end(&mut self) {
        self.credit.end();
        self.sending = None;
        self.resumes = false;
        self.told = false;
        self.drain_due = false;
        self.has_drained = false;
        self.leaves = None;
    }
}
