//! [`Outcomes`]: the outcomes of sent deliveries.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::wake::Wake;
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
    /// The slots of deliveries without an outcome yet.
    waiting: HashMap<DeliveryKey, u32, BuildHasherDefault<Quick>>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The outcome has not arrived yet.
    Unsettled,
    Known(Outcome),
    /// The receiver has settled without an outcome.
    Undecided,
    /// The link ended before the delivery had an outcome.
    Lost,
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

impl<W> Default for Outcomes<W> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), waiting: HashMap::default() }
    }
}

impl<W: Wake> Outcomes<W> {
    /// Adds a delivery on the link of a slot.
    pub(crate) fn track(&mut self, delivery: DeliveryKey, link: Key) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, entry: None });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let entry = Entry { delivery, link, fate: Fate::Unsettled, waiter: None };
        self.waiting.insert(delivery, index);
        match self.slots.get_mut(index as usize) {
            Some(slot) => {
                slot.entry = Some(entry);
                Key { index, generation: slot.generation }
            }
            None => Key { index, generation: 0 },
        }
    }

    /// Removes a delivery. Returns its waiter, to be dropped after the lock is released.
    #[must_use]
    pub(crate) fn forget(&mut self, slot: Key) -> Option<W> {
        let place =
            self.slots.get_mut(slot.index as usize).filter(|place| place.generation == slot.generation)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot.index);
        if entry.fate == Fate::Unsettled {
            self.waiting.remove(&entry.delivery);
        }
        entry.waiter
    }

    fn get(&self, slot: Key) -> Option<&Entry<W>> {
        let place = self.slots.get(slot.index as usize)?;
        if place.generation == slot.generation { place.entry.as_ref() } else { None }
    }

    fn get_mut(&mut self, slot: Key) -> Option<&mut Entry<W>> {
        let place = self.slots.get_mut(slot.index as usize)?;
        if place.generation == slot.generation { place.entry.as_mut() } else { None }
    }

    /// Returns the fate of a delivery.
    pub(crate) fn fate(&self, slot: Key) -> Option<&Fate> {
        self.get(slot).map(|entry| &entry.fate)
    }

    /// Records the fate of a delivery. Returns its waiter.
    pub(crate) fn resolve(&mut self, delivery: DeliveryKey, fate: Fate) -> Option<W> {
        let index = self.waiting.remove(&delivery)?;
        let entry = self.slots.get_mut(index as usize)?.entry.as_mut()?;
        entry.fate = fate;
        entry.waiter.take()
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

    /// Wakes the waiters for outcomes on an ended link, or on all links.
    pub(super) fn wake_all(&mut self, link: Option<Key>, wakes: &mut impl Extend<W>) {
        let entries = self.slots.iter_mut().filter_map(|slot| slot.entry.as_mut());
        let entries = entries.filter(|entry| link.is_none_or(|link| entry.link == link));
        wakes.extend(entries.filter_map(|entry| entry.waiter.take()));
    }
}

/// A hasher for keys that no peer chooses: one multiplication for each word.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.write_u64((*octet).into()));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        /// 2^64 divided by the golden ratio: odd, with well mixed bits.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ word).wrapping_mul(FACTOR).rotate_left(26);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
