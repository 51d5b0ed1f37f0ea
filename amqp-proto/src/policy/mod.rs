//! Floor 4: decisions that an application may leave to this crate. Pure: no clock, no chance, no IO.

mod backoff;
mod correlator;

pub use backoff::Backoff;
pub use correlator::{Correlator, RequestError};
