//! [`Requester`]: asks questions of a service, and finds the answers.

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

/// Sends requests to a service, whose answers come to an address of its own. Cheap to clone: all clones share their
/// links, and whoever waits hands the answers that come to those who have asked.
///
/// Any number of requests may wait for their answers at a time, up to 65,536; each holds about 100 octets.
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
    /// Sends requests to this address; answers come to a [dynamic](crate::ReceiverBuilder::with_dynamic) node.
    ///
    /// Both links are on a session of their own. A peer that makes no dynamic nodes ends it, or refuses the link, which
    /// is the error then; see [`Requester::new`] for what can be done.
    pub async fn requester(&self, address: impl Into<Str>) -> Result<Requester> {
        let session = self.session().await?;
        // Nobody else could take an answer that is given back.
        let receiver = session.dynamic_receiver().with_auto_accept(true).await?;
        Requester::new(session.sender(address).await?, receiver)
    }
}

impl Requester {
    /// Sends requests over links of the caller's making: requests go out on the one, and answers come in on the
    /// other, whose address they are sent to. No other may receive from there.
    ///
    /// [`Error::Request`](crate::Error::Request) if the peer has not said what that address is.
    pub fn new(sender: Sender, receiver: Receiver) -> Result<Self> {
        driver::Requester::new(sender.0, (*receiver).clone()).map(Self)
    }

    /// Sends a request, and waits for the answer. Its message-id and correlation-id are set, and its reply-to unless it
    /// has one.
    ///
    /// The answer is accepted when it is dropped, unless the receiver is the caller's and says otherwise. Dropped before
    /// it is done, this may have sent the request, whose answer is accepted when it comes.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the service, or a broker in between, gives the request any other outcome: no answer is
    /// waited for then. That of the link, session or connection that ends before the answer is there.
    /// [`Error::Request`](crate::Error::Request) if too many wait already.
    pub async fn request(&self, message: impl Into<Message>) -> Result<Delivery> {
        let (message, mut question) = driver::Requester::ask(self, message)?;
        let sender = driver::Requester::sender(self);
        question.set_sent(driver::Sender::queue(sender, message)?.await?);
        let mut answer = question.answer();
        poll_fn(move |context| answer(context.waker())).await
    }

    /// Closes both links, and waits until the peer has done the same. Requests that wait end with an error.
    pub async fn close(&self) -> Result<()> {
        Sender(driver::Requester::sender(self).clone()).close().await?;
        Receiver::from(driver::Requester::receiver(self).clone()).close().await
    }
}
