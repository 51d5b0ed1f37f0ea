//! Connections that are lost, and opened again.

use std::time::Duration;

use super::common::port::{Cable, Port};
use super::common::{next_receiver, next_sender, next_session};
use crate::adapter::{self, both, next, pause, socket, spawn};
use crate::amqp::config::{ReceiverOptions, SendOptions, SenderOptions};
use crate::amqp::message::{Body, Message};
use crate::amqp::policy::{Backoff, Reconnect, Recovery, answer_to};
use crate::amqp::sasl::{Credentials, PlainServer, ServerSasl, TransportSecurity};
use crate::amqp::types::{DeliveryTag, Str, Value};
use crate::amqp::wire::{AmqpError, Condition, MessageId, Outcome, SaslCode, Source, Terminus};
use crate::amqp::{
    Acceptor, Connection, ConnectionOptions, Delivery, Error, ErrorKind, OfferedLink, Outgoing, Receiver,
    Sender, Session, Status,
};

/// Rules with short delays.
fn rules() -> Reconnect {
    let delay = Duration::from_millis(1);
    Reconnect::new().with_backoff(Backoff::new(delay, delay)).with_stable_after(Duration::ZERO)
}

fn options() -> ConnectionOptions {
    ConnectionOptions::new().with_reconnect(rules())
}

/// Opens a connection that is opened again.
#[adapter::helper]
async fn open(port: &Port) -> (Connection, (Connection, Cable)) {
    let url = port.url();
    let connect = async { Connection::open_with(&url, options()).await.unwrap() };
    both(connect, async { port.accept().await }).await
}

/// Accepts the next session, and the next link on which the client sends.
#[adapter::helper]
async fn receiver(server: &Connection) -> (Receiver, Session) {
    let session = next_session(server).await;
    (next_receiver(&session, ReceiverOptions::new()).await, session)
}

/// Accepts the next session, and the next link on which the client receives.
#[adapter::helper]
async fn sender(server: &Connection) -> (Sender, Session) {
    let session = next_session(server).await;
    (next_sender(&session).await, session)
}

/// Returns the address that a client sends to.
fn target(receiver: &Receiver) -> Option<Str> {
    match *receiver.peer_attach()?.target? {
        Terminus::Target(target) => target.address,
        _ => None,
    }
}

/// A message that waits for credit goes out over the next connection; one whose outcome was not known is lost.
#[adapter::test]
async fn sends_that_wait_go_on_and_unsettled_ones_are_lost() {
    let port = Port::bind();
    let (client, (server, cable)) = open(&port).await;
    let attach = async { client.sender("jobs").attach().await.unwrap() };
    let accept = async {
        let session = next_session(&server).await;
        (next_receiver(&session, ReceiverOptions::new().with_prefetch(0)).await, session)
    };
    let (jobs, (there, _session)) = both(attach, accept).await;
    there.set_credit(1).unwrap();
    let lost = jobs.send_queued("lost").await.unwrap();
    let taken = there.recv().await.unwrap().unwrap();
    let waiting = spawn({
        let jobs = jobs.clone();
        async move { jobs.send("waits").await }
    });
    cable.cut();
    let error = lost.outcome().await.unwrap_err();
    assert!(matches!(&error, Error::Lost(_)), "{error}");
    drop(taken);
    let (server, _cable) = port.accept().await;
    let (there, _session) = receiver(&server).await;
    let delivery = there.recv().await.unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some("waits"));
    delivery.accept().unwrap();
    assert_eq!(waiting.join().await.unwrap().unwrap(), Outcome::Accepted);
    assert!(matches!(lost.outcome().await, Err(Error::Lost(_))));
    client.close().await.unwrap();
}

