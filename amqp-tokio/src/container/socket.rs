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

/// The number of reads at the end of a transport before others get a turn.
const READS: usize = 64;

/// Reads into the engine's buffer and writes its output, without waiting. So a peer that does not read delays no
/// other.
pub(super) struct Socket {
    way: Arc<Way>,
    /// Wakes the container when more can be done.
    waker: Waker,
    /// True if the keeper writes heartbeats.
    is_kept: bool,
    stage: SocketState,
    /// True if the input has ended.
    is_read: bool,
    /// True if the socket is in the list of sockets with work.
    pub(super) is_touched: bool,
    /// True if the socket has a time at which it is closed.
    pub(super) is_ending: bool,
}

/// The remaining work of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SocketState {
    Open,
    /// Output fails; input that arrived before can still be read.
    Unwritable,
    /// The output is written; the transport is being shut down.
    Ending,
    /// The peer's last octets are read before the transport closes.
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

    /// Reads and writes. Returns whether the connection has new events.
    pub(super) fn serve(&mut self, connection: &mut Connection, now: Moment) -> bool {
        let has_read = self.read(connection, now);
        let has_written = self.write(connection);
        has_read || has_written
    }

    /// Reads once. Returns whether anything happened.
    fn read(&mut self, connection: &mut Connection, now: Moment) -> bool {
        if self.is_read || connection.reading() != Reading::Wanted {
            return false;
        }
        let mut io = self.way.lock();
        let mut input = connection.input();
        // The future keeps no state: it reads at once or not at all.
        let read = pin!(io.stream.read_buf(&mut input)).poll(&mut Context::from_waker(&self.waker));
        match read {
            Poll::Ready(Ok(1..)) => {
                connection.received(now);
                io.set_pause(connection);
            }
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => return true,
            Poll::Pending if self.stage == SocketState::Open => return false,
            // The input has ended or failed; or output fails and all input is read.
            Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => {
                self.is_read = true;
                connection.end_of_input();
            }
        }
        true
    }

    /// Takes output and writes it. Returns whether any was taken, or all is written.
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

    /// Returns the transport once its peer has asked for heartbeats; from then on the keeper has it, too.
    pub(super) fn needs_keeper(&mut self, connection: &Connection) -> Option<&Arc<Way>> {
        let is_new = !self.is_kept && connection.heartbeat_interval().is_some();
        self.is_kept |= is_new;
        is_new.then_some(&self.way)
    }

    /// Returns whether the connection is over and its output is written or failed.
    pub(super) fn is_through(&self, connection: &Connection) -> bool {
        let is_written = self.way.lock().is_done() && !connection.has_output();
        connection.is_over() && (is_written || self.stage != SocketState::Open)
    }

    /// Begins to end the transport, after its connection has gone.
    pub(super) fn begin_end(&mut self) {
        self.stage = if self.stage == SocketState::Open { SocketState::Ending } else { SocketState::Done };
    }

    /// Continues to end the transport. Returns whether that is done.
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
        // The container polls it again.
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
