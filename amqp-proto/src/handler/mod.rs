//! The handler style, without IO.
//!
//! An application implements [`Handler`], which has a callback for each kind of event, and acts by the
//! [`Context`] of the callback. A [`Dispatcher`] holds connections, passes their events to the handler, and
//! collects the handler's requests: connections, listeners, timers. A container adds sockets and a clock; the
//! same handler runs in any container.
//!
//! The keys of this module differ from those of a [`Connection`](crate::Connection): they include the
//! connection.

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
mod key;
mod link;
mod offers;
mod queue;
mod received;
mod sending;
mod timers;
mod views;

pub use callbacks::{Decision, Handler};
pub use context::Context;
pub use dispatcher::{Action, Dispatcher};
pub use failure::{Failure, Scope};
pub use key::{ConnectionKey, DeliveryKey, LinkKey, ListenerKey, ReceiverKey, SenderKey, SessionKey};
pub use received::ReceivedMessage;
