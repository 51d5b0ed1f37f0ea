//! [`Sender`]: the part of a sending link's handle that does not wait.

use alloc::sync::Arc;
use core::task::Poll;
use core::time::Duration;

use super::guard::LinkGuard;
use super::hub::Next;
use super::link::Ending;
use super::recipe::LinkOptions;
use super::replay::MessageIds;
use super::sent::{Sent, SentOutcomes};
use super::session::Home;
use super::state::{LineId, State};
use super::wait::{Attempt, Try, Wait};
use super::wake::Wake;
use super::writer::MessageWriter;
use crate::client::{Error, Outgoing, Result, SenderSettings};
use crate::config::SendOptions;
use crate::machine::SendError;
use crate::policy::Recovery;
use crate::types::{DeliveryKey, Fields, Key, Str};
use crate::wire::{Attach, Terminus};

/// The number of queued output octets from which senders wait until the output is taken.
pub const WORTH_WRITING: usize = 48 << 10;

/// A handle of a link on which this end sends. The link is closed when its last handle and its last [`Sent`]
/// are dropped.
#[derive(Debug)]
pub struct Sender<W: Wake> {
    pub(super) guard: Arc<LinkGuard<W>>,
    send_timeout: Option<Duration>,
    /// The ids of messages that are kept until their outcome; `None` if none are kept.
    ids: Option<Arc<MessageIds>>,
}

impl<W: Wake> Clone for Sender<W> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard), send_timeout: self.send_timeout, ids: self.ids.clone() }
    }
}

impl<W: Wake> Sender<W> {
    pub(super) fn new(guard: LinkGuard<W>) -> Self {
        Self { guard: Arc::new(guard), send_timeout: None, ids: None }
    }

    /// Attaches a link, without waiting for the peer; [`attached`](Self::attached) waits.
    ///
    /// # Errors
    ///
    /// `Error::Attach` or `Error::Begin` if the link or its session cannot be made; `Error::Session` or
    /// `Error::Connection` if one of them is over.
    pub fn attach(home: &Home<W>, settings: &SenderSettings) -> Result<Self> {
        let session = home.session()?;
        let (name, options) = (settings.name.clone(), settings.to_options());
        let (slot, ids) = session.hub().with(|state| {
            let saved = settings.state.as_deref().cloned();
            let slot = state.attach(session.slot, name, LinkOptions::Sender(options), saved)?;
            let ids = match settings.recovery {
                Recovery::Replay => state.keep_messages(slot, settings.replay, true),
                Recovery::Resume => state.keep_messages(slot, settings.replay, settings.resends),
                Recovery::Report => None,
            };
            Ok::<_, Error>((slot, ids))
        })?;
        Ok(Self { send_timeout: settings.send_timeout, ids, ..Self::new(LinkGuard::new(session, slot)) })
    }

    /// Waits until the peer has attached the link, too.
    pub fn attached(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.guard.attached()
    }

