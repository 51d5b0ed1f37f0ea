//! [`Outcomes`]: the outcomes of sent deliveries.

use std::collections::VecDeque;

use super::state::{LinkState, State};
use super::wake::Wake;
use crate::client::CloseReason;
use crate::types::{DeliveryKey, Key};
use crate::wire::{DeliveryState, Outcome};

/// The sent deliveries whose outcome a handle waits for, by slot.
///
/// A slot outlives the engine, and its outcome stays until the handle is dropped. Slots are reused, so that a
/// message costs no allocation.
#[derive(Debug)]
pub(crate) struct Outcomes<W> {
    slots: Vec<Slot<W>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<W> {
    generation: u32,
    entry: Option<Entry<W>>,
}

#[derive(Debug)]
struct Entry<W> {
    delivery: DeliveryKey,
    /// The slot of the delivery's link.
    link: Key,
    fate: Fate,
    waiter: Option<W>,
}

/// The fate of a sent delivery.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// The outcome has not arrived yet.
    Unsettled,
    Known(Outcome),
    /// The receiver has settled without an outcome.
    Undecided,
    /// The link, or the connection for this reason, ended before the delivery had an outcome.
    Lost(Option<CloseReason>),
}

impl Fate {
    /// Returns the fate for a state of the receiver; `None` if the outcome has not arrived yet.
    pub(crate) fn of(state: Option<DeliveryState>, settled: bool) -> Option<Self> {
        match state {
            Some(DeliveryState::Outcome(outcome)) => Some(Self::Known(outcome)),
            Some(DeliveryState::Transactional(state)) if state.outcome.is_some() => {
                state.outcome.map(Self::Known)
            }
            _ => settled.then_some(Self::Undecided),
        }
    }
}

impl Fate {
    /// Returns the fate of a lost delivery for the last state of the receiver; `None` if there was no outcome. An outcome
    /// in a transaction was none yet.
    pub(crate) fn of_lost(state: Option<DeliveryState>) -> Option<Self> {
        match state {
            Some(DeliveryState::Transactional(_)) => None,
            state => Self::of(state, false),
        }
    }

    fn lost_with(&mut self, ended: &CloseReason) {
        if let Self::Lost(reason) = self {
            reason.get_or_insert_with(|| ended.clone());
        }
    }
}

impl<W> LinkState<W> {
    /// Sets the reason of the deliveries that were lost with a connection.
    pub(super) fn lost_with(&mut self, ended: &CloseReason) {
        self.outcomes.iter_mut().flatten().for_each(|(_, fate)| fate.lost_with(ended));
    }

    /// Reports the messages that wait to be sent again or resumed, since the link is over. Those that were sent on it
    /// are reported by the engine.
    pub(super) fn lose_kept(&mut self) {
        if let (Some(outcomes), Some(replay)) = (&mut self.outcomes, &mut self.replay) {
            outcomes.extend(replay.lose().map(|delivery| (delivery, Fate::Lost(None))));
        }
    }
}

impl<W> Default for Outcomes<W> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<W: Wake> Outcomes<W> {
    /// Adds a delivery on the link of a slot.
    fn insert(&mut self, delivery: DeliveryKey, link: Key) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, entry: None });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let entry = Entry { delivery, link, fate: Fate::Unsettled, waiter: None };
        match self.slots.get_mut(index as usize) {
            Some(slot) => {
                slot.entry = Some(entry);
                Key { index, generation: slot.generation }
            }
            None => Key { index, generation: 0 },
        }
    }

    fn remove(&mut self, slot: Key) -> Option<Entry<W>> {
        let place = self.slots.get_mut(slot.index as usize)?;
        let entry = place.entry.take_if(|_| place.generation == slot.generation)?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot.index);
        Some(entry)
    }

    fn get(&self, slot: Key) -> Option<&Entry<W>> {
        let place = self.slots.get(slot.index as usize)?;
        if place.generation == slot.generation { place.entry.as_ref() } else { None }
    }

    fn get_mut(&mut self, slot: Key) -> Option<&mut Entry<W>> {
        let place = self.slots.get_mut(slot.index as usize)?;
        if place.generation == slot.generation { place.entry.as_mut() } else { None }
    }

    /// Returns the entry at an index, if it is that of this delivery.
    fn entry_of(&mut self, delivery: DeliveryKey, index: u32) -> Option<&mut Entry<W>> {
        let entry = self.slots.get_mut(index as usize)?.entry.as_mut();
        entry.filter(|entry| entry.delivery == delivery)
    }

    /// Returns the delivery that an outcome is awaited for.
    pub(super) fn delivery(&self, slot: Key) -> Option<DeliveryKey> {
        self.get(slot).map(|entry| entry.delivery)
    }

    /// Records that a message was sent again. Returns `false` if nobody waits for its outcome.
    pub(super) fn send_again(&mut self, slot: Key, delivery: DeliveryKey) -> bool {
        self.get_mut(slot).map(|entry| entry.delivery = delivery).is_some()
    }

    /// Records a fate. Returns the waiter for it, to be woken.
    pub(super) fn decide(&mut self, slot: Key, fate: Fate) -> Option<W> {
        let entry = self.get_mut(slot)?;
        entry.fate = fate;
        entry.waiter.take()
    }

    /// Returns the fate of a delivery.
    pub(crate) fn fate(&self, slot: Key) -> Option<&Fate> {
        self.get(slot).map(|entry| &entry.fate)
    }

    /// Registers a waiter for an outcome. Returns the replaced waiter.
    #[must_use]
    pub(super) fn wait(&mut self, slot: Key, waiter: &W) -> Option<W> {
        let entry = self.get_mut(slot)?;
        match &entry.waiter {
            Some(old) if old.will_wake(waiter) => None,
            _ => entry.waiter.replace(waiter.clone()),
        }
    }

    /// Sets the reason of the deliveries that were lost with a connection.
    pub(super) fn lost_with(&mut self, ended: &CloseReason) {
        let entries = self.slots.iter_mut().filter_map(|slot| slot.entry.as_mut());
        entries.for_each(|entry| entry.fate.lost_with(ended));
    }

    /// Wakes the waiters for all outcomes.
    pub(super) fn wake_all(&mut self, wakes: &mut impl Extend<W>) {
        let entries = self.slots.iter_mut().filter_map(|slot| slot.entry.as_mut());
        wakes.extend(entries.filter_map(|entry| entry.waiter.take()));
    }
}

