//! [`Sent`]: a message that was sent, and its outcome.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_proto::endpoint::{Error, Result};
use amqp_proto::types::{DeliveryKey, DeliveryTag, SenderKey};
use amqp_proto::wire::Outcome;

use crate::link::LinkHandle;
use crate::state::{Fate, State};
use crate::waiters::On;

/// A message that was sent. Its outcome can be waited for; dropped, it is of no interest, and the message is sent
/// all the same.
#[must_use = "its outcome says whether the message was accepted"]
pub struct Sent {
    key: DeliveryKey,
    sender: SenderKey,
    link: Arc<LinkHandle>,
    is_settled: bool,
}

impl Sent {
    pub(crate) fn new(link: Arc<LinkHandle>, sender: SenderKey, key: DeliveryKey, is_settled: bool) -> Self {
        Self { key, sender, link, is_settled }
    }

    /// The engine's key of it.
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// The tag, as long as the delivery is not settled.
    pub fn tag(&self) -> Option<DeliveryTag> {
        self.link.shared().act(|state| Some(state.connection.delivery(self.key).ok()?.tag()))
    }

    /// Whether it was sent settled, so that there is no outcome to come: it counts as accepted.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    pub(crate) fn link(&self) -> &Arc<LinkHandle> {
        &self.link
    }

    pub(crate) fn sender(&self) -> SenderKey {
        self.sender
    }

    /// Waits for the outcome. What was sent settled counts as accepted.
    pub fn outcome(&self) -> Result<Outcome> {
        self.wait(None).unwrap_or(Err(Error::TimedOut))
    }

    /// The same, for so long at most; then the error is [`Error::TimedOut`].
    pub fn outcome_timeout(&self, span: Duration) -> Result<Outcome> {
        self.wait(Instant::now().checked_add(span)).unwrap_or(Err(Error::TimedOut))
    }

    /// The outcome, if it is known.
    pub fn try_outcome(&self) -> Result<Option<Outcome>> {
        self.wait(Some(Instant::now())).transpose()
    }

    /// Settles it: its outcome is of no interest any more, or is known and the link does not settle by itself.
    pub fn settle(self) -> Result<()> {
        self.link.shared().act(|state| match state.connection.sender(self.sender) {
            Ok(mut sender) => Ok(sender.settle(self.key)?),
            Err(_) => Err(self.link.gone(state)),
        })
    }

    /// What a thread waits on for the outcome.
    pub(crate) fn on(&self) -> On {
        On::Outcome(self.sender, self.key)
    }

    /// The outcome, once it is known or cannot be.
    pub(crate) fn look(&self, state: &mut State) -> Option<Result<Outcome>> {
        look_outcome(state, &self.link, self.sender, self.key)
    }

    fn wait(&self, by: Option<Instant>) -> Option<Result<Outcome>> {
        self.link.shared().wait(self.on(), by, |state| self.look(state))
    }
}

/// The outcome of a delivery that was sent and that somebody holds, once it is known or cannot be.
pub(crate) fn look_outcome(
    state: &mut State,
    link: &LinkHandle,
    sender: SenderKey,
    delivery: DeliveryKey,
) -> Option<Result<Outcome>> {
    match state.fate(sender, delivery) {
        Some(Fate::Settled(outcome)) => Some(outcome.clone().ok_or(Error::Undecided)),
        Some(Fate::Unknown) | None => link.lost(state).map(Err),
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.link.shared().act(|state| state.let_sent_go(self.sender, self.key));
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.key, f)
    }
}
