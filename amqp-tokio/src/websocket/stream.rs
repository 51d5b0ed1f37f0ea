//! [`WebSocket`]: a stream of octets in binary messages.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use amqp_proto::client::WebSocketError;
use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::fault::{self, Failure};

/// The most octets in a message that this end sends.
pub(super) const MESSAGE: usize = 1 << 16;

/// A WebSocket that carries AMQP, as a stream of octets: a transport for [`Connection::over`](crate::Connection::over).
///
/// Pings are answered while the stream is read. Shutting the stream down closes the WebSocket; the stream ends when the
/// peer has closed it, too.
pub struct WebSocket<S> {
    inner: WebSocketStream<S>,
    /// The rest of the message that is being read.
    unread: Bytes,
    input: Input,
    /// True if no message can be sent after this end's close.
    is_closing: bool,
}

/// The state of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    /// The peer has closed the WebSocket, or the stream below has ended.
    Ended,
    /// The peer has broken a rule. What it sends until it ends the stream below is discarded, so that it can read the
    /// close.
    Failed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(super) fn new(inner: WebSocketStream<S>) -> Self {
        Self { inner, unread: Bytes::new(), input: Input::Open, is_closing: false }
    }

    /// Reads the next message. Returns `true` if it may have octets.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let error = match ready!(Pin::new(&mut self.inner).poll_next(context)) {
            Some(Ok(Message::Binary(octets))) => {
                self.unread = octets;
                return Poll::Ready(Ok(true));
            }
            Some(Ok(Message::Close(frame))) => return Poll::Ready(self.closed(frame, context)),
            Some(Ok(Message::Text(_))) => WebSocketError::Text,
            Some(Ok(_)) => return Poll::Ready(Ok(true)),
            None => {
                self.input = Input::Ended;
                return Poll::Ready(Ok(false));
            }
            Some(Err(error)) => match fault::reading(error) {
                Failure::End => {
                    self.input = Input::Ended;
                    return Poll::Ready(Ok(false));
                }
                Failure::Io(error) => {
                    self.input = Input::Ended;
                    return Poll::Ready(Err(error));
                }
                Failure::Peer(error) => error,
            },
        };
        self.input = Input::Failed;
        self.send_close(fault::close(&error), context);
        Poll::Ready(Err(error.into_io(None)))
    }

    /// Ends the input after the peer's close, which is answered.
    fn closed(&mut self, frame: Option<CloseFrame>, context: &mut Context<'_>) -> io::Result<bool> {
        self.input = Input::Ended;
        let is_answer = std::mem::replace(&mut self.is_closing, true);
        // What cannot be written now is written by the shutdown.
        let _ = self.poll_close(context);
        match frame {
            Some(CloseFrame { code, reason })
                if !is_answer && !matches!(code, CloseCode::Normal | CloseCode::Away) =>
            {
                Err(WebSocketError::closed(code.into(), reason.as_str()).into_io(None))
            }
            _ => Ok(false),
        }
    }

    /// Sends a close, unless one is sent.
    fn send_close(&mut self, frame: CloseFrame, context: &mut Context<'_>) {
        if !std::mem::replace(&mut self.is_closing, true) {
            // A stream that takes no close takes nothing else.
            let _ = Pin::new(&mut self.inner).start_send(Message::Close(Some(frame)));
            let _ = Pin::new(&mut self.inner).poll_flush(context);
        }
    }

    /// Writes the close, and shuts the stream below down if nothing is to be read from it.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(context)).map_err(fault::writing)?;
        match self.input {
            Input::Open => Poll::Ready(Ok(())),
            Input::Ended | Input::Failed => Pin::new(self.inner.get_mut()).poll_shutdown(context),
        }
    }

    /// Reads and discards octets until the stream below ends.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(self.inner.get_mut()).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                self.input = Input::Ended;
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            match this.input {
                Input::Open => {
                    if !ready!(this.poll_message(context))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Input::Ended => return Poll::Ready(Ok(())),
                Input::Failed => return this.poll_discard(context).map(Ok),
            }
        }
        let octets = this.unread.len().min(buffer.remaining());
        let (read, _) = this.unread.split_at(octets);
        buffer.put_slice(read);
        this.unread.advance(octets);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // So the buffer below has the octets of one message at the most.
        ready!(Pin::new(&mut this.inner).poll_flush(context)).map_err(fault::writing)?;
        let octets = slices.iter().map(|slice| slice.len()).sum::<usize>().min(MESSAGE);
        if octets == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut message = BytesMut::with_capacity(octets);
        for slice in slices {
            let (taken, _) = slice.split_at(slice.len().min(octets - message.len()));
            message.extend_from_slice(taken);
        }
        let sent = Pin::new(&mut this.inner).start_send(Message::Binary(message.freeze()));
        Poll::Ready(sent.map(|()| octets).map_err(fault::writing))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context).map_err(fault::writing)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_closing {
            ready!(Pin::new(&mut this.inner).poll_flush(context)).map_err(fault::writing)?;
            this.send_close(fault::normal(), context);
        }
        this.poll_close(context)
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("unread", &self.unread.len())
            .field("input", &self.input)
            .field("is_closing", &self.is_closing)
            .finish_non_exhaustive()
    }
}
