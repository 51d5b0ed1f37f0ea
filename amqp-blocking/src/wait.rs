//! [`ready`]: waits in a thread.

use std::task::Poll;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver::{Try, Wait};

/// Waits until an attempt is ready.
pub(crate) fn ready<R>(mut wait: Wait<'_, Thread, impl Try<Thread, R>>) -> R {
    parked(|me| wait.poll(me))
}

/// Waits until an attempt is ready, at most until a moment; then the error is [`Error::TimedOut`].
pub(crate) fn ready_by<R>(
    mut wait: Wait<'_, Thread, impl Try<Thread, Result<R>>>,
    by: Option<Instant>,
) -> Result<R> {
    parked_until(by, |me| wait.poll(me)).unwrap_or(Err(Error::TimedOut))
}

/// Parks the thread until `poll` is ready.
pub(crate) fn parked<R>(mut poll: impl FnMut(&Thread) -> Poll<R>) -> R {
    let me = thread::current();
    loop {
        if let Poll::Ready(ready) = poll(&me) {
            return ready;
        }
        thread::park();
    }
}

/// Parks the thread until `poll` is ready, or until `by`; then returns `None`.
pub(crate) fn parked_until<R>(by: Option<Instant>, mut poll: impl FnMut(&Thread) -> Poll<R>) -> Option<R> {
    let Some(by) = by else { return Some(parked(poll)) };
    let me = thread::current();
    loop {
        if let Poll::Ready(ready) = poll(&me) {
            return Some(ready);
        }
        match by.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return None,
            left => thread::park_timeout(left),
        }
    }
}
