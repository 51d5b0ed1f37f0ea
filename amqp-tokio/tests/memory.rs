//! A long exchange leaves no memory behind: the live heap is as before.
//!
//! `AMQP_MEMORY_MESSAGES=5000000 cargo test --release -p amqp-tokio --test memory` runs a longer one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::VecDeque;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Connection, Receiver, Sender, Session};
use common::{pair, sending};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The growth of buffers, in octets, for any number of messages: a block of input at each end.
const SLACK: usize = 128 << 10;
/// The most messages on the way.
const WINDOW: usize = 500;

fn messages() -> usize {
    let number = std::env::var("AMQP_MEMORY_MESSAGES").ok();
    number.map_or(200_000, |number| number.parse().expect("a number of messages"))
}

async fn exchange(sender: &Sender, receiver: &Receiver, messages: usize) {
    let send = async {
        let mut sent = VecDeque::new();
        for number in 0..messages {
            if sent.len() == WINDOW {
                let oldest: amqp_tokio::Sent = sent.pop_front().unwrap();
                assert_eq!(oldest.await.unwrap(), Outcome::Accepted);
            }
            let queued = sender.send_queued("a message of a usual length, more or less").await.unwrap();
            // Some outcomes are not waited for.
            if number % 10 > 0 {
                sent.push_back(queued);
            }
        }
        for sent in sent {
            assert_eq!(sent.await.unwrap(), Outcome::Accepted);
        }
    };
    let receive = async {
        for _ in 0..messages {
            receiver.recv().await.unwrap().unwrap().accept().unwrap();
        }
    };
    tokio::join!(send, receive);
    while sender.unsettled() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Attaches and closes a link and a session.
async fn come_and_go(client: &Connection, server: &Connection, far: &Session) {
    let (begun, offered) = tokio::join!(client.session(), async { common::session(server).await });
    let accept = common::receiver(far, ReceiverOptions::new());
    let (sender, receiver) = tokio::join!(client.sender("jobs"), accept);
    let sender = sender.unwrap();
    drop(sender.send_queued("job").await.unwrap());
    drop(receiver.recv().await.unwrap());
    sender.close().await.unwrap();
    begun.unwrap().end().await.unwrap();
    drop((receiver, offered));
}

#[track_caller]
fn assert_kept_nothing(before: usize, what: &str) {
    let after = HEAP.current_usage();
    assert!(after <= before + SLACK, "{what}: {before} octets before, {after} after");
}

/// This is the only test here, since others would use the same heap.
#[tokio::test]
#[adapter_tests::bounded(3_600)]
async fn nothing_is_kept() {
    let (client, server) = pair().await;
    let options = ReceiverOptions::new().with_prefetch(1_000);
    let (sender, receiver, far) = sending(&client, &server, options).await;
    exchange(&sender, &receiver, 10_000).await;
    let before = HEAP.current_usage();
    exchange(&sender, &receiver, messages()).await;
    assert_kept_nothing(before, "messages");
    for _ in 0..100 {
        come_and_go(&client, &server, &far).await;
    }
    let before = HEAP.current_usage();
    for _ in 0..2_000 {
        come_and_go(&client, &server, &far).await;
    }
    assert_kept_nothing(before, "links");
    client.close().await.unwrap();
}
