//! [`Sender`]: the end of a link that sends.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::credit::SenderCredit;
use crate::config::SenderOptions;
use crate::types::{DeliveryTag, SequenceNo};
use crate::wire::{DeliveryState, Outcome, Transfer};

/// What a sending end keeps beside what all links do.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) credit: SenderCredit,
    /// The delivery that is not written to its end yet.
    pub(crate) sending: Option<Box<Sending>>,
    next_tag: u32,
    /// Whether the application was told that it may send, and has not been refused since.
    pub(crate) told: bool,
    /// Whether it is among those that are looked at when the session's window opens or output is taken.
    pub(crate) waits: bool,
    /// Whether the receiver waits for the answer to a drain [2.6.7].
    pub(crate) drain_due: bool,
    /// Whether the application says when it has nothing to send, and whether it has said so.
    pub(crate) manual_drain: bool,
    /// Whether the engine says so after a pause; whether that has begun, and how many deliveries were sent then.
    pub(crate) drains_late: bool,
    pub(crate) is_delayed: bool,
    pub(crate) seen: SequenceNo,
    pub(crate) has_drained: bool,
    /// Whether the link is detached when the delivery that is being sent is written, and then whether for good.
    pub(crate) leaves: Option<bool>,
    pub(crate) manual_settle: bool,
    /// The largest message that the peer takes; any, if none.
    pub(crate) max_message_size: Option<u64>,
    /// What deliveries get that are settled without an outcome [3.5.3].
    pub(crate) default_outcome: Option<Box<Outcome>>,
}

/// A delivery on its way into the output.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) number: u64,
    /// What goes before the next piece of payload.
    pub(crate) transfer: Transfer,
    /// Whether the first frame is written.
    pub(crate) begun: bool,
    pub(crate) chunks: VecDeque<Bytes>,
    /// How many octets are in `chunks`, and how many there were in all.
    pub(crate) waiting: usize,
    pub(crate) size: u64,
    pub(crate) end: SendingEnd,
    /// Whether the application was refused to add more, and is to be told when it may.
    pub(crate) is_refused: bool,
    /// Whether it was settled before the first frame is written: the peer can hear of it only after that.
    pub(crate) settles: bool,
}

impl Sending {
    /// Has the first transfer tell of a state, and what follows it that the delivery is settled.
    pub(crate) fn add_news(&mut self, settles: bool, state: Option<&DeliveryState>) -> bool {
        self.settles = settles;
        if let Some(state) = state {
            self.transfer.state = Some(state.clone());
        }
        true
    }

    /// A frame is written: the next says only what goes on, and to which transaction all of it belongs [4.4.1].
    pub(crate) fn go_on(&mut self) {
        let state = self.transfer.state.take();
        let state = state.filter(|state| matches!(state, DeliveryState::Transactional(_)));
        self.transfer = Transfer { state, ..Transfer::new(self.transfer.handle) };
    }
}

/// What the application has said about the end of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendingEnd {
    /// More is to come.
    Open,
    /// All is there.
    Complete,
    /// It is given up.
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
            drain_due: false,
            leaves: None,
            manual_drain: options.manual_drain,
            drains_late: false,
            is_delayed: false,
            seen: options.initial_delivery_count,
            has_drained: false,
            manual_settle: options.manual_settle,
            max_message_size: None,
            default_outcome: source.and_then(|source| source.default_outcome.clone()).map(Box::new),
        }
    }

    /// For a link that the peer has attached, before the application has accepted it.
    pub(crate) fn offered() -> Self {
        Self::new(&SenderOptions::new())
    }

    /// Goes on with the tags of the link before it was detached, and with credit that was granted before it was
    /// accepted.
    pub(super) fn adopt(&mut self, kept: &Self) {
        self.next_tag = kept.next_tag;
        self.credit.adopt(&kept.credit);
        self.drain_due = kept.drain_due;
    }

    /// Returns where the delivery-count stands, as an attach has to say [2.7.3].
    pub(crate) fn count(&self) -> SequenceNo {
        self.credit.count()
    }

    /// Returns the delivery-count and credit as the peer has to know them: without the delivery of which no frame
    /// is written yet, or it would take that for credit given back.
    pub(crate) fn told_credit(&self) -> (SequenceNo, u32) {
        let unsent = self.sending.as_ref().is_some_and(|sending| !sending.begun);
        let (count, credit) = (self.credit.count(), self.credit.credit());
        if unsent { (count.add(u32::MAX), credit.saturating_add(1)) } else { (count, credit) }
    }

    /// The tag that comes next, if the application does not give one.
    #[inline]
    pub(crate) fn next_tag(&self) -> DeliveryTag {
        DeliveryTag::from(self.next_tag)
    }

    /// The tag was used.
    #[inline]
    pub(crate) fn tag_used(&mut self) {
        self.next_tag = self.next_tag.wrapping_add(1);
    }

    /// Returns whether the answer to a drain may be written: all that was sent is, and nothing more comes for the
    /// credit that is left.
    pub(crate) fn answers_drain(&self) -> bool {
        let is_done =
            !(self.manual_drain || self.drains_late) || self.has_drained || self.credit.credit() == 0;
        self.drain_due && self.sending.is_none() && is_done
    }

    /// Gives back the credit that is to be drained, if the answer to the drain may be written [2.6.7].
    pub(crate) fn give_back(&mut self) {
        if self.answers_drain() {
            self.drain_due = false;
            self.has_drained = false;
            self.credit.give_back();
        }
    }

    /// The link is detached: nothing more can be sent.
    pub(crate) fn end(&mut self) {
        self.credit.end();
        self.sending = None;
        self.told = false;
        self.drain_due = false;
        self.has_drained = false;
        self.leaves = None;
    }
}
