//! [`Receiver`]: the part of a receiving link's handle that does not wait.

use alloc::sync::Arc;
use core::task::Poll;

use super::delivery::{Delivery, rejected};
use super::guard::LinkGuard;
use super::hub::Next;
use super::line::Ticket;
use super::link::Ending;
use super::reader::MessageReader;
use super::recipe::{Grant, LinkOptions};
use super::session::Home;
use super::state::{LineId, State};
use super::wait::{Try, Wait};
use super::wake::Wake;
use crate::client::{Error, ReceiverSettings, Result, STOP_BEFORE_CLOSE};
use crate::config::OnDrop;
use crate::machine::{LinkError, SettleError};
use crate::types::{DeliveryKey, Fields, LinkKey, Str, TransactionId};
use crate::view::ReceiverMut;
use crate::wire::{self, Attach, DeliveryState, Modified, Outcome};

/// A handle of a link on which this end receives. The link is closed when its last handle and its last
/// [`Delivery`] are dropped.
#[derive(Debug)]
pub struct Receiver<W: Wake> {
    pub(super) guard: Arc<LinkGuard<W>>,
}

impl<W: Wake> Clone for Receiver<W> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard) }
    }
}

impl<W: Wake> Receiver<W> {
    pub(super) fn new(guard: LinkGuard<W>) -> Self {
        Self { guard: Arc::new(guard) }
    }

    /// Attaches a link, without waiting for the peer; [`attached`](Self::attached) waits.
    ///
    /// # Errors
    ///
    /// `Error::Attach` or `Error::Begin` if the link or its session cannot be made; `Error::Session` or
    /// `Error::Connection` if one of them is over.
    pub fn attach(home: &Home<W>, settings: &ReceiverSettings) -> Result<Self> {
        let session = home.session()?;
        let (name, options) = (settings.name.clone(), settings.to_options());
        let slot = session.hub().with(|state| {
            let saved = settings.state.as_deref().cloned();
            state.attach(session.slot, name, LinkOptions::Receiver(options), saved)
        })?;
        Ok(Self::new(LinkGuard::new(session, slot)))
    }

    /// Waits until the peer has attached the link, too.
    pub fn attached(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.guard.attached()
    }

