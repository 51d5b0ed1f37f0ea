//! [`Responder`]: receives requests, and replies to them.

use std::thread::Thread as Waiter;
use std::time::Duration;

use amqp_proto::client::Result;
use amqp_proto::driver;

use crate::builders::SenderBuilder;
use crate::connection::Connection;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::sent::Sent;
use crate::wait::ready;

/// Receives requests, and sends the replies. Clones are cheap, for any thread; each request goes to one of the
/// waiting threads.
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
pub struct Responder(pub(crate) driver::Responder<Waiter>);

driver::skin::responder!();

impl Responder {
    /// Waits for a request for so long at most; then the error is [`Error::TimedOut`](crate::Error::TimedOut).
    ///
    /// # Errors
    ///
    /// See [`recv`](Self::recv).
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Request>> {
        let receiver = Receiver::from(driver::Responder::receiver(self).clone());
        while let Some(delivery) = receiver.recv_timeout(span)? {
            if let Some(request) = driver::Responder::take(self, delivery)? {
                return Ok(Some(Request(request)));
            }
        }
        Ok(None)
    }
}

/// A request that waits for its reply. Dropping it without an outcome releases it, like a [`Delivery`](crate::Delivery).
#[derive(Debug)]
#[must_use = "a request that is dropped with nothing decided is released"]
pub struct Request(pub(crate) driver::Request<Waiter>);
