//! The connection: protocol headers, the security layer, open and close, and the time [2.2] [2.4] [5.3].

mod frames;
mod lifecycle;
mod machine;
mod salvage;
mod security;
mod timers;

pub(crate) use machine::Machine;
pub use machine::Reading;
pub(crate) use security::Security;
pub use timers::Deadline;
