//! [`TransactionMut`]: the commands of a transaction.

use crate::machine::{Endpoints, StaleKey, Transaction, TransactionError};
use crate::types::{LinkKey, TransactionId, TransactionKey};
use crate::wire::AmqpError;

/// A transaction that is not over: one that this end has declared, as the controller, or one that the peer has declared
/// at this end's coordinator [4.1].
///
/// # The controller
///
/// [`SenderMut::declare`](crate::SenderMut::declare) declares a transaction, and
/// [`Event::Declared`](crate::Event::Declared) reports it. Then it has an [`id`](Self::id), with which messages are
/// posted ([`SendOptions::with_transaction`](crate::config::SendOptions::with_transaction)) and outcomes given
/// ([`ReceiverMut::retire`](crate::ReceiverMut::retire)). [`Event::Committed`](crate::Event::Committed),
/// [`Event::RolledBack`](crate::Event::RolledBack) or [`Event::InDoubt`](crate::Event::InDoubt) reports its end.
///
/// # The coordinator
///
/// [`ReceiverMut::accept_coordinator`](crate::ReceiverMut::accept_coordinator) accepts a control link. The messages of
/// a transaction arrive as others do, and [`Delivery::state`](crate::Delivery::state) names their transaction: the
/// application keeps them back, and gives each an outcome, which the engine sends as that in the transaction. Outcomes
/// of the peer are reported at the commit, as [`Event::Updated`](crate::Event::Updated).
/// [`Event::Discharge`](crate::Event::Discharge) asks for the commit. The application makes the messages available and
/// [commits](Self::commit), or [rolls back](Self::rollback). [`Event::RolledBack`](crate::Event::RolledBack) reports a
/// rollback by the peer, or with the control link.
#[derive(Debug)]
pub struct TransactionMut<'a> {
    endpoints: &'a mut Endpoints,
    key: TransactionKey,
}

impl<'a> TransactionMut<'a> {
    pub(crate) fn new(endpoints: &'a mut Endpoints, key: TransactionKey) -> Result<Self, StaleKey> {
        match endpoints.transactions.as_deref().and_then(|transactions| transactions.get(key.0)) {
            Some(_) => Ok(Self { endpoints, key }),
            None => Err(StaleKey),
        }
    }

    fn get(&self) -> Option<&Transaction> {
        self.endpoints.transactions.as_deref()?.get(self.key.0)
    }

    /// Returns the id, which the coordinator has chosen; `None` before it is declared.
    pub fn id(&self) -> Option<TransactionId> {
        self.get()?.id.clone()
    }

    /// Returns the control link; `None` if it no longer exists.
    pub fn control(&self) -> Option<LinkKey> {
        let link = self.endpoints.links.get(self.get()?.link)?;
        Some(link.public_key())
    }

    /// Returns the error that makes a commit impossible, if a part of the transaction has failed.
    pub fn failure(&self) -> Option<&AmqpError> {
        self.get()?.failure.as_deref()
    }

    /// Returns the number of messages that have arrived settled in the transaction, at the coordinator's end.
    ///
    /// A settled message gets no outcome, so the engine cannot know when the application has handled it.
    pub fn settled_postings(&self) -> u64 {
        self.get().map_or(0, |transaction| transaction.settled_postings)
    }

    /// Commits the transaction.
    ///
    /// The controller asks the coordinator for that, once the outcome of each posted message is known; a message that is
    /// not accepted turns the commit into a rollback. The coordinator grants the commit that
    /// [`Event::Discharge`](crate::Event::Discharge) asks for: the outcomes of the peer apply now.
    ///
    /// # Errors
    ///
    /// [`TransactionError::RollbackOnly`] if a part of the transaction has failed; at the coordinator's end the
    /// transaction is then rolled back. [`TransactionError::Undeclared`] and [`TransactionError::Discharged`] at the
    /// controller's end, [`TransactionError::NotAsked`] at the coordinator's.
    pub fn commit(&mut self) -> Result<(), TransactionError> {
        self.endpoints.commit_transaction(self.key.0)
    }

    /// Rolls the transaction back.
    ///
    /// The controller asks the coordinator for that, which cannot refuse it; the error is ignored. The coordinator
    /// refuses the commit that [`Event::Discharge`](crate::Event::Discharge) asks for with the error. Before that, the
    /// transaction becomes rollback-only.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Discharged`] if the controller has discharged the transaction already.
    pub fn rollback(&mut self, error: impl Into<Option<AmqpError>>) -> Result<(), TransactionError> {
        self.endpoints.roll_back_transaction(self.key.0, error.into())
    }
}
