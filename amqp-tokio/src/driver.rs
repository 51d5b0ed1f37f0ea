//! [`Driver`]: the one task of a connection that moves octets.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use amqp_proto::Reading;
use amqp_proto::driver::{FlushPolicy, Hub, WriteBuffer};
use amqp_proto::types::Moment;
use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::write_buffer::{poll_write, unless_interrupted};

type State = amqp_proto::driver::State<Waker>;

/// The number of reads and writes before the driver yields to other tasks.
const ROUNDS: usize = 16;
/// The number of turns that the driver leaves to woken tasks before it reads more. The future of `block_on` on
/// tokio's `current_thread` runs after 61 turns of other tasks; by then so many reads would fill memory with messages.
const TURNS_OF_TASKS: u32 = 64;
/// The time for the transport to write its output and to shut down after its connection has ended.
const LINGER: Duration = Duration::from_secs(10);
/// That time if the connection is then opened again.
const LINGER_BEFORE_REDIAL: Duration = Duration::from_secs(1);

/// Reads into the engine's buffer, writes the engine's output, and handles its deadlines.
#[derive(Debug)]
pub(crate) struct Driver<S: AsyncRead + AsyncWrite + Unpin> {
    hub: Arc<Hub<Waker>>,
    /// The start of the engine's clock.
    start: Instant,
    stream: S,
    /// Output that is not yet written.
    write_buffer: Option<WriteBuffer>,
    /// True if the stream wakes the driver when there is input.
    is_reading: bool,
    timer: Pin<Box<Sleep>>,
    /// The time of the timer.
    alarm: Option<Instant>,
    policy: FlushPolicy,
    /// True if there may be more input now.
    has_more: bool,
    /// The number of woken tasks that have not run yet.
    woken: usize,
    /// The turns that are left to woken tasks, and the number of calls of handles at the last round.
    left: (u32, u64),
    stage: DriverState,
}

/// The remaining work of the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DriverState {
    Open,
    /// Output fails; input that arrived before can still be read.
    Unwritable,
    /// The connection is over; its output must be written by this time.
    Ending(Instant),
    /// The output is written; the peer has until this time to end its direction, before the transport closes.
    Draining(Instant),
    Done,
}

