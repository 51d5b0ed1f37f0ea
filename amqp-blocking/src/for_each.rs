//! [`Receiver::for_each`]: processes each message in a closure, whose result decides the outcome.

use std::fmt::Display;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::policy::OnFailure;

use crate::receiver::{Delivery, Receiver};
use crate::wait::parked;

impl Receiver {
    /// Processes each message until the link ends, on this number of threads, the calling one included. `Ok` accepts
    /// the message. `Err` returns it to be delivered again, and rejects it after the fifth failure.
    ///
    /// The closure can also set the outcome with its [`Delivery`]; then its result has no effect. If the closure
    /// panics, its message is given back. [`close`](Self::close) on a clone of the receiver ends this.
    ///
    /// # Errors
    ///
    /// That of the link's end, if the link ended with an error; that of the system, if it has no more threads. All
    /// work has ended by then.
    ///
    /// # Panics
    ///
    /// If the closure panics, after all threads have ended.
    ///
    /// # Examples
    ///
    /// ```
    #[doc = include_str!("../docs/server.md")]
    /// # let connection = amqp_blocking::Connection::open(&url)?;
    /// let jobs = connection.receiver("jobs").attach()?;
    /// jobs.for_each(8, |delivery| {
    ///     // An error if the octets are not a message.
    ///     let body = delivery.message()?.body()?;
    ///     println!("{body:?}");
    ///     Ok::<(), amqp_blocking::Error>(())
    /// })?;
    /// # Ok::<(), amqp_blocking::Error>(())
    /// ```
    pub fn for_each<E: Display>(
        self,
        concurrency: usize,
        work: impl Fn(Delivery) -> Result<(), E> + Sync,
    ) -> Result<()> {
        self.for_each_with(concurrency, OnFailure::default(), work)
    }

    /// Processes each message like [`for_each`](Self::for_each), with a policy for failures.
    ///
    /// # Errors
    ///
    /// See [`for_each`](Self::for_each).
    pub fn for_each_with<E: Display>(
        self,
        concurrency: usize,
        on_failure: OnFailure,
        work: impl Fn(Delivery) -> Result<(), E> + Sync,
    ) -> Result<()> {
        let stop = Stop { receiver: &self, is_set: AtomicBool::new(false) };
        let run = || -> Result<()> {
            let guard = OnPanic(&stop);
            while let Some(delivery) = guard.0.next()? {
                let result = work(delivery.lent());
                delivery.conclude(result, on_failure);
            }
            Ok(())
        };
        thread::scope(|scope| {
            let mut others = Vec::new();
            for _ in 1..concurrency.max(1) {
                match thread::Builder::new().name("amqp-work".into()).spawn_scoped(scope, run) {
                    Ok(other) => others.push(other),
                    Err(error) => {
                        stop.set();
                        return Err(error.into());
                    }
                }
            }
            let mut end = run();
            for other in others {
                end = end.and(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            end
        })
    }
}

/// True if the threads must end, although the link is not over.
struct Stop<'a> {
    receiver: &'a Receiver,
    is_set: AtomicBool,
}

impl Stop<'_> {
    /// Waits for the next message; `None` if the link has ended, or this thread must end.
    fn next(&self) -> Result<Option<Delivery>> {
        let mut next = driver::Receiver::recv(self.receiver);
        parked(|me| match next.poll(me) {
            Poll::Pending if self.is_set.load(Ordering::Relaxed) => Poll::Ready(Ok(None)),
            next => next,
        })
    }

    fn set(&self) {
        self.is_set.store(true, Ordering::Relaxed);
        driver::Receiver::wake_all(self.receiver);
    }
}

/// Ends the other threads when this one panics.
struct OnPanic<'a, 'b>(&'a Stop<'b>);

impl Drop for OnPanic<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.set();
        }
    }
}
