//! [`Responder`]: receives requests, and replies to them.

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

/// Receives requests, and sends the replies. Clones are cheap; each request goes to one of them.
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
    /// Returns a responder for the requests at this address.
    ///
    /// # Errors
    ///
    /// The link cannot be attached; see [`ReceiverBuilder::attach`](crate::ReceiverBuilder::attach).
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the link.
    pub async fn responder(&self, address: impl Into<Str>) -> Result<Responder> {
        let receiver = self.receiver(address).await?;
        Responder::new(self, receiver).await
    }
}

impl Responder {
    /// Returns a responder on an existing link.
    ///
    /// Replies go out on a session of their own: over the anonymous relay if the peer offers it, else over a link for
    /// each address, of which the 64 last used are kept.
    ///
    /// # Errors
    ///
    /// The session or the link to the relay cannot be had; see [`Connection::session_with`] and
    /// [`SenderBuilder::attach`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the session.
    pub async fn new(connection: &Connection, receiver: Receiver) -> Result<Self> {
        let session = connection.session().await?;
        let relay = match connection.offers(&ANONYMOUS_RELAY) {
            true => Some(session.anonymous_sender().await?.0),
            false => None,
        };
        Ok(Self(driver::Responder::new((*receiver).clone(), session.0, relay)))
    }

    /// Waits for the next request; `None` if the link has ended without an error and all requests are taken. Messages
    /// of another format are rejected.
    ///
    /// # Errors
    ///
    /// See [`Receiver::recv`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no request.
    pub async fn recv(&self) -> Result<Option<Request>> {
        while let Some(delivery) = driver::Receiver::recv(self.0.receiver()).await? {
            if let Some(request) = driver::Responder::take(self, delivery)? {
                return Ok(Some(Request(request)));
            }
        }
        Ok(None)
    }

    /// Closes the link for requests, and waits until the peer has closed it, too. Replies that are being sent are not
    /// affected.
    ///
    /// # Errors
    ///
    /// See [`Receiver::close`].
    ///
    /// # Cancel safety
    ///
    /// See [`Receiver::close`].
    pub async fn close(&self) -> Result<()> {
        Receiver::from(self.0.receiver().clone()).close().await
    }
}

/// A request that waits for its reply. Dropping it without an outcome releases it, like a
/// [`Delivery`](crate::Delivery).
#[derive(Debug)]
#[must_use = "a request that is dropped with nothing decided is released"]
pub struct Request(pub(crate) driver::Request<Waker>);

impl Request {
    /// Sends the reply, accepts the request, and waits for the outcome of the reply: if the reply is not accepted, it
    /// has not reached the requester. [`answer_to`](crate::policy::answer_to) sets its properties.
    ///
    /// # Errors
    ///
    /// [`Error::Request`](crate::Error::Request) if the request has no reply-to; that of the link for the reply,
    /// which may have ended with its requester.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has sent nothing, and released the request, or has sent the reply and accepted the request.
    pub async fn reply(self, message: impl Into<Message>) -> Result<Outcome> {
        let sent = send(&self.0, message).await;
        let accepted = self.accept();
        let outcome = sent?.await?;
        accepted.map(|()| outcome)
    }

    /// Accepts the request without a reply: it was processed [3.4.2].
    ///
    /// # Errors
    ///
    /// See [`Delivery::dispose`](crate::Delivery::dispose).
    pub fn accept(self) -> Result<()> {
        driver::Request::accept(self.0)
    }

    /// Rejects the request: it is invalid [3.4.3].
    ///
    /// # Errors
    ///
    /// See [`Delivery::dispose`](crate::Delivery::dispose).
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        driver::Request::reject(self.0, error.into())
    }

    /// Releases the request unchanged, for another responder [3.4.4].
    ///
    /// # Errors
    ///
    /// See [`Delivery::dispose`](crate::Delivery::dispose).
    pub fn release(self) -> Result<()> {
        driver::Request::release(self.0)
    }
}

/// Sends a reply on the link to its address, which may have to be attached first.
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
