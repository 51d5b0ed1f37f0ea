//! [`MessageWriter`]: a message that is sent in pieces.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::Result;
use amqp_proto::driver;
use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::sent::Sent;

/// A message that is sent while it is made. Dropped unfinished, it is aborted: the receiver drops what it has of it.
///
/// It is an [`AsyncWrite`], too: what is written is the message's encoding, not its body. Shutting it down does not
/// finish it.
#[derive(Debug)]
pub struct MessageWriter(pub(crate) driver::MessageWriter<Waker>);

impl MessageWriter {
    /// Adds octets to the message, encoded as the standard has it; waits while enough of it is not written.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has added nothing.
    pub async fn write(&mut self, octets: impl Into<Bytes>) -> Result<()> {
        let octets = octets.into();
        poll_fn(|context| driver::MessageWriter::poll_write(&mut self.0, context.waker(), &octets)).await
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

impl AsyncWrite for MessageWriter {
    /// Takes all of the octets, copied.
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let (writer, copy) = (&mut self.get_mut().0, Bytes::copy_from_slice(octets));
        let written = driver::MessageWriter::poll_write(writer, context.waker(), &copy);
        written.map(|written| written.map_err(io::Error::other).map(|()| octets.len()))
    }

    /// Does nothing: what was taken is written without that.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
