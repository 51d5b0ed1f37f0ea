//! [`Hub`]: the lock around the state of a connection.

use alloc::sync::Arc;
use core::task::Poll;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::state::{HubOptions, LastWords, LineId, State, WriteHere};
use super::wait::{Attempt, Try, Wait};
use super::wake::Wake;
use super::write_buffer::WriteBuffer;
use crate::client::Result;
use crate::connection::Connection as Engine;

/// A connection as its driver and its handles see it: an engine, its slots and its waiters, under one lock.
///
/// The lock is held for calls into the engine and nothing else: nothing waits, reads or writes under it, and no waiter
/// is woken or dropped under it. Giving it back means: what the engine has to tell is looked at, the lock is released,
/// and then the waiters that this concerns are woken.
#[derive(Debug)]
pub struct Hub<W: Wake> {
    state: Mutex<State<W>>,
    write_here: Option<WriteHere>,
    last_words: Option<LastWords<W>>,
}

impl<W: Wake> Hub<W> {
    /// Makes the hub of an engine.
    pub fn new(engine: Engine, mut options: HubOptions<W>) -> Arc<Self> {
        let (write_here, last_words) = (options.write_here.take(), options.last_words.take());
        Arc::new(Self { state: Mutex::new(State::new(engine, options)), write_here, last_words })
    }

    /// Writes the output that there is on behalf of a waiter, unless somebody else writes, or the adapter leaves writing
    /// to its driver. What could not be written for now stays with the driver, too.
    pub fn flush(&self) {
        self.write(|state| if state.is_stuck() { None } else { state.take_outlet() });
    }

    /// Writes the output that there is on behalf of the driver, unless somebody else writes.
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
                // The driver may have looked while the write buffer was away.
                let driver = state.writer.call();
                state.wakes.extend(driver);
            }
        });
    }

    /// Waits until all that was accepted is written, the close included, or cannot be.
    pub fn written(&self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        self.wait(
            LineId::Connection,
            |state: &mut State<W>, _| {
                if state.is_out() { Poll::Ready(Ok(())) } else { Poll::Pending }
            },
        )
    }

    /// Closes the connection: its last handle was dropped.
    pub(super) fn close(&self) {
        self.with(|state| state.engine.close());
        if let Some(LastWords(say)) = &self.last_words {
            say(self);
        }
    }

    /// Does something about the state, looks at what that has led to, and wakes whoever has to know.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State<W>) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        state.calls = state.calls.wrapping_add(1);
        Self::unlock(state);
        result
    }

    /// Does what a driver does about the state, looks at what that has led to, and wakes whoever has to know.
    pub fn drive<R>(&self, work: impl FnOnce(&mut State<W>) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        Self::unlock(state);
        result
    }

    /// Looks at the state. Nothing is changed, so nobody is woken.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut State<W>) -> R) -> R {
        look(&mut self.lock())
    }

    /// Makes an attempt that waits in a line.
    pub(crate) fn wait<R, F>(&self, place: LineId, attempt: F) -> Wait<'_, W, F>
    where
        F: FnMut(&mut State<W>, Attempt) -> Poll<R>,
    {
        Wait::new(self, place, attempt)
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // A panic leaves nothing half done: the engine does not panic, and waiters are used outside.
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
