//! [`Recovery`]: what a resumable link keeps for its deliveries, beside their records.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::hooks::Resumable;
use super::position::end_of;
use super::resume::Action;
use super::resumed::skip;
use super::rounds::Rounds;
use super::state::{LinkState, UnsettledDelivery};
use crate::machine::command_error::SendError;
use crate::machine::link::Arrival;
use crate::message::Payload;
use crate::types::{DeliveryTag, Limits, Map, Tree};
use crate::wire::{Attach, Received, Role, Source, Terminus};
use bytes::Bytes;

/// The part of a link's state that only resumable links have.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// The termini in this end's attach.
    pub(crate) source: Option<Box<Source>>,
    pub(crate) target: Option<Box<Terminus>>,
    /// `true` from this end's attach with an unsettled map until the peer's map is there.
    pub(crate) awaits_map: bool,
    /// `true` if deliveries that the receiver does not know are sent again.
    pub(crate) sends_anew: bool,
    pub(crate) rounds: Rounds,
    /// The deliveries from before the attach, until they are resumed.
    pub(crate) pending: Pending,
    /// The steps of a sender that wait for credit or room.
    pub(crate) steps: VecDeque<Step>,
    /// `true` while steps are taken.
    pub(crate) is_stepping: bool,
    /// The messages of a sender's unsettled deliveries, by number.
    kept: Tree<u64, Kept>,
    kept_octets: u64,
    /// The length of received messages that the application has taken, by number.
    pub(crate) taken: Tree<u64, Received>,
    /// The octets of the delivery that is being resumed which have been received before.
    pub(crate) overlap: usize,
}

/// A step of a sender that resumes or ends a delivery.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) delivery: UnsettledDelivery,
    pub(crate) action: Action,
}

/// A message that may have to be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) message: Payload,
    pub(crate) message_format: u32,
    /// `true` while the application adds octets.
    pub(crate) is_partial: bool,
}

impl Recovery {
    /// Returns the part of a link that is resumed with this state.
    pub(crate) fn resuming(state: LinkState) -> Self {
        let mut recovery = Self { awaits_map: true, ..Self::default() };
        state.deliveries.into_iter().for_each(|delivery| recovery.pending.push(delivery));
        recovery
    }

    pub(crate) fn keep(&mut self, number: u64, kept: Kept) {
        self.kept_octets += kept.message.len() as u64;
        self.kept.insert(number, kept);
    }

    pub(crate) fn kept(&self, number: u64) -> Option<&Kept> {
        self.kept.get(&number)
    }

    /// Returns the deliveries that wait to be resumed, oldest first.
    pub(crate) fn unresumed(&self) -> impl Iterator<Item = &UnsettledDelivery> {
        let steps = self.steps.iter().map(|step| &step.delivery);
        steps.chain(&self.rounds.unknown).chain(self.pending.iter())
    }
}

impl Resumable for Recovery {
    fn attached(&mut self, attach: &Attach) {
        self.source.clone_from(&attach.source);
        self.target.clone_from(&attach.target);
    }

    fn unsettled_map(&mut self, role: Role, room: usize) -> Option<(Map, bool)> {
        if !self.awaits_map {
            return None;
        }
        let map = self.map(role, room);
        Some((map, self.rounds.is_ours_incomplete))
    }

    fn is_in_round(&self) -> bool {
        self.rounds.is_open
    }

    fn kept_octets(&self) -> u64 {
        self.kept_octets
    }

    #[cold]
    fn permit(&self, resumes: bool, settled: bool, octets: usize, limits: &Limits) -> Result<(), SendError> {
        let kept = self.kept_octets.saturating_add(octets as u64);
        if resumes {
            Err(SendError::NoCredit)
        } else if !settled && kept > limits.kept_octets() {
            Err(SendError::Kept(limits.kept_octets()))
        } else {
            Ok(())
        }
    }

    fn keep_begun(&mut self, number: u64, message_format: u32) {
        self.keep(number, Kept { message: Payload::new(), message_format, is_partial: true });
    }

    fn keep_more(&mut self, number: u64, octets: &[Bytes]) {
        if let Some(kept) = self.kept.get_mut(&number) {
            let before = kept.message.len();
            kept.message.extend(octets.iter().filter(|chunk| !chunk.is_empty()).cloned());
            self.kept_octets += (kept.message.len() - before) as u64;
        }
    }

    fn finish(&mut self, number: u64) {
        if let Some(kept) = self.kept.get_mut(&number) {
            kept.is_partial = false;
        }
    }

    fn note_taken(&mut self, arrival: &Arrival) {
        self.taken.insert(arrival.number, end_of(&arrival.payload, arrival.message_format));
    }

    fn skip(&mut self, payload: &mut Bytes) {
        skip(payload, &mut self.overlap);
    }

    fn forget(&mut self, number: u64) {
        self.taken.remove(&number);
        if let Some(kept) = self.kept.remove(&number) {
            self.kept_octets -= kept.message.len() as u64;
        }
    }

    fn clear(&mut self) {
        self.pending = Pending::default();
        self.steps.clear();
        self.rounds = Rounds::default();
        self.kept.clear();
        self.kept_octets = 0;
        self.taken.clear();
    }
}

/// Deliveries in order, found by tag.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    deliveries: Tree<u64, UnsettledDelivery>,
    places: Tree<DeliveryTag, u64>,
    next: u64,
}

impl Pending {
    pub(crate) fn push(&mut self, delivery: UnsettledDelivery) {
        self.places.insert(delivery.tag, self.next);
        self.deliveries.insert(self.next, delivery);
        self.next += 1;
    }

    pub(crate) fn contains(&self, tag: &DeliveryTag) -> bool {
        self.places.contains_key(tag)
    }

    pub(crate) fn remove(&mut self, tag: &DeliveryTag) -> Option<UnsettledDelivery> {
        self.deliveries.remove(&self.places.remove(tag)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &UnsettledDelivery> {
        self.deliveries.values()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Removes the deliveries whose tags are chosen, oldest first.
    pub(crate) fn take(&mut self, is_chosen: impl Fn(&DeliveryTag) -> bool) -> Vec<UnsettledDelivery> {
        let tags: Vec<_> = self.iter().map(|delivery| delivery.tag).filter(is_chosen).collect();
        tags.iter().filter_map(|tag| self.remove(tag)).collect()
    }
}
