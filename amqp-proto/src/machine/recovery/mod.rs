//! The resumption of links: both ends agree on the deliveries that were unsettled when a link ended [2.6.13]
//! [3.4.6].
//!
//! A resumable link keeps a [`Recovery`] beside its records. When it ends, the state is captured as a [`LinkState`],
//! which the application may save. A link that is attached with its state goes through these steps:
//!
//! 1. *Attach.* This end's attach lists the deliveries of the state, which are *pending*, and the peer's lists its own.
//! 2. *Compare.* A receiver settles the pending deliveries that the sender does not list. A sender decides about each
//!    of its own, as the table in `resume` says.
//! 3. *Resume.* The sender takes these *steps* as credit and room allow: it resumes, sends again, settles or aborts.
//!    Only then may the application send. The receiver takes up the pending deliveries by their tags.
//! 4. *Again.* If a map did not fit in a frame, the link is detached and attached again, in `rounds`.

mod capture;
mod compare;
mod hooks;
mod memory;
mod position;
mod prepare;
mod resume;
mod resumed;
mod rounds;
mod saved;
mod state;
mod steps;
mod suspension;

pub(crate) use compare::read_state;
pub(crate) use hooks::{Hooks, RecoverySlot, Resumable, hooks_in};
pub use saved::LinkStateError;
pub use state::{LinkState, UnsettledDelivery};
pub(crate) use suspension::Suspension;
