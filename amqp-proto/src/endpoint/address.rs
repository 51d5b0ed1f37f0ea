//! [`Address`]: where to connect to, and as whom.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// A broker's URL, `amqp://user:password@host:port/node`, taken apart.
///
/// User, password and path may be percent-encoded. `amqps` is the same over TLS. `Debug` does not tell the password.
///
/// ```
/// use amqp_proto::endpoint::Address;
///
/// let address: Address = "amqp://user:p%40ss@broker.example/jobs".parse()?;
/// assert_eq!((address.host(), address.port()), ("broker.example", 5672));
/// assert_eq!(address.password(), Some("p@ss"));
/// assert_eq!(address.path(), "jobs");
/// assert!(!format!("{address:?}").contains("ss@"));
/// # Ok::<(), amqp_proto::endpoint::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    is_encrypted: bool,
    user: Option<String>,
    password: Option<String>,
    path: String,
}

impl Address {
    /// The name or IP address of the host, the latter without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 5672 unless the URL says something else, or 5671 for `amqps`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is to be encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Who the client is.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The user's password.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// What is behind the host, without the slash in front: by convention the address of a node. The connection does
    /// not look at it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same with another login.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self.password = Some(password.into());
        self
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if !text.contains("://") {
            return Err(AddressError::Scheme);
        }
        let url = Url::parse(text).map_err(AddressError::Url)?;
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
        let path = url.path();
        Ok(Self {
            host,
            port: url.port().unwrap_or(if is_encrypted { 5671 } else { 5672 }),
            is_encrypted,
            user: user.map(decoded).transpose()?,
            password: url.password().map(decoded).transpose()?,
            path: decoded(path.strip_prefix('/').unwrap_or(path))?,
        })
    }
}

fn decoded(text: &str) -> Result<String, AddressError> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| AddressError::Utf8)
}

impl fmt::Display for Address {
    /// The address without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_encrypted { "amqps://" } else { "amqp://" })?;
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.user.is_some() { " with a login" } else { "" };
        write!(f, "{self}/{}{login}", self.path)
    }
}

/// Why a URL is not a broker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not a URL.
    Url(url::ParseError),
    /// It does not begin with `amqp://` or `amqps://`.
    Scheme,
    /// It names no host.
    Host,
    /// What is percent-encoded is not UTF-8.
    Utf8,
    /// It asks for TLS, which this build does not have.
    NoTls,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "not a URL: {error}"),
            Self::Scheme => f.write_str("a URL of AMQP begins with amqp:// or amqps://"),
            Self::Host => f.write_str("the URL names no host"),
            Self::Utf8 => f.write_str("the URL holds percent-encoded text that is not UTF-8"),
            Self::NoTls => f.write_str("amqps:// asks for TLS, which this build does not have"),
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
            assert_eq!(address.is_encrypted(), url.starts_with("amqps"));
        }
    }

    #[test]
    fn what_is_no_url_of_amqp_is_refused() {
        for (url, why) in [
            ("localhost:5672", AddressError::Scheme),
            ("", AddressError::Scheme),
            ("http://localhost", AddressError::Scheme),
            ("amqp://", AddressError::Host),
            ("amqp:///q", AddressError::Host),
            ("amqp://user@host/%ff", AddressError::Utf8),
        ] {
            assert_eq!(url.parse::<Address>(), Err(why), "{url}");
        }
        assert!(matches!("amqp://h:99999".parse::<Address>(), Err(AddressError::Url(_))));
    }

    #[test]
    fn the_login_is_shown_to_nobody() {
        let address: Address = "amqps://me:a%3Ab@[::1]/q%2F1".parse().unwrap();
        assert_eq!((address.user(), address.password()), (Some("me"), Some("a:b")));
        assert_eq!(
            format!("{address} {address:?}"),
            "amqps://[::1]:5671 amqps://[::1]:5671/q/1 with a login"
        );
    }
}
