//! Servers of other protocols at the port of a broker.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// A server that does not speak AMQP, or stops early.
pub(crate) struct Stranger {
    /// The octets that it sends first; if it waits, after the client's.
    begins: &'static [u8],
    waits: bool,
    /// The text of the client's error.
    pub(crate) words: &'static str,
}

impl Stranger {
    pub(crate) const fn new(waits: bool, begins: &'static [u8], words: &'static str) -> Self {
        Self { begins, waits, words }
    }

    /// Serves one client: sends its octets, and ends the stream.
    pub(crate) fn listen(&self) -> SocketAddr {
        let (begins, waits) = (self.begins, self.waits);
        listen(move |mut stream| {
            if waits {
                let _ = stream.read(&mut [0; 8]).unwrap();
            }
            stream.write_all(begins).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            hear(stream);
        })
    }
}

/// All such servers.
pub(crate) const STRANGERS: [Stranger; 9] = [
    Stranger::new(true, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "it seems to speak HTTP"),
    Stranger::new(true, &[21, 3, 1, 0, 2, 2, 70], "it seems to speak TLS"),
    Stranger::new(false, b"SSH-2.0-OpenSSH_9.9\r\n", "the peer does not speak AMQP"),
    Stranger::new(true, &[0; 4096], "the peer does not speak AMQP"),
    Stranger::new(true, b"AMQP\0\0\x09\x01", "the peer speaks AMQP 0.9.1"),
    Stranger::new(true, b"AMQP\x02\x01\0\0", "the peer speaks TLS 1.0.0"),
    Stranger::new(false, b"", "the transport ended"),
    Stranger::new(true, b"AMQP\x03\x01\0\0", "the transport ended"),
    Stranger::new(true, b"AMQP\x03\x01\0\0\0\0\0\x20\x02\x01", "the transport ended inside a frame"),
];

/// Returns the address of a server that reads and never answers.
pub(crate) fn mute() -> SocketAddr {
    listen(hear)
}

/// Returns an address without a server.
pub(crate) fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn listen(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

/// Reads until the other end ends its direction.
fn hear(mut stream: TcpStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
}