/// A receiver that waits gets the messages of the next connection. What it has taken from an earlier one is gone.
#[adapter::test]
async fn receives_that_wait_go_on_and_taken_deliveries_are_gone() {
    let port = Port::bind();
    let (client, (server, cable)) = open(&port).await;
    let attach = async { client.receiver("jobs").attach().await.unwrap() };
    let (jobs, (there, _session)) = both(attach, async { sender(&server).await }).await;
    let _sent = there.send_queued("one").await.unwrap();
    let one = jobs.recv().await.unwrap().unwrap();
    let waiting = spawn(async move {
        let two = jobs.recv().await.unwrap().unwrap();
        assert!(matches!(one.accept(), Err(Error::Gone)));
        two.accept().unwrap();
        jobs
    });
    cable.cut();
    let (server, _cable) = port.accept().await;
    let (there, _session) = sender(&server).await;
    assert_eq!(there.send("two").await.unwrap(), Outcome::Accepted);
    let jobs = waiting.join().await.unwrap();
    assert_eq!(jobs.address().as_deref(), Some("jobs"));
    client.close().await.unwrap();
}

/// Finds every password right, or wrong.
struct Checking(bool);

impl Credentials for Checking {
    fn check_password(&self, _: &str, _: &str) -> bool {
        self.0
    }
}

/// [5.3.3.6]: credentials that are refused are not sent again, and the handles end with the reason.
#[adapter::test]
async fn refused_credentials_are_sent_once() {
    let port = Port::bind();
    let checking = |is_right: bool| {
        Acceptor::default().with_sasl(move |_| {
            ServerSasl::new(TransportSecurity::Encrypted).with_mechanism(PlainServer::new(Checking(is_right)))
        })
    };
    let options = options().with_login("me", "secret").unwrap();
    let url = port.url();
    let connect = async { Connection::open_with(&url, options).await.unwrap() };
    let accept = async { port.accept_with(checking(true)).await };
    let (client, (server, cable)) = both(connect, accept).await;
    let attach = async { client.receiver("jobs").attach().await.unwrap() };
    let (jobs, _there) = both(attach, async { sender(&server).await }).await;
    cable.cut();
    let stream = port.stream().await;
    let refused = Connection::accept(socket(stream), &checking(false)).await;
    assert!(refused.is_err());
    let error = jobs.recv().await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert_eq!(client.closed().await.sasl().unwrap().code(), Some(SaslCode::Auth));
    assert!(!port.is_dialled());
}

/// A link that the application has closed, before or after the loss, stays closed; the others are attached again.
#[adapter::test]
async fn closed_links_stay_closed() {
    let port = Port::bind();
    let (client, (server, cable)) = open(&port).await;
    let attach = async {
        let one = client.sender("one").attach().await.unwrap();
        let two = client.sender("two").attach().await.unwrap();
        let three = client.sender("three").attach().await.unwrap();
        (one, two, three, client.sender("four").attach().await.unwrap())
    };
    let accept = async {
        let session = next_session(&server).await;
        let options = ReceiverOptions::new;
        let links = [next_receiver(&session, options()).await, next_receiver(&session, options()).await];
        let more = [next_receiver(&session, options()).await, next_receiver(&session, options()).await];
        (links, more, session)
    };
    let ((one, two, three, four), (links, more, session)) = both(attach, accept).await;
    one.close().await.unwrap();
    let mut status = client.status();
    assert!(matches!(next(&mut status).await, Some(Status::Connected)));
    cable.cut();
    assert!(matches!(next(&mut status).await, Some(Status::Interrupted(_))));
    two.close().await.unwrap();
    assert!(matches!(two.try_send("x"), Err(Error::Link(_))));
    drop(three);
    drop((links, more, session));
    let (server, _cable) = port.accept().await;
    let (there, session) = receiver(&server).await;
    assert_eq!(target(&there).as_deref(), Some("four"));
    let fifth = async { client.sender("five").attach().await.unwrap() };
    let (_five, there) = both(fifth, async { next_receiver(&session, ReceiverOptions::new()).await }).await;
    assert_eq!(target(&there).as_deref(), Some("five"));
    assert!(one.closed().await.ended().is_some_and(|ended| !ended.is_failure()));
    assert!(matches!(four.try_send("x"), Ok(_) | Err(Error::Send(_))));
    client.close().await.unwrap();
}

