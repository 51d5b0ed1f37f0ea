//! [`Sender`]: a link over which this end sends.

use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use amqp_proto::config::SendOptions;
use amqp_proto::endpoint::{Error, Outgoing, Result};
use amqp_proto::machine::SendError;
use amqp_proto::types::{DeliveryKey, SenderKey, Str};
use amqp_proto::wire::{self, Attach, Outcome, Terminus};

use crate::link::LinkHandle;
use crate::sent::{Sent, look_outcome};
use crate::state::{Fate, State};
use crate::stream::OutgoingStream;
use crate::waiters::On;
use crate::writing;

/// A link over which this end sends. Clones are handles to the same one, for any thread.
///
/// It is closed by [`close`](Self::close), or when the last handle to it, or to a delivery that was sent over it, is
/// dropped.
///
/// ```
/// # let listener = amqp_blocking::Listener::bind("127.0.0.1:0")?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let connection = listener.accept()?.open()?;
/// #     while let Some(offer) = connection.next_offer()? {
/// #         if let amqp_blocking::Accepted::Receiver(receiver) = offer.accept()? {
/// #             receiver.for_each(1, |_| Ok::<(), amqp_blocking::Error>(()))?;
/// #         }
/// #     }
/// #     Ok::<(), amqp_blocking::Error>(())
/// # });
/// use amqp_blocking::Connection;
/// use amqp_blocking::wire::Outcome;
///
/// let connection = Connection::open(&url)?;
/// let jobs = connection.sender("jobs").attach()?;
///
/// match jobs.send("job-content")? {
///     Outcome::Accepted => println!("done"),
///     other => println!("not done: {other:?}"),
/// }
///
/// let first = jobs.send_queued("one")?;
/// let second = jobs.send_queued("two")?;
/// println!("{:?}, {:?}", first.outcome()?, second.outcome()?);
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct Sender {
    key: SenderKey,
    link: Arc<LinkHandle>,
    /// How long sending may take.
    send_timeout: Option<Duration>,
}

impl Sender {
    pub(crate) fn new(key: SenderKey, link: LinkHandle, send_timeout: Option<Duration>) -> Self {
        Self { key, link: Arc::new(link), send_timeout }
    }

    /// Sends a message and waits for its outcome; before that, for the receiver to grant credit.
    ///
    /// That may take any time, such as while a broker is short of memory or has no majority of its replicas;
    /// [`send_timeout`](crate::SenderBuilder::send_timeout) bounds it. A message that is sent settled has no outcome to
    /// come and counts as accepted once it is queued.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, and nothing was sent; [`Error::Unconfirmed`] if the message
    /// was sent and its outcome is not known in time; [`Error::Lost`] if the link ended before it was.
    pub fn send(&self, message: impl Into<Outgoing>) -> Result<Outcome> {
        let mut message = message.into();
        message.prepare()?;
        let by = self.send_by();
        let (state, sent) = self.queue(&message, by);
        let delivery = match sent {
            Ok(delivery) => delivery,
            Err(error) => {
                self.link.shared().unlock(state);
                return Err(error);
            }
        };
        let look = |state: &mut State| look_outcome(state, &self.link, self.key, delivery);
        let on = On::Outcome(self.key, delivery);
        let (mut state, outcome) = self.link.shared().wait_on(state, &[on], by, look);
        state.let_sent_go(self.key, delivery);
        self.link.shared().unlock(state);
        outcome.unwrap_or(Err(Error::Unconfirmed))
    }

