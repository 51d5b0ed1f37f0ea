//! [`CloseReason`]: the end of a connection, a session or a link.

use std::fmt;
use std::io;
use std::sync::Arc;

#[cfg(feature = "websocket")]
use super::websocket_error::WebSocketError;
use crate::machine::{Cause, Origin, Reason};
use crate::policy::{Prospect, Scope, classify};
use crate::sasl::SaslFailure;
use crate::types::{Fields, Str};
use crate::wire::{self, SaslCode};

/// The end of a connection, a session or a link: the end that caused it, and the error. Cheap to clone.
#[derive(Clone)]
pub struct CloseReason(Arc<Story>);

#[derive(Clone)]
struct Story {
    reason: Reason,
    io: Option<Arc<io::Error>>,
    url: Option<Str>,
}

impl CloseReason {
    /// Returns an end with the engine's reason, and the transport's error, which is kept if the transport is
    /// the reason.
    pub fn new(reason: Reason, io: Option<Arc<io::Error>>) -> Self {
        let io = io.filter(|_| reason.origin == Origin::Transport);
        Self(Arc::new(Story { reason, io, url: None }))
    }

    /// Returns the end of a connection that this end closed before all output was written.
    pub fn unwritten() -> Self {
        Self::new(Reason::unwritten(), None)
    }

    /// Adds the peer's URL, for the text. The URL must contain no secret, as that of
    /// [`ConnectionOptions::url`].
    ///
    /// [`ConnectionOptions::url`]: super::ConnectionOptions::url
    #[must_use]
    pub fn with_url(mut self, url: Option<Str>) -> Self {
        Arc::make_mut(&mut self.0).url = url;
        self
    }

    /// Returns the end that ended the connection, session or link.
    pub fn origin(&self) -> Origin {
        self.0.reason.origin
    }

    /// Returns the error in the close, end or detach; `None` if nothing was wrong, or if the transport
    /// failed.
    pub fn error(&self) -> Option<&wire::AmqpError> {
        self.0.reason.error.as_ref()
    }

    /// Returns the condition of the error.
    pub fn condition(&self) -> Option<&wire::Condition> {
        Some(&self.error()?.condition)
    }

    /// Returns the description of the error, a text for people.
    pub fn description(&self) -> Option<&Str> {
        self.error()?.description.as_ref()
    }

    /// Returns the info of the error, for programs, such as the address of a redirect.
    pub fn info(&self) -> Option<&Fields> {
        Some(&self.error()?.info)
    }

    /// Returns the cause that this end has found, if no condition expresses it.
    pub fn cause(&self) -> Option<&Cause> {
        self.0.reason.cause.as_ref()
    }

    /// Returns the SASL failure, if SASL did not authenticate the client.
    pub fn sasl(&self) -> Option<&SaslFailure> {
        match self.cause() {
            Some(Cause::Sasl(failure)) => Some(failure),
            _ => None,
        }
    }

    /// Returns the error of the WebSocket, if it has ended the connection.
    #[cfg(feature = "websocket")]
    pub fn websocket(&self) -> Option<&WebSocketError> {
        WebSocketError::of(self.io()?)
    }

    /// Returns `true` if something was wrong: there is an error, or the transport failed.
    pub fn is_failure(&self) -> bool {
        self.0.reason.is_failure()
    }

    /// Returns `true` if the same attempt may succeed later.
    pub(super) fn is_transient(&self, scope: Scope) -> bool {
        #[cfg(feature = "websocket")]
        if let Some(error) = self.websocket() {
            return error.is_transient();
        }
        classify(scope, &self.0.reason) == Prospect::Passing
    }

    /// Returns the peer's URL, without user and password, if this end connected by URL.
    pub fn url(&self) -> Option<&Str> {
        self.0.url.as_ref()
    }

    /// Returns the error of the operating system, of TLS or of a WebSocket, if the transport failed.
    pub fn io(&self) -> Option<&io::Error> {
        self.0.io.as_deref()
    }
}

impl fmt::Debug for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.reason.cause.as_ref(), self.io()) {
            // The system's error says more than "the transport ended".
            (Some(Cause::Transport(_)) | None, Some(error)) => write!(f, "the transport failed: {error}")?,
            _ => write!(f, "{}", self.0.reason)?,
        }
        if let Some(url) = self.url() {
            write!(f, " ({url})")?;
        }
        self.hint().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl CloseReason {
    /// Returns advice for likely mistakes.
    fn hint(&self) -> Option<&'static str> {
        if self.sasl().is_some_and(|failure| failure.code() == Some(SaslCode::Auth)) {
            return Some("check the user, the password, and the user's permissions on the server");
        }
        let words = self.description().map(Str::as_str).unwrap_or_default();
        words.contains("amqp_address_v1_not_permitted").then_some(
            "this broker expects addresses such as /queues/NAME and /exchanges/NAME/KEY, percent-encoded; in a URL the \
             path is //queues/NAME",
        )
    }
}
