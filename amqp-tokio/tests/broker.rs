//! The broker in memory, over streams in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::broker::{Broker, DeadLetterReason};
use amqp_tokio::message::Message;
use amqp_tokio::types::{Annotations, Limits, Symbol};
use amqp_tokio::wire::{AmqpError, Condition, Modified, Outcome, ReceiverSettleMode, SenderSettleMode};
use amqp_tokio::{ConnectionOptions, Outgoing};
use bytes::BytesMut;
use common::served::{connect, connect_as, delivery_count, next};

#[tokio::test]
#[adapter_tests::bounded]
async fn consumers_compete_for_a_queue() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    let receivers = [
        connection.receiver("jobs").with_prefetch(5).with_auto_accept(true).await.unwrap(),
        connection.receiver("jobs").with_prefetch(5).with_auto_accept(true).await.unwrap(),
    ];
    for n in 0..20 {
        assert_eq!(sender.send(format!("{n}")).await.unwrap(), Outcome::Accepted);
    }
    let mut seen = Vec::new();
    while seen.len() < 20 {
        let taken = tokio::select! {
            taken = next(&receivers[0]) => taken,
            taken = next(&receivers[1]) => taken,
        };
        seen.push(taken.1.parse::<u32>().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    connection.close().await.unwrap();
}

/// Released messages come again unchanged; failed ones with a delivery-count and annotations; all in order.
// M-STATE-07, M-STATE-08: a released message comes again unchanged; a modified one is counted and annotated.
#[tokio::test]
#[adapter_tests::bounded]
async fn messages_come_again() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    let receiver = connection.receiver("jobs").with_prefetch(1).with_auto_accept(false).await.unwrap();
    let _sent = sender.send(Message::from("job").with_subject("s")).await.unwrap();
    let (delivery, _) = next(&receiver).await;
    assert_eq!(delivery_count(&delivery), (0, false));
    delivery.release().unwrap();
    let (delivery, _) = next(&receiver).await;
    assert_eq!(delivery_count(&delivery), (0, false));
    let mut modified = Modified { delivery_failed: Some(true), ..Modified::default() };
    modified.message_annotations.insert(Symbol::new("x-opt-why").unwrap(), "busy");
    delivery.modify(modified).unwrap();
    let (delivery, body) = next(&receiver).await;
    assert_eq!((delivery_count(&delivery), &*body), ((1, false), "job"));
    let message = delivery.message().unwrap();
    assert_eq!(message.message_annotations().unwrap().get("x-opt-why").unwrap().as_str(), Some("busy"));
    assert_eq!(message.properties().unwrap().subject.unwrap(), "s");
    // A lost consumer counts as a failed delivery.
    let _undecided = delivery.into_undecided();
    receiver.close().await.unwrap();
    let other = connection.receiver("jobs").with_auto_accept(false).await.unwrap();
    let (delivery, _) = next(&other).await;
    assert_eq!(delivery_count(&delivery), (2, false));
    // The message no longer comes to this consumer, but to the next.
    let modified = Modified { undeliverable_here: Some(true), ..Modified::default() };
    delivery.modify(modified).unwrap();
    let third = connection.receiver("jobs").await.unwrap();
    next(&third).await.0.accept().unwrap();
    assert!(other.try_recv().unwrap().is_none());
}

#[tokio::test]
#[adapter_tests::bounded]
async fn rejected_messages_become_dead_letters() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    let receiver = connection.receiver("jobs").await.unwrap();
    sender.send("bad").await.unwrap().accepted().unwrap();
    next(&receiver).await.0.reject(AmqpError::new(Condition::InvalidField)).unwrap();
    let relay = connection.sender("").without_address().await.unwrap();
    let outcome = relay.send("to whom?").await.unwrap();
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert_eq!(relay.send(Message::from("good").with_to("jobs")).await.unwrap(), Outcome::Accepted);
    assert_eq!(next(&receiver).await.1, "good");
    let letters = broker.dead_letters();
    assert_eq!(letters.len(), 2);
    let reason = DeadLetterReason::Rejected(Some(AmqpError::new(Condition::InvalidField)));
    assert_eq!((letters[0].address().as_str(), letters[0].reason()), ("jobs", &reason));
    assert_eq!(letters[0].message().unwrap().body().unwrap().as_str(), Some("bad"));
    assert_eq!(letters[1].reason(), &DeadLetterReason::Undeliverable);
}

