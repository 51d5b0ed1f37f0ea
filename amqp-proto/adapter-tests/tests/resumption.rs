//! Links that are resumed on the next connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::common::port::Port;
use super::common::resuming::{Memory, SECOND, Seen, Server, Step};
use crate::adapter::{self, next, pause};
use crate::amqp::message::Message;
use crate::amqp::policy::{Backoff, Reconnect, Recovery};
use crate::amqp::types::{DeliveryTag, Limits};
use crate::amqp::wire::Outcome;
use crate::amqp::{Connection, ConnectionOptions, Error, LinkState, Resumed, Status};

/// Opens a connection that is opened again.
#[adapter::helper]
async fn open(port: &Port) -> Connection {
    let delay = Duration::from_millis(1);
    let rules = Reconnect::new().with_backoff(Backoff::new(delay, delay)).with_stable_after(Duration::ZERO);
    let options = ConnectionOptions::new().with_reconnect(rules);
    Connection::open_with(&port.url(), options).await.unwrap()
}

/// Waits until the server has seen enough.
#[adapter::helper]
async fn until(seen: &Arc<Mutex<Seen>>, is_enough: impl Fn(&Seen) -> bool) {
    while !is_enough(&seen.lock().unwrap()) {
        pause().await;
    }
}

/// [2.6.13]: messages whose outcome was lost with the connection are not sent again; each gets its outcome.
#[adapter::test]
async fn a_resumed_sender_sends_each_message_once() {
    let port = Port::bind();
    let steps = vec![Step::Accept, Step::Hold, Step::Hold, Step::Cut, Step::Hold, Step::Cut];
    let (seen, _cutter) = Server::spawn(port.listener(), Memory::Keeps, steps, Vec::new());
    let client = open(&port).await;
    let builder = client.sender("jobs").with_recovery(Recovery::Resume).with_rcv_settle_mode(SECOND);
    let jobs = builder.attach().await.unwrap();
    let mut outcomes = jobs.outcomes();
    let mut sent = Vec::new();
    for number in 0..9 {
        sent.push(jobs.send_queued(format!("job {number}")).await.unwrap());
    }
    for sent in &sent {
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    }
    let mut told = Vec::new();
    for _ in &sent {
        let (key, outcome) = next(&mut outcomes).await.unwrap();
        assert_eq!(outcome.unwrap(), Outcome::Accepted);
        told.push(key);
    }
    told.sort();
    assert_eq!(told.len(), 9);
    told.dedup();
    assert_eq!(told.len(), 9, "each outcome is told once");
    let expected: Vec<String> = (0..9).map(|number| format!("job {number}")).collect();
    assert_eq!(seen.lock().unwrap().bodies, expected);
    assert_eq!(seen.lock().unwrap().connections, 3);
    client.close().await.unwrap();
}

/// A peer that keeps nothing, or refuses to resume, is told by the status; the messages are sent again, or are lost.
#[adapter::test]
async fn a_peer_that_does_not_resume_gets_the_messages_again() {
    for (memory, resends) in
        [(Memory::Forgets, true), (Memory::Forgets, false), (Memory::Refuses, true), (Memory::Refuses, false)]
    {
        let port = Port::bind();
        let steps = vec![Step::Hold, Step::Cut];
        let (seen, _cutter) = Server::spawn(port.listener(), memory, steps, Vec::new());
        let client = open(&port).await;
        let mut status = client.status();
        let builder = client.sender("jobs").with_recovery(Recovery::Resume).with_resend(resends);
        let jobs = builder.attach().await.unwrap();
        let one = jobs.send_queued("one").await.unwrap();
        let two = jobs.send_queued("two").await.unwrap();
        let name = loop {
            if let Some(Status::NotResumed { link }) = next(&mut status).await {
                break link;
            }
        };
        assert_eq!(name, jobs.name());
        for sent in [one, two] {
            match sent.outcome().await {
                Ok(outcome) => assert!(resends && outcome == Outcome::Accepted),
                Err(error) => assert!(!resends && matches!(error, Error::Lost(_)), "{error}"),
            }
        }
        assert_eq!(jobs.send("three").await.unwrap(), Outcome::Accepted);
        let bodies = seen.lock().unwrap().bodies.clone();
        let again =
            if resends { vec!["one", "two", "one", "two", "three"] } else { vec!["one", "two", "three"] };
        assert_eq!(bodies, again, "{memory:?}");
        client.close().await.unwrap();
    }
}

