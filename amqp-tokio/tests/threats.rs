//! Hostile peers over loopback, against a server of connections, the broker in memory and a client: memory and work stay
//! bounded, and another connection goes on sending.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../amqp-proto/adapter-tests/tests/common/threats.rs"]
mod threats;

use std::collections::VecDeque;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Connection, ConnectionOptions, Error, Incoming, Listener, Offer, OfferedLink};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The links of a hostile peer that the server holds. It closes older ones.
const LINKS: usize = 8;

/// Serves one client. The messages of a link to `outcome.accepted` are accepted.
async fn serve(client: Incoming) {
    let mut held = VecDeque::new();
    let Ok(connection) = client.open().await else { return };
    while let Ok(Some(offer)) = connection.next_offer().await {
        match offer {
            Offer::Link(OfferedLink::Receiver(link)) if link.address().is_some_and(|to| to == NODE) => {
                let Ok(receiver) = link.accept() else { continue };
                // The link ends with its connection.
                tokio::spawn(async move { receiver.for_each(1, |_| ready(Ok::<(), Error>(()))).await });
            }
            offer => held.extend(offer.accept().ok()),
        }
        while held.len() > LINKS {
            held.pop_front();
        }
    }
}

/// The node of the well-behaved peer. The broker accepts and drops its messages.
const NODE: &str = "outcome.accepted";

/// Plays all threats against a server, while a client sends to it.
async fn attack(server: SocketAddr) {
    let messages = Arc::new(AtomicU64::new(0));
    let client = Connection::open(&format!("amqp://{server}")).await.unwrap();
    let sender = client.sender(NODE).await.unwrap();
    let counted = Arc::clone(&messages);
    let sending = tokio::spawn(async move {
        loop {
            assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let attack = move || threats::attack_server(server, &messages, &HEAP);
    tokio::task::spawn_blocking(attack).await.unwrap();
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    client.close().await.unwrap();
}

/// This is the only test here, since others would use the same heap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[adapter_tests::bounded(900)]
async fn hostile_peers_are_survived() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        while let Ok(client) = listener.accept().await {
            tokio::spawn(serve(client));
        }
    });
    attack(address).await;
    served.abort();

    let broker = Broker::new().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move { broker.serve(listener).await });
    attack(address).await;
    served.abort();

    let runtime = tokio::runtime::Handle::current();
    let options = ConnectionOptions::new().with_open_timeout(Duration::from_secs(5));
    let open = move |url: &str| runtime.block_on(Connection::open_with(url, options.clone())).is_ok();
    tokio::task::spawn_blocking(move || threats::attack_client(&HEAP, open)).await.unwrap();
}
