//! The handler style, without IO.
//!
//! An application implements [`Handler`], which has a callback for each kind of event, and acts by the
//! [`Context`] of the callback. A [`Dispatcher`] holds connections, passes their events to the handler, and
//! collects the handler's requests: connections, listeners, timers. A container adds sockets and a clock; the
//! same handler runs in any container.
//!
//! The handler names its objects by tokens. A token includes the connection, which a key of a
//! [`Connection`](crate::Connection) does not, and exists before a link is attached or a message is sent.

mod aliases;
mod callbacks;
mod connection;
mod context;
mod creating;
mod deliveries;
mod dispatch;
mod dispatcher;
mod ending;
mod failure;
mod kept;
mod link;
mod lost;
mod offers;
mod queue;
mod received;
mod recovering;
mod sending;
mod timers;
mod token;
mod transactions;
mod views;

pub use callbacks::{Decision, Handler};
pub use context::Context;
pub use dispatcher::{Action, Dispatcher};
pub use failure::{Failure, FailureScope};
pub use received::ReceivedMessage;
pub use token::{
    ConnectionToken, DeliveryToken, LinkToken, ListenerToken, ReceiverToken, SenderToken, SessionToken,
    TransactionToken,
};