/// Senders to a full queue run out of credit, and continue when there is room.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_full_queue_holds_senders_back() {
    let broker = Broker::builder().with_depth(10).build().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    let mut queued = Vec::new();
    for _ in 0..500 {
        match sender.try_send("job") {
            Ok(sent) => queued.push(sent),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    assert!(broker.len("jobs") == 10 && queued.len() < 250, "{}", queued.len());
    let receiver = connection.receiver("jobs").await.unwrap();
    for sent in queued {
        next(&receiver).await.0.accept().unwrap();
        assert_eq!(sent.await.unwrap(), Outcome::Accepted);
    }
    assert!(broker.is_empty("jobs") && broker.messages("jobs").is_empty());
}

/// Settled messages count, although the close comes with them; but not messages that a client leaves before a full
/// queue.
#[tokio::test]
#[adapter_tests::bounded]
async fn messages_sent_before_the_close_arrive() {
    let broker = Broker::builder().with_depth(10).build().unwrap();
    for _ in 0..20 {
        let connection = connect(&broker).await;
        let sender = connection.sender("jobs").with_snd_settle_mode(SenderSettleMode::Settled).await.unwrap();
        for n in 0..15 {
            assert!(sender.send_queued(format!("{n}")).await.unwrap().is_settled());
        }
        connection.close().await.unwrap();
        let connection = connect(&broker).await;
        let receiver = connection.receiver("jobs").with_auto_accept(true).await.unwrap();
        for n in 0..10 {
            assert_eq!(next(&receiver).await.1, n.to_string());
        }
        receiver.stop().unwrap();
        connection.close().await.unwrap();
        let rest = broker.len("jobs");
        assert!(rest <= 5, "{rest}");
        if rest > 0 {
            let connection = connect(&broker).await;
            let receiver = connection.receiver("jobs").with_prefetch(0).with_auto_accept(true).await.unwrap();
            receiver.set_credit(10).unwrap();
            receiver.drain().await.unwrap();
            while let Some(delivery) = receiver.try_recv().unwrap() {
                delivery.accept().unwrap();
            }
            connection.close().await.unwrap();
        }
    }
}

#[tokio::test]
#[adapter_tests::bounded]
async fn each_listener_of_a_topic_gets_each_message() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let topic = || Symbol::new("topic").unwrap();
    let receivers = [
        connection.receiver("news").with_capabilities(topic()).await.unwrap(),
        connection.receiver("news").await.unwrap(),
    ];
    let sender = connection.sender("news").await.unwrap();
    for n in 0..5 {
        sender.send(format!("{n}")).await.unwrap().accepted().unwrap();
    }
    for receiver in &receivers {
        for n in 0..5 {
            assert_eq!(next(receiver).await.1, n.to_string());
        }
    }
    drop(receivers);
    assert_eq!(sender.send("to nobody").await.unwrap(), Outcome::Accepted);
}

/// A request with a dynamic reply address, with a reply over the anonymous relay.
#[tokio::test]
#[adapter_tests::bounded]
async fn requests_are_answered() {
    let broker = Broker::new().unwrap();
    let (client, server) = (connect(&broker).await, connect(&broker).await);
    let requests = server.receiver("requests").with_auto_accept(true).await.unwrap();
    let answers = server.anonymous_sender().await.unwrap();
    let serve = async {
        for _ in 0..3 {
            let (delivery, body) = next(&requests).await;
            let to = delivery.message().unwrap().properties().unwrap().reply_to.unwrap();
            answers.send(Message::from(body.to_uppercase()).with_to(to)).await.unwrap().accepted().unwrap();
        }
    };
    let ask = async {
        let replies = client.dynamic_receiver().with_auto_accept(true).await.unwrap();
        let address = replies.address().unwrap();
        let sender = client.sender("requests").await.unwrap();
        for word in ["a", "b", "c"] {
            sender
                .send(Message::from(word).with_reply_to(address.clone()))
                .await
                .unwrap()
                .accepted()
                .unwrap();
            assert_eq!(next(&replies).await.1, word.to_uppercase());
        }
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
#[adapter_tests::bounded]
async fn addresses_for_tests() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let mixed = connection.sender("outcome.mixed").await.unwrap();
    for _ in 0..2 {
        assert_eq!(mixed.send("1").await.unwrap(), Outcome::Accepted);
        assert!(matches!(mixed.send("2").await.unwrap(), Outcome::Rejected(_)));
        assert_eq!(mixed.send("3").await.unwrap(), Outcome::Released);
        assert!(matches!(mixed.send("4").await.unwrap(), Outcome::Modified(_)));
    }
    let source = connection.receiver("source.5").with_prefetch(2).with_auto_accept(true).await.unwrap();
    for n in 0..5 {
        assert_eq!(next(&source).await.1, format!("msg{n}"));
    }
    let error = connection.receiver("outcome.accepted").await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotFound));
    let error = connection.receiver("source.few").await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotFound));
    let error = connection.sender("source.5").await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotAllowed));
}

fn annotations(name: &str) -> Annotations {
    [(Symbol::new(name).unwrap(), true)].into_iter().collect()
}

