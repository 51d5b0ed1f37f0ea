//! Handlers in containers, over sockets.

use std::net::{Shutdown, TcpListener};
use std::sync::mpsc;

use super::common::handlers::{Client, Jobs, Lonely, Panicking, Plain, Refusing, Slow, Worker};
use super::common::proxy::Proxy;
use super::common::{listener, next_client, next_sender, next_session, told};
use crate::adapter::{self, Task, on_thread, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::handler::{Context, Handler, ReceivedMessage, SenderToken};
use crate::amqp::message::Message;
use crate::amqp::sasl::ServerSasl;
use crate::amqp::wire::{Condition, Outcome};
use crate::amqp::{Acceptor, Connection, Container, Error, Injector, OfferedLink, Origin, Result, Stopped};

/// Starts a server that treats each message as its subject says. Its result is the number of messages.
#[adapter::helper]
async fn worker() -> (String, Injector, Task<usize>) {
    let (addresses, address) = mpsc::channel();
    let container = Container::new(Worker { addresses, received: 0 });
    let injector = container.injector();
    let worker = spawn(async move { container.run().await.unwrap().received });
    (told(address).await, injector, worker)
}

#[adapter::test]
async fn handlers_at_both_ends() {
    const MESSAGES: usize = 4_000;
    let (url, injector, worker) = worker().await;
    let jobs = Container::new(Jobs { url, to_send: MESSAGES, ..Jobs::default() }).run().await.unwrap();
    assert_eq!((jobs.outcomes, jobs.settled), ([MESSAGES / 4; 4], MESSAGES));
    injector.stop().unwrap();
    assert_eq!(worker.join().await.unwrap(), MESSAGES);
    assert_eq!(injector.stop(), Err(Stopped));
}

#[adapter::test]
async fn a_handler_and_handles() {
    let (url, injector, worker) = worker().await;
    let connection = Connection::open(&url).await.unwrap();
    let sender = connection.sender("jobs").attach().await.unwrap();
    assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
    assert_eq!(sender.send(Message::from("job").with_subject("release")).await.unwrap(), Outcome::Released);
    let large = Message::new(vec![7; 3 << 20]);
    assert_eq!(sender.send(large).await.unwrap(), Outcome::Accepted);
    injector.stop().unwrap();
    assert_eq!(worker.join().await.unwrap(), 3);
    let ended = connection.closed().await;
    assert_eq!((ended.origin(), ended.error()), (Origin::Remote, None));
}

/// Without auto-accept, the handler accepts a message, here in a timer.
#[adapter::test]
async fn timers_and_explicit_acknowledgement() {
    let (listener, url) = listener().await;
    let slow = spawn(async move { Container::new(Slow { url, ..Slow::default() }).run().await.unwrap() });
    let server = next_client(&listener).await;
    let session = next_session(&server).await;
    let sender = next_sender(&session).await;
    for _ in 0..3 {
        assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
    }
    server.close().await.unwrap();
    assert_eq!(slow.join().await.unwrap().ticks, 15);
}

#[adapter::test]
async fn what_cannot_be_reached_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lonely = Lonely { url: format!("amqp://{free}"), ..Lonely::default() };
    let lonely = Container::new(lonely).run().await.unwrap();
    assert_eq!((lonely.errors.len(), lonely.closed, lonely.not_listening), (3, 3, 1));
    for (words, why) in [("refused", 2), ("does not begin with amqp://", 1)] {
        let said = lonely.errors.iter().filter(|error| error.contains(words)).count();
        assert_eq!(said, why, "{words}: {:?}", lonely.errors);
    }
}

/// Returns the error with which a container ends.
#[adapter::helper]
async fn ends_with(url: String) -> Error {
    Container::new(Plain(url)).run().await.map(drop).expect_err("the error was not told")
}

/// Starts a server with this acceptor that refuses all links.
#[adapter::helper]
async fn refusing(acceptor: Acceptor) -> (String, Injector, Task<Result<()>>) {
    let (addresses, address) = mpsc::channel();
    let container = Container::new(Refusing { addresses }).with_acceptor(acceptor);
    let injector = container.injector();
    let serving = spawn(async move { container.run().await.map(drop) });
    (told(address).await, injector, serving)
}

#[adapter::test]
async fn what_cannot_be_reached_ends_the_container() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = taken.local_addr().unwrap();
    let error = ends_with(format!("listen {free}")).await;
    assert!(matches!(&error, Error::Io(_)) && error.to_string().contains("127.0.0.1"), "{error}");
    drop(taken);
    let error = ends_with(format!("amqp://{free}")).await;
    assert!(matches!(&error, Error::Io(_)) && error.to_string().contains("refused"), "{error}");
    let error = ends_with("http://localhost".into()).await;
    assert!(matches!(&error, Error::Address(_)), "{error}");
}

