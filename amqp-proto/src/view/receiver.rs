//! [`ReceiverMut`]: what can be done with a link on which this end receives.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::link::link_methods;
use crate::config::{OnDrop, ReceiverOptions};
use crate::machine::{
    Delivery, EndOptions, Endpoints, FlowError, Link, LinkEnd, LinkError, Part, ReadError, Receiver,
    SettleError, StaleKey, decode,
};
use crate::types::{DeliveryKey, ReceiverKey, SequenceNo, SessionKey, Str, Symbol, TransactionId};
use crate::wire::{
    AmqpError, Attach, DeliveryState, Modified, Outcome, ReceiverSettleMode, Rejected, SenderSettleMode,
    TransactionalState,
};

/// A link on which this end receives.
#[derive(Debug)]
pub struct ReceiverMut<'a> {
    endpoints: &'a mut Endpoints,
    key: ReceiverKey,
}

impl<'a> ReceiverMut<'a> {
    #[inline]
    pub(crate) fn new(endpoints: &'a mut Endpoints, key: ReceiverKey) -> Result<Self, StaleKey> {
        match endpoints.links.get(key.0) {
            Some(Link { end: LinkEnd::Receiver(_), is_polled: false, .. }) => Ok(Self { endpoints, key }),
            _ => Err(StaleKey),
        }
    }

    link_methods!(ReceiverOptions, Receiver);

    fn end(&self) -> Option<&Receiver> {
        match &self.link()?.end {
            LinkEnd::Receiver(receiver) => Some(receiver),
            LinkEnd::Sender(_) => None,
        }
    }

    /// Takes the oldest message, if it is complete. That makes room in the session's window and, on a link that asks
    /// ahead, for more credit.
    #[inline]
    pub fn receive(&mut self) -> Option<Delivery> {
        self.endpoints.receive(self.key.0.index)
    }

    /// Takes what has come of a message, complete or not, since the last call.
    pub fn read(&mut self, delivery: DeliveryKey) -> Result<Part, ReadError> {
        self.endpoints.read(self.index(), delivery)
    }

    /// The message was processed [3.4.2]. Settles it, unless that is the sender's to do first [2.6.12].
    #[inline]
    pub fn accept(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.dispose(delivery, &Outcome::Accepted.into())
    }

    /// The message is invalid [3.4.3].
    pub fn reject(
        &mut self,
        delivery: DeliveryKey,
        error: impl Into<Option<AmqpError>>,
    ) -> Result<(), SettleError> {
        let error = error.into().map(Box::new);
        self.dispose(delivery, &Outcome::from(Rejected { error }).into())
    }

    /// The message was not processed and may go elsewhere, unchanged [3.4.4].
    pub fn release(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.dispose(delivery, &Outcome::Released.into())
    }

    /// The message was not processed and may go elsewhere, changed [3.4.5].
    pub fn modify(&mut self, delivery: DeliveryKey, modified: Modified) -> Result<(), SettleError> {
        self.dispose(delivery, &Outcome::from(modified).into())
    }

    /// Tells a state: an outcome, how much has been received, or the part in a transaction. An outcome settles the
    /// delivery, unless that is the sender's to do first; so does the outcome within a transaction, after which the
    /// delivery cannot be retired again if that is rolled back: see [`retire`](Self::retire).
    #[inline]
    pub fn dispose(&mut self, delivery: DeliveryKey, state: &DeliveryState) -> Result<(), SettleError> {
        let settles = match state {
            DeliveryState::Outcome(_) => true,
            DeliveryState::Transactional(inner) => {
                return self.endpoints.retire(self.index(), delivery, state, inner.outcome.is_some());
            }
            DeliveryState::Received(_) => false,
        };
        self.endpoints.dispose(self.key.0.index, delivery, Some(state), settles)
    }

