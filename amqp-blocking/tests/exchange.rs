//! A link shared by many threads, and waits with a timeout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use amqp_blocking::Error;
use amqp_blocking::wire::Outcome;
use common::{pair, run, sending};

/// Every message of every thread arrives in one receiving thread, once, and is accepted.
#[test]
#[adapter_tests::bounded]
fn many_threads_share_a_link() {
    const THREADS: usize = 8;
    const EACH: usize = 500;
    let (client, server) = pair();
    let (sender, receiver) = sending(&client, &server);
    let senders: Vec<_> = (0..THREADS)
        .map(|thread| {
            let sender = sender.clone();
            run(move || {
                for number in 0..EACH {
                    let message = format!("{thread}.{number}");
                    if number % 2 == 0 {
                        assert_eq!(sender.send(message).unwrap(), Outcome::Accepted);
                    } else {
                        let sent = sender.send_queued(message).unwrap();
                        assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
                    }
                }
            })
        })
        .collect();
    let receivers: Vec<_> = (0..THREADS)
        .map(|_| {
            let receiver = receiver.clone();
            run(move || {
                let all = receiver.iter().map(|delivery| {
                    let delivery = delivery.unwrap();
                    let body = delivery.message().unwrap().body().unwrap();
                    delivery.accept().unwrap();
                    body.as_str().unwrap().to_owned()
                });
                all.collect::<Vec<_>>()
            })
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    sender.close().unwrap();
    let all: Vec<_> = receivers.into_iter().flat_map(|receiver| receiver.join().unwrap()).collect();
    assert_eq!(all.len(), THREADS * EACH);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), THREADS * EACH);
}

/// A timeout of 0 ends at once, and other timeouts end in time.
#[test]
#[adapter_tests::bounded]
fn a_wait_ends_when_its_time_is_up() {
    let (client, server) = pair();
    let (sender, receiver) = sending(&client, &server);
    receiver.set_credit(0).unwrap();
    receiver.drain().unwrap();
    assert!(matches!(sender.send_queued_timeout("job", Duration::ZERO), Err(Error::TimedOut)));
    assert!(matches!(receiver.recv_timeout(Duration::from_millis(1)), Err(Error::TimedOut)));
    receiver.set_credit(1).unwrap();
    let sent = sender.send_queued_timeout("job", Duration::from_secs(60)).unwrap();
    assert!(matches!(sent.outcome_timeout(Duration::from_millis(1)), Err(Error::TimedOut)));
    drop(receiver.recv_timeout(Duration::from_secs(60)).unwrap());
    assert_eq!(sent.outcome_timeout(Duration::from_secs(60)).unwrap(), Outcome::Accepted);
}
