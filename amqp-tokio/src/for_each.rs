//! [`Receiver::for_each`]: a closure works on each message, and its result decides.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::pin;
use std::task::Poll;

use amqp_proto::client::Result;
use amqp_proto::policy::OnFailure;
use tokio::task::{JoinError, JoinSet};

use crate::handles::Delivery;
use crate::receiver::Receiver;

impl Receiver {
    /// Works on each message in a task of its own, on so many at a time at most, until the link is over: `Ok` accepts
    /// the message, `Err` has it come again, and rejects it when it has failed five times.
    ///
    /// The work may decide by itself, with the methods of its [`Delivery`]; then its result tells nothing. Work that
    /// panics, or is cancelled since this future is dropped, has not processed its message, which is given back.
    /// [`close`](Self::close) on a clone ends it.
    ///
    /// # Errors
    ///
    /// How the link ended, if that was an error; what was being worked on is done then.
    ///
    /// # Panics
    ///
    /// If the work does, or outside of a runtime of tokio.
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

    /// Works on each message as [`for_each`](Self::for_each) does, and decides by this policy where the work fails.
    ///
    /// # Errors
    ///
    /// See [`for_each`](Self::for_each).
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

    /// Waits for the next message, while tasks end.
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

/// Passes on a panic of the work. Nobody else cancels it.
fn done(result: Result<(), JoinError>) {
    if let Err(error) = result
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}