/// [2.6.7]: the credit that the application has granted is granted again, less what was taken.
#[adapter::test]
async fn credit_by_hand_is_granted_again() {
    let port = Port::bind();
    let (client, (server, cable)) = open(&port).await;
    let attach = async { client.receiver("jobs").with_prefetch(0).attach().await.unwrap() };
    let (jobs, (there, _session)) = both(attach, async { sender(&server).await }).await;
    jobs.set_credit(5).unwrap();
    // Of three messages that arrive, one is taken.
    let mut sent = Vec::new();
    for number in 0..3_u32 {
        sent.push(there.send_queued(number).await.unwrap());
    }
    let _taken = jobs.recv().await.unwrap().unwrap();
    while jobs.credit() != 2 {
        pause().await;
    }
    jobs.add_credit(1).unwrap();
    cable.cut();
    let (server, cable) = port.accept().await;
    let (there, _session) = sender(&server).await;
    while there.credit() != 5 {
        pause().await;
    }
    jobs.stop().unwrap();
    while there.credit() != 0 {
        pause().await;
    }
    cable.cut();
    let (server, _cable) = port.accept().await;
    let (there, _session) = sender(&server).await;
    jobs.set_credit(2).unwrap();
    there.sendable().await.unwrap();
    assert_eq!(there.credit(), 2);
    client.close().await.unwrap();
}

