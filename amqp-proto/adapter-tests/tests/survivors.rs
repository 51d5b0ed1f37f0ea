//! Links of each kind over the loss of their connection: on TLS, of a responder, of a durable subscription, without an address, and
//! with messages in pieces.

use std::time::Duration;

use super::common::port::Port;
use super::common::{next_receiver, next_sender, next_session};
use crate::adapter::{self, both, spawn};
use crate::amqp::config::{ReceiverOptions, SendOptions};
use crate::amqp::message::Message;
use crate::amqp::policy::{Backoff, Reconnect, Recovery};
use crate::amqp::types::Str;
use crate::amqp::wire::{
    ANONYMOUS_RELAY, Condition, ExpiryPolicy, Outcome, Source, Terminus, TerminusDurability,
};
use crate::amqp::{Acceptor, Connection, ConnectionOptions, Error, Receiver, Sender, Session};

fn options() -> ConnectionOptions {
    let delay = Duration::from_millis(1);
    let rules = Reconnect::new().with_backoff(Backoff::new(delay, delay)).with_stable_after(Duration::ZERO);
    ConnectionOptions::new().with_reconnect(rules)
}

/// Returns the server's acceptor, with a relay for messages to any address or without.
fn acceptor(has_relay: bool) -> Acceptor {
    let options = ConnectionOptions::new();
    Acceptor::new(if has_relay { options.with_offered_capabilities(ANONYMOUS_RELAY) } else { options })
}

fn target(link: &Receiver) -> Option<Str> {
    match *link.peer_attach().unwrap().target.unwrap() {
        Terminus::Target(target) => target.address,
        other => panic!("{other:?}"),
    }
}

/// Credentials, certificates and the name of the host are checked again on each connection; the links go on.
#[cfg(feature = "tls")]
#[adapter::test]
async fn links_go_on_over_tls() {
    use super::common::certificates::Authority;
    use crate::amqp::{ClientTls, ServerTls};
    let authority = Authority::new();
    let issued = authority.issue("localhost");
    let tls = || {
        let tls = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
        Acceptor::default().with_tls(tls.build().unwrap())
    };
    let trusted = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    let port = Port::bind();
    let url = format!("amqps://localhost:{}", port.address().port());
    let connect = async { Connection::open_with(&url, options().with_tls(trusted)).await.unwrap() };
    let (client, (server, cable)) = both(connect, async { port.accept_with(tls()).await }).await;
    let attach = async { client.sender("jobs").with_recovery(Recovery::Replay).attach().await.unwrap() };
    let accept = async {
        let session = next_session(&server).await;
        (next_receiver(&session, ReceiverOptions::new()).await, session)
    };
    let (jobs, (there, _session)) = both(attach, accept).await;
    let body = "x".repeat(100_000);
    let sent = jobs.send_queued(body.clone()).await.unwrap();
    let _unsettled = there.recv().await.unwrap().unwrap();
    cable.cut();
    let (server, cable) = port.accept_with(tls()).await;
    let session = next_session(&server).await;
    let there = next_receiver(&session, ReceiverOptions::new()).await;
    let delivery = there.recv().await.unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some(&*body));
    delivery.accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    // A server whose certificate is of another authority gets nothing, and ends it.
    let other = Authority::new().issue("localhost");
    let other =
        ServerTls::builder_pem(other.chain.as_bytes(), other.key.as_bytes()).unwrap().build().unwrap();
    cable.cut();
    let stream = port.stream().await;
    let refused = Connection::accept(adapter::socket(stream), &Acceptor::default().with_tls(other)).await;
    assert!(refused.is_err());
    assert!(client.closed().await.is_failure());
    assert!(!port.is_dialled());
    let error = jobs.send("x").await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
}

