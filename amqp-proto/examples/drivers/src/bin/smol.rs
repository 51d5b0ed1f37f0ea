//! Drives a connection in smol, under the handles of `amqp_proto::driver`.

use std::future::poll_fn;
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Poll, Waker};

use amqp_drivers::{Clock, exchange, exit, hub};
use amqp_proto::driver::{Connection, Hub, Pump};
use smol::future::FutureExt;
use smol::{Async, Timer};

fn main() -> ExitCode {
    exit(|broker| {
        smol::block_on(async {
            let (socket, clock) = (Async::<TcpStream>::connect(broker).await?, Clock::start());
            let hub = hub(broker, clock)?;
            let driver = smol::spawn(drive(Arc::clone(&hub), socket, clock));
            let counts = exchange(Connection::new(hub), "smol").await;
            driver.await;
            counts
        })
    })
}

/// Moves octets until the connection is over.
async fn drive(hub: Arc<Hub<Waker>>, socket: Async<TcpStream>, clock: Clock) {
    let (mut pump, mut timer) = (Pump::new(hub), Timer::never());
    poll_fn(|context| {
        while let Some(interest) = pump.turn(&mut socket.get_ref(), context.waker()) {
            timer = interest.deadline.map_or(Timer::never(), |at| Timer::at(clock.instant(at)));
            let is_due = timer.poll(context).is_ready();
            let is_readable = interest.readable && socket.poll_readable(context).is_ready();
            let is_writable = interest.writable && socket.poll_writable(context).is_ready();
            if !(is_due || is_readable || is_writable) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    })
    .await;
}
