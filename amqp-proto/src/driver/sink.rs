//! [`SinkState`]: the messages of a sender that is used as a sink.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::sync::{Mutex, PoisonError};

use super::sent::Sent;
use crate::client::{Error, Result};
use crate::machine::SendError;
use crate::wire::Outcome;

/// The messages of a sender that is used as a sink, from the call that takes one until its outcome.
#[derive(Default)]
pub struct SinkState {
    /// The work that sends a message, or closes the link. Its mutex is never locked: it makes the work `Sync`.
    work: Option<Mutex<Work>>,
    /// The messages without a known outcome, the oldest first.
    sent: VecDeque<Sent<Waker>>,
    is_closing: bool,
}

type Work = Pin<Box<dyn Future<Output = Result<Option<Sent<Waker>>>> + Send>>;

impl SinkState {
    /// Takes a message, which `send` sends as soon as the sink is polled.
    ///
    /// # Errors
    ///
    /// `Error::Send` if the sink is not ready.
    pub fn start_send(
        &mut self,
        send: impl Future<Output = Result<Sent<Waker>>> + Send + 'static,
    ) -> Result<()> {
        self.start(Box::pin(async move { send.await.map(Some) }))
    }

    fn start(&mut self, work: Work) -> Result<()> {
        if self.work.is_some() {
            return Err(SendError::Full.into());
        }
        self.work = Some(Mutex::new(work));
        Ok(())
    }

    /// Polls until the last message is sent. Also takes the outcomes that have arrived.
    ///
    /// # Errors
    ///
    /// The error of the last message, or the outcome of an earlier one that was not accepted.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(work) = &mut self.work {
            let work = work.get_mut().unwrap_or_else(PoisonError::into_inner);
            let sent = ready!(work.as_mut().poll(context));
            self.work = None;
            self.sent.extend(sent?);
        }
        while let Some(outcome) = self.sent.front().and_then(|oldest| oldest.try_outcome().transpose()) {
            self.take(outcome)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Polls until the outcomes of all messages are known.
    ///
    /// # Errors
    ///
    /// See [`poll_ready`](Self::poll_ready).
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_ready(context))?;
        while let Some(oldest) = self.sent.front() {
            let outcome = ready!(Sent::poll_outcome(oldest, context.waker()));
            self.take(outcome)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Polls until the outcomes of all messages are known and the link is closed by `close`.
    ///
    /// # Errors
    ///
    /// See [`poll_ready`](Self::poll_ready); also the error of `close`.
    pub fn poll_close(
        &mut self,
        context: &mut Context<'_>,
        close: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Poll<Result<()>> {
        ready!(self.poll_flush(context))?;
        if !self.is_closing {
            self.is_closing = true;
            self.start(Box::pin(async move { close.await.map(|()| None) }))?;
        }
        self.poll_ready(context)
    }

    /// Takes the outcome of the oldest message.
    fn take(&mut self, outcome: Result<Outcome>) -> Result<()> {
        self.sent.pop_front();
        outcome?.accepted().map_err(Error::from)
    }
}

impl fmt::Debug for SinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkState").field("sent", &self.sent).finish_non_exhaustive()
    }
}
