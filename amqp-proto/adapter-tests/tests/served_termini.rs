//! A service on a listener that keeps its ends of links for its clients.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::common::engine::{Engine, source, target};
use super::common::{accepted_texts, next_client, offered_receiver, offered_sender, told};
use crate::adapter::{self, on_thread, pause};
use crate::amqp::config::{ReceiverOptions, SenderOptions};
use crate::amqp::proto::Event;
use crate::amqp::types::DeliveryTag;
use crate::amqp::wire::{Condition, ExpiryPolicy, Outcome};
use crate::amqp::{
    Acceptor, Connection, Listener, OfferedLink, OfferedReceiver, OfferedSender, Reason, Resumed, Session,
    TerminusStore,
};

const CLOSE: ExpiryPolicy = ExpiryPolicy::ConnectionClose;

/// Listens with a store.
#[adapter::helper]
async fn served(store: TerminusStore) -> (Listener, SocketAddr, Arc<TerminusStore>) {
    let store = Arc::new(store);
    let acceptor = Acceptor::default().with_termini(Arc::clone(&store));
    let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address, store)
}

/// Accepts the next client, and returns the first link on which it sends.
#[adapter::helper]
async fn next_receiver(listener: &Listener) -> (OfferedReceiver, (Session, Connection)) {
    let server = next_client(listener).await;
    let (link, session) = offered_receiver(&server).await;
    (link, (session, server))
}

/// Accepts the next client, and returns the first link on which it receives.
#[adapter::helper]
async fn next_sender(listener: &Listener) -> (OfferedSender, (Session, Connection)) {
    let server = next_client(listener).await;
    let (link, session) = offered_sender(&server).await;
    (link, (session, server))
}

fn options() -> ReceiverOptions {
    ReceiverOptions::new().with_auto_accept(false)
}

/// [2.6.13]: a service that only accepts links resumes them: what was accepted is not sent again, what has no outcome is.
#[adapter::test]
async fn a_service_resumes_the_links_on_which_it_receives() {
    let (listener, address, store) = served(TerminusStore::new(10, 1 << 20)).await;
    let (cut, when) = mpsc::channel();
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let link = client.sender(target("jobs", CLOSE, 60), None);
        let tags: Vec<DeliveryTag> =
            ["accepted", "undecided", "unread"].map(|text| client.send(link, text)).into();
        client.write();
        // The outcome of the first one does not reach the client.
        when.recv().unwrap();
        let state = client.cut();
        let mut client = Engine::connect(address, "client");
        client.sender(target("jobs", CLOSE, 60), Some(state));
        client.fates(&tags)
    });
    let (offered, _held) = next_receiver(&listener).await;
    assert_eq!(offered.address().as_deref(), Some("jobs"));
    let receiver = offered.accept_with(options()).unwrap();
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    let undecided = receiver.recv().await.unwrap().unwrap();
    cut.send(()).unwrap();
    let _ = receiver.closed().await;
    assert_eq!(store.len(), 1);
    drop((undecided, receiver));
    let (offered, _held) = next_receiver(&listener).await;
    let receiver = offered.accept_with(options()).unwrap();
    assert_eq!(accepted_texts::<2>(&receiver).await, ["undecided", "unread"]);
    let accepted = |is_new| (Some(Outcome::Accepted), is_new);
    assert_eq!(client.join().await.unwrap(), [accepted(false), accepted(true), accepted(false)]);
}

/// [2.6.13]: the service sends. The client has accepted one message, and gets the other on the next connection.
#[adapter::test]
async fn a_service_resumes_the_links_on_which_it_sends() {
    let (listener, address, _store) = served(TerminusStore::new(10, 1 << 20)).await;
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let link = client.receiver(source("jobs", CLOSE, 60), None);
        client.amqp.receiver(link).unwrap().set_credit(1).unwrap();
        let (accepted, _) = client.recv(link);
        client.amqp.receiver(link).unwrap().accept(accepted).unwrap();
        let state = client.amqp.receiver(link).unwrap().link_state();
        // The acceptance is not written.
        client.cut();
        let mut client = Engine::connect(address, "client");
        let link = client.receiver(source("jobs", CLOSE, 60), Some(state));
        client.amqp.receiver(link).unwrap().set_credit(10).unwrap();
        let (delivery, text) = client.recv(link);
        client.amqp.receiver(link).unwrap().accept(delivery).unwrap();
        client.settle();
        text
    });
    let (offered, _held) = next_sender(&listener).await;
    let sender = offered.accept().unwrap();
    let tag = sender.send_queued("one").await.unwrap().tag().unwrap();
    let _ = sender.closed().await;
    drop(sender);
    let (offered, _held) = next_sender(&listener).await;
    let sender = offered.accept_with(SenderOptions::new()).unwrap();
    assert_eq!(sender.send("two").await.unwrap(), Outcome::Accepted);
    let news = sender.take_resumed();
    assert!(news.contains(&Resumed::Over { tag, outcome: Some(Outcome::Accepted) }), "{news:?}");
    assert_eq!(client.join().await.unwrap(), "two");
}

