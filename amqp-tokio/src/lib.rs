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
//! | receive | [`Connection::receiver`], [`Receiver::for_each`], [`Receiver::recv`], [`Delivery`] |
//! | build and read messages | [`message::Message`], [`message::MessageView`] |
//! | ask and answer | [`Connection::requester`], [`Connection::responder`] |
//! | listen | [`Listener`], [`Acceptor`], [`Connection::next_session`], [`Session::next_link`] |
//! | run a handler | [`Container`], [`handler::Handler`] |
//! | handle errors | [`Error::kind`], [`Error::is_transient`], [`policy::Backoff`] |
#![forbid(unsafe_code)]

#[cfg(feature = "broker")]
pub mod broker;
mod connect;
mod connection;
mod container;
mod driver;
mod flush_policy;
mod for_each;
mod incoming;
mod listener;
mod offered;
mod receiver;
mod receiver_builder;
mod requester;
mod responder;
mod sender;
mod sender_builder;
mod sent;
mod session;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod wait;
mod write_buffer;

pub use connection::Connection;
pub use container::{Container, Injector, Stopped};
/// A message that was received, and the decision about it to come.
pub type Delivery = amqp_proto::driver::Delivery<std::task::Waker>;
pub use incoming::IncomingStream;
pub use listener::{Incoming, Listener};
pub use offered::{OfferedLink, OfferedReceiver, OfferedSender};
pub use receiver::Receiver;
pub use receiver_builder::ReceiverBuilder;
pub use requester::Requester;
pub use responder::{Request, Responder};
pub use sender::Sender;
pub use sender_builder::SenderBuilder;
pub use sent::{Sent, SentOutcomes};
pub use session::{OfferedSession, Session};
pub use stream::OutgoingStream;

pub use amqp_proto as proto;
pub use amqp_proto::client::{
    Acceptor, Address, AddressError, CloseReason, ConnectionOptions, Error, ErrorKind, Outgoing, Peer, Result,
};
#[cfg(feature = "tls")]
pub use amqp_proto::client::{ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder, rustls};
pub use amqp_proto::sasl;
pub use amqp_proto::{Cause, Origin, Reason};
pub use amqp_proto::{config, handler, message, policy, types, wire};
pub use bytes;
