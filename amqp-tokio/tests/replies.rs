//! A peer that does not answer: each wait ends by the reply timeout, and nothing is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::{AmqpError, Condition};
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, Error, Result};
use common::valve::{Hold, Valve, Way};
use common::{receiver, receiving, session};

/// A client whose input the test can stop, and a server.
async fn deafened(reply: impl Into<Option<Duration>>) -> (Connection, Connection, Hold) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (near, hold) = Valve::new(near);
    let options = ConnectionOptions::new().with_reply_timeout(reply);
    let acceptor = Acceptor::default();
    let (client, server) = tokio::join!(Connection::over(near, options), Connection::accept(far, &acceptor));
    (client.unwrap(), server.unwrap(), hold)
}

fn assert_timed_out<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
}

#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn unanswered_calls_time_out() {
    let (client, server, hold) = deafened(Duration::from_secs(30)).await;
    let (receiver, _far, _session) = receiving(&client, &server).await;
    let other = async { tokio::join!(client.session(), session(&server)).0.unwrap() }.await;
    hold.read(Way::Stalled);

    assert_timed_out(client.session().await);
    assert_timed_out(client.sender("jobs").await);
    assert_timed_out(client.receiver("jobs").await);
    assert_timed_out(receiver.drain().await);
    assert_timed_out(receiver.detach().await);
    assert_timed_out(receiver.close_with(AmqpError::new(Condition::InternalError)).await);
    assert_timed_out(other.end().await);
    assert_timed_out(other.end_with(AmqpError::new(Condition::InternalError)).await);
}

/// A late answer is no fault: the link that timed out is closed, and its name is free.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn a_late_answer_does_no_harm() {
    let (client, server, hold) = deafened(Duration::from_secs(1)).await;
    hold.read(Way::Stalled);
    assert_timed_out(client.sender("jobs").with_name("one").await);
    hold.read(Way::Open);

    let far = session(&server).await;
    let late = receiver(&far, ReceiverOptions::new()).await;
    assert!(late.recv().await.unwrap().is_none());
    drop(late);
    let (again, _far) =
        tokio::join!(client.sender("jobs").with_name("one"), receiver(&far, ReceiverOptions::new()));
    again.unwrap();
}

/// `None` sets no timeout.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn without_a_timeout_a_late_answer_counts() {
    let (client, server, _hold) = deafened(None).await;
    let day = Duration::from_secs(24 * 60 * 60);
    let answer = async {
        tokio::time::sleep(day).await;
        session(&server).await
    };
    let (begun, _session) = tokio::join!(client.session(), answer);
    begun.unwrap();
}
