//! The broker in memory, which keeps its ends of links, and clients of both adapters that resume: over connections that are
//! cut after any octet, stalled and half-open, each message is in the queue exactly once.
//!
//! `AMQP_KILLS=1000 cargo test -p amqp-tokio --test broker_kills` cuts more of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "another program counts more")]
#[path = "../../amqp-proto/adapter-tests/tests/outages/cutter.rs"]
mod cutter;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::message::Message;
use amqp_tokio::policy::{Backoff, Reconnect, Recovery};
use amqp_tokio::types::Limits;
use amqp_tokio::wire::{ExpiryPolicy, Outcome, ReceiverSettleMode, Target};
use amqp_tokio::{Connection, ConnectionOptions, Listener, Outgoing};
use cutter::Cutter;

/// The number of messages that are on the way.
const WINDOW: usize = 16;

fn failures() -> usize {
    std::env::var("AMQP_KILLS").map_or(40, |number| number.parse().expect("AMQP_KILLS is a number"))
}

/// The longest that the client may take, in seconds.
fn patience() -> u64 {
    180 + 2 * failures() as u64
}

/// Each end finds a half-open connection soon.
fn impatient(name: &'static str) -> ConnectionOptions {
    let patience = Duration::from_secs(1);
    ConnectionOptions::new()
        .with_container_id(name)
        .with_idle_timeout(patience)
        .with_open_timeout(3 * patience)
}

fn options() -> ConnectionOptions {
    let delay = Duration::from_millis(1);
    let backoff = Backoff::new(delay, 8 * delay);
    impatient("producer")
        .with_reconnect(Reconnect::new().with_backoff(backoff).with_stable_after(Duration::ZERO))
}

/// The broker keeps the target of the link for a minute after its connection.
fn jobs() -> Target {
    Target { expiry_policy: ExpiryPolicy::ConnectionClose, timeout: 60, ..Target::at("jobs") }
}

/// Has a client send over connections that fail, and counts its messages in the queue. The result of the client is their
/// number.
async fn play<F>(client: impl FnOnce(Arc<Cutter>) -> F)
where
    F: Future<Output = usize>,
{
    // The messages stay in the queue, to be counted.
    let broker = Broker::builder().with_depth(10_000_000).with_options(impatient("broker")).build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = broker.clone();
    tokio::spawn(async move { served.serve(listener).await });

    let seed =
        std::env::var("AMQP_KILLS_SEED").map_or(std::process::id().into(), |seed| seed.parse().unwrap());
    println!("AMQP_KILLS_SEED={seed}");
    let cutter = Arc::new(Cutter::to(address, failures(), seed));
    let sending = tokio::time::timeout(Duration::from_secs(patience()), client(Arc::clone(&cutter)));
    let Ok(number) = sending.await else {
        panic!(
            "AMQP_KILLS_SEED={seed}: the client hangs after {} of {} failures ({}), {} messages in the queue",
            cutter.failures(),
            failures(),
            cutter.report(),
            broker.messages("jobs").len()
        );
    };
    println!("{}; {number} messages", cutter.report());
    // It waits for the ends of connections, which close on this thread.
    tokio::task::spawn_blocking(move || drop(cutter)).await.unwrap();

    let there = broker.messages("jobs");
    let mut times = vec![0; number];
    for payload in &there {
        let message = Message::decode(payload.clone(), &Limits::DEFAULT).unwrap();
        times[message.text().unwrap().parse::<usize>().unwrap()] += 1;
    }
    let odd: Vec<_> = times.iter().enumerate().filter(|(_, times)| **times != 1).collect();
    assert!(odd.is_empty(), "AMQP_KILLS_SEED={seed}: not there once: {odd:?}");
    assert!(number > failures(), "AMQP_KILLS_SEED={seed}: {number} messages");
}

#[tokio::test]
#[adapter_tests::bounded(patience() + 30)]
async fn a_message_is_there_once_whenever_its_connection_fails() {
    play(|cutter| async move {
        let connection = Connection::open_with(&cutter.url(), options()).await.unwrap();
        let builder = connection.sender("jobs").with_target(jobs()).with_recovery(Recovery::Resume);
        let jobs = builder.with_rcv_settle_mode(ReceiverSettleMode::Second).attach().await.unwrap();
        cutter.arm();
        let (mut on_the_way, mut number) = (VecDeque::new(), 0_usize);
        loop {
            let is_over = cutter.is_done();
            if !is_over {
                let message = Outgoing::from(format!("{number}"));
                on_the_way.push_back((number, jobs.send_queued(message).await.unwrap()));
                number += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if is_over || on_the_way.len() >= WINDOW {
                let Some((number, sent)) = on_the_way.pop_front() else { break };
                assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted, "message {number}");
            }
        }
        connection.close().await.unwrap();
        number
    })
    .await;
}

/// The client of the other adapter, on a thread.
#[tokio::test]
#[adapter_tests::bounded(patience() + 30)]
async fn a_message_of_a_thread_is_there_once_whenever_its_connection_fails() {
    play(|cutter| async move { tokio::task::spawn_blocking(move || send(&cutter)).await.unwrap() }).await;
}

fn send(cutter: &Cutter) -> usize {
    let connection = amqp_blocking::Connection::open_with(&cutter.url(), options()).unwrap();
    let builder = connection.sender("jobs").with_target(jobs()).with_recovery(Recovery::Resume);
    let jobs = builder.with_rcv_settle_mode(ReceiverSettleMode::Second).attach().unwrap();
    cutter.arm();
    let (mut on_the_way, mut number) = (VecDeque::new(), 0_usize);
    loop {
        let is_over = cutter.is_done();
        if !is_over {
            let message = Outgoing::from(format!("{number}"));
            on_the_way.push_back((number, jobs.send_queued(message).unwrap()));
            number += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        if is_over || on_the_way.len() >= WINDOW {
            let Some((number, sent)) = on_the_way.pop_front() else { break };
            assert_eq!(sent.outcome().unwrap(), Outcome::Accepted, "message {number}");
        }
    }
    connection.close().unwrap();
    number
}
