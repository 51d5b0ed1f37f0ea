//! The attributes of the shared tests for amqp-blocking, and helpers that depend on the adapter.

#[path = "../../../amqp-proto/adapter-tests/tests/common/dice.rs"]
pub(crate) mod dice;

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use amqp_blocking::Transport;

pub(crate) use adapter_tests::{blocking_helper as helper, blocking_test as test};

use crate::common::Pipe;
use dice::Dice;

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

/// A pipe in memory that moves few octets at a time, and makes its thread give way, both at random.
pub(crate) struct Shaken {
    inner: Pipe,
    dice: Dice,
}

/// Returns two ends of such a pipe.
pub(crate) fn shaken(dice: &mut Dice) -> (Shaken, Shaken) {
    let (near, far) = Pipe::pair();
    (Shaken { inner: near, dice: dice.next() }, Shaken { inner: far, dice: dice.next() })
}

impl Shaken {
    /// Gives way. Returns the most octets to move then.
    fn turn(&mut self) -> usize {
        match self.dice.roll(4) {
            0 => thread::sleep(Duration::from_micros(self.dice.roll(300))),
            1 => thread::yield_now(),
            _ => {}
        }
        [1, 30, 1 << 10].into_iter().find(|_| self.dice.roll(2) == 0).unwrap_or(usize::MAX)
    }
}

impl Read for Shaken {
    fn read(&mut self, space: &mut [u8]) -> Result<usize> {
        let most = self.turn().min(space.len());
        self.inner.read(&mut space[..most])
    }
}

impl Write for Shaken {
    fn write(&mut self, octets: &[u8]) -> Result<usize> {
        let most = self.turn().min(octets.len());
        self.inner.write(&octets[..most])
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}

impl Transport for Shaken {
    fn try_clone(&self) -> Result<Self> {
        Ok(Self { inner: self.inner.try_clone()?, dice: self.dice.clone() })
    }

    fn prepare(&self, write_timeout: Duration) -> Result<()> {
        self.inner.prepare(write_timeout)
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.inner.shutdown(how)
    }
}
