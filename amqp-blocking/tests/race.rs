//! Connecting to hosts with several addresses.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

#[path = "../src/race.rs"]
mod race;

use race::race;

fn addresses(count: u16) -> Vec<SocketAddr> {
    (1..=count).map(|port| ([127, 0, 0, 1], port).into()).collect()
}

/// RFC 8305, section 5: an address that does not answer does not delay the others.
#[test]
fn an_address_that_does_not_answer_does_not_delay_the_others() {
    let start = Instant::now();
    let reached = race(addresses(3), None, &|| false, |address, _| match address.port() {
        1 => {
            thread::sleep(Duration::from_secs(60));
            Err(io::ErrorKind::TimedOut.into())
        }
        2 => Err(io::ErrorKind::ConnectionRefused.into()),
        port => Ok(port),
    });
    assert_eq!(reached.unwrap(), 3);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn a_host_of_which_no_address_answers_is_an_error() {
    let refused = |_, _| Err::<(), _>(io::ErrorKind::ConnectionRefused.into());
    assert_eq!(
        race(addresses(2), None, &|| false, refused).unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
    assert_eq!(race(addresses(0), None, &|| false, refused).unwrap_err().kind(), io::ErrorKind::NotFound);
    let by = Instant::now() + Duration::from_millis(50);
    let slow = |_, _| {
        thread::sleep(Duration::from_secs(60));
        Ok(())
    };
    assert_eq!(race(addresses(2), Some(by), &|| false, slow).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_race_that_is_stopped_ends_at_once() {
    let start = Instant::now();
    let slow = |_, _| {
        thread::sleep(Duration::from_secs(60));
        Ok(())
    };
    let stopped = race(addresses(2), None, &|| true, slow).unwrap_err();
    assert_eq!(stopped.kind(), io::ErrorKind::ConnectionAborted);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
