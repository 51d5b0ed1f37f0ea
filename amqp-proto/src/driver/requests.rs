//! [`Requester`]: requests and their answers.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Poll;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::delivery::Delivery;
use super::hub::Next;
use super::receiver::Receiver;
use super::sender::{Queued, Sender};
use super::sent::Sent;
use super::state::State;
use super::wait::{Try, Wait};
use super::wake::Wake;
use crate::client::{CloseReason, Error, Result};
use crate::message::Message;
use crate::policy::{Correlator, RequestError};
use crate::types::{Key, Str};
use crate::wire::{MessageId, Outcome};

/// The greatest number of requests that wait for answers.
const MOST: usize = 1 << 16;

/// Sends requests over one link, and receives their answers over another.
///
/// No task is needed: a waiter receives the next answer and passes it to the request that it belongs to.
#[derive(Debug)]
pub struct Requester<W: Wake> {
    links: Arc<Links<W>>,
}

#[derive(Debug)]
struct Links<W: Wake> {
    sender: Sender<W>,
    receiver: Receiver<W>,
    asked: Mutex<Correlator<Asker<W>>>,
    /// The number of losses before the address for replies was learnt; [`u32::MAX`] if the
    /// application has set the address.
    losses: AtomicU32,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Asker<W: Wake> {
    place: Arc<Mutex<Reply<W>>>,
}

/// The place of an answer.
#[derive(Debug)]
enum Reply<W: Wake> {
    Awaited(Option<W>),
    There(Option<Box<Delivery<W>>>),
}

impl<W: Wake> Clone for Requester<W> {
    fn clone(&self) -> Self {
        Self { links: Arc::clone(&self.links) }
    }
}

impl<W: Wake> Requester<W> {
    /// Returns a requester that sends over `sender` and receives over `receiver`, which must have no other
    /// user.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if the peer has not announced the address of the receiver's source.
    pub fn new(sender: Sender<W>, receiver: Receiver<W>) -> Result<Self> {
        let mut asked = Correlator::new(MOST);
        let losses = receiver.guard.hub().losses();
        asked.set_reply_to(receiver.address().ok_or(RequestError::NoAddress)?);
        let losses = AtomicU32::new(losses);
        Ok(Self { links: Arc::new(Links { sender, receiver, asked: Mutex::new(asked), losses }) })
    }

    /// Returns a wait for the address for replies, if it may have changed since it was learnt.
    ///
    /// # Errors
    ///
    /// The end of the link for replies.
    pub fn renewed(this: &Self) -> Option<Wait<'_, W, impl Try<W, Result<()>>>> {
        let links = &this.links;
        let losses = links.receiver.guard.hub().losses();
        let known = links.losses.load(Ordering::Acquire);
        if known == losses || known == u32::MAX {
            return None;
        }
        let slot = links.receiver.guard.slot;
        Some(links.receiver.guard.watch(move |state, _| {
            if !state.links.get(slot).is_some_and(|link| link.is_attached) {
                return Poll::Pending;
            }
            if let Some(address) =
                state.receiver(slot).ok().and_then(|link| link.peer_attach()?.source?.address)
            {
                lock(&links.asked).set_reply_to(address);
            }
            links.losses.store(losses, Ordering::Release);
            Poll::Ready(Ok(()))
        }))
    }

    /// Turns a message into a request. Dropping the returned request forgets it.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if too many requests wait for answers.
    pub fn ask(this: &Self, message: impl Into<Message>) -> Result<(Message, Question<'_, W>)> {
        let place = Arc::new(Mutex::new(Reply::Awaited(None)));
        let asker = Asker { place: Arc::clone(&place) };
        let message = lock(&this.links.asked).request(message, None, asker)?;
        let id = message.properties().message_id.clone();
        let losses = this.links.losses.load(Ordering::Acquire);
        Ok((message, Question { links: &this.links, place, id, sent: None, losses }))
    }

    /// Sets the reply-to address of future requests. A request with a reply-to keeps it.
    pub fn set_reply_to(&self, address: impl Into<Str>) {
        lock(&self.links.asked).set_reply_to(address);
        self.links.losses.store(u32::MAX, Ordering::Release);
    }

