//! The attributes of the shared tests for amqp-tokio, and helpers that depend on the adapter.

use std::future::Future;

use futures_util::{Stream, StreamExt};
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::{JoinError, JoinHandle};

pub(crate) use adapter_tests::{tokio_helper as helper, tokio_test as test};

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
