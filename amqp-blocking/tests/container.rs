//! The handler style over sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[path = "common/handlers.rs"]
mod handlers;

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use amqp_blocking::handler::{Context, Handler, ReceivedMessage, SenderKey};
use amqp_blocking::message::Message;
use amqp_blocking::sasl::ServerSasl;
use amqp_blocking::wire::Condition;
use amqp_blocking::wire::Outcome;
use amqp_blocking::{
    Accepted, Acceptor, Connection, Container, Error, Injector, Listener, Origin, Result, Stopped,
};
use handlers::{Client, Jobs, Lonely, Panicking, Plain, Refusing, Slow, Worker};

fn worker() -> (String, Injector, thread::JoinHandle<usize>) {
    let (addresses, address) = mpsc::channel();
    let (injectors, injector) = mpsc::channel();
    let worker = thread::spawn(move || {
        let container = Container::new(Worker { addresses, received: 0 });
        injectors.send(container.injector()).unwrap();
        container.run().unwrap().received
    });
    (address.recv().unwrap(), injector.recv().unwrap(), worker)
}

#[test]
fn handlers_at_both_ends() {
    const MESSAGES: usize = 4_000;
    let (url, injector, worker) = worker();
    let jobs = Container::new(Jobs { url, to_send: MESSAGES, ..Jobs::default() }).run().unwrap();
    assert_eq!((jobs.outcomes, jobs.settled), ([MESSAGES / 4; 4], MESSAGES));
    injector.stop().unwrap();
    assert_eq!(worker.join().unwrap(), MESSAGES);
    assert_eq!(injector.stop(), Err(Stopped));
}

#[test]
fn a_handler_and_a_thread_that_blocks() {
    let (url, injector, worker) = worker();
    let connection = Connection::open(&url).unwrap();
    let sender = connection.sender("jobs").attach().unwrap();
    assert_eq!(sender.send("job").unwrap(), Outcome::Accepted);
    assert_eq!(sender.send(Message::from("job").with_subject("release")).unwrap(), Outcome::Released);
    let large = Message::new(vec![7; 3 << 20]);
    assert_eq!(sender.send(large).unwrap(), Outcome::Accepted);
    injector.stop().unwrap();
    assert_eq!(worker.join().unwrap(), 3);
    let ended = connection.closed();
    assert_eq!((ended.origin(), ended.error()), (Origin::Remote, None));
}

/// With auto-accept off a message is accepted when the handler says so: here, when a timer is due.
#[test]
fn timers_and_explicit_acknowledgement() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let slow = thread::spawn(move || Container::new(Slow { url, ..Slow::default() }).run().unwrap());
    let connection = listener.accept().unwrap().open().unwrap();
    let sender = loop {
        if let Accepted::Sender(sender) = connection.next_offer().unwrap().unwrap().accept().unwrap() {
            break sender;
        }
    };
    for _ in 0..3 {
        assert_eq!(sender.send("job").unwrap(), Outcome::Accepted);
    }
    connection.close().unwrap();
    assert_eq!(slow.join().unwrap().ticks, 15);
}

#[test]
fn what_cannot_be_reached_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lonely = Lonely { url: format!("amqp://{free}"), ..Lonely::default() };
    let lonely = Container::new(lonely).run().unwrap();
    assert_eq!((lonely.errors.len(), lonely.closed, lonely.not_listening), (3, 3, 1));
    for (words, why) in [("refused", 2), ("does not begin with amqp://", 1)] {
        let said = lonely.errors.iter().filter(|error| error.contains(words)).count();
        assert_eq!(said, why, "{words}: {:?}", lonely.errors);
    }
}

/// The error with which a container ends; waited for within bounds, since one that is not told may mean no end at all.
fn ends_with(url: String) -> Error {
    let (ends, end) = mpsc::channel();
    thread::spawn(move || ends.send(Container::new(Plain(url)).run().map(drop)));
    end.recv_timeout(Duration::from_secs(60)).unwrap().expect_err("the error was not told")
}

/// A server that has no link for anybody, and takes its clients by this acceptor.
fn refusing(acceptor: Acceptor) -> (String, Injector, thread::JoinHandle<Result<()>>) {
    let (addresses, address) = mpsc::channel();
    let (injectors, injector) = mpsc::channel();
    let serving = thread::spawn(move || {
        let container = Container::new(Refusing { addresses }).with_acceptor(acceptor);
        injectors.send(container.injector()).unwrap();
        container.run().map(drop)
    });
    (address.recv().unwrap(), injector.recv().unwrap(), serving)
}