    /// Sends a request, for a caller that waits for its answer at once. A request that still waits for credit when
    /// the connection is lost is not sent if its answer could not arrive.
    ///
    /// # Errors
    ///
    /// As [`Sender::queue_and_wait`]; `Error::Interrupted` if the request is not sent.
    pub fn queue<'a>(
        this: &'a Self,
        question: &Question<'_, W>,
        message: Message,
    ) -> Result<Queued<'a, W, impl Try<W, Result<Sent<W>>> + use<'a, W>>> {
        let (losses, slot) = (question.losses, this.links.receiver.guard.slot);
        Sender::queue_unless(&this.links.sender, message, Next::Wait, move |state| {
            state.answer_lost(slot, losses).map(Error::Interrupted)
        })
    }

    /// Returns the link for requests.
    pub fn sender(this: &Self) -> &Sender<W> {
        &this.links.sender
    }

    /// Returns the link for answers.
    pub fn receiver(this: &Self) -> &Receiver<W> {
        &this.links.receiver
    }

    /// Returns the address for answers.
    pub fn reply_to(&self) -> Option<Str> {
        lock(&self.links.asked).reply_to().cloned()
    }

    /// Returns the number of requests that wait for answers.
    pub fn waiting(&self) -> usize {
        lock(&self.links.asked).len()
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Question<'a, W: Wake> {
    links: &'a Links<W>,
    place: Arc<Mutex<Reply<W>>>,
    id: Option<MessageId>,
    sent: Option<Sent<W>>,
    losses: u32,
}

impl<'a, W: Wake> Question<'a, W> {
    /// Sets the sent request message, whose outcome is then watched, too.
    pub fn set_sent(&mut self, sent: Sent<W>) {
        self.sent = Some(sent);
    }

    /// Returns a poll function for the answer. Dropping the function forgets the request.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`] if the request has an outcome other than accepted, since no answer follows
    /// then. The end of the link, if it comes before the answer.
    pub fn answer(self) -> impl FnMut(&W) -> Poll<Result<Delivery<W>>> + use<'a, W> {
        let mut next = Receiver::recv(&self.links.receiver);
        move |waiter| {
            loop {
                if let Poll::Ready(answer) = self.poll(waiter) {
                    return Poll::Ready(answer);
                }
                match next.poll(waiter) {
                    Poll::Ready(Ok(Some(answer))) => self.links.hand_over(answer),
                    Poll::Ready(Ok(None)) => return Poll::Ready(Err(self.links.receiver.over())),
                    Poll::Ready(Err(over)) => return Poll::Ready(Err(over)),
                    // The answer may have arrived while this waiter received others.
                    Poll::Pending => return self.poll(waiter),
                }
            }
        }
    }

    fn poll(&self, waiter: &W) -> Poll<Result<Delivery<W>>> {
        match &mut *lock(&self.place) {
            Reply::There(answer) => {
                return Poll::Ready(answer.take().map(|answer| *answer).ok_or(Error::Gone));
            }
            Reply::Awaited(asker) => *asker = Some(waiter.clone()),
        }
        let hub = self.links.receiver.guard.hub();
        if self.losses != u32::MAX && hub.losses() != self.losses {
            let slot = self.links.receiver.guard.slot;
            if let Some(reason) = hub.look(|state| state.answer_lost(slot, self.losses)) {
                return Poll::Ready(Err(Error::Lost(reason)));
            }
        }
        match self.sent.as_ref().map(|sent| Sent::poll_outcome(sent, waiter)) {
            None | Some(Poll::Pending | Poll::Ready(Ok(Outcome::Accepted))) => Poll::Pending,
            Some(Poll::Ready(Ok(outcome))) => Poll::Ready(Err(Error::NotAccepted(Box::new(outcome)))),
            Some(Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
        }
    }
}

impl<W: Wake> Drop for Question<'_, W> {
    fn drop(&mut self) {
        let forgotten = lock(&self.links.asked).answer(self.id.as_ref());
        drop(forgotten);
    }
}

impl<W: Wake> Links<W> {
    /// Passes an answer to its request. An answer without a waiting request is accepted.
    fn hand_over(&self, answer: Delivery<W>) {
        let id = match answer.message().and_then(|message| Ok(message.properties()?)) {
            Ok(properties) => properties.correlation_id,
            Err(_) => {
                // If the link is over, the sender already treats the delivery as lost.
                let _ = answer.reject(None);
                return;
            }
        };
        let asker = lock(&self.asked).answer(id.as_ref());
        let Some(asker) = asker else {
            let _ = answer.accept();
            return;
        };
        let there = Reply::There(Some(Box::new(answer)));
        let before = core::mem::replace(&mut *lock(&asker.place), there);
        if let Reply::Awaited(Some(waiter)) = before {
            waiter.wake();
        }
    }
}

impl<W: Wake> State<W> {
    /// Returns the end of the link, or its connection, with which the address for the answer was lost, if it was after
    /// this number of losses.
    fn answer_lost(&self, receiver: Key, losses: u32) -> Option<CloseReason> {
        let outage = &self.links.get(receiver)?.recipe.as_ref()?.outage;
        let is_lost = outage.lost_at > losses && self.is_dynamic(receiver);
        outage.reason.clone().filter(|_| is_lost)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Poisoning is ignored: no code under these locks panics with a partial change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
