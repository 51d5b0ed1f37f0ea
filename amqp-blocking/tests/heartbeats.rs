//! Heartbeats of connections whose application is busy [2.4.5].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[path = "common/busy.rs"]
mod busy;

use amqp_blocking::{ConnectionOptions, Container};
use busy::{Busy, SILENCE};

/// C-IDLE-04: a container writes heartbeats while its handler works; C-IDLE-03: what has come meanwhile came in time.
#[test]
fn c_idle_04_heartbeats_go_on_while_a_handler_works() {
    let (busy, peer) = Busy::new();
    let options = ConnectionOptions::new().without_sasl().with_idle_timeout(SILENCE);
    let busy = Container::new(busy).with_options(options).run().unwrap();
    busy.check(peer);
}
