//! [`Aliases`]: the tokens of deliveries that are not their keys: those of messages that were queued, and of deliveries that
//! were resumed.

use alloc::collections::BTreeMap;

use super::token::Name;
use crate::connection::Connection;
use crate::types;

/// The names of a connection's unsettled deliveries that were queued before they were sent, or were resumed.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    sent: BTreeMap<u64, types::DeliveryKey>,
    names: BTreeMap<types::DeliveryKey, Name>,
    /// The present keys of received deliveries that were resumed, by the keys that the handler has.
    moved: BTreeMap<types::DeliveryKey, types::DeliveryKey>,
    /// The number of names at which settled deliveries are looked for.
    most: usize,
}

impl Aliases {
    const FEW: usize = 64;

    /// Records that a queued message was sent as `delivery`.
    pub(super) fn insert(&mut self, name: Name, delivery: types::DeliveryKey) {
        if let Name::Queued { number, .. } = name {
            self.sent.insert(number, delivery);
            self.names.insert(delivery, name);
        }
    }

    /// Records that a delivery that the handler knows by the key `first` was resumed, and has the key `now`.
    pub(super) fn resume(&mut self, first: types::DeliveryKey, now: types::DeliveryKey) {
        self.moved.insert(first, now);
        self.names.insert(now, Name::Known(first));
    }

    /// Returns the handler's name of a delivery.
    pub(super) fn name(&self, delivery: types::DeliveryKey) -> Name {
        self.names.get(&delivery).copied().unwrap_or(Name::Known(delivery))
    }

    /// Returns the delivery of a name, once it is sent.
    pub(super) fn delivery(&self, name: Name) -> Option<types::DeliveryKey> {
        match name {
            Name::Known(delivery) => Some(self.moved.get(&delivery).copied().unwrap_or(delivery)),
            Name::Queued { number, .. } => self.sent.get(&number).copied(),
        }
    }

    pub(super) fn forget(&mut self, delivery: types::DeliveryKey) {
        match self.names.remove(&delivery) {
            Some(Name::Queued { number, .. }) => drop(self.sent.remove(&number)),
            Some(Name::Known(first)) => drop(self.moved.remove(&first)),
            None => {}
        }
    }

    /// Forgets deliveries that the handler has settled by the view of their link, which causes no event. Call
    /// it when the connection has no more events.
    pub(super) fn tidy(&mut self, connection: &Connection) {
        if self.names.len() >= self.most.max(Self::FEW) {
            self.names.retain(|delivery, _| connection.delivery(*delivery).is_ok());
            let names = &self.names;
            self.sent.retain(|_, delivery| names.contains_key(delivery));
            self.moved.retain(|_, delivery| names.contains_key(delivery));
            self.most = 2 * self.names.len();
        }
    }
}
