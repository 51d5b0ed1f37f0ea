//! [`ready`]: what may have to wait, as a future.

use std::future::poll_fn;
use std::task::Waker;

use amqp_proto::driver::{Try, Wait};

/// Waits until an attempt is ready.
///
/// # Cancel safety
///
/// An attempt that was not ready has changed nothing: dropping the future gives its place in line up.
pub(crate) async fn ready<R>(mut wait: Wait<'_, Waker, impl Try<Waker, R>>) -> R {
    poll_fn(move |context| wait.poll(context.waker())).await
}
