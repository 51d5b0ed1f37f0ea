//! [`IncomingStream`]: a message that is read while it comes.

use std::sync::Arc;
use std::task::Poll;

use amqp_proto::config::OnDrop;
use amqp_proto::endpoint::{Error, Result};
use amqp_proto::machine::PartEnd;
use amqp_proto::message::Payload;
use amqp_proto::types::{DeliveryKey, DeliveryTag};
use amqp_proto::wire::{DeliveryState, Modified, Outcome};

use crate::link::ReceiverGuard;
use crate::receiver::rejected;
use crate::state::Place;

/// A message that is read while it comes, in pieces of its encoding. What is not read yet closes the session's window.
///
/// Dropped with nothing decided it is released, and what is left of it is not read any more; see
/// [`Delivery`](crate::Delivery). [`OnDrop::Accept`] accepts only what was read to its end.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct IncomingStream {
    guard: Arc<ReceiverGuard>,
    key: DeliveryKey,
    tag: Option<DeliveryTag>,
    end: PartEnd,
    is_undecided: bool,
    on_drop: OnDrop,
}

impl IncomingStream {
    pub(crate) fn new(guard: Arc<ReceiverGuard>, key: DeliveryKey, on_drop: OnDrop) -> Self {
        let tag = guard.unsettled_tag(&guard.shared().lock(), key);
        let is_undecided = tag.is_some();
        Self { guard, key, tag, end: PartEnd::More, is_undecided, on_drop }
    }

    /// What it can be settled by with the methods of its [`Receiver`](crate::Receiver).
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
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn read(&mut self) -> Result<Option<Payload>> {
        match self.end {
            PartEnd::More => {}
            PartEnd::Complete => return Ok(None),
            PartEnd::Aborted => return Err(Error::Aborted),
        }
        let (guard, key) = (&self.guard, self.key);
        let part = guard.shared().wait(Place::Link(guard.link()), |state| match guard.read(state, key) {
            Ok(part) if part.payload.is_empty() && part.end == PartEnd::More => match guard.over(state) {
                Some(over) => Poll::Ready(Err(over)),
                None => Poll::Pending,
            },
            Ok(part) => Poll::Ready(Ok(part)),
            Err(error) => Poll::Ready(Err(guard.over(state).unwrap_or(Error::Read(error)))),
        });
        let part = part.await?;
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
    pub async fn read_to_end(&mut self) -> Result<Payload> {
        let mut all = Payload::new();
        while let Some(part) = self.read().await? {
            all.append(part);
        }
        Ok(all)
    }

    /// The message was processed [3.4.2].
    pub fn accept(self) -> Result<()> {
        self.dispose(&Outcome::Accepted.into())
    }

    /// The message is invalid [3.4.3]; it need not have come to its end.
    pub fn reject(self, error: impl Into<Option<amqp_proto::wire::Error>>) -> Result<()> {
        self.dispose(&rejected(error.into()))
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
        if std::mem::take(&mut self.is_undecided) { self.guard.dispose(self.key, state) } else { Ok(()) }
    }

    /// Tells how much of the message is there, as the sender of a long one may want to know: so many sections, and so
    /// many octets of the next (M-STATE-03).
    pub fn received(&self, section: u32, offset: u64) -> Result<()> {
        let state = DeliveryState::Received(amqp_proto::wire::Received::new(section, offset));
        self.guard.dispose(self.key, &state)
    }
}

impl Drop for IncomingStream {
    fn drop(&mut self) {
        let on_drop = if self.end == PartEnd::Complete { self.on_drop } else { self.on_drop.of_part() };
        if self.is_undecided
            && let Some(outcome) = on_drop.outcome(std::thread::panicking())
        {
            // A link that is over has lost it, and it goes elsewhere.
            let _ = self.guard.dispose(self.key, &outcome.into());
        }
        if self.end == PartEnd::More {
            self.guard.shared().with(|state| state.drop_rest(self.guard.key, self.key));
        }
    }
}
