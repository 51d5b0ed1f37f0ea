//! [`Hub`]: the lock around the state of a connection.

use alloc::sync::Arc;
use core::task::Poll;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::line::Ticket;
use super::state::{HubOptions, LastWords, LineId, State, WriteHere};
use super::wait::{Attempt, Try, Wait};
use super::wake::Wake;
use super::write_buffer::WriteBuffer;
use crate::client::Result;
use crate::connection::Connection as Engine;

/// The state of a connection, shared by its driver and its handles: an engine, slots and waiters, under one
/// lock.
///
/// The lock is held only for calls into the engine: nothing waits, reads or writes under it, and no waiter is
/// woken or dropped under it. To release the lock, the hub first handles the engine's events, then unlocks,
/// and then wakes the waiters concerned.
#[derive(Debug)]
pub struct Hub<W: Wake> {
    state: Mutex<State<W>>,
    write_here: Option<WriteHere>,
    last_words: Option<LastWords<W>>,
}

impl<W: Wake> Hub<W> {
    /// Returns the hub of an engine.
    pub fn new(engine: Engine, mut options: HubOptions<W>) -> Arc<Self> {
        let (write_here, last_words) = (options.write_here.take(), options.last_words.take());
        Arc::new(Self { state: Mutex::new(State::new(engine, options)), write_here, last_words })
    }

    /// Writes the output for a waiter, unless another thread writes or the adapter writes only in its driver.
    /// Octets that cannot be written at once are left to the driver.
    pub fn flush(&self) {
        self.write(|state| if state.is_stuck() { None } else { state.take_outlet() });
    }

    /// Writes the output if a waiter is about to sleep: a thread without other work saves a switch to the driver.
    pub(super) fn flush_if(&self, is_pending: bool) {
        if is_pending && self.write_here.is_some() {
            self.flush();
        }
    }

    /// Writes the output for the driver, unless another thread writes.
    pub fn write_out(&self) {
        self.write(State::take_outlet);
    }

    fn write(&self, take: impl FnOnce(&mut State<W>) -> Option<WriteBuffer>) {
        let Some(WriteHere(write)) = &self.write_here else { return };
        let Some(mut write_buffer) = self.drive(take) else { return };
        let written = write(&mut write_buffer);
        self.drive(|state| {
            state.put_back(write_buffer, written.err());
            if state.is_through() {
                // The driver may have looked while the write buffer was taken.
                let driver = state.writer.call();
                state.wakes.extend(driver);
            }
        });
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
        self.with(|state| state.engine.close());
        if let Some(LastWords(say)) = &self.last_words {
            say(self);
        }
    }

    /// Runs work of a handle on the state, handles the events, and wakes waiters.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State<W>) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        state.calls = state.calls.wrapping_add(1);
        Self::unlock(state);
        result
    }

    /// Runs work of the driver on the state, handles the events, and wakes waiters.
    pub fn drive<R>(&self, work: impl FnOnce(&mut State<W>) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        Self::unlock(state);
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
        let result = self.with(|state| {
            let result = attempt(state);
            match result {
                Poll::Pending => state.wait(line, ticket, waiter),
                Poll::Ready(_) => state.leave(line, ticket, &mut None),
            }
            result
        });
        self.flush_if(result.is_pending());
        result
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

    fn unlock(mut state: MutexGuard<'_, State<W>>) {
        state.dispatch();
        let writer = if state.calls_writer() { state.writer.call() } else { None };
        let reader = if state.calls_reader() { state.reader.call() } else { None };
        let wakes = core::mem::take(&mut state.wakes);
        let spent = core::mem::take(&mut state.spent);
        drop(state);
        drop(spent);
        wakes.into_iter().chain(writer).chain(reader).for_each(Wake::wake);
    }
}