    /// Retires a delivery within a transaction without settling it [4.4.2]: the outcome applies when the transaction is
    /// discharged. If that fails, or is a rollback, the delivery is as it was before and can be retired again or get an
    /// outcome. The sender settles it once the outcome applies; [`settle`](Self::settle) does where it does not.
    pub fn retire(
        &mut self,
        delivery: DeliveryKey,
        transaction: TransactionId,
        outcome: impl Into<Outcome>,
    ) -> Result<(), SettleError> {
        let state =
            TransactionalState { outcome: Some(outcome.into()), ..TransactionalState::new(transaction) };
        self.endpoints.retire(self.index(), delivery, &DeliveryState::Transactional(Box::new(state)), false)
    }

    /// Settles a delivery without an outcome: the sender's default applies [3.5.3].
    ///
    /// # Errors
    ///
    /// [`SettleError::Second`] where the receiver settles second: it settles when the sender has, by itself.
    pub fn settle(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.endpoints.dispose(self.index(), delivery, None, true)
    }

    /// Accepts all messages that are unsettled and have no outcome yet.
    pub fn accept_all(&mut self) {
        let all: Vec<DeliveryKey> = self.unsettled().collect();
        for delivery in all {
            // Those that have an outcome keep it.
            let _ = self.accept(delivery);
        }
    }

    /// Releases every message that has come and was not taken, and asks for no more ahead until credit is set again.
    /// Messages that the sender has settled stay to be taken.
    pub fn release_untaken(&mut self) {
        self.endpoints.release_untaken(self.index());
    }

    /// Grants credit for so many messages in all, whatever there was before [2.6.7]. The peer is told with the
    /// next output. Without credit no more is granted ahead until some is set again.
    pub fn set_credit(&mut self, messages: u32) -> Result<(), FlowError> {
        self.endpoints.set_credit(self.index(), messages)
    }

    /// Grants credit for so many more messages.
    pub fn add_credit(&mut self, messages: u32) -> Result<(), FlowError> {
        self.set_credit(self.credit().saturating_add(messages))
    }

    /// Takes all credit back [2.6.10]. What is on the way still comes, before the sender's echo, of which
    /// [`Event::Stopped`](crate::Event::Stopped) tells. No more is granted ahead until credit is set again.
    pub fn stop(&mut self) -> Result<(), FlowError> {
        self.endpoints.stop(self.index())
    }

    /// Asks the sender to use the credit that there is now or give it back [2.6.7];
    /// [`Event::Drained`](crate::Event::Drained) follows once, when there is none left and what came for it is
    /// complete. No more is granted ahead until credit is set again.
    pub fn drain(&mut self) -> Result<(), FlowError> {
        self.endpoints.drain(self.index())
    }

    /// Asks the sender for its state [2.7.4].
    pub fn echo(&mut self) -> Result<(), FlowError> {
        self.endpoints.echo(self.index())
    }

    /// Returns how many more messages may come.
    pub fn credit(&self) -> u32 {
        self.end().map_or(0, |receiver| receiver.credit.credit())
    }

    /// Returns how many messages wait at the sender, as far as it has said [2.6.7].
    pub fn available(&self) -> u32 {
        self.end().map_or(0, |receiver| receiver.credit.available())
    }

    /// Returns how many deliveries the sender has sent, from where its count started; `None` before its attach is
    /// in.
    pub fn delivery_count(&self) -> Option<SequenceNo> {
        self.end().and_then(|receiver| receiver.credit.count())
    }

    /// Returns whether messages are accepted for the application once they have been handled, unless it has
    /// decided.
    pub fn is_auto_accept(&self) -> bool {
        self.end().is_some_and(|receiver| !receiver.manual_accept)
    }

    /// Returns what is told about a message whose handle is dropped undecided.
    pub fn on_drop(&self) -> OnDrop {
        self.end().map_or(OnDrop::Keep, |receiver| receiver.on_drop)
    }

    /// Returns whether messages are told of by their first frames, to be read in pieces.
    pub fn is_streaming(&self) -> bool {
        self.end().is_some_and(|receiver| receiver.streaming)
    }

    /// Returns the unsettled deliveries, the oldest first.
    pub fn unsettled(&self) -> impl Iterator<Item = DeliveryKey> + '_ {
        self.endpoints.unsettled(self.index())
    }
}
