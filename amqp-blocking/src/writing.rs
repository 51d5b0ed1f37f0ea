//! Writing, and the thread that does it when nobody else does, keeps the time, and ends the transport.
//!
//! Who writes has taken the [`Outlet`] out of the state. So there is one at a time, and the state is not locked
//! meanwhile; what is queued meanwhile goes out together.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use amqp_proto::Connection;
use amqp_proto::machine::Reading;
use bytes::{Buf, Bytes};

use crate::shared::Shared;
use crate::state::{Stage, State};
use crate::transport::Transport;
use crate::waiters::On;

/// How long one write may take before deadlines are looked at.
pub(crate) const LONGEST_WRITE: Duration = Duration::from_secs(1);
/// How long the peer may take, once all is written, to end its direction: closing before that could take from it what
/// it has not read yet.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// How long output is left to be added to, or to be written by whoever made it.
const REST: Duration = Duration::from_micros(300);
/// From how many octets on it is not, and who sends writes it.
const WORTH_WRITING: usize = 48 << 10;
/// How many pieces are written by one call.
const MOST_PIECES: usize = 64;
/// From how many octets on no more are taken for the same call.
const ENOUGH: usize = 1 << 20;

/// The way out.
pub(crate) struct Outlet {
    stream: Box<dyn Stream>,
    /// Taken out of the connection, and not written yet.
    batch: VecDeque<Bytes>,
    /// Whether the stream may hold back what was written.
    needs_flush: bool,
}

/// A transport, of whatever type.
trait Stream: Write + Send {
    fn end(&self, how: Shutdown) -> io::Result<()>;
}

impl<T: Transport> Stream for T {
    fn end(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

impl Outlet {
    pub(crate) fn new(stream: impl Transport) -> Self {
        Self { stream: Box::new(stream), batch: VecDeque::new(), needs_flush: false }
    }

    /// Takes output out of the connection; whether there is any to be written.
    pub(crate) fn fill(&mut self, connection: &mut Connection) -> bool {
        let mut octets: usize = self.batch.iter().map(Bytes::len).sum();
        let mut output = connection.output();
        while output.has_remaining() && octets < ENOUGH && self.batch.len() < MOST_PIECES {
            let piece = output.chunk().len();
            self.batch.push_back(output.copy_to_bytes(piece));
            octets += piece;
        }
        !self.batch.is_empty() || self.needs_flush
    }

    /// Adds what was taken elsewhere.
    pub(crate) fn queue(&mut self, mut pieces: VecDeque<Bytes>) {
        self.batch.append(&mut pieces);
    }

    /// Writes what was taken. What could not be written stays.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        while !self.batch.is_empty() {
            let mut slices = [IoSlice::new(&[]); MOST_PIECES];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.batch) {
                *slice = IoSlice::new(piece);
                count += 1;
            }
            match self.stream.write_vectored(slices.get(..count).unwrap_or_default()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(octets) => self.written(octets),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.needs_flush = true;
        }
        loop {
            match self.stream.flush() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                flushed => {
                    self.needs_flush = flushed.is_err();
                    return flushed;
                }
            }
        }
    }

    /// Whether all that was taken is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && !self.needs_flush
    }

    /// Drops what was taken and all that there is, which cannot be written.
    pub(crate) fn discard(&mut self, connection: &mut Connection) {
        self.batch.clear();
        self.needs_flush = false;
        discard(connection);
    }

    /// Ends the transport, in one direction or both. Where the peer has ended it, there is nothing to be ended.
    pub(crate) fn end(&self, how: Shutdown) {
        let _ = self.stream.end(how);
    }

    fn written(&mut self, mut octets: usize) {
        while let Some(piece) = self.batch.front_mut() {
            if octets < piece.len() {
                piece.advance(octets);
                return;
            }
            octets -= piece.len();
            self.batch.pop_front();
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outlet with {} pieces", self.batch.len())
    }
}

impl State {
    /// Whether the writing thread is to be woken: it waits, was not called already, and has something to do.
    pub(crate) fn calls_writer(&mut self) -> bool {
        if self.is_writer_called || self.outlet.is_none() || self.transport != Stage::Open {
            return false;
        }
        let deadline = self.connection.next_deadline().map(|(at, _)| at);
        let is_earlier = deadline.is_some_and(|at| self.alarm.is_none_or(|alarm| at < alarm));
        self.is_writer_called = is_earlier || self.connection.is_over() || self.connection.has_output();
        self.is_writer_called
    }

    /// Whether output is not left to whoever made it.
    fn is_urgent(&mut self) -> bool {
        self.connection.is_over() || self.connection.output_len() >= WORTH_WRITING
    }

    /// Whether the reading thread is to be woken.
    pub(crate) fn calls_reader(&mut self) -> bool {
        let calls = self.is_reader_waiting && self.connection.reading() != Reading::Output;
        self.is_reader_waiting &= !calls;
        calls
    }

    /// The outlet is back.
    fn put_back(&mut self, mut outlet: Outlet, result: io::Result<()>) {
        // Who has said all there is to say, and takes nothing, is gone.
        let is_gone = self.connection.is_over() || self.is_read;
        if let Err(error) = result
            && (is_gone || !is_for_now(&error))
        {
            outlet.discard(&mut self.connection);
            self.is_cut = true;
            self.transport = Stage::Broken;
            self.io.get_or_insert_with(|| Arc::new(error));
        }
        self.outlet = Some(outlet);
        self.waiters.wake_all(On::Written);
    }

