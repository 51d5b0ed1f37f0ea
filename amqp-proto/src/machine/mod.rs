//! The rules of the protocol, as state machines.
//!
//! The machines take typed frames and commands, check them against the standard, and return frames to send
//! and events to report. They use no socket, clock or random number; the caller provides those.

mod command_error;
mod connection;
mod delivery;
mod directory;
mod effects;
mod endpoints;
mod event;
mod fault;
mod frame_trace;
mod halves;
mod input;
mod link;
mod memory;
mod metrics;
mod output;
mod reason;
mod recovery;
mod session;
mod slab;
#[cfg(feature = "tracing")]
mod spans;
mod transaction;

pub use command_error::{
    FlowError, LinkError, ReadError, SendError, SessionError, SettleError, StaleKey, TransactionError,
};
pub use connection::{Deadline, Reading};
pub(crate) use connection::{Machine, Security};
pub use delivery::{Delivery, Part, PartEnd};
pub(crate) use effects::EMPTY_FRAME;
pub use event::Event;
pub use frame_trace::{Direction, TracedFrame};
pub use metrics::Metrics;
pub use reason::{Cause, Origin, Reason};
pub(crate) use recovery::Suspension;
pub use recovery::{LinkState, LinkStateError, UnsettledDelivery};

pub(crate) use endpoints::Endpoints;
pub(crate) use link::{EndOptions, Link, LinkEnd, Receiver, Sender, SendingEnd, decode};
pub(crate) use session::Session;
pub(crate) use slab::Slab;
pub(crate) use transaction::{Transaction, state_in};
