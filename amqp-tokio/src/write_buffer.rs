//! Writing output to a stream.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use amqp_proto::driver::{PIECES, WriteBuffer};
use tokio::io::AsyncWrite;

/// Writes what a write buffer has, and flushes.
pub(crate) fn poll_write(
    write_buffer: &mut WriteBuffer,
    mut stream: Pin<&mut impl AsyncWrite>,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !write_buffer.is_empty() {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = write_buffer.slices(&mut slices);
        let slices = slices.get(..count).unwrap_or_default();
        let written = stream.as_mut().poll_write_vectored(context, slices);
        match ready!(unless_interrupted(written, context))? {
            0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
            octets => write_buffer.written(octets),
        }
    }
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
