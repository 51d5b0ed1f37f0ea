//! What messages cost over a loopback socket, each end in a process of its own.
//!
//! `cargo bench -p amqp-tokio --bench loopback` runs all pairs and prints a table. The ends can also be run one by one,
//! against those of others: `loopback recv --port 5799`, `loopback send --port 5799 --messages 100000`. A sending end
//! writes a line of JSON. Benchmarks measure; nothing here fails for being slow.
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

/// What messages cost over a loopback socket.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// What cargo adds for all benchmarks.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Sends, on tokio.
    Send(Sending),
    /// Takes one connection and accepts all that comes, on tokio.
    Recv(Receiving),
    /// Sends, on threads.
    BlockingSend(Sending),
    /// Takes one connection and accepts all that comes, on threads.
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
