//! [`MessageWriter`]: a message that is sent in pieces.

use std::io::{self, Write};
use std::thread::Thread;

use amqp_proto::client::Result;
use amqp_proto::driver;
use bytes::Bytes;

use crate::sent::Sent;
use crate::wait::parked;

/// A message that is sent while it is made. Dropped unfinished, it is aborted: the receiver drops what it has of it.
///
/// It is a [`Write`], too: what is written is the message's encoding, not its body.
#[derive(Debug)]
pub struct MessageWriter(pub(crate) driver::MessageWriter<Thread>);

impl MessageWriter {
    /// Adds octets to the message, encoded as the standard has it; waits while enough of it is not written.
    pub fn write(&mut self, octets: impl Into<Bytes>) -> Result<()> {
        let octets = octets.into();
        parked(|me| driver::MessageWriter::poll_write(&mut self.0, me, &octets))
    }

    /// Completes the message: its outcome is to come.
    pub fn finish(self) -> Result<Sent> {
        driver::MessageWriter::finish(self.0).map(Sent)
    }

    /// Gives the message up.
    pub fn abort(self) -> Result<()> {
        driver::MessageWriter::abort(self.0)
    }
}

impl Write for MessageWriter {
    /// Takes all of the octets, copied.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Self::write(self, Bytes::copy_from_slice(octets)).map_err(io::Error::other)?;
        Ok(octets.len())
    }

    /// Does nothing: what was taken is written without that.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