/// The totals of a connection go on over its loss; the rest is that of the new transport.
#[adapter::test]
async fn the_totals_of_a_connection_go_on() {
    let port = Port::bind();
    let url = format!("amqp://{}", port.address());
    let connect = async { Connection::open_with(&url, options()).await.unwrap() };
    let accept = async { port.accept_with(Acceptor::default()).await };
    let (client, (server, cable)) = both(connect, accept).await;
    let attach = async { client.sender("jobs").with_recovery(Recovery::Replay).attach().await.unwrap() };
    let accept = async {
        let session = next_session(&server).await;
        (next_receiver(&session, ReceiverOptions::new()).await, session)
    };
    let (jobs, (there, _session)) = both(attach, accept).await;
    let sent = jobs.send_queued("job").await.unwrap();
    let _unsettled = there.recv().await.unwrap().unwrap();
    let before = client.metrics();
    assert_eq!((before.deliveries_sent, before.unsettled_sent), (1, 1));
    cable.cut();
    let (server, _cable) = port.accept_with(Acceptor::default()).await;
    let session = next_session(&server).await;
    let there = next_receiver(&session, ReceiverOptions::new()).await;
    there.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    let after = client.metrics();
    // The message was sent again.
    assert_eq!((after.deliveries_sent, after.unsettled_sent), (2, 0));
    assert!(after.octets_sent > before.octets_sent && after.octets_received > before.octets_received);
    assert_eq!((after.sessions, after.links), (before.sessions, before.links));
    assert_eq!(server.metrics().deliveries_received, 1);
}

/// Accepts the links of a responder: that of its requests, its session for replies, and there a relay if the server has one.
#[adapter::helper]
async fn serve(server: &Connection, has_relay: bool) -> (Sender, Option<Receiver>, (Session, Session)) {
    let session = next_session(server).await;
    let requests = next_sender(&session).await;
    let replies = next_session(server).await;
    let mut relay = None;
    if has_relay {
        relay = Some(next_receiver(&replies, ReceiverOptions::new()).await);
    }
    (requests, relay, (session, replies))
}

/// A request as a client of the server would send it.
fn request(number: u64) -> Message {
    Message::from("work").with_message_id(number).with_reply_to("answers")
}

/// A responder goes on: an old request is gone, and answers go out on the new connection, with a relay or without.
#[adapter::test]
async fn a_responder_goes_on() {
    for has_relay in [true, false] {
        let port = Port::bind();
        let url = port.url();
        let connect = async { Connection::open_with(&url, options()).await.unwrap() };
        let accept = async { port.accept_with(acceptor(has_relay)).await };
        let (client, (server, cable)) = both(connect, accept).await;
        let attach = async { client.responder("service").await.unwrap() };
        let accept = async { serve(&server, has_relay).await };
        let (responder, (requests, _relay, _sessions)) = both(attach, accept).await;
        let _unanswered = requests.send_queued(request(1)).await.unwrap();
        let old = responder.recv().await.unwrap().unwrap();
        cable.cut();
        let (server, _cable) = port.accept_with(acceptor(has_relay)).await;
        let (requests, relay, (_session, replies)) = serve(&server, has_relay).await;
        let sent = requests.send_queued(request(2)).await.unwrap();
        let new = responder.recv().await.unwrap().unwrap();
        let error = old.accept().unwrap_err();
        assert!(matches!(error, Error::Gone), "{error}");
        let replying = spawn(async move { new.reply("done").await });
        let answers = match relay {
            Some(relay) => relay,
            None => next_receiver(&replies, ReceiverOptions::new()).await,
        };
        let answer = answers.recv().await.unwrap().unwrap();
        let properties = answer.message().unwrap().properties().unwrap();
        assert_eq!(properties.correlation_id, Some(2_u64.into()));
        assert_eq!(if has_relay { properties.to } else { target(&answers) }.as_deref(), Some("answers"));
        answer.accept().unwrap();
        assert_eq!(replying.join().await.unwrap().unwrap(), Outcome::Accepted);
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
        client.close().await.unwrap();
    }
}

