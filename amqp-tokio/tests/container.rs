//! The handler style: the same handlers that the container for threads runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[path = "../../amqp-blocking/tests/common/handlers.rs"]
mod handlers;

use std::sync::mpsc;
use std::time::Duration;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::handler::{Context, DeliveryKey, Handler, ReceivedMessage, SenderKey};
use amqp_tokio::message::Message;
use amqp_tokio::sasl::ServerSasl;
use amqp_tokio::wire::Condition;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{
    Acceptor, Connection, Container, Error, Injector, Listener, OfferedLink, Origin, Result, Sender, Stopped,
};
use handlers::{Client, Jobs, Lonely, Panicking, Plain, Refusing, Slow, Worker};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

async fn worker() -> (String, Injector, JoinHandle<usize>) {
    let (addresses, address) = mpsc::channel();
    let container = Container::new(Worker { addresses, received: 0 });
    let injector = container.injector();
    let worker = tokio::spawn(async { container.run().await.unwrap().received });
    let address = tokio::task::spawn_blocking(move || address.recv().unwrap()).await.unwrap();
    (address, injector, worker)
}

#[tokio::test]
async fn handlers_at_both_ends() {
    const MESSAGES: usize = 4_000;
    let (url, injector, worker) = worker().await;
    let jobs = Container::new(Jobs { url, to_send: MESSAGES, ..Jobs::default() }).run().await.unwrap();
    assert_eq!((jobs.outcomes, jobs.settled), ([MESSAGES / 4; 4], MESSAGES));
    injector.stop().unwrap();
    assert_eq!(worker.await.unwrap(), MESSAGES);
    assert_eq!(injector.stop(), Err(Stopped));
}

#[tokio::test]
async fn a_handler_and_handles() {
    let (url, injector, worker) = worker().await;
    let connection = Connection::open(&url).await.unwrap();
    let sender = connection.sender("jobs").await.unwrap();
    assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
    assert_eq!(sender.send(Message::from("job").with_subject("release")).await.unwrap(), Outcome::Released);
    let large = Message::new(vec![7; 3 << 20]);
    assert_eq!(sender.send(large).await.unwrap(), Outcome::Accepted);
    injector.stop().unwrap();
    assert_eq!(worker.await.unwrap(), 3);
    let ended = connection.closed().await;
    assert_eq!((ended.origin(), ended.error()), (Origin::Remote, None));
}

/// The server's end of the next link, on which it sends.
async fn next_sender(server: &Connection) -> Sender {
    let session = server.next_session().await.unwrap().unwrap().accept().unwrap();
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Sender(link)) => link.accept().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// With auto-accept off a message is accepted when the handler says so: here, when a timer is due.
#[tokio::test]
async fn timers_and_explicit_acknowledgement() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let slow = tokio::spawn(Container::new(Slow { url, ..Slow::default() }).run());
    let server = listener.accept().await.unwrap().open().await.unwrap();
    let sender = next_sender(&server).await;
    for _ in 0..3 {
        assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
    }
    server.close().await.unwrap();
    assert_eq!(slow.await.unwrap().unwrap().ticks, 15);
}

#[tokio::test]
async fn what_cannot_be_reached_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let lonely = Lonely { url: format!("amqp://{free}"), ..Lonely::default() };
    let lonely = Container::new(lonely).run().await.unwrap();
    assert_eq!((lonely.errors.len(), lonely.closed, lonely.not_listening), (3, 3, 1));
    assert_eq!(
        lonely.errors.iter().filter(|error| error.contains("refused")).count(),
        2,
        "{:?}",
        lonely.errors
    );
}

/// The error with which a container ends; waited for within bounds, since one that is not told may mean no end at all.
async fn ends_with(url: String) -> Error {
    let running = Container::new(Plain(url)).run();
    let end = tokio::time::timeout(Duration::from_secs(60), running).await.unwrap();
    end.map(drop).expect_err("the error was not told")
}

/// A server that has no link for anybody, and takes its clients by this acceptor.
async fn refusing(acceptor: Acceptor) -> (String, Injector, JoinHandle<Result<()>>) {
    let (addresses, address) = mpsc::channel();
    let container = Container::new(Refusing { addresses }).with_acceptor(acceptor);
    let injector = container.injector();
    let serving = tokio::spawn(async { container.run().await.map(drop) });
    let address = tokio::task::spawn_blocking(move || address.recv().unwrap()).await.unwrap();
    (address, injector, serving)
}

