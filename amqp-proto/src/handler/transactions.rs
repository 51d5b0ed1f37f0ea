//! The transactions that a handler declares, and their control links [4.1].

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::callbacks::Handler;
use super::connection::Entry;
use super::context::Context;
use super::dispatcher::{Dispatcher, News};
use super::link::{local, unattached, unbegun};
use super::token::{ConnectionToken, DeliveryToken, SenderToken, SessionToken, TransactionToken};
use crate::config::{SendOptions, SenderOptions};
use crate::machine::{Event, LinkError, Reason, SendError, SessionError, StaleKey, TransactionError};
use crate::message::Message;
use crate::types::{self, LinkKey};
use crate::view::TransactionMut;
use crate::wire::{Condition, Coordinator};

/// The transactions of a connection that the handler has declared, and their control links.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// By the numbers of their tokens; `None` while a transaction waits for the connection to be open.
    keys: BTreeMap<u64, Option<types::TransactionKey>>,
    numbers: BTreeMap<types::TransactionKey, u64>,
    /// A control link for each session that has needed one.
    controls: Vec<(types::SessionKey, types::SenderKey)>,
}

impl Transactions {
    fn insert(&mut self, number: u64, key: types::TransactionKey) {
        self.keys.insert(number, Some(key));
        self.numbers.insert(key, number);
    }

    fn remove(&mut self, number: u64) {
        if let Some(Some(key)) = self.keys.remove(&number) {
            self.numbers.remove(&key);
        }
    }

    fn key(&self, number: u64) -> Option<types::TransactionKey> {
        self.keys.get(&number).copied().flatten()
    }

    /// Returns `true` if the transaction waits for the connection to be open.
    fn waits(&self, number: u64) -> bool {
        self.keys.get(&number) == Some(&None)
    }

    fn take_waiting(&mut self) -> Vec<u64> {
        let waiting = self.keys.iter().filter_map(|(number, key)| key.is_none().then_some(*number)).collect();
        self.keys.retain(|_, key| key.is_some());
        waiting
    }

    /// Forgets all that belongs to the engine of a lost connection. Transactions that wait for the next one stay.
    pub(super) fn leave_engine(&mut self) {
        self.keys.retain(|_, key| key.is_none());
        self.numbers.clear();
        self.controls.clear();
    }
}

impl Entry {
    /// Declares a transaction over the control link of a session.
    #[allow(clippy::result_large_err)] // once a transaction
    fn declare(&mut self, session: Option<types::SessionKey>, number: u64) -> Result<(), Reason> {
        let control = self.control(session, number)?;
        let connection = self.connection.as_mut().ok_or_else(|| unbegun(&SessionError::NotOpen))?;
        let sender = connection.sender(control).map_err(|StaleKey| TransactionError::Detached);
        let declared = sender.and_then(|mut sender| sender.declare());
        let key = declared.map_err(|error| undeclared(&error))?;
        self.transactions.insert(number, key);
        Ok(())
    }

    /// Returns the control link of a session, which is attached for its first transaction.
    #[allow(clippy::result_large_err)] // once a transaction
    fn control(
        &mut self,
        session: Option<types::SessionKey>,
        number: u64,
    ) -> Result<types::SenderKey, Reason> {
        let session = match session {
            Some(session) => session,
            None => self.default_session()?,
        };
        if let Some((_, control)) = self.transactions.controls.iter().find(|(of, _)| *of == session) {
            return Ok(*control);
        }
        let view = self.connection.as_mut().and_then(|connection| connection.session(session).ok());
        let mut view = view.ok_or_else(|| unattached(&LinkError::NoSession))?;
        let options = SenderOptions::to_coordinator(Coordinator::default());
        let control = view.attach_sender(format!("transactions-{number}"), options);
        let control = control.map_err(|error| unattached(&error))?;
        self.transactions.controls.push((session, control));
        Ok(control)
    }
}

/// Returns the reason for a transaction that cannot be declared.
fn undeclared(error: &TransactionError) -> Reason {
    let condition = match error {
        TransactionError::Limit(_) => Condition::ResourceLimitExceeded,
        _ => Condition::IllegalState,
    };
    local(condition, error)
}

