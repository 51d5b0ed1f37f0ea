//! [`OutgoingStream`]: a message that is sent in pieces.

use std::io;
use std::thread::Thread;

use amqp_proto::client::Result;
use amqp_proto::driver;
use bytes::Bytes;

use crate::sent::Sent;
use crate::wait::ready;

/// A message that is sent while it is made. Dropped unfinished, it is aborted: the receiver drops what it has of it.
///
/// It is a [`Write`](io::Write), too: what is written is the message's encoding, not its body.
#[derive(Debug)]
pub struct OutgoingStream(pub(crate) driver::MessageWriter<Thread>);

impl OutgoingStream {
    /// Adds octets to the message, encoded as the standard has it; waits while enough of it is not written.
    pub fn write(&mut self, octets: impl Into<Bytes>) -> Result<()> {
        ready(self.0.write(octets)?)
    }

    /// The message is complete: its outcome is to come.
    pub fn finish(self) -> Result<Sent> {
        self.0.finish().map(Sent)
    }

    /// Gives the message up.
    pub fn abort(self) -> Result<()> {
        self.0.abort()
    }
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
