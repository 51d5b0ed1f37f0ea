//! A sender as a sink of messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::ops::Range;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::message::Message;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Error, Receiver, Result};
use common::{pair, sending};
use futures_util::{FutureExt, SinkExt, Stream, StreamExt, stream};

fn by_hand(prefetch: u32) -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(prefetch).with_auto_accept(false)
}

fn messages(numbers: Range<u32>) -> impl Stream<Item = Result<Message>> + Unpin {
    stream::iter(numbers.map(|number| Ok(Message::from(number))))
}

/// Receives the messages in order, and accepts them.
async fn accept(receiver: &Receiver, numbers: Range<u32>) {
    for number in numbers {
        let delivery = receiver.recv().await.unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap(), number.into());
        delivery.accept().unwrap();
    }
}

#[tokio::test]
#[adapter_tests::bounded]
async fn the_messages_of_a_stream_arrive_in_order_and_have_outcomes() {
    let (client, server) = pair().await;
    let (mut sender, receiver, _session) = sending(&client, &server, by_hand(3)).await;
    let send = async {
        sender.send_all(&mut messages(0..50)).await.unwrap();
        assert_eq!(sender.unsettled(), 0);
        // A clone is a sink of its own. The end of the stream closes the link.
        messages(50..60).forward(sender.clone()).await.unwrap();
        assert!(matches!(sender.closed().await, Error::Link(_)));
    };
    tokio::join!(send, accept(&receiver, 0..60));
    client.close().await.unwrap();
    assert!(server.closed().await.error().is_none());
}

/// The sink is not ready while a message waits for credit, and a flush waits for the outcome.
#[tokio::test]
#[adapter_tests::bounded]
async fn credit_and_outcomes_are_waited_for() {
    let (client, server) = pair().await;
    let (mut sender, receiver, _session) = sending(&client, &server, by_hand(0)).await;
    sender.feed(Message::from(0_u32)).await.unwrap();
    assert!(sender.feed(Message::from(1_u32)).now_or_never().is_none());
    receiver.add_credit(1).unwrap();
    // The message before it is sent, without a flush.
    sender.feed(Message::from(1_u32)).await.unwrap();
    accept(&receiver, 0..1).await;
    receiver.add_credit(1).unwrap();
    let delivery = {
        let mut flush = sender.flush();
        let delivery = tokio::select! {
            flushed = &mut flush => panic!("{flushed:?}"),
            delivery = receiver.recv() => delivery.unwrap().unwrap(),
        };
        assert!(flush.now_or_never().is_none());
        delivery
    };
    delivery.accept().unwrap();
    sender.flush().await.unwrap();
    assert_eq!(sender.unsettled(), 0);
}

/// A message that is not accepted is an error, and the sink can be used after it.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_message_that_is_not_accepted_is_an_error() {
    let (client, server) = pair().await;
    let (mut sender, receiver, _session) = sending(&client, &server, by_hand(3)).await;
    for number in 0_u32..3 {
        sender.feed(Message::from(number)).await.unwrap();
    }
    let receive = async {
        accept(&receiver, 0..1).await;
        receiver.recv().await.unwrap().unwrap().release().unwrap();
        accept(&receiver, 2..3).await;
    };
    let (flushed, ()) = tokio::join!(sender.flush(), receive);
    assert!(matches!(flushed, Err(Error::NotAccepted(outcome)) if *outcome == Outcome::Released));
    sender.flush().await.unwrap();
    let (sent, ()) = tokio::join!(SinkExt::send(&mut sender, Message::from(3_u32)), accept(&receiver, 3..4));
    sent.unwrap();

    server.close().await.unwrap();
    assert!(SinkExt::send(&mut sender, Message::from(4_u32)).await.is_err());
}
