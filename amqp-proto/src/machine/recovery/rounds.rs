//! Rounds: links are resumed again and again while an unsettled map does not fit in a frame [2.6.13] [2.7.3].
//!
//! An incomplete map proves nothing about the deliveries that it omits. In such a round the sender resumes those that
//! both ends know, and sends nothing new. When these are settled, it detaches the link, and the end that had attached
//! the link attaches it again, until both maps are complete.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::compare::map_entry;
use super::memory::{Pending, Recovery};
use super::state::UnsettledDelivery;
use crate::config::{ReceiverOptions, SenderOptions};
use crate::machine::endpoints::Endpoints;
use crate::machine::fault::LinkFault;
use crate::machine::link::{EndOptions, LinkEnd};
use crate::machine::reason::Reason;
use crate::types::{DeliveryTag, LinkIx, Map, TreeSet};
use crate::wire::Role;

/// The options with which a link is attached in each round.
#[derive(Debug)]
pub(crate) enum RoundOptions {
    Sender(Box<SenderOptions>),
    Receiver(Box<ReceiverOptions>),
}

impl RoundOptions {
    pub(crate) fn of(options: EndOptions<'_>) -> Self {
        match options {
            EndOptions::Sender(options) => Self::Sender(Box::new(options.clone())),
            EndOptions::Receiver(options) => Self::Receiver(Box::new(options.clone())),
        }
    }

    fn as_end(&self) -> EndOptions<'_> {
        match self {
            Self::Sender(options) => EndOptions::Sender(options),
            Self::Receiver(options) => EndOptions::Receiver(options),
        }
    }
}

/// The progress of a link that is resumed in rounds.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// The options for the next attach.
    pub(crate) options: Option<RoundOptions>,
    /// `true` if this end attaches the link, `false` if it accepts it.
    pub(crate) attaches: bool,
    /// `true` if the map in this end's attach omits deliveries.
    pub(crate) is_ours_incomplete: bool,
    /// `true` while one of the maps is incomplete.
    pub(crate) is_open: bool,
    /// A sender's deliveries that the receiver does not know, to be sent again after the last round.
    pub(crate) unknown: VecDeque<UnsettledDelivery>,
    /// The tags in the peer's map, which this end lists first.
    pub(crate) named: TreeSet<DeliveryTag>,
    /// The tags that this end has shown.
    shown: TreeSet<DeliveryTag>,
    /// The number of deliveries in doubt at the start of the round, and of rounds that have not made it smaller.
    doubtful: Option<usize>,
    fruitless: usize,
}

impl Rounds {
    /// Returns `true` if the rounds end without a result: each map has been shown as a whole, and more.
    pub(crate) fn is_hopeless(&mut self, doubtful: usize) -> bool {
        let is_fewer = self.doubtful.is_none_or(|before| doubtful < before);
        self.fruitless = if is_fewer { 0 } else { self.fruitless + 1 };
        self.doubtful = Some(doubtful);
        self.fruitless > doubtful + 2
    }
}

impl Recovery {
    /// Returns this end's unsettled map, with as many deliveries as fit in this number of octets, but at least one.
    pub(super) fn map(&mut self, role: Role, room: usize) -> Map {
        let Rounds { named, shown, .. } = &mut self.rounds;
        // The peer can resume what it has named; it learns of the others in turn.
        let rank = |delivery: &UnsettledDelivery| match (
            named.contains(&delivery.tag),
            shown.contains(&delivery.tag),
        ) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        let ranked = |wanted: u8| self.pending.iter().filter(move |delivery| rank(delivery) == wanted);
        let (mut entries, mut octets) = (Vec::new(), 0_usize);
        for delivery in ranked(0).chain(ranked(1)).chain(ranked(2)) {
            let (key, value) = map_entry(delivery, role);
            octets += key.encoded_len() + value.encoded_len();
            if octets > room && !entries.is_empty() {
                break;
            }
            entries.push((key, value, delivery.tag));
        }
        let is_all_shown = ranked(1).count() == 0;
        self.rounds.is_ours_incomplete = entries.len() < self.pending.len();
        if is_all_shown {
            self.rounds.shown.clear();
        }
        self.rounds.shown.extend(entries.iter().map(|(_, _, tag)| *tag));
        entries.into_iter().map(|(key, value, _)| (key, value)).collect()
    }
}

