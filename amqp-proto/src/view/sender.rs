//! [`SenderMut`]: what can be done with a link on which this end sends.

use bytes::Bytes;

use super::link::link_methods;
use crate::config::{SendOptions, SenderOptions};
use crate::machine::{
    EndOptions, Endpoints, FlowError, Link, LinkEnd, LinkError, SendError, Sender, SendingEnd, SettleError,
    StaleKey, decode,
};
use crate::message::{Message, Payload};
use crate::types::{DeliveryKey, SenderKey, SequenceNo, SessionKey, Str, Symbol};
use crate::wire::{AmqpError, Attach, DeliveryState, ReceiverSettleMode, SenderSettleMode};

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

    /// Sends a message. The key is the delivery's, whose outcome comes as
    /// [`Event::Updated`](crate::Event::Updated).
    ///
    /// Credit is used when the message is taken, never before: a refused send costs nothing. What does not fit in
    /// one transfer, or in the output, stays in the engine and follows.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<DeliveryKey, SendError> {
        self.send_with(&message.into(), &SendOptions::new())
    }

    /// Sends a message, as the options say.
    pub fn send_with(&mut self, message: &Message, options: &SendOptions) -> Result<DeliveryKey, SendError> {
        self.endpoints.send_message(self.index(), message, options)
    }

    /// Sends a message that is these octets and nothing else: what [`send_with`](Self::send_with) does for
    /// `Message::from(data)`, at less cost.
    #[inline]
    pub fn send_data(&mut self, data: &Bytes, options: &SendOptions) -> Result<DeliveryKey, SendError> {
        self.endpoints.send_data(self.index(), data, options)
    }

    /// Sends a message that is encoded already, or of another format. Octets in large chunks are never copied.
    #[inline]
    pub fn send_payload(
        &mut self,
        payload: &Payload,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        self.endpoints.send(self.index(), payload, options)
    }

    /// Begins a delivery whose octets come later, however many: [`write`](Self::write) them, then
    /// [`finish`](Self::finish) or [`abort`](Self::abort). The link sends no other in between [2.6.14].
    pub fn begin_delivery(&mut self, options: &SendOptions) -> Result<DeliveryKey, SendError> {
        self.endpoints.begin_delivery(self.index(), options)
    }

    /// Adds octets to the delivery that was begun.
    ///
    /// [`SendError::Full`] when enough of it waits to be written; [`Event::Sendable`](crate::Event::Sendable)
    /// follows.
    pub fn write(&mut self, octets: impl Into<Bytes>) -> Result<(), SendError> {
        self.endpoints.send_part(self.index(), octets.into())
    }

    /// The delivery that was begun is complete.
    pub fn finish(&mut self) -> Result<(), SendError> {
        self.endpoints.end_delivery(self.index(), SendingEnd::Complete)
    }

    /// Gives the delivery up that was begun: the receiver drops what it has of it, and it is settled [2.6.14].
    pub fn abort(&mut self) -> Result<(), SendError> {
        self.endpoints.end_delivery(self.index(), SendingEnd::Aborted)
    }

    /// Settles a delivery: its outcome is of no interest any more, or is known [2.6.12].
    pub fn settle(&mut self, delivery: DeliveryKey) -> Result<(), SettleError> {
        self.endpoints.dispose(self.index(), delivery, None, true)
    }

    /// Tells the state of a delivery at this end, such as an outcome that it has come to by itself [2.6.12].
    pub fn update(&mut self, delivery: DeliveryKey, state: &DeliveryState) -> Result<(), SettleError> {
        self.endpoints.dispose(self.index(), delivery, Some(state), false)
    }

    /// Tells the receiver how many messages wait for credit [2.6.7].
    pub fn set_available(&mut self, messages: u32) -> Result<(), FlowError> {
        self.endpoints.set_available(self.index(), messages)
    }

    /// Gives back the credit that is to be drained: there is nothing to send [2.6.7]. That answers the drain, after the
    /// delivery that is being sent if there is one. Only for links that do not drain by themselves; those answer by
    /// themselves, too, once all credit is used.
    pub fn drained(&mut self) -> Result<(), FlowError> {
        self.endpoints.drained(self.index())
    }

    /// Returns how many messages the receiver takes.
    pub fn credit(&self) -> u32 {
        self.end().map_or(0, |sender| sender.credit.credit())
    }

    /// Returns whether the receiver wants back what credit cannot be used.
    pub fn is_draining(&self) -> bool {
        self.end().is_some_and(|sender| sender.credit.drain())
    }

    /// Returns how many deliveries the link has sent, from where its count started [2.6.7].
    pub fn delivery_count(&self) -> SequenceNo {
        self.end().map(|sender| sender.credit.count()).unwrap_or_default()
    }

    /// Returns whether a message would be taken now. Where not, [`Event::Sendable`](crate::Event::Sendable) follows when
    /// one would be, as after a send that is refused.
    pub fn is_sendable(&mut self) -> bool {
        self.endpoints.ask_to_send(self.index())
    }

    /// Returns whether a delivery of the link is not written to its end.
    pub fn is_sending(&self) -> bool {
        self.end().is_some_and(|sender| sender.sending.is_some())
    }

    /// Returns whether more octets can be written of a delivery that was [begun](Self::begin_delivery).
    pub(crate) fn is_writing(&self) -> bool {
        let sending = self.end().and_then(|sender| sender.sending.as_ref());
        sending.is_some_and(|sending| sending.end == SendingEnd::Open)
    }

    /// Returns the largest message that the receiver takes, in octets; `None` for any [2.7.3].
    pub fn max_message_size(&self) -> Option<u64> {
        self.end().and_then(|sender| sender.max_message_size)
    }

    /// Returns the unsettled deliveries, the oldest first.
    pub fn unsettled(&self) -> impl Iterator<Item = DeliveryKey> + '_ {
        self.endpoints.unsettled(self.index())
    }
}