/// A refused link, a refused client, and a broken transport end the client's container; the server continues.
#[adapter::test]
async fn refusals_of_the_peer_end_the_container() {
    let (url, injector, serving) = refusing(Acceptor::default()).await;
    for _ in 0..2 {
        let error = ends_with(url.clone()).await;
        assert!(matches!(&error, Error::Link(_)), "{error}");
        assert_eq!(error.condition(), Some(&Condition::NotFound));
    }
    injector.stop().unwrap();
    serving.join().await.unwrap().unwrap();

    let no_mechanism = Acceptor::default().with_sasl(|peer| ServerSasl::new(peer.security()));
    let (url, injector, serving) = refusing(no_mechanism).await;
    let error = ends_with(url).await;
    assert!(matches!(&error, Error::Connection(_)), "{error}");
    injector.stop().unwrap();
    serving.join().await.unwrap().unwrap();

    let breaking = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", breaking.local_addr().unwrap());
    let breaking = on_thread(move || drop(breaking.accept().unwrap()));
    let error = ends_with(url).await;
    assert_eq!(error.origin(), Some(Origin::Transport), "{error}");
    breaking.join().await.unwrap();
}

/// 3.4.5: a message on which the handler panics is not accepted, and its sender gets an outcome.
#[adapter::test]
async fn a_handler_that_panics_gives_its_message_back() {
    let (addresses, address) = mpsc::channel();
    let serving = spawn(async move { Container::new(Panicking { addresses }).run().await.map(drop) });
    let connection = Connection::open(&told(address).await).await.unwrap();
    let sender = connection.sender("jobs").attach().await.unwrap();
    let outcome = sender.send("job").await.unwrap();
    assert!(matches!(&outcome, Outcome::Modified(modified) if modified.delivery_failed == Some(true)));
    assert_eq!(connection.closed().await.origin(), Origin::Remote);
    assert!(serving.join().await.is_err());
}

struct Idle;

impl Handler for Idle {
    fn on_message(&mut self, _: &mut Context<'_>, _: ReceivedMessage) {}
}

/// Threads inject work; the container waits for it.
#[adapter::test]
async fn work_is_injected_from_many_threads() {
    let (url, worker_injector, worker) = worker().await;
    let mut container = Container::new(Idle).with_auto_stop(false);
    let connection = container.connect(url);
    let senders: Vec<SenderToken> = (0..4)
        .map(|number| container.with(|cx| cx.create_sender(connection, format!("q{number}"))))
        .collect();
    let injector = container.injector();
    let running = spawn(async move { container.run().await.map(drop) });
    let mut threads = Vec::new();
    for sender in senders {
        let injector = injector.clone();
        threads.push(on_thread(move || {
            let mut left = 10;
            while left > 0 {
                let (tell, told) = mpsc::channel();
                injector.inject(move |cx| tell.send(cx.try_send(sender, "job").is_ok()).unwrap()).unwrap();
                left -= u32::from(told.recv().unwrap());
            }
        }));
    }
    for thread in threads {
        thread.join().await.unwrap();
    }
    injector.stop().unwrap();
    running.join().await.unwrap().unwrap();
    worker_injector.stop().unwrap();
    assert_eq!(worker.join().await.unwrap(), 40);
}

/// The error of a killed peer says so, and the container ends.
#[adapter::test]
async fn a_peer_that_breaks_off() {
    let (listener, _) = listener().await;
    let proxy = Proxy::to(listener.local_addr().unwrap());
    let url = format!("amqp://{}", proxy.address);
    let client = spawn(async move { Container::new(Client { url, ..Client::default() }).run().await });
    let server = next_client(&listener).await;
    let session = next_session(&server).await;
    let mut senders = Vec::new();
    let receiver = loop {
        match session.next_link().await.unwrap() {
            Some(OfferedLink::Receiver(link)) => {
                break link.accept_with(ReceiverOptions::new().with_auto_accept(false)).unwrap();
            }
            Some(OfferedLink::Sender(link)) => senders.push(link.accept().unwrap()),
            other => panic!("{other:?}"),
        }
    };
    let delivery = receiver.recv().await.unwrap().unwrap();
    proxy.cut(Shutdown::Both);
    let client = client.join().await.unwrap().unwrap();
    assert_eq!((client.lost, client.origins), (1, vec![Origin::Transport]));
    let _ = delivery.into_undecided();
}
