//! [`Delivery`]: a message that was received.

use std::fmt;
use std::thread;

use amqp_proto::endpoint::Result;
use amqp_proto::message::{MessageView, Payload};
use amqp_proto::types::{DeliveryKey, DeliveryTag, TransactionId};
use amqp_proto::wire::{self, DeliveryState, Modified, Outcome};

use crate::receiver::Receiver;

/// A message that was received, to be decided about.
///
/// Dropped without that it is accepted, unless the thread panics, or
/// [`auto_accept`](crate::ReceiverBuilder::auto_accept) is off. Then nothing is told, and it stays
/// unsettled until [`Receiver::accept`] or the like is called with its key.
pub struct Delivery {
    delivery: amqp_proto::Delivery,
    receiver: Receiver,
    /// Whether it is accepted when it is dropped.
    accepts: bool,
}

impl Delivery {
    pub(crate) fn new(receiver: Receiver, delivery: amqp_proto::Delivery, accepts: bool) -> Self {
        Self { delivery, receiver, accepts }
    }

    /// The engine's key of it.
    pub fn key(&self) -> DeliveryKey {
        self.delivery.key()
    }

    /// The sender's name for it.
    pub fn tag(&self) -> DeliveryTag {
        self.delivery.tag()
    }

    /// The format of the message; 0 is the standard's own.
    pub fn message_format(&self) -> u32 {
        self.delivery.message_format()
    }

    /// Whether the sender has settled it: there is nothing to be told about it any more.
    pub fn is_settled(&self) -> bool {
        self.delivery.is_settled()
    }

    /// The state that the sender told with it, such as that of a transaction.
    pub fn state(&self) -> Option<&DeliveryState> {
        self.delivery.state()
    }

    /// The octets of the message, in the buffers that they came in.
    pub fn payload(&self) -> &Payload {
        self.delivery.payload()
    }

    /// The message, its sections found and not decoded. What is no message can be rejected.
    pub fn message(&self) -> Result<MessageView> {
        Ok(self.delivery.message()?)
    }

    /// The link that it came over.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The message was processed.
    pub fn accept(self) -> Result<()> {
        self.decide(|receiver, key| receiver.accept(key))
    }

    /// The message is invalid, and perhaps why.
    pub fn reject(self, error: impl Into<Option<wire::Error>>) -> Result<()> {
        self.decide(|receiver, key| receiver.reject(key, error))
    }

    /// The message was not processed and may go elsewhere, unchanged.
    pub fn release(self) -> Result<()> {
        self.decide(|receiver, key| receiver.release(key))
    }

    /// The message was not processed and may go elsewhere, changed.
    pub fn modify(self, modified: Modified) -> Result<()> {
        self.decide(|receiver, key| receiver.modify(key, modified))
    }

    /// Tells a state, such as the outcome within a transaction.
    pub fn dispose(self, state: &DeliveryState) -> Result<()> {
        self.decide(|receiver, key| receiver.dispose(key, state))
    }

    /// Retires it within a transaction without settling it [4.4.2]: the outcome applies when the transaction is discharged.
    /// If that is rolled back, the message can be retired again or get an outcome, by its key and the methods of the
    /// [`Receiver`](crate::Receiver).
    pub fn retire(self, transaction: TransactionId, outcome: impl Into<Outcome>) -> Result<DeliveryKey> {
        let key = self.key();
        self.decide(|receiver, key| receiver.retire(key, transaction, outcome)).map(|()| key)
    }

    /// Settles it without an outcome: the sender's default applies.
    pub fn settle(self) -> Result<()> {
        self.decide(|receiver, key| receiver.settle(key))
    }
}

impl Delivery {
    /// Of what the sender has settled nobody hears.
    fn decide(mut self, tell: impl FnOnce(&Receiver, DeliveryKey) -> Result<()>) -> Result<()> {
        self.accepts = false;
        if self.is_settled() { Ok(()) } else { tell(&self.receiver, self.key()) }
    }

    /// Leaves it undecided; see [`Receiver::accept`] and the like.
    pub fn into_undecided(mut self) -> DeliveryKey {
        self.accepts = false;
        self.key()
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.accepts && !thread::panicking() {
            // The link may have ended; then the message will come again, if it has to.
            let _ = self.receiver.accept(self.delivery.key());
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.delivery, f)
    }
}