/// [2.6.13]: a delivery that was taken keeps its handle: its outcome is told on the next connection, whether it was
/// decided before, while the connection is away, or after. None comes twice.
#[adapter::test]
async fn a_resumed_receiver_keeps_its_deliveries() {
    for prefetch in [0, 10] {
        let port = Port::bind();
        let news = vec!["one", "two", "three", "four"];
        let (seen, cutter) = Server::spawn(port.listener(), Memory::Keeps, Vec::new(), news);
        let client = open(&port).await;
        let mut status = client.status();
        let builder = client.receiver("news").with_recovery(Recovery::Resume).with_prefetch(prefetch);
        let news = builder.attach().await.unwrap();
        if prefetch == 0 {
            news.set_credit(4).unwrap();
        }
        let mut taken = Vec::new();
        for body in ["one", "two", "three"] {
            let delivery = news.recv().await.unwrap().unwrap();
            assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some(body));
            taken.push(delivery);
        }
        let (three, two, one) = (taken.pop().unwrap(), taken.pop().unwrap(), taken.pop().unwrap());
        one.accept().unwrap();
        until(&seen, |seen| seen.outcomes.len() == 1).await;
        while news.unsettled() > 3 {
            pause().await;
        }
        cutter.send(()).unwrap();
        while !matches!(next(&mut status).await, Some(Status::Interrupted(_))) {}
        two.reject(None).unwrap();
        while !matches!(next(&mut status).await, Some(Status::Connected)) {}
        let key = three.key();
        // The third delivery is resumed before the fourth.
        while news.unsettled() < 2 {
            pause().await;
        }
        news.accept(key).unwrap();
        let _ = three.into_undecided();
        news.settled(key).await.unwrap();
        let four = news.recv().await.unwrap().unwrap();
        assert_eq!(four.message().unwrap().body().unwrap().as_str(), Some("four"));
        four.accept().unwrap();
        until(&seen, |seen| seen.outcomes.len() == 4).await;
        let outcomes = seen.lock().unwrap().outcomes.clone();
        let accepted = outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count();
        assert_eq!(accepted, 3, "{outcomes:?}");
        assert!(news.try_recv().unwrap().is_none());
        client.close().await.unwrap();
    }
}

/// T-RES-08 [2.6.13]: a process goes on from the state that another one has saved. The outcome of each message is told,
/// also over another loss of the connection; no message comes twice, and one that was saved and not sent comes, too.
#[adapter::test]
async fn t_res_08_another_process_goes_on_from_a_saved_state() {
    for reconnects in [false, true] {
        let port = Port::bind();
        let mut steps = vec![Step::Accept, Step::Hold, Step::Cut];
        if reconnects {
            steps.extend([Step::Hold, Step::Cut]);
        }
        let (seen, _cutter) = Server::spawn(port.listener(), Memory::Keeps, steps, Vec::new());
        let client = Connection::open(&port.url()).await.unwrap();
        let builder = client.sender("jobs").with_name("x").with_recovery(Recovery::Resume);
        let builder = builder.with_rcv_settle_mode(SECOND).with_auto_settle(false);
        let jobs = builder.attach().await.unwrap();
        let one = jobs.send_queued("one").await.unwrap();
        assert_eq!(one.outcome().await.unwrap(), Outcome::Accepted);
        assert_eq!(jobs.link_state().unwrap().deliveries().len(), 1);
        one.settle().unwrap();
        let _two = jobs.send_queued("two").await.unwrap();
        let three = jobs.send_queued("three").await.unwrap();
        let mut state = jobs.link_state().unwrap();
        let tag = DeliveryTag::from(99);
        assert!(state.add_message(tag, Message::from("four").to_payload().unwrap()));
        assert!(!state.add_message(tag, Message::from("four").to_payload().unwrap()), "the tag is in use");
        assert!(three.outcome().await.is_err());
        assert_eq!(jobs.link_state().unwrap().deliveries().len(), 2);
        assert_eq!(jobs.take_state().unwrap().deliveries().len(), 2);
        let state = LinkState::from_bytes(state.to_bytes().unwrap(), &Limits::DEFAULT).unwrap();

        let client =
            if reconnects { open(&port).await } else { Connection::open(&port.url()).await.unwrap() };
        let other = client.sender("others").with_state(state.clone()).attach().await.unwrap_err();
        assert!(matches!(other, Error::Attach(_)), "{other}");
        let other =
            client.sender("jobs").with_name("y").with_state(state.clone()).attach().await.unwrap_err();
        assert!(matches!(other, Error::Attach(_)), "{other}");
        let builder = client.sender("jobs").with_recovery(Recovery::Resume).with_rcv_settle_mode(SECOND);
        let jobs = builder.with_state(state).attach().await.unwrap();
        assert_eq!(jobs.name(), "x");
        let five = jobs.send_queued("five").await.unwrap();
        let mut over = 0;
        while over < 3 {
            if let Resumed::Over { outcome, .. } = jobs.next_resumed().await.unwrap() {
                assert_eq!(outcome, Some(Outcome::Accepted));
                over += 1;
            }
        }
        assert_eq!(five.outcome().await.unwrap(), Outcome::Accepted);
        assert_eq!(seen.lock().unwrap().bodies, ["one", "two", "three", "four", "five"]);
        assert_eq!(seen.lock().unwrap().connections, 2 + usize::from(reconnects));
        client.close().await.unwrap();
        assert!(jobs.next_resumed().await.is_err());
    }
}

