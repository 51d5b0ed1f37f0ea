//! [`Way`]: the way out of one connection of a container, which its keeper writes heartbeats to.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use amqp_proto::Connection;
use amqp_proto::driver::WriteBuffer;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::write_buffer::poll_write;

/// A transport of any type.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A transport shared by the container's task and its keeper. The lock is held only for calls that do not wait.
pub(super) struct Way(Mutex<Io>);

/// The state behind the lock of a [`Way`].
pub(super) struct Io {
    pub(super) stream: Box<dyn Stream>,
    write_buffer: WriteBuffer,
    /// Wakes the container when more can be done.
    waker: Waker,
    /// The time of the last write, and the longest pause after it.
    written: Instant,
    pause: Option<Duration>,
    /// The failure of a heartbeat, for the container.
    failure: Option<io::Error>,
}

impl Way {
    pub(super) fn new(stream: Box<dyn Stream>, waker: Waker) -> Arc<Self> {
        let write_buffer = WriteBuffer::default();
        let io = Io { stream, write_buffer, waker, written: Instant::now(), pause: None, failure: None };
        Arc::new(Self(Mutex::new(io)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Io> {
        // Only the stream can panic under the lock, and it is not used after that.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Io {
    /// Writes output in whole frames. Returns whether any was taken, or all is written.
    pub(super) fn write(&mut self, connection: &mut Connection) -> io::Result<bool> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let is_taken = self.write_buffer.is_empty() && connection.has_output();
        if is_taken {
            self.write_buffer.fill(connection);
        }
        self.set_pause(connection);
        if self.write_buffer.is_done() {
            return Ok(false);
        }
        self.written = Instant::now();
        match self.poll_write() {
            Poll::Pending => Ok(is_taken),
            Poll::Ready(written) => written.map(|()| true),
        }
    }

    /// Writes the taken output. After a failure it is dropped.
    fn poll_write(&mut self) -> Poll<io::Result<()>> {
        let context = &mut Context::from_waker(&self.waker);
        let written = poll_write(&mut self.write_buffer, Pin::new(&mut self.stream), context);
        if let Poll::Ready(Err(_)) = written {
            self.write_buffer.discard();
        }
        written
    }

    /// Sets the longest pause between writes, since the handler may work for long.
    pub(super) fn set_pause(&mut self, connection: &Connection) {
        self.pause = connection.heartbeat_interval();
    }

    /// Returns whether all taken output is written.
    pub(super) fn is_done(&self) -> bool {
        self.write_buffer.is_done()
    }

    /// Writes waiting output, and a heartbeat after a long pause. Returns the time of the next call.
    pub(super) fn keep(&mut self) -> Option<Instant> {
        let pause = self.pause?;
        if self.written.elapsed() >= pause {
            if self.write_buffer.is_done() {
                self.write_buffer.beat();
            }
            self.written = Instant::now();
            let written = self.poll_write();
            if let Poll::Ready(Err(failure)) = written {
                self.failure = Some(failure);
                self.pause = None;
                self.waker.wake_by_ref();
                return None;
            }
        }
        self.written.checked_add(pause)
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Way").field(&self.lock().write_buffer).finish()
    }
}
