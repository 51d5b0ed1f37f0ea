//! Floor 4: the rules.
//!
//! State machines without bytes of their own: what came in as a typed value is checked against the standard, and
//! what has to be sent or told comes out as a value. No sockets, clocks or randomness; whoever drives a machine
//! brings them.

mod bound;
mod connection;
mod core;
mod delivery;
mod directory;
mod effects;
mod event;
mod fault;
mod halves;
mod input;
mod link;
mod output;
mod reason;
mod refusal;
mod session;
mod slab;
mod trace;
#[cfg(feature = "tracing")]
mod watch;

pub(crate) use bound::memory_bound;
pub use connection::{Deadline, Reading};
pub(crate) use connection::{Machine, Security};
pub use delivery::{Delivery, Part, PartEnd};
pub(crate) use effects::EMPTY_FRAME;
pub use event::Event;
pub use reason::{Cause, Origin, Reason};
pub use refusal::{FlowError, LinkError, ReadError, SendError, SessionError, SettleError, StaleKey};
pub use trace::{Direction, TracedFrame};

pub(crate) use core::Core;
pub(crate) use link::{EndOptions, Link, LinkEnd, Receiver, Sender, SendingEnd, decode};
pub(crate) use session::Session;
pub(crate) use slab::Slab;
