//! [`Address`]: where to connect to, and as whom.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// A broker's URL, `amqp://user:password@host:port/node`, in its parts and decoded.
///
/// ```
/// use amqp_blocking::Address;
///
/// let address: Address = "amqp://me:p%40ss@broker.example/jobs".parse()?;
/// assert_eq!((address.host(), address.port()), ("broker.example", 5672));
/// assert_eq!((address.user(), address.path()), (Some("me"), "jobs"));
/// assert!(!format!("{address:?}").contains("p@ss"));
/// # Ok::<(), amqp_blocking::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    is_encrypted: bool,
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<String>,
    path: String,
}

impl Address {
    /// Whether it is `amqps`: over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// The host: a name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; unless it is given, 5672, or 5671 for TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who the client says it is.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What shows that.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The path without its first slash: by habit the address of a node. To a connection it means nothing.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same with another user.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self.password = Some(password.into());
        self
    }

    fn from_url(url: &Url) -> Result<Self, AddressError> {
        let is_encrypted = match url.scheme() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(AddressError::Scheme),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => decoded(name)?,
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            _ => return Err(AddressError::Host),
        };
        let user = Some(url.username()).filter(|user| !user.is_empty());
        Ok(Self {
            is_encrypted,
            host,
            port: url.port().unwrap_or(if is_encrypted { 5671 } else { 5672 }),
            user: user.map(decoded).transpose()?,
            password: url.password().map(decoded).transpose()?,
            path: decoded(url.path().strip_prefix('/').unwrap_or_default())?,
        })
    }
}

fn decoded(part: &str) -> Result<String, AddressError> {
    match percent_decode_str(part).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(AddressError::Utf8),
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        if !url.contains("://") {
            return Err(AddressError::Scheme);
        }
        Self::from_url(&Url::parse(url).map_err(AddressError::Url)?)
    }
}

/// Without the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/{}", self.path)
    }
}

/// Without the password and the path.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_encrypted { "amqps://" } else { "amqp://" })?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Why a URL leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not a URL.
    Url(url::ParseError),
    /// It does not begin with `amqp://` or `amqps://`.
    Scheme,
    /// It has no host.
    Host,
    /// What is percent-encoded in it is not UTF-8.
    Utf8,
    /// It asks for TLS, which this build does not have.
    NoTls,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "not a URL: {error}"),
            Self::Scheme => f.write_str("a URL of AMQP begins with amqp:// or amqps://"),
            Self::Host => f.write_str("the URL has no host"),
            Self::Utf8 => f.write_str("the URL has octets that are not UTF-8"),
            Self::NoTls => f.write_str("the URL asks for TLS, which this build does not have"),
        }
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError};

    #[test]
    fn hosts_ports_and_paths() {
        for (url, host, port, path) in [
            ("amqp://localhost", "localhost", 5672, ""),
            ("amqp://localhost/", "localhost", 5672, ""),
            ("amqps://localhost", "localhost", 5671, ""),
            ("amqp://127.0.0.1:1/q", "127.0.0.1", 1, "q"),
            ("amqp://[::1]:1//queue/a%20b", "::1", 1, "/queue/a b"),
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!((address.host(), address.port(), address.path()), (host, port, path));
        }
    }

    #[test]
    fn what_is_no_url_of_amqp_is_refused() {
        for (url, why) in [
            ("localhost:5672", AddressError::Scheme),
            ("http://localhost", AddressError::Scheme),
            ("", AddressError::Scheme),
            ("amqp://", AddressError::Host),
            ("amqp:///q", AddressError::Host),
            ("amqp://h/%ff", AddressError::Utf8),
        ] {
            assert_eq!(url.parse::<Address>(), Err(why), "{url}");
        }
        assert!(matches!("amqp://h:99999".parse::<Address>(), Err(AddressError::Url(_))));
    }

    #[test]
    fn the_password_is_shown_to_nobody() {
        let address: Address = "amqps://me:secret@[::1]/q".parse().unwrap();
        assert_eq!(format!("{address:?} {address}"), "amqps://me@[::1]:5671/q amqps://me@[::1]:5671");
        assert_eq!(address.password(), Some("secret"));
    }
}
