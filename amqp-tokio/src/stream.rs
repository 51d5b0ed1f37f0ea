//! [`OutgoingStream`]: a message that is sent in pieces.

use std::mem;
use std::task::Poll;

use amqp_proto::endpoint::{Error, Result};
use amqp_proto::machine::SendError;
use bytes::Bytes;

use crate::sent::Sent;
use crate::state::Place;

/// A message that is sent while it is made. Dropped unfinished, it is aborted: the receiver drops what it has of it.
#[derive(Debug)]
pub struct OutgoingStream {
    sent: Option<Sent>,
}

impl OutgoingStream {
    pub(crate) fn new(sent: Sent) -> Self {
        Self { sent: Some(sent) }
    }

    /// Adds octets to the message, encoded as the standard has it; waits while enough of it is not written.
    ///
    /// Dropped before it is done, this has added nothing.
    pub async fn write(&mut self, octets: impl Into<Bytes>) -> Result<()> {
        let (octets, sent) = (octets.into(), self.sent()?);
        let guard = sent.guard();
        let written = guard.shared().wait(Place::Link(guard.link()), |state| {
            let mut engine = match guard.engine(state) {
                Ok(engine) => engine,
                Err(error) => return Poll::Ready(Err(error)),
            };
            match engine.write(octets.clone()) {
                Err(SendError::Full) => Poll::Pending,
                result => Poll::Ready(result.map_err(Error::from)),
            }
        });
        written.await
    }

    /// The message is complete: its outcome is to come.
    pub fn finish(mut self) -> Result<Sent> {
        let sent = self.sent.take().ok_or(Error::Send(SendError::NoDelivery))?;
        sent.guard().shared().with(|state| Ok::<_, Error>(sent.guard().engine(state)?.finish()?))?;
        Ok(sent)
    }

    /// Gives the message up.
    pub fn abort(mut self) -> Result<()> {
        mem::take(&mut self.sent).map_or(Ok(()), |sent| abort(&sent))
    }

    fn sent(&self) -> Result<&Sent> {
        self.sent.as_ref().ok_or(Error::Send(SendError::NoDelivery))
    }
}

fn abort(sent: &Sent) -> Result<()> {
    sent.guard().shared().with(|state| Ok(sent.guard().engine(state)?.abort()?))
}

impl Drop for OutgoingStream {
    fn drop(&mut self) {
        if let Some(sent) = &self.sent {
            // A link that is over has lost it already.
            let _ = abort(sent);
        }
    }
}
