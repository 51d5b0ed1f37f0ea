//! Transactions of the broker in memory: its queues have what committed transactions say, wherever a connection ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::message::Message;
use amqp_tokio::wire::{Condition, Outcome, ReceiverSettleMode};
use amqp_tokio::{
    Connection, ConnectionOptions, Delivery, Error, Outgoing, Receiver, Sender, Session, Transaction,
};
use common::served::{bounded, connect, next};
use common::valve::{Valve, Way};

/// A client of a broker, with a session and links to and from the queue `jobs`.
struct Client {
    broker: Broker,
    session: Session,
    sender: Sender,
    _connection: Connection,
}

impl Client {
    async fn of(broker: &Broker) -> Self {
        let connection = connect(broker).await;
        let session = connection.session().await.unwrap();
        let sender = session.sender("jobs").await.unwrap();
        Self { broker: broker.clone(), session, sender, _connection: connection }
    }

    async fn new() -> Self {
        Self::of(&Broker::new().unwrap()).await
    }

    async fn receiver(&self) -> Receiver {
        self.session.receiver("jobs").await.unwrap()
    }

    /// Returns the bodies in the queue.
    fn queue(&self) -> Vec<String> {
        queue(&self.broker)
    }
}

fn queue(broker: &Broker) -> Vec<String> {
    let limits = amqp_tokio::types::Limits::DEFAULT;
    let text = |payload| {
        let view = amqp_tokio::message::MessageView::new(payload, &limits).unwrap();
        view.text().unwrap().unwrap().to_string()
    };
    broker.messages("jobs").into_iter().map(text).collect()
}

