//! [`Responder`]: receives requests, and replies to them.

use std::task::Waker as Waiter;

use amqp_proto::driver;

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
pub struct Responder(pub(crate) driver::Responder<Waiter>);

driver::skin::responder!(async);

/// A request that waits for its reply. Dropping it without an outcome releases it, like a
/// [`Delivery`](crate::Delivery).
#[derive(Debug)]
#[must_use = "a request that is dropped with nothing decided is released"]
pub struct Request(pub(crate) driver::Request<Waiter>);
