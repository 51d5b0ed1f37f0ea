//! The spans that a `tracing` subscriber gets for connections over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use amqp_tokio::sasl::{Credentials, PlainServer, ServerSasl};
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, Listener, Peer};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

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

impl Lines {
    /// Records this thread's events until the guard is dropped.
    fn listen(level: Level) -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .without_time()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

#[derive(Clone)]
struct OneUser;

impl Credentials for OneUser {
    fn check_password(&self, user: &str, password: &str) -> bool {
        user == "ann" && password == "pencil"
    }
}

/// Opens and closes a connection over loopback. Returns the address of the server.
async fn open_and_close() -> String {
    let plain = |peer: &Peer| ServerSasl::new(peer.security()).with_mechanism(PlainServer::new(OneUser));
    let acceptor = Acceptor::new(ConnectionOptions::new().with_container_id("server")).with_sasl(plain);
    let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().open().await.unwrap();
        while let Some(session) = connection.next_session().await.unwrap() {
            let session = session.accept().unwrap();
            while session.next_link().await.unwrap().is_some() {} // refused
        }
    });
    let options = ConnectionOptions::new().with_container_id("client");
    let client = Connection::open_with(&format!("amqp://ann:pencil@{address}"), options).await.unwrap();
    assert!(client.sender("jobs").await.is_err());
    client.close().await.unwrap();
    server.await.unwrap();
    address
}

#[tokio::test]
#[adapter_tests::bounded]
async fn spans_name_the_peer_and_the_address() {
    let (lines, _guard) = Lines::listen(Level::DEBUG);
    let address = open_and_close().await;
    let lines = lines.take();
    let one = |what: &str, end: &str| {
        let mut found = lines.iter().filter(|line| line.ends_with(what) && line.contains(end));
        found.next().unwrap_or_else(|| panic!("{what} of {end}: {lines:#?}"))
    };
    let client = one(": connection opened", r#"container="client""#);
    assert!(client.starts_with(r#"DEBUG connection{container="client" id=0x"#), "{client}");
    assert!(
        client.contains(&format!("remote={address} ")) && client.contains(r#" peer="server""#),
        "{client}"
    );
    let server = one(": connection opened", r#"container="server""#);
    assert!(server.contains(r#" peer="client" user="ann"}: amqp: "#), "{server}");
    assert!(server.contains("remote=127.0.0.1:"), "{server}");
    let refused = lines.iter().find(|line| line.contains(r#"role="sender" address="jobs"}"#));
    let refused = refused.unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(refused.contains(r#"}:session{channel=0}:link{name=""#), "{refused}");
}

#[tokio::test]
#[adapter_tests::bounded]
async fn frames_are_traced_without_passwords() {
    let (lines, _guard) = Lines::listen(Level::TRACE);
    open_and_close().await;
    let lines = lines.take();
    let frames: Vec<_> = lines.iter().filter(|line| line.contains(" amqp::frame: ")).collect();
    for what in ["-> [sasl] sasl-init {", "-> [0] open {", "<- [0] attach {", "<- [0] close"] {
        let is_there = |line: &&String| line.starts_with("TRACE connection{") && line.contains(what);
        assert!(frames.iter().any(is_there), "{what}: {frames:#?}");
    }
    assert!(!lines.concat().contains("pencil"), "{lines:#?}");
}

/// A stream that emits events itself, as TLS may.
struct Talking(DuplexStream);

impl AsyncRead for Talking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        tracing::debug!("reads");
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Talking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
#[adapter_tests::bounded]
async fn the_driver_runs_in_the_span_of_its_connection() {
    let (lines, _guard) = Lines::listen(Level::DEBUG);
    let (near, far) = tokio::io::duplex(1 << 16);
    let acceptor = Acceptor::default();
    let client = Connection::over(Talking(near), ConnectionOptions::new().with_container_id("client"));
    let (client, server) = tokio::join!(client, Connection::accept(far, &acceptor));
    client.unwrap().close().await.unwrap();
    drop(server);
    let lines = lines.take();
    let reads: Vec<_> = lines.iter().filter(|line| line.ends_with(": reads")).collect();
    let is_inside = |line: &&&String| line.starts_with(r#"DEBUG connection{container="client" id="#);
    assert!(!reads.is_empty() && reads.iter().all(|line| is_inside(&line)), "{lines:#?}");
}
