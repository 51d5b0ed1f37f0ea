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
mod common;
#[path = "../../adapter-tests/tests/common/handlers.rs"]
mod handlers;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use amqp_blocking::rustls::crypto::ring;
use amqp_blocking::rustls::pki_types::pem::PemObject;
use amqp_blocking::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use amqp_blocking::rustls::{ClientConfig, RootCertStore, ServerConfig};
use amqp_blocking::wire::Outcome;
use amqp_blocking::{
    Accepted, Acceptor, ClientTls, Connection, ConnectionOptions, Container, Error, Injector, Listener,
    ServerTls, Transport,
};
use certificates::{Authority, Issued};
use common::Pipe;
use handlers::{Jobs, Lonely, Worker};

const LONG: Duration = Duration::from_secs(60);

/// A test that fails, and does not wait for ever, where something hangs.
fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel::<()>();
    let running = thread::spawn(move || {
        let _done = done;
        test();
    });
    assert_ne!(is_done.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Timeout), "it hangs");
    running.join().unwrap_or_else(|panic| resume_unwind(panic));
}

fn trusting(authority: &Authority) -> ConnectionOptions {
    let tls = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    ConnectionOptions::new().with_tls(tls)
}

fn server(issued: &Issued) -> Acceptor {
    let tls =
        ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap().build().unwrap();
    Acceptor::default().with_tls(tls)
}

/// Takes one connection; where, and what has come of it.
fn taking(acceptor: Acceptor) -> (u16, JoinHandle<Result<Connection, Error>>) {
    let listener = Listener::bind_with("127.0.0.1:0", acceptor).unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || listener.accept()?.open()))
}

fn open(port: u16, options: ConnectionOptions) -> Result<Connection, Error> {
    Connection::open_with(&format!("amqps://localhost:{port}"), options)
}

/// Large messages go both ways at once.
fn exchange(client: &Connection, server: &Connection) {
    let body = vec![7_u8; 4 << 20];
    let theirs = {
        let (server, body) = (server.clone(), body.clone());
        thread::spawn(move || {
            let (mut receiver, mut sender) = (None, None);
            while receiver.is_none() || sender.is_none() {
                match server.next_offer().unwrap().unwrap().accept().unwrap() {
                    Accepted::Receiver(link) => receiver = Some(link),
                    Accepted::Sender(link) => sender = Some(link),
                    _ => {}
                }
            }
            let sent = sender.unwrap().send_queued(body.clone()).unwrap();
            let delivery = receiver.unwrap().recv().unwrap().unwrap();
            assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap(), &body[..]);
            delivery.accept().unwrap();
            assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
        })
    };
    let receiver = client.receiver("q").attach().unwrap();
    let sent = client.sender("q").attach().unwrap();
    let sent = sent.send_queued(body.clone()).unwrap();
    let delivery = receiver.recv().unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap(), &body[..]);
    delivery.accept().unwrap();
    assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
    theirs.join().unwrap();
}

#[test]
fn messages_go_both_ways_at_once_and_the_end_is_clean() {
    bounded(|| {
        let authority = Authority::new();
        let (port, taken) = taking(server(&authority.issue("localhost")));
        let client = open(port, trusting(&authority)).unwrap();
        let server = taken.join().unwrap().unwrap();
        exchange(&client, &server);
        client.close().unwrap();
        assert!(server.closed().error().is_none());
    });
}

// A-TLS-04
#[test]
fn a_server_that_is_not_believed() {
    bounded(|| {
        let authority = Authority::new();
        for (issued, words) in [
            (authority.issue_expired("localhost"), "expired"),
            (authority.issue("elsewhere"), "not valid for name"),
            (Authority::new().issue("localhost"), "UnknownIssuer"),
        ] {
            let (port, taken) = taking(server(&issued));
            let error = open(port, trusting(&authority)).unwrap_err();
            assert!(error.to_string().contains(words), "{words}: {error}");
            assert!(taken.join().unwrap().unwrap_err().to_string().contains("TLS"));
        }
    });
}

#[test]
fn a_certificate_says_who_the_client_is() {
    bounded(|| {
        let authority = Authority::new();
        let issued = authority.issue("localhost");
        let tls = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
        let tls = tls.with_trusted_clients_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
        let acceptor = Acceptor::default().with_tls(tls);

        let client = authority.issue("meter-17");
        let tls = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap();
        let tls =
            tls.with_identity_pem(client.chain.as_bytes(), client.key.as_bytes()).unwrap().build().unwrap();
        let (port, taken) = taking(acceptor.clone());
        let opened = open(port, ConnectionOptions::new().with_tls(tls)).unwrap();
        assert_eq!(taken.join().unwrap().unwrap().identity().unwrap().user().unwrap(), "CN=meter-17");
        drop(opened);

        let (port, taken) = taking(acceptor);
        let error = open(port, trusting(&authority)).unwrap_err().to_string();
        assert!(error.contains("CertificateRequired"), "{error}");
        assert!(taken.join().unwrap().unwrap_err().to_string().contains("TLS"));
    });
}

#[test]
fn one_speaks_tls_and_the_other_does_not() {
    bounded(|| {
        let authority = Authority::new();
        let (port, _taken) = taking(Acceptor::default());
        let error = open(port, trusting(&authority)).unwrap_err();
        assert!(error.to_string().contains("does not speak it"), "{error}");

        let (port, taken) = taking(server(&authority.issue("localhost")));
        let error = Connection::open(&format!("amqp://localhost:{port}")).unwrap_err();
        assert!(matches!(error, Error::Connection(_)), "{error}");
        assert!(error.to_string().contains("it seems to speak TLS"), "{error}");
        assert!(taken.join().unwrap().unwrap_err().to_string().contains("does not speak it"));
    });
}

