//! [`Session`]: attaches links, and ends.

use std::task::Waker;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::wire;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::handles::OfferedLink;

/// A handle of a session. Clones are cheap handles of the same session.
///
/// A session that this end has begun ends by [`end`](Self::end), or when its last handle and the last handle of its
/// links are dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Waker>);

impl Session {
    driver::link_builders!(Session);

    /// Waits for the next link that the peer attaches; `None` if the session has ended without an error.
    ///
    /// # Errors
    ///
    /// [`Error::Session`](crate::Error::Session) or [`Error::Connection`](crate::Error::Connection) if it has ended
    /// with an error.
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no link.
    pub async fn next_link(&self) -> Result<Option<OfferedLink>> {
        driver::Session::next_link(self).await
    }

    /// Ends the session, and waits until the peer has ended it, too. Returns `Ok` if it has ended before without an
    /// error.
    ///
    /// # Errors
    ///
    /// [`Error::Session`](crate::Error::Session) or [`Error::Connection`](crate::Error::Connection) if the session
    /// ended for another reason, [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer in time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has begun to end the session.
    pub async fn end(&self) -> Result<()> {
        driver::Session::end(self, None).await
    }

    /// Ends the session with an error for the peer, and waits until the peer has ended it, too.
    ///
    /// # Errors
    ///
    /// See [`end`](Self::end).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has begun to end the session.
    pub async fn end_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        driver::Session::end(self, Some(error.into())).await
    }
}
