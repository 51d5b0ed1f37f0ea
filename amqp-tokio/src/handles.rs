//! The handles of this crate, and those that need no code of their own.

use std::task::Waker;

use amqp_proto::driver;

use crate::connection::Connection;
use crate::receiver::Receiver;
use crate::requester::Requester;
use crate::responder::{Request, Responder};
use crate::sender::Sender;
use crate::sent::Sent;
use crate::session::Session;

/// The adapter of this crate: its waiters and its handles.
#[derive(Debug)]
pub enum Tokio {}

impl driver::Adapter for Tokio {
    type Waiter = Waker;
    type Session = Session;
    type Sender = Sender;
    type Receiver = Receiver;
}

driver::handles! { Waker: Connection Requester Request Responder Sender Sent Session }

/// A received message that waits for its outcome.
pub type Delivery = driver::Delivery<Waker>;
/// A session or a link of the peer. Dropping the value refuses it.
pub type Offer = driver::Offer<Tokio>;
/// An accepted session or link.
pub type Accepted = driver::Accepted<Tokio>;
/// A session that the peer has begun. Dropping the value refuses the session.
pub type OfferedSession = driver::OfferedSession<Tokio>;
/// A link that the peer has attached. Dropping the value refuses the link.
pub type OfferedLink = driver::OfferedLink<Tokio>;
/// A link on which the peer receives. Dropping the value refuses the link.
pub type OfferedSender = driver::OfferedSender<Tokio>;
/// A link on which the peer sends. Dropping the value refuses the link.
pub type OfferedReceiver = driver::OfferedReceiver<Tokio>;
