//! Tasks that wait for credit in turn, small streams, and a receiver as a stream of deliveries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::ConnectionOptions;
use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::{AmqpError, Condition, Outcome};
use common::{pair, pair_with, receiving, sending};
use futures_util::StreamExt;

fn by_hand(prefetch: u32) -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(prefetch).with_auto_accept(false)
}

/// Senders wait for credit in turn, and each message with credit is sent.
#[tokio::test]
#[adapter_tests::bounded]
async fn credit_is_waited_for_in_turn() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, by_hand(0)).await;
    assert!(sender.try_send("too early").is_err());
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(format!("{n}")).await.unwrap() })
        })
        .collect();
    for n in 0..20 {
        receiver.add_credit(1).unwrap();
        let delivery = receiver.recv().await.unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some(&*n.to_string()));
        assert!(receiver.try_recv().unwrap().is_none());
        delivery.accept().unwrap();
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), Outcome::Accepted);
    }
}

/// Messages of all sizes around a frame, through a stream with a small buffer.
#[tokio::test]
#[adapter_tests::bounded]
async fn sizes_around_frames_and_windows() {
    let small = ConnectionOptions::new().with_frame_size(512);
    let (client, server) = pair_with(small.clone(), small, 100).await;
    let (sender, receiver, _session) = sending(&client, &server, by_hand(3)).await;
    let sizes = [0, 1, 400, 500, 512, 513, 1024, 5_000, 100_000, 3_000_000];
    let receive = async {
        for size in sizes {
            let delivery = receiver.recv().await.unwrap().unwrap();
            assert_eq!(
                delivery.message().unwrap().body().unwrap().as_bytes().map(|body| body.len()),
                Some(size)
            );
            delivery.accept().unwrap();
        }
    };
    let send = async {
        for size in sizes {
            assert_eq!(sender.send(vec![7; size]).await.unwrap(), Outcome::Accepted);
        }
    };
    tokio::join!(receive, send);
    client.close().await.unwrap();
}

#[tokio::test]
#[adapter_tests::bounded]
async fn a_receiver_is_a_stream_that_ends() {
    let (client, server) = pair().await;
    let (mut receiver, sender, _session) = receiving(&client, &server).await;
    let send = async {
        for n in 0..10 {
            assert_eq!(sender.send(format!("{n}")).await.unwrap(), Outcome::Accepted);
        }
        sender.close_with(AmqpError::new(Condition::ResourceDeleted).with_description("gone")).await.unwrap();
    };
    let receive = async {
        let mut bodies = Vec::new();
        while let Some(delivery) = receiver.next().await {
            match delivery {
                Ok(delivery) => {
                    bodies.push(delivery.message().unwrap().body().unwrap());
                    delivery.accept().unwrap();
                }
                Err(error) => {
                    assert!(error.is_remote());
                    assert_eq!(error.condition(), Some(&Condition::ResourceDeleted));
                    assert_eq!(error.description().unwrap(), &"gone");
                }
            }
        }
        assert_eq!(bodies.len(), 10);
        assert!(receiver.next().await.is_none());
    };
    tokio::join!(send, receive);
}

/// T-DRAIN-02: a sender with messages sends them before it returns the rest of the credit.
#[tokio::test]
#[adapter_tests::bounded]
async fn credit_that_is_drained_is_used_first() {
    let (client, server) = pair().await;
    let (receiver, sender, _session) = receiving(&client, &server).await;
    receiver.set_credit(0).unwrap();
    for (credit, count) in [(10, 3), (10, 0), (2, 2), (10, 9)] {
        let send = async {
            for n in 0..count {
                drop(sender.send_queued(format!("{n}")).await.unwrap());
            }
        };
        let drain = async {
            receiver.set_credit(credit).unwrap();
            receiver.drain().await.unwrap();
        };
        tokio::join!(send, drain);
        assert_eq!((receiver.credit(), sender.credit()), (0, 0));
        assert_eq!(std::iter::from_fn(|| receiver.try_recv().unwrap()).count(), count);
    }
}
