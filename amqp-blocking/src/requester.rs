//! [`Requester`]: asks questions of a service, and finds the answers.

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

/// Sends requests to a service, whose answers come to an address of its own. Clones are handles to the same one, for
/// any thread: those who wait take what comes, and hand it to who has asked.
///
/// Any number of requests may wait for their answers at a time, up to 65,536; each holds about 100 octets.
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
    /// Sends requests to this address; answers come to a [dynamic](crate::ReceiverBuilder::with_dynamic) node.
    ///
    /// Both links are on a session of their own. A peer that makes no dynamic nodes ends it, or refuses the link, which
    /// is the error then; see [`Requester::new`] for what can be done.
    pub fn requester(&self, address: impl Into<Str>) -> Result<Requester> {
        let session = self.session()?;
        // Nobody else could take an answer that is given back.
        let receiver = session.dynamic_receiver().with_auto_accept(true).attach()?;
        Requester::new(session.sender(address).attach()?, receiver)
    }
}

impl Requester {
    /// Sends requests over links of the caller's making, on one connection: requests go out on the one, and
    /// answers come in on the other, whose address they are sent to. No other may receive from there.
    ///
    /// [`Error::Request`] if the peer has not said what that address is.
    pub fn new(sender: Sender, receiver: Receiver) -> Result<Self> {
        driver::Requester::new(sender.0, receiver.0).map(Self)
    }

    /// Sends a request, and waits for the answer. Its message-id and correlation-id are set, and its reply-to unless it
    /// has one.
    ///
    /// The answer is accepted when it is dropped, unless the receiver is the caller's and says otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`] if the service, or a broker in between, gives the request any other outcome: no answer is
    /// waited for then. That of the link, session or connection that ends before the answer is there.
    /// [`Error::Request`] if too many wait already.
    pub fn request(&self, message: impl Into<Message>) -> Result<Delivery> {
        self.ask(message.into(), None)
    }

    /// Sends a request, and waits for the answer for so long at most; then the error is [`Error::TimedOut`], and
    /// the answer is dropped when it comes.
    pub fn request_timeout(&self, message: impl Into<Message>, span: Duration) -> Result<Delivery> {
        self.ask(message.into(), Instant::now().checked_add(span))
    }

    /// Closes both links, and waits until the peer has done the same. Requests that wait end with an error.
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
