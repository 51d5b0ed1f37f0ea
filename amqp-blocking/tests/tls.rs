//! TLS: who is believed, and what those are told who are not.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../../amqp-tokio/tests/common/certificates.rs"]
mod certificates;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use amqp_blocking::handler::{Context, DeliveryKey, Handler, SenderKey};
use amqp_blocking::wire::Outcome;
use amqp_blocking::{
    Accepted, Acceptor, ClientTls, Connection, ConnectionOptions, Container, Error, Listener, ServerTls,
};
use certificates::{Authority, Issued};

fn trusting(authority: &Authority) -> ConnectionOptions {
    let tls = ClientTls::builder().trust_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    ConnectionOptions::new().tls(tls)
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
    let authority = Authority::new();
    let (port, taken) = taking(server(&authority.issue("localhost")));
    let client = open(port, trusting(&authority)).unwrap();
    let server = taken.join().unwrap().unwrap();
    exchange(&client, &server);
    client.close().unwrap();
    assert!(server.closed().error().is_none());
}

#[test]
fn a_server_that_is_not_believed() {
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
}

#[test]
fn a_certificate_says_who_the_client_is() {
    let authority = Authority::new();
    let issued = authority.issue("localhost");
    let tls = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    let tls = tls.trust_clients_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    let acceptor = Acceptor::default().with_tls(tls);

    let client = authority.issue("meter-17");
    let tls = ClientTls::builder().trust_pem(authority.pem.as_bytes()).unwrap();
    let tls = tls.identity_pem(client.chain.as_bytes(), client.key.as_bytes()).unwrap().build().unwrap();
    let (port, taken) = taking(acceptor.clone());
    let opened = open(port, ConnectionOptions::new().tls(tls)).unwrap();
    assert_eq!(taken.join().unwrap().unwrap().identity().unwrap().user().unwrap(), "CN=meter-17");
    drop(opened);

    let (port, taken) = taking(acceptor);
    let error = open(port, trusting(&authority)).unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
    assert!(taken.join().unwrap().unwrap_err().to_string().contains("TLS"));
}

#[test]
fn one_speaks_tls_and_the_other_does_not() {
    let authority = Authority::new();
    let (port, _taken) = taking(Acceptor::default());
    let error = open(port, trusting(&authority)).unwrap_err();
    assert!(error.to_string().contains("does not speak it"), "{error}");

    let (port, taken) = taking(server(&authority.issue("localhost")));
    let error = Connection::open(&format!("amqp://localhost:{port}")).unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(taken.join().unwrap().unwrap_err().to_string().contains("does not speak it"));
}

#[test]
fn a_server_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = trusting(&Authority::new()).open_timeout(Duration::from_millis(50));
    let error = open(port, options).unwrap_err();
    assert!(error.to_string().contains("does not answer"), "{error}");
}

/// What is cut off is not taken for the end of what the peer had to say.
#[test]
fn a_stream_that_is_cut_is_told() {
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
}

/// Sends a message.
struct Sends {
    url: String,
    accepted: u32,
}

impl Handler for Sends {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_sender(connection, "jobs");
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderKey) {
        let _ = cx.send(sender, "job-content");
    }

    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey) {
        self.accepted += 1;
        cx.close_connection(delivery.connection());
    }
}

#[test]
fn a_container_speaks_it_too() {
    let authority = Authority::new();
    let (port, taken) = taking(server(&authority.issue("localhost")));
    let peer = thread::spawn(move || {
        let server = taken.join().unwrap().unwrap();
        while let Some(offer) = server.next_offer().unwrap() {
            if let Accepted::Receiver(receiver) = offer.accept().unwrap() {
                receiver.recv().unwrap().unwrap().accept().unwrap();
                server.closed();
            }
        }
    });
    let sends = Sends { url: format!("amqps://localhost:{port}"), accepted: 0 };
    let sends = Container::new(sends).options(trusting(&authority)).run().unwrap();
    assert_eq!(sends.accepted, 1);
    peer.join().unwrap();
}
