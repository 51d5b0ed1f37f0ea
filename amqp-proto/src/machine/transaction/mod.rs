//! Transactions: the controller that declares and discharges them, and the coordinator that answers [4.1].
//!
//! # The automaton of a transaction
//!
//! A controller sends its declares and discharges over a *control link* to a coordinator. This end can be either.
//!
//! 1. *Declaring.* The controller's declare waits for credit, or for its answer. The coordinator has no such stage: it
//!    declares at once, up to the limit.
//! 2. *Live.* Deliveries are *posted* in the transaction, or *retired* in it: their transfers or dispositions name it.
//!    The coordinator's end holds outcomes back until the commit. A posting that fails, or a link that ends before an
//!    outcome is known, makes the transaction *rollback-only*.
//! 3. *Discharging.* The controller sends a commit when the outcome of each posting is known. If one of them has failed
//!    meanwhile, it asks for the rollback. The coordinator reports the request when each unsettled posting has an
//!    outcome, and the application answers.
//! 4. *Over.* The transaction is committed or rolled back, and its key is stale. The end of the control link rolls back
//!    all its transactions. A commit that was sent and not answered by then is *in doubt*.

mod account;
mod controller;
mod coordinator;
mod hooks;
mod posting;
mod retirement;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub(crate) use hooks::TransactionSlot;
use retirement::Retired;

use super::slab::Slab;
use crate::types::{DeliveryKey, Key, LinkIx, TransactionId, TransactionIx, Tree, TreeSet};
use crate::wire::{AmqpError, DeliveryState, Outcome, TransactionalState};

/// A transaction that is not over.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// The control link.
    pub(crate) link: Key<LinkIx>,
    /// The id; `None` before the coordinator has chosen it.
    pub(crate) id: Option<TransactionId>,
    pub(crate) stage: Stage,
    /// The error that makes it rollback-only.
    pub(crate) failure: Option<Box<AmqpError>>,
    /// The unsettled postings without an outcome.
    pub(crate) undecided: TreeSet<DeliveryKey>,
    /// The unsettled postings of the controller that have an outcome.
    decided: TreeSet<DeliveryKey>,
    /// The outcomes that apply at the commit, by their deliveries.
    retired: Tree<DeliveryKey, Retired>,
    /// The number of complete postings that were received settled.
    pub(crate) settled_postings: u64,
}

/// The stage of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The coordinator has not declared it. `true` if it is rolled back as soon as it is declared.
    Declaring(bool),
    Live,
    /// The controller has been told to commit or to roll back, and the discharge is not sent yet.
    Asked {
        fails: bool,
    },
    /// The discharge was sent or received, in this delivery of the control link.
    Discharging {
        fails: bool,
        request: DeliveryKey,
    },
}

impl Transaction {
    fn new(link: Key<LinkIx>, id: Option<TransactionId>, stage: Stage) -> Self {
        Self {
            link,
            id,
            stage,
            failure: None,
            undecided: TreeSet::default(),
            decided: TreeSet::default(),
            retired: Tree::default(),
            settled_postings: 0,
        }
    }
}

/// The transactions of a connection, as controller and as coordinator.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    all: Slab<Transaction, TransactionIx>,
    /// The transactions that this end has declared, by the peer's id.
    controlled: Tree<TransactionId, Key<TransactionIx>>,
    /// The transactions of this end's coordinator, by its id.
    coordinated: Tree<TransactionId, Key<TransactionIx>>,
    /// `true` once this end has declared a transaction: then each id that it names must be known.
    controls: bool,
    /// The control links that lead to this end's coordinator. Once there was one, each id that the peer names must be
    /// known.
    coordinators: TreeSet<LinkIx>,
    coordinates: bool,
    /// The declares and discharges that wait to be sent.
    due: Vec<Key<TransactionIx>>,
    /// Those that were sent and not answered.
    asked: Tree<DeliveryKey, Key<TransactionIx>>,
    /// The unsettled postings of both ends.
    posted: Tree<DeliveryKey, Key<TransactionIx>>,
    /// The links with an incomplete posting.
    partial: Tree<LinkIx, Key<TransactionIx>>,
    /// The deliveries that are retired in a transaction.
    retired: Tree<DeliveryKey, Key<TransactionIx>>,
    /// The control links to be ended, since a delivery was retired in two transactions.
    at_fault: Vec<LinkIx>,
    next_id: u32,
}

impl Transactions {
    pub(crate) fn get(&self, key: Key<TransactionIx>) -> Option<&Transaction> {
        self.all.get(key)
    }

    /// Returns the transaction of this end's coordinator with this id.
    pub(crate) fn is_coordinated(&self, id: &TransactionId) -> bool {
        self.coordinated.contains_key(id)
    }

    /// Returns the transactions of a control link.
    fn of_link(&self, link: LinkIx) -> Vec<Key<TransactionIx>> {
        let of_link = |key: &Key<TransactionIx>| self.all.get(*key).is_some_and(|one| one.link.index == link);
        self.all.keys().filter(of_link).collect()
    }

    /// Removes a transaction that is over.
    fn remove(&mut self, key: Key<TransactionIx>) -> Option<Transaction> {
        let one = self.all.remove(key)?;
        if let Some(id) = &one.id {
            // Both ends may have chosen the same id.
            for ids in [&mut self.controlled, &mut self.coordinated] {
                if ids.get(id) == Some(&key) {
                    ids.remove(id);
                }
            }
        }
        self.due.retain(|due| *due != key);
        for delivery in one.undecided.iter().chain(&one.decided) {
            self.posted.remove(delivery);
        }
        for delivery in one.retired.keys() {
            self.retired.remove(delivery);
        }
        self.partial.retain(|_, partial| *partial != key);
        Some(one)
    }

    /// Makes a transaction rollback-only. The first error counts.
    fn fail(&mut self, key: Key<TransactionIx>, error: AmqpError) {
        if let Some(one) = self.all.get_mut(key) {
            one.failure.get_or_insert_with(|| Box::new(error));
        }
    }
}

/// Returns the id of the transaction in a delivery's state.
fn id_in(state: Option<&DeliveryState>) -> Option<&TransactionId> {
    match state {
        Some(DeliveryState::Transactional(state)) => Some(&state.txn_id),
        _ => None,
    }
}

/// Returns a delivery's state in a transaction.
pub(crate) fn state_in(txn_id: TransactionId, outcome: Option<Outcome>) -> DeliveryState {
    DeliveryState::Transactional(Box::new(TransactionalState { outcome, ..TransactionalState::new(txn_id) }))
}
