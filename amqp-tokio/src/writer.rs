//! [`MessageWriter`]: sends a message in pieces.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::Result;
use amqp_proto::driver;
use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::sent::Sent;

/// A message that is sent in pieces. Dropping the writer before the end aborts the message: the receiver discards it.
///
/// The writer is also an [`AsyncWrite`] of the message's encoding. Shutting it down does not finish the message.
#[derive(Debug)]
pub struct MessageWriter(pub(crate) driver::MessageWriter<Waker>);

impl MessageWriter {
    /// Adds octets of the encoded message; waits while too many octets are not written.
    ///
    /// # Errors
    ///
    /// [`Error::Send`](crate::Error::Send) if the message exceeds the receiver's limit; that of the link's end if the
    /// link is over.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has added nothing.
    pub async fn write(&mut self, octets: impl Into<Bytes>) -> Result<()> {
        let octets = octets.into();
        poll_fn(|context| driver::MessageWriter::poll_write(&mut self.0, context.waker(), &octets)).await
    }

    /// Completes the message. The result is a future of its outcome.
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
