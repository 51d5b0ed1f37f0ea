//! The handler style over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::handler::{
    ConnectionKey, Context, DeliveryKey, Handler, Incoming, ListenerKey, ReceiverKey, SenderKey,
};
use amqp_blocking::message::Message;
use amqp_blocking::wire::{Condition, DeliveryState, Error as AmqpError, Modified, Outcome};
use amqp_blocking::{Accepted, Acceptor, Connection, Container, Injector, Listener, Origin, Reason, Stopped};

/// Does with each message what its subject says.
struct Worker {
    addresses: mpsc::Sender<String>,
    received: usize,
}

impl Handler for Worker {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen("127.0.0.1:0");
    }

    fn on_listening(&mut self, _: &mut Context<'_>, _: ListenerKey, address: &str) {
        self.addresses.send(format!("amqp://{address}")).unwrap();
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: Incoming) {
        self.received += 1;
        let subject = incoming.message().unwrap().properties().unwrap().subject;
        let key = incoming.key();
        match subject.as_deref() {
            Some("reject") => cx.reject(key, AmqpError::new(Condition::NotAllowed)).unwrap(),
            Some("release") => cx.release(key).unwrap(),
            Some("modify") => cx.modify(key, Modified::default()).unwrap(),
            _ => {}
        }
    }
}

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

/// Sends messages of all kinds, and counts what comes of them.
#[derive(Default)]
struct Jobs {
    url: String,
    to_send: usize,
    sent: usize,
    outcomes: [usize; 4],
    settled: usize,
}

impl Jobs {
    fn decided(&mut self, cx: &mut Context<'_>, outcome: usize, delivery: DeliveryKey) {
        self.outcomes[outcome] += 1;
        if self.outcomes.iter().sum::<usize>() == self.to_send {
            cx.close_connection(delivery.connection());
        }
    }
}

impl Handler for Jobs {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_sender(connection, "jobs");
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderKey) {
        while self.sent < self.to_send {
            let subject = ["accept", "reject", "release", "modify"][self.sent % 4];
            if cx.send(sender, Message::from("job").with_subject(subject)).is_err() {
                return;
            }
            self.sent += 1;
        }
    }

    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey) {
        self.decided(cx, 0, delivery);
    }

    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey, error: Option<&AmqpError>) {
        assert_eq!(error.map(|error| &error.condition), Some(&Condition::NotAllowed));
        self.decided(cx, 1, delivery);
    }

    fn on_released(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey) {
        self.decided(cx, 2, delivery);
    }

    fn on_modified(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey, _: &Modified) {
        self.decided(cx, 3, delivery);
    }

    fn on_settled(&mut self, _: &mut Context<'_>, _: DeliveryKey) {
        self.settled += 1;
    }
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

/// Takes messages only when it has been told to, and decides later.
#[derive(Default)]
struct Slow {
    url: String,
    kept: Option<DeliveryKey>,
    ticks: u64,
}

impl Handler for Slow {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        let options = ReceiverOptions::from("jobs").with_prefetch(1).with_auto_accept(false);
        cx.create_receiver_with(connection, "slow", &options);
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: Incoming) {
        self.kept = Some(incoming.key());
        cx.schedule(1, 5);
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, id: u64) {
        self.ticks += id;
        cx.accept(self.kept.unwrap()).unwrap();
    }
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

/// Notes how its connection ended.
#[derive(Default)]
struct Lonely {
    url: String,
    errors: Vec<String>,
    closed: usize,
    not_listening: usize,
}

impl Handler for Lonely {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.connect(self.url.as_str());
        cx.connect("http://localhost");
        cx.connect("amqps://localhost");
        cx.listen("no address");
    }

    fn on_transport_error(&mut self, _: &mut Context<'_>, _: ConnectionKey, reason: &Reason) {
        self.errors.push(reason.to_string());
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: ConnectionKey, _: &Reason) {
        self.closed += 1;
    }

    fn on_listen_error(&mut self, _: &mut Context<'_>, _: ListenerKey, _: &Reason) {
        self.not_listening += 1;
    }
}

#[test]
fn what_cannot_be_reached_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lonely = Lonely { url: format!("amqp://{free}"), ..Lonely::default() };
    let lonely = Container::new(lonely).run().unwrap();
    assert_eq!((lonely.errors.len(), lonely.closed, lonely.not_listening), (3, 3, 1));
    for (words, why) in [("refused", 1), ("TLS", 1), ("begins with amqp://", 1)] {
        let said = lonely.errors.iter().filter(|error| error.contains(words)).count();
        assert_eq!(said, why, "{words}: {:?}", lonely.errors);
    }
}

/// Work comes from other threads; the container waits for it.
#[test]
fn work_is_injected_from_many_threads() {
    struct Idle;
    impl Handler for Idle {
        fn on_message(&mut self, _: &mut Context<'_>, _: Incoming) {}
    }
    let (url, worker_injector, worker) = worker();
    let mut container = Container::new(Idle).auto_stop(false);
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
                    injector.inject(move |cx| tell.send(cx.send(sender, "job").is_ok()).unwrap()).unwrap();
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
    #[derive(Default)]
    struct Client {
        url: String,
        origins: Vec<Origin>,
        lost: usize,
        receiver: Option<ReceiverKey>,
    }
    impl Handler for Client {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            let connection = cx.connect(self.url.as_str());
            cx.create_sender(connection, "jobs");
            self.receiver = Some(cx.create_receiver(connection, "answers"));
        }
        fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderKey) {
            cx.send(sender, "job").unwrap();
        }
        fn on_delivery_lost(&mut self, _: &mut Context<'_>, _: DeliveryKey, _: Option<&DeliveryState>) {
            self.lost += 1;
        }
        fn on_connection_closed(&mut self, _: &mut Context<'_>, _: ConnectionKey, reason: &Reason) {
            self.origins.push(reason.origin);
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let client = thread::spawn(move || Container::new(Client { url, ..Client::default() }).run().unwrap());
    let stream = listener.accept().unwrap().0;
    let killer = stream.try_clone().unwrap();
    let server = Acceptor::default().accept(stream).unwrap();
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
