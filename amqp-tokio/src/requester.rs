//! [`Requester`]: sends requests, and receives their replies.

use std::task::Waker as Waiter;

use amqp_proto::driver;

use crate::connection::Connection;
use crate::receiver::{Delivery, Receiver};
use crate::sender::Sender;

/// Sends requests to a service, and receives the replies at an address of its own. Clones are cheap and share the
/// links; each waiting task passes the replies of others on to them.
///
/// At most 65,536 requests can wait at a time; each takes about 100 octets.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// # let responder = connection.responder("service").await?;
/// # tokio::spawn(async move {
/// #     while let Ok(Some(request)) = responder.recv().await {
/// #         let _ = request.reply("4").await;
/// #     }
/// # });
/// use std::time::Duration;
///
/// let requester = connection.requester("service").await?;
/// let reply = requester.request("2 + 2").await?;
/// assert_eq!(reply.message()?.body()?.as_str(), Some("4"));
///
/// // A request that is dropped is forgotten.
/// let request = requester.request("3 + 3");
/// let reply = tokio::time::timeout(Duration::from_secs(5), request).await??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Requester(pub(crate) driver::Requester<Waiter>);

driver::skin::requester!(async);