    /// Waits for the next message; `None` if the link has ended without an error and all messages were taken.
    pub fn recv(this: &Self) -> Wait<'_, W, impl Try<W, Result<Option<Delivery<W>>>>> {
        let slot = this.guard.slot;
        this.guard.hub().wait(LineId::Turn(slot), move |state: &mut State<W>, _| this.poll_take(state))
    }

    /// Returns a place in the line for messages, for an iterator or a stream.
    pub fn next(this: &Self) -> NextDelivery<W> {
        NextDelivery { receiver: this.clone(), ticket: None, is_over: false }
    }

    pub(super) fn poll_take(&self, state: &mut State<W>) -> Poll<Result<Option<Delivery<W>>>> {
        match self.take(state) {
            Some(delivery) => Poll::Ready(Ok(Some(delivery))),
            None => {
                let over = state.link_over(self.guard.slot);
                over.map_or(Poll::Pending, |over| Poll::Ready(over.or_end()))
            }
        }
    }

    /// Returns the next message, if one has arrived.
    ///
    /// # Errors
    ///
    /// The end of the link, after all messages were taken.
    pub fn try_recv(&self) -> Result<Option<Delivery<W>>> {
        self.guard.hub().with(|state| match self.take(state) {
            Some(delivery) => Ok(Some(delivery)),
            None => state.link_over(self.guard.slot).map_or(Ok(None), Err),
        })
    }

    /// Waits for the first frame of the next message on a streaming link.
    pub fn read(this: &Self) -> Wait<'_, W, impl Try<W, Result<Option<MessageReader<W>>>>> {
        let slot = this.guard.slot;
        this.guard.hub().wait(LineId::Turn(slot), move |state: &mut State<W>, _| {
            let begun = state.links.get_mut(slot).and_then(|link| link.begun.pop_front());
            match begun {
                Some(key) => {
                    if let Some(recipe) = state.links.get_mut(slot).and_then(|link| link.recipe.as_mut()) {
                        recipe.take();
                    }
                    Poll::Ready(Ok(Some(MessageReader::new(&this.guard, state, key))))
                }
                None => state.link_over(slot).map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
            }
        })
    }

    fn take(&self, state: &mut State<W>) -> Option<Delivery<W>> {
        let link = state.links.get_mut(self.guard.slot)?;
        let (delivery, on_drop) = match (link.rest.pop_front(), link.key) {
            (Some(rest), _) => (rest, OnDrop::Keep),
            (None, Some(LinkKey::Receiver(key))) => {
                let mut receiver = state.engine.receiver(key).ok()?;
                (receiver.receive()?, receiver.on_drop())
            }
            (None, _) => return None,
        };
        if let Some(recipe) = &mut link.recipe {
            recipe.take();
        }
        Some(Delivery::new(Arc::clone(&self.guard), delivery, on_drop))
    }

    /// Accepts a delivery: the message was processed [3.4.2].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn accept(&self, delivery: DeliveryKey) -> Result<()> {
        self.dispose(delivery, &Outcome::Accepted.into())
    }

    /// Rejects a delivery: the message is invalid [3.4.3].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn reject(&self, delivery: DeliveryKey, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        self.dispose(delivery, &rejected(error.into()))
    }

    /// Releases a delivery: the message was not processed and may be delivered again, unchanged [3.4.4].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn release(&self, delivery: DeliveryKey) -> Result<()> {
        self.dispose(delivery, &Outcome::Released.into())
    }

    /// Modifies a delivery: the message was not processed and may be delivered again, with changes [3.4.5].
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn modify(&self, delivery: DeliveryKey, modified: Modified) -> Result<()> {
        self.dispose(delivery, &Outcome::from(modified).into())
    }

    /// Wakes all waiters for a message, so that they check another condition.
    #[doc(hidden)]
    pub fn wake_all(this: &Self) {
        this.guard.hub().with(|state| state.wake_turns(this.guard.slot));
    }

    /// Returns the end of the link.
    pub(super) fn over(&self) -> Error {
        self.guard.hub().look(|state| state.link_over(self.guard.slot)).unwrap_or(Error::Gone)
    }

    /// Sends the state of a delivery; an outcome settles it.
    ///
    /// # Errors
    ///
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over, `Error::Settle` if the
    /// delivery is settled or has an outcome already.
    pub fn dispose(&self, delivery: DeliveryKey, state: &DeliveryState) -> Result<()> {
        self.guard.dispose(delivery, state)
    }

    /// Retires a delivery within a transaction, without settling it [4.4.2].
    ///
    /// The outcome applies when the transaction is committed. After a rollback, the delivery can be retired
    /// again or get an outcome.
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn retire(
        &self,
        delivery: DeliveryKey,
        transaction: TransactionId,
        outcome: impl Into<Outcome>,
    ) -> Result<()> {
        let outcome = outcome.into();
        let retire = |receiver: &mut ReceiverMut<'_>, delivery| {
            receiver.retire(delivery, transaction.clone(), outcome.clone())
        };
        self.guard.tell(delivery, None, retire)
    }

    /// Returns `true` if this end's coordinator has declared a transaction with this id on the connection, and it is not
    /// over.
    pub fn coordinates(&self, transaction: &TransactionId) -> bool {
        self.guard.hub().look(|state| state.engine.coordinates(transaction))
    }

    /// Settles a delivery without an outcome: the sender applies its default outcome.
    ///
    /// # Errors
    ///
    /// As [`dispose`](Self::dispose).
    pub fn settle(&self, delivery: DeliveryKey) -> Result<()> {
        self.guard.settle(delivery)
    }

    /// Waits until a delivery is settled at both ends.
    pub fn settled(this: &Self, delivery: DeliveryKey) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.guard.watch(move |state, slot| match state.present_key(slot, delivery) {
            Some(now) if state.engine.delivery(now).is_err() => {
                Poll::Ready(if state.is_stale(slot, delivery) { Err(Error::Gone) } else { Ok(()) })
            }
            _ => Poll::Pending,
        })
    }

    /// Sets the credit: the number of messages that the sender may send from now on.
    ///
    /// # Errors
    ///
    /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over.
    pub fn set_credit(&self, messages: u32) -> Result<()> {
        let slot = self.guard.slot;
        self.guard.hub().with(|state| state.grant(slot, Grant::Set(messages)))
    }

    /// Adds to the credit.
    ///
    /// # Errors
    ///
    /// As [`set_credit`](Self::set_credit).
    pub fn add_credit(&self, messages: u32) -> Result<()> {
        let slot = self.guard.slot;
        self.guard.hub().with(|state| state.grant(slot, Grant::Add(messages)))
    }

    /// Withdraws all credit.
    ///
    /// # Errors
    ///
    /// As [`set_credit`](Self::set_credit).
    pub fn stop(&self) -> Result<()> {
        let slot = self.guard.slot;
        self.guard.hub().with(|state| state.grant(slot, Grant::Stop))
    }

    /// Asks the sender to use its credit or return it, and waits until it has, within the reply timeout.
    ///
    /// # Errors
    ///
    /// As [`set_credit`](Self::set_credit).
    pub fn drain(this: &Self) -> Result<Wait<'_, W, impl Try<W, Result<()>>>> {
        let slot = this.guard.slot;
        this.guard.hub().with(|state| state.grant(slot, Grant::Drain))?;
        Ok(this.guard.watch(|state, slot| {
            let is_drained = state.links.get(slot).is_some_and(|link| link.is_drained);
            if is_drained { Poll::Ready(Ok(())) } else { Poll::Pending }
        }))
    }

    /// Returns the number of messages that the sender may still send.
    pub fn credit(&self) -> u32 {
        let slot = self.guard.slot;
        self.guard.hub().look(|state| state.receiver(slot).map_or(0, |receiver| receiver.credit()))
    }

    /// Returns the number of messages that are ready at the sender, as last announced.
    pub fn available(&self) -> u32 {
        let slot = self.guard.slot;
        self.guard.hub().look(|state| state.receiver(slot).map_or(0, |receiver| receiver.available()))
    }

    /// Returns the number of unsettled deliveries.
    pub fn unsettled(&self) -> u32 {
        self.guard.unsettled_len()
    }

    /// Releases the messages that have arrived and were not taken.
    fn release_untaken(&self) {
        self.guard.hub().with(|state| state.release_untaken(self.guard.slot));
    }

    /// Releases the messages that were not taken and withdraws all credit, before the link is closed, and waits a
    /// short time until no message is on the way. Later messages are returned in any case.
    ///
    /// # Errors
    ///
    /// As [`set_credit`](Self::set_credit).
    pub fn stop_before_close(this: &Self) -> Result<Wait<'_, W, impl Try<W, Result<()>>>> {
        this.release_untaken();
        let slot = this.guard.slot;
        this.guard.hub().with(|state| state.grant(slot, Grant::Stop))?;
        let stopped = this.guard.watch(|state, slot| {
            let is_stopped = state.links.get(slot).is_some_and(|link| link.is_stopped);
            if is_stopped { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        Ok(stopped.within(STOP_BEFORE_CLOSE))
    }

    /// Detaches or closes the link, and waits until the peer has done so, too. A close releases the messages that
    /// were not taken.
    pub fn end(this: &Self, ending: Ending) -> Wait<'_, W, impl Try<W, Result<()>>> {
        if let Ending::Close(_) = ending {
            this.release_untaken();
        }
        this.guard.end(ending)
    }

    /// Waits until the link is over, and returns the reason.
    pub fn closed(this: &Self) -> Wait<'_, W, impl Try<W, Error>> {
        this.guard.closed()
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

    /// Returns the address of the peer's source; of a dynamic source, the address of the new node.
    pub fn address(&self) -> Option<Str> {
        self.peer_attach()?.source?.address
    }

    /// Returns the peer's attach; `None` after the link is closed.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard.peer_attach()
    }
}

