//! [`Failure`]: an error that no method of the handler takes care of, which ends the container.

use core::fmt;

use super::context::Context;
use super::dispatcher::Dispatcher;
use super::key::{ConnectionKey, LinkKey, ListenerKey, SessionKey};
use crate::machine::Reason;

/// The connection, session, link or listener that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scope {
    /// A connection: it could not be made, its transport broke, or it was closed with an error.
    Connection(ConnectionKey),
    /// A session was refused, or ended with an error.
    Session(SessionKey),
    /// A link was refused, or detached with an error.
    Link(LinkKey),
    /// A listener cannot take connections.
    Listener(ListenerKey),
}

impl Scope {
    /// Narrower scopes come first.
    fn width(self) -> u8 {
        match self {
            Self::Link(_) => 0,
            Self::Session(_) => 1,
            Self::Connection(_) | Self::Listener(_) => 2,
        }
    }
}

/// An error that ends a container, since the handler has no method of its own for it: see [`Context::unhandled`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The connection, session, link or listener that failed.
    pub scope: Scope,
    /// Why it failed.
    pub reason: Reason,
    /// The connection that it is on; `None` for a listener.
    connection: Option<ConnectionKey>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match self.scope {
            Scope::Connection(_) => "connection",
            Scope::Session(_) => "session",
            Scope::Link(_) => "link",
            Scope::Listener(_) => "listener",
        };
        write!(f, "{scope}: {}", self.reason)
    }
}

impl core::error::Error for Failure {}

impl Context<'_> {
    /// Ends the container with an error: its connections are closed, its listeners and timers stopped, and its `run`
    /// returns the error. The first such error counts.
    ///
    /// This is what the `on_..._error` methods of a [`Handler`](super::Handler) do by default. An error on a connection
    /// that a listener has taken concerns that one client, and does not end the container. Neither does an error on a
    /// connection that the handler has closed.
    ///
    /// An error of a connection also ends its sessions and links, each of which is told first. A method for the wider
    /// error replaces what the narrower one has done: a handler that looks after its connections by
    /// [`on_transport_error`](super::Handler::on_transport_error) needs no method for the links that are lost with them.
    pub fn unhandled(&mut self, scope: Scope, reason: &Reason) {
        let all = &mut *self.all;
        let connection = match scope {
            Scope::Connection(key) => Some(key),
            Scope::Session(key) => Some(key.connection),
            Scope::Link(key) => all.links.get(key).map(|link| link.connection),
            Scope::Listener(_) => None,
        };
        let entry = connection.and_then(|key| all.connections.get(key.0));
        let is_ours = entry.is_none_or(|entry| !entry.is_taken && !entry.is_closing);
        if is_ours && all.failure.is_none() {
            all.failure = Some(Failure { scope, reason: reason.clone(), connection });
        }
    }
}

impl Dispatcher {
    /// Returns the error that ends the container, once one does. All connections have been told to close then.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().filter(|_| self.is_failed)
    }

    /// Takes back what a narrower error has brought about that has the same cause as one that is told next.
    pub(super) fn widen(&mut self, at: ConnectionKey, wider: Scope, reason: &Reason) {
        let is_told_next = |failure: &Failure| {
            failure.connection == Some(at)
                && failure.scope.width() < wider.width()
                && failure.reason.brief() == reason.brief()
        };
        if !self.is_failed && self.failure.as_ref().is_some_and(is_told_next) {
            self.failure = None;
        }
    }

    /// Ends everything, if there is an error that the handler does not look after. Returns whether that has begun now.
    pub(super) fn end_if_failed(&mut self) -> bool {
        let is_new = self.failure.is_some() && !self.is_failed;
        if is_new {
            self.is_failed = true;
            self.call(None, |cx| cx.stop());
        }
        is_new
    }
}
