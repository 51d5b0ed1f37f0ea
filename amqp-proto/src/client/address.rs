//! [`Address`]: a broker's URL.

use std::fmt;
use std::str::FromStr;

use fluent_uri::Uri;
use fluent_uri::component::Host;
use percent_encoding::{AsciiSet, percent_decode_str, utf8_percent_encode};

use super::address_error::{AddressError, UrlError};
use crate::policy::{Dialable, Referral};

/// A broker's URL in its parts: `amqp://user:password@host:port/node`, or `amqps` for TLS.
///
/// In the user and the password, `/`, `?`, `#`, `@`, `%` and `:` are percent-encoded: `p#1` is written
/// `p%231`. By convention the path is the address of a node, percent-encoded, too, and without its first
/// slash: the path of the node `/queues/jobs` is `//queues/jobs`. The path is no virtual host; use
/// [`hostname`] for that, such as `vhost:NAME` for RabbitMQ. A URL with a query or a fragment is refused.
/// `Debug`, `Display` and errors never show the password.
///
/// [`hostname`]: super::ConnectionOptions::with_hostname
///
/// ```
/// use amqp_proto::client::Address;
///
/// let url = "amqp://user:p%40ss@broker.example/jobs";
/// let address: Address = url.parse()?;
/// assert_eq!((address.host(), address.port()), ("broker.example", 5672));
/// assert_eq!(address.password(), Some("p@ss"));
/// assert_eq!(address.path(), "jobs");
/// assert!(!format!("{address:?}").contains("ss@"));
/// # Ok::<(), amqp_proto::client::AddressError>(())
/// ```
///
/// `ws://host:port/path` and `wss` for TLS are the URLs of a [WebSocket](Self::is_websocket). Their path, and a query
/// behind it, are those of the HTTP request, and name no node.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    is_encrypted: bool,
    user: Option<String>,
    password: Option<String>,
    path: String,
    /// The path and the query of the HTTP request, percent-encoded, if a WebSocket carries AMQP.
    request: Option<String>,
    hostname: Option<String>,
}

impl Address {
    /// Returns the name or IP address of the host; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port. Default 5672, or 5671 for `amqps`, 80 for `ws`, 443 for `wss`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns `true` if the connection uses TLS.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Returns `true` if a WebSocket carries the connection: the URL begins with `ws` or `wss`.
    pub fn is_websocket(&self) -> bool {
        self.request.is_some()
    }

    /// Returns the URL of the WebSocket, with its path and query and without user and password, if the connection uses
    /// one.
    ///
    /// ```
    /// use amqp_proto::client::Address;
    ///
    /// let address: Address = "ws://me:secret@broker.example:80/amqp?a=b".parse()?;
    /// assert_eq!(address.websocket_url().unwrap(), "ws://broker.example/amqp?a=b");
    /// assert_eq!(address.path(), "");
    /// # Ok::<(), amqp_proto::client::AddressError>(())
    /// ```
    pub fn websocket_url(&self) -> Option<String> {
        let request = self.request.as_deref()?;
        let host = self.hostname();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let (scheme, port) = (self.scheme(), self.port);
        // Servers compare the host of a request with their names, which have no port if it is the usual one.
        Some(match port == default_port(scheme) {
            true => format!("{scheme}://{host}{request}"),
            false => format!("{scheme}://{host}:{port}{request}"),
        })
    }

    fn scheme(&self) -> &'static str {
        scheme(self.is_websocket(), self.is_encrypted)
    }

    /// Returns the name of the user.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the user's password.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Returns the path without its first slash: by convention the address of a node. Connecting does not use
    /// it. It is empty for a WebSocket.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the name of the server in the open, in SASL and in TLS: that of a [referral](Self::referred), else
    /// the host.
    pub fn hostname(&self) -> &str {
        self.hostname.as_deref().unwrap_or(&self.host)
    }

    /// Returns `true` if a peer has named this server, and its hostname.
    pub(super) fn has_hostname(&self) -> bool {
        self.hostname.is_some()
    }

    /// Replaces the user and the password.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self.password = Some(password.into());
        self
    }
}

