//! A container as a future: a peer that stalls, and a dropped future.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[allow(dead_code)]
#[path = "../../amqp-proto/adapter-tests/tests/common/handlers.rs"]
mod handlers;

use std::sync::mpsc;

use amqp_tokio::handler::{Context, DeliveryToken, Handler};
use amqp_tokio::message::Message;
use amqp_tokio::{Acceptor, Connection, Container, Injector, Listener, OfferedLink, Origin, Sender, Stopped};
use handlers::{Slow, Worker};
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

/// Accepts the next link of the peer, on which the server sends.
async fn next_sender(server: &Connection) -> Sender {
    let session = server.next_session().await.unwrap().unwrap().accept().unwrap();
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Sender(link)) => link.accept().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Forwards octets between a client and an open server until told to stop; then reads nothing.
async fn stalling(listener: TcpListener) -> (Connection, oneshot::Sender<()>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let (stall, stalled) = oneshot::channel();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut stream, &mut far) => return,
            _ = stalled => {}
        }
        // Keeps the streams without reading them.
        std::future::pending::<()>().await;
        drop((stream, far));
    });
    (Connection::accept(near, &Acceptor::default()).await.unwrap(), stall)
}

/// Reports when a message is accepted.
struct Teller(tokio::sync::mpsc::UnboundedSender<()>);

impl Handler for Teller {
    fn on_accepted(&mut self, _: &mut Context<'_>, _: DeliveryToken) {
        self.0.send(()).unwrap();
    }
}

/// Runs a closure in the container, and returns its result.
async fn ask<R: Send + 'static>(
    injector: &Injector,
    work: impl FnOnce(&mut Context<'_>) -> R + Send + 'static,
) -> R {
    let (tell, told) = oneshot::channel();
    injector.inject(move |cx| drop(tell.send(work(cx)))).unwrap();
    told.await.unwrap()
}

/// A peer that does not read delays no other, and a dropped container leaves it.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_stalled_peer_does_not_stop_others() {
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
    // Until all buffers are full.
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

/// When the future of a container is dropped, peers learn that their connections are over.
#[tokio::test]
#[adapter_tests::bounded]
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
