//! A producer and a consumer whose connections fail again and again: cut after any octet, stalled, half-open.
//! It is included by programs of its own, `kills` and `soak`, since it counts what the process holds.

mod cutter;
mod queue;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::adapter::{self, next, spawn};
use crate::amqp::policy::{Backoff, Reconnect, Recovery};
use crate::amqp::types::DeliveryKey;
use crate::amqp::wire::Outcome;
use crate::amqp::{Connection, ConnectionOptions, Error, Receiver, Sender, SentOutcomes};
use cutter::Cutter;
use queue::{Server, impatient, message, number_of};

/// The number of messages that are on the way to the server.
const WINDOW: usize = 32;

/// The end of the failures.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// So many connections have failed.
    Failures(usize),
    /// So much time has passed.
    Elapsed(Duration),
}

/// The outcomes that the sender knows.
#[derive(Debug, Default)]
struct Sending {
    accepted: Vec<usize>,
    lost: Vec<usize>,
}

/// The number of outcomes that are not yet told, by message. It is negative for one that is told and not yet known as sent.
type Untold = Arc<Mutex<BTreeMap<DeliveryKey, i32>>>;

/// Counts that a message was sent, or that its outcome was told.
fn count(untold: &Untold, key: DeliveryKey, one: i32) {
    let mut untold = untold.lock().unwrap();
    let number = untold.entry(key).or_default();
    *number += one;
    if *number == 0 {
        untold.remove(&key);
    }
}

/// Returns the numbers of open files, of threads, and of tasks.
fn held() -> [usize; 3] {
    let count = |folder| std::fs::read_dir(folder).unwrap().count();
    [count("/proc/self/fd"), count("/proc/self/task"), crate::tasks()]
}

/// Returns a number from the environment.
pub(crate) fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// Sends and receives until enough connections have failed, and checks that nothing is lost, doubled or left.
#[adapter::helper]
pub(crate) async fn play(mode: Recovery, until: Until) {
    let before = held();
    play_once(mode, until).await;
    let start = Instant::now();
    // The last connections, and their tasks or threads, end by themselves.
    while held().iter().zip(before).any(|(after, before)| *after > before) {
        assert!(start.elapsed() < Duration::from_secs(20), "files, threads, tasks: {before:?}, {:?}", held());
        crate::sleep(Duration::from_millis(20)).await;
    }
}

#[adapter::helper]
async fn play_once(mode: Recovery, until: Until) {
    let seed = variable("AMQP_KILLS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{mode:?}, AMQP_KILLS_SEED={seed}");
    let start = Instant::now();
    let server = Server::start().await;
    let (failures, end) = match until {
        Until::Failures(number) => (number, None),
        Until::Elapsed(span) => (usize::MAX, Some(start + span)),
    };
    let cutter = Arc::new(Cutter::to(server.address, failures, seed));
    let producer = Connection::open_with(&cutter.url(), options()).await.unwrap();
    let jobs = producer.sender("jobs").with_recovery(mode).attach().await.unwrap();
    let consumer = Connection::open_with(&cutter.url(), options()).await.unwrap();
    let inbox = consumer.receiver("jobs").with_auto_accept(false).attach().await.unwrap();
    cutter.arm();

    let untold = Untold::default();
    let telling = {
        let (outcomes, untold) = (jobs.outcomes(), Arc::clone(&untold));
        spawn(async move { tell(outcomes, untold).await })
    };
    let receiving = spawn(async move { receive(inbox).await });
    let sending = {
        let (cutter, untold) = (Arc::clone(&cutter), Arc::clone(&untold));
        spawn(async move { send(jobs, cutter, untold, mode, end).await })
    };
    let sent = sending.join().await.unwrap();
    let failed = cutter.failures();
    while !server.queue.is_empty() {
        crate::sleep(Duration::from_millis(5)).await;
    }
    producer.close().await.unwrap();
    consumer.close().await.unwrap();
    telling.join().await.unwrap();
    let received = receiving.join().await.unwrap();
    let came = server.queue.came();
    server.stop().await;

    let report = cutter.report();
    let doubles = came.iter().filter(|times| **times > 1).count();
    println!(
        "{mode:?}: {report}; {} accepted, {} lost, {doubles} doubled, in {:?}",
        sent.accepted.len(),
        sent.lost.len(),
        start.elapsed()
    );
    check(mode, &sent, &came, &received, failed);
    assert!(untold.lock().unwrap().is_empty(), "every outcome is told once: {:?}", untold.lock().unwrap());
}

