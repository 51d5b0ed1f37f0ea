//! [`Requester`]: requests, and the answers to them.

use alloc::sync::Arc;
use core::task::Poll;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::delivery::Delivery;
use super::receiver::Receiver;
use super::sender::Sender;
use super::sent::Sent;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::message::Message;
use crate::policy::{Correlator, RequestError};
use crate::types::Str;
use crate::wire::{MessageId, Outcome};

/// How many requests may wait for their answers.
const MOST: usize = 1 << 16;

/// Sends requests over one link, and takes the answers to all of them from another.
///
/// There is no task for it: whoever waits takes what comes, and hands each answer to the request that it belongs to.
#[derive(Debug)]
pub struct Requester<W: Wake> {
    links: Arc<Links<W>>,
}

#[derive(Debug)]
struct Links<W: Wake> {
    sender: Sender<W>,
    receiver: Receiver<W>,
    asked: Mutex<Correlator<Asker<W>>>,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Asker<W: Wake> {
    place: Arc<Mutex<Answer<W>>>,
}

/// Where an answer is laid down.
#[derive(Debug)]
enum Answer<W: Wake> {
    Awaited(Option<W>),
    There(Option<Box<Delivery<W>>>),
}

impl<W: Wake> Clone for Requester<W> {
    fn clone(&self) -> Self {
        Self { links: Arc::clone(&self.links) }
    }
}

impl<W: Wake> Requester<W> {
    /// Sends requests over the one link; answers come over the other, from where nobody else may receive.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if the peer has not said where the receiver's messages come from.
    pub fn new(sender: Sender<W>, receiver: Receiver<W>) -> Result<Self> {
        let mut asked = Correlator::new(MOST);
        asked.set_reply_to(receiver.address().ok_or(RequestError::NoAddress)?);
        Ok(Self { links: Arc::new(Links { sender, receiver, asked: Mutex::new(asked) }) })
    }

    /// Makes a message a request. Dropping what this returns forgets the request.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if too many requests wait.
    pub fn ask(&self, message: impl Into<Message>) -> Result<(Message, Request<'_, W>)> {
        let place = Arc::new(Mutex::new(Answer::Awaited(None)));
        let asker = Asker { place: Arc::clone(&place) };
        let message = lock(&self.links.asked).request(message, None, asker)?;
        let id = message.properties().message_id.clone();
        Ok((message, Request { links: &self.links, place, id, sent: None }))
    }

    /// Sets the address that requests tell for their answers. A request that has a reply-to keeps it.
    pub fn set_reply_to(&self, address: impl Into<Str>) {
        lock(&self.links.asked).set_reply_to(address);
    }

    /// Returns the link that requests go out on.
    pub fn sender(&self) -> &Sender<W> {
        &self.links.sender
    }

    /// Returns the link that answers come in on.
    pub fn receiver(&self) -> &Receiver<W> {
        &self.links.receiver
    }

    /// Returns the address that answers come to.
    pub fn reply_to(&self) -> Option<Str> {
        lock(&self.links.asked).reply_to().cloned()
    }

    /// Returns how many requests wait for their answers.
    pub fn waiting(&self) -> usize {
        lock(&self.links.asked).len()
    }
}

/// A request that was made, and its answer to come.
#[derive(Debug)]
pub struct Request<'a, W: Wake> {
    links: &'a Links<W>,
    place: Arc<Mutex<Answer<W>>>,
    id: Option<MessageId>,
    sent: Option<Sent<W>>,
}

impl<'a, W: Wake> Request<'a, W> {
    /// Notes that the request is sent, so that its outcome is watched, too.
    pub fn set_sent(&mut self, sent: Sent<W>) {
        self.sent = Some(sent);
    }

    /// Waits for the answer; dropping what this returns forgets the request.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`] if the request has another outcome than accepted: no answer comes then. How the link
    /// ended, if that is before the answer.
    pub fn answer(self) -> impl FnMut(&W) -> Poll<Result<Delivery<W>>> + use<'a, W> {
        let mut next = self.links.receiver.recv();
        move |waiter| {
            loop {
                if let Poll::Ready(answer) = self.poll(waiter) {
                    return Poll::Ready(answer);
                }
                match next.poll(waiter) {
                    Poll::Ready(Ok(Some(answer))) => self.links.hand_over(answer),
                    Poll::Ready(Ok(None)) => return Poll::Ready(Err(self.links.receiver.over())),
                    Poll::Ready(Err(over)) => return Poll::Ready(Err(over)),
                    // It may have come while this looked for others.
                    Poll::Pending => return self.poll(waiter),
                }
            }
        }
    }

    fn poll(&self, waiter: &W) -> Poll<Result<Delivery<W>>> {
        match &mut *lock(&self.place) {
            Answer::There(answer) => {
                return Poll::Ready(answer.take().map(|answer| *answer).ok_or(Error::Gone));
            }
            Answer::Awaited(asker) => *asker = Some(waiter.clone()),
        }
        match self.sent.as_ref().map(|sent| sent.poll_outcome(waiter)) {
            None | Some(Poll::Pending | Poll::Ready(Ok(Outcome::Accepted))) => Poll::Pending,
            Some(Poll::Ready(Ok(outcome))) => Poll::Ready(Err(Error::NotAccepted(Box::new(outcome)))),
            Some(Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
        }
    }
}

impl<W: Wake> Drop for Request<'_, W> {
    fn drop(&mut self) {
        let forgotten = lock(&self.links.asked).answer(self.id.as_ref());
        drop(forgotten);
    }
}

impl<W: Wake> Links<W> {
    /// Gives an answer to whoever has asked. One that nobody waits for any more is accepted: it has been dealt with.
    fn hand_over(&self, answer: Delivery<W>) {
        let id = match answer.message().and_then(|message| Ok(message.properties()?)) {
            Ok(properties) => properties.correlation_id,
            Err(_) => {
                // A link that is over has lost it.
                let _ = answer.reject(None);
                return;
            }
        };
        let asker = lock(&self.asked).answer(id.as_ref());
        let Some(asker) = asker else {
            let _ = answer.accept();
            return;
        };
        let there = Answer::There(Some(Box::new(answer)));
        let before = core::mem::replace(&mut *lock(&asker.place), there);
        if let Answer::Awaited(Some(waiter)) = before {
            waiter.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