/// A link that is not to be resumed has no state.
#[adapter::test]
async fn a_link_without_resume_has_no_state() {
    let port = Port::bind();
    let (_seen, _cutter) = Server::spawn(port.listener(), Memory::Keeps, Vec::new(), Vec::new());
    for reconnects in [false, true] {
        let client =
            if reconnects { open(&port).await } else { Connection::open(&port.url()).await.unwrap() };
        let jobs = client.sender("jobs").attach().await.unwrap();
        assert!(jobs.link_state().is_none());
        client.close().await.unwrap();
        assert!(jobs.take_state().is_none());
    }
}

/// T-RES-12 [2.6.13]: a receiver goes on from a saved state: the outcome of a message that the earlier process has decided
/// on is told, and the message does not come again.
#[adapter::test]
async fn t_res_12_another_process_receives_from_a_saved_state() {
    let port = Port::bind();
    let news = vec!["one", "two", "three"];
    let (seen, cutter) = Server::spawn(port.listener(), Memory::Keeps, Vec::new(), news);
    let client = Connection::open(&port.url()).await.unwrap();
    let builder = client.receiver("news").with_name("x").with_recovery(Recovery::Resume).with_prefetch(2);
    let inbox = builder.attach().await.unwrap();
    let one = inbox.recv().await.unwrap().unwrap();
    let two = inbox.recv().await.unwrap().unwrap();
    let (first, second, key) = (one.tag(), two.tag(), one.key());
    cutter.send(()).unwrap();
    inbox.closed().await;
    assert!(one.accept().is_err());
    let mut state = inbox.take_state().unwrap();
    assert!(state.set_outcome(&first, Outcome::Accepted));
    let state = LinkState::from_bytes(state.to_bytes().unwrap(), &Limits::DEFAULT).unwrap();

    let client = Connection::open(&port.url()).await.unwrap();
    let inbox = client.receiver("news").with_state(state).attach().await.unwrap();
    let mut keys = Vec::new();
    while keys.len() < 2 {
        match inbox.next_resumed().await.unwrap() {
            Resumed::Continued { tag, delivery, .. } => keys.push((tag, delivery)),
            Resumed::Over { tag, .. } if tag == first => keys.push((tag, key)),
            other => panic!("{other:?}"),
        }
    }
    drop(two);
    let key = keys.iter().find(|(tag, _)| *tag == second).unwrap().1;
    inbox.accept(key).unwrap();
    let mut bodies = Vec::new();
    while bodies.is_empty() {
        let delivery = inbox.recv().await.unwrap().unwrap();
        bodies.push(delivery.message().unwrap().body().unwrap().as_str().unwrap().to_string());
        delivery.accept().unwrap();
    }
    assert_eq!(bodies, ["three"]);
    until(&seen, |seen| seen.outcomes.len() == 3).await;
    client.close().await.unwrap();
}
