//! What becomes of messages that have come, when their link ends before they are taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Error, Outgoing, Receiver, Sent};
use common::{pair, sending};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

/// The bodies of all that comes until the link is over.
async fn rest(receiver: &Receiver) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(delivery) = timeout(LONG, receiver.recv()).await.unwrap().unwrap() {
        bodies.push(delivery.message().unwrap().body().unwrap().as_str().unwrap().to_owned());
        // Nobody is there for it, which is told.
        assert!(matches!(delivery.accept(), Err(Error::Link(_))));
    }
    bodies
}

/// L-CLOSE-01 [2.6.6]: a peer that sends and closes its link at once has sent.
#[tokio::test]
async fn l_close_01_what_came_before_the_peers_close_is_taken() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let mut sent = Vec::new();
    for body in ["a", "b", "c"] {
        sent.push(sender.send_queued(body).await.unwrap());
    }
    sender.close().await.unwrap();
    assert_eq!(rest(&receiver).await, ["a", "b", "c"]);
    for sent in sent {
        assert!(matches!(sent.await, Err(Error::Lost(_))), "it has not waited for the outcome");
    }
}

/// L-CLOSE-01 [2.6.6]: the same of messages that are read while they come.
#[tokio::test]
async fn l_close_01_what_came_before_the_peers_close_is_read() {
    let (client, server) = pair().await;
    let options = ReceiverOptions::new().with_streaming(true);
    let (sender, receiver, _session) = sending(&client, &server, options).await;
    for settled in [true, false] {
        drop(sender.send_queued(Outgoing::from("a message").with_settled(settled)).await.unwrap());
    }
    sender.close().await.unwrap();
    receiver.closed().await;
    for settled in [true, false] {
        let mut stream = timeout(LONG, receiver.recv_stream()).await.unwrap().unwrap().unwrap();
        assert_eq!(stream.is_settled(), settled);
        assert!(!stream.read_to_end().await.unwrap().is_empty());
        assert_eq!(stream.accept().is_ok(), settled);
    }
    assert!(receiver.recv_stream().await.unwrap().is_none());
}

/// L-DET-01 [2.6.4]: on a link that is only detached, messages stay, and their outcomes are told.
#[tokio::test]
async fn l_det_01_what_came_before_the_peers_detach_is_answered() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let mut sent = sender.send_queued("job").await.unwrap();
    sender.detach().await.unwrap();
    receiver.closed().await;
    let delivery = timeout(LONG, receiver.recv()).await.unwrap().unwrap().unwrap();
    delivery.accept().unwrap();
    let outcome = timeout(LONG, sent.outcome()).await.unwrap();
    assert!(matches!(outcome, Ok(Outcome::Accepted) | Err(Error::Lost(_))), "{outcome:?}");
}

async fn queue(sender: &amqp_tokio::Sender, messages: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    for n in 0..messages {
        sent.push(sender.send_queued(format!("{n}")).await.unwrap());
    }
    sent
}

/// M-STATE-07 [3.4.4]: what was asked for ahead and not taken goes elsewhere when the receiver is closed.
#[tokio::test]
async fn m_state_07_a_receiver_that_is_closed_releases_what_nobody_took() {
    for streaming in [false, true] {
        let (client, server) = pair().await;
        let options = ReceiverOptions::new().with_prefetch(10).with_streaming(streaming);
        let (sender, receiver, _session) = sending(&client, &server, options).await;
        let sent = queue(&sender, 8).await;
        receiver.close().await.unwrap();
        for sent in sent {
            assert_eq!(timeout(LONG, sent).await.unwrap().unwrap(), Outcome::Released, "{streaming}");
        }
        assert!(receiver.recv().await.unwrap().is_none());
    }
}

/// M-STATE-07 [3.4.4]: the same when the last handle of it is dropped.
#[tokio::test]
async fn m_state_07_a_receiver_that_is_dropped_releases_what_nobody_took() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let sent = queue(&sender, 8).await;
    let first = receiver.recv().await.unwrap().unwrap();
    while receiver.unsettled() < 8 {
        tokio::task::yield_now().await;
    }
    drop(receiver);
    first.accept().unwrap();
    let mut outcomes = Vec::new();
    for sent in sent {
        outcomes.push(timeout(LONG, sent).await.unwrap().unwrap());
    }
    assert_eq!(outcomes[0], Outcome::Accepted);
    assert!(outcomes[1..].iter().all(|outcome| *outcome == Outcome::Released));
}

/// T-STOP-01 [2.6.10]: what is on its way when the receiver is closed is released, too.
#[tokio::test]
async fn t_stop_01_what_is_on_its_way_is_released() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let sent = queue(&sender, 50).await;
    // The server has not seen them when it begins to close.
    let (closed, ()) = tokio::join!(receiver.close(), async {
        for sent in sent {
            assert_eq!(timeout(LONG, sent).await.unwrap().unwrap(), Outcome::Released);
        }
    });
    closed.unwrap();
}

/// T-DISP-14 [2.6.12]: what its sender has settled exists nowhere else, and can still be taken.
#[tokio::test]
async fn t_disp_14_settled_messages_outlive_a_close() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    for _ in 0..5 {
        drop(sender.send_queued(Outgoing::from("job").with_settled(true)).await.unwrap());
    }
    receiver.close().await.unwrap();
    let mut count = 0;
    while let Some(delivery) = receiver.recv().await.unwrap() {
        assert!(delivery.is_settled());
        count += 1;
    }
    assert_eq!(count, 5);
}
