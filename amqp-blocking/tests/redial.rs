//! A connection that is lost a thousand times leaves nothing behind.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::read_dir;
use std::thread;
use std::time::Duration;

use amqp_blocking::policy::{Backoff, Reconnect};
use amqp_blocking::wire::{Condition, Outcome};
use amqp_blocking::{Accepted, Connection, ConnectionOptions, Error, Listener};

const LOSSES: usize = 1_000;

/// Returns the numbers of open files and of threads.
fn held() -> (usize, usize) {
    (read_dir("/proc/self/fd").unwrap().count(), read_dir("/proc/self/task").unwrap().count())
}

#[test]
#[adapter_tests::bounded(60)]
fn a_thousand_losses_leave_nothing_behind() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let before = held();
    let server = thread::spawn(move || {
        for _ in 0..LOSSES {
            let connection = listener.accept().unwrap().open().unwrap();
            while let Some(offer) = connection.next_offer().unwrap() {
                if let Accepted::Receiver(receiver) = offer.accept().unwrap() {
                    receiver.recv().unwrap().unwrap().accept().unwrap();
                    // Some messages are lost with the connection.
                    connection.close_with(Condition::ConnectionForced).unwrap();
                    break;
                }
            }
        }
        listener
    });
    let delay = Duration::from_micros(100);
    let rules = Reconnect::new().with_backoff(Backoff::new(delay, delay)).with_stable_after(Duration::ZERO);
    let client = Connection::open_with(&url, ConnectionOptions::new().with_reconnect(rules)).unwrap();
    let jobs = client.sender("jobs").attach().unwrap();
    let sending = thread::spawn(move || {
        let mut accepted = 0;
        loop {
            match jobs.send("job") {
                Ok(outcome) => {
                    assert_eq!(outcome, Outcome::Accepted);
                    accepted += 1;
                }
                Err(Error::Lost(_)) => {}
                Err(over) => break (accepted, over),
            }
        }
    });
    let _listener = server.join().unwrap();
    client.close().unwrap();
    let (accepted, over) = sending.join().unwrap();
    assert!(matches!(over, Error::Connection(_)), "{over}");
    // Each server accepts one message, and says so before it closes.
    assert_eq!(accepted, LOSSES);
    drop(client);
    while held().0 > before.0 || held().1 > before.1 {
        thread::sleep(Duration::from_millis(10));
    }
}
