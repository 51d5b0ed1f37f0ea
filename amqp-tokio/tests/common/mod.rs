//! Two ends of a connection, joined in memory.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub(crate) mod peer;
pub(crate) mod polls;
pub(crate) mod served;
pub(crate) mod valve;

use amqp_tokio::config::{ReceiverOptions, SenderOptions};
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, OfferedLink, Receiver, Sender, Session};

/// Returns an open client and an open server.
pub(crate) async fn pair() -> (Connection, Connection) {
    pair_with(ConnectionOptions::new(), ConnectionOptions::new(), 1 << 16).await
}

/// Does the same with options, over a stream with a buffer of this size.
pub(crate) async fn pair_with(
    client: ConnectionOptions,
    server: ConnectionOptions,
    octets: usize,
) -> (Connection, Connection) {
    let (near, far) = tokio::io::duplex(octets);
    let acceptor = Acceptor::new(server);
    let (client, server) = tokio::join!(Connection::over(near, client), Connection::accept(far, &acceptor));
    (client.unwrap(), server.unwrap())
}

/// Accepts the next session.
pub(crate) async fn session(server: &Connection) -> Session {
    server.next_session().await.unwrap().expect("a session").accept().unwrap()
}

/// Accepts the next link, on which the server receives.
pub(crate) async fn receiver(session: &Session, options: ReceiverOptions) -> Receiver {
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Receiver(link)) => link.accept_with(options).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Accepts the next link, on which the server sends.
pub(crate) async fn sender(session: &Session) -> Sender {
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Sender(link)) => link.accept_with(SenderOptions::new()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Attaches a link on which the client sends, at both ends.
pub(crate) async fn sending(
    client: &Connection,
    server: &Connection,
    options: ReceiverOptions,
) -> (Sender, Receiver, Session) {
    let accept = async {
        let session = session(server).await;
        (receiver(&session, options).await, session)
    };
    let (near, (far, session)) = tokio::join!(client.sender("jobs"), accept);
    (near.unwrap(), far, session)
}

/// Attaches a link on which the client receives, at both ends.
pub(crate) async fn receiving(client: &Connection, server: &Connection) -> (Receiver, Sender, Session) {
    let accept = async {
        let session = session(server).await;
        (sender(&session).await, session)
    };
    let (near, (far, session)) = tokio::join!(client.receiver("jobs"), accept);
    (near.unwrap(), far, session)
}
