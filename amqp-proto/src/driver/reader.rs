//! [`MessageReader`]: a message that is read while it comes.

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

/// A message that is read while it comes, in pieces of its encoding.
///
/// Dropped with nothing decided it is released, and what is left of it is not read any more. [`OnDrop::Accept`] accepts
/// only what was read to its end.
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

    /// Returns the key, by which the methods of its receiver can settle it.
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// Returns the sender's name for it; `None` if the sender had settled it.
    pub fn tag(&self) -> Option<DeliveryTag> {
        self.tag
    }

    /// Returns whether it was settled by the sender when it began to come.
    pub fn is_settled(&self) -> bool {
        self.tag.is_none()
    }

    /// Waits for more of the message, which is then to be [noted](Self::note); ready at once where all of it was read.
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

    /// Notes a part; returns its octets, or `None` once all of the message was read.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`] if the sender has given the message up.
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

    /// Takes the data of the body out of octets that were read, which may be none of it; out of `None`, the end.
    ///
    /// # Errors
    ///
    /// [`Error::Message`] where the body is not data, or the message ends in the middle of a section.
    pub fn data(&mut self, part: Option<Payload>) -> Result<Payload> {
        match part {
            Some(part) => Ok(self.data.push(part)?),
            None => Ok(self.data.finish().map(|()| Payload::new())?),
        }
    }

    /// Accepts the message: it was processed [3.4.2].
    pub fn accept(self) -> Result<()> {
        self.dispose(&Outcome::Accepted.into())
    }

    /// Rejects the message: it is invalid [3.4.3]. It need not have come to its end.
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        self.dispose(&rejected(error.into()))
    }

    /// Releases the message, unprocessed and unchanged [3.4.4].
    pub fn release(self) -> Result<()> {
        self.dispose(&Outcome::Released.into())
    }

    /// Releases the message, unprocessed and changed [3.4.5].
    pub fn modify(self, modified: Modified) -> Result<()> {
        self.dispose(&Outcome::from(modified).into())
    }

    /// Tells an outcome. What is left of the message is dropped when it comes.
    pub fn dispose(mut self, state: &DeliveryState) -> Result<()> {
        if core::mem::take(&mut self.is_undecided) { self.guard.dispose(self.key, state) } else { Ok(()) }
    }

    /// Sends the `received` state: the section and the offset in it that have been reached so far [3.4.1].
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
            // A link that is over has lost it, and it goes elsewhere.
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
