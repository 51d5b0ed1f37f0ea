//! The tests of both adapters: see `amqp-proto/adapter-tests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adapter;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/reconnect.rs"]
mod reconnect;
#[path = "../../../amqp-proto/adapter-tests/tests/mod.rs"]
mod tests;

use amqp_tokio as amqp;
