//! Futures dropped after each number of polls.
#![allow(clippy::panic)]

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Polls a future this number of times, each when it is woken, and drops it. Returns its result, if it had one.
pub(crate) async fn polled<F: IntoFuture>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future.into_future());
    let mut left = times;
    poll_fn(move |context| {
        let Some(after) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = after;
        match future.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// More polls than any future here needs.
const ENOUGH: usize = 1_000;

/// Lets all other tasks run until they wait.
pub(crate) async fn rest() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Runs a scenario with one poll more each time, until its future is ready.
pub(crate) async fn each_poll(mut scenario: impl AsyncFnMut(usize) -> bool) {
    for times in 0..ENOUGH {
        if scenario(times).await {
            return;
        }
    }
    panic!("the future is never done");
}
