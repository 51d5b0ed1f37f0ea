//! The attributes of shared tests for amqp-tokio, and what they need that depends on the adapter.

use std::future::Future;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::runtime;
use tokio::task::{JoinError, JoinHandle};

pub(crate) use adapter_tests::{tokio_helper as helper, tokio_test as test};

/// The longest that a test may take.
const LONG: Duration = Duration::from_secs(60);

/// Runs a test, for a bounded time.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, test).await }).expect("the test hangs");
}

/// Makes two ends of a stream in memory.
pub(crate) fn pipe() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(1 << 16)
}

/// Work that goes on beside the test.
pub(crate) struct Task<T>(JoinHandle<T>);

/// Starts work beside the test.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Task(tokio::spawn(work))
}

/// Starts work beside the test that may block its thread.
pub(crate) fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    Task(tokio::task::spawn_blocking(work))
}

impl<T> Task<T> {
    /// Waits for the work to end; fails if it panics.
    pub(crate) async fn join(self) -> Result<T, JoinError> {
        self.0.await
    }
}

/// Does both, one beside the other.
pub(crate) async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    tokio::join!(one, other)
}

/// Lets other work go on.
pub(crate) async fn pause() {
    tokio::task::yield_now().await;
}
