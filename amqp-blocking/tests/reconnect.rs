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
#[path = "../examples/blocking_reconnect.rs"]
mod reconnect;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use amqp_blocking::config::{OnDrop, ReceiverOptions};
use amqp_blocking::message::Message;
use amqp_blocking::proto::policy::Backoff;
use amqp_blocking::types::{Symbol, Value};
use amqp_blocking::wire::{AmqpError, Condition, MessageId};
use amqp_blocking::{Connection, Error, Listener, Offer, OfferedLink, Receiver, Session};
use reconnect::send_all;

fn jobs(count: u64) -> VecDeque<Message> {
    (0..count).map(|n| Message::from("job").with_message_id(n)).collect()
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(1), Duration::from_millis(1)).with_attempts(3)
}

/// Returns the next link that the next client attaches, and what keeps it.
fn next_link(listener: &Listener) -> (OfferedLink, (Connection, Vec<Session>)) {
    let connection = listener.accept().unwrap().open().unwrap();
    let mut sessions = Vec::new();
    loop {
        match connection.next_offer().unwrap().unwrap() {
            Offer::Session(session) => sessions.push(session.accept().unwrap()),
            Offer::Link(link) => return (link, (connection, sessions)),
        }
    }
}

/// Accepts the next link that the next client attaches.
fn next_receiver(listener: &Listener) -> (Receiver, (Connection, Vec<Session>)) {
    let (OfferedLink::Receiver(link), kept) = next_link(listener) else { panic!() };
    (link.accept_with(ReceiverOptions::new().with_on_drop(OnDrop::Keep)).unwrap(), kept)
}

/// The server takes messages, and goes away before it has said what became of the last one, again and again.
#[test]
fn what_was_lost_is_sent_again_and_nothing_else() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}/jobs", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut ids = Vec::new();
        for taken in [1, 3, 0, 2] {
            let (receiver, kept) = next_receiver(&listener);
            for n in 0..=taken {
                let delivery = receiver.recv().unwrap().unwrap();
                ids.push(delivery.message().unwrap().properties().unwrap().message_id.unwrap());
                if n < taken {
                    delivery.accept().unwrap();
                }
            }
            drop((receiver, kept)); // closes, and forgets what was not decided about
        }
        let (receiver, _kept) = next_receiver(&listener);
        while let Some(delivery) = receiver.recv().unwrap() {
            ids.push(delivery.message().unwrap().properties().unwrap().message_id.unwrap());
            delivery.accept().unwrap();
        }
        ids
    });
    let mut jobs = jobs(8);
    send_all(&url, None, &mut jobs, &backoff()).unwrap();
    assert!(jobs.is_empty());
    let ids = server.join().unwrap();
    let expected = [0, 1, 1, 2, 3, 4, 4, 4, 5, 6, 6, 7].map(MessageId::Ulong);
    assert_eq!(ids, expected);
}

/// A peer refuses the link, and then there is no peer.
#[test]
fn it_ends_where_it_is_in_vain() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}/jobs", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (link, (connection, _sessions)) = next_link(&listener);
        link.refuse(Condition::NotFound).unwrap();
        drop(listener);
        connection.closed()
    });
    let mut jobs = jobs(1);
    let error = send_all(&url, None, &mut jobs, &backoff()).unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotFound));
    let _ = server.join().unwrap();
    let error = send_all(&url, None, &mut jobs, &backoff()).unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
    assert_eq!(jobs.len(), 1);
}

/// A message that its queue is too full for is sent again, as is one whose queue is not there for now; [3.4.3] says no
/// more than that it was rejected. An orderly shutdown of the server passes, too.
#[test]
fn what_was_rejected_for_now_is_sent_again() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let full = AmqpError::new(Condition::ResourceLimitExceeded);
        let info = [(Symbol::from("reason"), Value::from("unavailable"))].into_iter().collect();
        let away = AmqpError::new(Condition::PreconditionFailed).with_info(info);
        let wrong = AmqpError::new(Condition::PreconditionFailed);
        let (receiver, (connection, _sessions)) = next_receiver(&listener);
        for error in [full, away] {
            let delivery = receiver.recv().unwrap().unwrap();
            assert!(delivery.message().unwrap().header().unwrap().durable);
            delivery.reject(error).unwrap();
        }
        let shutdown = AmqpError::new(Condition::InternalError).with_description("Connection forced");
        connection.close_with(shutdown).unwrap();
        let (receiver, _kept) = next_receiver(&listener);
        receiver.recv().unwrap().unwrap().accept().unwrap();
        receiver.recv().unwrap().unwrap().reject(wrong).unwrap();
        receiver.recv().unwrap().is_none()
    });
    let mut jobs = jobs(2);
    jobs.iter_mut().for_each(|job| job.header_mut().durable = true);
    send_all(&url, Some("jobs"), &mut jobs, &backoff()).unwrap();
    assert!(jobs.is_empty() && server.join().unwrap());
}

/// [5.3.3.6]: a temporary system error is tried again, and a wrong password is not.
#[test]
fn a_wrong_password_is_tried_once() {
    for (code, attempts) in [(1, 1), (4, 4)] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("amqp://me:secret@{}/jobs", server.local_addr().unwrap());
        let serving = thread::spawn(move || {
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
        let error = send_all(&url, None, &mut jobs(1), &backoff()).unwrap_err();
        assert!(error.to_string().contains("for user 'me'"), "{error}");
        let server = serving.join().unwrap();
        server.set_nonblocking(true).unwrap();
        assert!(server.accept().is_err(), "nobody else comes after outcome {code}");
    }
}
