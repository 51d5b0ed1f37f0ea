//! [`Names`]: the links by name and role [2.6.1].

use crate::types::{Key, LinkIx, Str, Tree};
use crate::wire::Role;

/// A map from names to links. It is a tree, since the peer chooses the names and must not influence the cost
/// of a search.
#[derive(Debug, Default)]
pub(crate) struct Names {
    senders: Tree<Str, Key<LinkIx>>,
    receivers: Tree<Str, Key<LinkIx>>,
}

impl Names {
    fn of(&mut self, role: Role) -> &mut Tree<Str, Key<LinkIx>> {
        match role {
            Role::Sender => &mut self.senders,
            Role::Receiver => &mut self.receivers,
        }
    }

    /// Returns the link with this name and this role at this end.
    pub(crate) fn get(&mut self, role: Role, name: &Str) -> Option<Key<LinkIx>> {
        self.of(role).get(name).copied()
    }

    pub(crate) fn insert(&mut self, role: Role, name: Str, key: Key<LinkIx>) {
        self.of(role).insert(name, key);
    }

    /// Removes a link, unless another link has taken over the name.
    pub(crate) fn remove(&mut self, role: Role, name: &Str, key: Key<LinkIx>) {
        if self.get(role, name) == Some(key) {
            self.of(role).remove(name);
        }
    }
}
