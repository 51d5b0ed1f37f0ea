//! A peer killed at any moment: accepted messages were received, and every wait ends with an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[path = "common/victim.rs"]
mod victim;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::wire::Outcome;
use amqp_blocking::{Connection, Error, Listener, Offer, OfferedLink, Origin, Receiver, Sender};
use victim::{FOREVER, Reports, Victim, is_victim, rounds};

/// The number of sending threads, each with this number of messages on the way.
const THREADS: usize = 4;
const WINDOW: usize = 100;

#[test]
fn accepted_messages_were_received_whenever_the_peer_is_killed() {
    rounds(|victim| {
        let (reports, report) = mpsc::channel();
        let round = thread::spawn(move || reports.send(play(&victim)).unwrap());
        let report = report.recv_timeout(FOREVER).expect("nothing is silent");
        round.join().unwrap();
        report
    });
}

fn play(victim: &Victim) -> Reports {
    let mut reports = Reports::default();
    let connection = match Connection::open(&victim.url) {
        Ok(connection) => connection,
        Err(error) => {
            assert!(matches!(error, Error::Io(_)) || is_loss(&error), "{error}");
            return reports;
        }
    };
    let receiving = connection.clone();
    let receiving = thread::spawn(move || receive(&receiving));
    let next = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (connection, next) = (connection.clone(), Arc::clone(&next));
            thread::spawn(move || send(&connection, number % 2 == 0, &next))
        })
        .collect();
    for thread in threads {
        reports.add(thread.join().unwrap());
    }
    assert!(is_loss(&receiving.join().unwrap()));
    assert_eq!(connection.closed().origin(), Origin::Transport);
    assert!(is_loss(&connection.close().unwrap_err()));
    assert!(is_loss(&connection.sender("late").attach().unwrap_err()));
    reports
}

/// Waits for messages, which never come, and returns the error.
fn receive(connection: &Connection) -> Error {
    match connection.receiver("nothing").attach() {
        Ok(receiver) => receiver.recv().unwrap_err(),
        Err(error) => error,
    }
}

/// Sends until the connection fails: one after the other, or with many on the way.
fn send(connection: &Connection, is_patient: bool, next: &AtomicU64) -> Reports {
    let mut reports = Reports::default();
    let sender = match connection.sender("outcome.accepted").attach() {
        Ok(sender) => sender,
        Err(error) => {
            assert!(is_loss(&error), "{error}");
            return reports;
        }
    };
    if is_patient {
        send_patiently(&sender, next, &mut reports);
    } else {
        send_ahead(&sender, next, &mut reports);
    }
    reports
}

fn send_patiently(sender: &Sender, next: &AtomicU64, reports: &mut Reports) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if !note(number, sender.send(number.to_string()), reports) {
            return;
        }
    }
}

fn send_ahead(sender: &Sender, next: &AtomicU64, reports: &mut Reports) {
    let mut on_the_way = VecDeque::new();
    let mut is_going_on = true;
    while is_going_on {
        let number = next.fetch_add(1, Ordering::Relaxed);
        match sender.send_queued(number.to_string()) {
            Ok(sent) => on_the_way.push_back((number, sent)),
            Err(error) => is_going_on = note(number, Err(error), reports),
        }
        while on_the_way.len() > if is_going_on { WINDOW } else { 0 } {
            let (number, sent) = on_the_way.pop_front().unwrap();
            is_going_on &= note(number, sent.outcome(), reports);
        }
    }
}

/// Records the outcome of a message. Returns whether the thread can continue.
fn note(number: u64, outcome: Result<Outcome, Error>, reports: &mut Reports) -> bool {
    match outcome {
        Ok(outcome) => {
            assert_eq!(outcome, Outcome::Accepted);
            reports.accepted.push(number);
            true
        }
        Err(error) => {
            assert!(is_loss(&error), "{error}");
            reports.failed.push(number);
            false
        }
    }
}

/// Returns whether the error says that the transport is gone.
fn is_loss(error: &Error) -> bool {
    matches!(error, Error::Connection(_) | Error::Lost(_)) && error.origin() == Some(Origin::Transport)
}

/// Not a test: the process that is killed.
#[test]
fn the_peer() {
    if is_victim() {
        serve().unwrap();
    }
}

fn serve() -> amqp_blocking::Result<()> {
    let listener = Listener::bind("127.0.0.1:0")?;
    println!("\nlistening amqp://{}", listener.local_addr()?);
    let connection = listener.accept()?.open()?;
    let mut idle = Vec::new();
    while let Some(offer) = connection.next_offer()? {
        match offer {
            Offer::Link(OfferedLink::Receiver(link)) => {
                let receiver = link.accept_with(ReceiverOptions::new().with_auto_accept(false))?;
                thread::spawn(move || take_all(&receiver));
            }
            Offer::Link(OfferedLink::Sender(link)) => idle.push(link.accept()?),
            other => drop(other.accept()?),
        }
    }
    Ok(())
}

fn take_all(receiver: &Receiver) -> amqp_blocking::Result<()> {
    while let Some(delivery) = receiver.recv()? {
        println!("got {}", delivery.message()?.body()?.as_str().unwrap());
        delivery.accept()?;
    }
    Ok(())
}
