//! [`Session`]: the handle of one.

use std::task::Waker;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::wire;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::handles::OfferedLink;

/// A session of a connection. Cheap to clone: all clones are the same session.
///
/// A session that this end has begun is ended by [`end`](Self::end), or when the last handle of it and of its links is
/// dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Waker>);

impl Session {
    driver::link_builders!(Session);

    /// Waits for the next link that the peer attaches; `None` once the session is over without an error.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn next_link(&self) -> Result<Option<OfferedLink>> {
        driver::Session::next_link(self).await
    }

    /// Ends the session, and waits until the peer has answered. Returns `Ok` if it was over before without an error.
    pub async fn end(&self) -> Result<()> {
        driver::Session::end(self, None).await
    }

    /// Ends the session, says why, and waits until the peer has answered.
    pub async fn end_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        driver::Session::end(self, Some(error.into())).await
    }
}
