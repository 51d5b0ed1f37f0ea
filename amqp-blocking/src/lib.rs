//! [architecture]: proto::guide::architecture
//! [brokers]: proto::guide::brokers
//! [outcomes]: proto::guide::outcomes
//! [proton]: proto::guide::proton
//! [support]: proto::guide::support
#![doc = include_str!("../README.md")]
//!
//! # Items by task
//!
//! | to | use |
//! | --- | --- |
//! | connect | [`Connection::open`], [`ConnectionOptions`] |
//! | send | [`Connection::sender`], [`Sender::send`], [`Sender::send_queued`], [`Sent`] |
//! | receive | [`Connection::receiver`], [`Receiver::for_each`], [`Receiver::recv`], [`ReceiverSet`], [`Delivery`] |
//! | build and read messages | [`message::Message`], [`message::MessageView`] |
//! | group work in a transaction | [`Session::transaction`], [`Transaction`] |
//! | ask and answer | [`Connection::requester`], [`Connection::responder`] |
//! | listen | [`Listener`], [`Acceptor`], [`Connection::next_routed`], [`Connection::next_offer`], [`Transport`] |
//! | run a handler | [`Container`], [`handler::Handler`] |
//! | open a lost connection again | [`ConnectionOptions::with_reconnect`], [`Connection::status`] |
//! | handle errors | [`Error::kind`], [`Error::is_transient`], [`policy::Backoff`] |
#![forbid(unsafe_code)]

mod builders;
mod connect;
mod connection;
mod container;
mod coordinator;
mod for_each;
mod host;
mod listener;
mod race;
mod reader;
mod reading;
mod receiver;
mod receiver_set;
mod redial;
mod requester;
mod responder;
mod sender;
mod sent;
mod session;
#[cfg(feature = "tls")]
mod tls;
mod transaction;
mod transport;
mod wait;
mod writer;
mod writing;

pub use builders::{ReceiverBuilder, SenderBuilder};
pub use connection::Connection;
pub use container::{Container, Injector};
pub use coordinator::{CommitRequest, Coordinator, CoordinatorEvent};
pub use listener::{Incoming, Listener};
pub use reader::MessageReader;
pub use receiver::{Deliveries, Delivery, Receiver};
pub use receiver_set::ReceiverSet;
pub use redial::StatusChanges;
pub use requester::Requester;
pub use responder::{Request, Responder};
pub use sender::Sender;
pub use sent::{Sent, SentOutcomes};
pub use session::{Accepted, Offer, OfferedLink, OfferedReceiver, OfferedSender, OfferedSession, Session};
pub use transaction::Transaction;
pub use transport::Transport;
pub use writer::MessageWriter;

amqp_proto::driver::skin::face!();

pub use amqp_proto::{
    self as proto, Cause, LinkState, Metrics, Origin, Reason, brokers, bytes, config, handler, message,
    policy, sasl, types, wire,
};
