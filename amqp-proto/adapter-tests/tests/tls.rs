//! TLS: trusted certificates, and the errors of both ends for others.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::common::certificates::Authority;
use super::common::handlers::{Jobs, Lonely, Worker};
use super::common::proxy::Proxy;
use super::common::tls::{open, server, taking, trusting};
use super::common::{next_receiver, next_sender, next_session, told};
use crate::adapter::{self, Task, both, on_thread, pipe, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::proto::client::SystemRoots;
use crate::amqp::rustls::crypto::ring;
use crate::amqp::rustls::pki_types::pem::PemObject;
use crate::amqp::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use crate::amqp::rustls::{ClientConfig, RootCertStore, ServerConfig};
use crate::amqp::wire::Outcome;
use crate::amqp::{
    Acceptor, ClientTls, Connection, ConnectionOptions, Container, Error, Injector, Receiver, Sender,
    ServerTls,
};

/// Sends a large message while receiving another.
#[adapter::helper]
async fn swap(sender: &Sender, receiver: &Receiver) {
    let body = vec![7_u8; 4 << 20];
    let sent = sender.send_queued(body.clone()).await.unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap(), &body[..]);
    delivery.accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
}

/// Sends large messages in both directions at once.
#[adapter::helper]
async fn exchange(client: &Connection, server: &Connection) {
    let ask = async {
        let session = client.session().await.unwrap();
        let sender = session.sender("q").attach().await.unwrap();
        let receiver = session.receiver("q").attach().await.unwrap();
        swap(&sender, &receiver).await;
    };
    let serve = async {
        let session = next_session(server).await;
        let receiver = next_receiver(&session, ReceiverOptions::new()).await;
        let sender = next_sender(&session).await;
        swap(&sender, &receiver).await;
        // The links exist until the client has seen all outcomes.
        session.next_link().await.unwrap_or_default();
    };
    both(ask, serve).await;
}

#[adapter::test]
async fn messages_go_both_ways_at_once_and_the_end_is_clean() {
    let authority = Authority::new();
    let (port, taken) = taking(server(&authority.issue("localhost"))).await;
    let client = open(port, trusting(&authority)).await.unwrap();
    let server = taken.join().await.unwrap().unwrap();
    exchange(&client, &server).await;
    client.close().await.unwrap();
    assert!(server.closed().await.error().is_none());
}

// A-TLS-04
#[adapter::test]
async fn a_server_that_is_not_believed() {
    let authority = Authority::new();
    for (issued, words) in [
        (authority.issue_expired("localhost"), "expired"),
        (authority.issue("elsewhere"), "not valid for name"),
        (Authority::new().issue("localhost"), "UnknownIssuer"),
    ] {
        let (port, taken) = taking(server(&issued)).await;
        let error = open(port, trusting(&authority)).await.unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(matches!(error, Error::Io(_)), "{error:?}");
        assert!(taken.join().await.unwrap().unwrap_err().to_string().contains("TLS"));
    }
}

#[adapter::test]
async fn the_system_does_not_know_every_authority() {
    let (port, _taken) = taking(server(&Authority::new().issue("localhost"))).await;
    let error = open(port, ConnectionOptions::new()).await.unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}

/// The certificates of the system are read once for all clones, and only if no others are trusted.
#[adapter::test]
async fn the_certificates_of_the_system_are_trusted() {
    let authority = Authority::new();
    let acceptor = server(&authority.issue("localhost"));
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    let tls = ClientTls::system().unwrap();
    let none = tls.clone().with_system_roots(|| SystemRoots::new(Vec::new(), [""; 0])).unwrap_err();
    assert!(none.to_string().contains("no trusted certificates"), "{none}");
    let unread = tls.clone().with_system_roots(|| SystemRoots::new(Vec::new(), ["unreadable"])).unwrap_err();
    assert!(unread.to_string().contains("certificates: unreadable"), "{unread}");

    let ready = tls.clone().with_system_roots(move || SystemRoots::new(vec![root], ["one of many"])).unwrap();
    for tls in [ready, tls] {
        let (port, taken) = taking(acceptor.clone()).await;
        let client = open(port, ConnectionOptions::new().with_tls(tls)).await.unwrap();
        let server = taken.join().await.unwrap().unwrap();
        exchange(&client, &server).await;
    }
    let others = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    others.with_system_roots(|| panic!("other certificates are trusted")).unwrap();
}

#[adapter::test]
async fn a_certificate_says_who_the_client_is() {
    let authority = Authority::new();
    let issued = authority.issue("localhost");
    let tls = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    let tls = tls.with_trusted_clients_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    let acceptor = Acceptor::default().with_tls(tls);

    let client = authority.issue("meter-17");
    let tls = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap();
    let tls = tls.with_identity_pem(client.chain.as_bytes(), client.key.as_bytes()).unwrap().build().unwrap();
    assert!(!format!("{tls:?}").contains("PRIVATE"));
    let (port, taken) = taking(acceptor.clone()).await;
    let opened = open(port, ConnectionOptions::new().with_tls(tls)).await.unwrap();
    let server = taken.join().await.unwrap().unwrap();
    assert_eq!(server.identity().unwrap().user().unwrap(), "CN=meter-17");
    drop(opened);

    let (port, taken) = taking(acceptor).await;
    let error = open(port, trusting(&authority)).await.unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
    assert!(taken.join().await.unwrap().unwrap_err().to_string().contains("TLS"));
}

