//! [`Session`]: the handle of one; and sessions and links of the peer.

use std::thread::Thread as Waiter;

use amqp_proto::driver;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::coordinator::Coordinator;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::wait::ready;

/// A handle of a session. Clones are cheap handles of the same session, for any thread. The links of a session share
/// its windows, and a fault on one of them can end it.
///
/// A session that this end has begun ends by [`end`](Self::end), or when its last handle and the last handle of its
/// links are dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Waiter>);

driver::skin::session!();
driver::skin::adapter!(Blocking);
