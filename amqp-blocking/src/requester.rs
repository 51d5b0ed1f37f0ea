//! [`Requester`]: asks questions of a service, and finds the answers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use amqp_proto::endpoint::{Error, Result};
use amqp_proto::message::Message;
use amqp_proto::policy::{Correlator, RequestError};
use amqp_proto::types::Str;
use amqp_proto::wire::{MessageId, Outcome};

use crate::connection::Connection;
use crate::delivery::Delivery;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::sent::Sent;
use crate::state::State;

/// Sends requests to a service, whose answers come to an address of its own. Clones are handles to the same one, for
/// any thread: those who wait take what comes, and hand it to who has asked.
///
/// Any number of requests may wait for their answers at a time, up to 65,536; each holds about 100 octets.
///
/// ```no_run
/// use std::time::Duration;
///
/// use amqp_blocking::Connection;
///
/// let connection = Connection::open("amqp://localhost")?;
/// let requester = connection.requester("service")?;
/// let reply = requester.request_timeout("2 + 2", Duration::from_secs(5))?;
/// println!("{:?}", reply.message()?.body()?);
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct Requester {
    sender: Sender,
    receiver: Receiver,
    asked: Arc<Mutex<Asked>>,
}

type Asked = Correlator<Arc<Slot>>;

/// Where the answer to a request goes.
struct Slot {
    asker: Thread,
    answer: Mutex<Option<Delivery>>,
}

/// How many requests may wait for their answers.
const MOST: usize = 1 << 16;

impl Connection {
    /// Sends requests to this address; answers come to a [dynamic](crate::ReceiverBuilder::dynamic) node.
    ///
    /// Both links are on a session of their own. A peer that makes no dynamic nodes ends it, or refuses the link, which
    /// is the error then; see [`Requester::new`] for what can be done.
    pub fn requester(&self, address: impl Into<Str>) -> Result<Requester> {
        let session = self.session()?;
        // Nobody else could take an answer that is given back.
        let receiver = session.dynamic_receiver().auto_accept(true).attach()?;
        Requester::new(session.sender(address).attach()?, receiver)
    }
}

impl Requester {
    /// The same over links of the caller's making, on one connection: requests go out on the one, and answers come in
    /// on the other, whose address they are sent to. No other may receive from there.
    ///
    /// [`Error::Request`] if the peer has not said what that address is.
    pub fn new(sender: Sender, receiver: Receiver) -> Result<Self> {
        let mut asked = Correlator::new(MOST);
        asked.set_reply_to(receiver.address().ok_or(RequestError::NoAddress)?);
        Ok(Self { sender, receiver, asked: Arc::new(Mutex::new(asked)) })
    }

    /// Sets the address that requests tell for their answers, where the peer knows the link by another one than its
    /// own, such as `$me`. A request that has a reply-to keeps it.
    pub fn set_reply_to(&self, address: impl Into<Str>) {
        lock(&self.asked).set_reply_to(address);
    }

    /// Sends a request, and waits for the answer. Its message-id and correlation-id are set, and its reply-to unless it
    /// has one.
    ///
    /// The answer is accepted when it is dropped, unless the receiver is the caller's and says otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`] if the service, or a broker in between, gives the request any other outcome: no answer is
    /// waited for then. That of the link, session or connection that ends before the answer is there.
    /// [`Error::Request`] if too many wait already.
    pub fn request(&self, message: impl Into<Message>) -> Result<Delivery> {
        self.ask(message.into(), None)
    }

    /// The same, for so long at most; then the error is [`Error::TimedOut`], and the answer is dropped when it comes.
    pub fn request_timeout(&self, message: impl Into<Message>, span: Duration) -> Result<Delivery> {
        self.ask(message.into(), Instant::now().checked_add(span))
    }

    fn ask(&self, message: Message, by: Option<Instant>) -> Result<Delivery> {
        let slot = Arc::new(Slot { asker: thread::current(), answer: Mutex::default() });
        let message = lock(&self.asked).request(message, None, Arc::clone(&slot))?;
        let _waiting = Waiting { requester: self, id: message.properties().message_id.clone() };
        let left = by.map(|by| by.saturating_duration_since(Instant::now()));
        let sent = match left {
            Some(left) => self.sender.send_queued_timeout(message, left)?,
            None => self.sender.send_queued(message)?,
        };
        self.wait(&sent, &slot, by)
    }

    /// Takes what comes until the answer is there.
    fn wait(&self, sent: &Sent, slot: &Slot, by: Option<Instant>) -> Result<Delivery> {
        let ons = [sent.on(), self.receiver.on()];
        let mut is_accepted = false;
        loop {
            let look = |state: &mut State| {
                if lock(&slot.answer).is_some() {
                    return Some(News::Answered);
                }
                if let Some(received) = self.receiver.take(state) {
                    return Some(News::Received(received));
                }
                let outcome = if is_accepted { None } else { sent.look(state) };
                outcome.map(News::Outcome)
            };
            match self.receiver.shared().wait_any(&ons, by, look) {
                None => return Err(Error::TimedOut),
                Some(News::Answered) => {
                    if let Some(answer) = lock(&slot.answer).take() {
                        return Ok(answer);
                    }
                }
                Some(News::Received(received)) => self.hand_out(received?),
                Some(News::Outcome(outcome)) => match outcome? {
                    Outcome::Accepted => is_accepted = true,
                    outcome => return Err(Error::NotAccepted(Box::new(outcome))),
                },
            }
        }
    }

    /// Gives an answer to who has asked, and accepts it if nobody waits for it any more.
    fn hand_out(&self, answer: Delivery) {
        let Ok(properties) = answer.message().and_then(|message| Ok(message.properties()?)) else {
            let _ = answer.reject(None);
            return;
        };
        let slot = lock(&self.asked).answer(properties.correlation_id.as_ref());
        let Some(slot) = slot else {
            let _ = answer.accept();
            return;
        };
        *lock(&slot.answer) = Some(answer);
        slot.asker.unpark();
    }

    /// The address that answers come to.
    pub fn reply_to(&self) -> Option<Str> {
        lock(&self.asked).reply_to().cloned()
    }

    /// How many requests wait for their answers.
    pub fn waiting(&self) -> usize {
        lock(&self.asked).len()
    }

    /// Closes both links, and waits until the peer has done the same. Requests that wait end with an error.
    pub fn close(&self) -> Result<()> {
        self.sender.close()?;
        self.receiver.close()
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester").field("sender", &self.sender).finish_non_exhaustive()
    }
}

/// What has happened to a request.
enum News {
    /// Another thread has taken the answer.
    Answered,
    /// An answer has come, to whichever request, or none will.
    Received(Result<Delivery>),
    Outcome(Result<Outcome>),
}

/// A request that waits; it is forgotten when this is dropped, and somebody else looks for answers.
struct Waiting<'a> {
    requester: &'a Requester,
    id: Option<MessageId>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Requester { asked, receiver, .. } = self.requester;
        let forgotten = lock(asked).answer(self.id.as_ref());
        drop(forgotten);
        // This thread may have been told of what is for another.
        receiver.shared().act(|state| state.waiters.wake_one(receiver.on()));
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in there can panic half way.
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