    /// Sends a message when there is credit. The caller may wait for its outcome or not.
    ///
    /// # Errors
    ///
    /// `Error::Send` if the message cannot be encoded; those of [`try_send`](Self::try_send), if the message is not sent
    /// for another reason than a lack of credit or room.
    pub fn queue(
        this: &Self,
        message: impl Into<Outgoing>,
    ) -> Result<Queued<'_, W, impl Try<W, Result<Sent<W>>>>> {
        this.queue_unless(message, Next::Other, |_| None)
    }

    /// Sends a message like [`queue`](Self::queue), for a caller that waits for its outcome at once: that wait writes
    /// the message, so that no driver is woken for it.
    ///
    /// # Errors
    ///
    /// See [`queue`](Self::queue).
    pub fn queue_and_wait(
        this: &Self,
        message: impl Into<Outgoing>,
    ) -> Result<Queued<'_, W, impl Try<W, Result<Sent<W>>>>> {
        this.queue_unless(message, Next::Wait, |_| None)
    }

    /// Sends a message, unless there is a reason not to while it waits.
    pub(super) fn queue_unless<N>(
        &self,
        message: impl Into<Outgoing>,
        next: Next,
        refuse: N,
    ) -> Result<Queued<'_, W, impl Try<W, Result<Sent<W>>>>>
    where
        N: Fn(&State<W>) -> Option<Error>,
    {
        let message = self.prepared(message)?;
        let slot = self.guard.slot;
        let sent = self.guard.hub().with_then(|state| {
            if state.is_crowded() {
                return (None, Next::Other);
            }
            let at = Attempt { ticket: None, is_late: false };
            match in_turn(state, slot, at, |state| self.put(state, &message)) {
                Err(error) if passes(&error) => (None, Next::Other),
                // A message that is sent settled has no outcome to wait for.
                Ok(sent) if sent.is_settled() => (Some(Ok(sent)), Next::Other),
                result => (Some(result), next),
            }
        });
        match sent {
            Some(sent) => sent.map(Queued::Sent),
            None => Ok(Queued::Waiting(
                self.in_turn_unless(refuse, move |state, sender| sender.put(state, &message)),
            )),
        }
    }

    /// Sends a message if there is credit and no other sender waits; refuses it otherwise.
    ///
    /// # Errors
    ///
    /// `Error::Send` if the message cannot be sent now or at all; `Error::Link`, `Error::Session` or
    /// `Error::Connection` if one of them is over.
    pub fn try_send(this: &Self, message: impl Into<Outgoing>) -> Result<Sent<W>> {
        let message = this.prepared(message)?;
        this.guard.hub().with(|state| {
            let is_free = state.links.get(this.guard.slot).is_none_or(|link| link.turns.is_empty());
            let sent = if is_free { this.put(state, &message) } else { Err(SendError::Full.into()) };
            sent.map_err(|error| state.not_sent(this.guard.slot, error))
        })
    }

    /// Begins a message in pieces, when there is credit.
    pub fn begin(this: &Self, options: SendOptions) -> Wait<'_, W, impl Try<W, Result<MessageWriter<W>>>> {
        this.in_turn(move |state, sender| {
            let key = state.sender(sender.guard.slot)?.begin_delivery(&options)?;
            Ok(MessageWriter::new(sender.track(state, key)))
        })
    }

    /// Waits until a message can be sent: there is credit, and no other sender waits.
    pub fn sendable(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.in_turn(|state, sender| {
            if state.is_sendable(sender.guard.slot)? { Ok(()) } else { Err(SendError::NoCredit.into()) }
        })
    }

    /// Waits until no message of the link is partly written, or the link is over.
    pub fn written(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.in_turn(|state, sender| {
            if state.sender(sender.guard.slot).is_ok_and(|sender| sender.is_sending()) {
                state.unwritten.push(sender.guard.slot);
                return Err(SendError::Incomplete.into());
            }
            Ok(())
        })
    }

    /// Detaches or closes the link, and waits until the peer has done so, too.
    pub fn end(this: &Self, ending: Ending) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.guard.end(ending)
    }

    /// Waits until the link is over, and returns the reason.
    pub fn closed(this: &Self) -> Wait<'_, W, impl Try<W, Error>> {
        this.guard.closed()
    }

    /// Announces the number of messages that wait for credit [2.6.7]. The number is announced again when the link is
    /// attached again.
    ///
    /// # Errors
    ///
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over.
    pub fn set_available(&self, messages: u32) -> Result<()> {
        let slot = self.guard.slot;
        self.guard.hub().with(|state| state.announce(slot, messages))
    }

    /// Returns how long sending may take, as the builder's `with_send_timeout` has set it; `None` for any time.
    pub fn send_timeout(&self) -> Option<Duration> {
        self.send_timeout
    }

    /// Returns the credit: the number of messages that the receiver accepts.
    pub fn credit(&self) -> u32 {
        let slot = self.guard.slot;
        self.guard.hub().look(|state| state.sender(slot).map_or(0, |sender| sender.credit()))
    }

    /// Returns the outcomes of all messages sent on the link, for one task that handles the whole link.
    pub fn outcomes(this: &Self) -> SentOutcomes<W> {
        SentOutcomes::new(Arc::clone(&this.guard))
    }

    /// Returns `true` if a message can be sent now.
    pub fn is_sendable(&self) -> bool {
        let slot = self.guard.slot;
        self.guard.hub().look(|state| state.is_sendable(slot).unwrap_or(false))
    }

    /// Returns `true` if the receiver asks for the use or the return of its credit [2.6.7].
    pub fn is_draining(&self) -> bool {
        let slot = self.guard.slot;
        self.guard.hub().look(|state| state.sender(slot).is_ok_and(|sender| sender.is_draining()))
    }

    /// Answers the receiver's drain request: returns the unused credit.
    ///
    /// # Errors
    ///
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over.
    pub fn drained(&self) -> Result<()> {
        let slot = self.guard.slot;
        self.guard.hub().with(|state| Ok(state.sender(slot)?.drained()?))
    }

    /// Settles a delivery of the link, such as one of the state that the link was attached with: this end knows the
    /// outcome, or does not need it.
    ///
    /// # Errors
    ///
    /// `Error::Settle` if the delivery is settled or of another link; `Error::Link`, `Error::Session` or
    /// `Error::Connection` if one of them is over.
    pub fn settle(&self, delivery: DeliveryKey) -> Result<()> {
        self.guard.hub().with(|state| Ok(state.sender(self.guard.slot)?.settle(delivery)?))
    }

    /// Returns the size of the largest message that the receiver accepts, in octets; `None` for any size.
    pub fn max_message_size(&self) -> Option<u64> {
        let slot = self.guard.slot;
        self.guard.hub().look(|state| state.sender(slot).ok()?.max_message_size())
    }

    /// Returns the number of unsettled deliveries.
    pub fn unsettled(&self) -> u32 {
        self.guard.unsettled_len()
    }

    /// Sends properties of the link's state to the peer [2.7.4].
    ///
    /// The standard defines no such properties. Those of an extension are for a peer that knows it.
    ///
    /// # Errors
    ///
    /// `Error::Credit` if the link is not attached now, the output is full, or the properties do not fit in a frame;
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over.
    pub fn send_flow_properties(&self, properties: &Fields) -> Result<()> {
        self.guard.send_flow_properties(properties)
    }

    /// Waits for new properties of the link's state from the peer; `None` if the link has ended without an error. Newer
    /// properties replace those that were not taken.
    pub fn next_flow_properties(this: &Self) -> Wait<'_, W, impl Try<W, Result<Option<Fields>>>> {
        this.guard.next_flow_properties()
    }

    /// Returns the name of the link; empty after it is closed.
    pub fn name(&self) -> Str {
        self.guard.name()
    }

    /// Returns the address of the peer's target; of a dynamic target, the address of the new node.
    pub fn address(&self) -> Option<Str> {
        match *self.peer_attach()?.target? {
            Terminus::Target(target) => target.address,
            _ => None,
        }
    }

    /// Returns the peer's attach; `None` after the link is closed.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard.peer_attach()
    }

    /// Encodes a message.
    fn prepared(&self, message: impl Into<Outgoing>) -> Result<Outgoing> {
        let mut message = message.into();
        match &self.ids {
            Some(ids) => message.prepare_with_id(|| ids.take())?,
            None => message.prepare()?,
        }
        Ok(message)
    }

    fn put(&self, state: &mut State<W>, message: &Outgoing) -> Result<Sent<W>> {
        // A transaction ends with the connection, so its messages are not sent again.
        if self.ids.is_some() && !message.is_in_transaction() {
            let (key, slot) = state.send_kept(self.guard.slot, message)?;
            return Ok(Sent::new(Arc::clone(&self.guard), key, slot));
        }
        let key = message.send(&mut state.sender(self.guard.slot)?)?;
        Ok(self.track(state, key))
    }

    /// Returns a handle that keeps the outcome of a delivery.
    fn track(&self, state: &mut State<W>, key: DeliveryKey) -> Sent<W> {
        let is_settled = state.engine.delivery(key).is_err();
        let slot = (!is_settled).then(|| state.track(key, self.guard.slot));
        Sent::new(Arc::clone(&self.guard), key, slot)
    }

    /// Waits for a turn among the senders of the link, and until the attempt is not refused for lack of
    /// credit or room.
    fn in_turn<R>(
        &self,
        attempt: impl FnMut(&mut State<W>, &Self) -> Result<R>,
    ) -> Wait<'_, W, impl Try<W, Result<R>>> {
        self.in_turn_unless(|_| None, attempt)
    }

    fn in_turn_unless<R, N: Fn(&State<W>) -> Option<Error>, A: FnMut(&mut State<W>, &Self) -> Result<R>>(
        &self,
        refuse: N,
        mut attempt: A,
    ) -> Wait<'_, W, impl Try<W, Result<R>>> {
        let slot = self.guard.slot;
        let mut has_yielded = false;
        self.guard.hub().wait(LineId::Turn(slot), move |state: &mut State<W>, at: Attempt| {
            if let Some(refused) = refuse(state) {
                return Poll::Ready(Err(refused));
            }
            if !has_yielded && state.is_crowded() {
                // Without this, a sender that never has to wait would starve the driver.
                has_yielded = true;
                state.unwritten.push(slot);
                return Poll::Pending;
            }
            match in_turn(state, slot, at, |state| attempt(state, self)) {
                Err(error) if passes(&error) => Poll::Pending,
                result => Poll::Ready(result),
            }
        })
    }
}

