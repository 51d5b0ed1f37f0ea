//! [`ReceiverSet`]: the next message of any of several receivers.

use std::task::Waker as Waiter;

use amqp_proto::driver;

use crate::receiver::{Delivery, Receiver};

/// Several receivers, of any sessions and connections, whose messages are taken in turn.
///
/// Each receiver has a key, which comes with its messages. The receiver after the one of the last message is asked first,
/// so that a busy receiver keeps no other waiting.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// # connection.sender("jobs").await?.send("job-content").await?;
/// let mut inbox = amqp_tokio::ReceiverSet::new();
/// inbox.insert("urgent", &connection.receiver("urgent").await?);
/// inbox.insert("jobs", &connection.receiver("jobs").await?);
/// while let Some((queue, delivery)) = inbox.recv().await {
///     let delivery = delivery?;
///     println!("{queue}: {:?}", delivery.message()?.body()?);
///     delivery.accept()?;
///     # break;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ReceiverSet<K>(driver::ReceiverSet<Waiter, K>);

driver::skin::receiver_set!(async);
