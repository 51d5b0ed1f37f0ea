//! AMQP over WebSocket. Needs the feature `websocket`.
//!
//! [`Connection::open`](crate::Connection::open) takes URLs that begin with `ws://` or, with the feature `tls`, with
//! `wss://`; [`ConnectionOptions::with_websocket`](crate::ConnectionOptions::with_websocket) has the options. A server
//! whose [`Acceptor`](crate::Acceptor) has [`with_websocket`](crate::Acceptor::with_websocket) takes WebSockets from its
//! clients. [`Error::websocket`](crate::Error::websocket) says what was wrong with a WebSocket.
//!
//! [`WebSocket`] is for streams that the application has made itself, such as one through a proxy:
//!
//! ```
//! use amqp_tokio::websocket::{WebSocket, WebSocketOptions};
//! use amqp_tokio::{Acceptor, Connection, ConnectionOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> amqp_tokio::Result<()> {
//! let (near, far) = tokio::io::duplex(4096); // such as a stream through a proxy
//! let websocket = WebSocketOptions::new();
//! let acceptor = Acceptor::default().with_websocket(websocket.clone());
//! let client = async {
//!     let url = "ws://broker.example/amqp";
//!     let stream = WebSocket::connect(near, url, &websocket).await?;
//!     Connection::over(stream, ConnectionOptions::new()).await
//! };
//! let (client, server) = tokio::join!(client, Connection::accept(far, &acceptor));
//! let (client, _server) = (client?, server?);
//! client.close().await
//! # }
//! ```

mod fault;
mod handshake;
mod stream;

pub use amqp_proto::client::{WebSocketError, WebSocketOptions};
pub(crate) use handshake::{Dialled, accept, dial};
pub use stream::WebSocket;
