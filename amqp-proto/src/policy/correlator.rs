//! [`Correlator`]: which answer belongs to which request [3.2.4].

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;

use crate::message::Message;
use crate::types::{Moment, Str};
use crate::wire::MessageId;

/// Why a request cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// As many requests wait for answers as may.
    Full,
    /// There is no address that answers could go to.
    NoAddress,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many requests wait for their answers",
            Self::NoAddress => "there is no address for answers",
        })
    }
}

impl core::error::Error for RequestError {}

/// Requests that wait for their answers, and what each is about.
///
/// A request gets a message-id that no other has, and the address of a link on which answers come: mostly that of a
/// [dynamic](crate::config::ReceiverOptions::from_dynamic) node. An answer names the request in its correlation-id, see
/// [`answer_to`](super::answer_to). Some copy the request's own correlation-id, some its message-id: so both are the same.
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::policy::Correlator;
/// use amqp_proto::types::Moment;
///
/// let mut pending = Correlator::new(100);
/// pending.set_reply_to("temporary-1"); // from the peer's attach
/// let request = pending.request(Message::from("2 + 2"), Some(Moment::from_millis(500)), "a sum").unwrap();
///
/// let id = request.properties().message_id.clone().unwrap(); // the other side copies it
/// let answer = Message::from("4").with_correlation_id(id);
/// assert_eq!(pending.answer(answer.properties().correlation_id.as_ref()), Some("a sum"));
/// assert_eq!(pending.answer(answer.properties().correlation_id.as_ref()), None); // once
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
    /// For so many requests at a time at most.
    pub fn new(most: usize) -> Self {
        Self { reply_to: None, most, next: 1, pending: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    /// Sets the number of the first request. Those who share an address for their answers, such as one who comes back
    /// to it, start far apart. Default 1.
    #[must_use]
    pub fn with_first_id(mut self, first: u64) -> Self {
        self.next = first;
        self
    }

    /// Answers come to this address from now on.
    pub fn set_reply_to(&mut self, address: impl Into<Str>) {
        self.reply_to = Some(address.into());
    }

    /// Returns where answers come to.
    pub fn reply_to(&self) -> Option<&Str> {
        self.reply_to.as_ref()
    }

    /// Makes a message a request: sets its message-id and correlation-id, and its reply-to unless the message has one,
    /// such as a name that the service itself gives to the link for answers. `about` is given back with the answer, if
    /// that comes before `until`.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if too many wait, or the message has no reply-to and none is set here.
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
        // Numbers come round after 2^64 requests; those that still wait keep theirs.
        while self.pending.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.deadlines.extend(until.map(|until| (until, id)));
        self.pending.insert(id, Pending { about, until });
        Ok(message.with_message_id(id).with_correlation_id(id).with_reply_to(reply_to))
    }

    /// Returns the subject of the request that has this answer; `None` if no request waits for it: not every
    /// message is an answer, and some come late.
    pub fn answer(&mut self, correlation_id: Option<&MessageId>) -> Option<T> {
        match correlation_id {
            Some(MessageId::Ulong(id)) => self.remove(*id),
            _ => None,
        }
    }

    /// Gives up a request that was made, such as one that could not be sent.
    pub fn cancel(&mut self, request: &Message) -> Option<T> {
        self.answer(request.properties().message_id.as_ref())
    }

    /// Gives up the request that should have had its answer by now, the one that is due longest first.
    pub fn expire(&mut self, now: Moment) -> Option<T> {
        let (_, id) = self.deadlines.first().copied().filter(|(until, _)| *until <= now)?;
        self.remove(id)
    }

    /// Gives up all requests, such as when the link for answers is gone, the oldest first.
    pub fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.deadlines.clear();
        core::mem::take(&mut self.pending).into_values().map(|pending| pending.about)
    }

    /// When to [`expire`](Self::expire).
    pub fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// Returns how many requests wait for their answers.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Returns whether none does.
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