#[adapter::test]
async fn one_speaks_tls_and_the_other_does_not() {
    let authority = Authority::new();
    let (port, _taken) = taking(Acceptor::default()).await;
    let error = open(port, trusting(&authority)).await.unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    let advice = format!("(amqps://localhost:{port}); is this the port for amqps, mostly 5671?");
    assert!(error.to_string().ends_with(&advice), "{error}");

    let (port, taken) = taking(server(&authority.issue("localhost"))).await;
    let error = Connection::open(&format!("amqp://localhost:{port}")).await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(error.to_string().contains("the peer speaks TLS 1.0.0"), "{error}");
    assert!(taken.join().await.unwrap().unwrap_err().to_string().contains("does not speak TLS"));
}

#[adapter::test]
async fn a_server_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = trusting(&Authority::new()).with_open_timeout(Duration::from_millis(50));
    let error = open(port, options).await.unwrap_err();
    let words = format!("does not answer, perhaps it does not speak TLS (amqps://localhost:{port})");
    assert!(error.to_string().ends_with(&words), "{error}");
}

/// A stream that is cut differs from one that the peer has ended.
#[adapter::test]
async fn a_stream_that_is_cut_is_told() {
    let authority = Authority::new();
    let (port, taken) = taking(server(&authority.issue("localhost"))).await;
    let proxy = Proxy::to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let client = open(proxy.address.port(), trusting(&authority)).await.unwrap();
    let server = taken.join().await.unwrap().unwrap();
    exchange(&client, &server).await;
    proxy.cut(Shutdown::Write);
    let ended = client.closed().await;
    assert_eq!(ended.io().unwrap().kind(), ErrorKind::UnexpectedEof, "{ended}");
}

/// Over any stream, the server's certificate is verified as over TCP, and the server gets the host's name.
#[adapter::test]
async fn a_stream_that_is_no_socket() {
    let authority = Authority::new();
    let acceptor = server(&authority.issue("broker.example"));
    for host in ["broker.example", "elsewhere.example"] {
        let (near, far) = pipe();
        let connect = async { Connection::over_tls(near, host, trusting(&authority)).await };
        let accept = async { Connection::accept(far, &acceptor).await };
        let (client, server) = both(connect, accept).await;
        if host == "broker.example" {
            let (client, server) = (client.unwrap(), server.unwrap());
            assert_eq!(server.peer_open().unwrap().hostname.as_deref(), Some(host));
            exchange(&client, &server).await;
            client.close().await.unwrap();
            assert!(server.closed().await.error().is_none());
        } else {
            let error = client.unwrap_err().to_string();
            assert!(error.contains("not valid for name"), "{error}");
            assert!(server.unwrap_err().to_string().contains("TLS"));
        }
    }
}

// A-TLS-03
#[adapter::test]
async fn a_tls_03_the_server_is_told_the_name_of_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let named = on_thread(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = crate::amqp::rustls::server::Acceptor::default();
        loop {
            hello.read_tls(&mut stream).unwrap();
            if let Some(accepted) = hello.accept().map_err(|(error, _)| error).unwrap() {
                break accepted.client_hello().server_name().map(str::to_owned);
            }
        }
    });
    open(port, trusting(&Authority::new())).await.unwrap_err();
    assert_eq!(named.join().await.unwrap().as_deref(), Some("localhost"));
}

/// A configuration of rustls is used unchanged.
#[adapter::test]
async fn configurations_that_are_ready() {
    let authority = Authority::new();
    let issued = authority.issue("localhost");
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(|pem| pem.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = Acceptor::default().with_tls(ServerTls::from(Arc::new(config)));
    let (port, taken) = taking(acceptor).await;

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let options = ConnectionOptions::new().with_tls(ClientTls::from(Arc::new(config)));
    let client = open(port, options).await.unwrap();
    let server = taken.join().await.unwrap().unwrap();
    exchange(&client, &server).await;
}

/// Starts a container that listens. Returns its address, its injector, and its number of messages.
#[adapter::helper]
async fn worker(acceptor: Acceptor) -> (String, Injector, Task<usize>) {
    let (addresses, address) = mpsc::channel();
    let container = Container::new(Worker { addresses, received: 0 }).with_acceptor(acceptor);
    let injector = container.injector();
    let worker = spawn(async move { container.run().await.unwrap().received });
    (told(address).await.replace("127.0.0.1", "localhost"), injector, worker)
}

#[adapter::test]
async fn containers_at_both_ends() {
    const MESSAGES: usize = 400;
    let authority = Authority::new();
    let (in_the_clear, injector, worker) = worker(server(&authority.issue("localhost"))).await;
    let url = in_the_clear.replace("amqp://", "amqps://");

    let jobs = Jobs { url: url.clone(), to_send: MESSAGES, ..Jobs::default() };
    let jobs = Container::new(jobs).with_options(trusting(&authority)).run().await.unwrap();
    assert_eq!((jobs.outcomes, jobs.settled), ([MESSAGES / 4; 4], MESSAGES));

    for (url, options, words) in [
        (url, trusting(&Authority::new()), "UnknownIssuer"),
        (in_the_clear, ConnectionOptions::new(), "the peer speaks TLS 1.0.0"),
    ] {
        let lonely = Lonely { url, ..Lonely::default() };
        let lonely = Container::new(lonely).with_options(options).run().await.unwrap();
        assert!(lonely.errors.iter().any(|error| error.contains(words)), "{words}: {:?}", lonely.errors);
    }
    // Refused clients have left no trace.
    injector.stop().unwrap();
    assert_eq!(worker.join().await.unwrap(), MESSAGES);
}
