//! [`Session`]: the handle of one.

use std::thread::Thread;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::wire;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::handles::OfferedLink;
use crate::wait::ready;

/// A session of a connection: its links share windows, and an error in one of them may end it. Clones are handles to
/// the same one, for any thread.
///
/// A session that this end has begun is ended by [`end`](Self::end), or when the last handle to it, or to a link on it,
/// is dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Thread>);

impl Session {
    driver::link_builders!(Session);

    /// Waits for the next link that the peer attaches; `None` once the session is over without an error.
    pub fn next_link(&self) -> Result<Option<OfferedLink>> {
        ready(driver::Session::next_link(self))
    }

    /// Ends the session, and waits until the peer has answered. Returns `Ok` if it was over before without an error.
    pub fn end(&self) -> Result<()> {
        ready(driver::Session::end(self, None))
    }

    /// Ends the session, says why, and waits until the peer has answered.
    pub fn end_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(driver::Session::end(self, Some(error.into())))
    }
}
