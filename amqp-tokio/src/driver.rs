//! [`Driver`]: the one task of a connection that moves octets.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use amqp_proto::machine::Reading;
use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::batch::Batch;
use crate::outlet::{Outlet, unless_interrupted};
use crate::shared::Shared;
use crate::state::State;

/// How often the driver reads and writes before other tasks get a turn.
const ROUNDS: usize = 16;
/// How long the transport is kept after the connection, for what is left to be written and said.
const LINGER: Duration = Duration::from_secs(10);

/// Reads into the engine's buffer, writes what the engine has to say, and keeps its deadlines.
#[derive(Debug)]
pub(crate) struct Driver<S: AsyncRead + AsyncWrite + Unpin> {
    shared: Arc<Shared>,
    stream: S,
    outlet: Outlet,
    /// Whether the stream wakes the driver once there is something to be read.
    is_reading: bool,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to.
    alarm: Option<Instant>,
    batch: Batch,
    /// Whether there may be more to be read at once.
    has_more: bool,
    /// Whether tasks were woken that have not had a turn yet.
    has_woken: bool,
    stage: Stage,
    wakes: Vec<Waker>,
}

/// What is left to be done with the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// No more can be written: what the peer has said before may still be read.
    Unwritable,
    /// The connection is over: its last words are to be written, by then.
    Ending(Instant),
    /// They are: the peer is to see that before its own words meet a closed door, by then.
    Draining(Instant),
    Done,
}

