//! [`SenderMut`]: the commands of a link on which this end sends.

use bytes::Bytes;

use super::link::link_methods;
use crate::config::{SendOptions, SenderOptions};
use crate::machine::{
    EndOptions, Endpoints, FlowError, Link, LinkEnd, LinkError, LinkState, SendError, Sender, SendingEnd,
    SettleError, StaleKey, TransactionError, decode,
};
use crate::message::{Message, Payload};
use crate::types::{DeliveryKey, Fields, SenderKey, SequenceNo, SessionKey, Str, Symbol, TransactionKey};
use crate::wire::{AmqpError, Attach, DeliveryState, ReceiverSettleMode, Role, SenderSettleMode};

/// A link on which this end sends.
#[derive(Debug)]
pub struct SenderMut<'a> {
    endpoints: &'a mut Endpoints,
    key: SenderKey,
}

impl<'a> SenderMut<'a> {
    #[inline]
    pub(crate) fn new(endpoints: &'a mut Endpoints, key: SenderKey) -> Result<Self, StaleKey> {
        match endpoints.links.get(key.0) {
            Some(Link { end: LinkEnd::Sender(_), is_polled: false, .. }) => Ok(Self { endpoints, key }),
            _ => Err(StaleKey),
        }
    }

    link_methods!(SenderOptions, Sender);

    fn end(&self) -> Option<&Sender> {
        match &self.link()?.end {
            LinkEnd::Sender(sender) => Some(sender),
            LinkEnd::Receiver(_) => None,
        }
    }

