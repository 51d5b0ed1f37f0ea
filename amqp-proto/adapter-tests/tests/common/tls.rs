//! Both ends of connections over TLS.

use super::certificates::{Authority, Issued};
use crate::adapter::{self, Task, spawn};
use crate::amqp::{Acceptor, ClientTls, Connection, ConnectionOptions, Listener, Result, ServerTls};

/// Returns the options of a client that trusts this authority only.
pub(crate) fn trusting(authority: &Authority) -> ConnectionOptions {
    let tls = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    ConnectionOptions::new().with_tls(tls)
}

/// Returns an acceptor that shows this certificate.
pub(crate) fn server(issued: &Issued) -> Acceptor {
    let tls = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    Acceptor::default().with_tls(tls.build().unwrap())
}

/// Accepts one client by this acceptor. Returns the port, and the result.
#[adapter::helper]
pub(crate) async fn taking(acceptor: Acceptor) -> (u16, Task<Result<Connection>>) {
    let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, spawn(async move { listener.accept().await?.open().await }))
}

/// Connects to this port of the local machine.
#[adapter::helper]
pub(crate) async fn open(port: u16, options: ConnectionOptions) -> Result<Connection> {
    Connection::open_with(&format!("amqps://localhost:{port}"), options).await
}
