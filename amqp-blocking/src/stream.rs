//! [`OutgoingStream`]: a message that is sent in pieces.

use std::io;

use amqp_proto::endpoint::{Error, Result};
use amqp_proto::machine::SendError;
use amqp_proto::types::LinkKey;
use bytes::Bytes;

use crate::sent::Sent;
use crate::waiters::On;

/// A message that is sent while it is made. Dropped unfinished, it is aborted: the receiver drops what it has of it.
///
/// It is a [`Write`](io::Write), too: what is written is the message's encoding, not its body.
#[derive(Debug)]
pub struct OutgoingStream {
    /// `None` once it is finished or aborted.
    sent: Option<Sent>,
}

impl OutgoingStream {
    pub(crate) fn new(sent: Sent) -> Self {
        Self { sent: Some(sent) }
    }

    /// Adds octets to the message, encoded as the standard has it; waits while enough of it is not written.
    pub fn write(&mut self, octets: impl Into<Bytes>) -> Result<()> {
        let octets = octets.into();
        let sent = self.sent.as_ref().ok_or(Error::Send(SendError::NoDelivery))?;
        let (link, key) = (sent.link(), sent.sender());
        let written = link.shared().wait(On::Link(LinkKey::Sender(key)), None, |state| {
            if let Some(error) = link.ended(state) {
                return Some(Err(error));
            }
            let Ok(mut sender) = state.connection.sender(key) else { return Some(Err(link.gone(state))) };
            match sender.write(octets.clone()) {
                Err(SendError::Full) => None,
                result => Some(result.map_err(Error::from)),
            }
        });
        written.unwrap_or(Err(Error::TimedOut))
    }

    /// The message is complete: its outcome is to come.
    pub fn finish(mut self) -> Result<Sent> {
        let sent = self.sent.take().ok_or(Error::Send(SendError::NoDelivery))?;
        sent.link().shared().act(|state| match state.connection.sender(sent.sender()) {
            Ok(mut sender) => Ok(sender.finish()?),
            Err(_) => Err(sent.link().gone(state)),
        })?;
        Ok(sent)
    }

    /// Gives the message up.
    pub fn abort(mut self) -> Result<()> {
        self.sent.take().map_or(Ok(()), |sent| abort(&sent))
    }
}

fn abort(sent: &Sent) -> Result<()> {
    sent.link().shared().act(|state| match state.connection.sender(sent.sender()) {
        Ok(mut sender) => Ok(sender.abort()?),
        Err(_) => Err(sent.link().gone(state)),
    })
}

impl io::Write for OutgoingStream {
    /// Takes all of it, copied.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Self::write(self, Bytes::copy_from_slice(octets)).map_err(io::Error::other)?;
        Ok(octets.len())
    }

    /// What was taken is written without that.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for OutgoingStream {
    fn drop(&mut self) {
        if let Some(sent) = &self.sent {
            // A link that is over has lost it already.
            let _ = abort(sent);
        }
    }
}
