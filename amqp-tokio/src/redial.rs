//! Opening a lost connection again.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use amqp_proto::client::{Address, ConnectionOptions, DialStep, Peer, Result};
use amqp_proto::driver::{self, Dialer, Hub, Status, WriteHere};
use amqp_proto::types::Moment;
use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use crate::connect;
use crate::driver::{Driver, instant};
use crate::host::HOST;
use crate::tcp::Tcp;
#[cfg(feature = "tls")]
use crate::tls;
#[cfg(feature = "websocket")]
use crate::websocket;

/// The time between two looks at the deadlines of waits, while no driver does.
const TICK: Duration = Duration::from_millis(100);

/// The changes of a connection as they happen, beginning with its present state: a [`Stream`]. It ends after the
/// connection, which does not stay open for it.
#[derive(Debug)]
pub struct StatusChanges(pub(crate) driver::StatusChanges<Waker>);

impl Stream for StatusChanges {
    type Item = Status;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Status>> {
        self.get_mut().0.poll(context.waker())
    }
}

/// Drives a connection on its first stream, and then on others, until it is over.
pub(crate) async fn drive<S>(hub: Arc<Hub<Waker>>, start: Instant, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let dialer = Dialer::new(&hub);
    Driver::new(Arc::clone(&hub), start, stream).await;
    while let Ok(Some(step)) = dialer.next(&HOST) {
        match step {
            DialStep::Dial(dial) => {
                let (address, options) = *dial;
                match unless_stopped(&dialer, reach(&address, &options)).await {
                    Some(Ok(reached)) => reached.drive(&dialer, &hub, start, &options).await,
                    Some(Err(error)) => dialer.failed(error),
                    None => return,
                }
            }
            DialStep::Wait(until) => drop(unless_stopped(&dialer, pause(start, until)).await),
            _ => return,
        }
    }
}

async fn pause(start: Instant, until: Moment) {
    sleep_until(instant(start, until)).await;
}

/// Runs work until it is done, or no other connection is wanted.
async fn unless_stopped<R>(dialer: &Dialer<Waker>, work: impl Future<Output = R>) -> Option<R> {
    let (mut work, mut stopped) = (pin!(work), dialer.stopped());
    loop {
        let next = poll_fn(|context| match stopped.poll(context.waker()) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(context).map(Some),
        });
        match timeout(TICK, next).await {
            Ok(done) => return done,
            Err(_) => drop(dialer.tick()),
        }
    }
}

/// A stream to a server, and a waiter's way to write to it.
pub(crate) enum Reached {
    Plain(Tcp, WriteHere, Peer),
    #[cfg(feature = "tls")]
    Secured(Box<tls::Secured>, Peer),
    #[cfg(feature = "websocket")]
    WebSocket(Box<websocket::Dialled>, Peer),
}

/// Connects to a server, with TLS and a WebSocket if its address says so.
pub(crate) async fn reach(address: &Address, options: &ConnectionOptions) -> Result<Reached> {
    let (stream, peer) = connect::reach(address, options).await?;
    #[cfg(feature = "websocket")]
    if address.is_websocket() {
        let (stream, peer) = websocket::dial(stream, peer, address, options).await?;
        return Ok(Reached::WebSocket(Box::new(stream), peer));
    }
    #[cfg(feature = "tls")]
    if address.is_encrypted() {
        let (stream, peer) = tls::connect(stream, &peer, address.hostname(), options).await?;
        return Ok(Reached::Secured(Box::new(stream), peer));
    }
    let (stream, write_here) = Tcp::new(stream);
    Ok(Reached::Plain(stream, write_here, peer))
}

impl Reached {
    /// Drives the connection on this stream.
    async fn drive(
        self,
        dialer: &Dialer<Waker>,
        hub: &Arc<Hub<Waker>>,
        start: Instant,
        options: &ConnectionOptions,
    ) {
        match self {
            Self::Plain(stream, write_here, peer) => {
                if dialer.connected(&HOST, &peer, options, Some(write_here)) {
                    Driver::new(Arc::clone(hub), start, stream).await;
                }
            }
            #[cfg(feature = "tls")]
            Self::Secured(stream, peer) => {
                if dialer.connected(&HOST, &peer, options, None) {
                    Driver::new(Arc::clone(hub), start, stream).await;
                }
            }
            #[cfg(feature = "websocket")]
            Self::WebSocket(stream, peer) => {
                if dialer.connected(&HOST, &peer, options, None) {
                    Driver::new(Arc::clone(hub), start, stream).await;
                }
            }
        }
    }
}
