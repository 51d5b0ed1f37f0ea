//! TLS after a protocol header [5.2], over sockets and other streams.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use super::common::certificates::Authority;
use super::common::handlers::{Jobs, Worker};
use super::common::strangers::{Stranger, mute};
use super::common::tls::{open, server, taking, trusting};
use super::common::told;
use crate::adapter::{self, both, on_thread, pipe, spawn};
use crate::amqp::proto::policy::Reconnect;
use crate::amqp::wire::{AmqpError, Condition};
use crate::amqp::{Acceptor, Connection, ConnectionOptions, Container, Error, ErrorKind, Listener};

const AMQP: &[u8; 8] = b"AMQP\x00\x01\x00\x00";
const SASL: &[u8; 8] = b"AMQP\x03\x01\x00\x00";
const TLS: &[u8; 8] = b"AMQP\x02\x01\x00\x00";

/// Returns the options of a client that asks for TLS by a header.
fn asking(authority: &Authority) -> ConnectionOptions {
    trusting(authority).with_tls_header(true)
}

/// A-TLS-01: one listener takes clients that ask by a header and clients that begin with TLS.
#[adapter::test]
async fn a_tls_01_a_listener_takes_tls_with_a_header_and_without() {
    let authority = Authority::new();
    let acceptor = server(&authority.issue("localhost"));
    for options in [asking(&authority), trusting(&authority)] {
        let (port, taken) = taking(acceptor.clone()).await;
        let client = open(port, options).await.unwrap();
        let server = taken.join().await.unwrap().unwrap();
        assert_eq!(server.peer_open().unwrap().hostname.as_deref(), Some("localhost"));
        client.close().await.unwrap();
        assert!(server.closed().await.error().is_none());
    }
}

/// The certificate is verified as without a header.
#[adapter::test]
async fn a_server_that_is_not_believed_after_a_header() {
    let (port, taken) = taking(server(&Authority::new().issue("localhost"))).await;
    let error = open(port, asking(&Authority::new())).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    assert!(taken.join().await.unwrap().unwrap_err().to_string().contains("TLS"));
}

/// A listener without TLS answers with the header that it takes; the client never goes on unencrypted.
#[adapter::test]
async fn a_listener_without_tls_refuses_the_header() {
    let authority = Authority::new();
    for (acceptor, words) in [
        (Acceptor::default(), "with the header of SASL 1.0.0"),
        (Acceptor::default().without_sasl(), "with the header of AMQP 1.0.0"),
    ] {
        let (port, taken) = taking(acceptor).await;
        let error = open(port, asking(&authority)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
        assert!(error.to_string().contains(words) && !error.is_transient(), "{error}");
        let error = taken.join().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the peer speaks TLS 1.0.0"), "{error}");
    }
}

/// A client without TLS is told which header a listener with TLS requires.
#[adapter::test]
async fn a_listener_with_tls_refuses_other_headers() {
    let (port, taken) = taking(server(&Authority::new().issue("localhost"))).await;
    let error = Connection::open(&format!("amqp://localhost:{port}")).await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(error.to_string().contains("the peer speaks TLS 1.0.0: connect by amqps://"), "{error}");
    let error = taken.join().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("the peer speaks SASL 1.0.0 and does not speak TLS"), "{error}");
}

/// Sends octets to a listener, and returns what it answers up to its end.
fn hear(port: u16, pieces: &[&[u8]], ends: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece).unwrap();
    }
    if ends {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Hostile clients get the header that is required or the alert of TLS, and no octet of AMQP.
#[adapter::test]
async fn hostile_clients_get_no_further() {
    type Pieces = &'static [&'static [u8]];
    let acceptor = server(&Authority::new().issue("localhost"));
    let cases: [(Pieces, bool, &[u8], &str); 8] = [
        (&[AMQP], false, TLS, "the peer speaks AMQP 1.0.0"),
        (&[SASL], false, TLS, "the peer speaks SASL 1.0.0"),
        (&[b"AMQP\x02\x01\x00\x07"], false, TLS, "the peer speaks TLS 1.0.7"),
        (&[b"A", b"M", b"Q", b"X"], false, TLS, "does not speak TLS"),
        (&[b"GET / HTTP/1.1\r\n\r\n"], false, TLS, "does not speak TLS"),
        (&[b"AMQP\x02\x01"], true, b"", "the peer closed the connection"),
        (&[TLS], true, TLS, "the peer closed the connection"),
        (&[b""], true, b"", "the peer closed the connection"),
    ];
    for (pieces, ends, answer, words) in cases {
        let (port, taken) = taking(acceptor.clone()).await;
        let heard = on_thread(move || hear(port, pieces, ends));
        let error = taken.join().await.unwrap().unwrap_err();
        assert!(error.to_string().contains(words), "{error}, not {words}");
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
        assert_eq!(heard.join().await.unwrap(), answer, "{pieces:?}");
    }
    // AMQP behind the header, in the hope that somebody keeps it until TLS is there.
    for behind in [AMQP, SASL, TLS] {
        let (port, taken) = taking(acceptor.clone()).await;
        let heard = on_thread(move || hear(port, &[&[&TLS[..], &behind[..]].concat()], false));
        assert!(taken.join().await.unwrap().unwrap_err().to_string().contains("does not speak TLS"));
        let heard = heard.join().await.unwrap();
        // The header of TLS, then an alert.
        assert_eq!((&heard[..8], heard.get(8)), (&TLS[..], Some(&21)), "{heard:?}");
    }
}

