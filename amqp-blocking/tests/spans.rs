//! The spans that a `tracing` subscriber gets for connections over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use amqp_blocking::sasl::{Credentials, PlainServer, ServerSasl};
use amqp_blocking::{Acceptor, Connection, ConnectionOptions, Listener, Peer, Transport};
use tracing::Level;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone)]
struct OneUser;

impl Credentials for OneUser {
    fn check_password(&self, user: &str, password: &str) -> bool {
        user == "ann" && password == "pencil"
    }
}

/// A socket that emits events itself, as TLS may.
struct Talking(TcpStream);

impl Read for Talking {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        tracing::debug!("reads");
        self.0.read(octets)
    }
}

impl Write for Talking {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Talking {
    fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        self.0.prepare(write_timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr().ok()
    }
}

/// All threads share one subscriber, so there is one test.
#[test]
#[adapter_tests::bounded]
fn spans_name_the_peer_and_frames_show_no_password() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .without_time()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let address = exchange();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();

    let one = |what: &str, end: &str| {
        let mut found = lines.iter().filter(|line| line.ends_with(what) && line.contains(end));
        *found.next().unwrap_or_else(|| panic!("{what} of {end}: {text}"))
    };
    let client = one(": connection opened", r#"connection{container="client" id=0x"#);
    assert!(client.contains(&format!(r#"remote={address} peer="server"}}: amqp: "#)), "{client}");
    let server = one(": connection opened", r#"connection{container="server" id=0x"#);
    assert!(server.contains("remote=127.0.0.1:"), "{server}");
    assert!(server.contains(r#" peer="client" user="ann"}: amqp: "#), "{server}");
    one(": link offered", r#"}:session{channel=0}:link{name=""#);
    let refused = lines.iter().find(|line| line.contains(r#"role="sender" address="jobs"}"#));
    assert!(refused.is_some(), "{text}");

    for what in ["-> [sasl] sasl-init {", "-> [0] open {", "<- [0] attach {", "<- [0] close"] {
        let is_there = |line: &&&str| line.contains(" amqp::frame: ") && line.contains(what);
        assert!(lines.iter().any(|line| is_there(&line)), "{what}: {text}");
    }
    assert!(!text.contains("pencil"), "{text}");

    let reads: Vec<_> = lines.iter().filter(|line| line.ends_with(": reads")).collect();
    let is_inside = |line: &str| line.contains(r#"connection{container="client" id="#);
    assert!(!reads.is_empty() && reads.iter().all(|line| is_inside(line)), "{text}");
}

/// The peer refuses a client's link. Returns the server's address.
fn exchange() -> SocketAddr {
    let plain = |peer: &Peer| ServerSasl::new(peer.security()).with_mechanism(PlainServer::new(OneUser));
    let acceptor = Acceptor::new(ConnectionOptions::new().with_container_id("server")).with_sasl(plain);
    let listener = Listener::bind_with("127.0.0.1:0", acceptor).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let connection = listener.accept().unwrap().open().unwrap();
        let session = connection.next_session().unwrap().unwrap().accept().unwrap();
        while session.next_link().unwrap().is_some() {} // refused
    });
    let options = ConnectionOptions::new()
        .with_container_id("client")
        .with_login("ann", "pencil")
        .unwrap()
        .with_plain_in_clear();
    let client = Connection::over(Talking(TcpStream::connect(address).unwrap()), options).unwrap();
    assert!(client.sender("jobs").attach().is_err());
    client.close().unwrap();
    server.join().unwrap();
    address
}
