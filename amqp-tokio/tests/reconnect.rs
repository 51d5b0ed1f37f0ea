//! Messages that are sent over as many connections as that takes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[allow(dead_code)]
#[path = "../examples/reconnect.rs"]
mod reconnect;

use std::collections::VecDeque;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::message::Message;
use amqp_tokio::proto::policy::Backoff;
use amqp_tokio::wire::{Condition, MessageId};
use amqp_tokio::{Listener, OfferedLink, Receiver};
use reconnect::send_all;

fn jobs(count: u64) -> VecDeque<Message> {
    (0..count).map(|n| Message::from("job").with_message_id(n)).collect()
}

fn backoff() -> Backoff {
    Backoff::new(1, 1).with_attempts(3)
}

/// The next link that the next client attaches, without credit of its own, and what keeps it.
async fn next_receiver(listener: &Listener) -> (Receiver, impl Sized) {
    let connection = listener.accept().await.unwrap().open().await.unwrap();
    let session = connection.next_session().await.unwrap().unwrap().accept().unwrap();
    let Some(OfferedLink::Receiver(link)) = session.next_link().await.unwrap() else { panic!() };
    let receiver = link.accept_with(ReceiverOptions::new().with_auto_accept(false)).unwrap();
    (receiver, connection)
}

/// The server takes messages, and goes away before it has said what became of the last one, again and again.
#[tokio::test]
async fn what_was_lost_is_sent_again_and_nothing_else() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}/jobs", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut ids = Vec::new();
        for taken in [1, 3, 0, 2] {
            let (receiver, connection) = next_receiver(&listener).await;
            for n in 0..=taken {
                let delivery = receiver.recv().await.unwrap().unwrap();
                ids.push(delivery.message().unwrap().properties().unwrap().message_id.unwrap());
                if n < taken {
                    delivery.accept().unwrap();
                }
            }
            drop((receiver, connection)); // closes, and forgets what was not decided about
        }
        let (receiver, _connection) = next_receiver(&listener).await;
        while let Some(delivery) = receiver.recv().await.unwrap() {
            ids.push(delivery.message().unwrap().properties().unwrap().message_id.unwrap());
            delivery.accept().unwrap();
        }
        ids
    });
    let mut jobs = jobs(8);
    send_all(&url, &mut jobs, &backoff()).await.unwrap();
    assert!(jobs.is_empty());
    let ids = server.await.unwrap();
    let expected = [0, 1, 1, 2, 3, 4, 4, 4, 5, 6, 6, 7].map(MessageId::Ulong);
    assert_eq!(ids, expected);
}

/// Nobody is there; and somebody says no.
#[tokio::test]
async fn it_ends_where_it_is_in_vain() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}/jobs", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().open().await.unwrap();
        let session = connection.next_session().await.unwrap().unwrap().accept().unwrap();
        session.next_link().await.unwrap().unwrap().refuse(Condition::NotFound).unwrap();
        connection.closed().await
    });
    let mut jobs = jobs(1);
    let error = send_all(&url, &mut jobs, &backoff()).await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotFound));
    server.await.unwrap();
    let error = send_all(&url, &mut jobs, &backoff()).await.unwrap_err();
    assert!(matches!(error, amqp_tokio::Error::Io(_)), "{error}");
    assert_eq!(jobs.len(), 1);
}
