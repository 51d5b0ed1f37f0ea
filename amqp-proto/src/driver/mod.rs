//! The parts of an adapter that do not wait.
//!
//! A [`Hub`] holds an engine under one lock, with slots for sessions, links and deliveries, and with lines of
//! waiters. The types of this module, such as [`Sender`], are handles of it. An operation that may have to
//! wait is a [`Wait`]: an adapter polls it with its own kind of waiter, a task or a thread, and wraps the
//! handles in its own types. The driver, which moves octets and keeps the time, belongs to the adapter and
//! calls [`Hub::drive`]. [`Pump`] is such a driver for non-blocking streams, without the waiting.

mod adapter;
mod connection;
mod coordinator;
mod delivery;
mod dialer;
mod dials;
mod events;
mod flush_policy;
mod guard;
mod hub;
mod inbox;
mod layer;
mod line;
mod link;
mod offered;
mod outage;
mod outcomes;
mod places;
mod pump;
mod reader;
mod receiver;
mod receiver_set;
mod recipe;
mod recovery;
mod replay;
mod requests;
mod responder;
mod restore;
mod resumption;
mod sender;
mod sent;
mod session;
mod sink;
#[doc(hidden)]
pub mod skin;
mod slots;
mod state;
mod status;
mod stopped;
mod suspension;
mod termini;
mod transaction;
mod transactions;
mod transport;
mod wait;
mod wake;
mod write_buffer;
mod write_here;
mod writer;

pub use adapter::Adapter;
#[doc(hidden)]
pub use adapter::{handles, link_builders};
pub use connection::Connection;
pub use coordinator::{CommitRequest, Coordinator, CoordinatorEvent};
pub use delivery::Delivery;
#[doc(hidden)]
pub use delivery::rejected;
pub use dialer::Dialer;
pub use dials::{Dials, NextDial};
pub use flush_policy::FlushPolicy;
pub use hub::Hub;
pub use link::Ending;
pub use offered::{Accepted, Offer, OfferedLink, OfferedReceiver, OfferedSender, OfferedSession};
pub use pump::{Interest, Pump};
pub use reader::MessageReader;
pub use receiver::{NextDelivery, Receiver};
pub use receiver_set::{NextOfSet, ReceiverSet};
pub use requests::{Question, Requester};
pub use responder::{Answer, Request, Responder};
pub use resumption::Resumed;
pub use sender::{Queued, Sender, WORTH_WRITING};
pub use sent::{Sent, SentOutcomes};
pub use session::{Home, Session};
pub use sink::SinkState;
pub use state::{Clock, HubOptions, LastWords, State};
pub use status::{Status, StatusChanges};
pub use stopped::Stopped;
pub use transaction::Transaction;
pub use wait::{Attempt, Try, Wait};
pub use wake::Wake;
pub use write_buffer::WriteBuffer;
pub use write_here::WriteHere;
pub use writer::MessageWriter;

#[doc(hidden)]
pub use bytes::Bytes;
