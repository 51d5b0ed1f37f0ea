//! Links and sessions that the peer ends while the connection stays open, and that are attached again.

use std::time::{Duration, Instant};

use super::common::port::{Cable, Port};
use super::common::{next_receiver, next_sender, next_session};
use crate::adapter::{self, both, next, pause, spawn};
use crate::amqp::config::{ReceiverOptions, SenderOptions};
use crate::amqp::policy::{Backoff, Reconnect, Recovery, answer_to};
use crate::amqp::wire::{AmqpError, Condition, Outcome, Source};
use crate::amqp::{
    Connection, ConnectionOptions, Error, OfferedLink, Receiver, ReceiverBuilder, Sender, SenderBuilder,
    Session, Status,
};

/// Rules with this delay.
fn rules(delay: Duration) -> Reconnect {
    Reconnect::new().with_backoff(Backoff::new(delay, delay).with_jitter(0)).with_stable_after(Duration::ZERO)
}

fn quick() -> Reconnect {
    rules(Duration::from_millis(1))
}

/// Opens a connection with rules.
#[adapter::helper]
async fn open(port: &Port, rules: Reconnect) -> (Connection, Connection, Cable) {
    let (url, options) = (port.url(), ConnectionOptions::new().with_reconnect(rules));
    let connect = async { Connection::open_with(&url, options).await.unwrap() };
    let (client, (server, cable)) = both(connect, async { port.accept().await }).await;
    (client, server, cable)
}

/// Attaches a link on which the client sends.
#[adapter::helper]
async fn sending(builder: SenderBuilder, server: &Connection) -> (Sender, Receiver, Session) {
    let accept = async {
        let session = next_session(server).await;
        (next_receiver(&session, ReceiverOptions::new()).await, session)
    };
    let (near, (far, session)) = both(async { builder.attach().await.unwrap() }, accept).await;
    (near, far, session)
}

/// Attaches a link on which the client receives.
#[adapter::helper]
async fn receiving(builder: ReceiverBuilder, server: &Connection) -> (Receiver, Sender, Session) {
    let accept = async {
        let session = next_session(server).await;
        (next_sender(&session).await, session)
    };
    let (near, (far, session)) = both(async { builder.attach().await.unwrap() }, accept).await;
    (near, far, session)
}

/// [2.6.5]: a sender whose link the peer closes for a reason that passes goes on; what had no outcome is lost with that
/// reason, also while another link of the session lives.
#[adapter::test]
async fn a_sender_is_attached_again() {
    let port = Port::bind();
    let (client, server, _cable) = open(&port, quick()).await;
    let (jobs, there, session) = sending(client.sender("jobs"), &server).await;
    let other = async { client.sender("other").attach().await.unwrap() };
    let (other, elsewhere) =
        both(other, async { next_receiver(&session, ReceiverOptions::new()).await }).await;
    let mut there = there;
    for _ in 0..3 {
        let lost = jobs.send_queued("lost").await.unwrap();
        let settled = jobs.send_queued("settled").await.unwrap();
        let _ = there.recv().await.unwrap().unwrap().into_undecided();
        there.recv().await.unwrap().unwrap().accept().unwrap();
        assert_eq!(settled.outcome().await.unwrap(), Outcome::Accepted);
        let forced = AmqpError::new(Condition::DetachForced).with_description("moving");
        there.close_with(forced).await.unwrap();
        let error = lost.outcome().await.unwrap_err();
        assert!(matches!(&error, Error::Lost(_)), "{error}");
        assert_eq!(error.condition(), Some(&Condition::DetachForced));
        let sending = spawn({
            let jobs = jobs.clone();
            async move { jobs.send("later").await }
        });
        there = next_receiver(&session, ReceiverOptions::new()).await;
        there.recv().await.unwrap().unwrap().accept().unwrap();
        assert_eq!(sending.join().await.unwrap().unwrap(), Outcome::Accepted);
        assert!(matches!(lost.outcome().await, Err(Error::Lost(_))));
    }
    let sent = other.send_queued("untouched").await.unwrap();
    elsewhere.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    client.close().await.unwrap();
}

/// A receiver goes on with the messages and the credit of the next attach. A delivery that was taken before is gone.
#[adapter::test]
async fn a_receiver_is_attached_again() {
    let port = Port::bind();
    let (client, server, _cable) = open(&port, quick()).await;
    let (jobs, there, session) = receiving(client.receiver("jobs").with_prefetch(0), &server).await;
    jobs.set_credit(3).unwrap();
    let _sent = there.send_queued("one").await.unwrap();
    let one = jobs.recv().await.unwrap().unwrap();
    there.close_with(Condition::DetachForced).await.unwrap();
    let key = one.key();
    assert!(matches!(one.accept(), Err(Error::Gone)));
    let there = next_sender(&session).await;
    while there.credit() != 2 {
        pause().await;
    }
    // The other end has used the same numbers on the session.
    let error = jobs.accept(key).unwrap_err();
    assert!(matches!(error, Error::Gone), "{error}");
    assert!(matches!(jobs.settled(key).await, Err(Error::Gone)));
    let sent = there.send_queued("two").await.unwrap();
    jobs.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    client.close().await.unwrap();
}

