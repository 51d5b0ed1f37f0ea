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
use std::thread;

use amqp_blocking::handler::Handler;
use amqp_blocking::{Container, Injector};
use programs::{Broker, Client, HelloWorld, Server, SimpleRecv, SimpleSend};

fn started<H: Handler + Send + 'static>(handler: H) -> (Injector, thread::JoinHandle<()>) {
    let (injectors, injector) = mpsc::channel();
    let running = thread::spawn(move || {
        let container = Container::new(handler);
        injectors.send(container.injector()).unwrap();
        container.run().map(drop).unwrap();
    });
    (injector.recv().unwrap(), running)
}

/// Runs a test against a broker, which nothing that its clients do may end.
fn with_broker(test: impl FnOnce(String)) {
    let (urls, url) = mpsc::channel();
    let (injector, running) = started(Broker::telling(urls));
    test(url.recv().unwrap());
    injector.stop().unwrap();
    running.join().unwrap();
}

/// The sender is closed behind its only message.
#[test]
fn hello_world() {
    with_broker(|url| {
        for _ in 0..20 {
            let hello = HelloWorld { url: url.clone(), ..HelloWorld::default() };
            assert_eq!(Container::new(hello).run().unwrap().said, ["Hello World!"]);
        }
    });
}

#[test]
fn simple_send_and_simple_recv() {
    with_broker(|url| {
        let recv = SimpleRecv { url: url.clone(), expected: 500, ..SimpleRecv::default() };
        let recv = thread::spawn(move || Container::new(recv).run().unwrap());
        let send = Container::new(SimpleSend { url, total: 500, ..SimpleSend::default() }).run().unwrap();
        assert_eq!((send.sent, send.confirmed), (500, 500));
        let expected: Vec<_> = (1..=500).map(|number| format!("sequence {number}")).collect();
        assert_eq!(recv.join().unwrap().received, expected);
    });
}

/// T-CREDIT-06: neither program looks at credit, or waits for its link; what they send waits for both.
#[test]
fn client_and_server() {
    with_broker(|url| {
        let (injector, serving) = started(Server { url: url.clone(), ..Server::default() });
        for _ in 0..20 {
            let requests = ["one", "two", "three"].map(String::from).into();
            let client = Client { url: url.clone(), requests, ..Client::default() };
            let answers = Container::new(client).run().unwrap().answers;
            assert_eq!(answers, ["one => ONE", "two => TWO", "three => THREE"]);
        }
        injector.stop().unwrap();
        serving.join().unwrap();
    });
}
