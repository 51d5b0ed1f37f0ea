//! Proton's introductory programs against a broker, over sockets.

use std::sync::mpsc;

use super::common::told;
use super::programs::{Broker, Client, HelloWorld, Server, SimpleRecv, SimpleSend};
use crate::adapter::{self, Task, spawn};
use crate::amqp::handler::Handler;
use crate::amqp::{Container, Injector};

#[adapter::helper]
fn started<H: Handler + Send + 'static>(handler: H) -> (Injector, Task<()>) {
    let container = Container::new(handler);
    let injector = container.injector();
    let running = spawn(async move { container.run().await.map(drop).unwrap() });
    (injector, running)
}

/// Starts a broker, which no client can end.
#[adapter::helper]
async fn broker() -> (String, Injector, Task<()>) {
    let (urls, url) = mpsc::channel();
    let (injector, running) = started(Broker::telling(urls));
    let url = told(url).await;
    (url, injector, running)
}

/// The sender is closed right behind its only message.
#[adapter::test]
async fn hello_world() {
    let (url, injector, running) = broker().await;
    for _ in 0..20 {
        let hello = HelloWorld { url: url.clone(), ..HelloWorld::default() };
        assert_eq!(Container::new(hello).run().await.unwrap().said, ["Hello World!"]);
    }
    injector.stop().unwrap();
    running.join().await.unwrap();
}

#[adapter::test]
async fn simple_send_and_simple_recv() {
    let (url, injector, running) = broker().await;
    let recv = SimpleRecv { url: url.clone(), expected: 500, ..SimpleRecv::default() };
    let recv = spawn(async move { Container::new(recv).run().await.unwrap() });
    let send = Container::new(SimpleSend { url, total: 500, ..SimpleSend::default() }).run().await.unwrap();
    assert_eq!((send.sent, send.confirmed), (500, 500));
    let expected: Vec<_> = (1..=500).map(|number| format!("sequence {number}")).collect();
    assert_eq!(recv.join().await.unwrap().received, expected);
    injector.stop().unwrap();
    running.join().await.unwrap();
}

/// T-CREDIT-06: the programs wait neither for credit nor for their links; their messages do.
#[adapter::test]
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
    serving.join().await.unwrap();
    injector.stop().unwrap();
    running.join().await.unwrap();
}