/// Hostile servers end the client with an error that names them; it sends nothing but its header.
#[adapter::test]
async fn hostile_servers_are_named() {
    const STRANGERS: [Stranger; 6] = [
        Stranger::new(true, b"AMQP\x03\x01\0\0", "with the header of SASL 1.0.0"),
        Stranger::new(true, b"AMQP\x02\x01\x01\0", "with the header of TLS 1.1.0"),
        Stranger::new(true, &[21, 3, 3, 0, 2, 2, 70], "speaks TLS from the first octet"),
        Stranger::new(true, b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak AMQP"),
        Stranger::new(true, b"AMQP\x02", "the peer closed the connection"),
        Stranger::new(true, b"AMQP\x02\x01\0\0AMQP\x03\x01\0\0", "does not speak TLS"),
    ];
    let authority = Authority::new();
    for stranger in STRANGERS {
        let error = open(stranger.listen().port(), asking(&authority)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
        assert!(error.to_string().contains(stranger.words), "{error}, not {}", stranger.words);
    }
    let options = asking(&authority).with_open_timeout(Duration::from_millis(50));
    let error = open(mute().port(), options).await.unwrap_err();
    assert!(error.to_string().contains("does not answer"), "{error}");
}

/// A client that stops inside the header is given up in time.
#[adapter::test]
async fn a_client_that_stops_inside_the_header_is_given_up() {
    let tls = server(&Authority::new().issue("localhost"));
    let tls = tls.server_tls().unwrap().clone();
    let options = ConnectionOptions::new().with_open_timeout(Duration::from_millis(50));
    let (port, taken) = taking(Acceptor::new(options).with_tls(tls)).await;
    let heard = on_thread(move || hear(port, &[b"AMQP\x02"], false));
    assert!(taken.join().await.unwrap().unwrap_err().to_string().contains("does not answer"));
    assert_eq!(heard.join().await.unwrap(), b"");
}

/// Any stream has the header, too.
#[adapter::test]
async fn a_stream_that_is_no_socket_has_the_header() {
    let authority = Authority::new();
    let acceptor = server(&authority.issue("broker.example"));
    let (near, far) = pipe();
    let connect = async { Connection::over_tls(near, "broker.example", asking(&authority)).await };
    let accept = async { Connection::accept(far, &acceptor).await };
    let (client, server) = both(connect, accept).await;
    let (client, server) = (client.unwrap(), server.unwrap());
    client.close().await.unwrap();
    assert!(server.closed().await.error().is_none());
}

/// Containers ask by a header, and answer it.
#[adapter::test]
async fn containers_ask_by_a_header() {
    const MESSAGES: usize = 40;
    let authority = Authority::new();
    let (addresses, address) = mpsc::channel();
    let acceptor = server(&authority.issue("localhost"));
    let container = Container::new(Worker { addresses, received: 0 }).with_acceptor(acceptor);
    let injector = container.injector();
    let worker = spawn(async move { container.run().await.unwrap().received });
    let url = told(address).await.replace("127.0.0.1", "localhost").replace("amqp://", "amqps://");
    let jobs = Jobs { url, to_send: MESSAGES, ..Jobs::default() };
    let jobs = Container::new(jobs).with_options(asking(&authority)).run().await.unwrap();
    assert_eq!((jobs.outcomes, jobs.settled), ([MESSAGES / 4; 4], MESSAGES));
    injector.stop().unwrap();
    assert_eq!(worker.join().await.unwrap(), MESSAGES);
}

/// A lost connection is dialled again with the header.
#[adapter::test]
async fn a_connection_that_is_opened_again_asks_again() {
    let authority = Authority::new();
    let acceptor = server(&authority.issue("localhost"));
    let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = spawn(async move {
        let first = listener.accept().await.unwrap().open().await.unwrap();
        first.close_with(AmqpError::new(Condition::ConnectionForced)).await.unwrap();
        listener.accept().await.unwrap().open().await.unwrap()
    });
    let options = asking(&authority).with_reconnect(Reconnect::new());
    let client = open(port, options).await.unwrap();
    let again = served.join().await.unwrap();
    client.close().await.unwrap();
    assert!(again.closed().await.error().is_none());
}
