//! [`ready`]: what may have to wait, on a thread.

use std::task::Poll;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver::{Try, Wait};

/// Waits until an attempt is ready.
pub(crate) fn ready<R>(mut wait: Wait<'_, Thread, impl Try<Thread, R>>) -> R {
    let me = thread::current();
    loop {
        if let Poll::Ready(ready) = wait.poll(&me) {
            return ready;
        }
        // A thread that has nothing else to do writes by itself: that saves a switch to another.
        wait.flush();
        thread::park();
    }
}

/// Waits until an attempt is ready, at most until a moment; then the error is [`Error::TimedOut`].
pub(crate) fn ready_by<R>(
    mut wait: Wait<'_, Thread, impl Try<Thread, Result<R>>>,
    by: Option<Instant>,
) -> Result<R> {
    let me = thread::current();
    park_until(by, Error::TimedOut, || {
        let polled = wait.poll(&me);
        if polled.is_pending() {
            wait.flush();
        }
        polled
    })
}

/// Parks until what is polled is ready, at most until a moment; `late` is the error after that.
pub(crate) fn park_until<R>(
    by: Option<Instant>,
    late: Error,
    mut poll: impl FnMut() -> Poll<Result<R>>,
) -> Result<R> {
    loop {
        if let Poll::Ready(ready) = poll() {
            return ready;
        }
        match by.map(|by| by.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return Err(late),
            Some(left) => thread::park_timeout(left),
            None => thread::park(),
        }
    }
}
