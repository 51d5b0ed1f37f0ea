//! [`AddressError`]: the error of a URL that is not a broker's URL.

use std::fmt;

use fluent_uri::{ParseError, ParseErrorKind};

const ENCODE: &str = "percent-encode '/', '?', '#' and '@' in the user and the password ('#' as %23)";

/// The error of a URL that is not a broker's URL. It contains no part of the URL, so no password is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is not a URL.
    Url(UrlError),
    /// The URL does not begin with `amqp://`, `amqps://`, `ws://` or `wss://`.
    Scheme,
    /// The URL has no host.
    Host,
    /// A percent-encoded part is not UTF-8.
    Utf8,
    /// The URL requires TLS, and this build has no TLS.
    NoTls,
    /// The URL requires WebSocket, and this build has no WebSocket: `amqp-tokio` has it with its feature `websocket`,
    /// `amqp-blocking` has none.
    NoWebSocket,
    /// The URL has a password and no user.
    NoUser,
    /// The URL has a query: a part that begins with `?`.
    Query,
    /// The URL has a fragment: a part that begins with `#`.
    Fragment,
    /// The URL has an `@` after the host: a character in the password that is not percent-encoded ends the
    /// host.
    At,
    /// The URL has an IPv6 address without brackets.
    Brackets,
    /// The text is a list of addresses, and one address is expected.
    Several,
    /// The list of addresses is malformed.
    List,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "not a URL: {error}"),
            Self::Several => f.write_str("several addresses, where one is expected"),
            Self::List => {
                f.write_str("a list of addresses is written amqp://a,b or failover:(amqp://a,amqps://b)")
            }
            Self::Scheme => f.write_str("the URL does not begin with amqp://, amqps://, ws:// or wss://"),
            Self::Host => f.write_str("the URL names no host"),
            Self::Utf8 => f.write_str("the URL has percent-encoded text that is not UTF-8"),
            Self::NoTls => f.write_str("amqps:// and wss:// require TLS, which this build does not have"),
            Self::NoWebSocket => {
                f.write_str("ws:// and wss:// require WebSocket, which this build does not have")
            }
            Self::NoUser => f.write_str("the URL has a password and no user"),
            Self::Query => write!(f, "the URL has a query, which AMQP does not use; {ENCODE}"),
            Self::Fragment => write!(f, "the URL has a fragment, which AMQP does not use; {ENCODE}"),
            Self::At => write!(f, "the URL has an '@' after the host; {ENCODE}, and '@' in the path as %40"),
            Self::Brackets => {
                f.write_str("an IPv6 address stands in brackets in a URL, such as amqp://[::1]:5672")
            }
        }
    }
}

impl std::error::Error for AddressError {}

/// The reason for which a text is not a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlError(&'static str);

impl UrlError {
    pub(super) const PORT: Self = Self("the port is not a number up to 65535");
    pub(super) const ODD: Self = Self("a character that is not allowed in its place");
}

impl From<ParseError> for UrlError {
    fn from(error: ParseError) -> Self {
        Self(match error.kind() {
            ParseErrorKind::InvalidPctEncodedOctet => {
                "a '%' without two hexadecimal digits; '%' itself is %25"
            }
            ParseErrorKind::UnexpectedChar => "a character that is not allowed in its place",
            ParseErrorKind::InvalidIpv6Addr => "a malformed IPv6 address",
        })
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for UrlError {}