/// A server that the peer names gets the login and the path of this address. It is not dialled if TLS or WebSocket
/// would be added or left out, so that no password goes where the application did not send it.
impl Dialable for Address {
    fn referred(&self, to: &Referral) -> Option<Self> {
        let scheme = match to.scheme.as_deref() {
            None => self.scheme(),
            Some("tcp") => "amqp",
            Some("ssl") => "amqps",
            Some(scheme) => scheme,
        };
        (scheme == self.scheme()).then(|| Self {
            host: to.host.as_str().into(),
            port: to.port.unwrap_or(self.port),
            hostname: to.hostname.as_deref().map(Into::into),
            ..self.clone()
        })
    }

    fn is_at(&self, other: &Self) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = UrlParts::of(text)?;
        match url.hosts.contains(',') || split_urls(text).len() > 1 {
            true => Err(AddressError::Several),
            false => url.address(url.hosts),
        }
    }
}

/// Returns the URLs of a list, separated by commas.
pub(super) fn split_urls(list: &str) -> Vec<&str> {
    let (mut urls, mut rest) = (Vec::new(), list);
    // A comma ends a URL only if another URL begins behind it.
    for (at, _) in list.match_indices(',').rev() {
        let (_, behind) = rest.split_at(at);
        let behind = behind.strip_prefix(',').unwrap_or(behind);
        if begins_url(behind) {
            urls.push(behind);
            (rest, _) = rest.split_at(at);
        }
    }
    urls.push(rest);
    urls.reverse();
    urls
}

fn begins_url(text: &str) -> bool {
    let is_scheme =
        |text: &str| text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet));
    text.split_once("://").is_some_and(|(scheme, _)| !scheme.trim().is_empty() && is_scheme(scheme.trim()))
}

/// A URL in parts that are not decoded, with one host or several.
#[derive(Debug, Clone, Copy)]
pub(super) struct UrlParts<'u> {
    is_websocket: bool,
    is_encrypted: bool,
    userinfo: Option<&'u str>,
    /// The hosts with their ports, separated by commas.
    pub(super) hosts: &'u str,
    /// The path, and what follows it.
    rest: &'u str,
}

impl<'u> UrlParts<'u> {
    pub(super) fn of(text: &'u str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let (is_websocket, is_encrypted) = match scheme {
            _ if scheme.eq_ignore_ascii_case("amqp") => (false, false),
            _ if scheme.eq_ignore_ascii_case("amqps") => (false, true),
            _ if scheme.eq_ignore_ascii_case("ws") => (true, false),
            _ if scheme.eq_ignore_ascii_case("wss") => (true, true),
            _ if text.starts_with(FAILOVER) => return Err(AddressError::Several),
            _ => return Err(AddressError::Scheme),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (userinfo, hosts) = match authority.rsplit_once('@') {
            Some((userinfo, hosts)) => (Some(userinfo), hosts),
            None => (None, authority),
        };
        Ok(Self { is_websocket, is_encrypted, userinfo, hosts, rest })
    }

    /// Returns `true` if the host may be a part of a password, which has ended it by a character that is not
    /// percent-encoded.
    pub(super) fn is_doubtful(&self) -> bool {
        self.rest.contains('@')
    }

