//! Clients of the broker in memory.

use amqp_tokio::broker::Broker;
use amqp_tokio::wire::Condition;
use amqp_tokio::{Connection, ConnectionOptions, Delivery, Error, Receiver};

/// Connects a client to the broker over a stream in memory.
pub(crate) async fn connect_as(
    broker: &Broker,
    options: ConnectionOptions,
) -> amqp_tokio::Result<Connection> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (broker, acceptor) = (broker.clone(), broker.acceptor());
    tokio::spawn(async move { broker.serve_connection(Connection::accept(far, &acceptor).await?).await });
    Connection::over(near, options).await
}

/// Connects a client with the default options.
pub(crate) async fn connect(broker: &Broker) -> Connection {
    connect_as(broker, ConnectionOptions::new()).await.unwrap()
}

/// Waits for the next message, and reads its text.
pub(crate) async fn next(receiver: &Receiver) -> (Delivery, String) {
    let delivery = receiver.recv().await.unwrap().expect("a message");
    let body = delivery.message().unwrap().body().unwrap();
    let text = body.as_str().unwrap().to_owned();
    (delivery, text)
}

/// Returns the delivery-count, and whether this is the first acquirer.
pub(crate) fn delivery_count(delivery: &Delivery) -> (u32, bool) {
    let header = delivery.message().unwrap().header().unwrap();
    (header.delivery_count, header.first_acquirer)
}

/// Bounds a wait that could last for ever.
pub(crate) async fn bounded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(std::time::Duration::from_secs(60), future).await.expect("a wait without an end")
}

/// Checks the condition of a refusal, and that its text has these words.
#[track_caller]
pub(crate) fn assert_refused(error: &Error, condition: Condition, words: &str) {
    assert_eq!(error.condition(), Some(&condition), "{error}");
    assert!(error.to_string().contains(words), "{error}, not {words}");
}