/// [3.2.2] Delivery-annotations reach only the next hop, also when the message comes again.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_dann_01_delivery_annotations_stay_here() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let mut message = Message::from("job");
    *message.delivery_annotations_mut() = annotations("x-opt-for-you");
    *message.message_annotations_mut() = annotations("x-opt-for-all");
    let _ = connection.sender("jobs").await.unwrap().send(message).await.unwrap();
    let receiver = connection.receiver("jobs").await.unwrap();
    for _ in 0..2 {
        let (delivery, _) = next(&receiver).await;
        let view = delivery.message().unwrap();
        assert!(view.delivery_annotations().unwrap().is_empty());
        assert_eq!(view.message_annotations().unwrap(), annotations("x-opt-for-all"));
        delivery.release().unwrap();
    }
}

/// [3.4.3] The error of a rejected message is its delivery-annotation `rejected`.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_rejected_message_keeps_its_error() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let _ = connection.sender("jobs").await.unwrap().send("bad").await.unwrap();
    let receiver = connection.receiver("jobs").await.unwrap();
    let error = AmqpError::new(Condition::InvalidField).with_description("no such job");
    next(&receiver).await.0.reject(error.clone()).unwrap();
    receiver.close().await.unwrap();
    let message = broker.dead_letters()[0].message().unwrap();
    let annotations = message.delivery_annotations().unwrap();
    let mut octets = BytesMut::new();
    annotations.get("rejected").unwrap().encode(&mut octets).unwrap();
    assert_eq!(AmqpError::decode(&mut octets.freeze(), &Limits::DEFAULT).unwrap(), error);
    assert_eq!(message.body().unwrap().as_str(), Some("bad"));
}

/// For a drain, the broker sends its messages and returns the rest of the credit.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_drain_gets_all_waiting_messages() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    for n in 0..3 {
        sender.send(format!("{n}")).await.unwrap().accepted().unwrap();
    }
    for (credit, count) in [(10, 3), (10, 0)] {
        let receiver = connection.receiver("jobs").with_prefetch(0).with_auto_accept(true).await.unwrap();
        receiver.set_credit(credit).unwrap();
        receiver.drain().await.unwrap();
        assert_eq!(receiver.credit(), 0);
        let taken = std::iter::from_fn(|| receiver.try_recv().unwrap()).count();
        assert_eq!(taken, count);
    }
}

#[tokio::test]
#[adapter_tests::bounded]
async fn settled_links_and_links_that_settle_second() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").with_snd_settle_mode(SenderSettleMode::Settled).await.unwrap();
    for n in 0..3 {
        assert!(sender.send_queued(Outgoing::from(format!("{n}"))).await.unwrap().is_settled());
    }
    let settled =
        connection.receiver("jobs").with_prefetch(1).with_snd_settle_mode(SenderSettleMode::Settled);
    let settled = settled.await.unwrap();
    let (delivery, _) = next(&settled).await;
    assert!(delivery.is_settled());
    settled.close().await.unwrap();
    let second = connection.receiver("jobs").with_rcv_settle_mode(ReceiverSettleMode::Second).await.unwrap();
    let (delivery, _) = next(&second).await;
    let key = delivery.key();
    delivery.accept().unwrap();
    second.settled(key).await.unwrap();
}

#[tokio::test]
#[adapter_tests::bounded]
async fn users_have_to_authenticate() {
    let broker = Broker::builder().with_user("test", "secret").unwrap().build().unwrap();
    let options = || ConnectionOptions::new();
    for mechanism in ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        if mechanism != "PLAIN" && !cfg!(feature = "scram") {
            continue;
        }
        let only = || [Symbol::new(mechanism).unwrap()];
        let good = options()
            .with_login("test", "secret")
            .unwrap()
            .with_only_mechanisms(only())
            .with_plain_in_clear();
        let done = connect_as(&broker, good).await;
        // PLAIN is not offered on a stream that others can read.
        assert_eq!(done.is_ok(), mechanism != "PLAIN", "{mechanism}: {done:?}");
        let bad = options().with_login("test", "wrong").unwrap().with_only_mechanisms(only());
        let error = connect_as(&broker, bad).await.unwrap_err();
        assert_eq!(error.condition(), Some(&Condition::UnauthorizedAccess));
        assert!(!format!("{error:?} {error}").contains("secret"));
    }
    for options in [options().with_anonymous(), options().without_sasl()] {
        assert!(connect_as(&broker, options).await.is_err());
    }
    let open = Broker::builder().with_user("test", "secret").unwrap().with_anonymous().build().unwrap();
    assert!(connect_as(&open, options().without_sasl()).await.is_ok());
    assert!(connect_as(&open, options().with_limits(Limits::default())).await.is_ok());
}
