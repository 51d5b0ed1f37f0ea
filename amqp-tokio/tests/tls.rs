//! TLS: who is believed, and what those are told who are not.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/certificates.rs"]
mod certificates;

use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::{Acceptor, ClientTls, Connection, ConnectionOptions, Error, Listener, ServerTls};
use certificates::{Authority, Issued};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

fn trusting(authority: &Authority) -> ConnectionOptions {
    let tls = ClientTls::builder().trust_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    ConnectionOptions::new().tls(tls)
}

fn server(issued: &Issued) -> Acceptor {
    let tls =
        ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap().build().unwrap();
    Acceptor::default().with_tls(tls)
}

/// A broker that takes connections in that way; where it listens.
async fn broker(acceptor: Acceptor) -> u16 {
    let broker = Broker::new().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { broker.serve(listener).await });
    port
}

async fn open(port: u16, options: ConnectionOptions) -> Result<Connection, Error> {
    timeout(LONG, Connection::open_with(&format!("amqps://localhost:{port}"), options)).await.unwrap()
}

async fn exchange(connection: &Connection) {
    let body = vec![7_u8; 1 << 20];
    connection.sender("q").await.unwrap().send(body.clone()).await.unwrap();
    let delivery = connection.receiver("q").await.unwrap().recv().await.unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap(), &body[..]);
}

#[tokio::test]
async fn messages_go_both_ways_and_the_end_is_clean() {
    let authority = Authority::new();
    let port = broker(server(&authority.issue("localhost"))).await;
    let connection = open(port, trusting(&authority)).await.unwrap();
    exchange(&connection).await;
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_believed() {
    let authority = Authority::new();
    for (issued, words) in [
        (authority.issue_expired("localhost"), "expired"),
        (authority.issue("elsewhere"), "not valid for name"),
        (Authority::new().issue("localhost"), "UnknownIssuer"),
    ] {
        let port = broker(server(&issued)).await;
        let error = open(port, trusting(&authority)).await.unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(matches!(error, Error::Io(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_system_does_not_know_everybody() {
    let port = broker(server(&Authority::new().issue("localhost"))).await;
    let error = open(port, ConnectionOptions::new()).await.unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn a_certificate_says_who_the_client_is() {
    let authority = Authority::new();
    let issued = authority.issue("localhost");
    let tls = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    let tls = tls.trust_clients_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", Acceptor::default().with_tls(tls)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accept = async || listener.accept().await.unwrap().open().await;

    let client = authority.issue("meter-17");
    let tls = ClientTls::builder().trust_pem(authority.pem.as_bytes()).unwrap();
    let tls = tls.identity_pem(client.chain.as_bytes(), client.key.as_bytes()).unwrap().build().unwrap();
    assert!(!format!("{tls:?}").contains("PRIVATE"));
    let (opened, accepted) = tokio::join!(open(port, ConnectionOptions::new().tls(tls)), accept());
    assert_eq!(accepted.unwrap().identity().unwrap().user().unwrap(), "CN=meter-17");
    drop(opened.unwrap());

    let (opened, accepted) = tokio::join!(open(port, trusting(&authority)), accept());
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
    assert!(accepted.unwrap_err().to_string().contains("TLS"));
}

#[tokio::test]
async fn one_speaks_tls_and_the_other_does_not() {
    let authority = Authority::new();
    let plain = broker(Acceptor::default()).await;
    let error = open(plain, trusting(&authority)).await.unwrap_err();
    assert!(error.to_string().contains("does not speak it"), "{error}");

    let encrypted = broker(server(&authority.issue("localhost"))).await;
    let url = format!("amqp://localhost:{encrypted}");
    let error = timeout(LONG, Connection::open(&url)).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = trusting(&Authority::new()).open_timeout(Duration::from_millis(50));
    let error = open(port, options).await.unwrap_err();
    assert!(error.to_string().contains("does not answer"), "{error}");
}

/// What is cut off is not taken for the end of what the peer had to say.
#[tokio::test]
async fn a_stream_that_is_cut_is_told() {
    let authority = Authority::new();
    let port = broker(server(&authority.issue("localhost"))).await;
    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = between.local_addr().unwrap().port();
    let (cut, is_cut) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut near, _) = between.accept().await.unwrap();
        let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = is_cut => {}
        }
        near.shutdown().await.unwrap();
        while near.read(&mut [0; 64]).await.is_ok_and(|octets| octets > 0) {}
    });
    let connection = open(front, trusting(&authority)).await.unwrap();
    exchange(&connection).await;
    cut.send(()).unwrap();
    let ended = timeout(LONG, connection.closed()).await.unwrap();
    assert_eq!(ended.io().unwrap().kind(), std::io::ErrorKind::UnexpectedEof, "{ended}");
}
