//! Measures messages over a loopback socket, each end in a process of its own.
//!
//! `cargo bench -p amqp-tokio --bench loopback` runs all pairs and prints a table. The ends also run alone, against
//! other programs: `loopback recv --port 5799`, `loopback send --port 5799 --messages 100000`. A sending end prints a
//! line of JSON. Nothing here fails for being slow.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

mod blocking;
mod end;
mod pairs;
mod tokio_ends;

use clap::{Parser, Subcommand};

use crate::end::{Receiving, Sending};

/// Measures messages over a loopback socket.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// Set by cargo for all benchmarks.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Sends, on tokio.
    Send(Sending),
    /// Accepts one connection and all its messages, on tokio.
    Recv(Receiving),
    /// Sends, on threads.
    BlockingSend(Sending),
    /// Accepts one connection and all its messages, on threads.
    BlockingRecv(Receiving),
}

fn main() {
    match Options::parse().role {
        None => pairs::run(),
        Some(Role::Send(options)) => tokio_ends::send(&options),
        Some(Role::Recv(options)) => tokio_ends::receive(&options),
        Some(Role::BlockingSend(options)) => blocking::send(&options),
        Some(Role::BlockingRecv(options)) => blocking::receive(&options),
    }
}
