//! Floor 5: the handler style, without IO.
//!
//! An application is a [`Handler`]: it is told what happens by a method for each thing, and acts by the [`Context`]
//! that it is given. A [`Dispatcher`] holds connections, gives their events to the handler, and says what the handler
//! wants of the world: connections, listeners, timers. A container on top of it brings sockets and a clock; the same
//! handler runs on any.
//!
//! Keys here are not those of a [`Connection`](crate::Connection): they also say which connection it is on.

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
