//! [`Outcomes`]: what has become of deliveries that were sent.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::wake::Wake;
use crate::types::{DeliveryKey, Key};
use crate::wire::{DeliveryState, Outcome};

/// Deliveries whose outcome a handle asks for, by slot.
///
/// A slot outlives the engine that the delivery was sent by, and its outcome stays until the handle is dropped. Slots
/// are used again, so that a message costs no allocation.
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
    /// The slot of the link that it was sent over.
    link: Key,
    fate: Fate,
    waiter: Option<W>,
}

/// What is known of a delivery that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its outcome is still to come.
    Unsettled,
    Known(Outcome),
    /// The receiver has settled it without an outcome.
    Undecided,
    /// Its link ended before there was an outcome.
    Lost,
}

impl Fate {
    /// Returns what the receiver has told; `None` if the outcome is still to come.
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
    /// Tracks a delivery that was sent over the link of a slot.
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

    /// Forgets a delivery. Returns its waiter, to be dropped once the lock is given back.
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

    /// Returns what is known of a delivery.
    pub(crate) fn fate(&self, slot: Key) -> Option<&Fate> {
        self.get(slot).map(|entry| &entry.fate)
    }

    /// Notes what has become of a delivery. Returns whoever waits for it.
    pub(crate) fn resolve(&mut self, delivery: DeliveryKey, fate: Fate) -> Option<W> {
        let index = self.waiting.remove(&delivery)?;
        let entry = self.slots.get_mut(index as usize)?.entry.as_mut()?;
        entry.fate = fate;
        entry.waiter.take()
    }

    /// Waits for an outcome. Returns a replaced waiter.
    #[must_use]
    pub(super) fn wait(&mut self, slot: Key, waiter: &W) -> Option<W> {
        let entry = self.get_mut(slot)?;
        match &entry.waiter {
            Some(old) if old.will_wake(waiter) => None,
            _ => entry.waiter.replace(waiter.clone()),
        }
    }

    /// Wakes everybody who waits for an outcome on a link that has ended, or on any.
    pub(super) fn wake_all(&mut self, link: Option<Key>, wakes: &mut impl Extend<W>) {
        let entries = self.slots.iter_mut().filter_map(|slot| slot.entry.as_mut());
        let entries = entries.filter(|entry| link.is_none_or(|link| entry.link == link));
        wakes.extend(entries.filter_map(|entry| entry.waiter.take()));
    }
}

/// Hashes keys that no peer chooses: a multiplication for each word.
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
        /// Odd, with its bits well mixed: 2^64 by the golden ratio.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ word).wrapping_mul(FACTOR).rotate_left(26);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