    /// When a message that is sent now has to be sent, and have its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout?)
    }

    /// Sends a message once the receiver has granted credit, and does not wait for its outcome.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, where [`send_timeout`](crate::SenderBuilder::send_timeout) says
    /// so; nothing was sent then.
    pub fn send_queued(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        let mut message = message.into();
        message.prepare()?;
        let (state, sent) = self.queue(&message, self.send_by());
        let is_settled = is_settled(&state, &sent);
        writing::write_much_here(self.link.shared(), state);
        Ok(Sent::new(Arc::clone(&self.link), self.key, sent?, is_settled))
    }

    /// The same, unless that takes too long: then the message is not sent, and the error is [`Error::TimedOut`].
    pub fn send_queued_timeout(&self, message: impl Into<Outgoing>, span: Duration) -> Result<Sent> {
        let by = Instant::now().checked_add(span);
        let mut message = message.into();
        message.prepare()?;
        self.queued(self.queue(&message, by))
    }

    /// Sends a message if that can be done at once, and does not wait for its outcome. The error is that of the
    /// engine otherwise, such as [`SendError::NoCredit`].
    pub fn send_now(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        let mut message = message.into();
        message.prepare()?;
        let mut state = self.link.shared().lock();
        let sent = self.try_send(&mut state, &message);
        self.queued((state, sent))
    }

    /// Begins a message whose octets come later, however many, as soon as there is credit. Nothing else is sent on the
    /// link until it is finished or aborted.
    pub fn stream(&self, options: &SendOptions) -> Result<OutgoingStream> {
        let begun = self.in_turn(None, |state| {
            let Ok(mut sender) = state.connection.sender(self.key) else { return Err(self.link.gone(state)) };
            let delivery = sender.begin_delivery(options)?;
            self.note(state, delivery);
            Ok(delivery)
        });
        Ok(OutgoingStream::new(self.queued(begun)?))
    }

    /// Waits until a message could be sent: there is credit, and room.
    pub fn sendable(&self) -> Result<()> {
        let (state, sendable) = self.in_turn(None, |state| match state.connection.sender(self.key) {
            Ok(mut sender) => {
                if sender.is_sendable() {
                    Ok(())
                } else {
                    Err(SendError::NoCredit.into())
                }
            }
            Err(_) => Err(self.link.gone(state)),
        });
        self.link.shared().unlock(state);
        sendable
    }

    fn queued(&self, sent: (MutexGuard<'_, State>, Result<DeliveryKey>)) -> Result<Sent> {
        let (state, sent) = sent;
        let is_settled = is_settled(&state, &sent);
        self.link.shared().unlock(state);
        Ok(Sent::new(Arc::clone(&self.link), self.key, sent?, is_settled))
    }

    /// Waits until a message can be sent, and sends it.
    fn queue(&self, message: &Outgoing, by: Option<Instant>) -> (MutexGuard<'_, State>, Result<DeliveryKey>) {
        self.in_turn(by, |state| self.try_send(state, message))
    }

    /// Waits until an attempt is not refused for want of credit or room.
    fn in_turn<R>(
        &self,
        by: Option<Instant>,
        mut attempt: impl FnMut(&mut State) -> Result<R>,
    ) -> (MutexGuard<'_, State>, Result<R>) {
        let shared = self.link.shared();
        let look = |state: &mut State| match self.link.ended(state).map_or_else(|| attempt(state), Err) {
            Err(Error::Send(error)) if is_for_now(&error) => {
                state.is_sated |= matches!(error, SendError::Unsettled(_));
                None
            }
            sent => {
                state.pass_turn_on(self.key);
                Some(sent)
            }
        };
        let (state, sent) = shared.wait_on(shared.lock(), &[On::Sendable(self.key)], by, look);
        (state, sent.unwrap_or(Err(Error::TimedOut)))
    }

    fn try_send(&self, state: &mut State, message: &Outgoing) -> Result<DeliveryKey> {
        if let Some(error) = self.link.ended(state) {
            return Err(error);
        }
        let Ok(mut sender) = state.connection.sender(self.key) else { return Err(self.link.gone(state)) };
        let delivery = message.send(&mut sender)?;
        self.note(state, delivery);
        Ok(delivery)
    }

    /// Has what becomes of a delivery kept.
    fn note(&self, state: &mut State, delivery: DeliveryKey) {
        // What is settled already is not known to the engine any more.
        let fate = match state.connection.delivery(delivery) {
            Ok(_) => Fate::Unknown,
            Err(_) => Fate::Settled(Some(Outcome::Accepted)),
        };
        state.hold_sent(self.key, delivery, fate);
    }

    /// Sets how many messages the receiver is told that wait for credit (T-AVAIL-01).
    pub fn set_available(&self, messages: u32) -> Result<()> {
        self.link.shared().act(|state| match state.connection.sender(self.key) {
            Ok(mut sender) => Ok(sender.set_available(messages)?),
            Err(_) => Err(self.link.gone(state)),
        })
    }

    /// How many messages the receiver takes.
    pub fn credit(&self) -> u32 {
        self.link.shared().act(|state| state.connection.sender(self.key).map_or(0, |sender| sender.credit()))
    }

    /// How many deliveries are unsettled.
    pub fn unsettled(&self) -> u32 {
        self.link.unsettled_len()
    }

    /// The name of the link; empty once it is closed.
    pub fn name(&self) -> Str {
        self.link.name()
    }

    /// The largest message that the receiver takes, in octets; `None` for any.
    pub fn max_message_size(&self) -> Option<u64> {
        self.link.shared().act(|state| state.connection.sender(self.key).ok()?.max_message_size())
    }

    /// The address of the node that messages go to, as the peer has said: of a dynamic node, the one that it was
    /// given.
    pub fn address(&self) -> Option<Str> {
        match *self.peer_attach()?.target? {
            Terminus::Target(target) => target.address,
            _ => None,
        }
    }

    /// What the peer's attach says; `None` once the link is over.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.link.peer_attach()
    }

    /// Closes the link for good, after what was sent on it is written, if the peer takes it in time, and waits until the
    /// peer has answered. What is unsettled then has no outcome.
    pub fn close(&self) -> Result<()> {
        self.written();
        self.link.close(None)
    }

    /// The same, saying why, and at once.
    pub fn close_with(&self, error: impl Into<wire::Error>) -> Result<()> {
        self.link.close(Some(error.into()))
    }

    /// Detaches the link, so that it can be attached again under its name, as long as a handle of it is kept.
    pub fn detach(&self) -> Result<()> {
        self.written();
        self.link.detach()
    }

    /// Waits until the link is over, and says how it ended.
    pub fn closed(&self) -> Error {
        self.link.closed()
    }

    /// Waits until no message is written in part, for as long as an answer may take.
    fn written(&self) {
        // What ends the link is told by whatever is done next.
        let _ = self.link.wait(|state, _| match state.connection.sender(self.key) {
            Ok(sender) if sender.is_sending() => {
                state.unwritten.push(self.key);
                None
            }
            _ => Some(Ok(())),
        });
    }
}

/// Whether a message was sent settled: the engine does not know it any more.
fn is_settled(state: &State, sent: &Result<DeliveryKey>) -> bool {
    sent.as_ref().is_ok_and(|delivery| state.connection.delivery(*delivery).is_err())
}

/// Whether a message that was not sent may be sent later.
fn is_for_now(error: &SendError) -> bool {
    matches!(
        error,
        SendError::NoCredit
            | SendError::WindowClosed
            | SendError::Full
            | SendError::Incomplete
            | SendError::Unsettled(_)
    )
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.key)
    }
}
