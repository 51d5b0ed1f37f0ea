//! [`Responder`]: the service that answers requests.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amqp_proto::client::{Error, Result};
use amqp_proto::message::{Message, MessageView};
use amqp_proto::policy::{Recent, answer_to};
use amqp_proto::types::Str;
use amqp_proto::wire::{ANONYMOUS_RELAY, Outcome, Properties, Rejected};

use crate::Delivery;
use crate::connection::Connection;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::sent::Sent;
use crate::session::Session;

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
pub struct Responder {
    receiver: Receiver,
    answers: Arc<Answers>,
}

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
            true => Some(session.anonymous_sender().attach()?),
            false => None,
        };
        let answers = Answers { session, relay, senders: Mutex::new(Recent::new(MOST)) };
        Ok(Self { receiver, answers: Arc::new(answers) })
    }

    /// Waits for the next request; `None` once the link is over without an error and all is taken. What is no message
    /// of the standard's format is rejected.
    pub fn recv(&self) -> Result<Option<Request>> {
        self.take(|| self.receiver.recv())
    }

    /// Waits for a request for so long at most; then the error is [`Error::TimedOut`].
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Request>> {
        self.take(|| self.receiver.recv_timeout(span))
    }

    fn take(&self, recv: impl Fn() -> Result<Option<Delivery>>) -> Result<Option<Request>> {
        while let Some(delivery) = recv()? {
            match delivery.message().and_then(|message| Ok((message.properties()?, message))) {
                Ok((properties, message)) => {
                    return Ok(Some(Request::new(delivery, message, properties, self.clone())));
                }
                Err(_) => delivery.reject(None)?,
            }
        }
        Ok(None)
    }

    /// Returns the link that requests come over.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Stops taking requests, closes the link, and waits until the peer has done the same. Answers that are on their
    /// way still go out.
    pub fn close(&self) -> Result<()> {
        self.receiver.close()
    }
}

/// A message that asks for an answer. Dropped with nothing decided it is released, as a [`Delivery`] is.
#[must_use = "a request that is dropped with nothing decided is released"]
pub struct Request {
    /// `None` once it is decided about.
    delivery: Option<Delivery>,
    message: MessageView,
    properties: Properties,
    responder: Responder,
}

impl Request {
    fn new(delivery: Delivery, message: MessageView, properties: Properties, responder: Responder) -> Self {
        Self { delivery: Some(delivery), message, properties, responder }
    }

    /// Returns the message.
    pub fn message(&self) -> &MessageView {
        &self.message
    }

    /// Its properties, such as the [reply-to](Properties::reply_to).
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Sends the answer, accepts the request, and waits for the outcome of the answer: what is not accepted has not
    /// reached who has asked. See [`answer_to`] for what is set in it.
    ///
    /// The request is accepted once the answer is on its way, or cannot be sent.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if nobody has asked for an answer; that of the link for it, which may have gone with who has
    /// asked.
    pub fn reply(mut self, message: impl Into<Message>) -> Result<Outcome> {
        let sent = match answer_to(&self.properties, message) {
            Ok(message) => self.responder.answers.send(message),
            Err(error) => Err(error.into()),
        };
        let accepted = self.decide(Outcome::Accepted);
        let outcome = sent?.outcome()?;
        accepted.map(|()| outcome)
    }

    /// There is no answer, and the request is dealt with [3.4.2].
    pub fn accept(mut self) -> Result<()> {
        self.decide(Outcome::Accepted)
    }

    /// The request is invalid [3.4.3].
    pub fn reject(mut self, error: impl Into<Option<amqp_proto::wire::AmqpError>>) -> Result<()> {
        self.decide(Rejected { error: error.into().map(Box::new) }.into())
    }

    /// The request is for somebody else, who gets it unchanged [3.4.4].
    pub fn release(mut self) -> Result<()> {
        self.decide(Outcome::Released)
    }

    fn decide(&mut self, outcome: Outcome) -> Result<()> {
        self.delivery.take().map_or(Ok(()), |delivery| delivery.dispose(&outcome.into()))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("properties", &self.properties).finish_non_exhaustive()
    }
}

/// The ways that answers go.
#[derive(Debug)]
struct Answers {
    session: Session,
    /// One for all.
    relay: Option<Sender>,
    /// One for each address.
    senders: Mutex<Recent<Sender>>,
}

/// How many links for answers are kept.
const MOST: usize = 64;

impl Answers {
    fn send(&self, message: Message) -> Result<Sent> {
        if let Some(relay) = &self.relay {
            return relay.send_queued(message);
        }
        let address = message.properties().to.clone().unwrap_or_default();
        let known = self.lock().get(&address).cloned();
        if let Some(sender) = known {
            match sender.send_queued(message.clone()) {
                // It is gone, perhaps with a node of this address that was before.
                Err(Error::Link(_)) => {
                    let gone = self.lock().remove(&address);
                    drop(gone);
                }
                sent => return sent,
            }
        }
        let sender = self.session.sender(address.clone()).attach()?;
        let sent = sender.send_queued(message);
        let spent = self.lock().put(address, sender);
        // Its link closes when the last answer over it is through; not under the lock.
        drop(spent);
        sent
    }

    fn lock(&self) -> MutexGuard<'_, Recent<Sender>> {
        // Nothing in there can panic half way.
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