/// Checks that nothing is lost that was accepted, and that doubles come only where the mode allows it.
fn check(mode: Recovery, sent: &Sending, came: &[u8], received: &[u8], failures: usize) {
    let times = |list: &[u8], number: usize| list.get(number).copied().unwrap_or(0);
    let lost: Vec<_> = sent.accepted.iter().filter(|number| times(came, **number) == 0).collect();
    assert!(lost.is_empty(), "accepted, and not there: {lost:?}");
    let lost: Vec<_> =
        (0..came.len()).filter(|number| came[*number] > 0 && times(received, *number) == 0).collect();
    assert!(lost.is_empty(), "not received: {lost:?}");
    let doubles: usize = came.iter().map(|times| usize::from(times.saturating_sub(1))).sum();
    if mode == Recovery::Report {
        assert_eq!(doubles, 0, "sent twice, and nobody asked for it");
    } else {
        assert!(sent.lost.is_empty(), "lost, and was to be sent again: {:?}", sent.lost);
        assert!(doubles <= failures * WINDOW, "{doubles} doubles after {failures} failures");
    }
    assert!(sent.accepted.len() > failures, "{} messages, {failures} failures", sent.accepted.len());
}

fn options() -> ConnectionOptions {
    let delay = Duration::from_millis(1);
    let backoff = Backoff::new(delay, 8 * delay);
    impatient().with_reconnect(Reconnect::new().with_backoff(backoff).with_stable_after(Duration::ZERO))
}

/// Sends until enough connections have failed, and waits for all outcomes.
#[adapter::helper]
async fn send(
    jobs: Sender,
    cutter: Arc<Cutter>,
    untold: Untold,
    mode: Recovery,
    end: Option<Instant>,
) -> Sending {
    let (mut sending, mut on_the_way, mut number) = (Sending::default(), VecDeque::new(), 0);
    loop {
        if end.is_some_and(|end| Instant::now() > end) {
            cutter.spare();
        }
        let is_over = cutter.is_done();
        if !is_over {
            let sent = jobs.send_queued(message(number)).await.unwrap();
            count(&untold, sent.key(), 1);
            on_the_way.push_back((number, sent));
            number += 1;
            crate::sleep(Duration::from_millis(1)).await;
        }
        if is_over || on_the_way.len() >= WINDOW {
            let Some((number, sent)) = on_the_way.pop_front() else { break };
            match sent.outcome().await {
                Ok(Outcome::Accepted) => sending.accepted.push(number),
                Err(Error::Lost(_)) if mode == Recovery::Report => sending.lost.push(number),
                other => panic!("message {number}: {other:?}"),
            }
        }
    }
    sending
}

/// Counts the outcomes that are told for the whole link.
#[adapter::helper]
async fn tell(mut outcomes: SentOutcomes, untold: Untold) {
    while let Some((key, _)) = next(&mut outcomes).await {
        count(&untold, key, -1);
    }
}

/// Receives until the connection is closed. Returns how often each message came.
#[adapter::helper]
async fn receive(inbox: Receiver) -> Vec<u8> {
    let mut received = Vec::new();
    while let Some(delivery) = inbox.recv().await.unwrap() {
        let number = number_of(delivery.message().unwrap().properties().unwrap().message_id);
        received.resize(received.len().max(number + 1), 0_u8);
        received[number] = received[number].saturating_add(1);
        match delivery.accept() {
            // It comes again, since its connection is gone.
            Ok(()) | Err(Error::Gone) => {}
            Err(error) => panic!("{error}"),
        }
    }
    received
}
