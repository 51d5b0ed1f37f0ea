//! [`Correlator`]: matches answers to requests [3.2.4].

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;

use crate::message::Message;
use crate::types::{Moment, Str};
use crate::wire::MessageId;

/// The error of a request that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// Too many requests wait for answers.
    Full,
    /// There is no address for the answer.
    NoAddress,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many requests wait for answers",
            Self::NoAddress => "there is no address for the answer",
        })
    }
}

impl core::error::Error for RequestError {}

/// The requests that wait for answers, each with a value of the application.
///
/// A request gets a unique message-id, and the address of a link for answers, usually of a
/// [dynamic](crate::config::ReceiverOptions::from_dynamic) node. An answer has the request's id as its
/// correlation-id; see [`answer_to`](super::answer_to). Some services copy the request's correlation-id,
/// others its message-id, so a request has the same id in both.
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::policy::Correlator;
/// use amqp_proto::types::Moment;
///
/// let mut pending = Correlator::new(100);
/// pending.set_reply_to("temporary-1"); // from the peer's attach
/// let until = Some(Moment::from_millis(500));
/// let request = pending.request("2 + 2", until, "a sum").unwrap();
///
/// // The service copies the id.
/// let id = request.properties().message_id.clone();
/// assert_eq!(pending.answer(id.as_ref()), Some("a sum"));
/// assert_eq!(pending.answer(id.as_ref()), None); // only once
/// ```
#[derive(Debug, Clone)]
pub struct Correlator<T> {
    reply_to: Option<Str>,
    most: usize,
    next: u64,
    pending: BTreeMap<u64, Pending<T>>,
    deadlines: BTreeSet<(Moment, u64)>,
}

#[derive(Debug, Clone)]
struct Pending<T> {
    about: T,
    until: Option<Moment>,
}

impl<T> Correlator<T> {
    /// Returns a correlator for at most `most` requests at a time.
    pub fn new(most: usize) -> Self {
        Self { reply_to: None, most, next: 1, pending: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    /// Sets the number of the first request. Default 1.
    ///
    /// Clients that share an address for answers, such as one client before and after a restart, need numbers
    /// far apart.
    #[must_use]
    pub fn with_first_id(mut self, first: u64) -> Self {
        self.next = first;
        self
    }

    /// Sets the address for answers to future requests.
    pub fn set_reply_to(&mut self, address: impl Into<Str>) {
        self.reply_to = Some(address.into());
    }

    /// Returns the address for answers.
    pub fn reply_to(&self) -> Option<&Str> {
        self.reply_to.as_ref()
    }

    /// Turns a message into a request and registers it.
    ///
    /// Sets the message-id and the correlation-id, and the reply-to unless the message has one. `about` is
    /// returned with the answer, if the answer arrives before `until`.
    ///
    /// # Errors
    ///
    /// [`RequestError::Full`] if too many requests wait; [`RequestError::NoAddress`] if neither the message
    /// nor the correlator has an address for the answer.
    pub fn request(
        &mut self,
        message: impl Into<Message>,
        until: Option<Moment>,
        about: T,
    ) -> Result<Message, RequestError> {
        let message = message.into();
        let own = message.properties().reply_to.clone();
        let reply_to = own.or_else(|| self.reply_to.clone()).ok_or(RequestError::NoAddress)?;
        if self.pending.len() >= self.most {
            return Err(RequestError::Full);
        }
        // The numbers repeat after 2^64 requests; waiting requests keep theirs.
        while self.pending.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.deadlines.extend(until.map(|until| (until, id)));
        self.pending.insert(id, Pending { about, until });
        Ok(message.with_message_id(id).with_correlation_id(id).with_reply_to(reply_to))
    }

    /// Returns the value of the request with this answer, and removes the request.
    ///
    /// `None` if no request waits for the answer: the message may be no answer, or a late one.
    pub fn answer(&mut self, correlation_id: Option<&MessageId>) -> Option<T> {
        match correlation_id {
            Some(MessageId::Ulong(id)) => self.remove(*id),
            _ => None,
        }
    }

    /// Removes a request, such as one that could not be sent, and returns its value.
    pub fn cancel(&mut self, request: &Message) -> Option<T> {
        self.answer(request.properties().message_id.as_ref())
    }

    /// Removes the most overdue request, and returns its value; `None` if no request is overdue.
    pub fn expire(&mut self, now: Moment) -> Option<T> {
        let (_, id) = self.deadlines.first().copied().filter(|(until, _)| *until <= now)?;
        self.remove(id)
    }

    /// Removes all requests, such as when the link for answers is gone, and returns their values, oldest
    /// first.
    pub fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.deadlines.clear();
        core::mem::take(&mut self.pending).into_values().map(|pending| pending.about)
    }

    /// Returns the time at which [`expire`](Self::expire) is due.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// Returns the number of requests that wait for answers.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Returns `true` if no request waits for an answer.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn remove(&mut self, id: u64) -> Option<T> {
        let pending = self.pending.remove(&id)?;
        if let Some(until) = pending.until {
            self.deadlines.remove(&(until, id));
        }
        Some(pending.about)
    }
}
