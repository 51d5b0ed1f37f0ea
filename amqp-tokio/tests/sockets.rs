//! Sockets that are half closed, reset or full, and a runtime that ends: each wait ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::mpsc;
use std::time::Duration;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::types::Limits;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, Error, Origin, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// Bounds a wait that could last for ever.
async fn bounded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(25), future).await.expect("a wait without an end")
}

/// Two ends of a TCP connection.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

fn by_hand() -> ReceiverOptions {
    ReceiverOptions::new().with_auto_accept(false)
}

async fn is_lost(sent: Sent) -> bool {
    matches!(bounded(sent).await, Err(Error::Lost(end)) if end.origin() == Origin::Transport)
}

/// A peer that disappears with unread octets resets the connection.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_reset_in_the_middle_of_a_stream() {
    let (near, mut far) = sockets().await;
    let limits = Limits::DEFAULT.with_output_octets(4096).with_output_octets_hard(4096);
    let options = ConnectionOptions::new().with_limits(limits).without_sasl();
    // So far the peer is another connection; from here on it does not read.
    let (inner, mut outer) = tokio::io::duplex(1 << 16);
    let acceptor = Acceptor::default();
    let (cut, mut is_cut) = tokio::sync::oneshot::channel::<()>();
    let between = tokio::spawn(async move {
        let (mut there, mut back) = (vec![0; 4096], vec![0; 4096]);
        loop {
            tokio::select! {
                _ = &mut is_cut => break,
                read = far.read(&mut there) => outer.write_all(&there[..read.unwrap()]).await.unwrap(),
                read = outer.read(&mut back) => far.write_all(&back[..read.unwrap()]).await.unwrap(),
            }
        }
        // Its unread octets cause a reset.
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(far);
    });
    let (client, server) =
        tokio::join!(Connection::over(near, options), Connection::accept(inner, &acceptor));
    let (client, server) = (client.unwrap(), server.unwrap());
    let (sender, receiver, _session) = common::sending(&client, &server, by_hand()).await;
    let first = sender.send_queued("first").await.unwrap();
    bounded(receiver.recv()).await.unwrap().unwrap().accept().unwrap();
    assert_eq!(bounded(first).await.unwrap(), Outcome::Accepted);
    cut.send(()).unwrap();
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.extend(
            tokio::time::timeout(Duration::from_millis(20), sender.send_queued(vec![1; 4 << 20])).await,
        );
    }
    for sent in sent.into_iter().flatten() {
        assert!(is_lost(sent).await);
    }
    bounded(between).await.unwrap();
    let end = bounded(client.closed()).await;
    assert_eq!(end.origin(), Origin::Transport);
    assert!(bounded(client.close()).await.is_err());
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The connection ends with the runtime: tasks elsewhere learn that, also behind unread output.
#[test]
#[adapter_tests::bounded]
fn a_runtime_that_is_dropped() {
    for octets in [10, 16 << 20] {
        let (theirs, ours, waits) = (runtime(), runtime(), runtime());
        let (ask, asked) = mpsc::channel();
        let server = theirs.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ask.send(listener.local_addr().unwrap()).unwrap();
            let acceptor = Acceptor::default();
            let server = Connection::accept(listener.accept().await.unwrap().0, &acceptor).await.unwrap();
            let session = common::session(&server).await;
            let receiver = common::receiver(&session, by_hand()).await;
            std::future::pending::<()>().await;
            drop((receiver, session, server));
        });
        let address = asked.recv().unwrap();
        let limits = Limits::DEFAULT.with_output_octets(4096).with_output_octets_hard(4096);
        let options = ConnectionOptions::new().with_limits(limits);
        let opened = ours.spawn(async move {
            let client = Connection::open_with(&format!("amqp://{address}"), options).await.unwrap();
            let sender = client.sender("jobs").await.unwrap();
            let sent = sender.send_queued(vec![1; octets]).await.unwrap();
            (client, sender, sent)
        });
        let (client, sender, sent) = waits.block_on(bounded(opened)).unwrap();
        let outcome = waits.spawn(sent);
        let sendable = waits.spawn(async move { (0..1_000_000).find(|_| sender.try_send("more").is_err()) });
        waits.block_on(bounded(sendable)).unwrap();
        let (closed, closing) = (client.clone(), client.clone());
        let closed = waits.spawn(async move { closed.closed().await });
        ours.shutdown_background();
        let lost = waits.block_on(bounded(outcome)).unwrap();
        assert!(matches!(lost, Err(Error::Lost(_))), "{lost:?}");
        assert_eq!(waits.block_on(bounded(closed)).unwrap().origin(), Origin::Transport);
        assert!(waits.block_on(bounded(closing.close())).is_err());
        assert!(waits.block_on(bounded(client.session())).is_err());
        server.abort();
    }
}
