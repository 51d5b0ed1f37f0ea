//! [`MessageWriter`]: sends a message in pieces.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::driver;
use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::sent::Sent;

/// A message that is sent in pieces. Dropping the writer before the end aborts the message: the receiver discards it.
///
/// The writer is also an [`AsyncWrite`] of the message's encoding. Shutting it down does not finish the message.
#[derive(Debug)]
pub struct MessageWriter(pub(crate) driver::MessageWriter<Waker>);

driver::skin::message_writer!(async);

impl AsyncWrite for MessageWriter {
    /// Takes a copy of all octets.
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let (writer, copy) = (&mut self.get_mut().0, Bytes::copy_from_slice(octets));
        let written = driver::MessageWriter::poll_write(writer, context.waker(), &copy);
        written.map(|written| written.map_err(io::Error::other).map(|()| octets.len()))
    }

    /// Does nothing, since octets are written without a flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
