//! [`Failure`]: an error that no callback handles, which ends the container.

use core::fmt;

use super::context::Context;
use super::dispatcher::Dispatcher;
use super::token::{ConnectionToken, LinkToken, ListenerToken, SessionToken, TransactionToken};
use crate::machine::Reason;

/// The connection, session, link, transaction or listener of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureScope {
    /// A connection cannot be made, its transport has failed, or it was closed with an error.
    Connection(ConnectionToken),
    /// A session was refused, or ended with an error.
    Session(SessionToken),
    /// A link was refused, or detached with an error.
    Link(LinkToken),
    /// A transaction cannot be declared, or has failed and is rolled back.
    Transaction(TransactionToken),
    /// A transaction may be committed or rolled back.
    InDoubt(TransactionToken),
    /// A listener cannot accept connections.
    Listener(ListenerToken),
}

impl FailureScope {
    /// Returns the width of the scope; narrower scopes are reported first.
    fn width(self) -> u8 {
        match self {
            Self::Link(_) | Self::Transaction(_) | Self::InDoubt(_) => 0,
            Self::Session(_) => 1,
            Self::Connection(_) | Self::Listener(_) => 2,
        }
    }
}

/// An error that ends a container, since no callback handles it: see [`Context::unhandled`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The connection, session, link, transaction or listener that failed.
    pub scope: FailureScope,
    /// The reason of the failure.
    pub reason: Reason,
    /// The connection of the scope; `None` for a listener.
    connection: Option<ConnectionToken>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match self.scope {
            FailureScope::Connection(_) => "connection",
            FailureScope::Session(_) => "session",
            FailureScope::Link(_) => "link",
            FailureScope::Transaction(_) => "transaction",
            FailureScope::InDoubt(_) => "transaction in doubt",
            FailureScope::Listener(_) => "listener",
        };
        write!(f, "{scope}: {}", self.reason)
    }
}

impl core::error::Error for Failure {}

impl Context<'_> {
    /// Ends the container with an error: its connections are closed, its listeners and timers are stopped,
    /// and its `run` returns the error. The first error counts, except that a transaction in doubt comes before others.
    ///
    /// The `on_..._error` callbacks of a [`Handler`](super::Handler) do this by default. An error on a
    /// connection that a listener has accepted concerns one client only, and does not end the container; nor
    /// does an error on a connection that the handler has closed.
    ///
    /// An error of a connection also ends its sessions, links and transactions, which are reported first. A callback for
    /// the wider error replaces the effect of the narrower ones: a handler that implements
    /// [`on_transport_error`](super::Handler::on_transport_error) needs no callback for the links that are
    /// lost with the connection.
    pub fn unhandled(&mut self, scope: FailureScope, reason: &Reason) {
        let all = &mut *self.all;
        let connection = match scope {
            FailureScope::Connection(key) => Some(key),
            FailureScope::Session(key) => Some(key.connection),
            FailureScope::Link(key) => all.links.get(key).map(|link| link.connection),
            FailureScope::Transaction(key) | FailureScope::InDoubt(key) => Some(key.connection),
            FailureScope::Listener(_) => None,
        };
        let entry = connection.and_then(|key| all.connections.get(key.0));
        let is_ours = entry.is_none_or(|entry| !entry.is_taken && !entry.is_closing);
        let counts = match &all.failure {
            None => true,
            Some(Failure { scope: FailureScope::InDoubt(_), .. }) => false,
            // The errors of links and sessions that end with the same connection may come first.
            Some(_) => !all.is_failed && matches!(scope, FailureScope::InDoubt(_)),
        };
        if is_ours && counts {
            all.failure = Some(Failure { scope, reason: reason.clone(), connection });
        }
    }
}

impl Dispatcher {
    /// Returns the error that ends the container, if any. All connections are closing then.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().filter(|_| self.is_failed)
    }

    /// Withdraws the failure of a narrower scope if the wider scope, which is reported next, failed for the
    /// same reason. The error of a transaction does not tell the reason of its control link's end. A transaction in doubt
    /// is an error of its own.
    pub(super) fn widen(&mut self, at: ConnectionToken, wider: FailureScope, reason: &Reason) {
        let is_told_next = |failure: &Failure| {
            failure.connection == Some(at)
                && failure.scope.width() < wider.width()
                && match failure.scope {
                    FailureScope::Transaction(_) => reason.is_failure(),
                    FailureScope::InDoubt(_) => false,
                    _ => failure.reason.brief() == reason.brief(),
                }
        };
        if !self.is_failed && self.failure.as_ref().is_some_and(is_told_next) {
            self.failure = None;
        }
    }

    /// Stops the container if there is an unhandled error. Returns `true` if this call has stopped it.
    pub(super) fn end_if_failed(&mut self) -> bool {
        let is_new = self.failure.is_some() && !self.is_failed;
        if is_new {
            self.is_failed = true;
            self.call(None, |cx| cx.stop());
        }
        is_new
    }
}
