//! A public test kit: two engines joined in memory, a scripted peer, and random values, described types, frames and
//! messages.
//!
//! [`Pair`] is a client and a server without a socket or a clock, for tests of programs that use the engine.
//! [`Script`] is a peer that sends and expects octets written by hand, most of them as [`Literal`]s.
//!
//! With the feature `proptest`, every wire type of this crate works with `any()`; [`strategies`] has the rest.
//! Failures shrink. With the feature `arbitrary`, the same types implement `Arbitrary`, for fuzzers. All random
//! values are *legal*: mandatory fields are set, tags are short enough and keys are distinct. So every value can be
//! encoded, and a peer has no reason to refuse it.
//!
//! No other module uses this one.

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
pub use end::{Auto, End, LinkOffer};
pub use line::Line;
pub use literal::{
    HEADER, Literal, SASL_HEADER, attach, attach_receiver, attach_sender, begin, close, detach, disposition,
    end, flow, octets, open, transfer,
};
pub use operation::{
    EndSetup, Few, First, Grant, LinkSort, Operation, Pick, Run, RunEnding, Side, Size, Verdict,
};
pub use pair::Pair;
pub use run::Story;
pub use script::{Difference, Script};
