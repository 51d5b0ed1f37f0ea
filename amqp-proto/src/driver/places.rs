//! [`Places`]: the slots of what lives at places of the engine.

use crate::types::Key;

/// Finds the slot of a session or a link by its place in the engine, without a search.
///
/// The engine uses a place again once what lived there is gone. So an entry is set when something is begun, attached
/// or offered, and is only valid while the slot still has the key that the engine tells.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<Option<Key>>);

impl Places {
    pub(crate) fn set(&mut self, place: Key, slot: Key) {
        let at = place.index as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        if let Some(entry) = self.0.get_mut(at) {
            *entry = Some(slot);
        }
    }

    pub(crate) fn get(&self, place: Key) -> Option<Key> {
        *self.0.get(place.index as usize)?
    }
}
