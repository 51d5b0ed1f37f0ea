//! TLS: who is believed, and what those are told who are not.
#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    unreachable_pub
)]

#[path = "../../adapter-tests/tests/common/certificates.rs"]
mod certificates;
#[path = "../../adapter-tests/tests/common/handlers.rs"]
mod handlers;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::rustls::crypto::ring;
use amqp_tokio::rustls::pki_types::pem::PemObject;
use amqp_tokio::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use amqp_tokio::rustls::{ClientConfig, RootCertStore, ServerConfig};
use amqp_tokio::{
    Acceptor, ClientTls, Connection, ConnectionOptions, Container, Error, Injector, Listener, ServerTls,
};
use certificates::{Authority, Issued};
use handlers::{Jobs, Lonely, Worker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

fn trusting(authority: &Authority) -> ConnectionOptions {
    let tls = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    ConnectionOptions::new().with_tls(tls)
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
    connection.sender("q").await.unwrap().send(body.clone()).await.unwrap().accepted().unwrap();
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

// A-TLS-04
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
    let tls = tls.with_trusted_clients_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", Acceptor::default().with_tls(tls)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accept = async || listener.accept().await.unwrap().open().await;

    let client = authority.issue("meter-17");
    let tls = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap();
    let tls = tls.with_identity_pem(client.chain.as_bytes(), client.key.as_bytes()).unwrap().build().unwrap();
    assert!(!format!("{tls:?}").contains("PRIVATE"));
    let (opened, accepted) = tokio::join!(open(port, ConnectionOptions::new().with_tls(tls)), accept());
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
    assert!(error.to_string().contains("it seems to speak TLS"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = trusting(&Authority::new()).with_open_timeout(Duration::from_millis(50));
    let error = open(port, options).await.unwrap_err();
    assert!(error.to_string().contains("does not answer, perhaps it does not speak TLS"), "{error}");
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

/// Over any stream the server is looked at as it is over TCP, and told whom it is taken for.
#[tokio::test]
async fn a_stream_that_is_no_socket() {
    let authority = Authority::new();
    let acceptor = server(&authority.issue("broker.example"));
    let open = async |host: &str| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let opening = Connection::over_tls(near, host, trusting(&authority));
        timeout(LONG, async { tokio::join!(opening, Connection::accept(far, &acceptor)) }).await.unwrap()
    };
    let (client, server) = open("broker.example").await;
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(server.peer_open().unwrap().hostname.as_deref(), Some("broker.example"));
    client.close().await.unwrap();
    assert!(server.closed().await.error().is_none());

    let (client, server) = open("elsewhere.example").await;
    let error = client.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    assert!(server.unwrap_err().to_string().contains("TLS"));
}

// A-TLS-03
#[tokio::test]
async fn a_tls_03_the_server_is_told_the_name_of_the_host() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let named = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = amqp_tokio::rustls::server::Acceptor::default();
        loop {
            hello.read_tls(&mut stream).unwrap();
            if let Some(accepted) = hello.accept().map_err(|(error, _)| error).unwrap() {
                break accepted.client_hello().server_name().map(str::to_owned);
            }
        }
    });
    open(port, trusting(&Authority::new())).await.unwrap_err();
    assert_eq!(named.await.unwrap().as_deref(), Some("localhost"));
}

/// What rustls is to do can also be said to rustls.
#[tokio::test]
async fn configurations_that_are_ready() {
    let authority = Authority::new();
    let issued = authority.issue("localhost");
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let port = broker(Acceptor::default().with_tls(ServerTls::from(Arc::new(config)))).await;

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let options = ConnectionOptions::new().with_tls(ClientTls::from(Arc::new(config)));
    exchange(&open(port, options).await.unwrap()).await;
}

/// A container that listens: where, and how it is stopped.
async fn worker(acceptor: Acceptor) -> (String, Injector, tokio::task::JoinHandle<usize>) {
    let (addresses, address) = mpsc::channel();
    let container = Container::new(Worker { addresses, received: 0 }).with_acceptor(acceptor);
    let injector = container.injector();
    let worker = tokio::spawn(async { container.run().await.unwrap().received });
    let address = tokio::task::spawn_blocking(move || address.recv_timeout(LONG).unwrap()).await.unwrap();
    (address.replace("127.0.0.1", "localhost"), injector, worker)
}

#[tokio::test]
async fn containers_at_both_ends() {
    const MESSAGES: usize = 400;
    let authority = Authority::new();
    let (in_the_clear, injector, worker) = worker(server(&authority.issue("localhost"))).await;
    let url = in_the_clear.replace("amqp://", "amqps://");

    let jobs = Jobs { url: url.clone(), to_send: MESSAGES, ..Jobs::default() };
    let jobs = Container::new(jobs).with_options(trusting(&authority)).run();
    let jobs = timeout(LONG, jobs).await.unwrap().unwrap();
    assert_eq!((jobs.outcomes, jobs.settled), ([MESSAGES / 4; 4], MESSAGES));

    for (url, options, words) in [
        (url, trusting(&Authority::new()), "UnknownIssuer"),
        (in_the_clear, ConnectionOptions::new(), "it seems to speak TLS"),
    ] {
        let lonely = Container::new(Lonely { url, ..Lonely::default() }).with_options(options).run();
        let lonely = timeout(LONG, lonely).await.unwrap().unwrap();
        assert!(lonely.errors.iter().any(|error| error.contains(words)), "{words}: {:?}", lonely.errors);
    }
    // Those that were not taken have left no trace.
    injector.stop().unwrap();
    assert_eq!(timeout(LONG, worker).await.unwrap().unwrap(), MESSAGES);
}
