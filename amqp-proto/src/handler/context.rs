//! [`Context`]: the commands of a handler.

use alloc::vec::Vec;
use core::time::Duration;

use super::connection::Entry;
use super::dispatcher::{Action, Dispatcher, News};
use super::link::EndState;
use super::lost::Reopening;
use super::token::{ConnectionToken, LinkToken, ListenerToken, SessionToken};
use crate::machine::{LinkError, Reason, SessionError};
use crate::types::{Key, Moment, Str, whole_millis};
use crate::wire::AmqpError;

/// The commands of a [`Handler`](super::Handler).
///
/// Commands about the network, such as [`connect`](Self::connect), are requests to the container; all others
/// take effect at once. A command that closes something during `on_message` first accepts the message, unless
/// the handler has decided about it.
#[derive(Debug)]
pub struct Context<'a> {
    pub(super) all: &'a mut Dispatcher,
    current: Option<ConnectionToken>,
}

impl<'a> Context<'a> {
    pub(super) fn new(all: &'a mut Dispatcher, current: Option<ConnectionToken>) -> Self {
        Self { all, current }
    }

    /// Returns the current time.
    pub fn now(&self) -> Moment {
        self.all.now
    }

    /// Returns the connection of the current callback; `None` for timers and similar callbacks.
    pub fn current(&self) -> Option<ConnectionToken> {
        self.current
    }

    /// Requests a connection. Links can be created on it at once.
    ///
    /// # Examples
    ///
    /// The example of [`Handler`](super::Handler) connects.
    pub fn connect(&mut self, url: impl Into<Str>) -> ConnectionToken {
        let key = ConnectionToken(self.all.connections.insert(|_| Entry::default()).unwrap_or(NOTHING));
        self.all.requests.push_back(Action::Connect { connection: key, url: url.into() });
        key
    }

    /// Requests a listener that accepts connections at this address.
    pub fn listen(&mut self, address: impl Into<Str>) -> ListenerToken {
        let key = ListenerToken(self.all.listeners.insert(|_| ()).unwrap_or(NOTHING));
        self.all.requests.push_back(Action::Listen { listener: key, address: address.into() });
        key
    }

    /// Closes a listener; its connections stay. Returns `false` if the listener does not exist.
    pub fn close_listener(&mut self, listener: ListenerToken) -> bool {
        let is_there = self.all.listeners.remove(listener.0).is_some();
        if is_there {
            self.all.requests.push_back(Action::Unlisten(listener));
        }
        is_there
    }

    /// Sets a timer: [`on_timer`](super::Handler::on_timer) is called with `id` after this time, in
    /// whole milliseconds and at most 49 days.
    ///
    /// Several timers may have the same id.
    pub fn schedule(&mut self, after: Duration, id: u64) {
        self.all.timers.set(self.all.now.after(whole_millis(after).into()), id);
    }

    /// Cancels all timers with this id.
    pub fn cancel(&mut self, id: u64) {
        self.all.timers.cancel(id);
    }

    /// Closes all connections and listeners, and cancels all timers. The container ends when the peers have
    /// answered.
    pub fn stop(&mut self) {
        let listeners: Vec<Key> = self.all.listeners.keys().collect();
        for listener in listeners {
            self.close_listener(ListenerToken(listener));
        }
        self.all.timers.clear();
        let connections: Vec<Key> = self.all.connections.keys().collect();
        for connection in connections {
            self.close_connection(ConnectionToken(connection));
        }
    }

    /// Closes a connection. Returns `false` if it is already closed.
    pub fn close_connection(&mut self, connection: ConnectionToken) -> bool {
        self.close(connection, None)
    }

    /// Closes a connection with an error for the peer [2.7.9]. Returns `false` if it is already closed.
    pub fn close_connection_with(&mut self, connection: ConnectionToken, error: AmqpError) -> bool {
        self.close(connection, Some(error))
    }

    fn close(&mut self, key: ConnectionToken, error: Option<AmqpError>) -> bool {
        self.all.accept_undecided();
        let is_ending = self.all.is_ending(key);
        let Some(entry) = self.all.connections.get_mut(key.0).filter(|entry| !entry.is_closing) else {
            return false;
        };
        let is_lost = is_ending || matches!(entry.reopening, Reopening::Lost(_));
        let is_closing = match &mut entry.connection {
            // The handler learns that it is closed when its engine is done.
            Some(_) if is_lost => true,
            Some(connection) => match error {
                Some(error) => connection.close_with(error),
                None => connection.close(),
            },
            None => {
                self.all.news.push_back(News::NotConnected(key, Reason::local(error)));
                true
            }
        };
        entry.is_closing |= is_closing;
        let _ = self.all.live(key);
        is_closing
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] if the session has ended, [`SessionError::NotOpen`] if the connection is not
    /// open.
    pub fn close_session(&mut self, session: SessionToken) -> Result<(), SessionError> {
        self.all.end_session(session, None, EndState::Closed)
    }

    /// Ends a session with an error for the peer, or refuses a session that the peer has begun [2.7.8].
    ///
    /// # Errors
    ///
    /// As [`close_session`](Self::close_session).
    pub fn close_session_with(
        &mut self,
        session: SessionToken,
        error: AmqpError,
    ) -> Result<(), SessionError> {
        self.all.end_session(session, Some(error), EndState::Closed)
    }

    /// Closes a link for good.
    ///
    /// Messages that arrive later are not reported; for the sender they have no outcome. Queued messages are
    /// returned by [`on_unsent`](super::Handler::on_unsent).
    ///
    /// # Errors
    ///
    /// [`LinkError::Detached`] if the link is closed or detached, [`LinkError::NoSession`] if its session or
    /// connection is over.
    pub fn close_link(&mut self, link: impl Into<LinkToken>) -> Result<(), LinkError> {
        self.all.end_link(link.into(), None, EndState::Closed)
    }

    /// Closes a link with an error for the peer, or refuses a link that the peer has attached [2.6.5].
    ///
    /// # Errors
    ///
    /// As [`close_link`](Self::close_link).
    pub fn close_link_with(&mut self, link: impl Into<LinkToken>, error: AmqpError) -> Result<(), LinkError> {
        self.all.end_link(link.into(), Some(error), EndState::Closed)
    }

    /// Detaches a link, which can be attached again by its name.
    ///
    /// # Errors
    ///
    /// As [`close_link`](Self::close_link).
    pub fn detach_link(&mut self, link: impl Into<LinkToken>) -> Result<(), LinkError> {
        self.all.accept_undecided();
        match link.into() {
            LinkToken::Sender(key) => self.sender(key).map_err(|_| LinkError::Detached)?.detach(),
            LinkToken::Receiver(key) => self.receiver(key).map_err(|_| LinkError::Detached)?.detach(),
        }
    }
}

/// The key of a token that names nothing, for the case that all keys are in use.
const NOTHING: Key = Key { index: u32::MAX, generation: u32::MAX };
