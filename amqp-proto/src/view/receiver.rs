//! [`ReceiverMut`]: the commands of a link on which this end receives.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::link::link_methods;
use crate::config::{OnDrop, ReceiverOptions};
use crate::machine::{
    Delivery, EndOptions, Endpoints, FlowError, Link, LinkEnd, LinkError, LinkState, Part, ReadError,
    Receiver, SettleError, StaleKey, decode, state_in,
};
use crate::types::{DeliveryKey, Fields, ReceiverKey, SequenceNo, SessionKey, Str, Symbol, TransactionId};
use crate::wire::{
    AmqpError, Attach, DeliveryState, Modified, Outcome, ReceiverSettleMode, Rejected, Role, SenderSettleMode,
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

    /// Accepts a control link that the peer has attached: its messages declare and discharge transactions, and the
    /// engine handles them as the coordinator [4.2].
    ///
    /// [`TransactionMut`](crate::TransactionMut) says how an application works with the coordinator.
    ///
    /// # Errors
    ///
    /// [`LinkError::NoTerminus`] if the peer does not ask for a coordinator. For the others see
    /// [`accept_link`](Self::accept_link).
    pub fn accept_coordinator(&mut self) -> Result<(), LinkError> {
        self.endpoints.accept_coordinator(self.index())
    }

    /// Returns the oldest message, or `None` if no message is complete.
    ///
    /// Taking a message makes room in the session's window. On a link with prefetch, it also renews the
    /// credit.
    ///
    /// # Examples
    ///
    /// The example of [`Connection`](crate::Connection) receives and accepts a message.
    #[inline]
    pub fn receive(&mut self) -> Option<Delivery> {
        self.endpoints.receive(self.key.0.index)
    }

    /// Returns `true` if messages, or parts of one, have arrived and were not taken.
    pub fn has_unread(&self) -> bool {
        self.end().is_some_and(|receiver| !receiver.inbox.is_empty())
    }

    /// Returns the octets of a message that have arrived since the last call; the message may be incomplete.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoDelivery`] if the message was read to its end or does not exist,
    /// [`ReadError::WrongLink`] if the delivery is not of this link.
    pub fn read(&mut self, delivery: DeliveryKey) -> Result<Part, ReadError> {
        self.endpoints.read(self.index(), delivery)
    }

    /// Accepts a delivery: the message was processed [3.4.2].
    ///
    /// The delivery is settled, unless the receiver settles second [2.6.12].
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    #[inline]
    pub fn accept(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.dispose(delivery, &Outcome::Accepted.into())
    }

    /// Rejects a delivery: the message is invalid [3.4.3].
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    pub fn reject(
        &mut self,
        delivery: DeliveryKey,
        error: impl Into<Option<AmqpError>>,
    ) -> Result<(), SettleError> {
        let error = error.into().map(Box::new);
        self.dispose(delivery, &Outcome::from(Rejected { error }).into())
    }

    /// Releases a delivery: the message was not processed and may be delivered again, unchanged [3.4.4].
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    pub fn release(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.dispose(delivery, &Outcome::Released.into())
    }

    /// Modifies a delivery: the message was not processed and may be delivered again, with changes [3.4.5].
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    pub fn modify(&mut self, delivery: DeliveryKey, modified: Modified) -> Result<(), SettleError> {
        self.dispose(delivery, &Outcome::from(modified).into())
    }

    /// Sends the state of a delivery: an outcome, the part received, or the state in a transaction.
    ///
    /// An outcome settles the delivery, unless the receiver settles second. An outcome within a transaction
    /// settles it, too; then the delivery cannot be retired again after a rollback: see
    /// [`retire`](Self::retire).
    ///
    /// # Errors
    ///
    /// [`SettleError::Settled`] if the delivery is settled, [`SettleError::Decided`] if it has an outcome
    /// already, [`SettleError::Discharged`] if its transaction is over or is being discharged,
    /// [`SettleError::WrongLink`] if it is not of this link, [`SettleError::Ended`] if this end has
    /// closed the link, its session or the connection, [`SettleError::Second`] if the sender must settle
    /// first.
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

    /// Retires a delivery within a transaction, without settling it [4.4.2].
    ///
    /// The outcome applies when the transaction is committed, and the sender then settles the delivery. If
    /// the transaction fails or is rolled back, the delivery is as before: it can be retired again or get an
    /// outcome.
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    pub fn retire(
        &mut self,
        delivery: DeliveryKey,
        transaction: TransactionId,
        outcome: impl Into<Outcome>,
    ) -> Result<(), SettleError> {
        let state = state_in(transaction, Some(outcome.into()));
        self.endpoints.retire(self.index(), delivery, &state, false)
    }

    /// Settles a delivery without an outcome: the sender applies its default outcome [3.5.3].
    ///
    /// # Errors
    ///
    /// [`SettleError::Second`] if the receiver settles second; the engine then settles after the sender. For
    /// the others see [`dispose`](Self::dispose).
    pub fn settle(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.endpoints.dispose(self.index(), delivery, None, true)
    }

    /// Accepts all unsettled messages that have no outcome yet.
    pub fn accept_all(&mut self) {
        let all: Vec<DeliveryKey> = self.unsettled().collect();
        for delivery in all {
            // A delivery with an outcome keeps it.
            let _ = self.accept(delivery);
        }
    }

    /// Releases all messages that have arrived and were not read, and grants no credit until credit is set
    /// again.
    ///
    /// Messages that the sender has settled stay readable.
    pub fn release_untaken(&mut self) {
        self.endpoints.release_untaken(self.index());
    }

    /// Sets the credit: the number of messages that the sender may send from now on [2.6.7].
    ///
    /// The credit is sent with the next output. With 0, prefetch stops until credit is set again.
    ///
    /// # Errors
    ///
    /// [`FlowError::Detached`] if the link is not attached.
    pub fn set_credit(&mut self, messages: u32) -> Result<(), FlowError> {
        self.endpoints.set_credit(self.index(), messages)
    }

    /// Adds to the credit.
    ///
    /// # Errors
    ///
    /// [`FlowError::Detached`] if the link is not attached.
    pub fn add_credit(&mut self, messages: u32) -> Result<(), FlowError> {
        self.set_credit(self.credit().saturating_add(messages))
    }

    /// Withdraws all credit [2.6.10].
    ///
    /// Messages that are on the way still arrive, before the sender's answer.
    /// [`Event::Stopped`](crate::Event::Stopped) reports the answer. Prefetch stops until credit is set
    /// again.
    ///
    /// # Errors
    ///
    /// [`FlowError::Detached`] if the link is not attached.
    pub fn stop(&mut self) -> Result<(), FlowError> {
        self.endpoints.stop(self.index())
    }

    /// Asks the sender to use its credit now or return it [2.6.7].
    ///
    /// [`Event::Drained`](crate::Event::Drained) follows once, when no credit is left and the last message is
    /// complete. Prefetch stops until credit is set again.
    ///
    /// # Errors
    ///
    /// [`FlowError::Detached`] if the link is not attached.
    pub fn drain(&mut self) -> Result<(), FlowError> {
        self.endpoints.drain(self.index())
    }

    /// Asks the sender for its state [2.7.4].
    ///
    /// # Errors
    ///
    /// [`FlowError::Detached`] if the link is not attached.
    pub fn echo(&mut self) -> Result<(), FlowError> {
        self.endpoints.echo(self.index())
    }

    /// Returns the number of messages that the sender may still send.
    pub fn credit(&self) -> u32 {
        self.end().map_or(0, |receiver| receiver.credit.credit())
    }

    /// Returns the number of messages that are ready at the sender, as last announced [2.6.7].
    pub fn available(&self) -> u32 {
        self.end().map_or(0, |receiver| receiver.credit.available())
    }

    /// Returns the sender's delivery-count, or `None` before the sender's attach has arrived.
    pub fn delivery_count(&self) -> Option<SequenceNo> {
        self.end().and_then(|receiver| receiver.credit.count())
    }

    /// Returns `true` if handled messages without an outcome are accepted.
    pub fn is_auto_accept(&self) -> bool {
        self.end().is_some_and(|receiver| !receiver.manual_accept)
    }

    /// Returns the outcome of a message whose handle is dropped undecided.
    pub fn on_drop(&self) -> OnDrop {
        self.end().map_or(OnDrop::Keep, |receiver| receiver.on_drop)
    }

    /// Returns `true` if messages are reported at their first frame, to be read in pieces.
    pub fn is_streaming(&self) -> bool {
        self.end().is_some_and(|receiver| receiver.streaming)
    }

    /// Returns the unsettled deliveries, oldest first.
    pub fn unsettled(&self) -> impl Iterator<Item = DeliveryKey> + '_ {
        self.endpoints.unsettled(self.index())
    }
}
