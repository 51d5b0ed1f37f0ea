//! Pages for users of this crate and its drivers, from the folder `docs`.

#[doc = include_str!("../docs/BROKERS.md")]
pub mod brokers {}

#[doc = include_str!("../docs/OUTCOMES.md")]
pub mod outcomes {}

#[doc = include_str!("../docs/PROTON.md")]
pub mod proton {}

#[doc = include_str!("../docs/SUPPORT.md")]
pub mod support {}
