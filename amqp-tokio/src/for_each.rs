//! [`Receiver::for_each`]: processes each message in a closure, whose result decides the outcome.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::pin;
use std::task::Poll;

use amqp_proto::client::Result;
use amqp_proto::policy::OnFailure;
use tokio::task::{JoinError, JoinSet};

use crate::receiver::{Delivery, Receiver};

impl Receiver {
    /// Processes each message in a task of its own until the link ends, at most `concurrency` messages at a time.
    /// `Ok` accepts the message. `Err` returns it to be delivered again, and rejects it after the fifth failure.
    ///
    /// The closure can also set the outcome with its [`Delivery`]; then its result has no effect. If a task panics,
    /// or is cancelled because this future is dropped, its message is given back. [`close`](Self::close) on a clone
    /// of the receiver ends this.
    ///
    /// # Errors
    ///
    /// That of the link's end, if the link ended with an error. All tasks have ended by then.
    ///
    /// # Cancel safety
    ///
    /// A dropped future cancels the tasks, and gives their messages back.
    ///
    /// # Panics
    ///
    /// If a task panics, or outside of a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> amqp_tokio::Result<()> {
    /// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
    /// # connection.sender("jobs").await?.send("job-content").await?.accepted()?;
    /// let jobs = connection.receiver("jobs").await?;
    /// # let done = jobs.clone();
    /// # tokio::spawn(async move {
    /// #     tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    /// #     done.close().await
    /// # });
    /// jobs.for_each(8, |delivery| async move {
    ///     // An error if the octets are not a message.
    ///     let body = delivery.message()?.body()?;
    ///     println!("{body:?}");
    ///     Ok::<(), amqp_tokio::Error>(())
    /// })
    /// .await
    /// # }
    /// ```
    pub async fn for_each<F, W, E>(self, concurrency: usize, work: F) -> Result<()>
    where
        F: FnMut(Delivery) -> W,
        W: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        self.for_each_with(concurrency, OnFailure::default(), work).await
    }

    /// Processes each message like [`for_each`](Self::for_each), with a policy for failures.
    ///
    /// # Errors
    ///
    /// See [`for_each`](Self::for_each).
    ///
    /// # Cancel safety
    ///
    /// A dropped future cancels the tasks, and gives their messages back.
    pub async fn for_each_with<F, W, E>(
        self,
        concurrency: usize,
        on_failure: OnFailure,
        mut work: F,
    ) -> Result<()>
    where
        F: FnMut(Delivery) -> W,
        W: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        let end = loop {
            while tasks.len() >= concurrency.max(1) {
                if let Some(result) = tasks.join_next().await {
                    done(result);
                }
            }
            match self.recv_while(&mut tasks).await {
                Ok(Some(delivery)) => {
                    let working = work(delivery.lent());
                    tasks.spawn(async move { delivery.conclude(working.await, on_failure) });
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        while let Some(result) = tasks.join_next().await {
            done(result);
        }
        end
    }

    /// Waits for the next message, and handles tasks that end.
    async fn recv_while(&self, tasks: &mut JoinSet<()>) -> Result<Option<Delivery>> {
        let mut next = pin!(self.recv());
        poll_fn(|context| {
            while let Poll::Ready(Some(result)) = tasks.poll_join_next(context) {
                done(result);
            }
            next.as_mut().poll(context)
        })
        .await
    }
}

/// Resumes the panic of a task. No other code cancels the tasks.
fn done(result: Result<(), JoinError>) {
    if let Err(error) = result
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}
