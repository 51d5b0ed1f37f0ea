//! [`Responder`]: the service that answers requests.

use std::task::Waker;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::message::Message;
use amqp_proto::types::Str;
use amqp_proto::wire::{self, ANONYMOUS_RELAY, Outcome};

use crate::builders::SenderBuilder;
use crate::connection::Connection;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::sent::Sent;

/// Receives requests, and sends each its answer. Cheap to clone: each request goes to one of the clones.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// # let requester = connection.requester("service").await?;
/// # let asking = tokio::spawn(async move { requester.request("a question").await });
/// let responder = connection.responder("service").await?;
/// while let Some(request) = responder.recv().await? {
///     let answer = format!("{:?}, too", request.message().body()?);
///     request.reply(answer).await?;
/// #   break;
/// }
/// # assert!(asking.await.is_ok_and(|answer| answer.is_ok()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Responder(pub(crate) driver::Responder<Waker>);

impl Connection {
    /// Answers the requests that come to this address.
    pub async fn responder(&self, address: impl Into<Str>) -> Result<Responder> {
        let receiver = self.receiver(address).await?;
        Responder::new(self, receiver).await
    }
}

impl Responder {
    /// Answers the requests that come over a link of the caller's making.
    ///
    /// Answers go out on a session of their own: by the anonymous relay if the peer offers it, else over a link for
    /// each address, of which the last 64 are kept.
    pub async fn new(connection: &Connection, receiver: Receiver) -> Result<Self> {
        let session = connection.session().await?;
        let relay = match connection.offers(&ANONYMOUS_RELAY) {
            true => Some(session.anonymous_sender().await?.0),
            false => None,
        };
        Ok(Self(driver::Responder::new((*receiver).clone(), session.0, relay)))
    }

    /// Waits for the next request; `None` once the link is over without an error and all is taken. What is no message
    /// of the standard's format is rejected.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn recv(&self) -> Result<Option<Request>> {
        while let Some(delivery) = driver::Receiver::recv(self.0.receiver()).await? {
            if let Some(request) = driver::Responder::take(self, delivery)? {
                return Ok(Some(Request(request)));
            }
        }
        Ok(None)
    }

    /// Stops taking requests, closes the link, and waits until the peer has done the same. Answers that are on their
    /// way still go out.
    pub async fn close(&self) -> Result<()> {
        Receiver::from(self.0.receiver().clone()).close().await
    }
}

/// A message that asks for an answer. Dropped with nothing decided it is released, as a [`Delivery`](crate::Delivery)
/// is.
#[derive(Debug)]
#[must_use = "a request that is dropped with nothing decided is released"]
pub struct Request(pub(crate) driver::Request<Waker>);

impl Request {
    /// Sends the answer, accepts the request, and waits for the outcome of the answer: what is not accepted has not
    /// reached who has asked. See [`answer_to`](crate::policy::answer_to) for what is set in it.
    ///
    /// # Errors
    ///
    /// [`Error::Request`](crate::Error::Request) if no answer was asked for; that of the link for it, which may have
    /// gone with who has asked.
    ///
    /// # Cancel safety
    ///
    /// The request is accepted once the answer is on its way, or cannot be sent. Dropped before that, this has sent
    /// nothing, and the request goes elsewhere.
    pub async fn reply(self, message: impl Into<Message>) -> Result<Outcome> {
        let sent = send(&self.0, message).await;
        let accepted = self.accept();
        let outcome = sent?.await?;
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
async fn send(request: &driver::Request<Waker>, message: impl Into<Message>) -> Result<Sent> {
    let answer = driver::Request::answer(request, message)?;
    if let Some(sender) = answer.sender() {
        match Sender(sender).send_queued(answer.message()).await {
            Err(error) if answer.is_stale(&error) => {}
            sent => return sent,
        }
    }
    let (home, settings) = answer.way();
    let sender = SenderBuilder { home, settings }.attach().await?;
    let sent = sender.send_queued(answer.message()).await;
    answer.keep(sender.0);
    sent
}
