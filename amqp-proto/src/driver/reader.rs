//! [`MessageReader`]: a message that is read as it arrives.

use alloc::sync::Arc;
use core::task::Poll;

use super::delivery::rejected;
use super::guard::LinkGuard;
use super::state::{LineId, State};
use super::wait::{Try, Wait};
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::config::OnDrop;
use crate::machine::{Part, PartEnd};
use crate::message::{DataSections, Payload};
use crate::types::{DeliveryKey, DeliveryTag};
use crate::wire::{self, DeliveryState, Modified, Outcome, Received};

/// A message that is read as it arrives, in pieces of its encoding.
///
/// A reader that is dropped without an outcome releases the message, and the rest is not read.
/// [`OnDrop::Accept`] accepts a message only if it was read to its end.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct MessageReader<W: Wake> {
    guard: Arc<LinkGuard<W>>,
    key: DeliveryKey,
    tag: Option<DeliveryTag>,
    end: PartEnd,
    is_undecided: bool,
    on_drop: OnDrop,
    data: DataSections,
}

impl<W: Wake> MessageReader<W> {
    pub(super) fn new(guard: &Arc<LinkGuard<W>>, state: &mut State<W>, key: DeliveryKey) -> Self {
        let tag = state.unsettled_tag(guard.slot, key);
        let on_drop = state.receiver(guard.slot).map_or(OnDrop::Keep, |receiver| receiver.on_drop());
        let is_undecided = tag.is_some();
        Self {
            guard: Arc::clone(guard),
            key,
            tag,
            end: PartEnd::More,
            is_undecided,
            on_drop,
            data: DataSections::new(),
        }
    }

    /// Returns the key, by which the methods of the receiver can settle the delivery.
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// Returns the delivery tag; `None` if the sender has settled the delivery.
    pub fn tag(&self) -> Option<DeliveryTag> {
        self.tag
    }

    /// Returns `true` if the sender had settled the delivery when its first frame arrived.
    pub fn is_settled(&self) -> bool {
        self.tag.is_none()
    }

    /// Waits for the next part of the message, to be passed to [`note`](Self::note). Ready at once at the end
    /// of the message.
    pub fn part(&self) -> Wait<'_, W, impl Try<W, Result<Part>>> {
        let (slot, key, end) = (self.guard.slot, self.key, self.end);
        self.guard.hub().wait(LineId::Link(slot), move |state: &mut State<W>, _| {
            if end != PartEnd::More {
                return Poll::Ready(Ok(Part { payload: Payload::new(), end }));
            }
            match state.read(slot, key) {
                Ok(part) if part.payload.is_empty() && part.end == PartEnd::More => {
                    state.link_over(slot).map_or(Poll::Pending, |over| Poll::Ready(Err(over)))
                }
                Ok(part) => Poll::Ready(Ok(part)),
                Err(error) => Poll::Ready(Err(state.link_over(slot).unwrap_or(Error::Read(error)))),
            }
        })
    }

    /// Records a part. Returns its octets, or `None` at the end of the message.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`] if the sender has aborted the message.
    pub fn note(&mut self, part: Part) -> Result<Option<Payload>> {
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

    /// Returns the body data in a part, which may be empty. `None` as the part checks the end.
    ///
    /// # Errors
    ///
    /// [`Error::Message`] if the body is not data, or if the message ends inside a section.
    pub fn data(&mut self, part: Option<Payload>) -> Result<Payload> {
        match part {
            Some(part) => Ok(self.data.push(part)?),
            None => Ok(self.data.finish().map(|()| Payload::new())?),
        }
    }

    /// Accepts the delivery: the message was processed [3.4.2].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn accept(self) -> Result<()> {
        self.dispose(&Outcome::Accepted.into())
    }

    /// Rejects the delivery: the message is invalid [3.4.3]. The message may be incomplete.
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        self.dispose(&rejected(error.into()))
    }

    /// Releases the delivery: the message was not processed and may be delivered again, unchanged [3.4.4].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn release(self) -> Result<()> {
        self.dispose(&Outcome::Released.into())
    }

    /// Modifies the delivery: the message was not processed and may be delivered again, with changes [3.4.5].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn modify(self, modified: Modified) -> Result<()> {
        self.dispose(&Outcome::from(modified).into())
    }

    /// Sends an outcome. The rest of the message is dropped as it arrives.
    ///
    /// # Errors
    ///
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over, `Error::Settle` if the
    /// delivery has an outcome already.
    pub fn dispose(mut self, state: &DeliveryState) -> Result<()> {
        if core::mem::take(&mut self.is_undecided) { self.guard.dispose(self.key, state) } else { Ok(()) }
    }

    /// Sends the `received` state: the section and the offset reached so far [3.4.1].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn received(&self, section: u32, offset: u64) -> Result<()> {
        self.guard.dispose(self.key, &DeliveryState::Received(Received::new(section, offset)))
    }
}

impl<W: Wake> Drop for MessageReader<W> {
    fn drop(&mut self) {
        let on_drop = if self.end == PartEnd::Complete { self.on_drop } else { self.on_drop.of_part() };
        if self.is_undecided
            && let Some(outcome) = on_drop.outcome(std::thread::panicking())
        {
            // If the link is over, the sender already treats the delivery as lost.
            let _ = self.guard.dispose(self.key, &outcome.into());
        }
        if self.end == PartEnd::More {
            self.guard.hub().with(|state| {
                if let Some(link) = state.receiver_key(self.guard.slot) {
                    state.drop_rest(link, self.key);
                }
            });
        }
    }
}
