//! [`MessageWriter`]: sends a message in pieces.

use std::io::{self, Write};
use std::thread::Thread;

use amqp_proto::driver;
use bytes::Bytes;

use crate::sent::Sent;
use crate::wait::parked;

/// A message that is sent in pieces. Dropping the writer before the end aborts the message: the receiver discards it.
///
/// The writer also implements [`Write`] of the message's encoding.
#[derive(Debug)]
pub struct MessageWriter(pub(crate) driver::MessageWriter<Thread>);

driver::skin::message_writer!();

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
