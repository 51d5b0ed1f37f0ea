//! [`MessageWriter`]: a message that is sent in pieces.

use core::task::Poll;

use bytes::Bytes;

use super::line::Ticket;
use super::sent::Sent;
use super::state::LineId;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::machine::SendError;
use crate::view::SenderMut;

/// A message that is sent in pieces. Dropping an unfinished writer aborts the message: the receiver discards
/// it.
#[derive(Debug)]
pub struct MessageWriter<W: Wake> {
    /// `None` once the message is finished or given up.
    sent: Option<Sent<W>>,
    ticket: Option<Ticket>,
}

impl<W: Wake> MessageWriter<W> {
    pub(super) fn new(sent: Sent<W>) -> Self {
        Self { sent: Some(sent), ticket: None }
    }

    /// Polls to add octets of the encoded message; pending while too many octets are not written.
    ///
    /// # Errors
    ///
    /// `Error::Send` if the message is finished or aborted.
    pub fn poll_write(this: &mut Self, waiter: &W, octets: &Bytes) -> Poll<Result<()>> {
        Self::poll_add(this, waiter, |sender| sender.write(octets.clone()))
    }

    /// Polls to add a data section with these octets; pending while too many octets are not written.
    ///
    /// # Errors
    ///
    /// As [`poll_write`](Self::poll_write).
    pub fn poll_data(this: &mut Self, waiter: &W, octets: &Bytes) -> Poll<Result<()>> {
        Self::poll_add(this, waiter, |sender| sender.write_data(octets.clone()))
    }

    fn poll_add(
        this: &mut Self,
        waiter: &W,
        add: impl FnOnce(&mut SenderMut<'_>) -> core::result::Result<(), SendError>,
    ) -> Poll<Result<()>> {
        let Some(sent) = &this.sent else { return Poll::Ready(Err(SendError::NoDelivery.into())) };
        let slot = sent.guard.slot;
        sent.guard.hub().attempt(LineId::Link(slot), &mut this.ticket, waiter, |state| {
            if let Some(lost) = sent.lost_connection(state) {
                return Poll::Ready(Err(lost));
            }
            match state.sender(slot).map(|mut sender| add(&mut sender)) {
                Ok(Err(SendError::Full)) => Poll::Pending,
                Ok(written) => Poll::Ready(written.map_err(Error::from)),
                Err(over) => Poll::Ready(Err(over)),
            }
        })
    }

    /// Completes the message, and returns it to wait for its outcome.
    ///
    /// # Errors
    ///
    /// `Error::Send` if the message cannot be completed; `Error::Link`, `Error::Session` or
    /// `Error::Connection` if one of them is over.
    pub fn finish(mut this: Self) -> Result<Sent<W>> {
        let sent = this.take().ok_or(SendError::NoDelivery)?;
        sent.guard.hub().with(|state| match sent.lost_connection(state) {
            Some(lost) => Err(lost),
            None => Ok(state.sender(sent.guard.slot)?.finish()?),
        })?;
        Ok(sent)
    }

    /// Aborts the message.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn abort(mut this: Self) -> Result<()> {
        this.give_up()
    }

    fn take(&mut self) -> Option<Sent<W>> {
        let sent = self.sent.take()?;
        sent.guard.hub().leave(LineId::Link(sent.guard.slot), &mut self.ticket);
        Some(sent)
    }

    fn give_up(&mut self) -> Result<()> {
        let Some(sent) = self.take() else { return Ok(()) };
        sent.guard.hub().with(|state| match sent.lost_connection(state) {
            Some(lost) => Err(lost),
            None => Ok(state.sender(sent.guard.slot)?.abort()?),
        })
    }
}

impl<W: Wake> Drop for MessageWriter<W> {
    fn drop(&mut self) {
        // A link that is over has lost it already.
        let _ = self.give_up();
    }
}
