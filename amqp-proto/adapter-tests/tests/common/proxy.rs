//! A proxy between two sockets, which a test can cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

/// Carries octets between one client and a server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    client: mpsc::Receiver<TcpStream>,
}

impl Proxy {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (clients, client) = mpsc::channel();
        thread::spawn(move || {
            let near = listener.accept().unwrap().0;
            let far = TcpStream::connect(server).unwrap();
            carry(near.try_clone().unwrap(), far.try_clone().unwrap());
            carry(far, near.try_clone().unwrap());
            let _ = clients.send(near);
        });
        Self { address, client }
    }

    /// Shuts down the client's stream, in one direction or both.
    pub(crate) fn cut(self, how: Shutdown) {
        self.client.recv().unwrap().shutdown(how).unwrap();
    }
}

/// Copies one stream to another until either ends.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut space = [0; 4096];
        while let Ok(octets @ 1..) = from.read(&mut space) {
            if to.write_all(&space[..octets]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