/// What a round has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There may be more to do at once.
    Busy,
    /// Output is held back for a turn of the scheduler.
    Yield,
    /// There is nothing to do until something wakes the driver.
    Idle,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(crate) fn new(shared: Arc<Shared>, stream: S) -> Self {
        Self {
            shared,
            stream,
            outlet: Outlet::default(),
            is_reading: false,
            timer: Box::pin(tokio::time::sleep_until(Instant::now() + LINGER)),
            alarm: None,
            batch: Batch::default(),
            has_more: false,
            has_woken: false,
            stage: Stage::Open,
            wakes: Vec::new(),
        }
    }

    /// Reads, looks at what has come, and writes.
    fn round(&mut self, context: &mut Context<'_>) -> Round {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        state.is_asleep = false;
        state.run(shared.now());
        let has_read = self.read(&mut state, context);
        let is_held = self.take_output(&mut state);
        let is_over = state.engine.is_over();
        self.wake(state);
        let has_written = self.write(context);
        if is_over {
            self.stage = match self.stage {
                Stage::Open => Stage::Ending(Instant::now() + LINGER),
                Stage::Unwritable => Stage::Done,
                stage => stage,
            };
        }
        let has_ended = self.end(context);
        match (has_read || has_written || has_ended, is_held) {
            // Who was woken by what was read is to get its turn before there is more.
            (true, _) if self.has_more && self.has_woken => Round::Yield,
            (true, _) => Round::Busy,
            (false, true) => Round::Yield,
            (false, false) => self.sleep(context),
        }
    }

    /// Reads once; whether anything came of it.
    fn read(&mut self, state: &mut State, context: &mut Context<'_>) -> bool {
        self.is_reading = false;
        self.has_more = false;
        if !self.is_to_read(state) {
            return false;
        }
        let mut input = state.engine.input();
        let room = input.remaining_mut();
        // A future that keeps nothing: it reads at once or not at all.
        let read = pin!(self.stream.read_buf(&mut input)).poll(context);
        drop(input);
        match read {
            // All that the peer had said is read.
            Poll::Pending if self.stage == Stage::Unwritable => state.engine.end_of_input(),
            Poll::Pending => {
                self.is_reading = true;
                return false;
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => return true,
            Poll::Ready(Ok(0)) => state.engine.end_of_input(),
            Poll::Ready(Ok(octets)) => {
                self.batch.read(octets);
                self.has_more = octets == room;
                state.engine.received(self.shared.now());
            }
            Poll::Ready(Err(error)) => {
                state.io.get_or_insert_with(|| Arc::new(error));
                state.engine.end_of_input();
            }
        }
        state.dispatch();
        true
    }

    /// Whether the stream is to be read from now.
    fn is_to_read(&self, state: &State) -> bool {
        matches!(self.stage, Stage::Open | Stage::Unwritable) && state.engine.reading() == Reading::Wanted
    }

    /// Takes what is to be written, when all before is; whether it is held back instead.
    fn take_output(&mut self, state: &mut State) -> bool {
        if !self.outlet.is_empty() {
            return false;
        }
        if !state.engine.has_output() {
            state.wake_unwritten();
            return false;
        }
        if !matches!(self.stage, Stage::Open | Stage::Ending(_)) {
            state.drop_output();
            state.wake_unwritten();
            return false;
        }
        let is_expected = self.has_woken || !state.wakes.is_empty();
        if self.batch.is_held(state.engine.output_len(), state.calls, is_expected) {
            return true;
        }
        self.outlet.fill(&mut state.engine);
        // Room in the output may be what somebody waits for.
        state.dispatch();
        state.wake_unwritten();
        false
    }

    /// Writes what was taken; whether all of it is written, and there was something.
    fn write(&mut self, context: &mut Context<'_>) -> bool {
        if self.outlet.is_done() {
            return false;
        }
        match self.outlet.poll_write(&mut self.stream, context) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => {
                let mut state = self.shared.lock();
                state.io.get_or_insert_with(|| Arc::new(error));
                state.is_cut = true;
                drop(state);
                self.stage = match self.stage {
                    Stage::Open => Stage::Unwritable,
                    _ => Stage::Done,
                };
                true
            }
        }
    }

    /// Goes on with the end of the transport; whether it got any further.
    fn end(&mut self, context: &mut Context<'_>) -> bool {
        let before = self.stage;
        match self.stage {
            Stage::Ending(by) if Instant::now() >= by => {
                self.shared.lock().is_cut |= !self.outlet.is_done();
                self.stage = Stage::Done;
            }
            Stage::Ending(by) => {
                let is_written = self.outlet.is_done() && !self.shared.lock().engine.has_output();
                if is_written {
                    let shut = Pin::new(&mut self.stream).poll_shutdown(context);
                    match unless_interrupted(shut, context) {
                        Poll::Pending => {}
                        Poll::Ready(Ok(())) => self.stage = Stage::Draining(by),
                        Poll::Ready(Err(_)) => self.stage = Stage::Done,
                    }
                }
            }
            Stage::Draining(by) => {
                let mut space = [0; 1024];
                let mut buffer = ReadBuf::new(&mut space);
                match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() && Instant::now() < by => return true,
                    Poll::Pending if Instant::now() < by => {}
                    _ => self.stage = Stage::Done,
                }
            }
            Stage::Open | Stage::Unwritable | Stage::Done => {}
        }
        if self.stage != before && matches!(self.stage, Stage::Draining(_) | Stage::Done) {
            self.tell_done();
        }
        self.stage != before
    }

    /// Waits to be woken, unless there is something to do by now.
    fn sleep(&mut self, context: &mut Context<'_>) -> Round {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let has_work = state.has_more
            || state.engine.reading() == Reading::Events
            || (!self.is_reading && self.is_to_read(&state))
            || (self.outlet.is_empty() && state.engine.has_output());
        if has_work {
            return Round::Busy;
        }
        let by = match self.stage {
            Stage::Ending(by) | Stage::Draining(by) => Some(by),
            _ => state.next_deadline().map(|by| shared.instant(by)),
        };
        match &mut state.driver {
            Some(waker) => waker.clone_from(context.waker()),
            waker => *waker = Some(context.waker().clone()),
        }
        state.is_asleep = true;
        state.replies.is_earlier = false;
        drop(state);
        match by {
            Some(by) => self.set_alarm(by, context),
            None => Round::Idle,
        }
    }

    /// Has the timer go off by then. It may go off earlier, when it was set for something that has changed.
    fn set_alarm(&mut self, by: Instant, context: &mut Context<'_>) -> Round {
        if self.alarm.is_none_or(|alarm| alarm > by) {
            self.timer.as_mut().reset(by);
            self.alarm = Some(by);
        }
        match self.timer.as_mut().poll(context) {
            Poll::Pending => Round::Idle,
            Poll::Ready(()) => {
                self.alarm = None;
                Round::Busy
            }
        }
    }

    /// Writes what can be written at once: the runtime ends. Where the last handle is dropped, the close is in it.
    fn write_last(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let context = &mut Context::from_waker(Waker::noop());
        while matches!(self.stage, Stage::Open | Stage::Ending(_)) {
            if self.outlet.is_empty() {
                self.outlet.fill(&mut state.engine);
            }
            if self.outlet.is_done() || !self.outlet.poll_write(&mut self.stream, context).is_ready() {
                return;
            }
        }
    }

    fn tell_done(&self) {
        self.shared.with(|state| {
            state.is_done = true;
            state.waiters.wake_all(&mut state.wakes);
        });
    }

    /// Gives the lock back and wakes who has to know.
    fn wake(&mut self, mut state: std::sync::MutexGuard<'_, State>) {
        std::mem::swap(&mut self.wakes, &mut state.wakes);
        let spent = std::mem::take(&mut state.spent);
        drop(state);
        drop(spent);
        self.has_woken |= !self.wakes.is_empty();
        self.wakes.drain(..).for_each(Waker::wake);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.has_woken = false;
        for _ in 0..ROUNDS {
            match this.round(context) {
                _ if this.stage == Stage::Done => return Poll::Ready(()),
                Round::Busy => {}
                Round::Yield => break,
                Round::Idle => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// With the driver goes the connection: nobody waits for what cannot come any more.
impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Driver<S> {
    fn drop(&mut self) {
        self.write_last();
        self.shared.with(|state| {
            state.engine.end_of_input();
            state.dispatch_all();
            state.drop_output();
            state.is_done = true;
            state.waiters.wake_all(&mut state.wakes);
        });
    }
}
