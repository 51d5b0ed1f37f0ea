//! [`Session`]: the handle of one; and sessions and links of the peer.

use std::task::Waker as Waiter;

use amqp_proto::driver;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::coordinator::Coordinator;
use crate::receiver::Receiver;
use crate::sender::Sender;

/// A handle of a session. Clones are cheap handles of the same session.
///
/// A session that this end has begun ends by [`end`](Self::end), or when its last handle and the last handle of its
/// links are dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Waiter>);

driver::skin::session!(async);
driver::skin::adapter!(Tokio);
