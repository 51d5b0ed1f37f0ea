//! [`Requester`]: sends requests, and receives their replies.

use std::future::poll_fn;
use std::task::Waker;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::message::Message;
use amqp_proto::types::Str;

use crate::connection::Connection;
use crate::handles::Delivery;
use crate::receiver::Receiver;
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
pub struct Requester(pub(crate) driver::Requester<Waker>);

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
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the session.
    pub async fn requester(&self, address: impl Into<Str>) -> Result<Requester> {
        let session = self.session().await?;
        // No other receiver could take a reply that is released.
        let receiver = session.dynamic_receiver().with_auto_accept(true).await?;
        Requester::new(session.sender(address).await?, receiver)
    }
}

impl Requester {
    /// Returns a requester on existing links. Requests go out on `sender`; replies arrive on `receiver`, which must
    /// be the only receiver of its address.
    ///
    /// # Errors
    ///
    /// [`Error::Request`](crate::Error::Request) if the peer has not named the address of `receiver`.
    pub fn new(sender: Sender, receiver: Receiver) -> Result<Self> {
        driver::Requester::new(sender.0, (*receiver).clone()).map(Self)
    }

    /// Sends a request, and waits for the reply. Sets the message-id and the correlation-id, and the reply-to if the
    /// request has none.
    ///
    /// The reply is accepted when it is dropped, unless the receiver's options differ.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the service, or a broker in between, has not accepted the
    /// request, so that no reply will come; that of the link's end if it ends before the reply;
    /// [`Error::Request`](crate::Error::Request) if too many requests are waiting.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have sent the request; its reply is then accepted when it arrives.
    pub async fn request(&self, message: impl Into<Message>) -> Result<Delivery> {
        let (message, mut question) = driver::Requester::ask(self, message)?;
        let sender = driver::Requester::sender(self);
        question.set_sent(driver::Sender::queue(sender, message)?.await?);
        let mut answer = question.answer();
        poll_fn(move |context| answer(context.waker())).await
    }

    /// Closes both links, and waits until the peer has closed them, too. Waiting requests fail.
    ///
    /// # Errors
    ///
    /// See [`Sender::close`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have closed one of the links. Call this again to close both.
    pub async fn close(&self) -> Result<()> {
        Sender(driver::Requester::sender(self).clone()).close().await?;
        Receiver::from(driver::Requester::receiver(self).clone()).close().await
    }
}