impl Context<'_> {
    /// Declares a transaction on the connection's own session [4.2].
    ///
    /// The transaction is declared when the connection is open. Then [`on_declared`](super::Handler::on_declared) is
    /// called, and messages can be [posted](Self::post) and deliveries [retired](Self::retire) in it.
    /// [`on_transaction_error`](super::Handler::on_transaction_error) reports a transaction that cannot be declared.
    pub fn declare(&mut self, connection: ConnectionToken) -> TransactionToken {
        self.all.declare(connection, None)
    }

    /// Declares a transaction on a session, as [`declare`](Self::declare). Links on all sessions of the connection can
    /// take part, if the coordinator allows it.
    pub fn declare_on(&mut self, session: SessionToken) -> TransactionToken {
        self.all.declare(session.connection, Some(session.session))
    }

    /// Posts a message in a transaction: the message is available to receivers when the transaction is committed
    /// [4.4.1].
    ///
    /// The message is sent at once or not at all, as by [`try_send`](Self::try_send): a message that waits could miss the
    /// commit. The outcome is reported by [`on_updated`](super::Handler::on_updated), as that in the transaction. A
    /// message that is not accepted makes the transaction rollback-only.
    ///
    /// # Errors
    ///
    /// [`SendError::Discharged`] if the transaction is not declared yet, is over or being discharged, or is on another
    /// connection than the link. For the others see [`try_send`](Self::try_send).
    pub fn post(
        &mut self,
        sender: SenderToken,
        transaction: TransactionToken,
        message: impl Into<Message>,
    ) -> Result<DeliveryToken, SendError> {
        let connection = self.connection_of(sender).map_err(|StaleKey| SendError::Detached)?;
        let id = self.transaction_id(connection, transaction).ok_or(SendError::Discharged)?;
        self.try_send_with(sender, &message.into(), &SendOptions::new().with_transaction(id))
    }

    /// Returns the id of a transaction, if the transaction is declared on this connection.
    pub(super) fn transaction_id(
        &mut self,
        connection: ConnectionToken,
        transaction: TransactionToken,
    ) -> Option<types::TransactionId> {
        if transaction.connection != connection {
            return None;
        }
        self.transaction(transaction).ok()?.id()
    }

    /// Commits a transaction, once the outcome of each posted message is known.
    /// [`on_committed`](super::Handler::on_committed) follows, or
    /// [`on_transaction_error`](super::Handler::on_transaction_error) if that was not possible.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Undeclared`] if the transaction is not declared yet, [`TransactionError::RollbackOnly`] if a
    /// part of it has failed, [`TransactionError::Discharged`] if it is over or being discharged.
    pub fn commit(&mut self, transaction: TransactionToken) -> Result<(), TransactionError> {
        if self.all.is_waiting(transaction) {
            return Err(TransactionError::Undeclared);
        }
        self.transaction(transaction).map_err(|StaleKey| TransactionError::Discharged)?.commit()
    }

    /// Rolls a transaction back, also one that is not declared yet.
    /// [`on_rolled_back`](super::Handler::on_rolled_back) follows.
    ///
    /// Deliveries that were retired in the transaction are as before: they need another outcome.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Discharged`] if the transaction is over or being discharged.
    pub fn rollback(&mut self, transaction: TransactionToken) -> Result<(), TransactionError> {
        if self.all.is_waiting(transaction) {
            self.all.forget_transaction(transaction);
            self.all.news.push_back(News::Undeclared(transaction, Reason::local(None)));
            return Ok(());
        }
        self.transaction(transaction).map_err(|StaleKey| TransactionError::Discharged)?.rollback(None)
    }

    /// Returns a view of a transaction.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the transaction waits for its connection to be open, or is over.
    pub fn transaction(&mut self, transaction: TransactionToken) -> Result<TransactionMut<'_>, StaleKey> {
        let entry = self.all.connections.get(transaction.connection.0).ok_or(StaleKey)?;
        let key = entry.transactions.key(transaction.number).ok_or(StaleKey)?;
        self.all.live(transaction.connection)?.transaction(key)
    }
}

