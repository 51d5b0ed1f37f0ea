//! Heartbeats while the application is busy [2.4.5].

use super::common::busy::{Busy, SILENCE};
use crate::adapter;
use crate::amqp::{ConnectionOptions, Container};

/// C-IDLE-04: a container writes heartbeats while its handler works, even if the handler occupies the only thread of
/// the runtime. C-IDLE-03: input that arrived meanwhile is in time.
#[adapter::test]
async fn c_idle_04_heartbeats_go_on_while_a_handler_works() {
    let (busy, peer) = Busy::new();
    let options = ConnectionOptions::new().without_sasl().with_idle_timeout(SILENCE);
    let busy = Container::new(busy).with_options(options).run().await.unwrap();
    busy.check(peer);
}
