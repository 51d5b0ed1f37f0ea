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

/// A transport, of whatever type.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A transport that the task of the container shares with its keeper. The lock is held for calls that do not wait.
pub(super) struct Way(Mutex<Io>);

/// What a [`Way`] guards.
pub(super) struct Io {
    pub(super) stream: Box<dyn Stream>,
    write_buffer: WriteBuffer,
    /// Tells the container that more can be done.
    waker: Waker,
    /// When something was written last, and how long a pause after that may be.
    written: Instant,
    pause: Option<Duration>,
    /// What has become of a heartbeat, if the container has to know.
    failure: Option<io::Error>,
}

impl Way {
    pub(super) fn new(stream: Box<dyn Stream>, waker: Waker) -> Arc<Self> {
        let write_buffer = WriteBuffer::default();
        let io = Io { stream, write_buffer, waker, written: Instant::now(), pause: None, failure: None };
        Arc::new(Self(Mutex::new(io)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Io> {
        // Nothing in there can panic half way but the stream, which is not used any more then.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Io {
    /// Writes what there is of output, whole frames of it; whether any was taken, or all that was is written.
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

    /// Writes what was taken. After a failure that is dropped, as no more can be written.
    fn poll_write(&mut self) -> Poll<io::Result<()>> {
        let context = &mut Context::from_waker(&self.waker);
        let written = poll_write(&mut self.write_buffer, Pin::new(&mut self.stream), context);
        if let Poll::Ready(Err(_)) = written {
            self.write_buffer.discard();
        }
        written
    }

    /// Notes how long a pause may be: the handler may be about to work.
    pub(super) fn set_pause(&mut self, connection: &Connection) {
        self.pause = connection.longest_pause().map(|millis| Duration::from_millis(millis.into()));
    }

    /// Returns whether all that was taken is written.
    pub(super) fn is_done(&self) -> bool {
        self.write_buffer.is_done()
    }

    /// Goes on with what could not be written at once, and writes a heartbeat if the pause has become too long; when
    /// to look again.
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
