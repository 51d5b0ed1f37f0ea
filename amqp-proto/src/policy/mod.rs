//! Floor 4: decisions that an application may leave to this crate. Pure: no clock, no chance, no IO.

mod answer;
mod backoff;
mod correlator;
mod failure;
mod recent;
mod transient;

pub use answer::answer_to;
pub use backoff::Backoff;
pub use correlator::{Correlator, RequestError};
pub use failure::OnFailure;
pub use recent::Recent;
pub use transient::{Scope, is_transient};
