//! [`Connection`]: the part of a connection's handle that does not wait.

use alloc::sync::Arc;
use core::task::Poll;

use super::adapter::Adapter;
use super::guard::ConnectionGuard;
use super::hub::Hub;
use super::offered::{Offer, OfferedSession};
use super::session::{Home, Session};
use super::state::{LineId, State};
use super::status::StatusChanges;
use super::wait::{Try, Wait};
use super::wake::Wake;
use crate::client::{CloseReason, Error, Result};
use crate::config::SessionOptions;
use crate::machine::{Metrics, Origin};
use crate::sasl::Identity;
use crate::types::Symbol;
use crate::wire::{self, Open};

/// A handle of a connection. The connection is closed when its last handle, and the last handle of an object
/// on it, is dropped.
#[derive(Debug)]
pub struct Connection<W: Wake> {
    guard: Arc<ConnectionGuard<W>>,
}

impl<W: Wake> Clone for Connection<W> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard) }
    }
}

impl<W: Wake> Connection<W> {
    /// Makes the first handle of a connection.
    pub fn new(hub: Arc<Hub<W>>) -> Self {
        Self { guard: Arc::new(ConnectionGuard { hub }) }
    }

    fn hub(&self) -> &Hub<W> {
        &self.guard.hub
    }

    /// Waits until both ends have opened the connection.
    pub fn opened(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.hub().wait(LineId::Connection, |state: &mut State<W>, _| match state.over() {
            Some(over) => Poll::Ready(Err(over)),
            None if state.is_open => Poll::Ready(Ok(())),
            None => Poll::Pending,
        })
    }

    /// Begins a session, without waiting for the peer's answer.
    ///
    /// # Errors
    ///
    /// `Error::Connection` if the connection is over, `Error::Begin` if the session cannot be begun.
    pub fn begin(this: &Self, options: SessionOptions) -> Result<Session<W>> {
        this.hub().with(|state| {
            let slot = state.begin(options)?;
            Ok(Session::new(&this.guard, state, slot, true))
        })
    }

    /// Returns the place for links without a session of their own.
    pub fn home(this: &Self) -> Home<W> {
        Home::shared(&this.guard)
    }

    /// Waits for the next session that the peer begins; `None` if the connection has ended without an error.
    pub fn next_session<A: Adapter<Waiter = W>>(
        this: &Self,
    ) -> Wait<'_, W, impl Try<W, Result<Option<OfferedSession<A>>>>> {
        this.hub().wait(LineId::Connection, |state: &mut State<W>, _| match state.offered.pop_front() {
            Some(slot) => Poll::Ready(Ok(Some(OfferedSession::new(&this.guard, state, slot)))),
            None => state.over().map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
        })
    }

    /// Waits for the next session that the peer begins, or the next link that it attaches on any session;
    /// `None` if the connection has ended without an error.
    ///
    /// An accepted session lasts until either end ends it.
    pub fn next_offer<A: Adapter<Waiter = W>>(
        this: &Self,
    ) -> Wait<'_, W, impl Try<W, Result<Option<Offer<A>>>>> {
        this.hub().wait(LineId::Connection, |state: &mut State<W>, _| match Offer::take(&this.guard, state) {
            Some(offer) => Poll::Ready(Ok(Some(offer))),
            None => state.over().map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
        })
    }

    /// Closes the connection, and waits until the peer has answered and the transport is closed.
    ///
    /// # Errors
    ///
    /// `Error::Connection` if the connection ended for another reason, or before all sent messages were
    /// written.
    pub fn close(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.hub().with(|state| state.close(None));
        this.hub().wait(LineId::Connection, |state: &mut State<W>, _| {
            let Some(over) = state.over().filter(|_| state.is_done) else { return Poll::Pending };
            let is_cut = state.is_cut && over.origin() == Some(Origin::Local);
            Poll::Ready(match over.or_end() {
                Ok(None::<()>) if is_cut => Err(Error::Connection(CloseReason::unwritten())),
                ended => ended.map(|_| ()),
            })
        })
    }

    /// Closes the connection at once, with an error for the peer, and waits until the peer has answered.
    ///
    /// # Errors
    ///
    /// `Error::Connection` if the connection ended for another reason.
    pub fn close_with(this: &Self, error: wire::AmqpError) -> Wait<'_, W, impl Try<W, Result<()>>> {
        this.hub().with(|state| state.close(Some(error)));
        this.hub().wait(LineId::Connection, |state: &mut State<W>, _| match state.over() {
            Some(over) if state.is_done => Poll::Ready(how_it_went(over, true)),
            _ => Poll::Pending,
        })
    }

    /// Waits until the connection is over and its output is written, and returns the reason.
    pub fn closed(this: &Self) -> Wait<'_, W, impl Try<W, CloseReason>> {
        this.hub().wait(LineId::Connection, |state: &mut State<W>, _| match &state.ended {
            Some(ended) if state.is_done => Poll::Ready(ended.clone()),
            _ => Poll::Pending,
        })
    }

    /// Returns the changes of the connection from now on, beginning with its present state.
    pub fn changes(this: &Self) -> StatusChanges<W> {
        StatusChanges::new(&this.guard.hub)
    }

    /// Returns the numbers of the connection: octets, deliveries, sessions and links.
    ///
    /// The totals go on when a lost connection is opened again. The rest is about the present transport. The time that
    /// this takes grows with the number of sessions.
    pub fn metrics(&self) -> Metrics {
        self.hub().look(|state| state.metrics())
    }

    /// Returns `true` if both ends have opened the connection and neither has closed it.
    pub fn is_open(&self) -> bool {
        self.hub().look(|state| state.engine.is_open())
    }

    /// Returns the peer's open, or `None` before it has arrived.
    pub fn peer_open(&self) -> Option<Open> {
        self.hub().look(|state| state.engine.peer_open())
    }

    /// Returns `true` if the peer offers this capability.
    pub fn offers(&self, capability: &Symbol) -> bool {
        self.peer_open().is_some_and(|open| open.offered_capabilities.contains(capability))
    }

    /// Returns the identity of the client, if this end is a server that has authenticated it.
    pub fn identity(&self) -> Option<Identity> {
        self.hub().look(|state| state.engine.identity().cloned())
    }
}

/// Returns the result of a close, an end or a detach. An end that this end requested with an error is no
/// failure.
pub(super) fn how_it_went(over: Error, was_told: bool) -> Result<()> {
    match over {
        over if was_told && over.origin() == Some(Origin::Local) => Ok(()),
        over => over.or_end().map(|_: Option<()>| ()),
    }
}
