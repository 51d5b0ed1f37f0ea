//! [`Tcp`]: a TCP stream to which waiting tasks write, too.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use amqp_proto::driver::WriteHere;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A TCP stream. The task that has the hub's write buffer writes to it.
#[derive(Debug)]
pub(crate) struct Tcp {
    reader: OwnedReadHalf,
    /// Dropped to shut down the writing direction.
    writer: Option<Arc<OwnedWriteHalf>>,
}

impl Tcp {
    /// Returns the stream, and the function with which a waiting task writes to it until the writing direction is shut
    /// down.
    pub(crate) fn new(stream: TcpStream) -> (Self, WriteHere) {
        let (reader, writer) = stream.into_split();
        let writer = Arc::new(writer);
        let weak = Arc::downgrade(&writer);
        let write_here = WriteHere::new(move |write_buffer| {
            let Some(writer) = weak.upgrade() else { return Ok(()) };
            write_buffer.write_with(|slices| writer.try_write_vectored(slices))?;
            write_buffer.flushed();
            Ok(())
        });
        (Self { reader, writer: Some(writer) }, write_here)
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().reader).poll_read(context, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(writer) = &self.writer else { return Poll::Ready(Err(ErrorKind::BrokenPipe.into())) };
        loop {
            ready!(writer.as_ref().as_ref().poll_write_ready(context))?;
            match writer.try_write_vectored(slices) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().writer = None;
        Poll::Ready(Ok(()))
    }
}
