//! [`Socket`]: the transport of one connection of a container.

use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use amqp_proto::types::Moment;
use amqp_proto::{Connection, Reading};
use bytes::Buf;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::way::{Stream, Way};

/// How often the end reads in vain before others get a turn.
const READS: usize = 64;

/// Reads into the engine's buffer, and writes what it has to say; both as far as that can be done at once. So a peer
/// that takes nothing stops nobody else.
pub(super) struct Socket {
    way: Arc<Way>,
    /// Tells the container that more can be done.
    waker: Waker,
    /// Whether heartbeats are looked after.
    is_kept: bool,
    stage: SocketState,
    /// Whether there is nothing more to be read.
    is_read: bool,
    /// Whether it is among those to be served.
    pub(super) is_touched: bool,
    /// Whether it is known when it is given up.
    pub(super) is_ending: bool,
}

/// What is left to be done with a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SocketState {
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
            way: Way::new(stream, waker.clone()),
            waker,
            is_kept: false,
            stage: SocketState::Open,
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
        let mut io = self.way.lock();
        let mut input = connection.input();
        // A future that keeps nothing: it reads at once or not at all.
        let read = pin!(io.stream.read_buf(&mut input)).poll(&mut Context::from_waker(&self.waker));
        drop(input);
        match read {
            Poll::Ready(Ok(1..)) => {
                connection.received(now);
                io.set_pause(connection);
            }
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => return true,
            Poll::Pending if self.stage == SocketState::Open => return false,
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
        if self.stage != SocketState::Open {
            let octets = connection.output().remaining();
            connection.output().advance(octets);
            return false;
        }
        let written = self.way.lock().write(connection);
        written.unwrap_or_else(|_| {
            self.stage = SocketState::Unwritable;
            true
        })
    }

    /// Returns the transport, once the peer has asked for heartbeats: they are to be looked after from then on.
    pub(super) fn needs_keeper(&mut self, connection: &Connection) -> Option<&Arc<Way>> {
        let is_new = !self.is_kept && connection.longest_pause().is_some();
        self.is_kept |= is_new;
        is_new.then_some(&self.way)
    }

    /// Returns whether all is written of a connection that is over, or cannot be.
    pub(super) fn is_through(&self, connection: &Connection) -> bool {
        let is_written = self.way.lock().is_done() && !connection.has_output();
        connection.is_over() && (is_written || self.stage != SocketState::Open)
    }

    /// The connection is gone.
    pub(super) fn begin_end(&mut self) {
        self.stage = if self.stage == SocketState::Open { SocketState::Ending } else { SocketState::Done };
    }

    /// Goes on with the end of the transport; whether it is done with.
    pub(super) fn poll_end(&mut self) -> bool {
        let context = &mut Context::from_waker(&self.waker);
        let stream = &mut self.way.lock().stream;
        if self.stage == SocketState::Ending {
            match Pin::new(&mut *stream).poll_shutdown(context) {
                Poll::Pending => return false,
                Poll::Ready(Ok(())) if !self.is_read => self.stage = SocketState::Draining,
                Poll::Ready(_) => self.stage = SocketState::Done,
            }
        }
        // It is asked again.
        for _ in 0..READS {
            if self.stage != SocketState::Draining {
                return true;
            }
            let mut space = [0; 1024];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Pending => return false,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => self.stage = SocketState::Done,
            }
        }
        self.waker.wake_by_ref();
        false
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("stage", &self.stage).field("way", &self.way).finish_non_exhaustive()
    }
}
