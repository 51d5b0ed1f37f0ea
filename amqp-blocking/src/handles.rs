//! What the handles have in common, and those that need no code of their own.

use std::thread::Thread;

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
pub enum Blocking {}

impl driver::Adapter for Blocking {
    type Waiter = Thread;
    type Session = Session;
    type Sender = Sender;
    type Receiver = Receiver;
}

driver::handles! { Thread: Connection Receiver Requester Request Responder Sender Sent Session }

/// A message that was received, and the decision about it to come.
pub type Delivery = driver::Delivery<Thread>;
/// A session or a link that the peer wants. Dropping it refuses it.
pub type Offer = driver::Offer<Blocking>;
/// A session or a link that was accepted.
pub type Accepted = driver::Accepted<Blocking>;
/// A session that the peer has begun, to be accepted or refused. Dropping it refuses it.
pub type OfferedSession = driver::OfferedSession<Blocking>;
/// A link that the peer has attached, to be accepted or refused. Dropping it refuses it.
pub type OfferedLink = driver::OfferedLink<Blocking>;
/// A link on which the peer wants to receive. Dropping it refuses it.
pub type OfferedSender = driver::OfferedSender<Blocking>;
/// A link on which the peer wants to send. Dropping it refuses it.
pub type OfferedReceiver = driver::OfferedReceiver<Blocking>;
