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
use std::time::Duration;

use amqp_tokio::config::{OnDrop, ReceiverOptions};
use amqp_tokio::message::Message;
use amqp_tokio::proto::policy::Backoff;
use amqp_tokio::types::{Symbol, Value};
use amqp_tokio::wire::{AmqpError, Condition, MessageId};
use amqp_tokio::{Connection, Listener, OfferedLink, Receiver};
use reconnect::send_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn jobs(count: u64) -> VecDeque<Message> {
    (0..count).map(|n| Message::from("job").with_message_id(n)).collect()
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(1), Duration::from_millis(1)).with_attempts(3)
}

/// The next link that the next client attaches, without credit of its own, and what keeps it.
async fn next_receiver(listener: &Listener) -> (Receiver, Connection) {
    let connection = listener.accept().await.unwrap().open().await.unwrap();
    let session = connection.next_session().await.unwrap().unwrap().accept().unwrap();
    let Some(OfferedLink::Receiver(link)) = session.next_link().await.unwrap() else { panic!() };
    let receiver = link.accept_with(ReceiverOptions::new().with_on_drop(OnDrop::Keep)).unwrap();
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
    send_all(&url, None, &mut jobs, &backoff()).await.unwrap();
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
    let error = send_all(&url, None, &mut jobs, &backoff()).await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotFound));
    server.await.unwrap();
    let error = send_all(&url, None, &mut jobs, &backoff()).await.unwrap_err();
    assert!(matches!(error, amqp_tokio::Error::Io(_)), "{error}");
    assert_eq!(jobs.len(), 1);
}

/// A message that its queue is too full for is sent again, as is one whose queue is not there for now; [3.4.3] says no
/// more than that it was rejected. An orderly shutdown of the server passes, too.
#[tokio::test]
async fn what_was_rejected_for_now_is_sent_again() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let full = AmqpError::new(Condition::ResourceLimitExceeded);
        let info = [(Symbol::from("reason"), Value::from("unavailable"))].into_iter().collect();
        let away = AmqpError::new(Condition::PreconditionFailed).with_info(info);
        let wrong = AmqpError::new(Condition::PreconditionFailed);
        let (receiver, connection) = next_receiver(&listener).await;
        for error in [full, away] {
            let delivery = receiver.recv().await.unwrap().unwrap();
            assert!(delivery.message().unwrap().header().unwrap().durable);
            delivery.reject(error).unwrap();
        }
        let shutdown = AmqpError::new(Condition::InternalError).with_description("Connection forced");
        connection.close_with(shutdown).await.unwrap();
        let (receiver, _connection) = next_receiver(&listener).await;
        receiver.recv().await.unwrap().unwrap().accept().unwrap();
        receiver.recv().await.unwrap().unwrap().reject(wrong).unwrap();
        receiver.recv().await.unwrap()
    });
    let mut jobs = jobs(2);
    jobs.iter_mut().for_each(|job| job.header_mut().durable = true);
    send_all(&url, Some("jobs"), &mut jobs, &backoff()).await.unwrap();
    assert!(jobs.is_empty() && server.await.unwrap().is_none());
}

/// [5.3.3.6]: a temporary system error is tried again, and a wrong password is not.
#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    for (code, attempts) in [(1, 1), (4, 4)] {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("amqp://me:secret@{}/jobs", server.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let mut outcome = *b"\0\0\0\x10\x02\x01\0\0\0\x53\x44\xc0\x03\x01\x50\0";
            outcome[15] = code;
            let plain = b"AMQP\x03\x01\0\0\0\0\0\x15\x02\x01\0\0\0\x53\x40\xc0\x08\x01\xa3\x05PLAIN";
            for _ in 0..attempts {
                let (mut stream, _) = server.accept().await.unwrap();
                for answer in [&plain[..], &outcome] {
                    let _ = stream.read(&mut [0; 1024]).await.unwrap();
                    stream.write_all(answer).await.unwrap();
                }
                while stream.read(&mut [0; 1024]).await.is_ok_and(|octets| octets > 0) {}
            }
            // Nobody else comes.
            tokio::time::timeout(Duration::from_millis(100), server.accept()).await.is_err()
        });
        let error = send_all(&url, None, &mut jobs(1), &backoff()).await.unwrap_err();
        assert!(error.to_string().contains("for user 'me'"), "{error}");
        assert!(serving.await.unwrap(), "outcome {code}");
    }
}
