//! [`Session`]: attaches links, and ends.

use std::thread::Thread;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::wire;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::handles::OfferedLink;
use crate::wait::ready;

/// A handle of a session. Clones are cheap handles of the same session, for any thread. The links of a session share
/// its windows, and a fault on one of them can end it.
///
/// A session that this end has begun ends by [`end`](Self::end), or when its last handle and the last handle of its
/// links are dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Thread>);

impl Session {
    driver::link_builders!(Session);

    /// Waits for the next link that the peer attaches; `None` if the session has ended without an error.
    ///
    /// # Errors
    ///
    /// [`Error::Session`](crate::Error::Session) or [`Error::Connection`](crate::Error::Connection) if it has ended
    /// with an error.
    pub fn next_link(&self) -> Result<Option<OfferedLink>> {
        ready(driver::Session::next_link(self))
    }

    /// Ends the session, and waits until the peer has ended it, too. Returns `Ok` if it has ended before without an
    /// error.
    ///
    /// # Errors
    ///
    /// [`Error::Session`](crate::Error::Session) or [`Error::Connection`](crate::Error::Connection) if the session
    /// ended for another reason, [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer in time.
    pub fn end(&self) -> Result<()> {
        ready(driver::Session::end(self, None))
    }

    /// Ends the session with an error for the peer, and waits until the peer has ended it, too.
    ///
    /// # Errors
    ///
    /// See [`end`](Self::end).
    pub fn end_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(driver::Session::end(self, Some(error.into())))
    }
}
