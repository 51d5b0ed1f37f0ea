//! [`Hub`]: the lock around the state of a connection.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Poll;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::line::Ticket;
use super::state::{HubOptions, LastWords, LineId, State};
use super::wait::{Attempt, Try, Wait};
use super::wake::Wake;
use super::write_buffer::WriteBuffer;
use crate::client::Result;
use crate::connection::Connection as Engine;

/// The greatest number of writes of a waiter before it leaves more output to the driver.
const MOST_WRITES: u32 = 8;

/// The state of a connection, shared by its driver and its handles: an engine, slots and waiters, under one
/// lock.
///
/// The lock is held only for calls into the engine: nothing waits, reads or writes under it, and no waiter is
/// woken or dropped under it. To release the lock, the hub first handles the engine's events, then unlocks,
/// and then wakes the waiters concerned.
#[derive(Debug)]
pub struct Hub<W: Wake> {
    state: Mutex<State<W>>,
    /// The number of times that the connection was lost, or a link on it that comes back, to be read without the lock.
    losses: Arc<AtomicU32>,
    last_words: Option<LastWords<W>>,
}

impl<W: Wake> Hub<W> {
    /// Returns the hub of an engine.
    pub fn new(engine: Engine, mut options: HubOptions<W>) -> Arc<Self> {
        let last_words = options.last_words.take();
        let state = State::new(engine, options);
        Arc::new(Self { losses: Arc::clone(&state.losses), state: Mutex::new(state), last_words })
    }

    /// Returns the number of times that the connection was lost, or a link on it that comes back.
    pub(super) fn losses(&self) -> u32 {
        self.losses.load(Ordering::Acquire)
    }

    /// Writes the output for a waiter, unless another thread writes or the adapter writes only in its driver.
    /// Octets that cannot be written at once are left to the driver.
    pub fn flush(&self) {
        if let Some(write_buffer) = self.drive(State::take_for_waiter) {
            self.write(write_buffer);
        }
    }

    /// Writes the output for the driver, unless another thread writes.
    pub fn write_out(&self) {
        if let Some(write_buffer) = self.drive(State::take_outlet) {
            self.write(write_buffer);
        }
    }

    /// Writes a write buffer, and the output that other threads have added meanwhile.
    fn write(&self, mut write_buffer: WriteBuffer) {
        for left in (0..MOST_WRITES).rev() {
            let written = write_buffer.write_here();
            let more = self.drive(|state| {
                state.put_back(write_buffer, written.err());
                if state.is_through() {
                    // The driver may have looked while the write buffer was taken.
                    let driver = state.writer.call();
                    state.wakes.extend(driver);
                }
                if left > 0 { state.take_for_waiter() } else { None }
            });
            match more {
                Some(more) => write_buffer = more,
                None => return,
            }
        }
    }

    /// Waits until all output, the close included, is written or cannot be written.
    pub fn written(&self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        self.wait(
            LineId::Connection,
            |state: &mut State<W>, _| {
                if state.is_out() { Poll::Ready(Ok(())) } else { Poll::Pending }
            },
        )
    }

    /// Closes the connection after its last handle was dropped.
    pub(super) fn close(&self) {
        self.with(|state| state.close(None));
        if let Some(LastWords(say)) = &self.last_words {
            say(self);
        }
    }

    /// Runs work of a handle on the state, handles the events, and wakes waiters.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State<W>) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        state.calls = state.calls.wrapping_add(1);
        Self::unlock(state, Next::Other);
        result
    }

    /// Runs work of a handle like [`with`](Self::with), and then does what the work returns beside its result.
    ///
    /// To write here is decided under the lock in which the output is made, so that the driver is not woken for it.
    pub(super) fn with_then<R>(&self, work: impl FnOnce(&mut State<W>) -> (R, Next)) -> R {
        let mut state = self.lock();
        let (result, next) = work(&mut state);
        state.calls = state.calls.wrapping_add(1);
        let write_buffer = if next == Next::Write { state.take_for_waiter() } else { None };
        Self::unlock(state, next);
        if let Some(write_buffer) = write_buffer {
            self.write(write_buffer);
        }
        result
    }

    /// Runs work of the driver on the state, handles the events, and wakes waiters.
    pub fn drive<R>(&self, work: impl FnOnce(&mut State<W>) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        Self::unlock(state, Next::Other);
        result
    }

    /// Reads the state. Nothing changes, so no waiter is woken.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut State<W>) -> R) -> R {
        look(&mut self.lock())
    }

    /// Returns a wait in a line for an attempt.
    pub(crate) fn wait<R, F>(&self, place: LineId, attempt: F) -> Wait<'_, W, F>
    where
        F: FnMut(&mut State<W>, Attempt) -> Poll<R>,
    {
        Wait::new(self, place, attempt)
    }

    /// Makes an attempt with a ticket that is kept from one attempt to the next.
    pub(super) fn attempt<R>(
        &self,
        line: LineId,
        ticket: &mut Option<Ticket>,
        waiter: &W,
        attempt: impl FnOnce(&mut State<W>) -> Poll<R>,
    ) -> Poll<R> {
        self.with_then(|state| {
            let result = attempt(state);
            match result {
                Poll::Pending => state.wait(line, ticket, waiter),
                Poll::Ready(_) => state.leave(line, ticket, &mut None),
            }
            let next = Next::after(&result);
            (result, next)
        })
    }

    /// Gives the ticket of such attempts back.
    pub(super) fn leave(&self, line: LineId, ticket: &mut Option<Ticket>) {
        if ticket.is_some() {
            self.with(|state| state.leave(line, ticket, &mut None));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // Poisoning is ignored: the engine leaves no partial change, and waiters are used outside the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unlock(mut state: MutexGuard<'_, State<W>>, next: Next) {
        state.dispatch();
        let calls_writer = next != Next::Wait && state.calls_writer();
        let writer = if calls_writer { state.writer.call() } else { None };
        let reader = if state.calls_reader() { state.reader.call() } else { None };
        // Mostly no waiter is concerned.
        if writer.is_some() || reader.is_some() || !state.wakes.is_empty() || !state.spent.is_empty() {
            Self::wake(state, writer.into_iter().chain(reader));
        }
    }

    /// Unlocks, drops the waiters that wait no longer, and wakes the others.
    #[inline(never)]
    fn wake(mut state: MutexGuard<'_, State<W>>, movers: impl Iterator<Item = W>) {
        let wakes = core::mem::take(&mut state.wakes);
        let spent = core::mem::take(&mut state.spent);
        drop(state);
        drop(spent);
        wakes.into_iter().chain(movers).for_each(Wake::wake);
    }
}

/// The next step of a handle, after its work under the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Anything: the driver writes the output.
    Other,
    /// The handle sleeps: it writes the output itself, if it may.
    Write,
    /// The handle waits in the hub at once, for the answer to its output: that wait writes the output.
    Wait,
}

impl Next {
    /// Returns the next step after an attempt: a waiter that sleeps has time to write.
    pub(super) fn after<R>(result: &Poll<R>) -> Self {
        if result.is_pending() { Self::Write } else { Self::Other }
    }
}