/// [3.5.3]: an end expires after the longest timeout that the service gives, which the answer to the attach says. Its
/// messages go back to the service.
#[adapter::test]
async fn an_end_that_expires_gives_its_messages_back() {
    let over = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&over);
    let store = TerminusStore::new(10, 1 << 20)
        .with_longest(Duration::from_secs(1))
        .with_expired(move |state| told.lock().unwrap().push(state));
    let (listener, address, store) = served(store).await;
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let link = client.receiver(source("jobs", CLOSE, 3600), None);
        let granted = client.amqp.receiver(link).unwrap().peer_attach().unwrap().source.unwrap();
        client.amqp.receiver(link).unwrap().set_credit(1).unwrap();
        let _ = client.recv(link);
        client.cut();
        (granted.expiry_policy, granted.timeout)
    });
    let (offered, _held) = next_sender(&listener).await;
    let sender = offered.accept().unwrap();
    let _sent = sender.send_queued("one").await.unwrap();
    assert_eq!(store.next_expiry(), None);
    let _ = sender.closed().await;
    assert_eq!(client.join().await.unwrap(), (CLOSE, 1));
    assert!(store.next_expiry().is_some_and(|left| left <= Duration::from_secs(1)));
    assert!(over.lock().unwrap().is_empty());
    while !store.is_empty() {
        store.expire();
        pause().await;
    }
    let over = over.lock().unwrap();
    let messages: Vec<_> = over.iter().flat_map(|state| state.deliveries()).collect();
    assert_eq!((over.len(), messages.len()), (1, 1));
    assert!(messages[0].message().is_some());
}

/// [3.5.6]: an end that may live for a time after its session begins to expire when the session ends, although the
/// connection stays.
#[adapter::test]
async fn an_end_expires_after_its_session() {
    let (listener, address, store) = served(TerminusStore::new(10, 1 << 20)).await;
    let (looked, when) = mpsc::channel();
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let _link = client.receiver(source("jobs", ExpiryPolicy::SessionEnd, 3600), None);
        let session = client.session;
        client.amqp.session(session).unwrap().end().unwrap();
        client.until(|event| matches!(event, Event::SessionEnded { .. }).then_some(()));
        when.recv().unwrap();
    });
    let (offered, _held) = next_sender(&listener).await;
    let sender = offered.accept().unwrap();
    let _ = sender.closed().await;
    assert_eq!(store.len(), 1);
    assert!(store.next_expiry().is_some());
    looked.send(()).unwrap();
    client.join().await.unwrap();
}

/// L-NAME-03 [2.6.1]: a client that comes back before the service has seen the end of its connection takes its link over.
#[adapter::test]
async fn a_client_that_comes_back_early_takes_its_link_over() {
    let (listener, address, store) = served(TerminusStore::new(10, 1 << 20)).await;
    let (taken, is_taken) = mpsc::channel();
    let client = on_thread(move || {
        let mut old = Engine::connect(address, "client");
        let link = old.sender(target("jobs", CLOSE, 60), None);
        let tag = old.send(link, "job");
        old.settle();
        // The outcome comes later.
        let state = old.amqp.sender(link).unwrap().link_state();
        taken.send(()).unwrap();
        let mut new = Engine::connect(address, "client");
        new.sender(target("jobs", CLOSE, 60), Some(state));
        let stolen = old.until(|event| match event {
            Event::LinkDetached { closed: true, reason, .. } => Some(Reason::clone(reason)),
            _ => None,
        });
        let fate = new.fates(&[tag]);
        (stolen.error.unwrap().condition, fate)
    });
    let (offered, _old) = next_receiver(&listener).await;
    let receiver = offered.accept_with(options()).unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    told(is_taken).await;
    delivery.accept().unwrap();
    let (offered, _new) = next_receiver(&listener).await;
    let _again = offered.accept_with(options()).unwrap();
    assert_eq!(store.len(), 1);
    let fates = vec![(Some(Outcome::Accepted), false)];
    assert_eq!(client.join().await.unwrap(), (Condition::Stolen, fates));
}

/// A client that has its share is refused, and one that asks for nothing is not.
#[adapter::test]
async fn a_client_gets_no_more_than_its_share() {
    let (listener, address, store) = served(TerminusStore::new(10, 1 << 20).with_share(0, 0)).await;
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let mut session = client.amqp.session(client.session).unwrap();
        let options = SenderOptions::new().with_target(target("jobs", CLOSE, 60));
        session.attach_sender("x", options).unwrap();
        let refused = client.until(|event| match event {
            Event::LinkDetached { reason, .. } => reason.error.clone(),
            _ => None,
        });
        let mut session = client.amqp.session(client.session).unwrap();
        session.attach_sender("y", SenderOptions::to("jobs")).unwrap();
        client.until(|event| matches!(event, Event::LinkAttached(_)).then_some(()));
        refused.condition
    });
    let (offered, (session, _server)) = next_receiver(&listener).await;
    assert!(offered.accept_with(options()).is_err());
    let OfferedLink::Receiver(plain) = session.next_link().await.unwrap().unwrap() else {
        panic!("a receiver")
    };
    let _receiver = plain.accept().unwrap();
    assert_eq!(client.join().await.unwrap(), Condition::ResourceLimitExceeded);
    assert!(store.is_empty());
}
