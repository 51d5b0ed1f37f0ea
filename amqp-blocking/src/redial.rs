//! Opening a lost connection again.

use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Address, ConnectionOptions, DialStep, Result};
use amqp_proto::driver::{self, Dialer, Hub, Status};
use amqp_proto::types::Moment;

use crate::connect;
use crate::host::HOST;
#[cfg(feature = "tls")]
use crate::tls;
use crate::transport::{self, Transport};
use crate::wait::{parked, parked_until};
use crate::writing::{Way, carry, instant};

/// The time between two looks at the deadlines of waits, while no driver does.
const TICK: Duration = Duration::from_millis(100);

/// The changes of a connection as they happen, beginning with its present state: an iterator. It ends after the
/// connection, which does not stay open for it.
#[derive(Debug)]
pub struct StatusChanges(pub(crate) driver::StatusChanges<Thread>);

impl Iterator for StatusChanges {
    type Item = Status;

    fn next(&mut self) -> Option<Status> {
        parked(|me| self.0.poll(me))
    }
}

/// Opens a lost connection again, and moves its octets, until it is over.
pub(crate) fn redial(hub: &Arc<Hub<Thread>>, dialer: &Dialer<Thread>, start: Instant) {
    while let Ok(Some(step)) = dialer.next(&HOST) {
        match step {
            DialStep::Dial(dial) => {
                let (address, options) = *dial;
                if let Err(error) = dial_to(hub, dialer, start, &address, &options) {
                    dialer.failed(error);
                }
            }
            DialStep::Wait(until) => pause(dialer, start, until),
            _ => return,
        }
    }
}

/// Waits until a moment, or until no other connection is wanted.
fn pause(dialer: &Dialer<Thread>, start: Instant, until: Moment) {
    let (until, mut stopped) = (instant(start, until), dialer.stopped());
    loop {
        let now = Instant::now();
        if until.is_some_and(|until| until <= now) {
            return;
        }
        let tick = until.into_iter().chain(now.checked_add(TICK)).min();
        if parked_until(tick, |me| stopped.poll(me)).is_some() || dialer.tick() {
            return;
        }
    }
}

/// Connects to a server, and opens the connection there, until it is lost again.
fn dial_to(
    hub: &Arc<Hub<Thread>>,
    dialer: &Dialer<Thread>,
    start: Instant,
    address: &Address,
    options: &ConnectionOptions,
) -> Result<()> {
    let stream = connect::reach(address, options, &|| dialer.tick())?;
    #[cfg(feature = "tls")]
    if address.is_encrypted() {
        let secured = tls::connect(stream, address.hostname(), options)?;
        return open_again(hub, dialer, start, secured, options);
    }
    open_again(hub, dialer, start, stream, options)
}

fn open_again(
    hub: &Arc<Hub<Thread>>,
    dialer: &Dialer<Thread>,
    start: Instant,
    transport: impl Transport,
    options: &ConnectionOptions,
) -> Result<()> {
    let (way, peer) = (Way::to(&transport)?, transport::peer(&transport));
    if dialer.connected(&HOST, &peer, options, Some(way.write_here())) {
        carry(hub, start, transport, way);
    }
    Ok(())
}
