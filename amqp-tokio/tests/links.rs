//! Sending, receiving and settling over a stream in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::config::{ReceiverOptions, SendOptions};
use amqp_tokio::message::Message;
use amqp_tokio::wire::{AmqpError, Condition, Modified, Outcome};
use amqp_tokio::{ConnectionOptions, Origin, Outgoing};
use common::{pair, pair_with, receiving, sending};
use futures_util::StreamExt;

fn by_hand(prefetch: u32) -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(prefetch).with_auto_accept(false)
}

#[tokio::test]
async fn each_outcome_comes_back_to_its_message() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, by_hand(10)).await;
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    for n in 0..5 {
        sent.push(sender.send_queued(format!("job {n}")).await.unwrap());
    }
    for n in 0..5 {
        let delivery = receiver.recv().await.unwrap().unwrap();
        let body = delivery.message().unwrap().body().unwrap();
        assert_eq!(body.as_str(), Some(&*format!("job {n}")));
        seen.push(delivery);
    }
    let seen: [_; 5] = seen.try_into().unwrap();
    let [a, b, c, d, e] = seen;
    e.modify(Modified { delivery_failed: Some(true), ..Modified::default() }).unwrap();
    d.release().unwrap();
    c.reject(AmqpError::new(Condition::NotAllowed)).unwrap();
    receiver.accept(b.into_undecided()).unwrap();
    a.accept().unwrap();
    let mut outcomes = Vec::new();
    for sent in sent {
        outcomes.push(sent.await.unwrap());
    }
    assert_eq!(outcomes[..2], [Outcome::Accepted, Outcome::Accepted]);
    assert!(matches!(&outcomes[2], Outcome::Rejected(rejected) if rejected.error.is_some()));
    assert_eq!(outcomes[3], Outcome::Released);
    assert!(matches!(&outcomes[4], Outcome::Modified(modified) if modified.delivery_failed == Some(true)));
    client.close().await.unwrap();
    assert_eq!(server.closed().await.origin(), Origin::Remote);
}

/// Senders wait for credit in turn, and each message that was granted goes.
#[tokio::test]
async fn credit_is_waited_for_in_turn() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, by_hand(0)).await;
    assert!(sender.send_now("too early").is_err());
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

/// Messages of all sizes around frames, through a stream that holds few octets.
#[tokio::test]
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

/// What was sent settled arrives, though the link and the connection are closed behind it.
#[tokio::test]
async fn settled_messages_arrive_before_the_close() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    for n in 0..50 {
        let sent = sender.send_queued(Outgoing::from(format!("{n}")).with_settled(true)).await.unwrap();
        assert!(sent.is_settled());
        assert_eq!(sent.await.unwrap(), Outcome::Accepted);
    }
    let _large = sender.send_queued(Outgoing::from(vec![1; 4 << 20]).with_settled(true)).await.unwrap();
    sender.close().await.unwrap();
    client.close().await.unwrap();
    server.closed().await;
    let mut count = 0;
    while let Some(delivery) = receiver.recv().await.unwrap() {
        assert!(delivery.is_settled());
        count += 1;
    }
    assert_eq!(count, 51);
}

#[tokio::test]
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

#[tokio::test]
async fn a_message_is_sent_and_read_in_pieces() {
    let (client, server) = pair().await;
    let options = by_hand(1).with_streaming(true);
    let (sender, receiver, _session) = sending(&client, &server, options).await;
    let whole = Message::from(vec![5; 9 << 20]).to_payload().unwrap().to_bytes();
    let send = async {
        let mut stream = sender.stream(&SendOptions::new()).await.unwrap();
        for piece in whole.chunks(100_000) {
            stream.write(whole.slice_ref(piece)).await.unwrap();
        }
        let sent = stream.finish().unwrap();
        assert_eq!(sent.await.unwrap(), Outcome::Accepted);
        // Given up, and so never seen; the credit for it is spent.
        let mut stream = sender.stream(&SendOptions::new()).await.unwrap();
        stream.write(&b"half a mess"[..]).await.unwrap();
        drop(stream);
        assert_eq!(sender.send("next").await.unwrap(), Outcome::Accepted);
    };
    let receive = async {
        let mut stream = receiver.recv_stream().await.unwrap().unwrap();
        let mut octets = 0;
        while let Some(part) = stream.read().await.unwrap() {
            octets += part.len();
        }
        assert_eq!(octets, whole.len());
        stream.accept().unwrap();
        receiver.add_credit(2).unwrap();
        loop {
            let mut stream = receiver.recv_stream().await.unwrap().unwrap();
            match stream.read_to_end().await {
                Ok(_) => break stream.accept().unwrap(),
                Err(amqp_tokio::Error::Aborted) => receiver.add_credit(1).unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::join!(send, receive);
}

/// M-BODY-02 [3.2.6]: the data of a body is read while it comes, without the encoding around it.
#[tokio::test]
async fn m_body_02_the_data_of_a_body_is_read_in_pieces() {
    let (client, server) = pair().await;
    let options = by_hand(2).with_streaming(true);
    let (sender, receiver, _session) = sending(&client, &server, options).await;
    let data: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let send = async {
        let message = Message::from(data.clone()).with_durable(true);
        assert_eq!(sender.send(message).await.unwrap(), Outcome::Accepted);
        assert!(sender.send("text").await.unwrap().accepted().is_err());
    };
    let receive = async {
        let mut stream = receiver.recv_stream().await.unwrap().unwrap();
        let mut read = Vec::new();
        while let Some(part) = stream.read_data().await.unwrap() {
            read.extend(part.to_bytes());
        }
        assert!(read == data);
        stream.accept().unwrap();
        let mut stream = receiver.recv_stream().await.unwrap().unwrap();
        assert!(matches!(stream.read_data().await, Err(amqp_tokio::Error::Message(_))));
        stream.reject(None).unwrap();
    };
    tokio::join!(send, receive);
}

/// Who drops a stream half way gets the next message all the same.
#[tokio::test]
async fn a_stream_that_is_not_read_to_its_end_is_released() {
    let (client, server) = pair().await;
    let options = ReceiverOptions::new().with_prefetch(2).with_streaming(true);
    let (sender, receiver, _session) = sending(&client, &server, options).await;
    let send = async {
        assert_eq!(sender.send(vec![1; 40 << 20]).await.unwrap(), Outcome::Released);
        assert_eq!(sender.send("small").await.unwrap(), Outcome::Accepted);
    };
    let receive = async {
        let mut stream = receiver.recv_stream().await.unwrap().unwrap();
        stream.read().await.unwrap().unwrap();
        drop(stream);
        let mut stream = receiver.recv_stream().await.unwrap().unwrap();
        assert!(stream.read_to_end().await.unwrap().len() < 100);
        stream.accept().unwrap();
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn credit_is_drained() {
    let (client, server) = pair().await;
    let (receiver, sender, _session) = receiving(&client, &server).await;
    receiver.set_credit(5).unwrap();
    sender.sendable().await.unwrap();
    let _sent = [sender.send_queued("a").await.unwrap(), sender.send_queued("b").await.unwrap()];
    receiver.drain().await.unwrap();
    assert_eq!((receiver.credit(), sender.credit()), (0, 0));
    assert!(
        receiver.try_recv().unwrap().is_some()
            && receiver.try_recv().unwrap().is_some()
            && receiver.try_recv().unwrap().is_none()
    );
}

/// T-DRAIN-02: who has messages on hand sends them before the rest of the credit is given back.
#[tokio::test]
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