    /// Returns the address of one of the hosts.
    pub(super) fn address(&self, host: &str) -> Result<Address, AddressError> {
        if host.matches(':').count() > 1 && !host.contains('[') {
            return Err(AddressError::Brackets);
        }
        // Only a WebSocket has a query.
        let ends: &[char] = if self.is_websocket { &['#'] } else { &['?', '#'] };
        let (path, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        let url = self.one_url(host, path).and_then(|url| Uri::parse(url).map_err(|(error, _)| error.into()));
        let url = match url {
            // The text in place of the port is the beginning of a password.
            Err(_) if self.userinfo.is_none() && self.is_doubtful() => return Err(AddressError::At),
            Err(error) => return Err(AddressError::Url(error)),
            Ok(_) if rest.contains('#') => return Err(AddressError::Fragment),
            Ok(_) if rest.contains('?') => return Err(AddressError::Query),
            Ok(url) => url,
        };
        let authority = url.authority().ok_or(AddressError::Host)?;
        let host = match authority.host_parsed() {
            Host::RegName(name) if !name.is_empty() => decoded(name.as_str())?,
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
            _ => return Err(AddressError::Host),
        };
        if matches!(authority.host_parsed(), Host::RegName(_)) && host.contains(is_odd_in_host) {
            return Err(AddressError::Url(UrlError::ODD));
        }
        let userinfo = authority.userinfo().map(|userinfo| userinfo.as_str()).unwrap_or_default();
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let path = url.path().as_str();
        match (user.is_empty(), password.is_empty()) {
            (true, false) => return Err(AddressError::NoUser),
            // An `@` here is usually not a part of the path, but the end of a password with a slash.
            (true, true) if self.is_doubtful() => return Err(AddressError::At),
            _ => {}
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let request = self.is_websocket.then(|| match url.query() {
            Some(query) => format!("/{path}?{}", query.as_str()),
            None => format!("/{path}"),
        });
        let port = authority.port_to_u16().map_err(|_| AddressError::Url(UrlError::PORT))?;
        let some = |text: &str| (!text.is_empty()).then(|| decoded(text)).transpose();
        Ok(Address {
            host,
            port: port.unwrap_or(default_port(scheme(self.is_websocket, self.is_encrypted))),
            is_encrypted: self.is_encrypted,
            user: some(user)?,
            password: some(password)?,
            path: if self.is_websocket { String::new() } else { decoded(path)? },
            request,
            hostname: None,
        })
    }

    /// Returns the URL of one host, with characters percent-encoded that no URL has, but people write.
    fn one_url(&self, host: &str, path: &str) -> Result<String, UrlError> {
        let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
        if port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err()) {
            return Err(UrlError::PORT);
        }
        let mut url = String::from("amqp://");
        if let Some(userinfo) = self.userinfo {
            url.extend(utf8_percent_encode(userinfo, ODD_IN_USERINFO).chain(["@"]));
        }
        url.extend(utf8_percent_encode(host, &AsciiSet::EMPTY));
        url.extend(utf8_percent_encode(path, ODD));
        Ok(url)
    }
}

fn scheme(is_websocket: bool, is_encrypted: bool) -> &'static str {
    match (is_websocket, is_encrypted) {
        (false, false) => "amqp",
        (false, true) => "amqps",
        (true, false) => "ws",
        (true, true) => "wss",
    }
}

fn default_port(scheme: &str) -> u16 {
    match scheme {
        "ws" => 80,
        "wss" => 443,
        "amqps" => 5671,
        _ => 5672,
    }
}

fn decoded(text: &str) -> Result<String, AddressError> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| AddressError::Utf8)
}

impl fmt::Display for Address {
    /// Prints the URL without user, password and path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme();
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.user.is_some() { " with a login" } else { "" };
        write!(f, "{self}/{}{login}", self.path)
    }
}

/// Returns `true` for a character that no name of a host has, not even percent-encoded.
fn is_odd_in_host(odd: char) -> bool {
    odd.is_control() || odd.is_whitespace() || ",:/?#[]@%".contains(odd)
}

/// The beginning of a list of URLs.
pub(super) const FAILOVER: &str = "failover:";

/// The characters that no part of a URL has, except control characters.
const ODD: &AsciiSet = &AsciiSet::EMPTY
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

