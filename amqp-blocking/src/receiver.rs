//! [`Receiver`]: receives messages, and settles them.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::Result;
use amqp_proto::driver;

use crate::reader::MessageReader;
use crate::wait::{ready, ready_by};

/// A received message. Dropping it without an outcome releases it.
pub type Delivery = driver::Delivery<Thread>;

/// A link on which this end receives. Clones are handles to the same one, for any thread: each message goes to one
/// of those who wait.
///
/// [`close`](Self::close) closes the link; so does dropping its last handle and its last [`Delivery`].
///
/// ```
#[doc = include_str!("../docs/server.md")]
/// use amqp_blocking::Connection;
///
/// let connection = Connection::open(&url)?;
/// for delivery in &connection.receiver("jobs").attach()? {
///     let delivery = delivery?;
///     // A delivery that `?` drops is released.
///     println!("{:?}", delivery.message()?.body()?);
///     delivery.accept()?;
/// }
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Receiver(pub(crate) driver::Receiver<Thread>);

driver::handles! { Thread: Receiver }
driver::skin::receiver!();

impl Receiver {
    /// Waits for a message for so long at most; then the error is [`Error::TimedOut`](crate::Error::TimedOut).
    ///
    /// # Errors
    ///
    /// That error if no message has arrived in time; also those of [`recv`](Self::recv).
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Delivery>> {
        ready_by(driver::Receiver::recv(self), Instant::now().checked_add(span))
    }

    /// Returns an iterator of the messages until the end of the link. If the link ends with an error, the error is
    /// the last item.
    pub fn iter(&self) -> Deliveries<'_> {
        Deliveries { receiver: Some(self) }
    }
}

/// An iterator of the messages of a receiver.
#[derive(Debug)]
pub struct Deliveries<'a> {
    /// `None` after the end.
    receiver: Option<&'a Receiver>,
}

impl Iterator for Deliveries<'_> {
    type Item = Result<Delivery>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.receiver?.recv().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.receiver = None;
        }
        item
    }
}

impl<'a> IntoIterator for &'a Receiver {
    type Item = Result<Delivery>;
    type IntoIter = Deliveries<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