#[test]
fn a_server_that_never_answers() {
    bounded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = trusting(&Authority::new()).with_open_timeout(Duration::from_millis(50));
        let error = open(port, options).unwrap_err();
        assert!(error.to_string().contains("does not answer, perhaps it does not speak TLS"), "{error}");
    });
}

/// What is cut off is not taken for the end of what the peer had to say.
#[test]
fn a_stream_that_is_cut_is_told() {
    bounded(|| {
        let authority = Authority::new();
        let (port, taken) = taking(server(&authority.issue("localhost")));
        let between = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = between.local_addr().unwrap().port();
        let carried = thread::spawn(move || {
            let near = between.accept().unwrap().0;
            let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far.try_clone().unwrap(), near.try_clone().unwrap()),
            ] {
                thread::spawn(move || {
                    let mut space = [0; 4096];
                    while let Ok(octets @ 1..) = from.read(&mut space) {
                        if to.write_all(&space[..octets]).is_err() {
                            break;
                        }
                    }
                });
            }
            near
        });
        let client = open(front, trusting(&authority)).unwrap();
        let server = taken.join().unwrap().unwrap();
        exchange(&client, &server);
        carried.join().unwrap().shutdown(Shutdown::Write).unwrap();
        let ended = client.closed();
        assert_eq!(ended.io().unwrap().kind(), ErrorKind::UnexpectedEof, "{ended}");
    });
}

/// Speaks TLS over what `pair` gives, with a server that is `broker.example`.
fn over<T: Transport>(pair: fn() -> (T, T)) {
    let authority = Authority::new();
    let acceptor = server(&authority.issue("broker.example"));
    let open = |host: &str| {
        let ((near, far), acceptor) = (pair(), acceptor.clone());
        let accepting = thread::spawn(move || Connection::accept(far, &acceptor));
        (Connection::over_tls(near, host, trusting(&authority)), accepting.join().unwrap())
    };
    let (client, server) = open("broker.example");
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(server.peer_open().unwrap().hostname.as_deref(), Some("broker.example"));
    exchange(&client, &server);
    client.close().unwrap();
    assert!(server.closed().error().is_none());

    let (client, server) = open("elsewhere.example");
    let error = client.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    assert!(server.unwrap_err().to_string().contains("TLS"));
}

/// Over any transport the server is looked at as it is over TCP, and told whom it is taken for.
#[test]
fn a_pipe_in_memory() {
    bounded(|| over(Pipe::pair));
}

#[cfg(unix)]
#[test]
fn a_socket_of_unix() {
    bounded(|| over(|| std::os::unix::net::UnixStream::pair().unwrap()));
}

// A-TLS-03
#[test]
fn a_tls_03_the_server_is_told_the_name_of_the_host() {
    bounded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let named = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut hello = amqp_blocking::rustls::server::Acceptor::default();
            loop {
                hello.read_tls(&mut stream).unwrap();
                if let Some(accepted) = hello.accept().map_err(|(error, _)| error).unwrap() {
                    break accepted.client_hello().server_name().map(str::to_owned);
                }
            }
        });
        open(port, trusting(&Authority::new())).unwrap_err();
        assert_eq!(named.join().unwrap().as_deref(), Some("localhost"));
    });
}

/// What rustls is to do can also be said to rustls.
#[test]
fn configurations_that_are_ready() {
    bounded(|| {
        let authority = Authority::new();
        let issued = authority.issue("localhost");
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let (port, taken) = taking(Acceptor::default().with_tls(ServerTls::from(Arc::new(config))));

        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let client =
            open(port, ConnectionOptions::new().with_tls(ClientTls::from(Arc::new(config)))).unwrap();
        exchange(&client, &taken.join().unwrap().unwrap());
    });
}

/// A container that listens: where, and how it is stopped.
fn worker(acceptor: Acceptor) -> (String, Injector, JoinHandle<usize>) {
    let (addresses, address) = mpsc::channel();
    let container = Container::new(Worker { addresses, received: 0 }).with_acceptor(acceptor);
    let injector = container.injector();
    let worker = thread::spawn(move || container.run().unwrap().received);
    (address.recv().unwrap().replace("127.0.0.1", "localhost"), injector, worker)
}

#[test]
fn containers_at_both_ends() {
    const MESSAGES: usize = 400;
    bounded(|| {
        let authority = Authority::new();
        let (in_the_clear, injector, worker) = worker(server(&authority.issue("localhost")));
        let url = in_the_clear.replace("amqp://", "amqps://");

        let jobs = Jobs { url: url.clone(), to_send: MESSAGES, ..Jobs::default() };
        let jobs = Container::new(jobs).with_options(trusting(&authority)).run().unwrap();
        assert_eq!((jobs.outcomes, jobs.settled), ([MESSAGES / 4; 4], MESSAGES));

        for (url, options, words) in [
            (url, trusting(&Authority::new()), "UnknownIssuer"),
            (in_the_clear, ConnectionOptions::new(), "it seems to speak TLS"),
        ] {
            let lonely = Lonely { url, ..Lonely::default() };
            let lonely = Container::new(lonely).with_options(options).run().unwrap();
            assert!(lonely.errors.iter().any(|error| error.contains(words)), "{words}: {:?}", lonely.errors);
        }
        // Those that were not taken have left no trace.
        injector.stop().unwrap();
        assert_eq!(worker.join().unwrap(), MESSAGES);
    });
}