impl Dispatcher {
    fn declare(&mut self, at: ConnectionToken, session: Option<types::SessionKey>) -> TransactionToken {
        self.names += 1;
        let transaction = TransactionToken { connection: at, number: self.names };
        let is_ending = self.is_ending(at);
        // Marks the connection, whose output must be written.
        let _ = self.live(at);
        let declared = match self.connections.get_mut(at.0).filter(|entry| !entry.is_closing) {
            Some(entry) if session.is_some() || (entry.is_open && !is_ending) => {
                entry.declare(session, transaction.number)
            }
            Some(entry) if !entry.is_over => {
                entry.transactions.keys.insert(transaction.number, None);
                Ok(())
            }
            _ => Err(unbegun(&SessionError::NotOpen)),
        };
        if let Err(reason) = declared {
            self.news.push_back(News::Undeclared(transaction, reason));
        }
        transaction
    }

    /// Declares the transactions that have waited for the connection to be open.
    pub(super) fn declare_waiting(&mut self, at: ConnectionToken) {
        let Some(entry) = self.connections.get_mut(at.0) else { return };
        for number in entry.transactions.take_waiting() {
            if let Err(reason) = entry.declare(None, number) {
                let transaction = TransactionToken { connection: at, number };
                self.news.push_back(News::Undeclared(transaction, reason));
            }
        }
    }

    /// Returns `true` if this is a control link, which the handler does not know.
    pub(super) fn is_control(&self, at: ConnectionToken, link: LinkKey) -> bool {
        let Some(entry) = self.connections.get(at.0) else { return false };
        entry.transactions.controls.iter().any(|(_, control)| LinkKey::from(*control) == link)
    }

    /// Forgets a control link that is over; the next transaction of its session gets another one. Returns `false` if this
    /// is another link.
    pub(super) fn leave_control(&mut self, at: ConnectionToken, link: LinkKey) -> bool {
        let is_control = self.is_control(at, link);
        if let Some(entry) = self.connections.get_mut(at.0).filter(|_| is_control) {
            entry.transactions.controls.retain(|(_, control)| LinkKey::from(*control) != link);
        }
        is_control
    }

    fn is_waiting(&self, transaction: TransactionToken) -> bool {
        let entry = self.connections.get(transaction.connection.0);
        entry.is_some_and(|entry| entry.transactions.waits(transaction.number))
    }

    fn forget_transaction(&mut self, transaction: TransactionToken) {
        if let Some(entry) = self.connections.get_mut(transaction.connection.0) {
            entry.transactions.remove(transaction.number);
        }
    }

    /// Reports the transactions of a connection that is over before it was open.
    pub(super) fn tell_waiting_undone<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        reason: &Reason,
    ) {
        let waiting = self.connections.get_mut(at.0).map(|entry| entry.transactions.take_waiting());
        for number in waiting.unwrap_or_default() {
            self.tell_undone(handler, TransactionToken { connection: at, number }, reason);
        }
    }

    /// Reports a transaction that is rolled back, or was never declared.
    pub(super) fn tell_undone<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        transaction: TransactionToken,
        reason: &Reason,
    ) {
        let here = Some(transaction.connection);
        if reason.is_failure() {
            self.call(here, |cx| handler.on_transaction_error(cx, transaction, reason));
        }
        self.call(here, |cx| handler.on_rolled_back(cx, transaction));
    }

    /// Handles the events of the handler's transactions.
    #[cold]
    pub(super) fn tell_transaction<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        event: Event,
    ) {
        let (Event::Declared(key)
        | Event::Undeclared { transaction: key, .. }
        | Event::Committed(key)
        | Event::RolledBack { transaction: key, .. }
        | Event::InDoubt { transaction: key, .. }) = event
        else {
            return;
        };
        let entry = self.connections.get(at.0);
        let Some(number) = entry.and_then(|entry| entry.transactions.numbers.get(&key).copied()) else {
            // The application has declared it by the view of a link.
            return;
        };
        let (here, transaction) = (Some(at), TransactionToken { connection: at, number });
        if let Event::Declared(_) = event {
            return self.call(here, |cx| handler.on_declared(cx, transaction));
        }
        self.forget_transaction(transaction);
        match event {
            Event::Undeclared { error, .. } => {
                self.tell_undone(handler, transaction, &Reason::remote(Some(*error)));
            }
            Event::RolledBack { error, .. } => {
                let reason = error.map_or_else(|| Reason::local(None), |error| Reason::remote(Some(*error)));
                self.tell_undone(handler, transaction, &reason);
            }
            Event::InDoubt { reason, .. } => {
                self.call(here, |cx| handler.on_in_doubt(cx, transaction, &reason));
            }
            _ => self.call(here, |cx| handler.on_committed(cx, transaction)),
        }
    }
}
