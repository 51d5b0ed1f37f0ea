//! Two ends of a connection, joined in memory.
#![allow(dead_code, reason = "not every test file uses all of it")]

pub(crate) mod peer;
pub(crate) mod polls;
pub(crate) mod served;
pub(crate) mod valve;

use amqp_tokio::config::{ReceiverOptions, SenderOptions};
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, OfferedLink, Receiver, Sender, Session};

/// A client and a server, both open.
pub(crate) async fn pair() -> (Connection, Connection) {
    pair_with(ConnectionOptions::new(), ConnectionOptions::new(), 1 << 16).await
}

/// The same with options, over a stream that holds so many octets.
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

/// The server's end of the next session.
pub(crate) async fn session(server: &Connection) -> Session {
    server.next_session().await.unwrap().expect("a session").accept().unwrap()
}

/// The server's end of the next link, on which it receives.
pub(crate) async fn receiver(session: &Session, options: ReceiverOptions) -> Receiver {
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Receiver(link)) => link.accept_with(options).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The server's end of the next link, on which it sends.
pub(crate) async fn sender(session: &Session) -> Sender {
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Sender(link)) => link.accept_with(SenderOptions::new()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A link on which the client sends, and the server's end of it.
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

/// A link on which the client receives, and the server's end of it.
pub(crate) async fn receiving(client: &Connection, server: &Connection) -> (Receiver, Sender, Session) {
    let accept = async {
        let session = session(server).await;
        (sender(&session).await, session)
    };
    let (near, (far, session)) = tokio::join!(client.receiver("jobs"), accept);
    (near.unwrap(), far, session)
}
