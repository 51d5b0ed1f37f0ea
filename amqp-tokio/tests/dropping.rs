//! The driver ends with the runtime, and writes first what the socket takes at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::mpsc;
use std::thread;

use amqp_tokio::message::Message;
use amqp_tokio::{Connection, Listener, OfferedLink, Outgoing};
use tokio::runtime;

const MESSAGES: usize = 20;

/// A message sent at most once.
fn settled(octets: usize) -> Outgoing {
    Outgoing::from(Message::new(vec![7; octets])).with_settled(true)
}

/// Starts a server in a thread. Returns its URL; its result is the number of messages, and whether the client has
/// closed the connection.
fn server() -> (String, thread::JoinHandle<(usize, bool)>) {
    let (told, url) = mpsc::channel();
    let serve = async move {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        told.send(format!("amqp://{}", listener.local_addr().unwrap())).unwrap();
        let connection = listener.accept().await.unwrap().open().await.unwrap();
        let session = connection.next_session().await.unwrap().unwrap().accept().unwrap();
        let Some(OfferedLink::Receiver(link)) = session.next_link().await.unwrap() else { panic!() };
        let receiver = link.accept().unwrap();
        let mut received = 0;
        while let Ok(Some(_)) = receiver.recv().await {
            received += 1;
        }
        (received, !connection.closed().await.is_failure())
    };
    let server = thread::spawn(|| {
        runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(serve)
    });
    (url.recv().unwrap(), server)
}

/// C-CLOSE-01: the driver ends with the runtime, and writes first what the socket takes at once.
#[test]
#[adapter_tests::bounded]
fn c_close_01_the_end_of_a_runtime_writes_as_much_as_possible() {
    for is_dropped in [true, false] {
        let (url, server) = server();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handles = runtime.block_on(async {
            let client = Connection::open(&url).await.unwrap();
            let sender = client.sender("jobs").await.unwrap();
            for _ in 0..MESSAGES {
                drop(sender.try_send(settled(100)).unwrap());
            }
            (!is_dropped).then_some((sender, client))
        });
        drop(runtime);
        // A program that still has a handle has not closed the connection.
        assert_eq!(server.join().unwrap(), (MESSAGES, is_dropped));
        drop(handles);
    }
}