/// [2.6.4]: a link that is detached and not closed keeps its deliveries: what was received can be accepted, and what was
/// sent gets its outcome or is lost.
#[adapter::test]
async fn a_suspended_link_is_attached_again() {
    let port = Port::bind();
    let (client, server, _cable) = open(&port, quick()).await;
    let (jobs, there, session) = receiving(client.receiver("jobs"), &server).await;
    let sent = there.send_queued("one").await.unwrap();
    let one = jobs.recv().await.unwrap().unwrap();
    there.detach().await.unwrap();
    drop(sent);
    let again = next_sender(&session).await;
    one.accept().unwrap();
    let sent = again.send_queued("two").await.unwrap();
    jobs.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    drop((jobs, there, again));

    let attach = async { client.sender("others").attach().await.unwrap() };
    let (others, there) = both(attach, async { next_receiver(&session, ReceiverOptions::new()).await }).await;
    let lost = others.send_queued("lost").await.unwrap();
    let _ = there.recv().await.unwrap().unwrap().into_undecided();
    there.detach().await.unwrap();
    let sending = spawn({
        let others = others.clone();
        async move { others.send("later").await }
    });
    let again = next_receiver(&session, ReceiverOptions::new()).await;
    again.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sending.join().await.unwrap().unwrap(), Outcome::Accepted);
    let error = lost.outcome().await.unwrap_err();
    assert!(matches!(&error, Error::Lost(_)), "{error}");
    client.close().await.unwrap();
}

/// Kept messages are sent again on the link that is attached again, whether it was closed or detached; in order.
#[adapter::test]
async fn kept_messages_are_sent_again_on_the_same_connection() {
    for closes in [true, false] {
        let port = Port::bind();
        let (client, server, _cable) = open(&port, quick()).await;
        let builder = client.sender("jobs").with_recovery(Recovery::Replay);
        let (jobs, there, session) = sending(builder, &server).await;
        let mut outcomes = jobs.outcomes();
        let mut sent = Vec::new();
        for number in 0..200_u32 {
            sent.push(jobs.send_queued(number).await.unwrap());
            let _ = there.recv().await.unwrap().unwrap().into_undecided();
        }
        if closes {
            there.close_with(Condition::ResourceLimitExceeded).await.unwrap();
        } else {
            there.detach().await.unwrap();
        }
        let there = next_receiver(&session, ReceiverOptions::new()).await;
        for number in 0..200_u32 {
            let delivery = there.recv().await.unwrap().unwrap();
            assert_eq!(delivery.message().unwrap().body().unwrap(), number.into());
            delivery.accept().unwrap();
        }
        for sent in &sent {
            assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
            let (key, outcome) = next(&mut outcomes).await.unwrap();
            assert_eq!((key, outcome.unwrap()), (sent.key(), Outcome::Accepted));
        }
        client.close().await.unwrap();
    }
}

/// The refusal of the first attach is the answer to the application, whatever its reason; a refusal of a later attach
/// that passes is tried again, and one that does not pass ends the handle.
#[adapter::test]
async fn a_first_refusal_is_final_and_a_later_one_may_pass() {
    let port = Port::bind();
    let (client, server, _cable) = open(&port, quick()).await;
    let (jobs, there, session) = sending(client.sender("jobs"), &server).await;
    let refuse = async {
        let link = session.next_link().await.unwrap().unwrap();
        link.refuse(Condition::ResourceLimitExceeded).unwrap();
    };
    let (first, ()) = both(async { client.sender("other").attach().await.unwrap_err() }, refuse).await;
    assert_eq!(first.condition(), Some(&Condition::ResourceLimitExceeded));
    there.close_with(Condition::DetachForced).await.unwrap();
    for _ in 0..3 {
        let link = session.next_link().await.unwrap().unwrap();
        link.refuse(Condition::ResourceLimitExceeded).unwrap();
    }
    let there = next_receiver(&session, ReceiverOptions::new()).await;
    let sending = spawn({
        let jobs = jobs.clone();
        async move { jobs.send("x").await }
    });
    there.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sending.join().await.unwrap().unwrap(), Outcome::Accepted);
    there.close_with(Condition::DetachForced).await.unwrap();
    session.next_link().await.unwrap().unwrap().refuse(Condition::NotFound).unwrap();
    assert_eq!(jobs.closed().await.condition(), Some(&Condition::NotFound));
    client.close().await.unwrap();
}

