//! What may listen at a port that is taken for a broker's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Somebody at a port who does not speak AMQP, or not for long.
pub(crate) struct Stranger {
    /// How it begins, once the client has said something if it waits for that.
    begins: &'static [u8],
    waits: bool,
    /// What the client's error says.
    pub(crate) words: &'static str,
}

impl Stranger {
    const fn new(waits: bool, begins: &'static [u8], words: &'static str) -> Self {
        Self { begins, waits, words }
    }

    /// Has one client. What it begins with is followed by the end of the stream.
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

/// All of them.
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

/// An address at which somebody reads and never says a word.
pub(crate) fn mute() -> SocketAddr {
    listen(hear)
}

/// An address at which no server listens.
pub(crate) fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn listen(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

/// Reads until the other end has no more to say.
fn hear(mut stream: TcpStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
}
