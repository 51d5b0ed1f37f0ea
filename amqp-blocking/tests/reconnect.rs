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
use std::thread;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::message::Message;
use amqp_blocking::proto::policy::Backoff;
use amqp_blocking::wire::{Condition, MessageId};
use amqp_blocking::{Connection, Error, Listener, Offer, OfferedLink, Receiver, Session};
use reconnect::send_all;

fn jobs(count: u64) -> VecDeque<Message> {
    (0..count).map(|n| Message::from("job").with_message_id(n)).collect()
}

fn backoff() -> Backoff {
    Backoff::new(1, 1).with_attempts(3)
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
fn next_receiver(listener: &Listener) -> (Receiver, impl Sized) {
    let (OfferedLink::Receiver(link), kept) = next_link(listener) else { panic!() };
    (link.accept_with(ReceiverOptions::new().with_auto_accept(false)).unwrap(), kept)
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
    send_all(&url, &mut jobs, &backoff()).unwrap();
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
    let error = send_all(&url, &mut jobs, &backoff()).unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::NotFound));
    let _ = server.join().unwrap();
    let error = send_all(&url, &mut jobs, &backoff()).unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
    assert_eq!(jobs.len(), 1);
}
