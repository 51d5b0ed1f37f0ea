//! The memory of transactions, as [`memory`](crate::machine::memory) counts it.

use super::{Retired, Transaction, Transactions};
use crate::machine::delivery::compact;
use crate::machine::event::Event;
use crate::machine::memory::octets_of_encoded;
use crate::types::{DeliveryKey, Key, Limits, TransactionId, TransactionIx};

/// The entries that the smallest node of a tree has room for.
const NODE: usize = 11;

/// Returns the memory of a tree, whose nodes may be half empty.
fn tree<T>(len: usize) -> usize {
    if len == 0 { 0 } else { (2 * len).max(NODE) * size_of::<T>() }
}

impl Transaction {
    fn octets(&self) -> usize {
        size_of::<Self>()
            + self.id.as_ref().map_or(0, TransactionId::heap_octets)
            + tree::<DeliveryKey>(self.undecided.len())
            + tree::<DeliveryKey>(self.decided.len())
            + tree::<(DeliveryKey, Retired)>(self.retired.len())
    }
}

impl Transactions {
    /// Returns the memory of the transactions, without the outcomes and the errors in them.
    pub(crate) fn octets(&self) -> u64 {
        type Place = Key<TransactionIx>;
        let own: usize = self.all.values().map(Transaction::octets).sum();
        let tables = tree::<(TransactionId, Place)>(2 * self.all.len())
            + tree::<(DeliveryKey, Place)>(self.asked.len())
            + tree::<(DeliveryKey, Place)>(self.posted.len())
            + tree::<(DeliveryKey, Place)>(self.retired.len());
        // The commit reports each outcome.
        (own + tables + self.retired.len() * 2 * size_of::<Event>()) as u64
    }

    /// Returns the memory of the outcomes and the errors that are stored now.
    pub(crate) fn states(&self) -> u64 {
        let all = self.all.values();
        let outcomes = all.flat_map(|one| one.retired.values()).map(|retired| retired.octets());
        let errors = self.all.values().filter_map(|one| one.failure.as_deref());
        outcomes.sum::<u64>() + errors.map(octets_of_encoded).sum::<u64>()
    }

    /// Copies the outcomes and the errors out of the blocks of input that they were read from.
    pub(crate) fn compact(&mut self, limits: &Limits) {
        for one in self.all.values_mut() {
            one.retired.values_mut().for_each(|retired| retired.compact(limits));
            if let Some(error) = &mut one.failure {
                compact(&mut **error, limits);
            }
        }
    }
}
