//! [`Responder`]: the service that answers requests.

use std::thread::Thread;
use std::time::Duration;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::message::Message;
use amqp_proto::types::Str;
use amqp_proto::wire::{self, ANONYMOUS_RELAY, Outcome};

use crate::builders::SenderBuilder;
use crate::connection::Connection;
use crate::handles::Delivery;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::sent::Sent;

/// Receives requests, and sends each its answer. Clones are handles to the same one, for any thread: each request goes
/// to one of those who wait.
///
/// ```no_run
/// use amqp_blocking::Connection;
///
/// let connection = Connection::open("amqp://localhost")?;
/// let responder = connection.responder("service")?;
/// while let Some(request) = responder.recv()? {
///     let answer = format!("{:?}, too", request.message().body()?);
///     request.reply(answer)?;
/// }
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Responder(pub(crate) driver::Responder<Thread>);

impl Connection {
    /// Answers the requests that come to this address.
    pub fn responder(&self, address: impl Into<Str>) -> Result<Responder> {
        let receiver = self.receiver(address).attach()?;
        Responder::new(self, receiver)
    }
}

impl Responder {
    /// Answers the requests that come over a link of the caller's making.
    ///
    /// Answers go out on a session of their own: by the anonymous relay if the peer offers it, else over a link for
    /// each address, of which the last 64 are kept.
    pub fn new(connection: &Connection, receiver: Receiver) -> Result<Self> {
        let session = connection.session()?;
        let relay = match connection.offers(&ANONYMOUS_RELAY) {
            true => Some(session.anonymous_sender().attach()?.0),
            false => None,
        };
        Ok(Self(driver::Responder::new(receiver.0, session.0, relay)))
    }

    /// Waits for the next request; `None` once the link is over without an error and all is taken. What is no message
    /// of the standard's format is rejected.
    pub fn recv(&self) -> Result<Option<Request>> {
        self.take(Receiver::recv)
    }

    /// Waits for a request for so long at most; then the error is [`Error::TimedOut`](crate::Error::TimedOut).
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Request>> {
        self.take(|receiver| receiver.recv_timeout(span))
    }

    fn take(&self, recv: impl Fn(&Receiver) -> Result<Option<Delivery>>) -> Result<Option<Request>> {
        let receiver = Receiver(self.0.receiver().clone());
        while let Some(delivery) = recv(&receiver)? {
            if let Some(request) = driver::Responder::take(self, delivery)? {
                return Ok(Some(Request(request)));
            }
        }
        Ok(None)
    }

    /// Stops taking requests, closes the link, and waits until the peer has done the same. Answers that are on their
    /// way still go out.
    pub fn close(&self) -> Result<()> {
        Receiver(self.0.receiver().clone()).close()
    }
}

/// A message that asks for an answer. Dropped with nothing decided it is released, as a [`Delivery`] is.
#[derive(Debug)]
#[must_use = "a request that is dropped with nothing decided is released"]
pub struct Request(pub(crate) driver::Request<Thread>);

impl Request {
    /// Sends the answer, accepts the request, and waits for the outcome of the answer: what is not accepted has not
    /// reached who has asked. See [`answer_to`](crate::policy::answer_to) for what is set in it.
    ///
    /// The request is accepted once the answer is on its way, or cannot be sent.
    ///
    /// # Errors
    ///
    /// [`Error::Request`](crate::Error::Request) if no answer was asked for; that of the link for it, which may have
    /// gone with who has asked.
    pub fn reply(self, message: impl Into<Message>) -> Result<Outcome> {
        let sent = send(&self.0, message);
        let accepted = self.accept();
        let outcome = sent?.outcome()?;
        accepted.map(|()| outcome)
    }

    /// Accepts the request without an answer: it is dealt with [3.4.2].
    pub fn accept(self) -> Result<()> {
        driver::Request::accept(self.0)
    }

    /// Rejects the request: it is invalid [3.4.3].
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        driver::Request::reject(self.0, error.into())
    }

    /// Releases the request unchanged, for another responder [3.4.4].
    pub fn release(self) -> Result<()> {
        driver::Request::release(self.0)
    }
}

/// Sends an answer over the link that leads there, which may have to be attached.
fn send(request: &driver::Request<Thread>, message: impl Into<Message>) -> Result<Sent> {
    let answer = driver::Request::answer(request, message)?;
    if let Some(sender) = answer.sender() {
        match Sender(sender).send_queued(answer.message()) {
            Err(error) if answer.is_stale(&error) => {}
            sent => return sent,
        }
    }
    let (home, settings) = answer.way();
    let sender = SenderBuilder { home, settings }.attach()?;
    let sent = sender.send_queued(answer.message());
    answer.keep(sender.0);
    sent
}
