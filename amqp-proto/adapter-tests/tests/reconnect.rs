//! Messages sent over as many connections as needed.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use super::common::{listener, next_client, next_receiver, next_session};
use crate::adapter::{self, on_thread, spawn};
use crate::amqp::config::{OnDrop, ReceiverOptions};
use crate::amqp::message::Message;
use crate::amqp::proto::policy::Backoff;
use crate::amqp::types::{Symbol, Value};
use crate::amqp::wire::{AmqpError, Condition, MessageId};
use crate::amqp::{Connection, Error, Listener, Receiver, Session};
use crate::reconnect::send_all;

fn jobs(count: u64) -> VecDeque<Message> {
    (0..count).map(|n| Message::from("job").with_message_id(n)).collect()
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(1), Duration::from_millis(1)).with_attempts(3)
}

/// Accepts the next link that the next client attaches. Returns the handles that keep the link, too.
#[adapter::helper]
async fn next_link(listener: &Listener) -> (Receiver, (Connection, Session)) {
    let connection = next_client(listener).await;
    let session = next_session(&connection).await;
    let options = ReceiverOptions::new().with_on_drop(OnDrop::Keep);
    (next_receiver(&session, options).await, (connection, session))
}

/// The server disappears, again and again, before it has sent the outcome of its last message.
#[adapter::test]
async fn only_lost_messages_are_sent_again() {
    let (listener, url) = listener().await;
    let url = format!("{url}/jobs");
    let server = spawn(async move {
        let mut ids = Vec::new();
        for taken in [1, 3, 0, 2] {
            let (receiver, kept) = next_link(&listener).await;
            for n in 0..=taken {
                let delivery = receiver.recv().await.unwrap().unwrap();
                ids.push(delivery.message().unwrap().properties().unwrap().message_id.unwrap());
                if n < taken {
                    delivery.accept().unwrap();
                }
            }
            drop((receiver, kept)); // closes, and forgets what was not decided about
        }
        let (receiver, _kept) = next_link(&listener).await;
        while let Some(delivery) = receiver.recv().await.unwrap() {
            ids.push(delivery.message().unwrap().properties().unwrap().message_id.unwrap());
            delivery.accept().unwrap();
        }
        ids
    });
    let mut jobs = jobs(8);
    send_all(&url, None, &mut jobs, &backoff()).await.unwrap();
    assert!(jobs.is_empty());
    let ids = server.join().await.unwrap();
    let expected = [0, 1, 1, 2, 3, 4, 4, 4, 5, 6, 6, 7].map(MessageId::Ulong);
    assert_eq!(ids, expected);
}

/// The peer refuses the link, and then no peer exists.
#[adapter::test]
async fn hopeless_attempts_end() {
    let (listener, url) = listener().await;
    let server = spawn(async move {
        let connection = next_client(&listener).await;
        let session = next_session(&connection).await;
        session.next_link().await.unwrap().unwrap().refuse(Condition::NotFound).unwrap();
        drop(listener);
        connection.closed().await
    });
    let mut jobs = jobs(1);
    let url = format!("{url}/jobs");
    let error = send_all(&url, None, &mut jobs, &backoff()).await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotFound));
    let _ = server.join().await.unwrap();
    let error = send_all(&url, None, &mut jobs, &backoff()).await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
    assert_eq!(jobs.len(), 1);
}

/// A message is sent again if its queue is full or temporarily missing; [3.4.3] says only that it was rejected. The
/// client also survives an orderly shutdown of the server.
#[adapter::test]
async fn temporarily_rejected_messages_are_sent_again() {
    let (listener, url) = listener().await;
    let server = spawn(async move {
        let full = AmqpError::new(Condition::ResourceLimitExceeded);
        let info = [(Symbol::from("reason"), Value::from("unavailable"))].into_iter().collect();
        let away = AmqpError::new(Condition::PreconditionFailed).with_info(info);
        let wrong = AmqpError::new(Condition::PreconditionFailed);
        let (receiver, (connection, _session)) = next_link(&listener).await;
        for error in [full, away] {
            let delivery = receiver.recv().await.unwrap().unwrap();
            assert!(delivery.message().unwrap().header().unwrap().durable);
            delivery.reject(error).unwrap();
        }
        let shutdown = AmqpError::new(Condition::InternalError).with_description("Connection forced");
        connection.close_with(shutdown).await.unwrap();
        let (receiver, _kept) = next_link(&listener).await;
        receiver.recv().await.unwrap().unwrap().accept().unwrap();
        receiver.recv().await.unwrap().unwrap().reject(wrong).unwrap();
        receiver.recv().await.unwrap()
    });
    let mut jobs = jobs(2);
    jobs.iter_mut().for_each(|job| job.header_mut().durable = true);
    send_all(&url, Some("jobs"), &mut jobs, &backoff()).await.unwrap();
    assert!(jobs.is_empty() && server.join().await.unwrap().is_none());
}

/// [5.3.3.6]: a temporary system error is tried again, and a wrong password is not.
#[adapter::test]
async fn a_wrong_password_is_tried_once() {
    for (code, attempts) in [(1, 1), (4, 4)] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("amqp://me:secret@{}/jobs", server.local_addr().unwrap());
        let serving = on_thread(move || {
            let mut outcome = *b"\0\0\0\x10\x02\x01\0\0\0\x53\x44\xc0\x03\x01\x50\0";
            outcome[15] = code;
            let plain = b"AMQP\x03\x01\0\0\0\0\0\x15\x02\x01\0\0\0\x53\x40\xc0\x08\x01\xa3\x05PLAIN";
            for _ in 0..attempts {
                let (mut stream, _) = server.accept().unwrap();
                for answer in [&plain[..], &outcome] {
                    let _ = stream.read(&mut [0; 1024]).unwrap();
                    stream.write_all(answer).unwrap();
                }
                while stream.read(&mut [0; 1024]).is_ok_and(|octets| octets > 0) {}
            }
            server
        });
        let error = send_all(&url, None, &mut jobs(1), &backoff()).await.unwrap_err();
        assert!(error.to_string().contains("for user 'me'"), "{error}");
        let server = serving.join().await.unwrap();
        server.set_nonblocking(true).unwrap();
        assert!(server.accept().is_err(), "another attempt after outcome {code}");
    }
}
