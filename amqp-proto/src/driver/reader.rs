//! [`MessageReader`]: a message that is read while it comes.

use alloc::sync::Arc;
use core::task::{Poll, ready};
use std::io;

use super::guard::LinkGuard;
use super::line::Ticket;
use super::state::{LineId, State};
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::config::OnDrop;
use crate::machine::PartEnd;
use crate::message::{DataSections, Payload};
use crate::types::{DeliveryKey, DeliveryTag};
use crate::wire::{DeliveryState, Received};

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
    /// Octets that were taken and not given by [`poll_octets`](Self::poll_octets).
    left: Payload,
    ticket: Option<Ticket>,
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
            left: Payload::new(),
            ticket: None,
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

    /// Sends the `received` state: the section and the offset reached so far [3.4.1].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn received(&self, section: u32, offset: u64) -> Result<()> {
        self.guard.dispose(self.key, &DeliveryState::Received(Received::new(section, offset)))
    }

    /// Polls for more of the message; `None` once all of it was read.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`] if the sender has aborted the message; the end of the link, if the message is incomplete.
    pub fn poll_read(this: &mut Self, waiter: &W) -> Poll<Result<Option<Payload>>> {
        let (slot, key) = (this.guard.slot, this.key);
        match this.end {
            PartEnd::More => {}
            PartEnd::Complete => return Poll::Ready(Ok(None)),
            PartEnd::Aborted => return Poll::Ready(Err(Error::Aborted)),
        }
        let hub = this.guard.hub();
        let part =
            hub.attempt(LineId::Link(slot), &mut this.ticket, waiter, |state| match state.read(slot, key) {
                Ok(part) if part.payload.is_empty() && part.end == PartEnd::More => {
                    state.link_over(slot).map_or(Poll::Pending, |over| Poll::Ready(Err(over)))
                }
                Ok(part) => Poll::Ready(Ok(part)),
                Err(error) => Poll::Ready(Err(state.better(slot, key, error.into()))),
            });
        let part = ready!(part)?;
        this.end = part.end;
        Poll::Ready(match part.end {
            PartEnd::Aborted => {
                this.is_undecided = false;
                Err(Error::Aborted)
            }
            PartEnd::Complete if part.payload.is_empty() => Ok(None),
            _ => Ok(Some(part.payload)),
        })
    }

    /// Polls for more of the body's data: the octets of its data sections, without the encoding around them. Returns
    /// `None` once all of the message was read.
    ///
    /// # Errors
    ///
    /// [`Error::Message`] where the body is not data, or the message ends in the middle of a section; and those of
    /// [`poll_read`](Self::poll_read).
    pub fn poll_data(this: &mut Self, waiter: &W) -> Poll<Result<Option<Payload>>> {
        while let Some(part) = ready!(Self::poll_read(this, waiter))? {
            let data = this.data.push(part)?;
            if !data.is_empty() {
                return Poll::Ready(Ok(Some(data)));
            }
        }
        Poll::Ready(Ok(this.data.finish().map(|()| None)?))
    }

    /// Polls for more of the message, to be copied; zero octets once all of it was read.
    pub fn poll_octets(this: &mut Self, waiter: &W, space: &mut [u8]) -> Poll<io::Result<usize>> {
        while this.left.is_empty() && !space.is_empty() {
            match ready!(Self::poll_read(this, waiter)).map_err(io::Error::other)? {
                Some(part) => this.left = part,
                None => return Poll::Ready(Ok(0)),
            }
        }
        let octets = this.left.len().min(space.len());
        let given = this.left.slice(0..octets);
        this.left = this.left.slice(octets..this.left.len());
        given.chunks().iter().flatten().zip(space).for_each(|(octet, place)| *place = *octet);
        Poll::Ready(Ok(octets))
    }

    /// Sends an outcome. The rest of the message is dropped as it arrives.
    ///
    /// # Errors
    ///
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over, `Error::Settle` if the
    /// delivery has an outcome already.
    pub fn dispose(mut this: Self, state: &DeliveryState) -> Result<()> {
        if core::mem::take(&mut this.is_undecided) { this.guard.dispose(this.key, state) } else { Ok(()) }
    }
}

impl<W: Wake> Drop for MessageReader<W> {
    fn drop(&mut self) {
        let hub = self.guard.hub();
        hub.leave(LineId::Link(self.guard.slot), &mut self.ticket);
        let on_drop = if self.end == PartEnd::Complete { self.on_drop } else { self.on_drop.of_part() };
        if self.is_undecided
            && let Some(outcome) = on_drop.outcome(std::thread::panicking())
        {
            // A link that is over has lost it, and it goes elsewhere.
            let _ = self.guard.dispose(self.key, &outcome.into());
        }
        if self.end == PartEnd::More {
            hub.with(|state| {
                if let Some(link) = state.receiver_key(self.guard.slot) {
                    state.drop_rest(link, self.key);
                }
            });
        }
    }
}