/// The links for replies are attached again. One at a node that is gone ends, and the next reply there is an error; the responder
/// and the other links go on.
#[adapter::test]
async fn a_reply_to_a_node_that_is_gone_is_an_error() {
    let port = Port::bind();
    let url = port.url();
    let connect = async { Connection::open_with(&url, options()).await.unwrap() };
    let (client, (server, cable)) = both(connect, async { port.accept().await }).await;
    let attach = async { client.responder("service").await.unwrap() };
    let accept = async { serve(&server, false).await };
    let (responder, (requests, _, (_session, replies))) = both(attach, accept).await;
    let _sent = requests.send_queued(request(1)).await.unwrap();
    let first = responder.recv().await.unwrap().unwrap();
    let replying = spawn(async move { first.reply("done").await });
    let answers = next_receiver(&replies, ReceiverOptions::new().with_auto_accept(true)).await;
    drop(answers.recv().await.unwrap().unwrap());
    assert_eq!(replying.join().await.unwrap().unwrap(), Outcome::Accepted);
    cable.cut();
    let (server, _cable) = port.accept().await;
    let (requests, _, (_session, replies)) = serve(&server, false).await;
    replies.next_link().await.unwrap().unwrap().refuse(Condition::NotFound).unwrap();
    let sent = requests.send_queued(request(2)).await.unwrap();
    let second = responder.recv().await.unwrap().unwrap();
    let replying = spawn(async move { second.reply("done").await });
    // The old link has ended, so another is attached.
    replies.next_link().await.unwrap().unwrap().refuse(Condition::NotFound).unwrap();
    let error = replying.join().await.unwrap().unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotFound), "{error}");
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    client.close().await.unwrap();
}

/// A subscription is known by the container id and the link's name; both are the same on each connection, and so is its source.
#[adapter::test]
async fn a_durable_subscription_is_resumed_by_its_names() {
    let port = Port::bind();
    let url = port.url();
    let options = options().with_container_id("accounts");
    let connect = async { Connection::open_with(&url, options).await.unwrap() };
    let (client, (server, cable)) = both(connect, async { port.accept().await }).await;
    let builder = client
        .receiver("orders")
        .with_name("from-orders")
        .with_durability(TerminusDurability::UnsettledState)
        .with_expiry(ExpiryPolicy::Never, Duration::ZERO);
    let attach = async { builder.attach().await.unwrap() };
    let accept = async {
        let session = next_session(&server).await;
        (next_sender(&session).await, session)
    };
    let (orders, (there, _session)) = both(attach, accept).await;
    let _one = there.send_queued("one").await.unwrap();
    let one = orders.recv().await.unwrap().unwrap();
    let mut asked = vec![subscription(&server, &there)];
    let mut cable = cable;
    for round in 0..2_u32 {
        cable.cut();
        let (server, next) = port.accept().await;
        cable = next;
        let session = next_session(&server).await;
        let there = next_sender(&session).await;
        asked.push(subscription(&server, &there));
        // The broker has kept what was not settled.
        let sent = there.send_queued(round).await.unwrap();
        orders.recv().await.unwrap().unwrap().accept().unwrap();
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    }
    assert!(matches!(one.accept(), Err(Error::Gone)));
    let (container, name, source) = asked.remove(0);
    assert_eq!((&*container, &*name), ("accounts", "from-orders"));
    assert_eq!(source.address.as_deref(), Some("orders"));
    assert_eq!(source.durable, TerminusDurability::UnsettledState);
    assert_eq!(source.expiry_policy, ExpiryPolicy::Never);
    for (again, same_name, same_source) in &asked {
        assert_eq!((again, same_name), (&container, &name));
        assert_eq!((&same_source.address, same_source.durable), (&source.address, source.durable));
        assert_eq!(same_source.expiry_policy, source.expiry_policy);
    }
    client.close().await.unwrap();
}

/// Returns what names a subscription, as the server sees it.
fn subscription(server: &Connection, link: &Sender) -> (Str, Str, Source) {
    let attach = link.peer_attach().unwrap();
    (server.peer_open().unwrap().container_id, attach.name, *attach.source.unwrap())
}

