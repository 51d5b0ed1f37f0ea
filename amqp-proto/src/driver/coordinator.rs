//! [`Coordinator`]: the part of a coordinator's handle that does not wait.

use alloc::sync::Arc;
use core::task::Poll;
use std::collections::VecDeque;

use super::guard::LinkGuard;
use super::state::{LineId, State};
use super::wait::{Try, Wait};
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::machine::TransactionError;
use crate::types::{TransactionId, TransactionKey};
use crate::wire::{AmqpError, Condition};

/// A control link that a peer has attached, by which it declares and discharges transactions [4.2]. The link is closed,
/// and its transactions rolled back, when the handle is dropped.
///
/// The messages of a transaction arrive on the other links of the connection, and their
/// [state](super::Delivery::state) names the transaction. The application keeps each back until the commit, and gives it
/// an outcome at once: the peer gets it as the outcome at the commit. The outcomes that the peer gives in a transaction
/// arrive at the commit, as if they were given then.
///
/// If more than 4,096 reports wait to be taken, the link is closed with `amqp:resource-limit-exceeded`.
#[derive(Debug)]
pub struct Coordinator<W: Wake> {
    guard: Arc<LinkGuard<W>>,
}

/// A report of a [`Coordinator`].
#[derive(Debug)]
#[non_exhaustive]
pub enum CoordinatorEvent<W: Wake> {
    /// The peer has declared a transaction.
    Declared(TransactionId),
    /// The peer asks for the commit of a transaction.
    Commit(CommitRequest<W>),
    /// A transaction is rolled back, as the peer has asked, or with the control link: drop its messages.
    RolledBack(TransactionId),
}

/// The reports about the transactions of a control link that wait to be taken, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Reports(VecDeque<News>);

impl Reports {
    pub(super) fn push(&mut self, news: News) {
        self.0.push_back(news);
    }

    /// Adds the report of a rollback, in place of the others about the transaction.
    pub(super) fn push_rolled_back(&mut self, id: TransactionId) {
        self.0.retain(|news| *news.id() != id);
        self.0.push_back(News::RolledBack(id));
    }

    /// Returns the number of reports that wait.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A report, while it waits to be taken.
#[derive(Debug)]
pub(crate) enum News {
    Declared(TransactionId),
    Commit(TransactionKey, TransactionId),
    RolledBack(TransactionId),
}

impl News {
    fn id(&self) -> &TransactionId {
        match self {
            Self::Declared(id) | Self::Commit(_, id) | Self::RolledBack(id) => id,
        }
    }
}

impl<W: Wake> Coordinator<W> {
    pub(super) fn new(guard: LinkGuard<W>) -> Self {
        Self { guard: Arc::new(guard) }
    }

    /// Waits for the next report; `None` if the control link has ended without an error.
    pub fn next(this: &Self) -> Wait<'_, W, impl Try<W, Result<Option<CoordinatorEvent<W>>>>> {
        let slot = this.guard.slot;
        this.guard.hub().wait(LineId::Link(slot), move |state: &mut State<W>, _| {
            let link = state.links.get_mut(slot);
            match link.and_then(|link| link.reports.as_mut()?.0.pop_front()) {
                Some(News::Declared(id)) => Poll::Ready(Ok(Some(CoordinatorEvent::Declared(id)))),
                Some(News::RolledBack(id)) => Poll::Ready(Ok(Some(CoordinatorEvent::RolledBack(id)))),
                Some(News::Commit(key, id)) => {
                    let guard = Arc::clone(&this.guard);
                    let request = CommitRequest { guard, key, id, is_answered: false };
                    Poll::Ready(Ok(Some(CoordinatorEvent::Commit(request))))
                }
                None => state.link_over(slot).map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
            }
        })
    }
}

/// The request to commit a transaction. Dropping it refuses the commit: the transaction is rolled back.
#[derive(Debug)]
pub struct CommitRequest<W: Wake> {
    guard: Arc<LinkGuard<W>>,
    key: TransactionKey,
    id: TransactionId,
    is_answered: bool,
}

impl<W: Wake> CommitRequest<W> {
    /// Returns the id of the transaction.
    pub fn id(&self) -> TransactionId {
        self.id.clone()
    }

    /// Returns the number of messages that have arrived settled in the transaction. The application must have handled as
    /// many before it commits; every other message has an outcome already.
    pub fn settled_postings(&self) -> u64 {
        let hub = self.guard.hub();
        hub.look(|state| state.engine.transaction(self.key).map_or(0, |one| one.settled_postings()))
    }

    /// Commits the transaction. `apply` makes its messages available, before the peer learns of the commit; it is not
    /// called if the commit is not possible any more. It must not use the connection.
    ///
    /// # Errors
    ///
    /// [`Error::RolledBack`] if the transaction is rolled back: it has ended with its control link, or one of its
    /// deliveries was lost.
    pub fn commit(mut self, apply: impl FnOnce()) -> Result<()> {
        self.is_answered = true;
        self.guard.hub().with(|state| {
            state.forget_coordinated(self.key);
            let committed = match state.engine.transaction(self.key) {
                Ok(mut transaction) => transaction.commit(),
                Err(_) => Err(TransactionError::RollbackOnly),
            };
            committed.map_err(|_| Error::RolledBack(Box::new(Condition::TransactionRollback.into())))?;
            apply();
            Ok(())
        })
    }

    /// Refuses the commit with an error for the peer: the transaction is rolled back.
    pub fn refuse(mut self, error: impl Into<AmqpError>) {
        self.answer(Some(error.into()));
    }

    fn answer(&mut self, error: Option<AmqpError>) {
        if core::mem::replace(&mut self.is_answered, true) {
            return;
        }
        self.guard.hub().with(|state| {
            state.forget_coordinated(self.key);
            if let Ok(mut transaction) = state.engine.transaction(self.key) {
                // The peer waits for the answer, so the transaction can be rolled back.
                let _ = transaction.rollback(error);
            }
        });
    }
}

impl<W: Wake> Drop for CommitRequest<W> {
    fn drop(&mut self) {
        self.answer(None);
    }
}