/// Waits until the broker has handled what was sent before.
async fn until(is_so: impl Fn() -> bool) {
    bounded(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// X-POST-04: messages are available after the commit, in order, and never after a rollback.
#[tokio::test]
#[adapter_tests::bounded]
async fn x_post_04_messages_wait_for_the_commit() {
    let client = Client::new().await;
    for settled in [false, true] {
        for commits in [false, true] {
            let transaction = client.session.transaction().await.unwrap();
            for body in ["a", "b", "c"] {
                let message = Outgoing::from(body).with_settled(settled);
                assert_eq!(transaction.send(&client.sender, message).await.unwrap(), Outcome::Accepted);
            }
            assert!(client.sender.send("outside").await.unwrap().is_accepted());
            assert_eq!(client.queue(), ["outside"]);
            if commits {
                transaction.commit().await.unwrap();
                assert_eq!(client.queue(), ["outside", "a", "b", "c"], "before the client knows");
            } else {
                transaction.rollback().await.unwrap();
                assert_eq!(client.queue(), ["outside"]);
            }
            let left = client.queue().len();
            let receiver = client.receiver().await;
            for _ in 0..left {
                next(&receiver).await.0.accept().unwrap();
            }
            receiver.close().await.unwrap();
        }
    }
}

/// X-RET-01, X-RET-03: a message is gone after the commit, and there again after a rollback.
#[tokio::test]
#[adapter_tests::bounded]
async fn x_ret_03_messages_come_back() {
    let client = Client::new().await;
    assert!(client.sender.send("job").await.unwrap().is_accepted());
    let receiver = client.receiver().await;
    for end in ["rollback", "drop", "commit"] {
        let transaction = client.session.transaction().await.unwrap();
        let (delivery, _) = next(&receiver).await;
        transaction.accept(delivery).unwrap();
        match end {
            "rollback" => transaction.rollback().await.unwrap(),
            "drop" => drop(transaction),
            _ => transaction.commit().await.unwrap(),
        }
    }
    receiver.close().await.unwrap();
    assert!(client.broker.is_empty("jobs"));
}

/// Other outcomes apply at the commit, too: a rejected message is a dead letter, a modified one comes again.
#[tokio::test]
#[adapter_tests::bounded]
async fn other_outcomes_apply_at_the_commit() {
    let client = Client::new().await;
    for body in ["bad", "later", "again"] {
        assert!(client.sender.send(body).await.unwrap().is_accepted());
    }
    let receiver = client.session.receiver("jobs").with_prefetch(3).await.unwrap();
    let transaction = client.session.transaction().await.unwrap();
    transaction.reject(next(&receiver).await.0, None).unwrap();
    transaction.release(next(&receiver).await.0).unwrap();
    let failed = amqp_tokio::wire::Modified { delivery_failed: Some(true), ..Default::default() };
    transaction.modify(next(&receiver).await.0, failed).unwrap();
    assert!(client.broker.dead_letters().is_empty());
    receiver.set_credit(0).unwrap();
    transaction.commit().await.unwrap();
    until(|| client.broker.len("jobs") == 2 && client.broker.dead_letters().len() == 1).await;
    let counts = |delivery: &Delivery| delivery.message().unwrap().header().unwrap().delivery_count;
    let mut seen = BTreeMap::new();
    receiver.set_credit(2).unwrap();
    for _ in 0..2 {
        let (delivery, body) = next(&receiver).await;
        seen.insert(body, counts(&delivery));
        delivery.accept().unwrap();
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [("again".to_string(), 1), ("later".to_string(), 0)]);
}

/// X-POST-05: a settled message that the broker cannot take fails the commit; an unsettled one is rejected, and fails it at
/// the client.
#[tokio::test]
#[adapter_tests::bounded]
async fn x_post_05_messages_without_room() {
    let broker = Broker::builder().with_total_octets(2_000).build().unwrap();
    let client = Client::of(&broker).await;
    for settled in [true, false] {
        let transaction = client.session.transaction().await.unwrap();
        assert!(transaction.send(&client.sender, "fits").await.unwrap().is_accepted());
        let large = Outgoing::from("x".repeat(4_000)).with_settled(settled);
        assert_eq!(transaction.send(&client.sender, large).await.unwrap().is_accepted(), settled);
        let error = transaction.commit().await.unwrap_err();
        assert!(matches!(error, Error::RolledBack(_)), "{error}");
        assert_eq!(client.queue(), [] as [&str; 0]);
    }
    let transaction = client.session.transaction().await.unwrap();
    assert!(transaction.send(&client.sender, "fits").await.unwrap().is_accepted());
    transaction.commit().await.unwrap();
    assert_eq!(client.queue(), ["fits"], "the room was given back");
}

/// Messages of a transaction go to topics, by the relay and to sinks, as others do.
#[tokio::test]
#[adapter_tests::bounded]
async fn messages_of_transactions_go_everywhere() {
    let client = Client::new().await;
    let session = &client.session;
    let news = session.receiver("news").with_capabilities("topic").await.unwrap();
    let topic = session.sender("news").await.unwrap();
    let relay = session.anonymous_sender().await.unwrap();
    let sink = session.sender("outcome.rejected").await.unwrap();
    let transaction = session.transaction().await.unwrap();
    assert!(transaction.send(&topic, "headline").await.unwrap().is_accepted());
    assert!(transaction.send(&relay, Message::from("by relay").with_to("jobs")).await.unwrap().is_accepted());
    assert_eq!(client.queue(), [] as [&str; 0]);
    transaction.commit().await.unwrap();
    assert_eq!(client.queue(), ["by relay"]);
    assert_eq!(next(&news).await.1, "headline");
    let transaction = session.transaction().await.unwrap();
    assert!(!transaction.send(&sink, "x").await.unwrap().is_accepted());
    let lost = Message::from("nowhere");
    assert!(!transaction.send(&relay, lost).await.unwrap().is_accepted());
    assert!(matches!(transaction.commit().await, Err(Error::RolledBack(_))));
}

/// X-CTL-04: what a client does not commit is undone when its connection ends, and nodes that only a transaction used are
/// removed.
#[tokio::test]
#[adapter_tests::bounded]
async fn x_ctl_04_the_end_of_the_connection_rolls_back() {
    let broker = Broker::new().unwrap();
    let client = Client::of(&broker).await;
    assert!(client.sender.send("job").await.unwrap().is_accepted());
    let receiver = client.receiver().await;
    let transaction = client.session.transaction().await.unwrap();
    assert!(transaction.send(&client.sender, "posted").await.unwrap().is_accepted());
    let relay = client.session.anonymous_sender().await.unwrap();
    assert!(
        transaction.send(&relay, Message::from("posted").with_to("elsewhere")).await.unwrap().is_accepted()
    );
    assert_eq!(broker.node_count(), 2);
    transaction.accept(next(&receiver).await.0).unwrap();
    let Client { _connection: connection, .. } = client;
    connection.close_with(amqp_tokio::wire::AmqpError::new(Condition::InternalError)).await.unwrap();
    until(|| broker.len("jobs") == 1 && broker.node_count() == 1).await;
    assert_eq!(queue(&broker), ["job"]);
    assert!(matches!(transaction.commit().await, Err(Error::RolledBack(_) | Error::Connection(_))));
}

/// A receiver that settles second works in a transaction, too.
#[tokio::test]
#[adapter_tests::bounded]
async fn mode_second_in_transactions() {
    let client = Client::new().await;
    let second = ReceiverSettleMode::Second;
    let sender = client.session.sender("jobs").with_rcv_settle_mode(second).await.unwrap();
    let receiver = client.session.receiver("jobs").with_rcv_settle_mode(second).await.unwrap();
    let transaction = client.session.transaction().await.unwrap();
    assert!(transaction.send(&sender, "job").await.unwrap().is_accepted());
    transaction.commit().await.unwrap();
    until(|| sender.unsettled() == 0).await;
    let transaction = client.session.transaction().await.unwrap();
    transaction.accept(next(&receiver).await.0).unwrap();
    transaction.commit().await.unwrap();
    receiver.close().await.unwrap();
    assert!(client.broker.is_empty("jobs"));
}

/// Random work in several transactions at a time: the queue has what the committed ones say.
#[tokio::test]
#[adapter_tests::bounded]
async fn the_queue_equals_the_model() {
    for seed in 1..=20_u64 {
        let mut random = seed;
        let mut roll = move |sides: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % sides
        };
        let client = Client::new().await;
        let receiver = client.session.receiver("jobs").with_prefetch(1_000).await.unwrap();
        let mut live: Vec<(Transaction, Vec<u64>, Vec<u64>)> = Vec::new();
        // The messages that are committed and not consumed, each once.
        let mut model: BTreeMap<u64, ()> = BTreeMap::new();
        let mut number = 0;
        for _ in 0..150 {
            match roll(6) {
                0 if live.len() < 4 => {
                    live.push((client.session.transaction().await.unwrap(), Vec::new(), Vec::new()));
                }
                1 => {
                    number += 1;
                    assert!(client.sender.send(number.to_string()).await.unwrap().is_accepted());
                    model.insert(number, ());
                }
                2 | 3 if !live.is_empty() => {
                    number += 1;
                    let at = usize::try_from(roll(live.len() as u64)).unwrap();
                    let (transaction, posted, _) = &mut live[at];
                    let message = Outgoing::from(number.to_string()).with_settled(roll(2) == 0);
                    drop(transaction.send_queued(&client.sender, message).await.unwrap());
                    posted.push(number);
                }
                4 if !live.is_empty() => {
                    let at = usize::try_from(roll(live.len() as u64)).unwrap();
                    let Some(delivery) = receiver.try_recv().unwrap() else { continue };
                    let body = delivery.message().unwrap().text().unwrap().unwrap();
                    let (transaction, _, retired) = &mut live[at];
                    transaction.accept(delivery).unwrap();
                    retired.push(body.parse().unwrap());
                }
                5 if !live.is_empty() => {
                    let at = usize::try_from(roll(live.len() as u64)).unwrap();
                    let (transaction, posted, retired) = live.swap_remove(at);
                    match roll(3) {
                        0 => transaction.rollback().await.unwrap(),
                        1 => drop(transaction),
                        _ => {
                            transaction.commit().await.unwrap();
                            model.extend(posted.into_iter().map(|number| (number, ())));
                            retired.iter().for_each(|number| _ = model.remove(number));
                        }
                    }
                }
                _ => {}
            }
        }
        live.clear();
        receiver.close().await.unwrap();
        let expected: Vec<u64> = model.into_keys().collect();
        let here = || {
            let mut here: Vec<u64> = client.queue().iter().map(|body| body.parse().unwrap()).collect();
            here.sort_unstable();
            here
        };
        until(|| here().len() == expected.len()).await;
        assert_eq!(here(), expected, "seed {seed}");
    }
}

/// The result of the work below, as the client knows it.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Committed,
    RolledBack,
    Unknown,
}

