//! The public test kit: values, described types, frames and messages made up at random.
//!
//! With the feature `proptest` every type of this crate that goes over the wire works with `any()`, and
//! [`strategies`] has what takes a choice; what fails shrinks. With the feature `arbitrary` the same types
//! implement that crate's trait, for fuzzers. All that is made up is *legal*: mandatory fields are there, tags
//! are short enough, keys are distinct, so it can be encoded, and a peer has no reason to refuse it.
//!
//! Nothing outside this module uses it.

#[cfg(feature = "proptest")]
pub mod strategies;

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
