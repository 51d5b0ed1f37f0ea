//! TLS over a Unix socket.
#![cfg(all(feature = "tls", unix))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    unreachable_pub
)]

#[path = "../../amqp-proto/adapter-tests/tests/common/certificates.rs"]
mod certificates;

use std::os::unix::net::UnixStream;
use std::thread;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::wire::Outcome;
use amqp_blocking::{Acceptor, ClientTls, Connection, ConnectionOptions, OfferedLink, ServerTls};
use certificates::Authority;

/// The server's certificate is verified as over TCP, and the server gets the host's name.
#[test]
#[adapter_tests::bounded]
fn a_socket_of_unix() {
    let authority = Authority::new();
    let issued = authority.issue("broker.example");
    let tls = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    let acceptor = Acceptor::default().with_tls(tls.build().unwrap());
    let open = |host: &str| {
        let ((near, far), acceptor) = (UnixStream::pair().unwrap(), acceptor.clone());
        let accepting = thread::spawn(move || Connection::accept(far, &acceptor));
        let tls = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap();
        let options = ConnectionOptions::new().with_tls(tls.build().unwrap());
        (Connection::over_tls(near, host, options), accepting.join().unwrap())
    };
    let (client, server) = open("broker.example");
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(server.peer_open().unwrap().hostname.as_deref(), Some("broker.example"));
    let serving = thread::spawn(move || {
        let session = server.next_session().unwrap().unwrap().accept().unwrap();
        let Some(OfferedLink::Receiver(link)) = session.next_link().unwrap() else { panic!("a receiver") };
        let receiver = link.accept_with(ReceiverOptions::new()).unwrap();
        let delivery = receiver.recv().unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap().len(), 4 << 20);
        delivery.accept().unwrap();
        server.closed()
    });
    let sender = client.sender("q").attach().unwrap();
    assert_eq!(sender.send(vec![7; 4 << 20]).unwrap(), Outcome::Accepted);
    client.close().unwrap();
    assert!(serving.join().unwrap().error().is_none());

    let (client, server) = open("elsewhere.example");
    let error = client.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    assert!(server.unwrap_err().to_string().contains("TLS"));
}
