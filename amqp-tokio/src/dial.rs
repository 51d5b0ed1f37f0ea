//! Reaching a host.

use std::io;

use amqp_proto::endpoint::{Address, AddressError, ConnectionOptions, Peer, Result};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connects to the first of the host's addresses that answers, in the time that the options give it.
pub(crate) async fn reach(address: &Address, options: &ConnectionOptions) -> Result<(TcpStream, Peer)> {
    if address.is_encrypted() && !cfg!(feature = "tls") {
        return Err(AddressError::NoTls.into());
    }
    let connecting = TcpStream::connect((address.host(), address.port()));
    let connected = match options.longest_connect() {
        Some(span) => timeout(span, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => connecting.await,
    };
    let stream = connected.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    stream.set_nodelay(true)?;
    let peer = Peer::at(stream.peer_addr()?);
    Ok((stream, peer))
}
