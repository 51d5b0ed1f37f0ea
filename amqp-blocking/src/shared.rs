//! [`Shared`]: the state of a connection, and how threads wait for it to change.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use amqp_proto::Connection;
use amqp_proto::endpoint::{ConnectionOptions, Error, Result};
use amqp_proto::types::Moment;

use crate::reading;
use crate::state::{Stage, State};
use crate::transport::Transport;
use crate::waiters::On;
use crate::writing::{self, Outlet};

/// A connection, as its threads and handles see it.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Where the writing thread waits for something to do.
    pub(crate) writer: Condvar,
    /// Where the reading thread waits for output to be taken.
    pub(crate) reader: Condvar,
    start: Instant,
    /// How long the peer may take to answer; `None`: any time.
    reply_timeout: Option<Duration>,
    /// How long it may take to write what was accepted before the last handle is dropped.
    pub(crate) close_timeout: Duration,
}

/// That time where the options set none: whoever drops a handle is not kept for ever.
const LONGEST_DROP: Duration = Duration::from_secs(10);

impl Shared {
    /// Begins to drive a connection, which was made at the clock's start, over a transport: one thread reads, another
    /// one writes and keeps the time.
    pub(crate) fn start<T: Transport>(
        transport: T,
        options: &ConnectionOptions,
        connection: Connection,
    ) -> Result<Arc<Self>> {
        transport.prepare(writing::LONGEST_WRITE)?;
        let outlet = Outlet::new(transport.try_clone()?);
        #[cfg(feature = "tracing")]
        let (writer_span, reader_span) = (connection.span().clone(), connection.span().clone());
        let shared = Arc::new(Self {
            state: Mutex::new(State::new(connection, outlet, options)),
            writer: Condvar::new(),
            reader: Condvar::new(),
            start: Instant::now(),
            reply_timeout: options.longest_reply(),
            close_timeout: options.longest_close().unwrap_or(LONGEST_DROP),
        });
        let writes = Arc::clone(&shared);
        thread::Builder::new().name("amqp-write".into()).spawn(move || {
            #[cfg(feature = "tracing")]
            let _span = writer_span.enter();
            writing::run(&writes);
        })?;
        let reads = Arc::clone(&shared);
        let started = thread::Builder::new().name("amqp-read".into()).spawn(move || {
            #[cfg(feature = "tracing")]
            let _span = reader_span.enter();
            reading::run(&reads, transport, Vec::new());
        });
        if let Err(error) = started {
            // The writing thread ends the transport.
            shared.act(|state| {
                state.transport = Stage::Broken;
                state.is_read = true;
            });
            shared.writer.notify_one();
            return Err(error.into());
        }
        Ok(shared)
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Moment {
        Moment::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// How long it is until a moment.
    pub(crate) fn until(&self, moment: Moment) -> Duration {
        (self.start + Duration::from_millis(moment.as_millis())).saturating_duration_since(Instant::now())
    }

    /// When the peer has to have answered what it is asked now.
    pub(crate) fn reply_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.reply_timeout?)
    }

    /// The state. What a panic has left of it is still a state: the engine has no half-done changes.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something about the state, and has everybody learn of it.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let done = act(&mut state);
        self.unlock(state);
        done
    }

    /// Gives the lock back. Whoever waits for what has changed is woken; the writing thread is, if it has to do. Where
    /// very much has, others have the lock in between.
    pub(crate) fn unlock<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        while !state.dispatch() {
            self.give_back(state);
            thread::yield_now();
            state = self.lock();
        }
        self.give_back(state);
    }

    fn give_back(&self, mut state: MutexGuard<'_, State>) {
        state.is_busy |= state.connection.has_output();
        let calls_writer = state.calls_writer();
        let calls_reader = state.calls_reader();
        let woken = state.waiters.take_woken();
        drop(state);
        if calls_writer {
            self.writer.notify_one();
        }
        if calls_reader {
            self.reader.notify_one();
        }
        woken.iter().for_each(thread::Thread::unpark);
    }

    /// Waits until `look` finds what it looks for; `None` if it has not by then. It looks whenever what the thread
    /// waits on has changed.
    pub(crate) fn wait<R>(
        &self,
        on: On,
        by: Option<Instant>,
        look: impl FnMut(&mut State) -> Option<R>,
    ) -> Option<R> {
        self.wait_any(&[on], by, look)
    }

    /// The same, where it may be one of several.
    pub(crate) fn wait_any<R>(
        &self,
        ons: &[On],
        by: Option<Instant>,
        look: impl FnMut(&mut State) -> Option<R>,
    ) -> Option<R> {
        let (state, found) = self.wait_on(self.lock(), ons, by, look);
        self.unlock(state);
        found
    }

    /// The same, from lock to lock.
    pub(crate) fn wait_on<'a, R>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        ons: &[On],
        by: Option<Instant>,
        mut look: impl FnMut(&mut State) -> Option<R>,
    ) -> (MutexGuard<'a, State>, Option<R>) {
        loop {
            let found = look(&mut state);
            let left = by.map(|by| by.saturating_duration_since(Instant::now()));
            if found.is_some() || left == Some(Duration::ZERO) {
                ons.iter().for_each(|on| state.waiters.leave(*on));
                return (state, found);
            }
            ons.iter().for_each(|on| state.waiters.enter(*on));
            match left {
                Some(left) => {
                    self.unlock(state);
                    thread::park_timeout(left);
                }
                None => {
                    // A thread that has nothing else to do writes by itself: that saves a switch to the other.
                    writing::write_here(self, state);
                    thread::park();
                }
            }
            state = self.lock();
        }
    }

    /// The same, for what the peer has to do in time.
    pub(crate) fn wait_reply<R>(
        &self,
        on: On,
        look: impl FnMut(&mut State) -> Option<Result<R>>,
    ) -> Result<R> {
        self.wait(on, self.reply_by(), look).unwrap_or(Err(Error::TimedOut))
    }
}
