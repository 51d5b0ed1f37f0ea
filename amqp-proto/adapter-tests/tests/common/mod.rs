//! Two ends of a connection, and of a link.

pub(crate) mod busy;
#[cfg(feature = "tls")]
pub(crate) mod certificates;
pub(crate) mod engine;
pub(crate) mod handlers;
pub(crate) mod port;
pub(crate) mod proxy;
pub(crate) mod refusals;
pub(crate) mod resuming;
pub(crate) mod strangers;
#[cfg(feature = "tls")]
pub(crate) mod tls;

use std::sync::mpsc;

use crate::adapter::{self, both, on_thread, pipe};
use crate::amqp::config::{ReceiverOptions, SenderOptions};
use crate::amqp::wire::Terminus;
use crate::amqp::{
    Acceptor, CommitRequest, Connection, ConnectionOptions, Coordinator, CoordinatorEvent, Listener,
    OfferedLink, OfferedReceiver, OfferedSender, Receiver, ReceiverBuilder, Sender, SenderBuilder, Session,
};

/// The connections and the session of a link; dropping them ends the link.
pub(crate) type Ends = (Connection, Connection, Session);

/// Connects a client to a server in memory, with default options.
#[adapter::helper]
pub(crate) async fn pair() -> (Connection, Connection) {
    pair_with(ConnectionOptions::new(), Acceptor::default()).await
}

/// Connects a client to a server in memory.
#[adapter::helper]
pub(crate) async fn pair_with(client: ConnectionOptions, server: Acceptor) -> (Connection, Connection) {
    let (near, far) = pipe();
    let connect = async { Connection::over(near, client).await.unwrap() };
    both(connect, async { Connection::accept(far, &server).await.unwrap() }).await
}

/// Waits for a value that a handler sends.
#[adapter::helper]
pub(crate) async fn told<T: Send + 'static>(channel: mpsc::Receiver<T>) -> T {
    on_thread(move || channel.recv().unwrap()).join().await.unwrap()
}

/// Binds a listener to a free port, and returns its URL, too.
#[adapter::helper]
pub(crate) async fn listener() -> (Listener, String) {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Accepts the next client.
#[adapter::helper]
pub(crate) async fn next_client(listener: &Listener) -> Connection {
    listener.accept().await.unwrap().open().await.unwrap()
}

/// Accepts the next session that the peer begins.
#[adapter::helper]
pub(crate) async fn next_session(server: &Connection) -> Session {
    server.next_session().await.unwrap().expect("a session").accept().unwrap()
}

/// Accepts the next link of a session, on which the peer sends.
#[adapter::helper]
pub(crate) async fn next_receiver(session: &Session, options: ReceiverOptions) -> Receiver {
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Receiver(link)) => link.accept_with(options).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Accepts the next session, and returns its first link.
#[adapter::helper]
async fn offered(server: &Connection) -> (OfferedLink, Session) {
    let session = next_session(server).await;
    (session.next_link().await.unwrap().expect("a link"), session)
}

/// Accepts the next session, and returns its first link, on which the client sends.
#[adapter::helper]
pub(crate) async fn offered_receiver(server: &Connection) -> (OfferedReceiver, Session) {
    match offered(server).await {
        (OfferedLink::Receiver(link), session) => (link, session),
        other => panic!("{other:?}"),
    }
}

/// Accepts the next session, and returns its first link, on which the client receives.
#[adapter::helper]
pub(crate) async fn offered_sender(server: &Connection) -> (OfferedSender, Session) {
    match offered(server).await {
        (OfferedLink::Sender(link), session) => (link, session),
        other => panic!("{other:?}"),
    }
}

/// Receives messages and accepts them. Returns their texts, in order of the alphabet.
#[adapter::helper]
pub(crate) async fn accepted_texts<const COUNT: usize>(receiver: &Receiver) -> [String; COUNT] {
    let mut texts = [const { String::new() }; COUNT];
    for text in &mut texts {
        let delivery = receiver.recv().await.unwrap().unwrap();
        *text = delivery.message().unwrap().body().unwrap().as_str().unwrap().to_owned();
        delivery.accept().unwrap();
    }
    texts.sort();
    texts
}

/// Accepts the next link of a session, which leads to a coordinator.
#[adapter::helper]
pub(crate) async fn next_coordinator(session: &Session) -> Coordinator {
    let Some(OfferedLink::Receiver(link)) = session.next_link().await.unwrap() else { panic!("a receiver") };
    assert!(matches!(link.target(), Some(Terminus::Coordinator(_))));
    link.accept_coordinator().unwrap()
}

/// Waits until the peer asks for a commit.
#[adapter::helper]
pub(crate) async fn next_commit(coordinator: &Coordinator) -> CommitRequest {
    match coordinator.next().await.unwrap() {
        Some(CoordinatorEvent::Commit(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Accepts the next link of a session, on which the peer receives.
#[adapter::helper]
pub(crate) async fn next_sender(session: &Session) -> Sender {
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Sender(link)) => link.accept_with(SenderOptions::new()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Attaches a link on which the client sends; the server accepts it with these options.
#[adapter::helper]
pub(crate) async fn sending(
    client: SenderBuilder,
    server: &Connection,
    options: ReceiverOptions,
) -> (Sender, Receiver, Session) {
    let attach = async { client.attach().await.unwrap() };
    let accept = async {
        let session = next_session(server).await;
        (next_receiver(&session, options).await, session)
    };
    let (sender, (receiver, session)) = both(attach, accept).await;
    (sender, receiver, session)
}

/// Attaches a link on which the client receives.
#[adapter::helper]
pub(crate) async fn receiving(client: ReceiverBuilder, server: &Connection) -> (Receiver, Sender, Session) {
    let attach = async { client.attach().await.unwrap() };
    let accept = async {
        let session = next_session(server).await;
        (next_sender(&session).await, session)
    };
    let (receiver, (sender, session)) = both(attach, accept).await;
    (receiver, sender, session)
}

/// Connects a client that sends to a server, which accepts the link with these options.
#[adapter::helper]
pub(crate) async fn link(options: ReceiverOptions) -> (Sender, Receiver, Ends) {
    let (client, server) = pair().await;
    let (sender, receiver, session) = sending(client.sender("jobs"), &server, options).await;
    (sender, receiver, (client, server, session))
}

/// Attaches a link on which the client sends, on a session of its own: each end with its session, and the connections.
#[adapter::helper]
pub(crate) async fn link_on_session() -> ((Sender, Session), (Receiver, Session), (Connection, Connection)) {
    let (client, server) = pair().await;
    let begin = async { client.session().await.unwrap() };
    let accept = async { next_session(&server).await };
    let (near, far) = both(begin, accept).await;
    let attach = async { near.sender("jobs").attach().await.unwrap() };
    let accept = async { next_receiver(&far, ReceiverOptions::new()).await };
    let (sender, receiver) = both(attach, accept).await;
    ((sender, near), (receiver, far), (client, server))
}
