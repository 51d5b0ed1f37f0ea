//! Proton's introductory programs against a broker, over sockets.

use std::sync::mpsc;

use super::common::{
    listener, next_client, next_commit, next_coordinator, next_receiver, next_sender, next_session, told,
};
use super::programs::{Broker, Client, HelloWorld, Server, SimpleRecv, SimpleSend, TxRecv, TxSend};
use crate::adapter::{self, Task, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::handler::Handler;
use crate::amqp::wire::Outcome;
use crate::amqp::{Container, Coordinator, CoordinatorEvent, Injector};

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

/// Waits until the client has declared a transaction.
#[adapter::helper]
async fn declared(coordinator: &Coordinator) {
    assert!(matches!(coordinator.next().await.unwrap(), Some(CoordinatorEvent::Declared(_))));
}

/// Messages that are sent in transactions exist at the commit, not before.
#[adapter::test]
async fn tx_send() {
    let (listener, url) = listener().await;
    let send = TxSend { url, total: 12, batch_size: 4, ..TxSend::default() };
    let client = spawn(async move { Container::new(send).run().await.unwrap() });
    let server = next_client(&listener).await;
    let session = next_session(&server).await;
    let receiver = next_receiver(&session, ReceiverOptions::new()).await;
    let coordinator = next_coordinator(&session).await;
    let mut queue = Vec::new();
    for _ in 0..3 {
        declared(&coordinator).await;
        let mut parked = Vec::new();
        for _ in 0..4 {
            let delivery = receiver.recv().await.unwrap().unwrap();
            assert!(delivery.state().is_some(), "outside of a transaction");
            parked.push(delivery.message().unwrap().text().unwrap().unwrap().to_string());
            delivery.accept().unwrap();
        }
        next_commit(&coordinator).await.commit(|| queue.append(&mut parked)).unwrap();
    }
    assert_eq!(client.join().await.unwrap().committed, 12);
    let expected: Vec<_> = (1..=12).map(|number| format!("sequence {number}")).collect();
    assert_eq!(queue, expected);
}

/// Messages that are accepted in transactions have their outcome at the commit, not before.
#[adapter::test]
async fn tx_recv() {
    let (listener, url) = listener().await;
    let recv = TxRecv { url, total: 12, batch_size: 4, ..TxRecv::default() };
    let client = spawn(async move { Container::new(recv).run().await.unwrap() });
    let server = next_client(&listener).await;
    let session = next_session(&server).await;
    let sender = next_sender(&session).await;
    let coordinator = next_coordinator(&session).await;
    for batch in 0..3 {
        declared(&coordinator).await;
        let mut sent = Vec::new();
        for number in 1..=4 {
            sent.push(sender.send_queued(format!("sequence {}", 4 * batch + number)).await.unwrap());
        }
        let request = next_commit(&coordinator).await;
        assert!(sent.iter().all(|sent| sent.try_outcome().unwrap().is_none()), "before the commit");
        request.commit(|| ()).unwrap();
        for sent in sent {
            assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
        }
    }
    let client = client.join().await.unwrap();
    let expected: Vec<_> = (1..=12).map(|number| format!("sequence {number}")).collect();
    assert_eq!((client.committed, client.received), (12, expected));
}
