//! Accepted messages are written before the end, whether handles are closed or dropped.

use super::common::{listener, next_client, next_receiver, next_session};
use crate::adapter::{self, Task, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::message::Message;
use crate::amqp::{Connection, Outgoing};

const MESSAGES: usize = 20;
const LARGE: usize = 3 << 20;

/// A large message, sent at most once.
fn large() -> Outgoing {
    Outgoing::from(Message::new(vec![7; LARGE])).with_settled(true)
}

/// Starts a server. Its result is the number of messages, and whether the client has closed the connection.
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

/// C-CLOSE-01: after a successful close, all sent messages have arrived.
#[adapter::test]
async fn c_close_01_sent_messages_have_arrived_if_a_close_is_ok() {
    let (url, server) = server().await;
    let client = Connection::open(&url).await.unwrap();
    let sender = client.sender("jobs").attach().await.unwrap();
    for _ in 0..MESSAGES {
        drop(sender.send_queued(large()).await.unwrap());
    }
    client.close().await.unwrap();
    assert_eq!(server.join().await.unwrap(), (MESSAGES, true));
}

/// C-CLOSE-01: after all handles are dropped, the driver continues until all is written.
#[adapter::test]
async fn c_close_01_dropping_the_last_handle_writes_queued_messages() {
    let (url, server) = server().await;
    let client = Connection::open(&url).await.unwrap();
    let sender = client.sender("jobs").attach().await.unwrap();
    for _ in 0..MESSAGES {
        drop(sender.send_queued(large()).await.unwrap());
    }
    drop((sender, client));
    assert_eq!(server.join().await.unwrap(), (MESSAGES, true));
}
