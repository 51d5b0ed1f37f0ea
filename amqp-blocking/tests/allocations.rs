//! A message costs no allocation, at either end, sent alone or among others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::System;
use std::collections::VecDeque;
use std::thread;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::wire::Outcome;
use amqp_blocking::{Connection, Listener, OfferedLink, Receiver, Sender, Sent};
use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MESSAGES: usize = 10_000;

/// Both ends of a link over TCP.
fn link() -> (Sender, Receiver, [Connection; 2]) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let accepting = thread::spawn(move || {
        let server = listener.accept().unwrap().open().unwrap();
        let session = server.next_session().unwrap().expect("a session").accept().unwrap();
        let receiver = match session.next_link().unwrap() {
            Some(OfferedLink::Receiver(link)) => {
                link.accept_with(ReceiverOptions::new().with_prefetch(200)).unwrap()
            }
            other => panic!("{other:?}"),
        };
        (receiver, server)
    });
    let client = Connection::open(&url).unwrap();
    let sender = client.sender("jobs").attach().unwrap();
    let (receiver, server) = accepting.join().unwrap();
    (sender, receiver, [client, server])
}

/// Sends messages, at most `window` at a time, and waits for each outcome.
fn exchange(sender: &Sender, window: usize, body: &Bytes) {
    let mut sent: VecDeque<Sent> = VecDeque::with_capacity(window);
    for _ in 0..MESSAGES {
        if window == 1 {
            assert_eq!(sender.send(body.clone()).unwrap(), Outcome::Accepted);
            continue;
        }
        if sent.len() == window {
            assert_eq!(sent.pop_front().unwrap().outcome().unwrap(), Outcome::Accepted);
        }
        sent.push_back(sender.send_queued(body.clone()).unwrap());
    }
    for sent in sent {
        assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
    }
}

#[test]
fn a_message_costs_no_allocation() {
    let (sender, receiver, connections) = link();
    let receiving = thread::spawn(move || {
        while let Some(delivery) = receiver.recv().unwrap() {
            delivery.accept().unwrap();
        }
    });
    let body = Bytes::from(vec![7; 256]);
    for window in [1, 100] {
        exchange(&sender, window, &body);
        let region = Region::new(HEAP);
        exchange(&sender, window, &body);
        let change = region.change();
        let allocations = change.allocations + change.reallocations;
        assert!(allocations < MESSAGES / 100, "{allocations} allocations, {window} at a time: {change:?}");
    }
    sender.close().unwrap();
    receiving.join().unwrap();
    drop(connections);
}
