//! [architecture]: guide::architecture
//! [brokers]: guide::brokers
//! [drivers]: guide::drivers
//! [outcomes]: guide::outcomes
//! [proton]: guide::proton
//! [support]: guide::support
#![doc = include_str!("../README.md")]
//!
//! # Items by task
//!
//! | to | use |
//! | --- | --- |
//! | drive a connection | [`Connection::poll_event`], [`Connection::output`], [`Connection::input`], [`Connection::reading`] |
//! | write a driver | [`guide::drivers`] |
//! | keep the time | [`Connection::next_deadline`], [`Connection::handle_deadline`], [`types::Moment`] |
//! | attach links | [`Connection::begin`], [`SessionMut::attach_sender`], [`SessionMut::attach_receiver`] |
//! | send | [`SenderMut::send`], [`Event::Sendable`], [`Event::Updated`] |
//! | receive | [`ReceiverMut::receive`], [`ReceiverMut::accept`], [`Event::Message`] |
//! | group work in transactions | [`SenderMut::declare`], [`TransactionMut`], [`ReceiverMut::accept_coordinator`] |
//! | build and read messages | [`message::Message`], [`message::MessageView`] |
//! | speak with a certain broker | [`brokers::rabbitmq`], [`brokers::artemis`], [`brokers::azure`] |
//! | write callbacks | [`handler::Handler`], [`handler::Dispatcher`] |
//! | take frames apart | [`wire::Deframer`], [`wire::Frame`] |
//! | bound memory and work | [`types::Limits`], [`Connection::memory_bound`] |
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod brokers;
#[cfg(feature = "client")]
pub mod client;
pub mod codec;
pub mod config;
mod connection;
#[cfg(feature = "driver")]
pub mod driver;
pub mod guide;
pub mod handler;
mod machine;
pub mod message;
pub mod policy;
pub mod sasl;
#[cfg(feature = "testing")]
pub mod testing;
pub mod types;
mod view;
pub mod wire;

pub use bytes;
pub use connection::{Connection, Input, Output};
pub use machine::{
    Cause, Deadline, Delivery, Direction, Event, FlowError, LinkError, LinkState, LinkStateError, Metrics,
    Origin, Part, PartEnd, ReadError, Reading, Reason, SendError, SessionError, SettleError, StaleKey,
    TracedFrame, TransactionError, UnsettledDelivery,
};
pub use view::{DeliveryRef, ReceiverMut, SenderMut, SessionMut, TransactionMut};
