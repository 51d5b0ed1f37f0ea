//! [`MessageWriter`]: sends a message in pieces.

use std::io::{self, Write};
use std::thread::Thread;

use amqp_proto::client::Result;
use amqp_proto::driver;
use bytes::Bytes;

use crate::sent::Sent;
use crate::wait::parked;

/// A message that is sent in pieces. Dropping the writer before the end aborts the message: the receiver discards it.
///
/// The writer also implements [`Write`] of the message's encoding.
#[derive(Debug)]
pub struct MessageWriter(pub(crate) driver::MessageWriter<Thread>);

impl MessageWriter {
    /// Adds octets of the encoded message; waits while too many octets are not written.
    ///
    /// # Errors
    ///
    /// [`Error::Send`](crate::Error::Send) if the message exceeds the receiver's limit; that of the link's end if the
    /// link is over.
    pub fn write(&mut self, octets: impl Into<Bytes>) -> Result<()> {
        let octets = octets.into();
        parked(|me| driver::MessageWriter::poll_write(&mut self.0, me, &octets))
    }

    /// Completes the message. The result can be used to wait for its outcome.
    ///
    /// # Errors
    ///
    /// That of the link's end if the link is over.
    pub fn finish(self) -> Result<Sent> {
        driver::MessageWriter::finish(self.0).map(Sent)
    }

    /// Aborts the message: the receiver discards it.
    ///
    /// # Errors
    ///
    /// That of the link's end if the link is over.
    pub fn abort(self) -> Result<()> {
        driver::MessageWriter::abort(self.0)
    }
}

impl Write for MessageWriter {
    /// Takes a copy of all octets.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Self::write(self, Bytes::copy_from_slice(octets)).map_err(io::Error::other)?;
        Ok(octets.len())
    }

    /// Does nothing, since octets are written without a flush.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
