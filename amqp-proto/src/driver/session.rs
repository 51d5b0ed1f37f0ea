//! [`Session`]: the part of a session's handle that does not wait.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use core::task::Poll;
use std::sync::Mutex;

use super::adapter::Adapter;
use super::connection::how_it_went;
use super::guard::{ConnectionGuard, SessionGuard};
use super::offered::OfferedLink;
use super::sender::Sender;
use super::state::{LineId, State};
use super::wait::{Attempt, Try, Wait};
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::config::SessionOptions;
use crate::types::Key;
use crate::wire::{self, Begin};

/// A handle of a session. The session ends when its last handle, and the last handle of a link on it, is
/// dropped.
#[derive(Debug)]
pub struct Session<W: Wake> {
    pub(super) guard: Arc<SessionGuard<W>>,
    /// The link to the coordinator of transactions, once there was a transaction.
    pub(super) control: Arc<Mutex<Option<Sender<W>>>>,
}

impl<W: Wake> Clone for Session<W> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard), control: Arc::clone(&self.control) }
    }
}

impl<W: Wake> Session<W> {
    pub(super) fn new(
        connection: &Arc<ConnectionGuard<W>>,
        state: &mut State<W>,
        slot: Key,
        is_owned: bool,
    ) -> Self {
        let guard = SessionGuard::new(connection, state, slot, is_owned);
        Self { guard: Arc::new(guard), control: Arc::default() }
    }

    /// Returns a handle that does not end the session on drop.
    pub(super) fn leave(self) -> Self {
        self.guard.is_owned.store(false, Ordering::Relaxed);
        self
    }

    /// Waits until the peer has begun the session, too.
    pub fn begun(this: &Self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        let slot = this.guard.slot;
        let attempt = move |state: &mut State<W>, at: Attempt| match state.session_over(slot) {
            Some(over) => Poll::Ready(Err(over)),
            None if state.sessions.get(slot).is_some_and(|session| session.is_begun) => {
                state.establish_session(slot);
                Poll::Ready(Ok(()))
            }
            None if at.is_late => Poll::Ready(Err(Error::TimedOut)),
            None => Poll::Pending,
        };
        this.guard.hub().wait(LineId::Session(slot), attempt).for_reply()
    }

    /// Accepts a session that the peer has begun.
    pub(super) fn accept(&self, options: SessionOptions) -> Result<()> {
        let slot = self.guard.slot;
        self.guard.hub().with(|state| Ok(state.session(slot)?.accept(options)?))
    }

    /// Waits for the next link that the peer attaches; `None` if the session has ended without an error.
    pub fn next_link<A: Adapter<Waiter = W>>(
        this: &Self,
    ) -> Wait<'_, W, impl Try<W, Result<Option<OfferedLink<A>>>>> {
        let slot = this.guard.slot;
        this.guard.hub().wait(LineId::Session(slot), move |state: &mut State<W>, _| {
            let offered = state.sessions.get_mut(slot).and_then(|session| session.offered.pop_front());
            match offered.and_then(|link| OfferedLink::new(&this.guard, state, link)) {
                Some(link) => Poll::Ready(Ok(Some(link))),
                None => state.session_over(slot).map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
            }
        })
    }

    /// Ends the session, with or without an error for the peer, and waits until the peer has answered.
    pub fn end(this: &Self, error: Option<wire::AmqpError>) -> Wait<'_, W, impl Try<W, Result<()>>> {
        let was_told = error.is_some();
        // If the session is over, only the wait remains.
        let _ = this.begin_end(error);
        let slot = this.guard.slot;
        let attempt = move |state: &mut State<W>, at: Attempt| match state.session_over(slot) {
            Some(over) => Poll::Ready(how_it_went(over, was_told)),
            None if at.is_late => Poll::Ready(Err(Error::TimedOut)),
            None => Poll::Pending,
        };
        this.guard.hub().wait(LineId::Session(slot), attempt).for_reply()
    }

    /// Ends the session, unless it is over, without waiting for the peer's answer.
    pub(super) fn begin_end(&self, error: Option<wire::AmqpError>) -> Result<()> {
        let slot = self.guard.slot;
        self.guard.hub().with(|state| {
            state.leave_session(slot);
            match (state.session(slot), error) {
                (Ok(mut session), Some(error)) => session.end_with(error).map_err(Error::from),
                (Ok(mut session), None) => session.end().map_err(Error::from),
                (Err(_), _) => Ok(()),
            }
        })
    }

    /// Returns the peer's begin; `None` before it has arrived and after the end.
    pub fn peer_begin(&self) -> Option<Begin> {
        let slot = self.guard.slot;
        self.guard.hub().look(|state| state.session(slot).ok()?.peer_begin())
    }

    /// Returns the place for links on this session.
    pub fn home(this: &Self) -> Home<W> {
        Home { connection: Arc::clone(&this.guard.connection), session: Some(Arc::clone(&this.guard)) }
    }
}

/// The place where a link is attached: a session, or the shared session of a connection.
#[derive(Debug)]
pub struct Home<W: Wake> {
    connection: Arc<ConnectionGuard<W>>,
    /// `None` for the shared session.
    session: Option<Arc<SessionGuard<W>>>,
}

impl<W: Wake> Clone for Home<W> {
    fn clone(&self) -> Self {
        Self { connection: Arc::clone(&self.connection), session: self.session.clone() }
    }
}

impl<W: Wake> Home<W> {
    pub(super) fn shared(connection: &Arc<ConnectionGuard<W>>) -> Self {
        Self { connection: Arc::clone(connection), session: None }
    }

    pub(super) fn session(&self) -> Result<Arc<SessionGuard<W>>> {
        if let Some(session) = &self.session {
            return Ok(Arc::clone(session));
        }
        self.connection.hub.with(|state| {
            let slot = state.shared_session()?;
            Ok(Session::new(&self.connection, state, slot, false).guard)
        })
    }
}
