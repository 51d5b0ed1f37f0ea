//! [`Responder`]: requests that come, and the links that their answers go out on.

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
use crate::wire::{self, Properties};

/// How many links for answers are kept.
const MOST: usize = 64;

/// Receives requests over one link, and keeps the links for their answers.
#[derive(Debug)]
pub struct Responder<W: Wake> {
    receiver: Receiver<W>,
    ways: Arc<Ways<W>>,
}

/// The ways that answers go.
#[derive(Debug)]
struct Ways<W: Wake> {
    session: Session<W>,
    /// One for all.
    relay: Option<Sender<W>>,
    /// One for each address.
    senders: Mutex<Recent<Sender<W>>>,
}

impl<W: Wake> Clone for Responder<W> {
    fn clone(&self) -> Self {
        Self { receiver: self.receiver.clone(), ways: Arc::clone(&self.ways) }
    }
}

impl<W: Wake> Responder<W> {
    /// Takes requests from a link. Answers go out over the anonymous relay, if there is one, else over a link for each
    /// address on the session.
    pub fn new(receiver: Receiver<W>, session: Session<W>, relay: Option<Sender<W>>) -> Self {
        let ways = Ways { session, relay, senders: Mutex::new(Recent::new(MOST)) };
        Self { receiver, ways: Arc::new(ways) }
    }

    /// Returns the link that requests come over.
    pub fn receiver(&self) -> &Receiver<W> {
        &self.receiver
    }

    /// Makes a delivery a request. Returns `None` for what is no message of the standard's format: it is rejected.
    pub fn take(this: &Self, delivery: Delivery<W>) -> Result<Option<Request<W>>> {
        let read = delivery.message().and_then(|message| Ok((message.properties()?, message)));
        let Ok((properties, message)) = read else {
            delivery.reject(None)?;
            return Ok(None);
        };
        Ok(Some(Request { delivery, message, properties, ways: Arc::clone(&this.ways) }))
    }
}

/// A message that asks for an answer. Dropped with nothing decided it is released, as a [`Delivery`] is.
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

    /// Accepts the request without an answer, or after it [3.4.2].
    pub fn accept(this: Self) -> Result<()> {
        this.delivery.accept()
    }

    /// Rejects the request: it is invalid [3.4.3].
    pub fn reject(this: Self, error: Option<wire::AmqpError>) -> Result<()> {
        this.delivery.reject(error)
    }

    /// Releases the request unchanged, for another responder [3.4.4].
    pub fn release(this: Self) -> Result<()> {
        this.delivery.release()
    }

    /// Addresses a message as the answer to this request.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if no answer was asked for.
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

/// An answer that is to be sent.
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

    /// Returns the link that leads there; `None` if one is to be attached and [kept](Self::keep).
    pub fn sender(&self) -> Option<Sender<W>> {
        self.ways.relay.clone().or_else(|| self.ways.lock().get(&self.address).cloned())
    }

    /// Returns whether sending failed since the link is gone, perhaps with a node of this address that was before:
    /// another one is to be attached then.
    pub fn is_stale(&self, error: &Error) -> bool {
        let is_stale = self.ways.relay.is_none() && matches!(error, Error::Link(_));
        if is_stale {
            let gone = self.ways.lock().remove(&self.address);
            drop(gone);
        }
        is_stale
    }

    /// Returns where, and how, a link for the answer is to be attached.
    pub fn way(&self) -> (Home<W>, SenderSettings) {
        (Session::home(&self.ways.session), SenderSettings::to(self.address.clone()))
    }

    /// Keeps a link for further answers to the address. The one that was used least recently gives way: it closes when
    /// the last answer over it is through.
    pub fn keep(&self, sender: Sender<W>) {
        let spent = self.ways.lock().put(self.address.clone(), sender);
        drop(spent);
    }
}

impl<W: Wake> Ways<W> {
    fn lock(&self) -> MutexGuard<'_, Recent<Sender<W>>> {
        // Nothing in there can panic half way. What is taken out is dropped outside of the lock.
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
