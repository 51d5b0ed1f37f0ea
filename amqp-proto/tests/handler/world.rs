//! Handlers use connections, listeners and timers, and stop their container.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use amqp_proto::config::{Options, SenderOptions, SessionOptions};
use amqp_proto::handler::{Action, ConnectionToken, Context, Dispatcher, Handler, ListenerToken};
use amqp_proto::types::Moment;
use amqp_proto::{Connection, Event, SettleError, StaleKey};
use bytes::Buf;

use crate::net::{Net, Noter, same};

/// A container with two connections: keys and deliveries of both are distinct, and one connection can act on the
/// other.
#[test]
fn connections_are_distinct() {
    let clients = Noter {
        start: Some(Box::new(|cx, ()| {
            for _ in 0..2 {
                let connection = cx.connect("amqp://example.com");
                cx.create_sender(connection, "jobs");
            }
        })),
        sendable: Some(Box::new(|cx, sender| {
            let connection = cx.connection_of(sender).unwrap();
            assert_eq!(cx.current(), Some(connection));
            assert_eq!(cx.send(sender, "job").unwrap().connection(), connection);
        })),
        ..Noter::default()
    };
    let held = Rc::new(RefCell::new(Vec::new()));
    let hold = held.clone();
    // A message is accepted when the next arrives, on either connection.
    let servers = Noter {
        receiver_offered: Some(Box::new(|_, _| {
            let options = amqp_proto::config::ReceiverOptions::new().with_auto_accept(false);
            amqp_proto::handler::Decision::Accept(options)
        })),
        message: Some(Box::new(move |cx, message| {
            if let Some(before) = hold.borrow().last() {
                assert_ne!(*before, message.token());
                cx.accept(*before).unwrap();
            }
            hold.borrow_mut().push(message.token());
        })),
        ..Noter::default()
    };
    let mut net = Net::new(clients, servers);
    net.drive();
    assert_eq!((net.servers.count("message"), net.clients.count("accepted")), (2, 1));
    let [first, second] = held.borrow()[..] else { panic!() };
    assert_eq!(first.to_string(), second.to_string());
    assert_ne!(first.connection(), second.connection());
    // After one connection ends, its keys are stale and the other goes on.
    net.server.with(net.now, |cx| assert!(cx.close_connection(first.connection())));
    net.drive();
    assert_eq!((net.joined.len(), net.clients.count("connection_closed")), (1, 1));
    net.server.with(net.now, |cx| {
        assert_eq!(cx.accept(first), Err(SettleError::Settled));
        cx.accept(second).unwrap();
    });
    net.drive();
    assert_eq!(net.clients.count("accepted"), 2);
}

/// Timers fire in the order of their deadlines, also late, and not after they are cancelled.
#[test]
fn timers_come_in_order() {
    let clients = Noter {
        start: Some(Box::new(|cx, ()| {
            for (after, id) in [(30, 3), (10, 1), (20, 2), (10, 11), (20, 9), (0, 0)] {
                cx.schedule(Duration::from_millis(after), id);
            }
            cx.cancel(9);
        })),
        timer: Some(Box::new(|cx, id| match id {
            0 => cx.schedule(Duration::ZERO, 100),
            2 => cx.cancel(3),
            _ => {}
        })),
        ..Noter::default()
    };
    let mut net = Net::new(clients, Noter::default());
    assert_eq!(net.client.next_deadline(), Some(Moment::START));
    net.client.dispatch(net.now, &mut net.clients);
    same(&net.clients.take(), &["start", "timer 0"]);
    net.client.dispatch(net.now, &mut net.clients);
    same(&net.clients.take(), &["timer 100"]);
    assert_eq!(net.client.next_deadline(), Some(Moment::from_millis(10)));
    assert!(!net.client.is_finished());
    net.client.dispatch(Moment::from_millis(9), &mut net.clients);
    same(&net.clients.take(), &[] as &[&str; 0]);
    net.client.dispatch(Moment::from_millis(1_000), &mut net.clients);
    same(&net.clients.take(), &["timer 1", "timer 11", "timer 2"]);
    assert_eq!(net.client.next_deadline(), None);
    assert!(net.client.is_finished());
}

