//! [`Context`]: what a handler can do.

use alloc::vec::Vec;

use super::connection::Entry;
use super::dispatcher::{Action, Dispatcher, News};
use super::key::{ConnectionKey, LinkKey, ListenerKey, SessionKey};
use super::link::Ending;
use crate::machine::{LinkError, Reason, SessionError};
use crate::types::{Key, Moment, Str};
use crate::wire::AmqpError;

/// The calls by which a [`Handler`](super::Handler) acts.
///
/// What concerns the network, such as [`connect`](Self::connect), is asked of the container; all else is done at once.
/// What closes something while a message is handled accepts that message first, unless the handler has decided
/// otherwise.
#[derive(Debug)]
pub struct Context<'a> {
    pub(super) all: &'a mut Dispatcher,
    current: Option<ConnectionKey>,
}

impl<'a> Context<'a> {
    pub(super) fn new(all: &'a mut Dispatcher, current: Option<ConnectionKey>) -> Self {
        Self { all, current }
    }

    /// Returns the time of now.
    pub fn now(&self) -> Moment {
        self.all.now
    }

    /// Returns the connection on which something has happened; `None` for timers and the like.
    pub fn current(&self) -> Option<ConnectionKey> {
        self.current
    }

    /// Has a connection made. Links can be created on it at once.
    pub fn connect(&mut self, url: impl Into<Str>) -> ConnectionKey {
        let key = ConnectionKey(self.all.connections.insert(|_| Entry::default()).unwrap_or(NOTHING));
        self.all.requests.push_back(Action::Connect { connection: key, url: url.into() });
        key
    }

    /// Has connections taken that others make.
    pub fn listen(&mut self, address: impl Into<Str>) -> ListenerKey {
        let key = ListenerKey(self.all.listeners.insert(|_| ()).unwrap_or(NOTHING));
        self.all.requests.push_back(Action::Listen { listener: key, address: address.into() });
        key
    }

    /// Has no more connections taken; those there are stay. False if the listener was gone.
    pub fn close_listener(&mut self, listener: ListenerKey) -> bool {
        let is_there = self.all.listeners.remove(listener.0).is_some();
        if is_there {
            self.all.requests.push_back(Action::Unlisten(listener));
        }
        is_there
    }

    /// Has [`on_timer`](super::Handler::on_timer) called with this id after so many milliseconds. The same id may be
    /// scheduled more than once.
    pub fn schedule(&mut self, after_millis: u64, id: u64) {
        self.all.timers.set(self.all.now.after(after_millis), id);
    }

    /// Calls all off that is scheduled with this id.
    pub fn cancel(&mut self, id: u64) {
        self.all.timers.cancel(id);
    }

    /// Ends all: closes all connections and listeners and cancels all timers. The container is through when the peers
    /// have answered.
    pub fn stop(&mut self) {
        let listeners: Vec<Key> = self.all.listeners.keys().collect();
        for listener in listeners {
            self.close_listener(ListenerKey(listener));
        }
        self.all.timers.clear();
        let connections: Vec<Key> = self.all.connections.keys().collect();
        for connection in connections {
            self.close_connection(ConnectionKey(connection));
        }
    }

    /// Closes a connection. False if it is closed already.
    pub fn close_connection(&mut self, connection: ConnectionKey) -> bool {
        self.close(connection, None)
    }

    /// Closes a connection, and says why [2.7.9].
    pub fn close_connection_with(&mut self, connection: ConnectionKey, error: AmqpError) -> bool {
        self.close(connection, Some(error))
    }

    fn close(&mut self, key: ConnectionKey, error: Option<AmqpError>) -> bool {
        self.all.accept_undecided();
        let Some(entry) = self.all.connections.get_mut(key.0).filter(|entry| !entry.is_closing) else {
            return false;
        };
        let is_closing = match &mut entry.connection {
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
    pub fn close_session(&mut self, session: SessionKey) -> Result<(), SessionError> {
        self.all.end_session(session, None, Ending::Closed)
    }

    /// Ends a session, or refuses one that the peer wants, and says why [2.7.8].
    pub fn close_session_with(&mut self, session: SessionKey, error: AmqpError) -> Result<(), SessionError> {
        self.all.end_session(session, Some(error), Ending::Closed)
    }

    /// Closes a link for good. Nothing more is told of messages that come over it, and the sender learns by the end of
    /// the link that they have no outcome. Messages that wait to be sent are given back by
    /// [`on_unsent`](super::Handler::on_unsent).
    pub fn close_link(&mut self, link: impl Into<LinkKey>) -> Result<(), LinkError> {
        self.all.end_link(link.into(), None, Ending::Closed)
    }

    /// Closes a link, or refuses one that the peer wants, and says why [2.6.5].
    pub fn close_link_with(&mut self, link: impl Into<LinkKey>, error: AmqpError) -> Result<(), LinkError> {
        self.all.end_link(link.into(), Some(error), Ending::Closed)
    }

    /// Detaches a link, which can be attached again by its name.
    pub fn detach_link(&mut self, link: impl Into<LinkKey>) -> Result<(), LinkError> {
        self.all.accept_undecided();
        match link.into() {
            LinkKey::Sender(key) => self.sender(key).map_err(|_| LinkError::Detached)?.detach(),
            LinkKey::Receiver(key) => self.receiver(key).map_err(|_| LinkError::Detached)?.detach(),
        }
    }
}

/// Names nothing: keys have run out.
const NOTHING: Key = Key { index: u32::MAX, generation: u32::MAX };
