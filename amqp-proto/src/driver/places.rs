//! [`Places`]: the slots of sessions and links, by their index in the engine.

use crate::types::{Index, Key};

/// A map from the engine's index of a session or a link to its slot.
///
/// The engine reuses an index after a session or link is gone. So an entry is set at every begin, attach or
/// offer, and is valid only if the slot has the engine's key.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<Option<Key>>);

impl Places {
    pub(crate) fn set(&mut self, place: Key<impl Index>, slot: Key) {
        let at = place.index.get() as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        if let Some(entry) = self.0.get_mut(at) {
            *entry = Some(slot);
        }
    }

    pub(crate) fn get(&self, place: Key<impl Index>) -> Option<Key> {
        *self.0.get(place.index.get() as usize)?
    }
}
