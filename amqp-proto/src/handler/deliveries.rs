//! What a handler does with messages.

use alloc::boxed::Box;

use super::context::Context;
use super::key::{DeliveryKey, ReceiverKey, SenderKey};
use crate::config::SendOptions;
use crate::connection::Connection;
use crate::machine::{Part, PartEnd, ReadError, SendError, SettleError, StaleKey};
use crate::message::Message;
use crate::types::{self, TransactionId};
use crate::wire::{DeliveryState, Error, Modified, Outcome, Rejected};

impl Context<'_> {
    /// Sends a message; what becomes of it is told by [`on_accepted`](super::Handler::on_accepted) and the like.
    pub fn send(&mut self, sender: SenderKey, message: impl Into<Message>) -> Result<DeliveryKey, SendError> {
        self.send_with(sender, &message.into(), &SendOptions::new())
    }

    /// The same, as the options say.
    pub fn send_with(
        &mut self,
        sender: SenderKey,
        message: &Message,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        let connection = self.connection_of(sender).map_err(|_| SendError::Detached)?;
        let mut view = self.sender(sender).map_err(|_| SendError::Detached)?;
        view.send_with(message, options).map(|delivery| DeliveryKey { connection, delivery })
    }

    /// The message was processed [3.4.2].
    pub fn accept(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.update(delivery, &Outcome::Accepted.into())
    }

    /// The message is invalid [3.4.3].
    pub fn reject(
        &mut self,
        delivery: DeliveryKey,
        error: impl Into<Option<Error>>,
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

    /// Tells the state of a delivery, be it received or sent. An outcome settles what was received, unless that is the
    /// sender's to do first (T-DISP-16).
    pub fn update(&mut self, delivery: DeliveryKey, state: &DeliveryState) -> Result<(), SettleError> {
        match self.delivery_link(delivery)? {
            types::LinkKey::Receiver(link) => match self.live(delivery)?.receiver(link) {
                Ok(mut receiver) => receiver.dispose(delivery.delivery, state),
                Err(StaleKey) => Err(SettleError::Settled),
            },
            types::LinkKey::Sender(link) => match self.live(delivery)?.sender(link) {
                Ok(mut sender) => sender.update(delivery.delivery, state),
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
        let types::LinkKey::Receiver(link) = self.delivery_link(delivery)? else {
            return Err(SettleError::WrongLink);
        };
        match self.live(delivery)?.receiver(link) {
            Ok(mut receiver) => receiver.retire(delivery.delivery, transaction, outcome),
            Err(StaleKey) => Err(SettleError::Settled),
        }
    }

    /// Settles a delivery, be it received or sent, without telling an outcome: nothing more is told about it. One that
    /// the receiver is to settle second is settled by the sender.
    pub fn settle(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        match self.delivery_link(delivery)? {
            types::LinkKey::Receiver(link) => match self.live(delivery)?.receiver(link) {
                Ok(mut receiver) => receiver.settle(delivery.delivery),
                Err(StaleKey) => Err(SettleError::Settled),
            },
            types::LinkKey::Sender(link) => match self.live(delivery)?.sender(link) {
                Ok(mut sender) => sender.settle(delivery.delivery),
                Err(StaleKey) => Err(SettleError::Settled),
            },
        }
    }

    fn live(&mut self, delivery: DeliveryKey) -> Result<&mut Connection, SettleError> {
        self.all.live(delivery.connection).map_err(|_| SettleError::Settled)
    }

    fn delivery_link(&mut self, delivery: DeliveryKey) -> Result<types::LinkKey, SettleError> {
        self.delivery(delivery).ok().and_then(|delivery| delivery.link()).ok_or(SettleError::Settled)
    }

    /// Takes what has come of a message on a streaming link since the last call.
    pub fn read(&mut self, receiver: ReceiverKey, delivery: DeliveryKey) -> Result<Part, ReadError> {
        if self.connection_of(receiver) != Ok(delivery.connection) {
            return Err(ReadError::WrongLink);
        }
        let mut view = self.receiver(receiver).map_err(|_| ReadError::NoDelivery)?;
        let part = view.read(delivery.delivery)?;
        if part.end == PartEnd::Complete && view.is_auto_accept() {
            self.all.undecided.push(delivery);
        }
        Ok(part)
    }
}
