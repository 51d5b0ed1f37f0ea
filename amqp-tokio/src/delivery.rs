//! [`Delivery`]: a message that was received.

use std::fmt;
use std::sync::Arc;

use amqp_proto::config::OnDrop;
use amqp_proto::endpoint::Result;
use amqp_proto::message::{MessageView, Payload};
use amqp_proto::policy::OnFailure;
use amqp_proto::types::{DeliveryKey, DeliveryTag, TransactionId};
use amqp_proto::wire::{DeliveryState, Modified, Outcome};

use crate::link::ReceiverGuard;
use crate::receiver::{Receiver, rejected};

/// A message that was received, and the decision about it to come.
///
/// The decision is told from any task, at once and without waiting. A delivery that is dropped with nothing decided is
/// released: it may go elsewhere, or come again. A drop while the thread panics counts as a failed delivery (`modified`).
/// [`on_drop`](crate::ReceiverBuilder::on_drop) chooses otherwise.
///
/// What its sender has settled needs no decision, and none about it is told.
#[must_use = "a delivery that is dropped with nothing decided is released"]
pub struct Delivery {
    guard: Arc<ReceiverGuard>,
    received: amqp_proto::Delivery,
    is_undecided: bool,
    on_drop: OnDrop,
}

impl Delivery {
    pub(crate) fn new(guard: Arc<ReceiverGuard>, received: amqp_proto::Delivery, on_drop: OnDrop) -> Self {
        let is_undecided = !received.is_settled();
        Self { guard, received, is_undecided, on_drop }
    }

    /// What it can be settled by with the methods of its [`Receiver`](crate::Receiver).
    pub fn key(&self) -> DeliveryKey {
        self.received.key()
    }

    /// Finds the sections of the message, and decodes none. The limits of the connection bound what is decoded of it.
    ///
    /// # Errors
    ///
    /// [`Error::Message`](crate::Error::Message) where the octets are no message of the standard's format: the delivery
    /// can be rejected.
    pub fn message(&self) -> Result<MessageView> {
        Ok(self.received.message()?)
    }

    /// The octets of the message, shared.
    pub fn payload(&self) -> Payload {
        self.received.payload().clone()
    }

    /// The sender's name for it.
    pub fn tag(&self) -> DeliveryTag {
        self.received.tag()
    }

    /// The format of the message; 0 is the standard's own.
    pub fn message_format(&self) -> u32 {
        self.received.message_format()
    }

    /// The state that the sender told with it, such as that of a transaction.
    pub fn state(&self) -> Option<&DeliveryState> {
        self.received.state()
    }

    /// Whether the sender has settled it: no decision will reach anybody.
    pub fn is_settled(&self) -> bool {
        self.received.is_settled()
    }

    /// The link that it came over.
    pub fn receiver(&self) -> Receiver {
        Receiver::new(Arc::clone(&self.guard))
    }

    /// The message was processed [3.4.2].
    pub fn accept(self) -> Result<()> {
        self.dispose(&Outcome::Accepted.into())
    }

    /// The message is invalid [3.4.3].
    pub fn reject(self, error: impl Into<Option<amqp_proto::wire::Error>>) -> Result<()> {
        self.dispose(&rejected(error.into()))
    }

    /// The message was not processed and may go elsewhere, unchanged [3.4.4].
    pub fn release(self) -> Result<()> {
        self.dispose(&Outcome::Released.into())
    }

    /// The message was not processed and may go elsewhere, changed [3.4.5].
    pub fn modify(self, modified: Modified) -> Result<()> {
        self.dispose(&Outcome::from(modified).into())
    }

    /// Tells a state, such as the part in a transaction. Of a message that the sender has settled nobody hears.
    pub fn dispose(mut self, state: &DeliveryState) -> Result<()> {
        if std::mem::take(&mut self.is_undecided) { self.guard.dispose(self.key(), state) } else { Ok(()) }
    }

    /// Retires it within a transaction without settling it [4.4.2]: the outcome applies when the transaction is discharged.
    /// If that is rolled back, the message can be retired again or get an outcome, by its key and the methods of the
    /// [`Receiver`](crate::Receiver).
    pub fn retire(self, transaction: TransactionId, outcome: impl Into<Outcome>) -> Result<DeliveryKey> {
        let (receiver, is_undecided) = (self.receiver(), self.is_undecided);
        let key = self.into_undecided();
        if is_undecided {
            receiver.retire(key, transaction, outcome)?;
        }
        Ok(key)
    }

    /// Settles it without an outcome: the sender's default applies (T-DISP-08).
    pub fn settle(mut self) -> Result<()> {
        if std::mem::take(&mut self.is_undecided) { self.guard.settle(self.key()) } else { Ok(()) }
    }

    /// Leaves the decision to whoever has the key: dropping this tells nothing any more.
    pub fn into_undecided(mut self) -> DeliveryKey {
        self.is_undecided = false;
        self.key()
    }
}

impl Delivery {
    /// Returns a handle of the same delivery for those who work on it, which tells nothing when it is dropped.
    pub(crate) fn lent(&self) -> Self {
        Self::new(Arc::clone(&self.guard), self.received.clone(), OnDrop::Keep)
    }

    /// Tells what has come of the work on it, unless that has decided by itself.
    pub(crate) fn conclude<E: fmt::Display>(self, result: Result<(), E>, on_failure: OnFailure) {
        let outcome = match result {
            Ok(()) => Outcome::Accepted,
            Err(error) => on_failure.outcome(self.received.failed_before(), &error),
        };
        // It may be decided; or its link is over, which the next receive tells.
        let _ = self.dispose(&outcome.into());
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.is_undecided
            && let Some(outcome) = self.on_drop.outcome(std::thread::panicking())
        {
            // A link that is over has lost it, and it goes elsewhere.
            let _ = self.guard.dispose(self.key(), &outcome.into());
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.received, f)
    }
}
