//! A peer killed at any moment: accepted messages were received, and every wait ends with an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[path = "../../amqp-blocking/tests/common/victim.rs"]
mod victim;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Connection, Error, Listener, OfferedLink, Origin, Sender, Session};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use victim::{FOREVER, Reports, Victim, is_victim, rounds};

/// The number of sending tasks, each with this number of messages on the way.
const TASKS: usize = 4;
const WINDOW: usize = 100;

#[test]
fn accepted_messages_were_received_whenever_the_peer_is_killed() {
    let runtime = Runtime::new().unwrap();
    rounds(|victim| {
        let round = async { tokio::time::timeout(FOREVER, play(&victim)).await };
        runtime.block_on(round).expect("nothing is silent")
    });
}

async fn play(victim: &Victim) -> Reports {
    let mut reports = Reports::default();
    let connection = match Connection::open(&victim.url).await {
        Ok(connection) => connection,
        Err(error) => {
            assert!(matches!(error, Error::Io(_)) || is_loss(&error), "{error}");
            return reports;
        }
    };
    let receiving = tokio::spawn(receive(connection.clone()));
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        tasks.spawn(send(connection.clone(), number % 2 == 0, Arc::clone(&next)));
    }
    while let Some(more) = tasks.join_next().await {
        reports.add(more.unwrap());
    }
    let error = receiving.await.unwrap();
    assert!(is_loss(&error), "{error:?}");
    assert_eq!(connection.closed().await.origin(), Origin::Transport);
    assert!(is_loss(&connection.close().await.unwrap_err()));
    assert!(is_loss(&connection.sender("late").await.unwrap_err()));
    reports
}

/// Waits for messages, which never come, and returns the error.
async fn receive(connection: Connection) -> Error {
    match connection.receiver("nothing").await {
        Ok(receiver) => receiver.recv().await.unwrap_err(),
        Err(error) => error,
    }
}

/// Sends until the connection fails: one after the other, or with many on the way.
async fn send(connection: Connection, is_patient: bool, next: Arc<AtomicU64>) -> Reports {
    let mut reports = Reports::default();
    let sender = match connection.sender("outcome.accepted").await {
        Ok(sender) => sender,
        Err(error) => {
            assert!(is_loss(&error), "{error:?}");
            return reports;
        }
    };
    if is_patient {
        send_patiently(&sender, &next, &mut reports).await;
    } else {
        send_ahead(&sender, &next, &mut reports).await;
    }
    reports
}

async fn send_patiently(sender: &Sender, next: &AtomicU64, reports: &mut Reports) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if !note(number, sender.send(number.to_string()).await, reports) {
            return;
        }
    }
}

async fn send_ahead(sender: &Sender, next: &AtomicU64, reports: &mut Reports) {
    let mut on_the_way = VecDeque::new();
    let mut is_going_on = true;
    while is_going_on {
        let number = next.fetch_add(1, Ordering::Relaxed);
        match sender.send_queued(number.to_string()).await {
            Ok(sent) => on_the_way.push_back((number, sent)),
            Err(error) => is_going_on = note(number, Err(error), reports),
        }
        while on_the_way.len() > if is_going_on { WINDOW } else { 0 } {
            let (number, sent) = on_the_way.pop_front().unwrap();
            is_going_on &= note(number, sent.await, reports);
        }
    }
}

/// Records the outcome of a message. Returns whether the task can continue.
fn note(number: u64, outcome: Result<Outcome, Error>, reports: &mut Reports) -> bool {
    match outcome {
        Ok(outcome) => {
            assert_eq!(outcome, Outcome::Accepted);
            reports.accepted.push(number);
            true
        }
        Err(error) => {
            assert!(is_loss(&error), "{error:?}");
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
        Runtime::new().unwrap().block_on(serve()).unwrap();
    }
}

async fn serve() -> amqp_tokio::Result<()> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    println!("\nlistening amqp://{}", listener.local_addr()?);
    let connection = listener.accept().await?.open().await?;
    while let Some(session) = connection.next_session().await? {
        tokio::spawn(serve_session(session.accept()?));
    }
    Ok(())
}

async fn serve_session(session: Session) -> amqp_tokio::Result<()> {
    let mut idle = Vec::new();
    while let Some(link) = session.next_link().await? {
        match link {
            OfferedLink::Receiver(link) => {
                let receiver = link.accept_with(ReceiverOptions::new().with_auto_accept(false))?;
                tokio::spawn(async move {
                    while let Some(delivery) = receiver.recv().await? {
                        println!("got {}", delivery.message()?.body()?.as_str().unwrap());
                        delivery.accept()?;
                    }
                    Ok::<_, Error>(())
                });
            }
            OfferedLink::Sender(link) => idle.push(link.accept()?),
        }
    }
    Ok(())
}
