//! [`Session`]: the handle of one; and sessions and links of the peer.

use std::task::Waker as Waiter;

use amqp_proto::driver::{self, Adapter};

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::receiver::Receiver;
use crate::sender::Sender;

/// A handle of a session. Clones are cheap handles of the same session.
///
/// A session that this end has begun ends by [`end`](Self::end), or when its last handle and the last handle of its
/// links are dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Waiter>);

driver::skin::session!(async);

/// Names the handles of this crate.
#[derive(Debug)]
pub enum Tokio {}

impl Adapter for Tokio {
    type Waiter = Waiter;
    type Session = Session;
    type Sender = Sender;
    type Receiver = Receiver;
}

/// A session or a link of the peer. Dropping it refuses it.
pub type Offer = driver::Offer<Tokio>;
/// A session or a link that was accepted.
pub type Accepted = driver::Accepted<Tokio>;
/// A session that the peer has begun. Dropping it refuses it.
pub type OfferedSession = driver::OfferedSession<Tokio>;
/// A link that the peer has attached. Dropping it refuses it.
pub type OfferedLink = driver::OfferedLink<Tokio>;
/// A link on which the peer receives. Dropping it refuses it.
pub type OfferedSender = driver::OfferedSender<Tokio>;
/// A link on which the peer sends. Dropping it refuses it.
pub type OfferedReceiver = driver::OfferedReceiver<Tokio>;
