//! [`ReceiverSet`]: the next message of any of several receivers.

use std::thread::Thread as Waiter;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver;

use crate::receiver::{Delivery, Receiver};
use crate::wait::{parked, parked_until};

/// Several receivers, of any sessions and connections, whose messages are taken in turn.
///
/// Each receiver has a key, which comes with its messages. The receiver after the one of the last message is asked first,
/// so that a busy receiver keeps no other waiting.
///
/// ```no_run
/// use amqp_blocking::{Connection, ReceiverSet};
///
/// let connection = Connection::open("amqp://localhost")?;
/// let mut inbox = ReceiverSet::new();
/// inbox.insert("urgent", &connection.receiver("urgent").attach()?);
/// inbox.insert("jobs", &connection.receiver("jobs").attach()?);
/// while let Some((queue, delivery)) = inbox.recv() {
///     let delivery = delivery?;
///     println!("{queue}: {:?}", delivery.message()?.body()?);
///     delivery.accept()?;
/// }
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug)]
pub struct ReceiverSet<K>(driver::ReceiverSet<Waiter, K>);

driver::skin::receiver_set!();

impl<K: Clone> ReceiverSet<K> {
    /// Waits for a message of any receiver for so long at most.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`](crate::Error::TimedOut) if no message has arrived in time.
    pub fn recv_timeout(&mut self, span: Duration) -> Result<Option<(K, Result<Delivery>)>> {
        let mut turn = driver::ReceiverSet::turn(&mut self.0);
        parked_until(Instant::now().checked_add(span), |me| turn.poll(me)).ok_or(Error::TimedOut)
    }
}
