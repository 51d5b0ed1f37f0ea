//! [`WebSocketError`]: what was wrong with a WebSocket. Needs the feature `websocket`.

use std::fmt;
use std::io;

use super::kind::ErrorKind;
use crate::types::Str;

/// The error of a WebSocket: see [`Error::websocket`](super::Error::websocket).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The URL cannot be that of a WebSocket.
    Url,
    /// A header of [`WebSocketOptions`](super::WebSocketOptions) is malformed, or one of the handshake itself.
    Header(Str),
    /// The server has answered with this HTTP status, and not with 101.
    Status(u16),
    /// The server's answer names no sub-protocol, and this one is required.
    NoSubProtocol(Str),
    /// The server's answer names a sub-protocol other than this one.
    OtherSubProtocol(Str),
    /// The client does not offer this sub-protocol.
    NotOffered(Str),
    /// The peer's request or answer is not that of a WebSocket, for this reason.
    Handshake(Str),
    /// The peer has sent a text message; AMQP is sent in binary messages.
    Text,
    /// The client has sent a frame that is not masked.
    Unmasked,
    /// The server has sent a masked frame.
    Masked,
    /// The peer has sent a message, or a part of one, that makes it larger than this end accepts.
    #[non_exhaustive]
    TooLarge {
        /// The size so far, in octets.
        size: usize,
        /// The largest size that this end accepts, in octets.
        limit: usize,
    },
    /// The peer has broken another rule of WebSocket.
    Violation(Str),
    /// The peer has closed the WebSocket with an error.
    #[non_exhaustive]
    Closed {
        /// The status code of the close.
        code: u16,
        /// The reason in the close, a text for people.
        reason: Str,
    },
}

impl WebSocketError {
    /// Returns the error of a message that is larger than this end accepts.
    pub fn too_large(size: usize, limit: usize) -> Self {
        Self::TooLarge { size, limit }
    }

    /// Returns the error of a WebSocket that the peer has closed with this status code and reason.
    pub fn closed(code: u16, reason: impl Into<Str>) -> Self {
        Self::Closed { code, reason: reason.into() }
    }

    /// Returns `true` if the same attempt may succeed later without any change.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            // Going away, abnormal, internal error, restart, try again later, bad gateway.
            Self::Closed { code, .. } => matches!(code, 1001 | 1006 | 1011..=1014),
            _ => false,
        }
    }

    /// Returns the error as the error of a stream. The URL of the server, if there is one, is part of the text.
    pub fn into_io(self, url: Option<&Str>) -> io::Error {
        let kind = match &self {
            _ if self.is_transient() => io::ErrorKind::ConnectionAborted,
            Self::Url | Self::Header(_) => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, WebSocketFailure { error: self, url: url.cloned() })
    }

    /// Returns the error of a WebSocket inside the error of a stream, if it is one.
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        let failure: &WebSocketFailure = error.get_ref()?.downcast_ref()?;
        Some(&failure.error)
    }

    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Url | Self::Header(_) => ErrorKind::InvalidInput,
            Self::Status(401 | 403 | 407) => ErrorKind::NotPermitted,
            Self::Status(404 | 410) => ErrorKind::NotFound,
            _ if self.is_transient() => ErrorKind::Transport,
            _ => ErrorKind::Protocol,
        }
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the URL cannot be that of a WebSocket"),
            Self::Header(name) => {
                write!(f, "the header {name:?} is malformed, or one of the handshake itself")
            }
            Self::Status(status) => {
                write!(f, "the server answered with the HTTP status {status}, not with 101")
            }
            Self::NoSubProtocol(name) => {
                write!(f, "the server's answer names no sub-protocol, and {name:?} is required")
            }
            Self::OtherSubProtocol(name) => {
                write!(f, "the server's answer names a sub-protocol other than {name:?}")
            }
            Self::NotOffered(name) => write!(f, "the client does not offer the sub-protocol {name:?}"),
            Self::Handshake(why) => write!(f, "the peer's handshake is not that of a WebSocket: {why}"),
            Self::Text => f.write_str("the peer sent a text message; AMQP is sent in binary messages"),
            Self::Unmasked => f.write_str("the client sent a frame that is not masked"),
            Self::Masked => f.write_str("the server sent a masked frame"),
            Self::TooLarge { size, limit } => {
                write!(f, "the peer sent a message of {size} octets or more, and {limit} are accepted")
            }
            Self::Violation(why) => write!(f, "the peer broke a rule: {why}"),
            Self::Closed { code, reason } => {
                write!(f, "the peer closed it with the status {code}")?;
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
        }
    }
}

impl std::error::Error for WebSocketError {}

/// The error of a WebSocket inside an [`io::Error`].
#[derive(Debug)]
struct WebSocketFailure {
    error: WebSocketError,
    url: Option<Str>,
}

impl fmt::Display for WebSocketFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocket: {}", self.error)?;
        self.url.as_ref().map_or(Ok(()), |url| write!(f, " ({url})"))
    }
}

impl std::error::Error for WebSocketFailure {}

#[cfg(test)]
mod tests {
    use super::WebSocketError;
    use crate::client::{CloseReason, Error, ErrorKind};
    use crate::machine::{Origin, Reason};
    use crate::types::Str;

    #[test]
    fn an_error_says_what_it_calls_for() {
        for (error, kind, is_transient) in [
            (WebSocketError::Header("Host".into()), ErrorKind::InvalidInput, false),
            (WebSocketError::Status(403), ErrorKind::NotPermitted, false),
            (WebSocketError::Status(404), ErrorKind::NotFound, false),
            (WebSocketError::Status(200), ErrorKind::Protocol, false),
            (WebSocketError::Status(503), ErrorKind::Transport, true),
            (WebSocketError::NoSubProtocol("amqp".into()), ErrorKind::Protocol, false),
            (WebSocketError::Text, ErrorKind::Protocol, false),
            (WebSocketError::closed(1002, ""), ErrorKind::Protocol, false),
            (WebSocketError::closed(1013, ""), ErrorKind::Transport, true),
        ] {
            let opening = Error::from(error.clone().into_io(None));
            let reason = Reason { origin: Origin::Transport, error: None, cause: None };
            let ended = Error::Connection(CloseReason::new(reason, Some(error.clone().into_io(None).into())));
            for told in [opening, ended] {
                assert_eq!(told.websocket(), Some(&error));
                assert_eq!((told.kind(), told.is_transient()), (kind, is_transient), "{told}");
            }
        }
    }

    #[test]
    fn the_text_names_the_url() {
        let url = Str::from("ws://a.example:80");
        let error = Error::from(WebSocketError::Status(404).into_io(Some(&url)));
        assert_eq!(
            error.to_string(),
            "WebSocket: the server answered with the HTTP status 404, not with 101 (ws://a.example:80)"
        );
        let closed = WebSocketError::closed(1008, "no token").to_string();
        assert_eq!(closed, "the peer closed it with the status 1008: no token");
    }
}
