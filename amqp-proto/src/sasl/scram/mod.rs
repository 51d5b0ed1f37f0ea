//! SCRAM with SHA-1, SHA-256 and SHA-512, without channel binding (RFC 5802, RFC 7677).
//!
//! Both ends prove that they know a key derived from the password, without sending it. SHA-512 has no RFC of
//! its own; `SCRAM-SHA-512` is the common name of the mechanism.

mod client;
mod hash;
mod limits;
mod message;
mod server;
mod verifier;

pub use client::ScramClient;
pub use hash::ScramHash;
pub use limits::ScramLimits;
pub use server::{Decoy, ScramServer};
pub use verifier::{BadVerifier, ScramVerifier};
