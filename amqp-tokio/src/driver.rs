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

/// How often the driver reads and writes before other tasks get a turn.
const ROUNDS: usize = 16;
/// How long the transport is kept after the connection, for what is left to be written and said.
const LINGER: Duration = Duration::from_secs(10);

/// Reads into the engine's buffer, writes what the engine has to say, and keeps its deadlines.
#[derive(Debug)]
pub(crate) struct Driver<S: AsyncRead + AsyncWrite + Unpin> {
    hub: Arc<Hub<Waker>>,
    /// When the engine's clock began.
    start: Instant,
    stream: S,
    /// Output that could not be written yet.
    write_buffer: Option<WriteBuffer>,
    /// Whether the stream wakes the driver once there is something to be read.
    is_reading: bool,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to.
    alarm: Option<Instant>,
    policy: FlushPolicy,
    /// Whether there may be more to be read at once.
    has_more: bool,
    /// Whether tasks were woken that have not had a turn yet.
    has_woken: bool,
    stage: DriverState,
}

/// What is left to be done with the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DriverState {
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
            has_woken: false,
            stage: DriverState::Open,
        }
    }

    /// Reads, looks at what has come, and writes.
    fn round(&mut self, context: &mut Context<'_>) -> Round {
        let hub = Arc::clone(&self.hub);
        let (has_read, is_held, is_over) = hub.drive(|state| {
            state.run();
            let has_read = self.read(state, context);
            let is_held = self.take_output(state);
            self.has_woken |= state.has_woken();
            (has_read, is_held, state.is_over())
        });
        let has_written = self.write(context);
        if is_over {
            self.stage = match self.stage {
                DriverState::Open => DriverState::Ending(Instant::now() + LINGER),
                DriverState::Unwritable => DriverState::Done,
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

    /// Reads once; returns whether anything came of it.
    fn read(&mut self, state: &mut State, context: &mut Context<'_>) -> bool {
        self.is_reading = false;
        self.has_more = false;
        if !self.is_to_read(state) {
            return false;
        }
        let mut input = state.input();
        let room = input.remaining_mut();
        // A future that keeps nothing: it reads at once or not at all.
        let read = pin!(self.stream.read_buf(&mut input)).poll(context);
        drop(input);
        match read {
            // All that the peer had said is read.
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

    /// Returns whether the stream is to be read from now.
    fn is_to_read(&self, state: &State) -> bool {
        matches!(self.stage, DriverState::Open | DriverState::Unwritable)
            && state.reading() == Reading::Wanted
    }

    /// Takes what is to be written, when all before is; returns whether it is held back instead.
    fn take_output(&mut self, state: &mut State) -> bool {
        if self.write_buffer.is_some() || !state.has_output() {
            return false;
        }
        if !matches!(self.stage, DriverState::Open | DriverState::Ending(_)) {
            state.discard_output();
            return false;
        }
        let is_expected = self.has_woken || state.has_woken();
        if self.policy.is_held(state.output_len(), state.calls(), is_expected) {
            return true;
        }
        self.write_buffer = state.take_outlet();
        false
    }

    /// Writes what was taken; returns whether all of it is written, and there was something.
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

    /// Goes on with the end of the transport; whether it got any further.
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
            self.tell_done();
        }
        self.stage != before
    }

    /// Waits to be woken, unless there is something to do by now.
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
            (Ok(by), _) => by.map(|by| self.instant(by)),
        };
        match by {
            Some(by) => self.set_alarm(by, context),
            None => Round::Idle,
        }
    }

    fn instant(&self, moment: Moment) -> Instant {
        let span = Duration::from_millis(moment.as_millis());
        // A moment too far away to be named never comes.
        self.start.checked_add(span).unwrap_or_else(|| self.start + Duration::from_secs(1 << 31))
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

    fn tell_done(&self) {
        self.hub.drive(State::set_done);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.has_woken = false;
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

/// With the driver goes the connection: nobody waits for what cannot come any more.
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
