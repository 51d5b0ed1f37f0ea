//! SCRAM [RFC 5802, RFC 7677] with SHA-1, SHA-256 and SHA-512, without channel binding.
//!
//! Both ends show that they know a key made from the password, and neither tells it. SHA-512 is not in an RFC of
//! its own; it is what everybody understands by the name `SCRAM-SHA-512`.

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
