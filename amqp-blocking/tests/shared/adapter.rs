//! The attributes of the shared tests for amqp-blocking, and helpers that depend on the adapter.

use std::net::TcpStream;
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};

pub(crate) use adapter_tests::{blocking_helper as helper, blocking_test as test};

use crate::common::Pipe;

/// Returns two ends of a pipe in memory.
pub(crate) fn pipe() -> (Pipe, Pipe) {
    Pipe::pair()
}

/// Returns the socket, which needs no runtime.
pub(crate) fn socket(socket: TcpStream) -> TcpStream {
    socket
}

/// A thread that runs beside the test.
pub(crate) struct Task<T>(JoinHandle<T>);

/// Starts a thread beside the test.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    Task(thread::spawn(work))
}

/// Starts a thread beside the test.
pub(crate) fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    spawn(work)
}

impl<T> Task<T> {
    /// Waits for the thread; fails if it has panicked.
    pub(crate) fn join(self) -> thread::Result<T> {
        self.0.join()
    }
}

/// Runs two closures together.
pub(crate) fn both<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| resume_unwind(panic)), other)
    })
}

/// Waits for the next item of an iterator.
pub(crate) fn next<T>(items: &mut impl Iterator<Item = T>) -> Option<T> {
    items.next()
}

/// Lets other threads run.
pub(crate) fn pause() {
    thread::yield_now();
}
