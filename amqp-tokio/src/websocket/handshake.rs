//! The handshakes of both ends.

use std::io;

use amqp_proto::client::{
    Acceptor, Address, ConnectionOptions, Peer, Result, WebSocketError, WebSocketOptions,
};
use amqp_proto::types::Str;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{accept_hdr_async_with_config, client_async_with_config};

use super::fault;
use super::stream::{MESSAGE, WebSocket};
#[cfg(feature = "tls")]
use crate::tls;
use crate::within::{end_of, within};

/// The size of the buffer for input.
const READ: usize = 1 << 14;
/// The room for the heads of frames, and for pongs and closes.
const HEADS: usize = 1 << 10;

/// A WebSocket to a server, over TCP or TLS.
pub(crate) type Dialled = WebSocket<Box<dyn Below>>;

/// A stream that a WebSocket can stand on.
pub(crate) trait Below: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Below for S {}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Opens a WebSocket as the client, on a stream to the server. The URL is that of the request, such as
    /// `ws://broker.example/path`; `wss` does not add TLS.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): the URL or a header is malformed, the server does not agree to the WebSocket and
    /// its sub-protocol, or the stream has failed. See [`Error::websocket`](crate::Error::websocket).
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the stream.
    pub async fn connect(stream: S, url: &str, options: &WebSocketOptions) -> Result<Self> {
        Ok(open(stream, url, options, None).await?)
    }

    /// Accepts a WebSocket as the server, at any path.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): the client does not ask for a WebSocket with the sub-protocol, or the stream has
    /// failed. See [`Error::websocket`](crate::Error::websocket).
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the stream.
    pub async fn accept(stream: S, options: &WebSocketOptions) -> Result<Self> {
        Ok(take(stream, options).await?)
    }
}

/// Opens the WebSocket of an address on a stream to its server, with TLS if the address says so.
pub(crate) async fn dial(
    stream: TcpStream,
    peer: Peer,
    address: &Address,
    options: &ConnectionOptions,
) -> Result<(Dialled, Peer)> {
    let (below, peer) = secure(stream, peer, address, options).await?;
    let url = address.websocket_url().unwrap_or_default();
    let opening = open(below, &url, options.websocket(), options.url());
    let socket = within(end_of(options.open_timeout()), late(options.url()), opening).await?;
    Ok((socket, peer))
}

async fn secure(
    stream: TcpStream,
    peer: Peer,
    address: &Address,
    options: &ConnectionOptions,
) -> Result<(Box<dyn Below>, Peer)> {
    #[cfg(feature = "tls")]
    if address.is_encrypted() {
        let (stream, peer) = tls::connect(stream, &peer, address.hostname(), options).await?;
        return Ok((Box::new(stream), peer));
    }
    // Without TLS, such an address has been refused.
    let _ = (address, options);
    Ok((Box::new(stream), peer))
}

/// Accepts the WebSocket of a client, within the time for opening a connection.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    options: &WebSocketOptions,
    acceptor: &Acceptor,
) -> io::Result<WebSocket<S>> {
    within(end_of(acceptor.options().open_timeout()), late(None), take(stream, options)).await
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    url: &str,
    options: &WebSocketOptions,
    shown: Option<&Str>,
) -> io::Result<WebSocket<S>> {
    let request = request(url, options).map_err(|error| error.into_io(shown))?;
    match client_async_with_config(request, stream, Some(config(options))).await {
        Ok((socket, _)) => Ok(WebSocket::new(socket)),
        Err(error) => Err(fault::connecting(error, options.sub_protocol())?.into_io(shown)),
    }
}

async fn take<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    options: &WebSocketOptions,
) -> io::Result<WebSocket<S>> {
    let answer = Answer { sub_protocol: options.sub_protocol() };
    match accept_hdr_async_with_config(stream, answer, Some(config(options))).await {
        Ok(socket) => Ok(WebSocket::new(socket)),
        Err(error) => Err(fault::accepting(error, options.sub_protocol())?.into_io(None)),
    }
}

/// Returns the request of a client.
fn request(url: &str, options: &WebSocketOptions) -> Result<client::Request, WebSocketError> {
    let mut request = url.into_client_request().map_err(|_| WebSocketError::Url)?;
    let refused = |name: &str| WebSocketError::Header(name.into());
    let headers = request.headers_mut();
    let own: Vec<_> = headers.keys().cloned().collect();
    for (name, value) in options.headers() {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused(name))?;
        if own.contains(&header) || header.as_str().starts_with("sec-websocket-") {
            return Err(refused(name));
        }
        headers.append(header, HeaderValue::from_str(value).map_err(|_| refused(name))?);
    }
    let sub_protocol = HeaderValue::from_str(options.sub_protocol());
    headers
        .insert(SEC_WEBSOCKET_PROTOCOL, sub_protocol.map_err(|_| refused(SEC_WEBSOCKET_PROTOCOL.as_str()))?);
    Ok(request)
}

fn config(options: &WebSocketOptions) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE + HEADS)
        .max_message_size(Some(options.message_size()))
        .max_frame_size(Some(options.message_size()))
}

fn late(shown: Option<&Str>) -> io::Error {
    let at = shown.map(|url| format!(" ({url})")).unwrap_or_default();
    let words = format!("the peer does not answer, perhaps it does not speak WebSocket{at}");
    io::Error::new(io::ErrorKind::TimedOut, words)
}

/// The server's answer to a request.
struct Answer<'a> {
    sub_protocol: &'a Str,
}

impl Callback for Answer<'_> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
        let is_offered = offers
            .filter_map(|offers| offers.to_str().ok())
            .flat_map(|offers| offers.split(','))
            .any(|offer| offer.trim() == self.sub_protocol.as_str());
        match HeaderValue::from_str(self.sub_protocol) {
            Ok(name) if is_offered => {
                response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
                Ok(response)
            }
            _ => {
                let words = format!("Sec-WebSocket-Protocol: {} is required\n", self.sub_protocol);
                let mut refusal = ErrorResponse::new(Some(words));
                *refusal.status_mut() = StatusCode::BAD_REQUEST;
                Err(refusal)
            }
        }
    }
}
