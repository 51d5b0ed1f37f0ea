//! [`Delivery`]: a message that was received.

use std::fmt;
use std::thread;

use amqp_proto::config::OnDrop;
use amqp_proto::endpoint::Result;
use amqp_proto::message::{MessageView, Payload};
use amqp_proto::policy::OnFailure;
use amqp_proto::types::{DeliveryKey, DeliveryTag, TransactionId};
use amqp_proto::wire::{self, DeliveryState, Modified, Outcome};

use crate::receiver::Receiver;

/// A message that was received, and the decision about it to come.
///
/// The decision is told from any thread, at once and without waiting. A delivery that is dropped with nothing decided is
/// released: it may go elsewhere, or come again. A drop while the thread panics counts as a failed delivery (`modified`).
/// [`on_drop`](crate::ReceiverBuilder::on_drop) chooses otherwise.
///
/// What its sender has settled needs no decision, and none about it is told.
#[must_use = "a delivery that is dropped with nothing decided is released"]
pub struct Delivery {
    delivery: amqp_proto::Delivery,
    receiver: Receiver,
    is_undecided: bool,
    on_drop: OnDrop,
}

impl Delivery {
    pub(crate) fn new(receiver: Receiver, delivery: amqp_proto::Delivery, on_drop: OnDrop) -> Self {
        let is_undecided = !delivery.is_settled();
        Self { delivery, receiver, is_undecided, on_drop }
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

    /// Finds the sections of the message, and decodes none. The limits of the connection bound what is decoded of it.
    ///
    /// # Errors
    ///
    /// [`Error::Message`](crate::Error::Message) where the octets are no message of the standard's format: the delivery
    /// can be rejected.
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
        if std::mem::take(&mut self.is_undecided) { tell(&self.receiver, self.key()) } else { Ok(()) }
    }

    /// Leaves it undecided; see [`Receiver::accept`] and the like.
    pub fn into_undecided(mut self) -> DeliveryKey {
        self.is_undecided = false;
        self.key()
    }
}

impl Delivery {
    /// Returns a handle of the same delivery for those who work on it, which tells nothing when it is dropped.
    pub(crate) fn lent(&self) -> Self {
        Self::new(self.receiver.clone(), self.delivery.clone(), OnDrop::Keep)
    }

    /// Tells what has come of the work on it, unless that has decided by itself.
    pub(crate) fn conclude<E: fmt::Display>(self, result: Result<(), E>, on_failure: OnFailure) {
        let outcome = match result {
            Ok(()) => Outcome::Accepted,
            Err(error) => on_failure.outcome(self.delivery.failed_before(), &error),
        };
        // It may be decided; or its link is over, which the next receive tells.
        let _ = self.dispose(&outcome.into());
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.is_undecided
            && let Some(outcome) = self.on_drop.outcome(thread::panicking())
        {
            // A link that is over has lost it, and it goes elsewhere.
            let _ = self.receiver.dispose(self.key(), &outcome.into());
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.delivery, f)
    }
}
