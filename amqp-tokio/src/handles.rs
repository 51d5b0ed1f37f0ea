//! What the handles have in common, and those that need no code of their own.

use std::task::Waker;

use amqp_proto::driver;

use crate::connection::Connection;
use crate::receiver::Receiver;
use crate::requester::Requester;
use crate::responder::{Request, Responder};
use crate::sender::Sender;
use crate::sent::Sent;
use crate::session::Session;

/// Names the handles of this crate.
#[derive(Debug)]
pub enum Tokio {}

impl driver::Adapter for Tokio {
    type Waiter = Waker;
    type Session = Session;
    type Sender = Sender;
    type Receiver = Receiver;
}

driver::handles! { Waker: Connection Requester Request Responder Sender Sent Session }

/// A message that was received, and the decision about it to come.
pub type Delivery = driver::Delivery<Waker>;
/// A session or a link that the peer wants. Dropping it refuses it.
pub type Offer = driver::Offer<Tokio>;
/// A session or a link that was accepted.
pub type Accepted = driver::Accepted<Tokio>;
/// A session that the peer has begun, to be accepted or refused. Dropping it refuses it.
pub type OfferedSession = driver::OfferedSession<Tokio>;
/// A link that the peer has attached, to be accepted or refused. Dropping it refuses it.
pub type OfferedLink = driver::OfferedLink<Tokio>;
/// A link on which the peer wants to receive. Dropping it refuses it.
pub type OfferedSender = driver::OfferedSender<Tokio>;
/// A link on which the peer wants to send. Dropping it refuses it.
pub type OfferedReceiver = driver::OfferedReceiver<Tokio>;