/// Takes "job" and posts "result" in one transaction, over a connection that ends after these octets of either direction.
async fn work(broker: &Broker, read: Option<usize>, written: Option<usize>) -> (Known, usize) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (served, acceptor) = (broker.clone(), broker.acceptor());
    let serving =
        tokio::spawn(async move { served.serve_connection(Connection::accept(far, &acceptor).await?).await });
    let (valve, hold) = Valve::new(near);
    if let Some(octets) = read {
        hold.read(Way::Left(octets, None));
    }
    if let Some(octets) = written {
        hold.write(Way::Left(octets, Some(std::io::ErrorKind::BrokenPipe)));
    }
    let working = async {
        let connection = Connection::over(valve, ConnectionOptions::new()).await?;
        let session = connection.session().await?;
        let sender = session.sender("jobs").await?;
        let receiver = session.receiver("jobs").with_prefetch(1).await?;
        let transaction = session.transaction().await?;
        let delivery = receiver.recv().await?.ok_or(Error::Gone)?;
        let _ = transaction.send(&sender, "result").await?;
        transaction.accept(delivery)?;
        Ok::<_, Error>((transaction.commit().await, connection))
    };
    let known = match bounded(working).await {
        Ok((Ok(()), _connection)) => Known::Committed,
        Ok((Err(Error::InDoubt(_)), _)) => Known::Unknown,
        // The commit was not asked for.
        Ok((Err(_), _)) | Err(_) => Known::RolledBack,
    };
    let octets = hold.octets_written();
    let _ = bounded(serving).await.unwrap();
    (known, octets)
}

