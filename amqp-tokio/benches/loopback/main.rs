//! Measures messages over a loopback socket, each end in a process of its own.
//!
//! `cargo bench -p amqp-tokio --bench loopback` runs all pairs in turn and prints a table of medians. A raw socket of the
//! same shape runs beside each pair: it carries as many octets each way, without AMQP. The ends also run alone, against
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
mod raw;
mod tokio_ends;

use clap::{Parser, Subcommand};

use crate::end::{Receiving, Sending};

/// Measures messages over a loopback socket.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// Added by cargo for all benchmarks.
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
    /// Sends octets without AMQP, on tokio or on a thread.
    RawSend(Sending),
    /// Answers octets without AMQP.
    RawRecv(Receiving),
}

fn main() {
    match Options::parse().role {
        None => pairs::run(),
        Some(Role::Send(options)) => tokio_ends::send(&options),
        Some(Role::Recv(options)) => tokio_ends::receive(&options),
        Some(Role::BlockingSend(options)) => blocking::send(&options),
        Some(Role::BlockingRecv(options)) => blocking::receive(&options),
        Some(Role::RawSend(options)) => raw::send(&options),
        Some(Role::RawRecv(options)) => raw::receive(&options),
    }
}
