//! [`within`]: bounds the time of work.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// Returns the time at which a time span from now ends, if it is bounded.
pub(crate) fn end_of(span: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(span?)
}

/// Waits for work until `by` at the latest; then the error is `late`.
pub(crate) async fn within<R, E>(
    by: Option<Instant>,
    late: E,
    work: impl Future<Output = Result<R, E>>,
) -> Result<R, E> {
    match by {
        Some(by) => timeout_at(by, work).await.unwrap_or(Err(late)),
        None => work.await,
    }
}
