//! Messages in cancelled tasks, which were not processed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::Error;
use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::Outcome;
use common::{pair, sending};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

/// M-STATE-07 [3.4.4]: a delivery in a cancelled task is released.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_state_07_a_delivery_of_a_cancelled_task_is_released() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let sent = sender.send_queued("job").await.unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    let task = tokio::spawn(async move {
        tokio::time::sleep(LONG).await;
        delivery.accept()
    });
    task.abort();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);
}

/// M-STATE-07 [3.4.4]: cancelled work releases its message.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_state_07_work_that_is_cancelled_accepts_nothing() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let kept = receiver.clone();
    let work = tokio::spawn(receiver.for_each(1, async |_| {
        tokio::time::sleep(LONG).await;
        Ok::<(), Error>(())
    }));
    let sent = sender.send_queued("job").await.unwrap();
    while kept.unsettled() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    work.abort();
    assert_eq!(timeout(LONG, sent.outcome()).await.unwrap().unwrap(), Outcome::Released);
    assert!(timeout(LONG, work).await.unwrap().is_err());
}

/// T-DISP-13 [2.6.12]: a sent message is a future that can be polled again after it is ready.
#[tokio::test]
#[adapter_tests::bounded]
async fn t_disp_13_a_sent_message_can_be_awaited_again() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let mut sent = sender.send_queued("job").await.unwrap();
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    for _ in 0..3 {
        assert_eq!((&mut sent).await.unwrap(), Outcome::Accepted);
    }
}
