//! Handlers: every callback and every action.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod failure;
mod joined;
mod lifecycle;
mod messages;
mod net;
#[allow(dead_code, missing_docs, unreachable_pub)]
mod programs;
mod proton;
mod queueing;
mod request;
mod transactions;
mod undecided;
mod world;
