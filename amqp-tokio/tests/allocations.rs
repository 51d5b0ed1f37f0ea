//! A message costs no allocation, at either end, sent alone or among others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::alloc::System;
use std::collections::VecDeque;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Connection, Listener, Receiver, Sender, Sent};
use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MESSAGES: usize = 10_000;

/// Both ends of a link over TCP.
async fn link() -> (Sender, Receiver, [Connection; 2]) {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let accept = async { listener.accept().await.unwrap().open().await };
    let (client, server) = tokio::join!(Connection::open(&url), accept);
    let (client, server) = (client.unwrap(), server.unwrap());
    let options = ReceiverOptions::new().with_prefetch(200);
    let (sender, receiver, _) = common::sending(&client, &server, options).await;
    (sender, receiver, [client, server])
}

/// Sends messages, at most `window` at a time, and waits for each outcome. Receives and accepts them.
async fn exchange(sender: &Sender, receiver: &Receiver, window: usize, body: &Bytes) {
    let receive = async {
        for _ in 0..MESSAGES {
            receiver.recv().await.unwrap().unwrap().accept().unwrap();
        }
    };
    let send = async {
        let mut sent: VecDeque<Sent> = VecDeque::with_capacity(window);
        for _ in 0..MESSAGES {
            if window == 1 {
                assert_eq!(sender.send(body.clone()).await.unwrap(), Outcome::Accepted);
                continue;
            }
            if sent.len() == window {
                assert_eq!(sent.pop_front().unwrap().await.unwrap(), Outcome::Accepted);
            }
            sent.push_back(sender.send_queued(body.clone()).await.unwrap());
        }
        for sent in sent {
            assert_eq!(sent.await.unwrap(), Outcome::Accepted);
        }
    };
    tokio::join!(send, receive);
}

#[test]
fn a_message_costs_no_allocation() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (sender, receiver, _connections) = link().await;
        let body = Bytes::from(vec![7; 256]);
        for window in [1, 100] {
            exchange(&sender, &receiver, window, &body).await;
            let region = Region::new(HEAP);
            exchange(&sender, &receiver, window, &body).await;
            let change = region.change();
            let allocations = change.allocations + change.reallocations;
            assert!(
                allocations < MESSAGES / 100,
                "{allocations} allocations, {window} at a time: {change:?}"
            );
        }
    });
}
