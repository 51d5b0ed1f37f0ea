//! Hostile peers over loopback: memory and work stay bounded, and another connection goes on sending.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../../amqp-proto/adapter-tests/tests/common/threats.rs"]
mod threats;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use amqp_blocking::wire::Outcome;
use amqp_blocking::{Connection, ConnectionOptions, Error, Incoming, Listener, Offer, OfferedLink};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The links of a hostile peer that the server holds. It closes older ones.
const LINKS: usize = 8;

/// Serves one client. The messages of a link to `jobs` are accepted.
fn serve(client: Incoming) {
    let mut held = VecDeque::new();
    let Ok(connection) = client.open() else { return };
    while let Ok(Some(offer)) = connection.next_offer() {
        match offer {
            Offer::Link(OfferedLink::Receiver(link)) if link.address().is_some_and(|to| to == NODE) => {
                let Ok(receiver) = link.accept() else { continue };
                // The link ends with its connection.
                thread::spawn(move || drop(receiver.for_each(1, |_| Ok::<(), Error>(()))));
            }
            offer => held.extend(offer.accept().ok()),
        }
        while held.len() > LINKS {
            held.pop_front();
        }
    }
}

/// The node of the well-behaved peer.
const NODE: &str = "jobs";

/// This is the only test here, since others would use the same heap.
#[test]
#[adapter_tests::bounded(900)]
fn hostile_peers_are_survived() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok(client) = listener.accept() {
            thread::spawn(move || serve(client));
        }
    });
    let (messages, is_done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let client = Connection::open(&format!("amqp://{address}")).unwrap();
    let sender = client.sender(NODE).attach().unwrap();
    let (counted, ends) = (Arc::clone(&messages), Arc::clone(&is_done));
    let sending = thread::spawn(move || {
        while !ends.load(Ordering::Relaxed) {
            assert_eq!(sender.send("job").unwrap(), Outcome::Accepted);
            counted.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
        }
    });
    threats::attack_server(address, &messages, &HEAP);
    is_done.store(true, Ordering::Relaxed);
    sending.join().unwrap();
    client.close().unwrap();
    let options = ConnectionOptions::new().with_open_timeout(Duration::from_secs(5));
    threats::attack_client(&HEAP, |url| Connection::open_with(url, options.clone()).is_ok());
}