/// Every change is told, in order; the end of the connection is the end of the changes.
#[adapter::test]
async fn changes_are_told_in_order() {
    let port = Port::bind();
    let (client, (_server, cable)) = open(&port).await;
    let mut status = client.status();
    assert!(matches!(next(&mut status).await, Some(Status::Connected)));
    cable.cut();
    let (server, _cable) = port.accept().await;
    let Some(Status::Interrupted(why)) = next(&mut status).await else { panic!("it was interrupted") };
    assert!(why.is_failure());
    let mut attempts = 0;
    loop {
        match next(&mut status).await {
            Some(Status::Reconnecting { attempt, address }) => {
                attempts += 1;
                assert_eq!((attempt, address.as_str()), (attempts, port.url().as_str()));
            }
            Some(Status::Connected) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(attempts > 0);
    // One that begins later is told the present state.
    assert!(matches!(next(&mut client.status()).await, Some(Status::Connected)));
    server.close_with(AmqpError::new(Condition::UnauthorizedAccess)).await.unwrap();
    let Some(Status::Interrupted(_) | Status::Failed(_)) = next(&mut status).await else {
        panic!("it failed")
    };
    while let Some(change) = next(&mut status).await {
        assert!(matches!(change, Status::Failed(_)), "{change:?}");
    }
    assert_eq!(client.closed().await.condition(), Some(&Condition::UnauthorizedAccess));
}

/// A change between the call and the first look is told, too.
#[adapter::test]
async fn changes_are_told_from_the_call_on() {
    let port = Port::bind();
    let (client, (_server, cable)) = open(&port).await;
    let mut status = client.status();
    cable.cut();
    let _open_again = port.accept().await;
    assert!(matches!(next(&mut status).await, Some(Status::Connected)));
    assert!(matches!(next(&mut status).await, Some(Status::Interrupted(_))));
    assert!(matches!(next(&mut status).await, Some(Status::Reconnecting { attempt: 1, .. })));
}

/// The rules end the attempts; the last failure is the end of the connection.
#[adapter::test]
async fn attempts_end() {
    let port = Port::bind();
    let delay = Duration::from_millis(1);
    let backoff = Backoff::new(delay, delay).with_attempts(3);
    let options = ConnectionOptions::new().with_reconnect(rules().with_backoff(backoff));
    let url = port.url();
    let connect = async { Connection::open_with(&url, options).await.unwrap() };
    let (client, (_server, cable)) = both(connect, async { port.accept().await }).await;
    let mut status = client.status();
    drop(port);
    cable.cut();
    let (mut attempts, mut last) = (0, None);
    while let Some(change) = next(&mut status).await {
        attempts += u32::from(matches!(change, Status::Reconnecting { .. }));
        last = Some(change);
    }
    assert_eq!(attempts, 3);
    let Some(Status::Failed(why)) = last else { panic!("{last:?}") };
    assert!(why.to_string().contains("cannot connect to"), "{why}");
    let error = client.sender("jobs").attach().await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
    assert!(client.close().await.is_err());
}

/// A close, or the drop of the last handle, while no server is there, ends all waits at once.
#[adapter::test]
async fn a_close_between_attempts_returns_at_once() {
    for closes in [true, false] {
        let port = Port::bind();
        let long = Duration::from_secs(600);
        let rules = rules().with_backoff(Backoff::new(long, long).with_jitter(0));
        let options = ConnectionOptions::new().with_reconnect(rules);
        let url = port.url();
        let connect = async { Connection::open_with(&url, options).await.unwrap() };
        let (client, (server, cable)) = both(connect, async { port.accept().await }).await;
        let attach = async { client.receiver("jobs").attach().await.unwrap() };
        let (jobs, _there) = both(attach, async { sender(&server).await }).await;
        let mut status = client.status();
        drop(port);
        cable.cut();
        while !matches!(next(&mut status).await, Some(Status::Reconnecting { .. })) {}
        if closes {
            let waiting = spawn(async move { jobs.recv().await.map(|delivery| delivery.is_none()) });
            client.close().await.unwrap();
            assert!(waiting.join().await.unwrap().unwrap());
        } else {
            drop((jobs, client));
        }
        assert!(next(&mut status).await.is_none());
    }
}

/// Sessions and links can be made while no server is there.
#[adapter::test]
async fn links_are_attached_once_a_server_is_there() {
    let port = Port::bind();
    let (client, (_server, cable)) = open(&port).await;
    let mut status = client.status();
    cable.cut();
    while !matches!(next(&mut status).await, Some(Status::Interrupted(_))) {}
    let work = spawn(async move {
        let session = client.session().await.unwrap();
        let jobs = session.sender("jobs").attach().await.unwrap();
        (jobs.send("job").await.unwrap(), client)
    });
    let (server, _cable) = port.accept().await;
    let (there, _session) = receiver(&server).await;
    there.recv().await.unwrap().unwrap().accept().unwrap();
    let (outcome, client) = work.join().await.unwrap();
    assert_eq!(outcome, Outcome::Accepted);
    client.close().await.unwrap();
}

/// A link that the next server refuses ends its handle with that error; the others go on.
#[adapter::test]
async fn a_link_that_is_refused_ends_its_handle() {
    let port = Port::bind();
    let (client, (server, cable)) = open(&port).await;
    let attach = async {
        let one = client.sender("one").attach().await.unwrap();
        (one, client.sender("two").attach().await.unwrap())
    };
    let accept = async {
        let session = next_session(&server).await;
        let one = next_receiver(&session, ReceiverOptions::new()).await;
        (one, next_receiver(&session, ReceiverOptions::new()).await, session)
    };
    let ((one, two), _there) = both(attach, accept).await;
    cable.cut();
    let (server, _cable) = port.accept().await;
    let session = next_session(&server).await;
    session.next_link().await.unwrap().unwrap().refuse(Condition::NotFound).unwrap();
    let there = next_receiver(&session, ReceiverOptions::new()).await;
    assert_eq!(one.send("x").await.unwrap_err().condition(), Some(&Condition::NotFound));
    let sending = spawn(async move { two.send("x").await });
    there.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sending.join().await.unwrap().unwrap(), Outcome::Accepted);
    client.close().await.unwrap();
}

/// A message in pieces is lost with its connection, and never mixed with one of the next.
#[adapter::test]
async fn messages_in_pieces_are_lost() {
    let port = Port::bind();
    let (client, (server, cable)) = open(&port).await;
    let attach = async { client.sender("jobs").attach().await.unwrap() };
    let (jobs, _there) = both(attach, async { receiver(&server).await }).await;
    let mut writer = jobs.writer(SendOptions::new()).await.unwrap();
    writer.write_data("half").await.unwrap();
    cable.cut();
    let (server, _cable) = port.accept().await;
    let (there, _session) = receiver(&server).await;
    let mut other = jobs.writer(SendOptions::new()).await.unwrap();
    other.write_data("a").await.unwrap();
    let error = writer.write_data("b").await.unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error}");
    drop(writer);
    other.write_data("c").await.unwrap();
    let sent = other.finish().unwrap();
    let delivery = there.recv().await.unwrap().unwrap();
    let octets = delivery.message().unwrap().data().unwrap().unwrap().to_bytes();
    assert_eq!(&octets[..], b"ac");
    delivery.accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    client.close().await.unwrap();
}

