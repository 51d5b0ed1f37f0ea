//! [`Transaction`]: the part of a transaction's handle that does not wait.

use alloc::boxed::Box;
use core::task::Poll;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::delivery::Delivery;
use super::guard::LinkGuard;
use super::hub::Hub;
use super::recipe::LinkOptions;
use super::sender::Sender;
use super::session::Session;
use super::state::{LineId, State};
use super::transactions::Progress;
use super::wait::{Attempt, Try, Wait};
use super::wake::Wake;
use crate::client::{CloseReason, Error, Outgoing, Result};
use crate::config::SenderOptions;
use crate::machine::{Reason, TransactionError};
use crate::types::{Key, TransactionId, TransactionKey};
use crate::wire::{AmqpError, Condition, Coordinator, Modified, Outcome, Rejected};

/// A transaction that this end has declared.
///
/// Messages that are sent in it become available at the commit, and outcomes that are given in it apply at the commit.
/// Dropping the handle rolls the transaction back, without waiting.
#[derive(Debug)]
pub struct Transaction<W: Wake> {
    control: Sender<W>,
    key: TransactionKey,
    id: OnceLock<TransactionId>,
    /// The deliveries with an outcome in the transaction. Dropping one gives it back, after a rollback.
    held: Mutex<Vec<Delivery<W>>>,
    is_over: bool,
}

impl<W: Wake> Session<W> {
    /// Returns the control link of the session, which is attached for the first transaction and lasts as long as the
    /// session's handles. `Sender::attached` waits until it can be used.
    ///
    /// # Errors
    ///
    /// `Error::Attach` if the link cannot be made; `Error::Session` or `Error::Connection` if one of them is over.
    pub fn control(this: &Self) -> Result<Sender<W>> {
        let mut place = this.control.lock().unwrap_or_else(PoisonError::into_inner);
        let hub = this.guard.hub();
        if let Some(control) = &*place
            && hub.look(|state| state.link_over(control.guard.slot)).is_none()
        {
            return Ok(control.clone());
        }
        let options = SenderOptions::to_coordinator(Coordinator::default());
        let slot =
            hub.with(|state| state.attach(this.guard.slot, None, LinkOptions::Sender(options), None))?;
        let control = Sender::new(LinkGuard::new(this.guard.clone(), slot));
        *place = Some(control.clone());
        Ok(control)
    }
}

impl<W: Wake> Transaction<W> {
    /// Declares a transaction on an attached control link. [`declared`](Self::declared) waits for it.
    ///
    /// # Errors
    ///
    /// `Error::Transaction` if it cannot be declared; `Error::Link`, `Error::Session` or `Error::Connection` if one of
    /// them is over.
    pub fn declare(control: Sender<W>) -> Result<Self> {
        let slot = control.guard.slot;
        let key = control.guard.hub().with(|state| {
            let key = state.sender(slot)?.declare()?;
            state.transactions.insert(key, slot);
            Ok::<_, Error>(key)
        })?;
        Ok(Self { control, key, id: OnceLock::new(), held: Mutex::default(), is_over: false })
    }

    /// Waits until the coordinator has declared the transaction.
    pub fn declared(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.watch(|progress| match progress {
            Progress::Declaring => None,
            Progress::Live(id) => {
                let _ = this.id.set((**id).clone());
                Some(Ok(()))
            }
            Progress::Undeclared(error) => Some(Err(Error::Undeclared(error.clone()))),
            over => Some(over_error(over)),
        })
    }

    /// Returns the id, which the coordinator has chosen.
    pub fn id(&self) -> TransactionId {
        self.id.get().cloned().unwrap_or_default()
    }

    /// Returns a message to be sent in the transaction, on this link.
    ///
    /// # Errors
    ///
    /// `Error::Transaction` if the link is on another connection.
    pub fn post(this: &Self, sender: &Sender<W>, message: impl Into<Outgoing>) -> Result<Outgoing> {
        this.check(sender.guard.hub())?;
        Ok(message.into().with_transaction(this.id()))
    }

    fn check(&self, hub: &Hub<W>) -> Result<()> {
        if core::ptr::eq(hub, self.control.guard.hub()) {
            return Ok(());
        }
        Err(TransactionError::Elsewhere.into())
    }

    /// Accepts a message in the transaction: it was processed, if the transaction is committed [4.4.2].
    ///
    /// After a rollback, the message gets the outcome of a dropped [`Delivery`]: by default it is released, and may be
    /// delivered again.
    ///
    /// # Errors
    ///
    /// `Error::Settle` if the transaction is over; `Error::Transaction` if the message is of another connection;
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over. The message is then as if it was
    /// dropped.
    pub fn accept(&self, delivery: Delivery<W>) -> Result<()> {
        self.retire(delivery, Outcome::Accepted)
    }

    /// Rejects a message in the transaction: it is invalid, if the transaction is committed [3.4.3].
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn reject(&self, delivery: Delivery<W>, error: impl Into<Option<AmqpError>>) -> Result<()> {
        self.retire(delivery, Rejected { error: error.into().map(Box::new) })
    }

    /// Releases a message in the transaction, unchanged [3.4.4].
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn release(&self, delivery: Delivery<W>) -> Result<()> {
        self.retire(delivery, Outcome::Released)
    }