const ODD_IN_USERINFO: &AsciiSet = &ODD.add(b'@');

#[cfg(test)]
mod tests {
    use super::{Address, AddressError};
    use crate::policy::{Dialable, Referral};
    use crate::types::{Fields, Symbol, Value};
    use crate::wire::{AmqpError, Condition};

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

    /// Characters that no URL has are taken for what they are; only a '%' has to be written as %25.
    #[test]
    fn odd_characters_are_kept() {
        let address: Address = " AMQP://m\u{fc}:a^|{[ ]}\\\"<>`\u{20ac}@h\u{f6}st:/q |x,y\n".parse().unwrap();
        assert_eq!((address.user(), address.host(), address.port()), (Some("m\u{fc}"), "h\u{f6}st", 5672));
        assert_eq!((address.password(), address.path()), (Some("a^|{[ ]}\\\"<>`\u{20ac}"), "q |x,y"));
        for (url, words) in [
            ("amqp://u:50%off@h", "not a URL: a '%' without"),
            ("amqp://u:a\nb@h", "not a URL: a character that is not allowed"),
            ("amqp://a%2Cb", "not a URL: a character that is not allowed"),
            ("amqp://a%00", "not a URL: a character that is not allowed"),
            ("amqp://h{", "not a URL: a character that is not allowed"),
            ("amqp://[::1::2]", "not a URL: a malformed IPv6 address"),
            ("amqp://[::1", "not a URL: a character that is not allowed"),
            ("amqp://[v1.x]", "the URL names no host"),
            ("amqp://h:-1", "not a URL: the port is not"),
            ("amqp://h:+1", "not a URL: "),
            ("amqp://[::1]:x", "not a URL: the port is not"),
        ] {
            let error = url.parse::<Address>().unwrap_err().to_string();
            assert!(error.starts_with(words), "{url}: {error}");
        }
        let alone: Address = "amqp://me:@h".parse().unwrap();
        assert_eq!((alone.user(), alone.password()), (Some("me"), None));
        let long: Address = "amqp://[0:0:0::1]:0005672".parse().unwrap();
        assert_eq!((long.host(), long.port()), ("::1", 5672));
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, why) in [
            ("localhost:5672", AddressError::Scheme),
            ("", AddressError::Scheme),
            ("http://localhost", AddressError::Scheme),
            ("amqp://", AddressError::Host),
            ("amqp:///q", AddressError::Host),
            ("amqp://user@host/%ff", AddressError::Utf8),
            ("amqp://:token@h", AddressError::NoUser),
            ("amqp://admin:12#x@h", AddressError::Fragment),
            ("amqp://admin:12?x@h", AddressError::Query),
            ("amqp://admin:12/x@h", AddressError::At),
            ("amqp://admin:a/x@h", AddressError::At),
            ("amqp://admin:a#x@h", AddressError::At),
            ("amqp://h/jobs?timeout=5", AddressError::Query),
            ("amqp://h/jobs#1", AddressError::Fragment),
            ("amqp://::1", AddressError::Brackets),
            ("amqp://me:pw@fe80::1/jobs", AddressError::Brackets),
        ] {
            assert_eq!(url.parse::<Address>(), Err(why), "{url}");
        }
        assert!(matches!("amqp://h:99999".parse::<Address>(), Err(AddressError::Url(_))));
    }

    /// A password that is not percent-encoded is neither used as a host nor shown.
    #[test]
    fn the_words_of_an_error_hold_no_part_of_the_url() {
        for url in
            ["amqp://admin:seCret#x@h", "amqp://admin:12/seCret@h", "amqp://:seCret@h", "amqp://h:seCret"]
        {
            let error = url.parse::<Address>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("seCret"), "{error}");
        }
        let error = "amqp://admin:12#x@h".parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("percent-encode") && error.contains("%23"), "{error}");
        let error = "amqp://::1".parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("amqp://[::1]:5672"), "{error}");
        let address: Address = "amqp://admin:p@ss%231@h/a%40b".parse().unwrap();
        assert_eq!((address.password(), address.path()), (Some("p@ss#1"), "a@b"));
    }

    fn redirect(pairs: &[(&'static str, Value)]) -> Referral {
        let info: Fields = pairs.iter().map(|(key, value)| (Symbol::from(*key), value.clone())).collect();
        Referral::of_redirect(&AmqpError::new(Condition::ConnectionRedirect).with_info(info)).unwrap()
    }

    #[test]
    fn a_named_server_gets_the_login_and_never_another_security() {
        let here: Address = "amqps://me:pw@a.example/jobs".parse().unwrap();
        let to = redirect(&[("network-host", "10.0.0.2".into()), ("hostname", "b.example".into())]);
        let there = here.referred(&to).unwrap();
        assert_eq!((there.host(), there.port(), there.hostname()), ("10.0.0.2", 5671, "b.example"));
        assert_eq!((there.password(), there.path()), (Some("pw"), "jobs"));
        assert!(!here.is_at(&there) && here.is_at(&"amqps://A.example".parse().unwrap()));
        for (scheme, is_dialled) in [("amqps", true), ("amqp", false), ("ws", false)] {
            let to = redirect(&[("network-host", "b".into()), ("scheme", scheme.into())]);
            assert_eq!(here.referred(&to).is_some(), is_dialled, "{scheme}");
        }
        let clear: Address = "amqp://me:pw@a.example".parse().unwrap();
        let to = redirect(&[("network-host", "b".into()), ("scheme", "amqps".into())]);
        assert_eq!(clear.referred(&to), None);
        let socket: Address = "wss://me:pw@a.example/amqp".parse().unwrap();
        for (scheme, is_dialled) in [("wss", true), ("ws", false), ("amqps", false)] {
            let to = redirect(&[("network-host", "b".into()), ("scheme", scheme.into())]);
            let there = socket.referred(&to).and_then(|there| there.websocket_url());
            assert_eq!(there.as_deref(), is_dialled.then_some("wss://b/amqp"), "{scheme}");
        }
    }

    #[test]
    fn the_path_of_a_websocket_is_that_of_its_request() {
        for (url, socket, shown) in [
            ("ws://a", "ws://a/", "ws://a:80"),
            ("WSS://a", "wss://a/", "wss://a:443"),
            ("wss://a:5671/x/y%20z?k=%2F&l=a b", "wss://a:5671/x/y%20z?k=%2F&l=a%20b", "wss://a:5671"),
            ("ws://me:p%40s@[::1]:8080?q", "ws://[::1]:8080/?q", "ws://[::1]:8080"),
            ("ws://a:443//queue", "ws://a:443//queue", "ws://a:443"),
        ] {
            let address: Address = url.parse().unwrap();
            assert!(address.is_websocket());
            assert_eq!(address.websocket_url().as_deref(), Some(socket));
            assert_eq!((address.to_string().as_str(), address.path()), (shown, ""));
        }
        for (url, why) in [
            ("ws://admin:12?x@h", AddressError::At),
            ("ws://h/?a=me@h", AddressError::At),
            ("ws://h/x#y", AddressError::Fragment),
            ("ws:///x", AddressError::Host),
        ] {
            assert_eq!(url.parse::<Address>(), Err(why), "{url}");
        }
        assert_eq!("amqp://a".parse::<Address>().unwrap().websocket_url(), None);
    }

    #[test]
    fn the_login_is_not_shown() {
        let address: Address = "amqps://me:a%3Ab@[::1]/q%2F1".parse().unwrap();
        assert_eq!((address.user(), address.password()), (Some("me"), Some("a:b")));
        assert_eq!(
            format!("{address} {address:?}"),
            "amqps://[::1]:5671 amqps://[::1]:5671/q/1 with a login"
        );
    }
}