/// The container keeps the deadlines of connections: a peer that never opens is given up.
#[test]
fn deadlines_of_connections_are_kept() {
    let mut noter = Noter::default();
    let mut all = Dispatcher::new();
    let options = Options::new("server").with_open_timeout(Duration::from_millis(500));
    let key = all.add(Connection::server(options, Moment::START)).unwrap();
    all.dispatch(Moment::START, &mut noter);
    assert_eq!(all.next_deadline(), Some(Moment::from_millis(500)));
    all.dispatch(Moment::from_millis(499), &mut noter);
    assert_eq!(noter.notes, [""; 0]);
    all.dispatch(Moment::from_millis(500), &mut noter);
    assert_eq!((noter.count("connection_error"), noter.count("connection_closed")), (1, 1));
    assert_eq!((all.next_deadline(), all.poll_changed(), all.poll_changed()), (None, Some(key), None));
    assert!(all.remove(key).unwrap().is_over());
    assert!(all.remove(key).is_none() && all.connection(key).is_none());
    assert!(all.is_finished());
}

/// Only connections with output, or that are over, are reported as changed.
#[test]
fn changed_connections_are_reported_once() {
    let mut noter = Noter::default();
    let mut all = Dispatcher::new();
    let quiet = all.add(Connection::server(Options::new("server"), Moment::START)).unwrap();
    let client = all.add(Connection::client(Options::new("client"), Moment::START)).unwrap();
    all.dispatch(Moment::START, &mut noter);
    assert_eq!((all.poll_changed(), all.poll_changed()), (Some(client), None));
    all.dispatch(Moment::START, &mut noter);
    assert_eq!(all.poll_changed(), None);
    all.connection(quiet).unwrap().end_of_input();
    all.dispatch(Moment::START, &mut noter);
    assert_eq!((all.poll_changed(), all.poll_changed()), (Some(quiet), None));
}

/// A connection with very many events does not block the others: each gets its turn, and output is written in
/// between.
#[test]
fn connections_take_turns() {
    const MESSAGES: usize = 90;
    let (mut noter, mut all) = (Noter::default(), Dispatcher::new());
    let [busy, other] =
        [0; 2].map(|_| all.add(Connection::server(Options::new("server"), Moment::START)).unwrap());
    let mut client = Connection::client(Options::new("client"), Moment::START);
    let mut sender = None;
    for _ in 0..4 {
        all.connection(busy).unwrap().receive(Moment::START, &client.output().copy_to_bytes(usize::MAX));
        all.dispatch(Moment::START, &mut noter);
        client.receive(Moment::START, &all.connection(busy).unwrap().output().copy_to_bytes(usize::MAX));
        while let Some(event) = client.poll_event() {
            match event {
                Event::Opened => {
                    let session = client.begin(SessionOptions::new()).unwrap();
                    let mut session = client.session(session).unwrap();
                    session.attach_sender("jobs", SenderOptions::to("jobs")).unwrap();
                }
                Event::Sendable(key) => sender = Some(key),
                _ => {}
            }
        }
    }
    for _ in 0..MESSAGES {
        client.sender(sender.unwrap()).unwrap().send("job").unwrap();
    }
    let mut late = Connection::client(Options::new("late"), Moment::START);
    all.connection(busy).unwrap().receive(Moment::START, &client.output().copy_to_bytes(usize::MAX));
    all.connection(other).unwrap().receive(Moment::START, &late.output().copy_to_bytes(usize::MAX));
    while all.poll_changed().is_some() {}
    noter.take();
    all.dispatch(Moment::START, &mut noter);
    let told = noter.count("message");
    assert!((1..MESSAGES).contains(&told) && noter.count("connection_opened") == 1, "{told} at once");
    assert!(all.has_events() && all.next_deadline() == Some(Moment::START));
    assert!(std::iter::from_fn(|| all.poll_changed()).any(|key| key == busy), "its answers wait");
    all.dispatch(Moment::START, &mut noter);
    assert_eq!((noter.count("message"), all.has_events()), (MESSAGES, false));
}