/// Without rules, the loss is the end.
#[adapter::test]
async fn without_rules_a_lost_connection_is_over() {
    let port = Port::bind();
    let url = port.url();
    let connect = async { Connection::open(&url).await.unwrap() };
    let (client, (_server, cable)) = both(connect, async { port.accept().await }).await;
    let mut status = client.status();
    assert!(matches!(next(&mut status).await, Some(Status::Connected)));
    cable.cut();
    assert!(matches!(next(&mut status).await, Some(Status::Failed(_))));
    assert!(next(&mut status).await.is_none());
    assert!(!port.is_dialled());
}

/// Accepts the links of a requester; its replies come at a node with this name.
#[adapter::helper]
async fn service(server: &Connection, node: &'static str, credit: u32) -> (Sender, Receiver, Session) {
    let session = next_session(server).await;
    let Some(OfferedLink::Sender(link)) = session.next_link().await.unwrap() else { panic!("a sender") };
    let replies = link.accept_with(SenderOptions::new().with_source(Source::at(node))).unwrap();
    let requests = next_receiver(&session, ReceiverOptions::new().with_prefetch(0)).await;
    requests.set_credit(credit).unwrap();
    (replies, requests, session)
}

/// A requester learns its new address. Requests whose reply would go to the old one end.
#[adapter::test]
async fn a_requester_learns_its_new_address() {
    let port = Port::bind();
    let (client, (server, cable)) = open(&port).await;
    let ask = async { client.requester("service").await.unwrap() };
    let (requester, (_replies, requests, _session)) =
        both(ask, async { service(&server, "first", 1).await }).await;
    let asked = requester.clone();
    let sent = spawn(async move { asked.request("one").await.map(drop) });
    requests.recv().await.unwrap().unwrap().accept().unwrap();
    let asked = requester.clone();
    let waiting = spawn(async move { asked.request("two").await.map(drop) });
    while requester.waiting() < 2 {
        pause().await;
    }
    pause().await;
    cable.cut();
    let lost = sent.join().await.unwrap().unwrap_err();
    assert!(matches!(lost, Error::Lost(_)), "{lost}");
    let interrupted = waiting.join().await.unwrap().unwrap_err();
    assert!(matches!(interrupted, Error::Interrupted(_)) && interrupted.is_transient(), "{interrupted}");
    let asked = requester.clone();
    let asking = spawn(async move { asked.request("three").await.map(drop) });
    let (server, _cable) = port.accept().await;
    let (replies, requests, _session) = service(&server, "second", 1).await;
    let request = requests.recv().await.unwrap().unwrap();
    let properties = request.message().unwrap().properties().unwrap();
    assert_eq!(properties.reply_to.as_deref(), Some("second"));
    request.accept().unwrap();
    let _sent = replies.send_queued(answer_to(&properties, "reply").unwrap()).await.unwrap();
    asking.join().await.unwrap().unwrap();
    assert_eq!(requester.reply_to().as_deref(), Some("second"));
    client.close().await.unwrap();
}

/// Attaches a link whose messages are kept; the server accepts it with this credit.
#[adapter::helper]
async fn replaying(client: &Connection, server: &Connection, credit: u32) -> (Sender, Receiver, Session) {
    let builder = client.sender("jobs").with_recovery(Recovery::Replay).with_replay_limits(3, 1 << 20);
    let accept = async {
        let session = next_session(server).await;
        let there = next_receiver(&session, ReceiverOptions::new().with_prefetch(0)).await;
        there.set_credit(credit).unwrap();
        (there, session)
    };
    let (jobs, (there, session)) = both(async { builder.attach().await.unwrap() }, accept).await;
    (jobs, there, session)
}

/// Accepts the link again, with this credit.
#[adapter::helper]
async fn again(server: &Connection, credit: u32) -> (Receiver, Session) {
    let session = next_session(server).await;
    let there = next_receiver(&session, ReceiverOptions::new().with_prefetch(0)).await;
    there.set_credit(credit).unwrap();
    (there, session)
}