/// A sender without an address is attached without one again; each message has its own.
#[adapter::test]
async fn an_anonymous_sender_goes_on() {
    for recovery in [Recovery::Report, Recovery::Replay] {
        let port = Port::bind();
        let url = port.url();
        let connect = async { Connection::open_with(&url, options()).await.unwrap() };
        let (client, (server, cable)) = both(connect, async { port.accept_with(acceptor(true)).await }).await;
        let attach = async { client.anonymous_sender().with_recovery(recovery).attach().await.unwrap() };
        let accept = async {
            let session = next_session(&server).await;
            (next_receiver(&session, ReceiverOptions::new()).await, session)
        };
        let (anybody, (there, _session)) = both(attach, accept).await;
        assert_eq!(target(&there), None);
        let first = anybody.send_queued(Message::from("one").with_to("a")).await.unwrap();
        let _unsettled = there.recv().await.unwrap().unwrap();
        cable.cut();
        let (server, _cable) = port.accept_with(acceptor(true)).await;
        let session = next_session(&server).await;
        let there = next_receiver(&session, ReceiverOptions::new().with_auto_accept(true)).await;
        assert_eq!(target(&there), None);
        let second = anybody.send_queued(Message::from("two").with_to("b")).await.unwrap();
        let mut came = Vec::new();
        if recovery == Recovery::Replay {
            came.push(address(&there).await);
            assert_eq!(first.outcome().await.unwrap(), Outcome::Accepted);
        } else {
            assert!(matches!(first.outcome().await, Err(Error::Lost(_))));
        }
        came.push(address(&there).await);
        assert_eq!(second.outcome().await.unwrap(), Outcome::Accepted);
        let expected: &[&str] = if recovery == Recovery::Replay { &["a", "b"] } else { &["b"] };
        assert_eq!(came, expected);
        client.close().await.unwrap();
    }
}

/// Receives a message, and returns its address.
#[adapter::helper]
async fn address(there: &Receiver) -> String {
    let delivery = there.recv().await.unwrap().unwrap();
    let properties = delivery.message().unwrap().properties().unwrap();
    String::from(&*properties.to.unwrap())
}

/// A message that is read in pieces ends with its connection; it begins again on the next one, and no piece of the first is in it.
#[adapter::test]
async fn a_message_that_is_read_in_pieces_begins_again() {
    let port = Port::bind();
    let url = port.url();
    let connect = async { Connection::open_with(&url, options()).await.unwrap() };
    let (client, (server, cable)) = both(connect, async { port.accept().await }).await;
    let builder = client.receiver("films").with_streaming(true).with_auto_accept(false);
    let attach = async { builder.attach().await.unwrap() };
    let accept = async {
        let session = next_session(&server).await;
        (next_sender(&session).await, session)
    };
    let (films, (there, _session)) = both(attach, accept).await;
    let mut writer = there.writer(SendOptions::new()).await.unwrap();
    writer.write_data("half").await.unwrap();
    let mut reader = films.recv_reader().await.unwrap().unwrap();
    assert_eq!(&reader.read_data().await.unwrap().unwrap().to_bytes()[..], b"half");
    cable.cut();
    let (server, _cable) = port.accept().await;
    let session = next_session(&server).await;
    let there = next_sender(&session).await;
    let mut again = there.writer(SendOptions::new()).await.unwrap();
    again.write_data("who").await.unwrap();
    let error = reader.read_data().await.unwrap_err();
    assert!(matches!(error, Error::Gone), "{error}");
    drop(reader);
    again.write_data("le").await.unwrap();
    let sent = again.finish().unwrap();
    let mut reader = films.recv_reader().await.unwrap().unwrap();
    let mut octets = Vec::new();
    while let Some(part) = reader.read_data().await.unwrap() {
        octets.extend(part.to_bytes());
    }
    assert_eq!(octets, b"whole");
    reader.accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    assert!(writer.write_data("late").await.is_err());
    client.close().await.unwrap();
}
