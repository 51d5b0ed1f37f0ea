//! What a handler does with messages.

use alloc::boxed::Box;

use super::context::Context;
use super::key::{DeliveryKey, ReceiverKey};
use crate::connection::Connection;
use crate::machine::{Part, PartEnd, ReadError, SettleError, StaleKey};
use crate::types::{self, TransactionId};
use crate::wire::{AmqpError, DeliveryState, Modified, Outcome, Rejected};

impl Context<'_> {
    /// The message was processed [3.4.2].
    pub fn accept(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.update(delivery, &Outcome::Accepted.into())
    }

    /// The message is invalid [3.4.3].
    pub fn reject(
        &mut self,
        delivery: DeliveryKey,
        error: impl Into<Option<AmqpError>>,
    ) -> Result<(), SettleError> {
        let error = error.into().map(Box::new);
        self.update(delivery, &Outcome::from(Rejected { error }).into())
    }

    /// The message was not processed and may go elsewhere, unchanged [3.4.4].
    pub fn release(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.update(delivery, &Outcome::Released.into())
    }

    /// The message was not processed and may go elsewhere, changed [3.4.5].
    pub fn modify(&mut self, delivery: DeliveryKey, modified: Modified) -> Result<(), SettleError> {
        self.update(delivery, &Outcome::from(modified).into())
    }

    /// Tells the state of a delivery, be it received or sent. An outcome settles what was received, unless that is
    /// the sender's to do first [2.6.12].
    ///
    /// # Errors
    ///
    /// [`SettleError::Queued`] if the delivery waits to be sent.
    pub fn update(&mut self, delivery: DeliveryKey, state: &DeliveryState) -> Result<(), SettleError> {
        if self.is_queued(delivery) {
            return Err(SettleError::Queued);
        }
        let (link, known) = self.delivery_link(delivery)?;
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

    /// Retires a received delivery within a transaction, which does not settle it [4.4.2]: see
    /// [`retire`](crate::ReceiverMut::retire).
    pub fn retire(
        &mut self,
        delivery: DeliveryKey,
        transaction: TransactionId,
        outcome: impl Into<Outcome>,
    ) -> Result<(), SettleError> {
        let (types::LinkKey::Receiver(link), known) = self.delivery_link(delivery)? else {
            return Err(SettleError::WrongLink);
        };
        match self.live(delivery)?.receiver(link) {
            Ok(mut receiver) => receiver.retire(known, transaction, outcome),
            Err(StaleKey) => Err(SettleError::Settled),
        }
    }

    /// Settles a delivery, be it received or sent, without telling an outcome: nothing more is told about it. One that
    /// the receiver is to settle second is settled by the sender. One that waits to be sent is taken back.
    pub fn settle(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        if self.take_back(delivery) {
            return Ok(());
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
                self.all.forget(delivery.connection, known);
                self.all.feed(delivery.connection);
                Ok(())
            }
        }
    }

    fn live(&mut self, delivery: DeliveryKey) -> Result<&mut Connection, SettleError> {
        self.all.live(delivery.connection).map_err(|_| SettleError::Settled)
    }

    fn delivery_link(
        &mut self,
        delivery: DeliveryKey,
    ) -> Result<(types::LinkKey, types::DeliveryKey), SettleError> {
        let known = self.all.known(delivery).ok_or(SettleError::Settled)?;
        let link = self.delivery(delivery).ok().and_then(|delivery| delivery.link());
        link.map(|link| (link, known)).ok_or(SettleError::Settled)
    }

    /// Takes what has come of a message on a streaming link since the last call.
    pub fn read(&mut self, receiver: ReceiverKey, delivery: DeliveryKey) -> Result<Part, ReadError> {
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
