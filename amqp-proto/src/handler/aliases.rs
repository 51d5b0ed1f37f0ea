//! [`Aliases`]: the tokens of deliveries that got a token before they were sent.

use alloc::collections::BTreeMap;

use super::token::Name;
use crate::connection::Connection;
use crate::types;

/// The names of a connection's unsettled deliveries that were queued before they were sent.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    sent: BTreeMap<u64, types::DeliveryKey>,
    names: BTreeMap<types::DeliveryKey, Name>,
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

    /// Returns the handler's name of a delivery.
    pub(super) fn name(&self, delivery: types::DeliveryKey) -> Name {
        self.names.get(&delivery).copied().unwrap_or(Name::Known(delivery))
    }

    /// Returns the delivery of a name, once it is sent.
    pub(super) fn delivery(&self, name: Name) -> Option<types::DeliveryKey> {
        match name {
            Name::Known(delivery) => Some(delivery),
            Name::Queued { number, .. } => self.sent.get(&number).copied(),
        }
    }

    pub(super) fn forget(&mut self, delivery: types::DeliveryKey) {
        if let Some(Name::Queued { number, .. }) = self.names.remove(&delivery) {
            self.sent.remove(&number);
        }
    }

    /// Forgets deliveries that the handler has settled by the view of their link, which causes no event. Call
    /// it when the connection has no more events.
    pub(super) fn tidy(&mut self, connection: &Connection) {
        if self.names.len() >= self.most.max(Self::FEW) {
            self.names.retain(|delivery, _| connection.delivery(*delivery).is_ok());
            let names = &self.names;
            self.sent.retain(|_, delivery| names.contains_key(delivery));
            self.most = 2 * self.names.len();
        }
    }
}
