//! [`Requester`]: asks questions of a service, and finds the answers.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use amqp_proto::endpoint::{Error, Result};
use amqp_proto::message::Message;
use amqp_proto::policy::Correlator;
use amqp_proto::types::Str;
use amqp_proto::wire::{MessageId, Outcome};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::connection::Connection;
use crate::delivery::Delivery;
use crate::receiver::Receiver;
use crate::sender::Sender;

/// Sends requests to a service, whose answers come to an address of its own. Cheap to clone: all clones share their
/// links and the task that hands the answers out.
///
/// Any number of requests may wait for their answers at a time, up to 65,536; each holds about 100 octets.
///
/// ```
/// # use amqp_tokio::broker::Broker;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = Broker::builder().build()?;
/// # let listener = amqp_tokio::Listener::bind_with("127.0.0.1:0", broker.acceptor()).await?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # tokio::spawn(async move { broker.serve(listener).await });
/// # let connection = amqp_tokio::Connection::open(&url).await?;
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
/// // How long to wait is the caller's to decide: a request that is dropped is forgotten.
/// let reply = tokio::time::timeout(Duration::from_secs(5), requester.request("3 + 3")).await??;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Requester {
    links: Arc<Links>,
}

struct Links {
    sender: Sender,
    receiver: Receiver,
    asked: Arc<Mutex<Asked>>,
    router: AbortHandle,
}

/// Requests that wait for their answers.
#[derive(Debug)]
struct Asked {
    waiting: Correlator<oneshot::Sender<Delivery>>,
    /// Why no more answers can come.
    over: Option<Error>,
}

/// How many requests may wait for their answers.
const MOST: usize = 1 << 16;

impl Connection {
    /// Sends requests to this address; answers come to a [dynamic](crate::ReceiverBuilder::dynamic) node.
    ///
    /// Both links are on a session of their own. A peer that makes no dynamic nodes ends it, or refuses the link, which
    /// is the error then; see [`Requester::new`] for what can be done.
    pub async fn requester(&self, address: impl Into<Str>) -> Result<Requester> {
        let session = self.session().await?;
        // Nobody else could take an answer that is given back.
        let receiver = session.dynamic_receiver().auto_accept(true).await?;
        Requester::new(session.sender(address).await?, receiver)
    }
}

impl Requester {
    /// The same over links of the caller's making: requests go out on the one, and answers come in on the other, whose
    /// address they are sent to. No other may receive from there.
    ///
    /// [`Error::Request`] if the peer has not said what that address is.
    pub fn new(sender: Sender, receiver: Receiver) -> Result<Self> {
        let mut waiting = Correlator::new(MOST);
        let address = receiver.address().ok_or(amqp_proto::policy::RequestError::NoAddress)?;
        waiting.set_reply_to(address);
        let asked = Arc::new(Mutex::new(Asked { waiting, over: None }));
        let router = receiver.shared().spawn(route(receiver.clone(), Arc::clone(&asked)));
        Ok(Self { links: Arc::new(Links { sender, receiver, asked, router }) })
    }

    /// Sets the address that requests tell for their answers, where the peer knows the link by another one than its
    /// own, such as `$me`. A request that has a reply-to keeps it.
    pub fn set_reply_to(&self, address: impl Into<Str>) {
        lock(&self.links.asked).waiting.set_reply_to(address);
    }

    /// Sends a request, and waits for the answer. Its message-id and correlation-id are set, and its reply-to unless it
    /// has one.
    ///
    /// The answer is accepted when it is dropped, unless the receiver is the caller's and says otherwise. Dropped before
    /// it is done, this may have sent the request, whose answer is accepted when it comes.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`] if the service, or a broker in between, gives the request any other outcome: no answer is
    /// waited for then. That of the link, session or connection that ends before the answer is there.
    /// [`Error::Request`] if too many wait already.
    pub async fn request(&self, message: impl Into<Message>) -> Result<Delivery> {
        let (tell, told) = oneshot::channel();
        let (message, _waiting) = self.ask(message.into(), tell)?;
        let mut told = pin!(told);
        let mut sending = pin!(async {
            match self.links.sender.send(message).await? {
                Outcome::Accepted => pending().await,
                outcome => Err(Error::NotAccepted(Box::new(outcome))),
            }
        });
        poll_fn(|context| match told.as_mut().poll(context) {
            Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
            Poll::Ready(Err(_)) => Poll::Ready(Err(self.over())),
            Poll::Pending => sending.as_mut().poll(context),
        })
        .await
    }

    fn ask(&self, message: Message, tell: oneshot::Sender<Delivery>) -> Result<(Message, Waiting<'_>)> {
        let mut asked = lock(&self.links.asked);
        if let Some(over) = &asked.over {
            return Err(over.clone());
        }
        let message = asked.waiting.request(message, None, tell)?;
        let id = message.properties().message_id.clone();
        Ok((message, Waiting { asked: &self.links.asked, id }))
    }

    fn over(&self) -> Error {
        let over = lock(&self.links.asked).over.clone();
        over.unwrap_or_else(|| io::Error::other("the requester's task has ended").into())
    }

    /// The address that answers come to.
    pub fn reply_to(&self) -> Option<Str> {
        lock(&self.links.asked).waiting.reply_to().cloned()
    }

    /// How many requests wait for their answers.
    pub fn waiting(&self) -> usize {
        lock(&self.links.asked).waiting.len()
    }

    /// Closes both links, and waits until the peer has done the same. Requests that wait end with an error.
    pub async fn close(&self) -> Result<()> {
        self.links.sender.close().await?;
        self.links.receiver.close().await
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester").field("sender", &self.links.sender).finish_non_exhaustive()
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.router.abort();
    }
}

/// A request that waits; it is forgotten when this is dropped.
struct Waiting<'a> {
    asked: &'a Mutex<Asked>,
    id: Option<MessageId>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let forgotten = lock(self.asked).waiting.answer(self.id.as_ref());
        drop(forgotten);
    }
}

/// Hands answers out until no more can come.
async fn route(receiver: Receiver, asked: Arc<Mutex<Asked>>) {
    while let Ok(Some(answer)) = receiver.recv().await {
        match answer.message().and_then(|message| Ok(message.properties()?)) {
            Ok(properties) => {
                let asker = lock(&asked).waiting.answer(properties.correlation_id.as_ref());
                let stale = match asker {
                    Some(asker) => asker.send(answer).err(),
                    None => Some(answer),
                };
                if let Some(stale) = stale {
                    // Nobody waits for it any more.
                    let _ = stale.accept();
                }
            }
            Err(_) => {
                let _ = answer.reject(None);
            }
        }
    }
    let over = receiver.closed().await;
    let mut asked = lock(&asked);
    asked.over = Some(over);
    let waiting: Vec<_> = asked.waiting.clear().collect();
    drop(asked);
    drop(waiting);
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    // Nothing in there can panic half way.
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}
