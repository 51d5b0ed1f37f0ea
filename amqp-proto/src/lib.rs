#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod codec;
pub mod machine;
pub mod message;
#[cfg(feature = "testing")]
pub mod testing;
pub mod types;
pub mod wire;