/// The connection ends after each octet of either direction: the queue has either the message before the transaction or
/// the one after it, and the client knows which, or that it does not know.
#[tokio::test]
#[adapter_tests::bounded(300)]
async fn a_cut_at_every_octet_leaves_all_or_nothing() {
    let fresh = || async {
        let broker = Broker::new().unwrap();
        let sent = connect(&broker).await.sender("jobs").await.unwrap().send("job").await.unwrap();
        assert!(sent.is_accepted());
        broker
    };
    let broker = fresh().await;
    let (known, written) = work(&broker, None, None).await;
    assert_eq!((known, queue(&broker)), (Known::Committed, vec!["result".to_string()]));
    let mut seen = BTreeMap::new();
    for cut in 0..written + 400 {
        for way in [false, true] {
            let broker = fresh().await;
            let (read, write) = if way { (Some(cut), None) } else { (None, Some(cut)) };
            let (known, _) = work(&broker, read, write).await;
            until(|| broker.len("jobs") == 1).await;
            let left = queue(&broker);
            match known {
                Known::Committed => assert_eq!(left, ["result"], "cut {cut} {way}"),
                Known::RolledBack => assert_eq!(left, ["job"], "cut {cut} {way}"),
                Known::Unknown => {}
            }
            *seen.entry((format!("{known:?}"), left)).or_insert(0) += 1;
        }
    }
    // Each case has come up.
    let is_seen = |known: &str, left: &str| seen.contains_key(&(known.to_string(), vec![left.to_string()]));
    assert!(is_seen("Committed", "result") && is_seen("RolledBack", "job"), "{seen:?}");
    assert!(is_seen("Unknown", "job") && is_seen("Unknown", "result"), "{seen:?}");
}