impl Endpoints {
    /// Ends the rounds whose deliveries are settled.
    pub(super) fn end_rounds(&mut self) {
        let over: Vec<LinkIx> =
            self.in_rounds.iter().copied().filter(|index| self.is_round_over(*index)).collect();
        for index in over {
            self.in_rounds.retain(|other| *other != index);
            // The round is over, and nothing of it waits: the peer answers, and the next round begins.
            let _ = self.detach(index, false, None);
        }
    }

    /// Returns `true` if a round can be ended.
    pub(super) fn has_ended_round(&self) -> bool {
        self.in_rounds.iter().any(|index| self.is_round_over(*index))
    }

    fn is_round_over(&self, index: LinkIx) -> bool {
        let Some(link) = self.links.peek(index) else { return true };
        let Some(recovery) = link.recovery.as_deref() else { return true };
        let LinkEnd::Sender(sender) = &link.end else { return true };
        link.chain.len() == 0 && recovery.steps.is_empty() && sender.sending.is_none() && link.is_complete()
    }

    /// Begins a round: the sender ends it when its deliveries are settled. Returns `false` if the rounds lead nowhere,
    /// and the link is closed.
    pub(super) fn begin_round(&mut self, index: LinkIx) -> bool {
        let Some(link) = self.links.at(index) else { return false };
        let is_sender = link.sender().is_some();
        let Some(recovery) = link.recovery.as_deref_mut() else { return false };
        let doubtful = recovery.pending.len() + recovery.steps.len();
        if recovery.rounds.is_hopeless(doubtful) {
            // The application gets the state back.
            recovery.awaits_map = true;
            recovery.rounds.is_open = false;
            self.fail_link(index, &LinkFault::Rounds);
            return false;
        }
        if is_sender && !self.in_rounds.contains(&index) {
            self.in_rounds.push(index);
        }
        true
    }

    /// Goes on to the next round of a link that is detached at both ends. Returns `false` if there is none.
    pub(super) fn next_round(&mut self, index: LinkIx, reason: &Reason) -> bool {
        self.in_rounds.retain(|other| *other != index);
        let Some(link) = self.links.at(index) else { return false };
        let Some(recovery) = link.recovery.as_deref() else { return false };
        if !recovery.rounds.is_open || reason.error.is_some() || link.has_failed {
            return false;
        }
        let (key, session, attaches) = (link.key, link.session, recovery.rounds.attaches);
        self.finish_updates();
        let deliveries = self.captured(index);
        if let Some(link) = self.links.at(index) {
            let held = link.stop();
            if let Some(recovery) = link.recovery.as_deref_mut() {
                recovery.pending = Pending::default();
                deliveries.into_iter().for_each(|delivery| recovery.pending.push(delivery));
                recovery.steps.clear();
            }
            self.release(session, held);
        }
        self.give_up_place(index);
        self.remember_suspended(key);
        if !attaches {
            return true;
        }
        let Some(options) = self.round_options(index) else { return false };
        let attached = self.reattach(session.index, key, options.as_end(), None);
        self.keep_round_options(index, options);
        attached.is_ok()
    }

    /// Accepts a link that the peer attaches for the next round. Returns `false` if it is for the application to
    /// accept.
    pub(super) fn accept_round(&mut self, index: LinkIx) -> bool {
        let recovery = self.links.at(index).and_then(|link| link.recovery.as_deref());
        if !recovery.is_some_and(|recovery| recovery.rounds.is_open) {
            return false;
        }
        let Some(options) = self.round_options(index) else { return false };
        let accepted = self.accept_link(index, options.as_end(), None);
        self.keep_round_options(index, options);
        accepted.is_ok()
    }

    fn round_options(&mut self, index: LinkIx) -> Option<RoundOptions> {
        self.links.at(index)?.recovery.as_deref_mut()?.rounds.options.take()
    }

    fn keep_round_options(&mut self, index: LinkIx, options: RoundOptions) {
        if let Some(recovery) = self.links.at(index).and_then(|link| link.recovery.as_deref_mut()) {
            recovery.rounds.options = Some(options);
        }
    }
}
