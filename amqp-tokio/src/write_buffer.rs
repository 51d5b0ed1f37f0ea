//! Writing output to a stream.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use amqp_proto::driver::WriteBuffer;
use tokio::io::AsyncWrite;

/// Writes what a write buffer has, and flushes.
pub(crate) fn poll_write(
    write_buffer: &mut WriteBuffer,
    mut stream: Pin<&mut impl AsyncWrite>,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut is_pending = false;
    let written =
        write_buffer.write_with(|slices| match stream.as_mut().poll_write_vectored(context, slices) {
            Poll::Ready(written) => written,
            Poll::Pending => {
                is_pending = true;
                Err(ErrorKind::WouldBlock.into())
            }
        });
    if is_pending {
        return Poll::Pending;
    }
    written?;
    let flushed = stream.poll_flush(context);
    ready!(unless_interrupted(flushed, context))?;
    write_buffer.flushed();
    Poll::Ready(Ok(()))
}

/// Has what was interrupted done again, at the next turn.
pub(crate) fn unless_interrupted<T>(
    result: Poll<io::Result<T>>,
    context: &Context<'_>,
) -> Poll<io::Result<T>> {
    match result {
        Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        result => result,
    }
}
