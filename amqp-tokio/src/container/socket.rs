//! [`Socket`]: the transport of one connection of a container.

use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use amqp_proto::Connection;
use amqp_proto::machine::Reading;
use amqp_proto::types::Moment;
use bytes::Buf;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::outlet::Outlet;

/// How often the end reads in vain before others get a turn.
const READS: usize = 64;

/// A transport, of whatever type.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Reads into the engine's buffer, and writes what it has to say; both as far as that can be done at once. So a peer
/// that takes nothing stops nobody else.
pub(super) struct Socket {
    stream: Box<dyn Stream>,
    /// Tells the container that more can be done.
    waker: Waker,
    outlet: Outlet,
    stage: Stage,
    /// Whether there is nothing more to be read.
    is_read: bool,
    /// Whether it is among those to be served.
    pub(super) is_touched: bool,
    /// Whether it is known when it is given up.
    pub(super) is_ending: bool,
}

/// What is left to be done with a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// No more can be written: what the peer has said before may still be read.
    Unwritable,
    /// The last words are written: the peer is to see that.
    Ending,
    /// The peer's last words are to come, before they meet a closed door.
    Draining,
    Done,
}

impl Socket {
    pub(super) fn new(stream: Box<dyn Stream>, waker: Waker) -> Self {
        Self {
            stream,
            waker,
            outlet: Outlet::default(),
            stage: Stage::Open,
            is_read: false,
            is_touched: false,
            is_ending: false,
        }
    }

    /// Reads and writes; whether the connection has something to do about it.
    pub(super) fn serve(&mut self, connection: &mut Connection, now: Moment) -> bool {
        let has_read = self.read(connection, now);
        let has_written = self.write(connection);
        has_read || has_written
    }

    /// Reads once; whether anything came of it.
    fn read(&mut self, connection: &mut Connection, now: Moment) -> bool {
        if self.is_read || connection.reading() != Reading::Wanted {
            return false;
        }
        let mut input = connection.input();
        // A future that keeps nothing: it reads at once or not at all.
        let read = pin!(self.stream.read_buf(&mut input)).poll(&mut Context::from_waker(&self.waker));
        drop(input);
        match read {
            Poll::Ready(Ok(1..)) => connection.received(now),
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => return true,
            Poll::Pending if self.stage == Stage::Open => return false,
            // It has ended or broken; or no more can be written, and all that the peer had said is read.
            Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => {
                self.is_read = true;
                connection.end_of_input();
            }
        }
        true
    }

    /// Takes output, and writes it; whether any was taken, or all that was is written.
    fn write(&mut self, connection: &mut Connection) -> bool {
        if self.stage != Stage::Open {
            let octets = connection.output().remaining();
            connection.output().advance(octets);
            return false;
        }
        let is_taken = self.outlet.is_empty() && connection.has_output();
        if is_taken {
            self.outlet.fill(connection);
        }
        if self.outlet.is_done() {
            return false;
        }
        match self.outlet.poll_write(&mut self.stream, &mut Context::from_waker(&self.waker)) {
            Poll::Pending => is_taken,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                self.stage = Stage::Unwritable;
                true
            }
        }
    }

    /// Whether all is written of a connection that is over, or cannot be.
    pub(super) fn is_through(&self, connection: &Connection) -> bool {
        let is_written = self.outlet.is_done() && !connection.has_output();
        connection.is_over() && (is_written || self.stage != Stage::Open)
    }

    /// The connection is gone.
    pub(super) fn begin_end(&mut self) {
        self.stage = if self.stage == Stage::Open { Stage::Ending } else { Stage::Done };
    }

    /// Goes on with the end of the transport; whether it is done with.
    pub(super) fn poll_end(&mut self) -> bool {
        let context = &mut Context::from_waker(&self.waker);
        if self.stage == Stage::Ending {
            match Pin::new(&mut self.stream).poll_shutdown(context) {
                Poll::Pending => return false,
                Poll::Ready(Ok(())) if !self.is_read => self.stage = Stage::Draining,
                Poll::Ready(_) => self.stage = Stage::Done,
            }
        }
        // It is asked again.
        for _ in 0..READS {
            if self.stage != Stage::Draining {
                return true;
            }
            let mut space = [0; 1024];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return false,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => self.stage = Stage::Done,
            }
        }
        self.waker.wake_by_ref();
        false
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("stage", &self.stage)
            .field("outlet", &self.outlet)
            .finish_non_exhaustive()
    }
}
