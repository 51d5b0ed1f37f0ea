//! [`Sender`]: a link over which this end sends.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::config::SendOptions;
use amqp_proto::driver::{self, Ending};
use amqp_proto::types::Str;
use amqp_proto::wire::{self, Attach, Outcome};

use crate::sent::{Sent, SentOutcomes};
use crate::stream::OutgoingStream;
use crate::wait::{ready, ready_by};

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
#[derive(Debug, Clone)]
pub struct Sender {
    pub(crate) link: driver::Sender<Thread>,
    /// How long sending may take.
    send_timeout: Option<Duration>,
}

impl Sender {
    pub(crate) fn new(link: driver::Sender<Thread>, send_timeout: Option<Duration>) -> Self {
        Self { link, send_timeout }
    }

    /// Sends a message and waits for its outcome; before that, for the receiver to grant credit.
    ///
    /// That may take any time, such as while a broker is short of memory or has no majority of its replicas;
    /// [`with_send_timeout`](crate::SenderBuilder::with_send_timeout) bounds it. A message that is sent settled has no outcome to
    /// come and counts as accepted once it is queued.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, and nothing was sent; [`Error::Unconfirmed`] if the message
    /// was sent and its outcome is not known in time; [`Error::Lost`] if the link ended before it was.
    pub fn send(&self, message: impl Into<Outgoing>) -> Result<Outcome> {
        let by = self.send_by();
        self.queue(message, by)?.outcome_by(by, Error::Unconfirmed)
    }

    /// Sends a message once the receiver has granted credit, and does not wait for its outcome.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, where [`with_send_timeout`](crate::SenderBuilder::with_send_timeout) says
    /// so; nothing was sent then.
    pub fn send_queued(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.queue(message, self.send_by())
    }

    /// Sends a message once there is credit, unless that takes too long: then it is not sent, and the error is
    /// [`Error::TimedOut`].
    pub fn send_queued_timeout(&self, message: impl Into<Outgoing>, span: Duration) -> Result<Sent> {
        self.queue(message, Instant::now().checked_add(span))
    }

    /// Sends a message if that can be done at once, and does not wait for its outcome. The error is that of the
    /// engine otherwise, such as [`SendError::NoCredit`](amqp_proto::SendError).
    pub fn send_now(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.link.try_send(message).map(Sent)
    }

    /// Begins a message whose octets come later, however many, as soon as there is credit. Nothing else is sent on the
    /// link until it is finished or aborted.
    pub fn stream(&self, options: &SendOptions) -> Result<OutgoingStream> {
        ready(self.link.begin(options.clone())).map(OutgoingStream)
    }

    /// Waits until a message could be sent: there is credit, and room.
    pub fn sendable(&self) -> Result<()> {
        ready(self.link.sendable())
    }

    /// Sets how many messages the receiver is told that wait for credit [2.6.7].
    pub fn set_available(&self, messages: u32) -> Result<()> {
        self.link.set_available(messages)
    }

    /// Returns how many messages the receiver takes.
    pub fn credit(&self) -> u32 {
        self.link.credit()
    }

    /// Returns how many deliveries are unsettled.
    pub fn unsettled(&self) -> u32 {
        self.link.unsettled()
    }

    /// Returns the name of the link; empty once it is closed.
    pub fn name(&self) -> Str {
        self.link.name()
    }

    /// Returns the largest message that the receiver takes, in octets; `None` for any.
    pub fn max_message_size(&self) -> Option<u64> {
        self.link.max_message_size()
    }

    /// Returns the address of the node that messages go to, as the peer has said: of a dynamic node, the one that
    /// it was given.
    pub fn address(&self) -> Option<Str> {
        self.link.address()
    }

    /// Returns the peer's attach; `None` once the link is over.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.link.peer_attach()
    }

    /// Closes the link for good, after what was sent on it is written, if the peer takes it in time, and waits until the
    /// peer has answered. What is unsettled then has no outcome.
    pub fn close(&self) -> Result<()> {
        self.written();
        ready(self.link.end(Ending::Close(None)))
    }

    /// Closes the link at once, and says why.
    pub fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(self.link.end(Ending::Close(Some(error.into()))))
    }

    /// Detaches the link, so that it can be attached again under its name, as long as a handle of it is kept.
    pub fn detach(&self) -> Result<()> {
        self.written();
        ready(self.link.end(Ending::Detach))
    }

    /// Waits until the link is over, and says how it ended.
    pub fn closed(&self) -> Error {
        ready(self.link.closed())
    }

    /// Returns the outcomes of everything that is sent on the link, for one thread that looks after all of them.
    pub fn outcomes(&self) -> SentOutcomes {
        SentOutcomes(self.link.outcomes())
    }

    /// Returns whether a message would be sent at once.
    pub fn is_sendable(&self) -> bool {
        self.link.is_sendable()
    }

    /// Returns whether the receiver wants its credit used or given back [2.6.7].
    pub fn is_draining(&self) -> bool {
        self.link.is_draining()
    }

    /// Gives back the credit that is to be drained: there is nothing to send. Only for links that do not drain by
    /// themselves.
    pub fn drained(&self) -> Result<()> {
        self.link.drained()
    }

    /// Returns when a message that is sent now has to be sent, and have its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout?)
    }

    fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        ready_by(self.link.queue(message)?, by).map(Sent)
    }

    /// Waits until no message is written in part, for as long as an answer may take.
    fn written(&self) {
        // How the link ended is told by whatever is done next.
        let _ = ready(self.link.written());
    }
}
