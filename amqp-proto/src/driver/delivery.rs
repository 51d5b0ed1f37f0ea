//! [`Delivery`]: a message that was received, and the decision about it to come.

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

/// A message that was received, and the decision about it to come.
///
/// The decision is told from any task or thread, at once and without waiting. A delivery that is dropped with nothing
/// decided is released: it may go elsewhere, or come again. A drop while the thread panics counts as a failed delivery
/// (`modified`). The receiver's option `on_drop` chooses otherwise.
///
/// What its sender has settled needs no decision, and none about it is told.
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

    /// Returns the key, by which the methods of its receiver can settle it.
    pub fn key(&self) -> DeliveryKey {
        self.received.key()
    }

    /// Finds the sections of the message, and decodes none. The limits of the connection bound what is decoded of it.
    ///
    /// # Errors
    ///
    /// [`Error::Message`](crate::client::Error::Message) where the octets are no message of the standard's format: the
    /// delivery can be rejected.
    pub fn message(&self) -> Result<MessageView> {
        Ok(self.received.message()?)
    }

    /// Returns the octets of the message, in the buffers that they came in.
    pub fn payload(&self) -> &Payload {
        self.received.payload()
    }

    /// Returns the sender's name for it.
    pub fn tag(&self) -> DeliveryTag {
        self.received.tag()
    }

    /// Returns the format of the message; 0 is the standard's own.
    pub fn message_format(&self) -> u32 {
        self.received.message_format()
    }

    /// Returns the state that the sender told with it, such as that of a transaction.
    pub fn state(&self) -> Option<&DeliveryState> {
        self.received.state()
    }

    /// Returns whether the sender has settled it: no decision will reach anybody.
    pub fn is_settled(&self) -> bool {
        self.received.is_settled()
    }

    /// Returns the link that it came over.
    pub fn receiver(&self) -> Receiver<W> {
        Receiver { guard: Arc::clone(&self.guard) }
    }

    /// Accepts the message: it was processed [3.4.2].
    pub fn accept(self) -> Result<()> {
        self.dispose(&Outcome::Accepted.into())
    }

    /// Rejects the message: it is invalid [3.4.3].
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        self.dispose(&rejected(error.into()))
    }

    /// Releases the message, unprocessed and unchanged [3.4.4].
    pub fn release(self) -> Result<()> {
        self.dispose(&Outcome::Released.into())
    }

    /// Releases the message, unprocessed and changed [3.4.5].
    pub fn modify(self, modified: Modified) -> Result<()> {
        self.dispose(&Outcome::from(modified).into())
    }

    /// Tells a state, such as the part in a transaction.
    pub fn dispose(mut self, state: &DeliveryState) -> Result<()> {
        if core::mem::take(&mut self.is_undecided) { self.guard.dispose(self.key(), state) } else { Ok(()) }
    }

    /// Retires it within a transaction without settling it [4.4.2]: the outcome applies when the transaction is
    /// discharged. If that is rolled back, the message can be retired again or get an outcome, by its key and the methods
    /// of the receiver.
    pub fn retire(self, transaction: TransactionId, outcome: impl Into<Outcome>) -> Result<DeliveryKey> {
        let (receiver, is_undecided) = (self.receiver(), self.is_undecided);
        let key = self.into_undecided();
        if is_undecided {
            receiver.retire(key, transaction, outcome)?;
        }
        Ok(key)
    }

    /// Settles it without an outcome: the sender's default applies.
    pub fn settle(mut self) -> Result<()> {
        if core::mem::take(&mut self.is_undecided) { self.guard.settle(self.key()) } else { Ok(()) }
    }

    /// Returns a handle of the same delivery for the work on it, which tells nothing when it is dropped.
    #[doc(hidden)]
    pub fn lent(&self) -> Self {
        Self::new(Arc::clone(&self.guard), self.received.clone(), OnDrop::Keep)
    }

    /// Tells what has come of the work on it, unless the work has decided by itself.
    #[doc(hidden)]
    pub fn conclude<E: fmt::Display>(self, result: core::result::Result<(), E>, on_failure: OnFailure) {
        let outcome = match result {
            Ok(()) => Outcome::Accepted,
            Err(error) => on_failure.outcome(self.received.failed_before(), &error),
        };
        // It may be decided; or its link is over, which the next receive tells.
        let _ = self.dispose(&outcome.into());
    }

    /// Leaves the decision to whoever has the key: dropping this tells nothing any more.
    pub fn into_undecided(mut self) -> DeliveryKey {
        self.is_undecided = false;
        self.key()
    }
}

/// Returns the outcome of a message that is invalid.
pub(super) fn rejected(error: Option<wire::AmqpError>) -> DeliveryState {
    Outcome::from(Rejected { error: error.map(Box::new) }).into()
}

impl<W: Wake> Drop for Delivery<W> {
    fn drop(&mut self) {
        if self.is_undecided
            && let Some(outcome) = self.on_drop.outcome(std::thread::panicking())
        {
            // A link that is over has lost it, and it goes elsewhere.
            let _ = self.guard.dispose(self.key(), &outcome.into());
        }
    }
}

impl<W: Wake> fmt::Debug for Delivery<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.received, f)
    }
}