#[tokio::test]
async fn what_cannot_be_reached_ends_the_container() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = taken.local_addr().unwrap();
    let error = ends_with(format!("listen {free}")).await;
    assert!(matches!(&error, Error::Io(_)) && error.to_string().contains("127.0.0.1"), "{error}");
    drop(taken);
    let error = ends_with(format!("amqp://{free}")).await;
    assert!(matches!(&error, Error::Io(_)) && error.to_string().contains("refused"), "{error}");
    let error = ends_with("http://localhost".into()).await;
    assert!(matches!(&error, Error::Address(_)), "{error}");
}

/// A link that is refused, a client that is not let in, and a transport that breaks; the server goes on.
#[tokio::test]
async fn what_the_peer_refuses_ends_the_container() {
    let (url, injector, serving) = refusing(Acceptor::default()).await;
    for _ in 0..2 {
        let error = ends_with(url.clone()).await;
        assert!(matches!(&error, Error::Link(_)), "{error}");
        assert_eq!(error.condition(), Some(&Condition::NotFound));
    }
    injector.stop().unwrap();
    serving.await.unwrap().unwrap();

    let nobody = Acceptor::default().with_sasl(|peer| ServerSasl::new(peer.security()));
    let (url, injector, serving) = refusing(nobody).await;
    let error = ends_with(url).await;
    assert!(matches!(&error, Error::Connection(_)), "{error}");
    injector.stop().unwrap();
    serving.await.unwrap().unwrap();

    let breaking = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", breaking.local_addr().unwrap());
    let breaking = tokio::spawn(async move { drop(breaking.accept().await.unwrap()) });
    let error = ends_with(url).await;
    assert_eq!(error.origin(), Some(Origin::Transport), "{error}");
    breaking.await.unwrap();
}

/// 3.4.5: a message on which the handler panics is not accepted, and its sender is not left without an answer.
#[tokio::test]
async fn a_handler_that_panics_gives_its_message_back() {
    let (addresses, address) = mpsc::channel();
    let serving = tokio::spawn(Container::new(Panicking { addresses }).run());
    let url = tokio::task::spawn_blocking(move || address.recv().unwrap()).await.unwrap();
    let connection = Connection::open(&url).await.unwrap();
    let sender = connection.sender("jobs").await.unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(60), sender.send("job")).await.unwrap().unwrap();
    assert!(matches!(&outcome, Outcome::Modified(modified) if modified.delivery_failed == Some(true)));
    assert_eq!(connection.closed().await.origin(), Origin::Remote);
    assert!(serving.await.is_err_and(|error| error.is_panic()));
}

