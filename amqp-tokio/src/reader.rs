//! [`MessageReader`]: reads a message while it arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker as Waiter, ready};

use amqp_proto::driver;
use tokio::io::{AsyncRead, ReadBuf};

/// A message that is read while it arrives, in pieces of its encoding. Octets that are not read yet close the
/// session's window.
///
/// A reader that is dropped without an outcome releases the message, and the rest is not read; see
/// [`Delivery`](crate::Delivery). [`OnDrop::Accept`](crate::config::OnDrop) accepts a message only if it was read to
/// its end. The reader is also an [`AsyncRead`] of the encoding.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct MessageReader(pub(crate) driver::MessageReader<Waiter>);

driver::skin::message_reader!(async);

impl AsyncRead for MessageReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let space = buffer.initialize_unfilled();
        let reader = &mut self.get_mut().0;
        let octets = ready!(driver::MessageReader::poll_octets(reader, context.waker(), space))?;
        buffer.advance(octets);
        Poll::Ready(Ok(()))
    }
}
