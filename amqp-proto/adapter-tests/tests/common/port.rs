//! A port whose server a test can kill.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use crate::adapter::{self, on_thread, socket};
use crate::amqp::{Acceptor, Connection};

/// A port at which servers live one after another.
pub(crate) struct Port {
    listener: TcpListener,
}

/// The cable of a connection.
pub(crate) struct Cable(TcpStream);

impl Cable {
    /// Cuts the cable: neither end can say anything any more.
    pub(crate) fn cut(self) {
        // The other end may have closed it.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Port {
    pub(crate) fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    pub(crate) fn listener(&self) -> TcpListener {
        self.listener.try_clone().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Returns `true` if a client has connected that was not accepted.
    pub(crate) fn is_dialled(&self) -> bool {
        self.listener.set_nonblocking(true).unwrap();
        self.listener.accept().is_ok()
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://{}", self.address())
    }
}

#[adapter::helper]
impl Port {
    /// Accepts the next client, and opens its connection.
    pub(crate) async fn accept(&self) -> (Connection, Cable) {
        self.accept_with(Acceptor::default()).await
    }

    pub(crate) async fn accept_with(&self, acceptor: Acceptor) -> (Connection, Cable) {
        let stream = self.stream().await;
        let cable = Cable(stream.try_clone().unwrap());
        let connection = Connection::accept(socket(stream), &acceptor).await.unwrap();
        (connection, cable)
    }

    /// Accepts the next client.
    pub(crate) async fn stream(&self) -> TcpStream {
        let listener = self.listener.try_clone().unwrap();
        on_thread(move || listener.accept().unwrap().0).join().await.unwrap()
    }
}