/// Work comes from threads; the container waits for it.
#[tokio::test]
async fn work_is_injected_from_many_threads() {
    struct Idle;
    impl Handler for Idle {
        fn on_message(&mut self, _: &mut Context<'_>, _: ReceivedMessage) {}
    }
    let (url, worker_injector, worker) = worker().await;
    let mut container = Container::new(Idle).with_auto_stop(false);
    let connection = container.connect(url);
    let senders: Vec<SenderKey> = (0..4)
        .map(|number| container.with(|cx| cx.create_sender(connection, format!("q{number}"))))
        .collect();
    let injector = container.injector();
    let running = tokio::spawn(container.run());
    let threads = senders.into_iter().map(|sender| {
        let injector = injector.clone();
        tokio::task::spawn_blocking(move || {
            let mut left = 10;
            while left > 0 {
                let (tell, told) = mpsc::channel();
                injector.inject(move |cx| tell.send(cx.try_send(sender, "job").is_ok()).unwrap()).unwrap();
                left -= u32::from(told.recv().unwrap());
            }
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.await.unwrap();
    }
    injector.stop().unwrap();
    running.await.unwrap().unwrap();
    worker_injector.stop().unwrap();
    assert_eq!(worker.await.unwrap(), 40);
}

/// A peer that is killed is told of as such, and the container ends.
#[tokio::test]
async fn a_peer_that_breaks_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let client = tokio::spawn(Container::new(Client { url, ..Client::default() }).run());
    let (stream, _) = listener.accept().await.unwrap();
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let cutting = tokio::spawn(async move {
        let mut stream = stream;
        // Until the connection at the other side of it is dropped.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
    });
    let server = Connection::accept(near, &Acceptor::default()).await.unwrap();
    let session = server.next_session().await.unwrap().unwrap().accept().unwrap();
    let mut receivers = Vec::new();
    while receivers.is_empty() {
        match session.next_link().await.unwrap() {
            Some(OfferedLink::Receiver(link)) => {
                receivers.push(link.accept_with(ReceiverOptions::new().with_auto_accept(false)).unwrap());
            }
            Some(OfferedLink::Sender(link)) => drop(link.accept().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    let delivery = receivers[0].recv().await.unwrap().unwrap();
    cutting.abort();
    let client = client.await.unwrap().unwrap();
    assert_eq!((client.lost, client.origins), (1, vec![Origin::Transport]));
    let _ = delivery.into_undecided();
}

/// Passes octets on between a client and a server that is open, until it is told to stop; then it reads nothing any
/// more.
async fn stalling(listener: TcpListener) -> (Connection, oneshot::Sender<()>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let (stall, stalled) = oneshot::channel();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut stream, &mut far) => return,
            _ = stalled => {}
        }
        // Kept, and not looked at.
        std::future::pending::<()>().await;
        drop((stream, far));
    });
    (Connection::accept(near, &Acceptor::default()).await.unwrap(), stall)
}

/// Tells when a message is accepted.
struct Teller(tokio::sync::mpsc::UnboundedSender<()>);

impl Handler for Teller {
    fn on_accepted(&mut self, _: &mut Context<'_>, _: DeliveryKey) {
        self.0.send(()).unwrap();
    }
}

/// Does something in the container, and gives what comes of it.
async fn ask<R: Send + 'static>(
    injector: &Injector,
    work: impl FnOnce(&mut Context<'_>) -> R + Send + 'static,
) -> R {
    let (tell, told) = oneshot::channel();
    injector.inject(move |cx| drop(tell.send(work(cx)))).unwrap();
    told.await.unwrap()
}

/// A peer that reads nothing keeps nobody else from sending, and the container that is dropped leaves it.
#[tokio::test]
async fn a_peer_that_stalls_stops_nobody_else() {
    let (url, worker_injector, worker) = worker().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stalling_url = format!("amqp://{}", listener.local_addr().unwrap());
    let stalling = tokio::spawn(stalling(listener));

    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut container = Container::new(Teller(tell));
    let stuck = container.connect(stalling_url);
    let stuck = container.with(|cx| cx.create_sender(stuck, "jobs"));
    let other = container.connect(url);
    let other = container.with(|cx| cx.create_sender(other, "jobs"));
    let injector = container.injector();
    let running = tokio::spawn(container.run());

    let (server, stall) = stalling.await.unwrap();
    let session = server.next_session().await.unwrap().unwrap().accept().unwrap();
    let Some(OfferedLink::Receiver(link)) = session.next_link().await.unwrap() else { panic!("a link") };
    let receiver = link.accept().unwrap();
    while ask(&injector, move |cx| cx.try_send(stuck, "first").is_err()).await {}
    assert!(receiver.recv().await.unwrap().is_some());
    stall.send(()).unwrap();
    // Until nothing fits anywhere any more.
    let big = Message::new(vec![0; 1 << 20]);
    let mut refused = 0;
    while refused < 10 {
        let big = big.clone();
        let is_sent = ask(&injector, move |cx| cx.try_send(stuck, big).is_ok()).await;
        refused = if is_sent { 0 } else { refused + 1 };
    }
    while told.try_recv().is_ok() {}
    for _ in 0..100 {
        while ask(&injector, move |cx| cx.try_send(other, "job").is_err()).await {}
        told.recv().await.unwrap();
    }
    running.abort();
    assert!(running.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(injector.stop(), Err(Stopped));
    worker_injector.stop().unwrap();
    assert_eq!(worker.await.unwrap(), 100);
}

/// Who is in the middle of it when the future that runs a container is dropped, is told that it is over.
#[tokio::test]
async fn a_container_that_is_dropped_closes() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let running = tokio::spawn(Container::new(Slow { url, ..Slow::default() }).run());
    let server = listener.accept().await.unwrap().open().await.unwrap();
    let sender = next_sender(&server).await;
    let sent = sender.send_queued("job").await.unwrap();
    running.abort();
    let ended = server.closed().await;
    assert_eq!((ended.origin(), ended.error()), (Origin::Remote, None));
    drop(sent);
}