    /// Modifies a message in the transaction [3.4.5].
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn modify(&self, delivery: Delivery<W>, modified: Modified) -> Result<()> {
        self.retire(delivery, modified)
    }

    /// Gives a message an outcome in the transaction [4.4.2].
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn retire(&self, delivery: Delivery<W>, outcome: impl Into<Outcome>) -> Result<()> {
        self.check(delivery.hub())?;
        delivery.retire_in(self.id(), outcome.into())?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
        Ok(())
    }

    /// Asks for the commit, and waits for it. [`conclude`](Self::conclude) must follow.
    pub fn commit(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        let key = this.key;
        this.control.guard.hub().with(|state| {
            // A transaction that is over is waited for, too.
            let Ok(mut transaction) = state.engine.transaction(key) else { return };
            if transaction.commit().is_err() {
                // A part of it has failed.
                let _ = transaction.rollback(None);
            }
        });
        this.watch_bound(
            |progress| match progress {
                Progress::Declaring | Progress::Live(_) => None,
                over => Some(over_error(over)),
            },
            move |state| {
                // A commit that was not sent yet can be taken back.
                let is_sent = state
                    .engine
                    .transaction(key)
                    .is_ok_and(|mut transaction| transaction.rollback(None).is_err());
                if is_sent { Error::InDoubt(late()) } else { Error::TimedOut }
            },
        )
    }

    /// Asks for the rollback, and waits for it. [`conclude`](Self::conclude) must follow.
    pub fn rollback(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.control.guard.hub().with(|state| {
            if let Ok(mut transaction) = state.engine.transaction(this.key) {
                // What is being discharged is waited for.
                let _ = transaction.rollback(None);
            }
        });
        this.watch(|progress| match progress {
            Progress::Declaring | Progress::Live(_) => None,
            Progress::RolledBack(_) | Progress::Undeclared(_) => Some(Ok(())),
            over => Some(over_error(over)),
        })
    }

    /// Ends the handle after a commit or a rollback with this result.
    ///
    /// # Errors
    ///
    /// The error of the result.
    pub fn conclude(mut self, result: Result<()>, is_commit: bool) -> Result<()> {
        // The coordinator settles the deliveries at a commit, and one that comes late must find their outcomes.
        let keeps = match &result {
            Ok(()) => is_commit,
            Err(error) => is_commit && matches!(error, Error::InDoubt(_)),
        };
        self.give_up(keeps);
        result
    }

    fn give_up(&mut self, keeps: bool) {
        self.is_over = true;
        self.control.guard.hub().with(|state| state.transactions.forget(self.key));
        let held = core::mem::take(self.held.get_mut().unwrap_or_else(PoisonError::into_inner));
        if keeps {
            held.into_iter().for_each(|delivery| _ = delivery.into_undecided());
        }
    }

    fn watch<L: Fn(&Progress) -> Option<Result<()>>>(
        &self,
        look: L,
    ) -> Wait<'_, W, impl Try<W, Result<()>> + use<'_, W, L>> {
        self.watch_bound(look, |_| Error::TimedOut)
    }

    fn watch_bound<L, T>(
        &self,
        look: L,
        mut late: T,
    ) -> Wait<'_, W, impl Try<W, Result<()>> + use<'_, W, L, T>>
    where
        L: Fn(&Progress) -> Option<Result<()>>,
        T: FnMut(&mut State<W>) -> Error,
    {
        let (slot, key): (Key, _) = (self.control.guard.slot, self.key);
        let attempt = move |state: &mut State<W>, at: Attempt| {
            let seen = state.transactions.progress(key).and_then(&look);
            match seen {
                Some(seen) => Poll::Ready(seen),
                None if at.is_late => Poll::Ready(Err(late(state))),
                None => state.link_over(slot).map_or(Poll::Pending, |over| Poll::Ready(Err(over))),
            }
        };
        self.control.guard.hub().wait(LineId::Link(slot), attempt).for_reply()
    }
}

impl<W: Wake> Drop for Transaction<W> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let key = self.key;
        let is_undone = self.control.guard.hub().with(|state| match state.engine.transaction(key) {
            Ok(mut transaction) => transaction.rollback(None).is_ok(),
            Err(_) => !matches!(state.transactions.progress(key), Some(Progress::Committed)),
        });
        // A commit on the way must find the outcomes.
        self.give_up(!is_undone);
    }
}

/// Returns the result of a transaction that is over.
fn over_error(progress: &Progress) -> Result<()> {
    match progress {
        Progress::Committed => Ok(()),
        Progress::InDoubt(reason) => Err(Error::InDoubt(reason.clone())),
        Progress::Undeclared(error) | Progress::RolledBack(Some(error)) => {
            Err(Error::RolledBack(error.clone()))
        }
        Progress::RolledBack(None) | Progress::Declaring | Progress::Live(_) => {
            Err(Error::RolledBack(Box::new(Condition::TransactionRollback.into())))
        }
    }
}

/// Returns the reason of a commit whose answer is late.
fn late() -> CloseReason {
    let words = "timed out waiting for the coordinator's answer to the commit";
    let error = AmqpError::new(Condition::TransactionTimeout).with_description(words);
    CloseReason::new(Reason::local(Some(error)), None)
}