    /// Sends a message, and returns the key of the delivery.
    ///
    /// [`Event::Updated`](crate::Event::Updated) reports the outcome. A refused send uses no credit. Octets
    /// that do not fit in one transfer, or in the output, stay in the engine and follow later.
    ///
    /// # Errors
    ///
    /// [`SendError`]: `Detached`, `NoCredit`, `WindowClosed`, `Full` or `Incomplete` if the link cannot send
    /// now; `Unsettled` or `Kept` if too many deliveries, or octets of them, are unsettled; `TooLarge` or
    /// `Unencodable` for the message itself. After an error that passes,
    /// [`Event::Sendable`](crate::Event::Sendable) follows.
    ///
    /// # Examples
    ///
    /// The example of [`Connection`](crate::Connection) sends a message.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<DeliveryKey, SendError> {
        self.send_with(&message.into(), &SendOptions::new())
    }

    /// Sends a message with options.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); also [`SendError::SettleMode`] and [`SendError::TagInUse`] for the options.
    pub fn send_with(&mut self, message: &Message, options: &SendOptions) -> Result<DeliveryKey, SendError> {
        self.endpoints.send_message(self.index(), message, options)
    }

    /// Sends a message that is one data section with these octets.
    ///
    /// The result is that of [`send_with`](Self::send_with) with `Message::from(data)`, at a lower cost.
    ///
    /// # Errors
    ///
    /// As [`send_with`](Self::send_with).
    #[inline]
    pub fn send_data(&mut self, data: &Bytes, options: &SendOptions) -> Result<DeliveryKey, SendError> {
        self.endpoints.send_data(self.index(), data, options)
    }

    /// Sends an encoded message, or a message of another format. Large chunks are not copied.
    ///
    /// # Errors
    ///
    /// As [`send_with`](Self::send_with).
    #[inline]
    pub fn send_payload(
        &mut self,
        payload: &Payload,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        self.endpoints.send(self.index(), payload, options)
    }

    /// Begins a delivery in pieces of any total length.
    ///
    /// [`write`](Self::write) adds octets; [`finish`](Self::finish) or [`abort`](Self::abort) ends the
    /// delivery. The link sends no other delivery in between [2.6.14].
    ///
    /// # Errors
    ///
    /// As [`send_with`](Self::send_with).
    pub fn begin_delivery(&mut self, options: &SendOptions) -> Result<DeliveryKey, SendError> {
        self.endpoints.begin_delivery(self.index(), options)
    }

    /// Adds octets to the delivery that was begun.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] while too many octets wait to be written, [`SendError::Kept`] while too many are
    /// unsettled; then [`Event::Sendable`](crate::Event::Sendable) follows. [`SendError::TooLarge`] if the message exceeds
    /// the peer's maximum, [`SendError::NoDelivery`] if no delivery is begun, [`SendError::Detached`] if the
    /// link is not attached.
    pub fn write(&mut self, octets: impl Into<Bytes>) -> Result<(), SendError> {
        self.endpoints.send_part(self.index(), [octets.into()])
    }

    /// Adds a data section with these octets to the delivery that was begun.
    ///
    /// The sections before the body, if there are any, come first, by [`write`](Self::write): those of a message
    /// with an empty body, `Message::from(b"")`. A body may have any number of data sections [3.2.6].
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); also [`SendError::Unencodable`] for more octets than a section can have.
    pub fn write_data(&mut self, octets: impl Into<Bytes>) -> Result<(), SendError> {
        self.endpoints.send_data_part(self.index(), octets.into())
    }

    /// Completes the delivery that was begun.
    ///
    /// # Errors
    ///
    /// [`SendError::NoDelivery`] if no delivery is begun, [`SendError::Detached`] if the link is not
    /// attached.
    pub fn finish(&mut self) -> Result<(), SendError> {
        self.endpoints.end_delivery(self.index(), SendingEnd::Complete)
    }

    /// Aborts the delivery that was begun: the receiver discards it, and it is settled [2.6.14].
    ///
    /// # Errors
    ///
    /// [`SendError::NoDelivery`] if no delivery is begun, [`SendError::Detached`] if the link is not
    /// attached.
    pub fn abort(&mut self) -> Result<(), SendError> {
        self.endpoints.end_delivery(self.index(), SendingEnd::Aborted)
    }

    /// Declares a transaction, on a control link: one whose options are
    /// [`SenderOptions::to_coordinator`] [4.2].
    ///
    /// The declare is sent when there is credit, and [`Event::Declared`](crate::Event::Declared) reports the
    /// transaction. The end of the control link ends its transactions.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Detached`] if the link is not attached, [`TransactionError::NotCoordinator`] if it does not
    /// lead to a coordinator, [`TransactionError::Limit`] if there are too many transactions.
    pub fn declare(&mut self) -> Result<TransactionKey, TransactionError> {
        self.endpoints.declare(self.index()).map(TransactionKey)
    }

    /// Settles a delivery: this end knows the outcome, or does not need it [2.6.12].
    ///
    /// # Errors
    ///
    /// [`SettleError::Settled`] if the delivery is settled, [`SettleError::WrongLink`] if it is not of this
    /// link, [`SettleError::Ended`] if this end has closed the link, its session or the connection.
    pub fn settle(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.endpoints.dispose(self.index(), delivery, None, true)
    }

    /// Sends the state of a delivery at this end, such as an outcome that the sender has determined itself
    /// [2.6.12].
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle); also [`SettleError::Decided`] if this end has sent an outcome already,
    /// [`SettleError::Received`] for the state `received`, which only receivers send.
    pub fn update(&mut self, delivery: DeliveryKey, state: &DeliveryState) -> Result<(), SettleError> {
        if matches!(state, DeliveryState::Received(_)) {
            return Err(SettleError::Received);
        }
        self.endpoints.dispose(self.index(), delivery, Some(state), false)
    }

    /// Announces the number of messages that wait for credit [2.6.7].
    ///
    /// # Errors
    ///
    /// [`FlowError::Detached`] if the link is not attached.
    pub fn set_available(&mut self, messages: u32) -> Result<(), FlowError> {
        self.endpoints.set_available(self.index(), messages)
    }

    /// Answers the receiver's drain request: returns the unused credit, since there are no messages to send
    /// [2.6.7].
    ///
    /// The answer follows the delivery that is being sent, if any. This command is for links without
    /// [auto-drain](SenderOptions::with_auto_drain). The engine answers without it when all credit is used.
    ///
    /// # Errors
    ///
    /// [`FlowError::Detached`] if the link is not attached.
    pub fn drained(&mut self) -> Result<(), FlowError> {
        self.endpoints.drained(self.index())
    }

    /// Returns the credit: the number of messages that the receiver accepts.
    pub fn credit(&self) -> u32 {
        self.end().map_or(0, |sender| sender.credit.credit())
    }

    /// Returns `true` if the receiver asks for the return of unused credit.
    pub fn is_draining(&self) -> bool {
        self.end().is_some_and(|sender| sender.credit.drain())
    }

    /// Returns the link's delivery-count [2.6.7].
    pub fn delivery_count(&self) -> SequenceNo {
        self.end().map(|sender| sender.credit.count()).unwrap_or_default()
    }

    /// Returns `true` if a message can be sent now, unsettled unless the link sends all settled. Otherwise
    /// [`Event::Sendable`](crate::Event::Sendable) follows, as after a refused send.
    pub fn is_sendable(&mut self) -> bool {
        self.endpoints.ask_to_send(self.index())
    }

    /// Returns `true` if a delivery of the link is not yet completely written.
    pub fn is_sending(&self) -> bool {
        self.end().is_some_and(|sender| sender.sending.is_some())
    }

    /// Returns `true` if a delivery is [begun](Self::begin_delivery) and not ended.
    pub(crate) fn is_writing(&self) -> bool {
        let sending = self.end().and_then(|sender| sender.sending.as_ref());
        sending.is_some_and(|sending| sending.end == SendingEnd::Open)
    }

    /// Returns the size of the largest message that the receiver accepts, in octets; `None` for any size
    /// [2.7.3].
    pub fn max_message_size(&self) -> Option<u64> {
        self.end().and_then(|sender| sender.max_message_size)
    }

    /// Returns the unsettled deliveries, oldest first.
    pub fn unsettled(&self) -> impl Iterator<Item = DeliveryKey> + '_ {
        self.endpoints.unsettled(self.index())
    }
}
