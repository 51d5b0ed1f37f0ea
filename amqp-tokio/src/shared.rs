//! [`Shared`]: the lock around a connection's state, and futures that try under it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use amqp_proto::endpoint::{Error, Result};
use amqp_proto::types::Moment;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::replies::Due;
use crate::state::{Place, State};
use crate::waiters::Ticket;

/// What all handles of a connection and its driver have in common.
///
/// The lock is held for calls into the engine and nothing else: no task waits and nothing is read or written, no
/// waker is woken or dropped under it but for reads into the engine's buffer, which do not block.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    start: Instant,
    /// How long the peer may take to answer; `None`: any time.
    reply_timeout: Option<Duration>,
    /// Where the driver runs, and other tasks of the connection.
    runtime: Handle,
}

impl Shared {
    /// In the runtime that the connection is opened in.
    pub(crate) fn new(state: State, start: Instant, reply_timeout: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(state), start, reply_timeout, runtime: Handle::current() })
    }

    /// Starts a task of the connection; callable from any thread.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.runtime.spawn(task).abort_handle()
    }

    pub(crate) fn now(&self) -> Moment {
        let millis = self.start.elapsed().as_millis();
        Moment::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        let span = Duration::from_millis(moment.as_millis());
        // A moment too far away to be named never comes.
        self.start.checked_add(span).unwrap_or_else(|| self.start + Duration::from_secs(1 << 31))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in there is left half done by a panic: the engine does not panic, and wakers are used outside.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something under the lock, then wakes who has to know.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        state.calls = state.calls.wrapping_add(1);
        let has_work = state.is_asleep && (state.engine.has_output() || state.has_events());
        let driver = if has_work {
            state.is_asleep = false;
            state.driver.clone()
        } else {
            None
        };
        let wakes = std::mem::take(&mut state.wakes);
        let spent = std::mem::take(&mut state.spent);
        drop(state);
        drop(spent);
        wakes.into_iter().chain(driver).for_each(std::task::Waker::wake);
        result
    }

    /// A future that tries under the lock whenever it is woken, and waits in a line.
    pub(crate) fn wait<F, R>(&self, place: Place, attempt: F) -> Wait<'_, F>
    where
        F: FnMut(&mut State) -> Poll<R> + Unpin,
    {
        Wait { shared: self, place, ticket: None, attempt }
    }

    /// The same, for what the peer has to do in time; else the error is [`Error::TimedOut`]. The driver keeps the time.
    pub(crate) async fn wait_reply<F, R>(&self, place: Place, attempt: F) -> Result<R>
    where
        F: FnMut(&mut State) -> Poll<Result<R>> + Unpin,
    {
        self.wait_reply_within(self.reply_timeout, place, attempt).await
    }

    /// The same, where the peer has this time; `None`: any time.
    pub(crate) async fn wait_reply_within<F, R>(
        &self,
        span: Option<Duration>,
        place: Place,
        attempt: F,
    ) -> Result<R>
    where
        F: FnMut(&mut State) -> Poll<Result<R>> + Unpin,
    {
        let millis = span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        let mut reply =
            Reply { wait: self.wait(place, attempt), by: millis.map(|m| self.now().after(m)), due: None };
        poll_fn(|context| reply.poll(context)).await
    }
}

impl State {
    /// Whether the driver has to look at something that a call has led to.
    fn has_events(&self) -> bool {
        use amqp_proto::machine::Reading;
        let is_over = self.engine.is_over();
        is_over || self.replies.is_earlier || self.engine.reading() == Reading::Events
    }
}

/// See [`Shared::wait_reply`]. Dropping it gives its place up, and what the driver knows of it.
struct Reply<'a, F> {
    wait: Wait<'a, F>,
    by: Option<Moment>,
    due: Option<Due>,
}

impl<F, R> Reply<'_, F>
where
    F: FnMut(&mut State) -> Poll<Result<R>> + Unpin,
{
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<R>> {
        let reply = Pin::new(&mut self.wait).poll(context);
        let Some(by) = self.by.filter(|_| reply.is_pending()) else { return reply };
        let shared = self.wait.shared;
        if shared.now() >= by {
            return Poll::Ready(Err(Error::TimedOut));
        }
        shared.with(|state| {
            let spent = state.replies.wait(&mut self.due, by, context.waker());
            state.spent.extend(spent);
        });
        Poll::Pending
    }
}

impl<F> Drop for Reply<'_, F> {
    fn drop(&mut self) {
        if let Some(due) = self.due {
            // What is dropped here may be a task's last waker: not under the lock.
            self.wait.shared.with(|state| state.replies.leave(due));
        }
    }
}

/// See [`Shared::wait`]. Dropping it gives its place up; it holds nothing else.
#[derive(Debug)]
#[must_use]
pub(crate) struct Wait<'a, F> {
    shared: &'a Shared,
    place: Place,
    ticket: Option<Ticket>,
    attempt: F,
}

impl<F, R> Future for Wait<'_, F>
where
    F: FnMut(&mut State) -> Poll<R> + Unpin,
{
    type Output = R;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let this = self.get_mut();
        let (place, ticket, attempt) = (this.place, &mut this.ticket, &mut this.attempt);
        this.shared.with(|state| {
            let result = attempt(state);
            match result {
                Poll::Pending => state.wait(place, ticket, context.waker()),
                Poll::Ready(_) => {
                    if let Some(ticket) = ticket.take() {
                        state.leave(place, ticket);
                    }
                }
            }
            result
        })
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.with(|state| state.leave(self.place, ticket));
        }
    }
}