/// A message to be sent. Mostly it is sent at once.
#[derive(Debug)]
pub enum Queued<'a, W: Wake, F> {
    /// The message is sent.
    Sent(Sent<W>),
    /// The message waits for credit, for room in the output, or for its turn.
    Waiting(Wait<'a, W, F>),
}

/// Makes an attempt if it is its turn. The end of the link is a better error than a refused command.
fn in_turn<W: Wake, R>(
    state: &mut State<W>,
    slot: Key,
    at: Attempt,
    attempt: impl FnOnce(&mut State<W>) -> Result<R>,
) -> Result<R> {
    let has_turn = state.links.get(slot).is_none_or(|link| link.turns.is_first(at.ticket));
    let result = if has_turn { attempt(state) } else { Err(SendError::Full.into()) };
    result.map_err(|error| match error {
        // There is room for the message once others are settled.
        Error::Send(SendError::Kept(_)) if state.sender(slot).is_ok_and(|link| link.unsettled_len() > 0) => {
            SendError::NoCredit.into()
        }
        error => state.not_sent(slot, error),
    })
}

impl<W: Wake> State<W> {
    /// Returns `true` if senders wait until output is taken. The output of an ended connection may never be.
    fn is_crowded(&self) -> bool {
        self.output_len() >= WORTH_WRITING && !self.is_over()
    }

    /// Returns the error of a message that is not sent. The end of the link is a better one; a link that is being
    /// attached again has no credit yet.
    fn not_sent(&self, slot: Key, error: Error) -> Error {
        let is_coming = matches!(error, Error::Send(SendError::Detached))
            && self.links.get(slot).is_some_and(|link| link.recipe.is_some() && !link.is_attached);
        let error = if is_coming { SendError::NoCredit.into() } else { error };
        self.link_over(slot).unwrap_or(error)
    }
}

/// Returns `true` if the error passes, so that the sender waits.
fn passes(error: &Error) -> bool {
    use SendError::{Full, Incomplete, NoCredit, Unsettled, WindowClosed};
    matches!(
        error,
        Error::Interrupted(_) | Error::Send(NoCredit | WindowClosed | Full | Incomplete | Unsettled(_))
    )
}
