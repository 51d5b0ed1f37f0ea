#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod codec;
pub mod config;
mod connection;
#[cfg(feature = "driver")]
pub mod driver;
#[cfg(feature = "endpoint")]
pub mod endpoint;
pub mod guide;
pub mod handler;
pub mod machine;
pub mod message;
pub mod policy;
#[cfg(feature = "testing")]
pub mod testing;
pub mod types;
mod view;
pub mod wire;

pub use bytes;
pub use connection::{Connection, Output};
pub use machine::{Cause, Delivery, Event, Origin, Reason};
pub use view::{DeliveryRef, ReceiverMut, SenderMut, SessionMut};
