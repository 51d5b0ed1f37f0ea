//! The commands of a handler about deliveries.

use alloc::boxed::Box;

use super::context::Context;
use super::token::{DeliveryToken, ReceiverToken, TransactionToken};
use crate::connection::Connection;
use crate::machine::{Part, PartEnd, ReadError, SettleError, StaleKey};
use crate::types;
use crate::wire::{AmqpError, DeliveryState, Modified, Outcome, Rejected};

impl Context<'_> {
    /// Accepts a delivery: the message was processed [3.4.2].
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn accept(&mut self, delivery: DeliveryToken) -> Result<(), SettleError> {
        self.update(delivery, &Outcome::Accepted.into())
    }

    /// Rejects a delivery: the message is invalid [3.4.3].
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn reject(
        &mut self,
        delivery: DeliveryToken,
        error: impl Into<Option<AmqpError>>,
    ) -> Result<(), SettleError> {
        let error = error.into().map(Box::new);
        self.update(delivery, &Outcome::from(Rejected { error }).into())
    }

    /// Releases a delivery: the message was not processed and may be delivered again, unchanged [3.4.4].
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn release(&mut self, delivery: DeliveryToken) -> Result<(), SettleError> {
        self.update(delivery, &Outcome::Released.into())
    }

    /// Modifies a delivery: the message was not processed and may be delivered again, with changes [3.4.5].
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn modify(&mut self, delivery: DeliveryToken, modified: Modified) -> Result<(), SettleError> {
        self.update(delivery, &Outcome::from(modified).into())
    }

    /// Sends the state of a received or sent delivery.
    ///
    /// An outcome settles a received delivery, unless the receiver settles second [2.6.12].
    ///
    /// # Errors
    ///
    /// [`SettleError::Settled`] if the delivery is settled, [`SettleError::Decided`] if this end has sent an
    /// outcome already, [`SettleError::Queued`] if the delivery waits to be sent, [`SettleError::Ended`] if
    /// the link, session or connection is closed, [`SettleError::Second`] if the sender must settle first.
    pub fn update(&mut self, delivery: DeliveryToken, state: &DeliveryState) -> Result<(), SettleError> {
        if self.is_queued(delivery) {
            return Err(SettleError::Queued);
        }
        let (link, known) = match self.delivery_link(delivery) {
            Ok(found) => found,
            Err(_) if self.all.decide_later(delivery, state) => return Ok(()),
            Err(error) => return Err(error),
        };
        match link {
            types::LinkKey::Receiver(link) => match self.live(delivery)?.receiver(link) {
                Ok(mut receiver) => receiver.dispose(known, state),
                Err(StaleKey) => Err(SettleError::Settled),
            },
            types::LinkKey::Sender(link) => match self.live(delivery)?.sender(link) {
                Ok(mut sender) => sender.update(known, state),
                Err(StaleKey) => Err(SettleError::Settled),
            },
        }
    }

    /// Retires a received delivery within a transaction, without settling it: the outcome applies when the transaction
    /// is committed [4.4.2].
    ///
    /// # Errors
    ///
    /// [`SettleError::WrongLink`] if the delivery was sent. [`SettleError::Discharged`] if the transaction is not declared
    /// yet, is over or being discharged, or is on another connection. For the others see [`update`](Self::update).
    pub fn retire(
        &mut self,
        delivery: DeliveryToken,
        transaction: TransactionToken,
        outcome: impl Into<Outcome>,
    ) -> Result<(), SettleError> {
        let (types::LinkKey::Receiver(link), known) = self.delivery_link(delivery)? else {
            return Err(SettleError::WrongLink);
        };
        let id = self.transaction_id(delivery.connection, transaction).ok_or(SettleError::Discharged)?;
        match self.live(delivery)?.receiver(link) {
            Ok(mut receiver) => receiver.retire(known, id, outcome),
            Err(StaleKey) => Err(SettleError::Settled),
        }
    }

    /// Settles a received or sent delivery without an outcome. No further callback concerns it.
    ///
    /// A delivery whose receiver settles second is settled by the sender. A delivery that waits to be sent is
    /// removed from the queue.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn settle(&mut self, delivery: DeliveryToken) -> Result<(), SettleError> {
        if self.take_back(delivery) {
            return Ok(());
        }
        if self.is_queued(delivery) {
            return Err(SettleError::Queued);
        }
        let (link, known) = self.delivery_link(delivery)?;
        match link {
            types::LinkKey::Receiver(link) => match self.live(delivery)?.receiver(link) {
                Ok(mut receiver) => receiver.settle(known),
                Err(StaleKey) => Err(SettleError::Settled),
            },
            types::LinkKey::Sender(link) => {
                match self.live(delivery)?.sender(link) {
                    Ok(mut sender) => sender.settle(known)?,
                    Err(StaleKey) => return Err(SettleError::Settled),
                }
                self.all.drop_kept(delivery);
                self.all.forget(delivery.connection, known);
                Ok(())
            }
        }
    }

    fn live(&mut self, delivery: DeliveryToken) -> Result<&mut Connection, SettleError> {
        self.all.live(delivery.connection).map_err(|_| SettleError::Settled)
    }

    fn delivery_link(
        &mut self,
        delivery: DeliveryToken,
    ) -> Result<(types::LinkKey, types::DeliveryKey), SettleError> {
        let known = self.all.known(delivery).ok_or(SettleError::Settled)?;
        let link = self.delivery(delivery).ok().and_then(|delivery| delivery.link());
        link.map(|link| (link, known)).ok_or(SettleError::Settled)
    }

    /// Returns the octets of a message on a streaming link that have arrived since the last call.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoDelivery`] if the message was read to its end or does not exist,
    /// [`ReadError::WrongLink`] if the delivery is not of this link.
    pub fn read(&mut self, receiver: ReceiverToken, delivery: DeliveryToken) -> Result<Part, ReadError> {
        if self.connection_of(receiver) != Ok(delivery.connection) {
            return Err(ReadError::WrongLink);
        }
        let known = self.all.known(delivery).ok_or(ReadError::NoDelivery)?;
        let mut view = self.receiver(receiver).map_err(|_| ReadError::NoDelivery)?;
        let part = view.read(known)?;
        if part.end == PartEnd::Complete && view.is_auto_accept() {
            self.all.undecided.push(delivery);
        }
        Ok(part)
    }
}
