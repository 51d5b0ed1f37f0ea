//! [`Referral`]: a server that a peer names.

use alloc::vec::Vec;

use crate::types::{Fields, Map, Str, Symbol, Value};
use crate::wire::{AmqpError, Condition, Open};

/// The number of servers that are taken from one `failover-server-list`.
const MOST_SERVERS: usize = 64;

/// The longest name of a host, as in DNS.
const LONGEST_NAME: usize = 255;

/// A server that a peer names: by a redirect, or in the property `failover-server-list` of its open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Referral {
    /// The name or IP address to connect to; an IPv6 address without brackets.
    pub host: Str,
    /// The port.
    pub port: Option<u16>,
    /// The scheme of the server's URL, such as `amqps`.
    pub scheme: Option<Str>,
    /// The name of the server in the open, in SASL and in TLS, if it is not that of the host [2.8.16].
    pub hostname: Option<Str>,
}

/// An address of a server, from which a peer may refer to another one.
///
/// An address of this crate's feature `client` is such an address; a host and a port is, too.
pub trait Dialable: Clone {
    /// Returns the address of a server that the peer at this address names, or `None` if it must not be dialled,
    /// such as one that is less secure.
    fn referred(&self, to: &Referral) -> Option<Self>;

    /// Returns `true` if both addresses are those of the same server, even if their logins differ.
    fn is_at(&self, other: &Self) -> bool;
}

/// A host and a port. The scheme and the hostname of a referral are ignored.
impl Dialable for (Str, u16) {
    fn referred(&self, to: &Referral) -> Option<Self> {
        Some((to.host.clone(), to.port.unwrap_or(self.1)))
    }

    fn is_at(&self, other: &Self) -> bool {
        self.1 == other.1 && self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Referral {
    /// Returns the server that a redirect names; `None` if the error names none.
    pub fn of_redirect(error: &AmqpError) -> Option<Self> {
        match error.condition {
            Condition::ConnectionRedirect => Self::of(Fields::as_map(&error.info)),
            _ => None,
        }
    }

    /// Returns the servers that may take over from the peer with this open, at most 64; `None` if it does not
    /// say so. Malformed entries are skipped.
    pub fn of_open(open: &Open) -> Option<Vec<Self>> {
        let Value::List(servers) = open.properties.get("failover-server-list")? else { return None };
        Some(servers.iter().take(MOST_SERVERS).filter_map(Self::of_entry).collect())
    }

    fn of_entry(entry: &Value) -> Option<Self> {
        match entry {
            Value::Map(map) => Self::of(map),
            _ => None,
        }
    }

    pub(super) fn of(map: &Map) -> Option<Self> {
        let hostname = name(map, "hostname");
        let host = name(map, "network-host").or_else(|| hostname.clone())?;
        let port = match map.get("port") {
            None | Some(Value::Null) => None,
            Some(port) => Some(number(port)?),
        };
        let is_host = !host.contains(['/', '\\', '?', '#', '@', '[', ']']);
        is_host.then(|| Self { host, port, scheme: name(map, "scheme"), hostname })
    }
}

/// Returns a copy of a name, which does not hold the received frame.
fn name(map: &Map, key: &str) -> Option<Str> {
    let text = match map.get(key)? {
        Value::String(text) => text.as_str(),
        Value::Symbol(text) => Symbol::as_str(text),
        _ => return None,
    };
    let is_odd = |odd: char| odd.is_control() || odd.is_whitespace();
    let is_name = (1..=LONGEST_NAME).contains(&text.len()) && !text.contains(is_odd);
    is_name.then(|| Str::from(text))
}

/// Returns a port, which peers send in any integer type; 0 is none.
fn number(value: &Value) -> Option<u16> {
    let port = match *value {
        Value::Ushort(port) => Some(port),
        Value::Ubyte(port) => Some(port.into()),
        Value::Uint(port) => port.try_into().ok(),
        Value::Ulong(port) => port.try_into().ok(),
        Value::Byte(port) => port.try_into().ok(),
        Value::Short(port) => port.try_into().ok(),
        Value::Int(port) => port.try_into().ok(),
        Value::Long(port) => port.try_into().ok(),
        _ => None,
    };
    port.filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::List;

    fn map(pairs: &[(&'static str, Value)]) -> Map {
        pairs.iter().map(|(key, value)| (Symbol::from(*key), value.clone())).collect()
    }

    #[test]
    fn a_redirect_names_host_port_and_scheme() {
        let info: Fields = [
            ("hostname", Value::from("b.example")),
            ("network-host", "10.0.0.2".into()),
            ("port", Value::Int(5671)),
            ("scheme", "amqps".into()),
        ]
        .into();
        let error = AmqpError::new(Condition::ConnectionRedirect).with_info(info.clone());
        let to = Referral::of_redirect(&error).unwrap();
        assert_eq!((to.host.as_str(), to.port), ("10.0.0.2", Some(5671)));
        assert_eq!((to.scheme.as_deref(), to.hostname.as_deref()), (Some("amqps"), Some("b.example")));
        let other = AmqpError::new(Condition::LinkRedirect).with_info(info);
        assert_eq!(Referral::of_redirect(&other), None);
        assert_eq!(Referral::of_redirect(&AmqpError::new(Condition::ConnectionRedirect)), None);
    }

    #[test]
    fn what_is_no_host_or_no_port_is_not_dialled() {
        for wrong in ["", "a b", "a\n", "h/q", "u@h", "[::1]", &"x".repeat(256)] {
            assert_eq!(Referral::of(&map(&[("network-host", wrong.into())])), None, "{wrong:?}");
        }
        for wrong in [Value::Int(-1), Value::Uint(70_000), Value::Ushort(0), "5672".into()] {
            assert_eq!(Referral::of(&map(&[("network-host", "h".into()), ("port", wrong)])), None);
        }
        let keys_are_strings: Map = [("network-host", "h")].into();
        assert_eq!(Referral::of(&keys_are_strings).unwrap().host, "h");
    }

    #[test]
    fn a_list_of_servers_is_bounded_and_skips_what_is_malformed() {
        let server = |n: usize| Value::Map(map(&[("network-host", alloc::format!("h{n}").into())]));
        let mut open = Open::new("peer".into());
        assert_eq!(Referral::of_open(&open), None);
        let servers: List = [server(1), "h2".into(), server(3)].into_iter().collect();
        open.properties.insert("failover-server-list", servers);
        let hosts: Vec<_> = Referral::of_open(&open).unwrap().into_iter().map(|to| to.host).collect();
        assert_eq!(hosts, ["h1", "h3"]);
        open.properties.insert("failover-server-list", (0..1_000).map(server).collect::<List>());
        assert_eq!(Referral::of_open(&open).unwrap().len(), MOST_SERVERS);
    }
}