/// Listeners are requested, reported, refused and closed.
#[test]
fn listeners_come_and_go() {
    let keys = Rc::new(RefCell::new(Vec::<ListenerToken>::new()));
    let key = keys.clone();
    let clients = Noter {
        start: Some(Box::new(move |cx, ()| {
            key.borrow_mut().extend([cx.listen("here"), cx.listen("taken"), cx.listen("there")]);
        })),
        ..Noter::default()
    };
    let mut net = Net::new(clients, Noter::default());
    net.drive();
    net.client.dispatch(net.now, &mut net.clients);
    same(
        &net.clients.take(),
        &["start", "listening here:5672", "listen_error Transport", "listening there:5672"],
    );
    let keys = keys.borrow().clone();
    net.client.with(net.now, |cx| {
        assert!(cx.close_listener(keys[0]));
        assert!(!cx.close_listener(keys[0]) && !cx.close_listener(keys[1]));
    });
    net.drive();
    same(&net.clients.take(), &["unlisten"]);
    assert_eq!(net.client.listening(keys[0], "too late"), Err(StaleKey));
    net.client.not_listening(keys[2], "broken");
    net.client.dispatch(net.now, &mut net.clients);
    assert_eq!(net.clients.count("listen_error"), 1);
    assert!(net.client.is_finished());
}

/// `stop` ends all connections, listeners and timers, and the container is then finished.
#[test]
fn stop_ends_all() {
    let clients = Noter {
        start: Some(Box::new(|cx, ()| {
            cx.listen("here");
            let connection = cx.connect("amqp://example.com");
            cx.create_sender(connection, "jobs");
            cx.schedule(Duration::from_millis(1_000), 1);
        })),
        link_opened: Some(Box::new(|cx, _| {
            let unmade = cx.connect("amqp://example.org");
            cx.create_receiver(unmade, "jobs");
            cx.stop();
        })),
        ..Noter::default()
    };
    let mut net = Net::new(clients, Noter::default());
    net.drive();
    net.client.dispatch(net.now, &mut net.clients);
    assert!(net.client.is_finished(), "{:?}", net.client);
    assert_eq!((net.clients.count("connection_closed"), net.clients.count("unlisten")), (2, 1));
    assert_eq!((net.clients.count("link_closed"), net.clients.count("timer")), (2, 0));
    assert_eq!(net.clients.count("link_error") + net.clients.count("connection_error"), 0);
}

/// A connection that is ready after it was closed is dropped.
#[test]
fn a_connection_made_too_late_is_dropped() {
    let mut noter = Noter::default();
    let mut all = Dispatcher::new();
    let connection = all.with(Moment::START, |cx| cx.connect("amqp://example.com"));
    let asked = Action::Connect { connection, url: "amqp://example.com".into() };
    assert_eq!((all.poll_action(), all.poll_action()), (Some(asked), None));
    let made = || Connection::client(Options::new("client"), Moment::START);
    all.with(Moment::START, |cx| assert!(cx.close_connection(connection)));
    assert_eq!(all.connected(connection, made()), Err(StaleKey));
    all.dispatch(Moment::START, &mut noter);
    assert_eq!(all.connected(connection, made()), Err(StaleKey));
    all.not_connected(connection, "too late");
    all.dispatch(Moment::START, &mut noter);
    assert_eq!(noter.notes, ["connection_closed Local"]);
    assert!(all.is_finished());
}

/// A handler without methods has the default behaviour, also behind a pointer.
#[test]
fn the_defaults_do_nothing_and_accept() {
    struct Idle;
    impl Handler for Idle {}
    let mut handler: Box<dyn Handler> = Box::new(Idle);
    let mut all = Dispatcher::new();
    all.start(Moment::START, &mut *handler);
    all.add(Connection::server(Options::new("server"), Moment::START)).unwrap();
    all.dispatch(Moment::START, &mut *handler);
    assert!(!all.is_finished());

    let servers = Noter::default();
    let clients = Noter {
        start: Some(Box::new(|cx: &mut Context<'_>, ()| {
            let connection: ConnectionToken = cx.connect("amqp://example.com");
            cx.create_receiver(connection, "jobs");
            cx.create_sender(connection, "jobs");
        })),
        ..Noter::default()
    };
    let mut net = Net::new(clients, servers);
    net.drive();
    assert_eq!((net.servers.count("link_opened"), net.clients.count("link_opened")), (2, 2));
}