/// A reason that does not pass ends the handle at once, and so does the end of the attempts.
#[adapter::test]
async fn a_reason_that_does_not_pass_ends_the_handle() {
    let port = Port::bind();
    let delay = Duration::from_millis(1);
    let rules = Reconnect::new().with_backoff(Backoff::new(delay, delay).with_attempts(2));
    let (client, server, _cable) = open(&port, rules).await;
    let (jobs, there, session) = sending(client.sender("jobs"), &server).await;
    let attach = async { client.receiver("others").attach().await.unwrap() };
    let (others, elsewhere) = both(attach, async { next_sender(&session).await }).await;
    there.close_with(Condition::ResourceDeleted).await.unwrap();
    assert_eq!(jobs.send("x").await.unwrap_err().condition(), Some(&Condition::ResourceDeleted));
    // The link is not attached for long enough that the attempts begin again.
    elsewhere.close_with(Condition::DetachForced).await.unwrap();
    let again = next_sender(&session).await;
    again.close_with(Condition::InternalError).await.unwrap();
    let again = next_sender(&session).await;
    again.close_with(Condition::IllegalState).await.unwrap();
    let error = others.recv().await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::IllegalState));
    client.close().await.unwrap();
}

/// [2.5.2]: a session that the peer ends for a reason that passes is begun again with its links; one that ends for
/// another reason is over.
#[adapter::test]
async fn a_session_is_begun_again_with_its_links() {
    let port = Port::bind();
    let (client, server, _cable) = open(&port, quick()).await;
    let begin = async { client.session().await.unwrap() };
    let (near, session) = both(begin, async { next_session(&server).await }).await;
    let attach = async {
        let jobs = near.sender("jobs").attach().await.unwrap();
        (jobs, near.receiver("news").attach().await.unwrap())
    };
    let accept = async {
        let jobs = next_receiver(&session, ReceiverOptions::new()).await;
        (jobs, next_sender(&session).await)
    };
    let ((jobs, news), (there, _news)) = both(attach, accept).await;
    let lost = jobs.send_queued("lost").await.unwrap();
    let _ = there.recv().await.unwrap().unwrap().into_undecided();
    session.end_with(AmqpError::new(Condition::InternalError)).await.unwrap();
    let error = lost.outcome().await.unwrap_err();
    assert!(matches!(&error, Error::Lost(_)), "{error}");
    assert_eq!(error.condition(), Some(&Condition::InternalError));
    // Another link on the session that is away waits for it.
    let third = spawn({
        let near = near.clone();
        async move { near.sender("third").attach().await.unwrap() }
    });
    let session = next_session(&server).await;
    let (mut receivers, mut senders) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        match session.next_link().await.unwrap().unwrap() {
            OfferedLink::Receiver(link) => receivers.push(link.accept_with(ReceiverOptions::new()).unwrap()),
            OfferedLink::Sender(link) => senders.push(link.accept_with(SenderOptions::new()).unwrap()),
        }
    }
    assert_eq!((receivers.len(), senders.len()), (2, 1));
    let third = third.join().await.unwrap();
    let sent = senders[0].send_queued("news").await.unwrap();
    news.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    for link in [&jobs, &third] {
        link.sendable().await.unwrap();
    }
    session.end_with(AmqpError::new(Condition::UnauthorizedAccess)).await.unwrap();
    assert_eq!(news.recv().await.unwrap_err().condition(), Some(&Condition::UnauthorizedAccess));
    assert!(matches!(near.sender("x").attach().await.unwrap_err(), Error::Session(_)));
    client.close().await.unwrap();
}

/// A server that shuts down in order detaches its links, ends its sessions and closes the connection: the handles go on
/// at the next one.
#[adapter::test]
async fn an_orderly_shutdown_is_survived() {
    let port = Port::bind();
    // The attempts on this connection come long after it is closed.
    let (client, server, _cable) = open(&port, rules(Duration::from_secs(600))).await;
    let mut status = client.status();
    let (jobs, there, session) = sending(client.sender("jobs"), &server).await;
    let attach = async { client.receiver("news").attach().await.unwrap() };
    let (news, elsewhere) = both(attach, async { next_sender(&session).await }).await;
    let sending = spawn({
        let jobs = jobs.clone();
        async move {
            while jobs.is_sendable() {
                pause().await;
            }
            jobs.send("later").await
        }
    });
    there.close().await.unwrap();
    elsewhere.close_with(Condition::ConnectionForced).await.unwrap();
    assert!(matches!(jobs.try_send("x"), Err(Error::Interrupted(_) | Error::Send(_))));
    session.end().await.unwrap();
    server.close_with(AmqpError::new(Condition::ConnectionForced)).await.unwrap();
    let (server, _cable) = port.accept().await;
    let session = next_session(&server).await;
    let there = next_receiver(&session, ReceiverOptions::new()).await;
    there.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sending.join().await.unwrap().unwrap(), Outcome::Accepted);
    let elsewhere = next_sender(&session).await;
    let sent = elsewhere.send_queued("news").await.unwrap();
    news.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    assert!(matches!(next(&mut status).await, Some(Status::Connected)));
    client.close().await.unwrap();
}