/// Receives a message: its body, tag and message-id.
#[adapter::helper]
async fn message(there: &Receiver) -> (Delivery, u32, DeliveryTag, MessageId) {
    let delivery = there.recv().await.unwrap().unwrap();
    let message = delivery.message().unwrap();
    let Body::Value(Value::Uint(body)) = message.body().unwrap() else { panic!("a number") };
    let id = message.properties().unwrap().message_id.unwrap();
    let tag = delivery.tag();
    (delivery, body, tag, id)
}

/// Kept messages arrive at least once, in order, with the same tag and message-id; each outcome is told once.
#[adapter::test]
async fn kept_messages_are_sent_again() {
    let port = Port::bind();
    let (client, (server, cable)) = open(&port).await;
    let (jobs, there, _session) = replaying(&client, &server, 10).await;
    let mut outcomes = jobs.outcomes();
    let one = jobs.send_queued(1_u32).await.unwrap();
    let two = jobs.send_queued(Message::from(2_u32).with_message_id("own")).await.unwrap();
    let three = jobs.send_queued(3_u32).await.unwrap();
    // As many as may be kept: the next one waits.
    let last = jobs.clone();
    let four = spawn(async move { last.send(4_u32).await });
    let (_first, body, tag, id) = message(&there).await;
    assert_eq!(body, 1);
    let (second, body, _, own) = message(&there).await;
    assert_eq!((body, own), (2, MessageId::from("own")));
    second.reject(None).unwrap();
    assert!(matches!(two.outcome().await.unwrap(), Outcome::Rejected(_)));
    cable.cut();
    // The next server takes one message, and is gone, too.
    let (server, cable) = port.accept().await;
    let (there, _session) = again(&server, 1).await;
    let (_first, body, same_tag, same_id) = message(&there).await;
    assert_eq!((body, &same_tag, &same_id), (1, &tag, &id));
    cable.cut();
    let (server, _cable) = port.accept().await;
    let (there, _session) = again(&server, 10).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let (delivery, body, tag, _) = message(&there).await;
        bodies.push((body, tag == same_tag));
        delivery.accept().unwrap();
    }
    assert_eq!(bodies, [(1, true), (3, false), (4, false)]);
    assert_eq!(four.join().await.unwrap().unwrap(), Outcome::Accepted);
    assert_eq!(one.outcome().await.unwrap(), Outcome::Accepted);
    assert_eq!(three.outcome().await.unwrap(), Outcome::Accepted);
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(next(&mut outcomes).await.unwrap().0);
    }
    assert_eq!(told[..3], [two.key(), one.key(), three.key()]);
    client.close().await.unwrap();
}

/// A message that is sent settled is not kept. A message that is kept when the connection ends for good is lost, and so is what is kept on a
/// link that the next server refuses.
#[adapter::test]
async fn kept_messages_end_with_their_link() {
    for refuses in [true, false] {
        let port = Port::bind();
        let (client, (server, cable)) = open(&port).await;
        let (jobs, there, _session) = replaying(&client, &server, 10).await;
        assert!(jobs.send_queued(Outgoing::from(1_u32).with_settled(true)).await.unwrap().is_settled());
        let kept = jobs.send_queued(2_u32).await.unwrap();
        let _first = there.recv().await.unwrap().unwrap();
        let _second = there.recv().await.unwrap().unwrap();
        cable.cut();
        let (server, _cable) = port.accept().await;
        let session = next_session(&server).await;
        if refuses {
            session.next_link().await.unwrap().unwrap().refuse(Condition::NotFound).unwrap();
        } else {
            let there = next_receiver(&session, ReceiverOptions::new()).await;
            let taken = message(&there).await;
            assert_eq!(taken.1, 2);
            server.close_with(AmqpError::new(Condition::NotAllowed)).await.unwrap();
            drop(taken);
        }
        let lost = kept.outcome().await.unwrap_err();
        assert!(matches!(lost, Error::Lost(_)), "{lost}");
        let expected = if refuses { Condition::NotFound } else { Condition::NotAllowed };
        assert_eq!(lost.condition(), Some(&expected));
        drop(client);
    }
}
