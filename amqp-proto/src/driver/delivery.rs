//! [`Delivery`]: a received message that waits for its outcome.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use super::guard::LinkGuard;
use super::receiver::Receiver;
use super::wake::Wake;
use crate::client::Result;
use crate::config::OnDrop;
use crate::message::{MessageView, Payload};
use crate::policy::OnFailure;
use crate::types::{DeliveryKey, DeliveryTag, TransactionId};
use crate::wire::{self, DeliveryState, Modified, Outcome, Rejected};

/// A received message that waits for its outcome.
///
/// The outcome is sent from any task or thread, without waiting. A delivery that is dropped without an
/// outcome is released, so the message may be delivered again. A drop while the thread panics counts as a
/// failed delivery (`modified`). The receiver's option `with_on_drop` can choose otherwise.
///
/// A delivery that its sender has settled needs no outcome, and none is sent.
#[must_use = "a delivery that is dropped with nothing decided is released"]
pub struct Delivery<W: Wake> {
    guard: Arc<LinkGuard<W>>,
    received: crate::machine::Delivery,
    is_undecided: bool,
    on_drop: OnDrop,
}

impl<W: Wake> Delivery<W> {
    pub(super) fn new(guard: Arc<LinkGuard<W>>, received: crate::machine::Delivery, on_drop: OnDrop) -> Self {
        let is_undecided = !received.is_settled();
        Self { guard, received, is_undecided, on_drop }
    }

    /// Returns the key, by which the methods of the receiver can settle the delivery.
    pub fn key(&self) -> DeliveryKey {
        self.received.key()
    }

    /// Returns the message, its sections found but not decoded. The limits of the connection bound the
    /// decoding.
    ///
    /// # Errors
    ///
    /// [`Error::Message`](crate::client::Error::Message) if the octets are not a message of the standard's
    /// format. The delivery can still be rejected.
    pub fn message(&self) -> Result<MessageView> {
        Ok(self.received.message()?)
    }

    /// Returns the octets of the message, in the buffers in which they arrived.
    pub fn payload(&self) -> &Payload {
        self.received.payload()
    }

    /// Returns the delivery tag.
    pub fn tag(&self) -> DeliveryTag {
        self.received.tag()
    }

    /// Returns the format of the message; 0 is the standard's own format.
    pub fn message_format(&self) -> u32 {
        self.received.message_format()
    }

    /// Returns the state in the transfer, such as that of a transaction.
    pub fn state(&self) -> Option<&DeliveryState> {
        self.received.state()
    }

    /// Returns `true` if the sender has settled the delivery: no outcome is sent.
    pub fn is_settled(&self) -> bool {
        self.received.is_settled()
    }

    /// Returns the link of the delivery.
    pub fn receiver(&self) -> Receiver<W> {
        Receiver { guard: Arc::clone(&self.guard) }
    }

    /// Accepts the delivery: the message was processed [3.4.2].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn accept(self) -> Result<()> {
        self.dispose(&Outcome::Accepted.into())
    }

    /// Rejects the delivery: the message is invalid [3.4.3].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        self.dispose(&rejected(error.into()))
    }

    /// Releases the delivery: the message was not processed and may be delivered again, unchanged [3.4.4].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn release(self) -> Result<()> {
        self.dispose(&Outcome::Released.into())
    }

    /// Modifies the delivery: the message was not processed and may be delivered again, with changes [3.4.5].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn modify(self, modified: Modified) -> Result<()> {
        self.dispose(&Outcome::from(modified).into())
    }

    /// Sends a state, such as an outcome or the state in a transaction.
    ///
    /// # Errors
    ///
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over, `Error::Settle` if the
    /// delivery has an outcome already.
    pub fn dispose(mut self, state: &DeliveryState) -> Result<()> {
        if core::mem::take(&mut self.is_undecided) { self.guard.dispose(self.key(), state) } else { Ok(()) }
    }

    /// Retires the delivery within a transaction, without settling it [4.4.2].
    ///
    /// The outcome applies when the transaction is committed. After a rollback, the message can be retired
    /// again or get an outcome, by the returned key and the methods of the receiver.
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn retire(self, transaction: TransactionId, outcome: impl Into<Outcome>) -> Result<DeliveryKey> {
        let (receiver, is_undecided) = (self.receiver(), self.is_undecided);
        let key = self.into_undecided();
        if is_undecided {
            receiver.retire(key, transaction, outcome)?;
        }
        Ok(key)
    }

    /// Gives the delivery an outcome in a transaction. It stays undecided.
    pub(super) fn retire_in(&self, transaction: TransactionId, outcome: Outcome) -> Result<()> {
        if self.is_undecided { self.receiver().retire(self.key(), transaction, outcome) } else { Ok(()) }
    }

    pub(super) fn hub(&self) -> &super::hub::Hub<W> {
        self.guard.hub()
    }

    /// Settles the delivery without an outcome: the sender applies its default outcome.
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn settle(mut self) -> Result<()> {
        if core::mem::take(&mut self.is_undecided) { self.guard.settle(self.key()) } else { Ok(()) }
    }

    /// Returns a handle of the same delivery that has no effect when it is dropped.
    #[doc(hidden)]
    pub fn lent(&self) -> Self {
        Self::new(Arc::clone(&self.guard), self.received.clone(), OnDrop::Keep)
    }

    /// Sends the outcome of the processing, unless the delivery has an outcome already.
    #[doc(hidden)]
    pub fn conclude<E: fmt::Display>(self, result: core::result::Result<(), E>, on_failure: OnFailure) {
        let outcome = match result {
            Ok(()) => Outcome::Accepted,
            Err(error) => on_failure.outcome(self.received.failed_before(), &error),
        };
        // The delivery may have an outcome; or its link is over, which the next receive reports.
        let _ = self.dispose(&outcome.into());
    }

    /// Returns the key of the delivery, which has no effect any more when it is dropped.
    pub fn into_undecided(mut self) -> DeliveryKey {
        self.is_undecided = false;
        self.key()
    }
}

/// Returns the outcome of an invalid message.
pub fn rejected(error: Option<wire::AmqpError>) -> DeliveryState {
    Outcome::from(Rejected { error: error.map(Box::new) }).into()
}

impl<W: Wake> Drop for Delivery<W> {
    fn drop(&mut self) {
        if self.is_undecided
            && let Some(outcome) = self.on_drop.outcome(std::thread::panicking())
        {
            // If the link is over, the sender already treats the delivery as lost.
            let _ = self.guard.dispose(self.key(), &outcome.into());
        }
    }
}

impl<W: Wake> fmt::Debug for Delivery<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.received, f)
    }
}
