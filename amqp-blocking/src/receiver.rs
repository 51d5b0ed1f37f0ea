//! [`Receiver`]: receives messages, and settles them.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver::{self, Ending};
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire;

use crate::handles::Delivery;
use crate::reader::MessageReader;
use crate::wait::{ready, ready_by};

/// A handle of a link on which this end receives. Clones are cheap handles of the same link, for any thread; each
/// message goes to one of the waiting threads.
///
/// [`close`](Self::close) closes the link; so does dropping its last handle and its last [`Delivery`].
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
    /// Waits for the next message; `None` if the link has ended without an error and all messages are taken.
    ///
    /// # Errors
    ///
    /// [`Error::Link`], [`Error::Session`] or [`Error::Connection`] if it has ended with an error.
    pub fn recv(&self) -> Result<Option<Delivery>> {
        ready(driver::Receiver::recv(self))
    }

    /// Waits for the next message for at most this time.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if no message has arrived in time; also those of [`recv`](Self::recv).
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Delivery>> {
        ready_by(driver::Receiver::recv(self), Instant::now().checked_add(span))
    }

    /// Returns an iterator of the messages until the end of the link. If the link ends with an error, the error is
    /// the last item.
    pub fn iter(&self) -> Deliveries<'_> {
        Deliveries { receiver: Some(self) }
    }

    /// Waits for the beginning of the next message on a streaming link, to read the message while it arrives; `None`
    /// if the link has ended without an error.
    ///
    /// # Errors
    ///
    /// See [`recv`](Self::recv).
    pub fn recv_reader(&self) -> Result<Option<MessageReader>> {
        Ok(ready(driver::Receiver::read(self))?.map(MessageReader))
    }

    /// Waits until a delivery is settled at both ends. On a link with rcv-settle-mode second, the sender settles
    /// first.
    ///
    /// # Errors
    ///
    /// [`Error::Link`], [`Error::Session`] or [`Error::Connection`] if it ends before.
    pub fn settled(&self, delivery: DeliveryKey) -> Result<()> {
        ready(driver::Receiver::settled(self, delivery))
    }

    /// Drains the link: asks the sender to use all credit or return it, and waits until it has. Messages that used
    /// the credit have arrived by then. Prefetch stops until credit is set again.
    ///
    /// # Errors
    ///
    /// [`Error::Credit`] if the link is not attached; that of the link's end if it ends meanwhile.
    pub fn drain(&self) -> Result<()> {
        ready(driver::Receiver::drain(self)?)
    }

    /// Closes the link for good, and waits until the peer has closed it, too.
    ///
    /// First, this stops the sender and waits for messages on the way, and releases all messages that were not taken,
    /// so that other receivers get them at once. Messages that the sender has settled can still be taken. Deliveries
    /// without an outcome are lost to this link; their queue delivers them again.
    ///
    /// # Errors
    ///
    /// [`Error::Link`], [`Error::Session`] or [`Error::Connection`] if the link ended for another reason,
    /// [`Error::TimedOut`] if the peer does not answer in time.
    pub fn close(&self) -> Result<()> {
        if let Ok(stopping) = driver::Receiver::stop_before_close(self) {
            // A sender that does not stop in time may send more messages; the close returns them to their queue.
            let _ = ready(stopping);
        }
        ready(driver::Receiver::end(self, Ending::Close(None)))
    }

    /// Closes the link for good, with an error for the peer, and waits until the peer has closed it, too. Messages
    /// that were not taken are released; messages on the way are not waited for.
    ///
    /// # Errors
    ///
    /// See [`close`](Self::close).
    pub fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(driver::Receiver::end(self, Ending::Close(Some(error.into()))))
    }

    /// Detaches the link, and waits until the peer has detached it, too. While a handle exists, the link can be
    /// attached again by its name.
    ///
    /// # Errors
    ///
    /// See [`close`](Self::close).
    pub fn detach(&self) -> Result<()> {
        ready(driver::Receiver::end(self, Ending::Detach))
    }

    /// Waits until the link is over, and returns the reason.
    pub fn closed(&self) -> Error {
        ready(driver::Receiver::closed(self))
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
