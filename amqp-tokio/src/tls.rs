//! TLS over a stream.

use std::io::{self, ErrorKind};
use std::time::Duration;

use amqp_proto::client::{Acceptor, ConnectionOptions, Peer, Result, ServerTls, tls_failure};
use amqp_proto::driver;
use amqp_proto::sasl::TransportSecurity;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::host;
use crate::within::{end_of, within};

/// The time that a stream stays open after TLS has failed, so that the client can read the alert.
const LINGER: Duration = Duration::from_secs(1);

/// A TCP stream with TLS to a server.
pub(crate) type Secured = client::TlsStream<tokio::net::TcpStream>;

/// Handshakes as a client, and verifies that the server is this host.
pub(crate) async fn connect<S>(
    mut stream: S,
    peer: &Peer,
    host: &str,
    options: &ConnectionOptions,
) -> Result<(client::TlsStream<S>, Peer)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let tls = options.client_tls(host::system_roots)?;
    let name = tls.name(host)?;
    let connecting = async {
        exchange(&mut stream, &mut options.tls_headers()).await?;
        TlsConnector::from(tls.config().clone()).connect(name, stream).await
    };
    let connected = within(end_of(options.open_timeout()), late(), connecting).await;
    let stream = connected.map_err(|error| options.tls_failure(error))?;
    Ok((stream, Peer::new(TransportSecurity::Encrypted).with_address(peer.address())))
}

/// Handshakes as a server, and reads the identity in the client's certificate.
pub(crate) async fn accept<S>(
    mut stream: S,
    peer: &Peer,
    tls: &ServerTls,
    acceptor: &Acceptor,
) -> Result<(server::TlsStream<S>, Peer)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let accepting = async {
        let mut headers = acceptor.tls_headers();
        if let Err(error) = exchange(&mut stream, &mut headers).await {
            return Err((error, Some(stream)));
        }
        let accepting = TlsAcceptor::from(tls.config().clone());
        let accepting = accepting.accept_with(stream, |tls| headers.pass_on(tls)).into_fallible();
        accepting.await.map_err(|(error, stream)| (error, Some(stream)))
    };
    match within(end_of(acceptor.options().open_timeout()), (late(), None), accepting).await {
        Ok(stream) => {
            let known = ServerTls::peer(stream.get_ref().1).with_address(peer.address());
            Ok((stream, known))
        }
        Err((error, stream)) => {
            if let Some(stream) = stream {
                tokio::spawn(linger(stream));
            }
            Err(tls_failure(error).into())
        }
    }
}

driver::skin::tls_headers!(async; AsyncRead + AsyncWrite + Unpin);

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the peer does not answer, perhaps it does not speak TLS")
}

/// Keeps the stream open for a while, so that the client can read the alert.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let rest = async {
        let mut space = [0; 1024];
        let _ = stream.shutdown().await;
        while stream.read(&mut space).await.is_ok_and(|octets| octets > 0) {}
    };
    let _ = timeout(LINGER, rest).await;
}