/// The messages of a receiver as they arrive, with a place in the line for them.
#[derive(Debug)]
pub struct NextDelivery<W: Wake> {
    receiver: Receiver<W>,
    ticket: Option<Ticket>,
    is_over: bool,
}

impl<W: Wake> NextDelivery<W> {
    /// Polls for the next message. The end of the link, if it was an error, is the last item; then `None` follows.
    pub fn poll(&mut self, waiter: &W) -> Poll<Option<Result<Delivery<W>>>> {
        let Self { receiver, ticket, is_over } = self;
        if *is_over {
            return Poll::Ready(None);
        }
        let line = LineId::Turn(receiver.guard.slot);
        let taken = receiver.guard.hub().attempt(line, ticket, waiter, |state| receiver.poll_take(state));
        taken.map(|taken| {
            *is_over = !matches!(taken, Ok(Some(_)));
            taken.transpose()
        })
    }
}

impl<W: Wake> Drop for NextDelivery<W> {
    fn drop(&mut self) {
        self.receiver.guard.hub().leave(LineId::Turn(self.receiver.guard.slot), &mut self.ticket);
    }
}

impl<W: Wake> LinkGuard<W> {
    pub(super) fn dispose(&self, delivery: DeliveryKey, outcome: &DeliveryState) -> Result<()> {
        self.tell(delivery, Some(outcome), |receiver, delivery| receiver.dispose(delivery, outcome))
    }

    pub(super) fn settle(&self, delivery: DeliveryKey) -> Result<()> {
        self.tell(delivery, None, |receiver, delivery| receiver.settle(delivery))
    }

    /// Sends a state of a delivery, also on a suspended link. An outcome that is kept until the link is resumed is given
    /// `later`.
    fn tell(
        &self,
        delivery: DeliveryKey,
        later: Option<&DeliveryState>,
        tell: impl Fn(&mut ReceiverMut<'_>, DeliveryKey) -> core::result::Result<(), SettleError>,
    ) -> Result<()> {
        self.hub().with_then(|state| {
            let receiver = state.receiver_key(self.slot).and_then(|key| state.engine.receiver(key).ok());
            let (told, is_last) = match receiver {
                Some(mut receiver) => {
                    (tell(&mut receiver, delivery).map_err(Error::from), !receiver.has_unread())
                }
                None => (Err(LinkError::Detached.into()), false),
            };
            // The sender may wait for the outcome of the last message at hand. Those of earlier ones are collected.
            let next = if is_last { Next::Write } else { Next::Other };
            let told = told.or_else(|error| state.tell_resumed(self.slot, delivery, later, &tell, error));
            // The end of the link is a better error than a refused command.
            (told.map_err(|error| state.better(self.slot, delivery, error)), next)
        })
    }
}
