//! What was accepted before the end is written before it, whether handles are closed or dropped.

use super::common::{listener, next_client, next_receiver, next_session};
use crate::adapter::{self, Task, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::message::Message;
use crate::amqp::{Connection, Outgoing};

const MESSAGES: usize = 20;
const LARGE: usize = 3 << 20;

/// Makes a large message that is sent at most once.
fn large() -> Outgoing {
    Outgoing::from(Message::new(vec![7; LARGE])).with_settled(true)
}

/// Starts a server; it ends with how many messages it has received, and whether the client has closed the connection.
#[adapter::helper]
async fn server() -> (String, Task<(usize, bool)>) {
    let (listener, url) = listener().await;
    let serve = async move {
        let connection = next_client(&listener).await;
        let session = next_session(&connection).await;
        let receiver = next_receiver(&session, ReceiverOptions::new()).await;
        let mut received = 0;
        while let Ok(Some(_)) = receiver.recv().await {
            received += 1;
        }
        (received, !connection.closed().await.is_failure())
    };
    (url, spawn(serve))
}

/// C-CLOSE-01: where a close is `Ok`, all that was sent before has arrived.
#[adapter::test]
async fn c_close_01_what_was_sent_has_arrived_if_a_close_is_ok() {
    let (url, server) = server().await;
    let client = Connection::open(&url).await.unwrap();
    let sender = client.sender("jobs").attach().await.unwrap();
    for _ in 0..MESSAGES {
        drop(sender.send_queued(large()).await.unwrap());
    }
    client.close().await.unwrap();
    assert_eq!(server.join().await.unwrap(), (MESSAGES, true));
}

/// C-CLOSE-01: where all handles are dropped, the driver goes on until all is written.
#[adapter::test]
async fn c_close_01_dropping_the_last_handle_writes_what_is_queued() {
    let (url, server) = server().await;
    let client = Connection::open(&url).await.unwrap();
    let sender = client.sender("jobs").attach().await.unwrap();
    for _ in 0..MESSAGES {
        drop(sender.send_queued(large()).await.unwrap());
    }
    drop((sender, client));
    assert_eq!(server.join().await.unwrap(), (MESSAGES, true));
}
