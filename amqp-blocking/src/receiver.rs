//! [`Receiver`]: the handle of a link on which this end receives.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver::{self, Ending};
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire;

use crate::handles::Delivery;
use crate::reader::MessageReader;
use crate::wait::{ready, ready_by};

/// A link on which this end receives. Clones are handles to the same one, for any thread: each message goes to one
/// of those who wait.
///
/// It is closed by [`close`](Self::close), or when the last handle to it, or to a message from it, is dropped.
///
/// ```
/// # let listener = amqp_blocking::Listener::bind("127.0.0.1:0")?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let connection = listener.accept()?.open()?;
/// #     while let Some(offer) = connection.next_offer()? {
/// #         if let amqp_blocking::Accepted::Sender(sender) = offer.accept()? {
/// #             sender.send("job-content")?;
/// #             sender.close()?;
/// #         }
/// #     }
/// #     Ok::<(), amqp_blocking::Error>(())
/// # });
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

impl Receiver {
    /// Waits for the next message; `None` once the link is over without an error and all is taken.
    ///
    /// # Errors
    ///
    /// How the link ended, if that was an error.
    pub fn recv(&self) -> Result<Option<Delivery>> {
        ready(driver::Receiver::recv(self))
    }

    /// Waits for a message for so long at most; then the error is [`Error::TimedOut`].
    ///
    /// # Errors
    ///
    /// See [`recv`](Self::recv).
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Delivery>> {
        ready_by(driver::Receiver::recv(self), Instant::now().checked_add(span))
    }

    /// Returns the messages that come, until the link is over. If that is by an error, it is the last item.
    pub fn iter(&self) -> Deliveries<'_> {
        Deliveries { receiver: Some(self) }
    }

    /// Waits for the next message to begin, on a streaming link, to be read while it comes; `None` once the link is over
    /// without an error.
    pub fn recv_reader(&self) -> Result<Option<MessageReader>> {
        Ok(ready(driver::Receiver::read(self))?.map(MessageReader))
    }

    /// Waits until a delivery is settled at both ends, which takes the sender on a link of rcv-settle-mode second.
    pub fn settled(&self, delivery: DeliveryKey) -> Result<()> {
        ready(driver::Receiver::settled(self, delivery))
    }

    /// Asks the sender to use the credit that there is or give it back, and waits until it has. What has come for it
    /// is there to be taken then. No more is asked for ahead until credit is set again.
    pub fn drain(&self) -> Result<()> {
        ready(driver::Receiver::drain(self)?)
    }

    /// Closes the link for good, and waits until the peer has done the same.
    ///
    /// Before that, the sender is stopped, so that nothing is on its way any more, and messages that were not taken are
    /// released: they go elsewhere at once. Messages that the sender has settled can still be taken. Those that were
    /// taken and not decided about are lost to this link, and their queue has them back.
    pub fn close(&self) -> Result<()> {
        if let Ok(stopping) = driver::Receiver::stop_before_close(self) {
            // A sender that does not stop in time may have sent more, which its queue has back without that.
            let _ = ready(stopping);
        }
        ready(driver::Receiver::end(self, Ending::Close(None)))
    }

    /// Closes the link for good, saying why, and waits until the peer has done the same. Messages that were not taken
    /// are released; what is on its way is not waited for.
    pub fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(driver::Receiver::end(self, Ending::Close(Some(error.into()))))
    }

    /// Detaches the link, so that it can be attached again under its name, as long as a handle of it is kept.
    pub fn detach(&self) -> Result<()> {
        ready(driver::Receiver::end(self, Ending::Detach))
    }

    /// Waits until the link is over, and returns how it ended.
    pub fn closed(&self) -> Error {
        ready(driver::Receiver::closed(self))
    }
}

/// The messages of a receiver, as they come.
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