/// A link that the application closes while it is away stays away, and its close returns at once.
#[adapter::test]
async fn a_close_of_a_link_that_is_away_returns_at_once() {
    for closes in [true, false] {
        let port = Port::bind();
        let delay = Duration::from_millis(300);
        let (client, server, _cable) = open(&port, rules(delay)).await;
        let (jobs, there, session) = sending(client.sender("jobs"), &server).await;
        let attach = async { client.sender("others").attach().await.unwrap() };
        let (others, elsewhere) =
            both(attach, async { next_receiver(&session, ReceiverOptions::new()).await }).await;
        let began = Instant::now();
        there.close_with(Condition::DetachForced).await.unwrap();
        elsewhere.close_with(Condition::DetachForced).await.unwrap();
        while others.is_sendable() {
            pause().await;
        }
        if closes {
            jobs.close().await.unwrap();
            assert!(matches!(jobs.try_send("x"), Err(Error::Link(_))));
        } else {
            drop(jobs);
        }
        // Only the other link comes back, and not before its time.
        let back = next_receiver(&session, ReceiverOptions::new()).await;
        assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
        others.sendable().await.unwrap();
        assert_eq!(back.name(), others.name());
        let third = async { client.sender("third").attach().await.unwrap() };
        let (third, there) =
            both(third, async { next_receiver(&session, ReceiverOptions::new()).await }).await;
        assert_eq!(there.name(), third.name());
        client.close().await.unwrap();
    }
}

/// A requester whose link for replies comes back has another address; what was asked before is lost.
#[adapter::test]
async fn a_requester_learns_the_address_of_the_next_attach() {
    let port = Port::bind();
    let (client, server, _cable) = open(&port, quick()).await;
    let ask = async { client.requester("service").await.unwrap() };
    let accept = async {
        let session = next_session(&server).await;
        let replies = replies(&session, "first").await;
        (replies, next_receiver(&session, ReceiverOptions::new()).await, session)
    };
    let (requester, (there, requests, session)) = both(ask, accept).await;
    let asked = requester.clone();
    let waiting = spawn(async move { asked.request("one").await.map(drop) });
    requests.recv().await.unwrap().unwrap().accept().unwrap();
    there.close_with(Condition::DetachForced).await.unwrap();
    let lost = waiting.join().await.unwrap().unwrap_err();
    assert!(matches!(lost, Error::Lost(_)), "{lost}");
    let there = replies(&session, "second").await;
    let asked = requester.clone();
    let waiting = spawn(async move { asked.request("two").await.map(drop) });
    let request = requests.recv().await.unwrap().unwrap();
    let properties = request.message().unwrap().properties().unwrap();
    assert_eq!(properties.reply_to.as_deref(), Some("second"));
    request.accept().unwrap();
    let _sent = there.send_queued(answer_to(&properties, "reply").unwrap()).await.unwrap();
    waiting.join().await.unwrap().unwrap();
    client.close().await.unwrap();
}

/// Accepts the link for replies at a node with this name.
#[adapter::helper]
async fn replies(session: &Session, node: &'static str) -> Sender {
    let Some(OfferedLink::Sender(link)) = session.next_link().await.unwrap() else { panic!("a sender") };
    link.accept_with(SenderOptions::new().with_source(Source::at(node))).unwrap()
}

/// [2.6.7]: the number of messages that wait for credit is announced again.
#[adapter::test]
async fn available_messages_are_announced_again() {
    let port = Port::bind();
    let (client, server, cable) = open(&port, quick()).await;
    let (jobs, there, session) = sending(client.sender("jobs"), &server).await;
    jobs.set_available(7).unwrap();
    while there.available() != 7 {
        pause().await;
    }
    there.close_with(Condition::DetachForced).await.unwrap();
    let there = next_receiver(&session, ReceiverOptions::new()).await;
    while there.available() != 7 {
        pause().await;
    }
    cable.cut();
    jobs.set_available(8).unwrap();
    let (server, _cable) = port.accept().await;
    let session = next_session(&server).await;
    let there = next_receiver(&session, ReceiverOptions::new()).await;
    while there.available() != 8 {
        pause().await;
    }
    client.close().await.unwrap();
}