/// The result of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There may be more to do now.
    Busy,
    /// Output is held back for a turn of the scheduler.
    Yield,
    /// There is nothing to do until the driver is woken.
    Idle,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(crate) fn new(hub: Arc<Hub<Waker>>, start: Instant, stream: S) -> Self {
        Self {
            hub,
            start,
            stream,
            write_buffer: None,
            is_reading: false,
            timer: Box::pin(tokio::time::sleep_until(Instant::now() + LINGER)),
            alarm: None,
            policy: FlushPolicy::default(),
            has_more: false,
            woken: 0,
            left: (0, 0),
            stage: DriverState::Open,
        }
    }

    /// Reads, handles the input, and writes.
    fn round(&mut self, context: &mut Context<'_>) -> Round {
        let hub = Arc::clone(&self.hub);
        let (has_read, is_held, is_over, linger) = hub.drive(|state| {
            state.run();
            if state.is_broken() && self.stage == DriverState::Open {
                // A waiting task could not write.
                self.stage = DriverState::Unwritable;
            }
            let has_read = self.read(state, context);
            let is_held = self.take_output(state);
            self.woken += state.woken();
            self.left.1 = state.calls();
            let linger = if state.is_interrupted() { LINGER_BEFORE_REDIAL } else { LINGER };
            (has_read, is_held, state.is_over(), linger)
        });
        let has_written = self.write(context);
        if is_over {
            self.stage = match self.stage {
                DriverState::Open => DriverState::Ending(Instant::now() + linger),
                DriverState::Unwritable => DriverState::Done,
                stage => stage,
            };
        }
        let has_ended = self.end(context);
        match (has_read || has_written || has_ended, is_held) {
            // Tasks that were woken by the input run before the next read.
            (true, _) if self.has_more && self.woken > 0 => {
                self.left.0 = TURNS_OF_TASKS;
                Round::Yield
            }
            // Several woken tasks may each make output, which is written once.
            (true, _) if self.woken > 1 => Round::Yield,
            (true, _) => Round::Busy,
            (false, true) => Round::Yield,
            (false, false) => self.sleep(context),
        }
    }

    /// Returns whether this turn is left to the tasks that the last input woke, since none of them has run.
    fn leaves_turn(&mut self) -> bool {
        let (turns, calls) = self.left;
        let is_left = turns > 0 && self.hub.drive(|state| state.calls()) == calls;
        self.left.0 = if is_left { turns - 1 } else { 0 };
        is_left
    }

    /// Reads once. Returns whether anything happened.
    fn read(&mut self, state: &mut State, context: &mut Context<'_>) -> bool {
        self.is_reading = false;
        self.has_more = false;
        if !self.is_to_read(state) {
            return false;
        }
        let mut input = state.input();
        let room = input.remaining_mut();
        // The future keeps no state: it reads at once or not at all.
        let read = pin!(self.stream.read_buf(&mut input)).poll(context);
        match read {
            // All input of the peer is read.
            Poll::Pending if self.stage == DriverState::Unwritable => state.end_of_input(None),
            Poll::Pending => {
                self.is_reading = true;
                return false;
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => return true,
            Poll::Ready(Ok(0)) => state.end_of_input(None),
            Poll::Ready(Ok(octets)) => {
                self.policy.read(octets);
                self.has_more = octets == room;
                state.received();
            }
            Poll::Ready(Err(error)) => state.end_of_input(Some(error)),
        }
        true
    }

    /// Returns whether the stream is to be read now.
    fn is_to_read(&self, state: &State) -> bool {
        matches!(self.stage, DriverState::Open | DriverState::Unwritable)
            && state.reading() == Reading::Wanted
    }

    /// Takes output after all earlier output is written. Returns whether output is held back instead.
    fn take_output(&mut self, state: &mut State) -> bool {
        if self.write_buffer.is_some() || !state.has_output() {
            return false;
        }
        if !matches!(self.stage, DriverState::Open | DriverState::Ending(_)) {
            state.discard_output();
            return false;
        }
        let is_expected = self.woken + state.woken() > 0;
        if self.policy.is_held(state.output_len(), state.calls(), is_expected) {
            return true;
        }
        self.write_buffer = state.take_outlet();
        false
    }

    /// Writes the taken output. Returns whether all of it is written, and there was any.
    fn write(&mut self, context: &mut Context<'_>) -> bool {
        let Some(write_buffer) = &mut self.write_buffer else { return false };
        let written = poll_write(write_buffer, Pin::new(&mut self.stream), context);
        let failure = match written {
            Poll::Pending => return false,
            Poll::Ready(written) => written.err(),
        };
        if failure.is_some() {
            self.stage = match self.stage {
                DriverState::Open => DriverState::Unwritable,
                _ => DriverState::Done,
            };
        }
        let write_buffer = self.write_buffer.take().unwrap_or_default();
        self.hub.drive(|state| state.put_back(write_buffer, failure));
        true
    }

    /// Continues to end the transport. Returns whether anything happened.
    fn end(&mut self, context: &mut Context<'_>) -> bool {
        let before = self.stage;
        match self.stage {
            DriverState::Ending(by) if Instant::now() >= by => {
                if self.write_buffer.is_some() {
                    self.hub.drive(State::set_cut);
                }
                self.stage = DriverState::Done;
            }
            DriverState::Ending(by) => {
                let is_written = self.hub.drive(|state| state.is_written());
                if is_written {
                    let shut = Pin::new(&mut self.stream).poll_shutdown(context);
                    match unless_interrupted(shut, context) {
                        Poll::Pending => {}
                        Poll::Ready(Ok(())) => self.stage = DriverState::Draining(by),
                        Poll::Ready(Err(_)) => self.stage = DriverState::Done,
                    }
                }
            }
            DriverState::Draining(by) => {
                let mut space = [0; 1024];
                let mut buffer = ReadBuf::new(&mut space);
                match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() && Instant::now() < by => return true,
                    Poll::Pending if Instant::now() < by => {}
                    _ => self.stage = DriverState::Done,
                }
            }
            DriverState::Open | DriverState::Unwritable | DriverState::Done => {}
        }
        if self.stage != before && matches!(self.stage, DriverState::Draining(_) | DriverState::Done) {
            self.hub.drive(State::set_done);
        }
        self.stage != before
    }

    /// Waits to be woken, unless there is something to do.
    fn sleep(&mut self, context: &mut Context<'_>) -> Round {
        let hub = Arc::clone(&self.hub);
        let by = hub.drive(|state| {
            if (!self.is_reading && self.is_to_read(state)) || state.has_work() {
                return Err(Round::Busy);
            }
            let alarm = state.next_deadline();
            state.sleep(context.waker(), alarm);
            Ok(alarm)
        });
        let by = match (by, self.stage) {
            (Err(round), _) => return round,
            (_, DriverState::Ending(by) | DriverState::Draining(by)) => Some(by),
            (Ok(by), _) => by.map(|by| instant(self.start, by)),
        };
        match by {
            Some(by) => self.set_alarm(by, context),
            None => Round::Idle,
        }
    }

    /// Sets the timer for this time. It may fire earlier if it was set for an earlier time.
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

    /// Writes as much as possible without waiting, since the runtime ends. If the last handle was dropped, that
    /// includes the close.
    fn write_last(&mut self) {
        let context = &mut Context::from_waker(Waker::noop());
        while matches!(self.stage, DriverState::Open | DriverState::Ending(_)) {
            if self.write_buffer.is_none() {
                self.write_buffer = self.hub.drive(State::take_outlet);
            }
            if self.write_buffer.is_none() || !self.write(context) {
                return;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.woken = 0;
        if this.leaves_turn() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        for _ in 0..ROUNDS {
            match this.round(context) {
                _ if this.stage == DriverState::Done => return Poll::Ready(()),
                Round::Busy => {}
                Round::Yield => break,
                Round::Idle => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Returns the time of a moment of the engine's clock.
pub(crate) fn instant(start: Instant, moment: Moment) -> Instant {
    let span = Duration::from_millis(moment.as_millis());
    // A moment beyond the clock's range never comes.
    start.checked_add(span).unwrap_or_else(|| start + Duration::from_secs(1 << 31))
}

/// Ends the connection with its driver, so that no task waits for ever.
impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Driver<S> {
    fn drop(&mut self) {
        self.write_last();
        let write_buffer = self.write_buffer.take();
        self.hub.drive(|state| {
            if let Some(write_buffer) = write_buffer {
                state.put_back(write_buffer, None);
            }
            state.end_of_input(None);
            state.discard_output();
            state.set_done();
        });
    }
}
