//! The tests of both adapters: see `amqp-proto/adapter-tests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unused_mut, reason = "on tokio, waiting for an outcome borrows it mutably")]

mod adapter;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../../examples/blocking_reconnect.rs"]
mod reconnect;
#[path = "../../../amqp-proto/adapter-tests/tests/mod.rs"]
mod tests;

use amqp_blocking as amqp;
