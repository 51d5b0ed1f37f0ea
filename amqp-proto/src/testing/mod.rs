//! The public test kit: two ends joined in memory, a scripted peer; values, described types, frames and messages made
//! up at random.
//!
//! [`Pair`] is a client and a server without a socket or a clock, for tests of whatever uses the engine.
//! [`Script`] is a peer that sends and expects octets written by hand, most of them as [`Literal`]s.
//!
//! With the feature `proptest` every type of this crate that goes over the wire works with `any()`, and
//! [`strategies`] has what takes a choice; what fails shrinks. With the feature `arbitrary` the same types
//! implement that crate's trait, for fuzzers. All that is made up is *legal*: mandatory fields are there, tags
//! are short enough, keys are distinct, so it can be encoded, and a peer has no reason to refuse it.
//!
//! Nothing outside this module uses it.

#[cfg(feature = "proptest")]
pub mod strategies;

mod alike;
mod auto_respond;
mod end;
mod line;
mod literal;
mod operation;
mod pair;
mod run;
mod script;

#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod described;
#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod frame;
#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod maps;
#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod message;
#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod sample;
#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod scalar;
#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod value;

pub use alike::Alike;
pub use auto_respond::{auto_respond, auto_respond_in_pieces};
pub use end::{Auto, End, Offer};
pub use line::Line;
pub use literal::{
    HEADER, Literal, SASL_HEADER, attach, attach_receiver, attach_sender, begin, close, detach, disposition,
    end, flow, octets, open, transfer,
};
pub use operation::{
    EndSetup, Ending, Few, First, Grant, LinkSort, Operation, Pick, Run, Side, Size, Verdict,
};
pub use pair::Pair;
pub use run::Story;
pub use script::{Difference, Script};
