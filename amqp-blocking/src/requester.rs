//! [`Requester`]: sends requests, and receives their replies.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver;
use amqp_proto::message::Message;
use amqp_proto::types::Str;

use crate::connection::Connection;
use crate::handles::Delivery;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::wait::{parked_until, ready_by};

/// Sends requests to a service, and receives the replies at an address of its own. Clones are cheap and share the
/// links, for any thread; each waiting thread passes the replies of others on to them.
///
/// At most 65,536 requests can wait at a time; each takes about 100 octets.
///
/// ```no_run
/// use std::time::Duration;
///
/// use amqp_blocking::Connection;
///
/// let connection = Connection::open("amqp://localhost")?;
/// let requester = connection.requester("service")?;
/// let reply = requester.request_timeout("2 + 2", Duration::from_secs(5))?;
/// println!("{:?}", reply.message()?.body()?);
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Requester(pub(crate) driver::Requester<Thread>);

impl Connection {
    /// Returns a requester for this address. Replies arrive at a [dynamic](crate::ReceiverBuilder::with_dynamic)
    /// node.
    ///
    /// Both links are on a session of their own, because a peer without dynamic nodes may end the session or refuse
    /// the link. [`Requester::new`] works with such peers.
    ///
    /// # Errors
    ///
    /// The session or a link cannot be had; see [`Connection::session_with`] and
    /// [`SenderBuilder::attach`](crate::SenderBuilder::attach).
    pub fn requester(&self, address: impl Into<Str>) -> Result<Requester> {
        let session = self.session()?;
        // No other receiver could take a reply that is released.
        let receiver = session.dynamic_receiver().with_auto_accept(true).attach()?;
        Requester::new(session.sender(address).attach()?, receiver)
    }
}

impl Requester {
    /// Returns a requester on existing links of one connection. Requests go out on `sender`; replies arrive on
    /// `receiver`, which must be the only receiver of its address.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if the peer has not named the address of `receiver`.
    pub fn new(sender: Sender, receiver: Receiver) -> Result<Self> {
        driver::Requester::new(sender.0, receiver.0).map(Self)
    }

    /// Sends a request, and waits for the reply. Sets the message-id and the correlation-id, and the reply-to if the
    /// request has none.
    ///
    /// The reply is accepted when it is dropped, unless the receiver's options differ.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`] if the service, or a broker in between, has not accepted the request, so that no reply
    /// will come; that of the link's end if it ends before the reply; [`Error::Request`] if too many requests are
    /// waiting.
    pub fn request(&self, message: impl Into<Message>) -> Result<Delivery> {
        self.ask(message.into(), None)
    }

    /// Sends a request, and waits for the reply for at most this time.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the reply has not arrived in time; it is then dropped when it arrives. Also those of
    /// [`request`](Self::request).
    pub fn request_timeout(&self, message: impl Into<Message>, span: Duration) -> Result<Delivery> {
        self.ask(message.into(), Instant::now().checked_add(span))
    }

    /// Closes both links, and waits until the peer has closed them, too. Waiting requests fail.
    ///
    /// # Errors
    ///
    /// See [`Sender::close`].
    pub fn close(&self) -> Result<()> {
        Sender(driver::Requester::sender(self).clone()).close()?;
        Receiver(driver::Requester::receiver(self).clone()).close()
    }

    fn ask(&self, message: Message, by: Option<Instant>) -> Result<Delivery> {
        let (message, mut question) = driver::Requester::ask(self, message)?;
        let sender = driver::Requester::sender(self);
        question.set_sent(ready_by(driver::Sender::queue(sender, message)?, by)?);
        parked_until(by, question.answer()).unwrap_or(Err(Error::TimedOut))
    }
}
