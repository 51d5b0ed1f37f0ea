//! [`Names`]: links by name and direction [2.6.1].

use alloc::collections::BTreeMap;

use crate::types::{Key, Str};
use crate::wire::Role;

/// Finds links by name. A tree: names come from the peer, and what it costs to find one must not.
#[derive(Debug, Default)]
pub(crate) struct Names {
    senders: BTreeMap<Str, Key>,
    receivers: BTreeMap<Str, Key>,
}

impl Names {
    fn of(&mut self, role: Role) -> &mut BTreeMap<Str, Key> {
        match role {
            Role::Sender => &mut self.senders,
            Role::Receiver => &mut self.receivers,
        }
    }

    /// Returns the link of this name at which this end has this role.
    pub(crate) fn get(&mut self, role: Role, name: &Str) -> Option<Key> {
        self.of(role).get(name).copied()
    }

    pub(crate) fn insert(&mut self, role: Role, name: Str, key: Key) {
        self.of(role).insert(name, key);
    }

    /// Forgets a link, unless the name has become another's.
    pub(crate) fn remove(&mut self, role: Role, name: &Str, key: Key) {
        if self.get(role, name) == Some(key) {
            self.of(role).remove(name);
        }
    }
}
