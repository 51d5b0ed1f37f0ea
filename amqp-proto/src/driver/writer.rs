//! [`MessageWriter`]: a message that is sent in pieces.

use core::task::Poll;

use bytes::Bytes;

use super::sent::Sent;
use super::state::{LineId, State};
use super::wait::{Try, Wait};
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::machine::SendError;

/// A message that is sent in pieces. Dropping an unfinished writer aborts the message: the receiver discards
/// it.
#[derive(Debug)]
pub struct MessageWriter<W: Wake> {
    sent: Option<Sent<W>>,
}

impl<W: Wake> MessageWriter<W> {
    pub(super) fn new(sent: Sent<W>) -> Self {
        Self { sent: Some(sent) }
    }

    /// Adds octets of the encoded message; waits while too many octets are not written.
    ///
    /// # Errors
    ///
    /// `Error::Send` if the message is finished or aborted.
    pub fn write(&self, octets: impl Into<Bytes>) -> Result<Wait<'_, W, impl Try<W, Result<()>>>> {
        let (octets, sent) = (octets.into(), self.sent()?);
        let slot = sent.guard.slot;
        Ok(sent.guard.hub().wait(LineId::Link(slot), move |state: &mut State<W>, _| {
            let mut engine = match state.sender(slot) {
                Ok(engine) => engine,
                Err(error) => return Poll::Ready(Err(error)),
            };
            match engine.write(octets.clone()) {
                Err(SendError::Full) => Poll::Pending,
                result => Poll::Ready(result.map_err(Error::from)),
            }
        }))
    }

    /// Completes the message, and returns it to wait for its outcome.
    ///
    /// # Errors
    ///
    /// `Error::Send` if the message cannot be completed; `Error::Link`, `Error::Session` or
    /// `Error::Connection` if one of them is over.
    pub fn finish(mut self) -> Result<Sent<W>> {
        let sent = self.sent.take().ok_or(Error::Send(SendError::NoDelivery))?;
        sent.guard.hub().with(|state| Ok::<_, Error>(state.sender(sent.guard.slot)?.finish()?))?;
        Ok(sent)
    }

    /// Aborts the message.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn abort(mut self) -> Result<()> {
        self.sent.take().map_or(Ok(()), |sent| abort(&sent))
    }

    fn sent(&self) -> Result<&Sent<W>> {
        self.sent.as_ref().ok_or(Error::Send(SendError::NoDelivery))
    }
}

fn abort<W: Wake>(sent: &Sent<W>) -> Result<()> {
    sent.guard.hub().with(|state| Ok(state.sender(sent.guard.slot)?.abort()?))
}

impl<W: Wake> Drop for MessageWriter<W> {
    fn drop(&mut self) {
        if let Some(sent) = &self.sent {
            // If the link is over, the message is lost already.
            let _ = abort(sent);
        }
    }
}
