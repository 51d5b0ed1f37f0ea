//! Pages for those who build on this crate or on its drivers, as they are in the folder `docs`.

#[doc = include_str!("../docs/OUTCOMES.md")]
pub mod outcomes {}
