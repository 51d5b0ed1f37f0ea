//! Proton's first programs against a broker, over sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[path = "../../amqp-proto/tests/handler/programs.rs"]
mod programs;

use std::sync::mpsc;

use amqp_tokio::handler::Handler;
use amqp_tokio::{Container, Injector};
use programs::{Broker, Client, HelloWorld, Server, SimpleRecv, SimpleSend};
use tokio::task::JoinHandle;

fn started<H: Handler + Send + 'static>(handler: H) -> (Injector, JoinHandle<()>) {
    let container = Container::new(handler);
    let injector = container.injector();
    let running = tokio::spawn(async { container.run().await.map(drop).unwrap() });
    (injector, running)
}

/// Starts a broker, which nothing that its clients do may end.
async fn broker() -> (String, Injector, JoinHandle<()>) {
    let (urls, url) = mpsc::channel();
    let (injector, running) = started(Broker::telling(urls));
    let url = tokio::task::spawn_blocking(move || url.recv().unwrap()).await.unwrap();
    (url, injector, running)
}

/// The sender is closed behind its only message.
#[tokio::test]
async fn hello_world() {
    let (url, injector, running) = broker().await;
    for _ in 0..20 {
        let hello = HelloWorld { url: url.clone(), ..HelloWorld::default() };
        assert_eq!(Container::new(hello).run().await.unwrap().said, ["Hello World!"]);
    }
    injector.stop().unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn simple_send_and_simple_recv() {
    let (url, injector, running) = broker().await;
    let recv = SimpleRecv { url: url.clone(), expected: 500, ..SimpleRecv::default() };
    let recv = tokio::spawn(Container::new(recv).run());
    let send = Container::new(SimpleSend { url, total: 500, ..SimpleSend::default() }).run().await.unwrap();
    assert_eq!((send.sent, send.confirmed), (500, 500));
    let expected: Vec<_> = (1..=500).map(|number| format!("sequence {number}")).collect();
    assert_eq!(recv.await.unwrap().unwrap().received, expected);
    injector.stop().unwrap();
    running.await.unwrap();
}

/// T-CREDIT-06: neither program looks at credit, or waits for its link; what they send waits for both.
#[tokio::test]
async fn client_and_server() {
    let (url, injector, running) = broker().await;
    let (server, serving) = started(Server { url: url.clone(), ..Server::default() });
    for _ in 0..20 {
        let requests = ["one", "two", "three"].map(String::from).into();
        let client = Client { url: url.clone(), requests, ..Client::default() };
        let answers = Container::new(client).run().await.unwrap().answers;
        assert_eq!(answers, ["one => ONE", "two => TWO", "three => THREE"]);
    }
    server.stop().unwrap();
    serving.await.unwrap();
    injector.stop().unwrap();
    running.await.unwrap();
}
