//! The attributes of the shared tests for amqp-tokio, and helpers that depend on the adapter.

#[path = "../../../amqp-proto/adapter-tests/tests/common/dice.rs"]
pub(crate) mod dice;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::{JoinError, JoinHandle};

pub(crate) use adapter_tests::{tokio_helper as helper, tokio_test as test};

use dice::Dice;

/// Runs a test.
pub(crate) fn run(test: impl Future<Output = ()>) {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Returns two ends of a stream in memory.
pub(crate) fn pipe() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(1 << 16)
}

/// Gives a socket to the runtime.
pub(crate) fn socket(socket: std::net::TcpStream) -> TcpStream {
    socket.set_nonblocking(true).unwrap();
    TcpStream::from_std(socket).unwrap()
}

/// A task that runs beside the test.
pub(crate) struct Task<T>(JoinHandle<T>);

/// Starts a task beside the test.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Task(tokio::spawn(work))
}

/// Starts a thread beside the test.
pub(crate) fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    Task(tokio::task::spawn_blocking(work))
}

impl<T> Task<T> {
    /// Waits for the task; fails if it has panicked.
    pub(crate) async fn join(self) -> Result<T, JoinError> {
        self.0.await
    }
}

/// Runs two futures together.
pub(crate) async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    tokio::join!(one, other)
}

/// Waits for the next item of a stream.
pub(crate) async fn next<T>(items: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
    items.next().await
}

/// Lets other tasks run.
pub(crate) async fn pause() {
    tokio::task::yield_now().await;
}

/// A stream in memory that moves few octets at a time, and makes the task wait for a turn, both at random.
pub(crate) struct Shaken {
    inner: DuplexStream,
    dice: Dice,
}

/// Returns two ends of such a stream.
pub(crate) fn shaken(dice: &mut Dice) -> (Shaken, Shaken) {
    let (near, far) = tokio::io::duplex(1 << 10);
    (Shaken { inner: near, dice: dice.next() }, Shaken { inner: far, dice: dice.next() })
}

impl Shaken {
    /// Returns the most octets to move now.
    fn turn(&mut self, context: &Context<'_>) -> Poll<usize> {
        match self.dice.roll(4) {
            0 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            1 => Poll::Ready(1),
            2 => Poll::Ready(30),
            _ => Poll::Ready(1 << 10),
        }
    }
}

impl AsyncRead for Shaken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = ready!(self.turn(context)).min(buffer.remaining());
        let mut space = vec![0; most];
        let mut part = ReadBuf::new(&mut space);
        let read = Pin::new(&mut self.inner).poll_read(context, &mut part);
        buffer.put_slice(part.filled());
        read
    }
}

impl AsyncWrite for Shaken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let most = ready!(self.turn(context)).min(octets.len());
        Pin::new(&mut self.inner).poll_write(context, &octets[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.turn(context));
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.turn(context));
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
