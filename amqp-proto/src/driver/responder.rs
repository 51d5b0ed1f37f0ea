//! [`Responder`]: receives requests, and keeps the links for their replies.

use alloc::sync::Arc;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::delivery::Delivery;
use super::receiver::Receiver;
use super::sender::Sender;
use super::session::{Home, Session};
use super::wake::Wake;
use crate::client::{Error, Result, SenderSettings};
use crate::message::{Message, MessageView};
use crate::policy::{Recent, answer_to};
use crate::types::Str;
use crate::wire::Properties;

/// The number of links for replies that are kept.
const MOST: usize = 64;

/// Receives requests on one link, and keeps the links for their replies.
#[derive(Debug)]
pub struct Responder<W: Wake> {
    receiver: Receiver<W>,
    ways: Arc<Ways<W>>,
}

/// The links for replies.
#[derive(Debug)]
struct Ways<W: Wake> {
    session: Session<W>,
    /// The link to the anonymous relay, for all addresses.
    relay: Option<Sender<W>>,
    /// The links for single addresses.
    senders: Mutex<Recent<Sender<W>>>,
}

impl<W: Wake> Clone for Responder<W> {
    fn clone(&self) -> Self {
        Self { receiver: self.receiver.clone(), ways: Arc::clone(&self.ways) }
    }
}

impl<W: Wake> Responder<W> {
    /// Returns a responder on a link. Replies go to the anonymous relay, if given, else on a link for each address,
    /// on the session.
    pub fn new(receiver: Receiver<W>, session: Session<W>, relay: Option<Sender<W>>) -> Self {
        let ways = Ways { session, relay, senders: Mutex::new(Recent::new(MOST)) };
        Self { receiver, ways: Arc::new(ways) }
    }

    /// Returns the link on which requests arrive.
    pub fn receiver(&self) -> &Receiver<W> {
        &self.receiver
    }

    /// Turns a delivery into a request. Rejects a message of another format, and returns `None`.
    ///
    /// # Errors
    ///
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over.
    pub fn take(this: &Self, delivery: Delivery<W>) -> Result<Option<Request<W>>> {
        let read = delivery.message().and_then(|message| Ok((message.properties()?, message)));
        let Ok((properties, message)) = read else {
            delivery.reject(None)?;
            return Ok(None);
        };
        Ok(Some(Request { delivery, message, properties, ways: Arc::clone(&this.ways) }))
    }
}

/// A request that waits for its reply. Dropping it without an outcome releases it, like a [`Delivery`].
#[must_use = "a request that is dropped with nothing decided is released"]
pub struct Request<W: Wake> {
    delivery: Delivery<W>,
    message: MessageView,
    properties: Properties,
    ways: Arc<Ways<W>>,
}

impl<W: Wake> Request<W> {
    /// Returns the message.
    pub fn message(&self) -> &MessageView {
        &self.message
    }

    /// Returns the properties of the message, such as the [reply-to](Properties::reply_to).
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Returns the delivery of the request, to set its outcome.
    pub fn into_delivery(this: Self) -> Delivery<W> {
        this.delivery
    }

    /// Turns a message into the reply to this request.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if the request has no reply-to.
    pub fn answer(this: &Self, message: impl Into<Message>) -> Result<Answer<'_, W>> {
        let message = answer_to(&this.properties, message)?;
        let address = message.properties().to.clone().unwrap_or_default();
        Ok(Answer { ways: &this.ways, message, address })
    }
}

impl<W: Wake> fmt::Debug for Request<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("properties", &self.properties).finish_non_exhaustive()
    }
}

/// A reply to be sent.
#[derive(Debug)]
pub struct Answer<'a, W: Wake> {
    ways: &'a Ways<W>,
    message: Message,
    address: Str,
}

impl<W: Wake> Answer<'_, W> {
    /// Returns the message.
    pub fn message(&self) -> Message {
        self.message.clone()
    }

    /// Returns the link to the reply's address; `None` if one must be attached and [kept](Self::keep).
    pub fn sender(&self) -> Option<Sender<W>> {
        self.ways.relay.clone().or_else(|| self.ways.lock().get(&self.address).cloned())
    }

    /// Returns whether the reply was not sent because its link is over, as when its node was replaced: attach another
    /// link.
    pub fn is_stale(&self, error: &Error) -> bool {
        let is_stale = self.ways.relay.is_none() && matches!(error, Error::Link(_));
        if is_stale {
            let gone = self.ways.lock().remove(&self.address);
            drop(gone);
        }
        is_stale
    }

    /// Returns the place and the settings of a link for the reply.
    pub fn way(&self) -> (Home<W>, SenderSettings) {
        (Session::home(&self.ways.session), SenderSettings::to(self.address.clone()))
    }

    /// Keeps a link for further replies to the address. The least recently used link is dropped; it closes when its
    /// last reply is settled.
    pub fn keep(&self, sender: Sender<W>) {
        let spent = self.ways.lock().put(self.address.clone(), sender);
        drop(spent);
    }
}

impl<W: Wake> Ways<W> {
    fn lock(&self) -> MutexGuard<'_, Recent<Sender<W>>> {
        // No code under the lock can panic half-way. A removed value is dropped after unlocking.
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
