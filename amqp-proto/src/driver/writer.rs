//! [`MessageWriter`]: a message that is sent in pieces.

use core::task::Poll;

use bytes::Bytes;

use super::sent::Sent;
use super::state::{LineId, State};
use super::wait::{Try, Wait};
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::machine::SendError;

/// A message that is sent while it is made. Dropped unfinished, it is aborted: the receiver drops what it has of it.
#[derive(Debug)]
pub struct MessageWriter<W: Wake> {
    sent: Option<Sent<W>>,
}

impl<W: Wake> MessageWriter<W> {
    pub(super) fn new(sent: Sent<W>) -> Self {
        Self { sent: Some(sent) }
    }

    /// Adds octets to the message, encoded as the standard has it; waits while enough of it is not written.
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

    /// Completes the message: its outcome is to come.
    pub fn finish(mut self) -> Result<Sent<W>> {
        let sent = self.sent.take().ok_or(Error::Send(SendError::NoDelivery))?;
        sent.guard.hub().with(|state| Ok::<_, Error>(state.sender(sent.guard.slot)?.finish()?))?;
        Ok(sent)
    }

    /// Gives the message up.
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
            // A link that is over has lost it already.
            let _ = abort(sent);
        }
    }
}