impl<W: Wake> State<W> {
    /// Keeps the outcome of a delivery on the link of a slot.
    pub(super) fn track(&mut self, delivery: DeliveryKey, link: Key) -> Key {
        let slot = self.outcomes.insert(delivery, link);
        if let Some(link) = self.links.get_mut(link) {
            link.awaited.push(delivery, slot.index);
        }
        slot
    }

    /// Keeps the outcome of a delivery no longer. Returns its waiter, to be dropped after the lock is released.
    #[must_use]
    pub(super) fn forget(&mut self, slot: Key) -> Option<W> {
        let entry = self.outcomes.remove(slot)?;
        if let Fate::Unsettled = entry.fate
            && let Some(link) = self.links.get_mut(entry.link)
        {
            link.awaited.take(entry.delivery);
        }
        entry.waiter
    }

    /// Records the fate of a delivery on the link of a slot, and wakes its waiter.
    pub(super) fn resolve(&mut self, link: Key, delivery: DeliveryKey, fate: Fate) {
        let index = self.links.get_mut(link).and_then(|link| {
            if link.replay.as_mut().is_some_and(|replay| replay.remove(delivery)) {
                // Another message can be kept.
                link.turns.wake_first(&mut self.wakes);
            }
            link.awaited.take(delivery)
        });
        let Some(entry) = index.and_then(|index| self.outcomes.entry_of(delivery, index)) else { return };
        entry.fate = fate;
        if let Some(waiter) = entry.waiter.take() {
            self.wakes.push(waiter);
        }
    }

    /// Wakes the waiters for outcomes on an ended link.
    pub(super) fn wake_outcomes(&mut self, link: Key) {
        let Some(link) = self.links.get(link) else { return };
        for (delivery, index) in link.awaited.iter() {
            let waiter = self.outcomes.entry_of(delivery, index).and_then(|entry| entry.waiter.take());
            self.wakes.extend(waiter);
        }
        // Kept messages may wait to be sent again.
        for slot in link.replay.iter().flat_map(|replay| replay.outcomes()) {
            let waiter = self.outcomes.get_mut(slot).and_then(|entry| entry.waiter.take());
            self.wakes.extend(waiter);
        }
    }
}

/// The sent deliveries of a link whose outcome has not arrived, in the order of their numbers, each with the index of
/// its slot. Outcomes arrive mostly in that order, so that nothing is searched.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// `None` for a delivery that waits no longer, behind one that does.
    places: VecDeque<(DeliveryKey, Option<u32>)>,
    gaps: usize,
}

impl Awaited {
    pub(super) fn push(&mut self, delivery: DeliveryKey, index: u32) {
        self.places.push_back((delivery, Some(index)));
    }

    /// Removes a delivery, and returns the index of its slot.
    fn take(&mut self, delivery: DeliveryKey) -> Option<u32> {
        if self.places.front().is_some_and(|(first, _)| *first == delivery) {
            let (_, index) = self.places.pop_front()?;
            while let Some((_, None)) = self.places.front() {
                self.places.pop_front();
                self.gaps -= 1;
            }
            return index;
        }
        let at = self.places.binary_search_by_key(&delivery, |(place, _)| *place).ok()?;
        let index = self.places.get_mut(at)?.1.take()?;
        self.gaps += 1;
        if self.gaps > self.places.len() / 2 {
            // One delivery that is never settled keeps no room for those after it.
            self.places.retain(|(_, index)| index.is_some());
            self.gaps = 0;
        }
        Some(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DeliveryKey, u32)> + '_ {
        self.places.iter().filter_map(|(delivery, index)| Some((*delivery, (*index)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::Awaited;
    use crate::types::{DeliveryKey, Index, Key};

    fn delivery(number: u64) -> DeliveryKey {
        DeliveryKey::sent(Key { index: Index::new(0), generation: 0 }, number)
    }

    #[test]
    fn outcomes_arrive_in_any_order_and_once() {
        let mut awaited = Awaited::default();
        (0..4).for_each(|number| awaited.push(delivery(number.into()), number));
        assert_eq!(awaited.take(delivery(2)), Some(2));
        assert_eq!(awaited.take(delivery(2)), None);
        assert_eq!(awaited.take(delivery(0)), Some(0));
        assert_eq!(awaited.iter().map(|(_, index)| index).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(awaited.take(delivery(3)), Some(3));
        assert_eq!(awaited.take(delivery(1)), Some(1));
        assert_eq!((awaited.places.len(), awaited.gaps, awaited.take(delivery(9))), (0, 0, None));
    }

    #[test]
    fn a_delivery_without_an_outcome_keeps_no_room_for_later_ones() {
        let mut awaited = Awaited::default();
        awaited.push(delivery(0), 0);
        for number in 1..10_000 {
            awaited.push(delivery(number), 1);
            assert_eq!(awaited.take(delivery(number)), Some(1));
            assert!(awaited.places.len() < 4);
        }
        assert_eq!(awaited.take(delivery(0)), Some(0));
    }
}
