//! The memory of transactions, as [`memory`](crate::machine::memory) counts it.

use super::{Retired, Transaction, Transactions};
use crate::machine::delivery::compact;
use crate::machine::event::Event;
use crate::machine::memory::octets_of_encoded;
use crate::types::{DeliveryKey, Key, Limits, TransactionId, TransactionIx, Tree, TreeSet};

impl Transaction {
    fn octets(&self) -> usize {
        size_of::<Self>()
            + TreeSet::<DeliveryKey>::octets_of(self.undecided.len())
            + TreeSet::<DeliveryKey>::octets_of(self.decided.len())
            + Tree::<DeliveryKey, Retired>::octets_of(self.retired.len())
    }
}

impl Transactions {
    /// Returns the memory of the transactions, without the outcomes and the errors in them.
    pub(super) fn octets(&self) -> u64 {
        type Place = Key<TransactionIx>;
        let own: usize = self.all.values().map(Transaction::octets).sum();
        let tables = Tree::<TransactionId, Place>::octets_of(2 * self.all.len())
            + Tree::<DeliveryKey, Place>::octets_of(self.asked.len())
            + Tree::<DeliveryKey, Place>::octets_of(self.posted.len())
            + Tree::<DeliveryKey, Place>::octets_of(self.retired.len());
        // The commit reports each outcome.
        (own + tables + self.retired.len() * 2 * size_of::<Event>()) as u64
    }

    /// Returns the memory of the outcomes and the errors that are stored now.
    pub(super) fn states(&self) -> u64 {
        let all = self.all.values();
        let outcomes = all.flat_map(|one| one.retired.values()).map(|retired| retired.octets());
        let errors = self.all.values().filter_map(|one| one.failure.as_deref());
        outcomes.sum::<u64>() + errors.map(octets_of_encoded).sum::<u64>()
    }

    /// Copies the outcomes and the errors out of the blocks of input that they were read from.
    pub(super) fn compact(&mut self, limits: &Limits) {
        for one in self.all.values_mut() {
            one.retired.values_mut().for_each(|retired| retired.compact(limits));
            if let Some(error) = &mut one.failure {
                compact(&mut **error, limits);
            }
        }
    }
}
