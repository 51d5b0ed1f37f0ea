//! [`IncomingStream`]: a message that is read while it comes.

use std::io;
use std::thread;

use amqp_proto::config::OnDrop;
use amqp_proto::endpoint::{Error, Result};
use amqp_proto::machine::PartEnd;
use amqp_proto::message::Payload;
use amqp_proto::types::{DeliveryKey, DeliveryTag, LinkKey};
use amqp_proto::wire::{self, DeliveryState, Modified, Outcome, Received, Rejected};

use crate::receiver::Receiver;
use crate::waiters::On;

/// A message that is read while it comes, in pieces of its encoding. What is not read yet closes the session's window.
///
/// Dropped with nothing decided it is released, and what is left of it is not read any more; see
/// [`Delivery`](crate::Delivery). [`OnDrop::Accept`] accepts only what was read to its end. It is a [`Read`](io::Read),
/// too.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct IncomingStream {
    receiver: Receiver,
    key: DeliveryKey,
    tag: Option<DeliveryTag>,
    end: PartEnd,
    is_undecided: bool,
    on_drop: OnDrop,
    /// What was read of it and not given by [`io::Read`].
    left: Payload,
}

impl IncomingStream {
    pub(crate) fn new(
        receiver: Receiver,
        key: DeliveryKey,
        tag: Option<DeliveryTag>,
        on_drop: OnDrop,
    ) -> Self {
        let (end, is_undecided, left) = (PartEnd::More, tag.is_some(), Payload::new());
        Self { receiver, key, tag, end, is_undecided, on_drop, left }
    }

    /// What it can be settled by with the methods of its [`Receiver`].
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// The sender's name for it; `None` if the sender had settled it.
    pub fn tag(&self) -> Option<DeliveryTag> {
        self.tag
    }

    /// Whether it was settled by the sender when it began to come.
    pub fn is_settled(&self) -> bool {
        self.tag.is_none()
    }

    /// Waits for more of the message; `None` once all of it was read.
    pub fn read(&mut self) -> Result<Option<Payload>> {
        match self.end {
            PartEnd::More => {}
            PartEnd::Complete => return Ok(None),
            PartEnd::Aborted => return Err(Error::Aborted),
        }
        let (link, receiver, key) = (self.receiver.link(), self.receiver.key(), self.key);
        let part = link.shared().wait(On::Link(LinkKey::Receiver(receiver)), None, |state| {
            match state.read(receiver, key) {
                Ok(part) if part.payload.is_empty() && part.end == PartEnd::More => {
                    link.ended(state).map(Err)
                }
                Ok(part) => Some(Ok(part)),
                Err(error) => Some(Err(link.ended(state).unwrap_or(Error::Read(error)))),
            }
        });
        let part = part.unwrap_or(Err(Error::TimedOut))?;
        self.end = part.end;
        match part.end {
            PartEnd::Aborted => {
                self.is_undecided = false;
                Err(Error::Aborted)
            }
            PartEnd::Complete if part.payload.is_empty() => Ok(None),
            _ => Ok(Some(part.payload)),
        }
    }

    /// Waits for all that is left of the message.
    pub fn read_to_end(&mut self) -> Result<Payload> {
        let mut all = Payload::new();
        while let Some(part) = self.read()? {
            all.append(part);
        }
        Ok(all)
    }

    /// The message was processed [3.4.2].
    pub fn accept(self) -> Result<()> {
        self.dispose(&Outcome::Accepted.into())
    }

    /// The message is invalid [3.4.3]; it need not have come to its end.
    pub fn reject(self, error: impl Into<Option<wire::Error>>) -> Result<()> {
        let error = error.into().map(Box::new);
        self.dispose(&Outcome::from(Rejected { error }).into())
    }

    /// The message was not processed and may go elsewhere, unchanged [3.4.4].
    pub fn release(self) -> Result<()> {
        self.dispose(&Outcome::Released.into())
    }

    /// The message was not processed and may go elsewhere, changed [3.4.5].
    pub fn modify(self, modified: Modified) -> Result<()> {
        self.dispose(&Outcome::from(modified).into())
    }

    /// Tells an outcome. What is left of the message is dropped when it comes.
    pub fn dispose(mut self, state: &DeliveryState) -> Result<()> {
        if std::mem::take(&mut self.is_undecided) { self.receiver.dispose(self.key, state) } else { Ok(()) }
    }

    /// Tells how much of the message is there, as the sender of a long one may want to know: so many sections, and so
    /// many octets of the next (M-STATE-03).
    pub fn received(&self, section: u32, offset: u64) -> Result<()> {
        self.receiver.dispose(self.key, &DeliveryState::Received(Received::new(section, offset)))
    }
}

impl io::Read for IncomingStream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() && !space.is_empty() {
            match Self::read(self).map_err(io::Error::other)? {
                Some(part) => self.left = part,
                None => return Ok(0),
            }
        }
        let octets = self.left.len().min(space.len());
        let given = self.left.slice(0..octets);
        self.left = self.left.slice(octets..self.left.len());
        given.chunks().iter().flatten().zip(space).for_each(|(octet, place)| *place = *octet);
        Ok(octets)
    }
}

impl Drop for IncomingStream {
    fn drop(&mut self) {
        let on_drop = if self.end == PartEnd::Complete { self.on_drop } else { self.on_drop.of_part() };
        if self.is_undecided
            && let Some(outcome) = on_drop.outcome(thread::panicking())
        {
            // A link that is over has lost it, and it goes elsewhere.
            let _ = self.receiver.dispose(self.key, &outcome.into());
        }
        if self.end == PartEnd::More {
            let receiver = self.receiver.key();
            self.receiver.link().shared().act(|state| state.drop_rest(receiver, self.key));
        }
    }
}