#[test]
fn what_cannot_be_reached_ends_the_container() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = ends_with(format!("listen {}", taken.local_addr().unwrap()));
    assert!(matches!(&error, Error::Io(_)) && error.to_string().contains("127.0.0.1"), "{error}");
    let free = taken.local_addr().unwrap();
    drop(taken);
    let error = ends_with(format!("amqp://{free}"));
    assert!(matches!(&error, Error::Io(_)) && error.to_string().contains("refused"), "{error}");
    let error = ends_with("http://localhost".into());
    assert!(matches!(&error, Error::Address(_)), "{error}");
}

/// A link that is refused, a client that is not let in, and a transport that breaks; the server goes on.
#[test]
fn what_the_peer_refuses_ends_the_container() {
    let (url, injector, serving) = refusing(Acceptor::default());
    for _ in 0..2 {
        let error = ends_with(url.clone());
        assert!(matches!(&error, Error::Link(_)), "{error}");
        assert_eq!(error.condition(), Some(&Condition::NotFound));
    }
    injector.stop().unwrap();
    serving.join().unwrap().unwrap();

    let nobody = Acceptor::default().with_sasl(|peer| ServerSasl::new(peer.security()));
    let (url, injector, serving) = refusing(nobody);
    let error = ends_with(url);
    assert!(matches!(&error, Error::Connection(_)), "{error}");
    injector.stop().unwrap();
    serving.join().unwrap().unwrap();

    let breaking = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", breaking.local_addr().unwrap());
    let breaking = thread::spawn(move || drop(breaking.accept().unwrap()));
    let error = ends_with(url);
    assert_eq!(error.origin(), Some(Origin::Transport), "{error}");
    breaking.join().unwrap();
}

/// 3.4.5: a message on which the handler panics is not accepted, and its sender is not left without an answer.
#[test]
fn a_handler_that_panics_gives_its_message_back() {
    let (addresses, address) = mpsc::channel();
    let serving = thread::spawn(move || Container::new(Panicking { addresses }).run().map(drop));
    let url = address.recv().unwrap();
    let (outcomes, outcome) = mpsc::channel();
    let sending = thread::spawn(move || {
        let connection = Connection::open(&url).unwrap();
        let outcome = connection.sender("jobs").attach().unwrap().send("job").unwrap();
        outcomes.send((outcome, connection.closed().origin() == Origin::Remote)).unwrap();
    });
    let (outcome, is_closed) = outcome.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(&outcome, Outcome::Modified(modified) if modified.delivery_failed == Some(true)));
    assert!(is_closed);
    sending.join().unwrap();
    assert!(serving.join().is_err());
}

/// Work comes from other threads; the container waits for it.
#[test]
fn work_is_injected_from_many_threads() {
    struct Idle;
    impl Handler for Idle {
        fn on_message(&mut self, _: &mut Context<'_>, _: ReceivedMessage) {}
    }
    let (url, worker_injector, worker) = worker();
    let mut container = Container::new(Idle).with_auto_stop(false);
    let connection = container.connect(url);
    let senders: Vec<SenderKey> = (0..4)
        .map(|number| container.with(|cx| cx.create_sender(connection, format!("q{number}"))))
        .collect();
    let injector = container.injector();
    let threads: Vec<_> = senders
        .into_iter()
        .map(|sender| {
            let injector = injector.clone();
            thread::spawn(move || {
                let mut left = 10;
                while left > 0 {
                    let (tell, told) = mpsc::channel();
                    injector
                        .inject(move |cx| tell.send(cx.try_send(sender, "job").is_ok()).unwrap())
                        .unwrap();
                    left -= u32::from(told.recv().unwrap());
                }
            })
        })
        .collect();
    let stopping = thread::spawn(move || {
        for thread in threads {
            thread.join().unwrap();
        }
        injector.stop().unwrap();
    });
    container.run().unwrap();
    stopping.join().unwrap();
    worker_injector.stop().unwrap();
    assert_eq!(worker.join().unwrap(), 40);
}

/// A peer that is killed is told of as such, and the container ends.
#[test]
fn a_peer_that_breaks_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let client = thread::spawn(move || Container::new(Client { url, ..Client::default() }).run().unwrap());
    let stream = listener.accept().unwrap().0;
    let killer = stream.try_clone().unwrap();
    let server = Connection::accept(stream, &Acceptor::default()).unwrap();
    let mut receiver = None;
    while receiver.is_none() {
        if let Accepted::Receiver(link) = server.next_offer().unwrap().unwrap().accept().unwrap() {
            receiver = Some(link);
        }
    }
    let delivery = receiver.unwrap().recv().unwrap().unwrap();
    killer.shutdown(std::net::Shutdown::Both).unwrap();
    let client = client.join().unwrap();
    assert_eq!((client.lost, client.origins), (1, vec![Origin::Transport]));
    let _ = delivery.into_undecided();
}