    /// Whether all that was accepted is written, or cannot be.
    pub(crate) fn is_written(&self) -> bool {
        let is_pending = self.connection.is_closing() || self.connection.has_output();
        let is_out = !is_pending && self.outlet.as_ref().is_some_and(Outlet::is_empty);
        is_out || self.transport != Stage::Open
    }

    /// Whether nothing more can or need be written.
    fn is_through(&mut self) -> bool {
        self.transport != Stage::Open
            || (self.connection.is_over()
                && !self.connection.output().has_remaining()
                && self.outlet.as_ref().is_some_and(Outlet::is_empty))
    }
}

/// Takes the output that there is, which ends with a frame.
pub(crate) fn take_output(connection: &mut Connection) -> VecDeque<Bytes> {
    let mut output = connection.output();
    let mut pieces = VecDeque::new();
    // Where that makes room, more may be added meanwhile.
    let mut left = output.remaining();
    while left > 0 {
        let octets = output.chunk().len().min(left);
        pieces.push_back(output.copy_to_bytes(octets));
        left -= octets;
    }
    pieces
}

/// Drops all output.
pub(crate) fn discard(connection: &mut Connection) {
    let mut output = connection.output();
    while output.has_remaining() {
        let octets = output.remaining();
        output.advance(octets);
    }
}

/// Whether a write that failed may succeed later.
pub(crate) fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Writes once, if nobody else does and there is something. Then there may be more: that is for the other thread.
pub(crate) fn write_here(shared: &Shared, mut state: MutexGuard<'_, State>) {
    let is_open = state.transport == Stage::Open && state.connection.has_output();
    let Some(mut outlet) = state.outlet.take_if(|_| is_open) else { return shared.unlock(state) };
    let is_something = outlet.fill(&mut state.connection);
    state.on_taken();
    if !is_something {
        state.outlet = Some(outlet);
        return shared.unlock(state);
    }
    shared.unlock(state);
    let result = outlet.write();
    let mut state = shared.lock();
    state.put_back(outlet, result);
    if state.transport == Stage::Broken {
        shared.writer.notify_one();
    }
    shared.unlock(state);
}

/// The same, if there is so much output that it is not worth waiting for more.
pub(crate) fn write_much_here(shared: &Shared, state: MutexGuard<'_, State>) {
    if state.connection.output_len() >= WORTH_WRITING {
        write_here(shared, state);
    } else {
        shared.unlock(state);
    }
}

/// Writes until the connection is over and all is written, or cannot be. Then ends the transport.
///
/// Who made output mostly adds to it, and writes it when he comes to wait; so it is left for a while, and while there
/// goes on to be some, nobody has to call.
pub(crate) fn run(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        state.connection.handle_deadline(shared.now());
        state.dispatch();
        if state.outlet.is_some() && state.is_through() {
            break;
        }
        if std::mem::take(&mut state.is_busy) && !state.is_urgent() {
            state = rest(shared, state);
        }
        if let Some(mut outlet) = state.outlet.take() {
            let is_something = outlet.fill(&mut state.connection);
            state.on_taken();
            if is_something {
                shared.unlock(state);
                let result = outlet.write();
                state = shared.lock();
                state.put_back(outlet, result);
                continue;
            }
            state.outlet = Some(outlet);
        }
        if !state.is_busy {
            state = sleep(shared, state);
        }
    }
    end(shared, state);
}

/// Waits a while.
fn rest<'a>(shared: &'a Shared, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    shared.unlock(state);
    thread::sleep(REST);
    shared.lock()
}

/// Waits for something to do.
fn sleep<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    state.is_writer_called = false;
    // Taking output may have led to something. What has changed is told before that, and may be answered at once.
    if !state.dispatch() {
        shared.unlock(state);
        return shared.lock();
    }
    if state.waiters.has_woken() || state.is_reader_waiting {
        shared.unlock(state);
        state = shared.lock();
        if state.is_writer_called || state.outlet.is_none() || state.is_through() {
            return state;
        }
    }
    state.alarm = state.connection.next_deadline().map(|(at, _)| at);
    // Nobody has called while it was known to look.
    if state.calls_writer() || state.is_through() {
        return state;
    }
    let mut state = match state.alarm {
        Some(at) => {
            let waited = shared.writer.wait_timeout(state, shared.until(at));
            waited.unwrap_or_else(PoisonError::into_inner).0
        }
        None => shared.writer.wait(state).unwrap_or_else(PoisonError::into_inner),
    };
    state.is_writer_called = true;
    state
}

/// Says that nothing more will be written, lets the reading thread come to the end of what the peer writes, if that is
/// soon, and ends the transport.
fn end(shared: &Shared, mut state: MutexGuard<'_, State>) {
    state.transport = Stage::Written;
    let outlet = state.outlet.take();
    if let Some(outlet) = &outlet {
        outlet.end(Shutdown::Write);
    }
    state.waiters.wake_all(On::Connection);
    state.waiters.wake_all(On::Written);
    shared.unlock(state);
    let (mut state, _) = shared
        .writer
        .wait_timeout_while(shared.lock(), LINGER, |state| !state.is_read)
        .unwrap_or_else(PoisonError::into_inner);
    state.connection.end_of_input();
    state.dispatch();
    // While there is so much to be taken, what has come is not looked at, and so neither is the end.
    while state.connection.has_output() && !state.connection.is_over() {
        discard(&mut state.connection);
        state.dispatch();
    }
    shared.unlock(state);
    if let Some(outlet) = outlet {
        outlet.end(Shutdown::Both);
    }
}
