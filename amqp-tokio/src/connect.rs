//! TCP connections to a host.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use amqp_proto::client::{
    Address, AddressError, ConnectionOptions, Peer, Result, STAGGER, take_turns, unreachable,
};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until};

use crate::within::{end_of, within};

/// Connects to the first of the host's addresses that answers within the options' timeout.
pub(crate) async fn reach(address: &Address, options: &ConnectionOptions) -> Result<(TcpStream, Peer)> {
    if address.is_websocket() && !cfg!(feature = "websocket") {
        return Err(AddressError::NoWebSocket.into());
    }
    if address.is_encrypted() && !cfg!(feature = "tls") {
        return Err(AddressError::NoTls.into());
    }
    let connecting = async {
        let found = lookup_host((address.host(), address.port())).await?;
        race(take_turns(found), TcpStream::connect).await
    };
    let late = io::ErrorKind::TimedOut.into();
    let connected = within(end_of(options.connect_timeout()), late, connecting).await;
    let stream = connected.map_err(|error| unreachable(address, &error))?;
    stream.set_nodelay(true)?;
    let peer = Peer::at(stream.peer_addr()?);
    Ok((stream, peer))
}

/// Tries addresses in order. Each attempt starts when the one before has failed, or has not answered for a while.
/// Returns the first connection, or the error of the last attempt.
async fn race<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let (mut left, mut tries) = (addresses.into_iter(), Vec::new());
    let mut next = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        loop {
            let (before, mut reached) = (tries.len(), None);
            tries.retain_mut(|attempt: &mut std::pin::Pin<Box<F>>| match attempt.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    reached = Some(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    failure = io::Error::new(error.kind(), error);
                    false
                }
            });
            if let Some(stream) = reached {
                return Poll::Ready(Ok(stream));
            }
            if tries.len() == before && !tries.is_empty() && next.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            match left.next() {
                Some(address) => {
                    tries.push(Box::pin(connect(address)));
                    next.as_mut().reset(Instant::now() + STAGGER);
                }
                None if tries.is_empty() => {
                    return Poll::Ready(Err(std::mem::replace(&mut failure, io::ErrorKind::Other.into())));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;
    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::race;

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| ([127, 0, 0, 1], port).into()).collect()
    }

    /// RFC 8305, section 5: an address that does not answer does not delay the others.
    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_does_not_delay_the_others() {
        let start = Instant::now();
        let reached = race(addresses(3), |address| async move {
            match address.port() {
                1 => pending().await,
                2 => Err(io::ErrorKind::ConnectionRefused.into()),
                port => Ok(port),
            }
        });
        assert_eq!(reached.await.unwrap(), 3);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_of_which_no_address_answers_is_an_error() {
        let refused = |_| async { Err::<(), _>(io::ErrorKind::ConnectionRefused.into()) };
        assert_eq!(race(addresses(2), refused).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(race(addresses(0), refused).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
