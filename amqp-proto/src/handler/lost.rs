//! Connections that are lost and opened again: the links that a handler has created on them stay.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::callbacks::Handler;
use super::dispatcher::{Action, Dispatcher, News};
use super::failure::FailureScope;
use super::link::{AttachState, EndState, Wanted};
use super::token::{ConnectionToken, LinkToken};
use crate::connection::Connection;
use crate::machine::{Event, Reason, StaleKey};
use crate::types::{self, Str};

/// The way of a connection that is opened again when it is lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Reopening {
    /// It is over when it is lost.
    #[default]
    Never,
    /// It will be opened again.
    Planned,
    /// It is lost for this reason. Its engine is there until the last output is written.
    Lost(Box<Reason>),
}

impl Dispatcher {
    /// Makes a connection one that is opened again when it is lost. Call it before the connection is made.
    ///
    /// When it is lost, and [removed](Self::remove), [`Action::Reconnect`] asks for another engine. The handler's token
    /// stays the same, and so do the tokens of the links that the handler has created on the connection: these are
    /// attached again, and their queued messages go out then. Sessions and links of the peer end, and so do deliveries,
    /// except those of links with a [`Recovery`](crate::policy::Recovery) that keeps them.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the handler has closed the connection.
    pub fn reopen(&mut self, key: ConnectionToken) -> Result<(), StaleKey> {
        let entry = self.connections.get_mut(key.0).filter(|entry| !entry.is_closing).ok_or(StaleKey)?;
        entry.reopening = Reopening::Planned;
        Ok(())
    }

    /// Returns `true` if the handler's connection is not over.
    pub fn has(&self, key: ConnectionToken) -> bool {
        self.connections.get(key.0).is_some()
    }

    /// Returns `true` if a connection is to be made: for the first time, or again.
    pub fn is_wanted(&self, key: ConnectionToken) -> bool {
        let entry = self.connections.get(key.0);
        entry.is_some_and(|entry| entry.connection.is_none() && !entry.is_closing)
    }

    /// Reports an attempt to open a lost connection again, at this address. The first one has the number 1.
    pub fn reconnecting(&mut self, key: ConnectionToken, attempt: u32, address: impl Into<Str>) {
        if self.is_wanted(key) {
            self.news.push_back(News::Reconnecting(key, attempt, address.into()));
        }
    }

    /// Returns `true` if a connection has ended and the end is not reported yet, of one that is opened again.
    pub(super) fn is_ending(&self, key: ConnectionToken) -> bool {
        let entry = self.connections.get(key.0).filter(|entry| entry.reopening == Reopening::Planned);
        entry.and_then(|entry| entry.connection.as_ref()).is_some_and(Connection::is_over)
    }

    /// Handles the last events of a connection that is opened again, unless the handler has closed it or it was never
    /// open.
    pub(super) fn tell_last<H: Handler + ?Sized>(&mut self, handler: &mut H, at: ConnectionToken) {
        let events: Vec<Event> = core::iter::from_fn(|| self.poll_event(at)).collect();
        let Some(entry) = self.connections.get_mut(at.0) else { return };
        let reason = match events.last() {
            Some(Event::Closed(reason)) if !entry.is_closing && (entry.is_open || entry.was_open) => {
                reason.clone()
            }
            _ => return events.into_iter().for_each(|event| self.tell(handler, at, event)),
        };
        if !entry.is_open {
            // An attempt has failed: nothing was on the connection.
            entry.reopening = Reopening::Lost(reason);
            return;
        }
        let ended = reason.brief();
        for event in events {
            match event {
                // They are sent again, unless their link has ended before.
                Event::Lost { delivery, .. } if self.is_kept(at, delivery) => {}
                Event::LinkDetached { link, reason, .. }
                    if *reason == ended && self.waits_again(at, link) => {}
                Event::SessionEnded { session, reason } if *reason == ended && self.is_own(at, session) => {}
                Event::Closed(reason) => self.tell_connection_lost(handler, at, &reason),
                event => self.tell(handler, at, event),
            }
        }
    }

    /// Has a link attached again on the next connection. Returns `false` if it ends with this one.
    fn waits_again(&mut self, at: ConnectionToken, attached: types::LinkKey) -> bool {
        let key = self.link(at, attached);
        let Some(link) = self.links.get_mut(key).filter(|link| link.end == EndState::Open) else {
            return false;
        };
        let Some(recipe) = link.recipe.clone() else { return false };
        (link.place, link.is_asked) = (AttachState::Waiting(recipe), true);
        if let Some(entry) = self.connections.get_mut(at.0) {
            entry.waiting.push(key);
        }
        self.queue_again(key);
        true
    }

    fn is_own(&self, at: ConnectionToken, session: types::SessionKey) -> bool {
        self.connections.get(at.0).is_some_and(|entry| entry.is_own(session))
    }

    fn tell_connection_lost<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        reason: &Reason,
    ) {
        let Some(entry) = self.connections.get_mut(at.0) else { return };
        entry.reopening = Reopening::Lost(Box::new(reason.clone()));
        let gone: Vec<LinkToken> = entry.leave_engine();
        gone.into_iter().for_each(|link| drop(self.links.remove(link)));
        // Links and sessions that end with the connection end no container.
        self.widen(at, FailureScope::Connection(at), reason);
        self.call(Some(at), |cx| handler.on_connection_lost(cx, at, reason));
    }

    /// Returns `true` if a connection is lost, and its engine is still there.
    pub(super) fn is_lost(&self, key: ConnectionToken) -> bool {
        let entry = self.connections.get(key.0);
        entry.is_some_and(|entry| matches!(entry.reopening, Reopening::Lost(_)))
    }

    /// Returns the options to attach a link again, if its connection is opened again.
    pub(super) fn recipe(&self, at: ConnectionToken, wanted: &Wanted) -> Option<Box<Wanted>> {
        let entry = self.connections.get(at.0).filter(|entry| entry.reopening != Reopening::Never);
        entry.map(|_| Box::new(wanted.clone()))
    }

    /// Records that a connection is open. Returns `true` if it was open before.
    pub(super) fn is_open_again(&mut self, key: ConnectionToken) -> bool {
        let Some(entry) = self.connections.get(key.0).filter(|entry| entry.reopening != Reopening::Never)
        else {
            return false;
        };
        self.requests.push_back(Action::Opened(key));
        entry.was_open
    }

    /// Takes the engine of a lost connection, and asks for another one.
    pub(super) fn take_lost(&mut self, key: ConnectionToken) -> Option<Connection> {
        let entry = self.connections.get_mut(key.0)?;
        let connection = entry.connection.take();
        let Reopening::Lost(reason) = core::mem::take(&mut entry.reopening) else { return connection };
        // From here on it is like one that was never made, but its links wait.
        entry.reopening = Reopening::Planned;
        let is_closing = entry.is_closing;
        if let Some(at) = entry.deadline.take() {
            self.deadlines.remove(&(at, key));
        }
        if is_closing {
            self.news.push_back(News::NotConnected(key, Reason::local(None)));
        } else {
            self.requests.push_back(Action::Reconnect(key, reason));
        }
        connection
    }
}
