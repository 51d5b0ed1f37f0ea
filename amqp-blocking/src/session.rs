//! [`Session`]: the handle of one; and sessions and links of the peer.

use std::thread::Thread as Waiter;

use amqp_proto::driver::{self, Adapter};

use crate::builders::{ReceiverBuilder, SenderBuilder};
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

/// Names the handles of this crate.
#[derive(Debug)]
pub enum Blocking {}

impl Adapter for Blocking {
    type Waiter = Waiter;
    type Session = Session;
    type Sender = Sender;
    type Receiver = Receiver;
}

/// A session or a link of the peer. Dropping it refuses it.
pub type Offer = driver::Offer<Blocking>;
/// A session or a link that was accepted.
pub type Accepted = driver::Accepted<Blocking>;
/// A session that the peer has begun. Dropping it refuses it.
pub type OfferedSession = driver::OfferedSession<Blocking>;
/// A link that the peer has attached. Dropping it refuses it.
pub type OfferedLink = driver::OfferedLink<Blocking>;
/// A link on which the peer receives. Dropping it refuses it.
pub type OfferedSender = driver::OfferedSender<Blocking>;
/// A link on which the peer sends. Dropping it refuses it.
pub type OfferedReceiver = driver::OfferedReceiver<Blocking>;
