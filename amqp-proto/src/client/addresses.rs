//! [`Addresses`]: the addresses of brokers that stand for each other.

use std::fmt;
use std::slice;
use std::str::FromStr;
use std::vec;

use super::address::{Address, FAILOVER, UrlParts, split_urls};
use super::address_error::AddressError;

/// The addresses of one or more brokers that stand for each other, such as the nodes of a cluster.
///
/// `amqp://user:password@a,b:5673,c/node` is a list of hosts that share everything but the port.
/// `failover:(amqp://a,amqps://b)` is a list of URLs; the brackets may be left out. An [`Address`] is a list of
/// one. The order is that of preference. All addresses are checked at once.
///
/// ```
/// use amqp_proto::client::Addresses;
///
/// let cluster: Addresses = "amqp://me:secret@a,b:5673,c".parse()?;
/// assert_eq!(cluster.to_string(), "amqp://a:5672,amqp://b:5673,amqp://c:5672");
/// assert!(cluster.iter().all(|address| address.user() == Some("me")));
///
/// let error = "amqp://a,b:x,c".parse::<Addresses>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "address 2 of 3 (b): not a URL: the port is not a number up to 65535"
/// );
/// # Ok::<(), amqp_proto::client::AddressesError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Addresses(Vec<Address>);

impl Addresses {
    /// Iterates over the addresses in order; there is at least one.
    pub fn iter(&self) -> slice::Iter<'_, Address> {
        self.0.iter()
    }

    /// Replaces the user and the password of all addresses.
    #[must_use]
    pub fn with_login(self, user: &str, password: &str) -> Self {
        Self(self.into_iter().map(|address| address.with_login(user, password)).collect())
    }
}

impl FromStr for Addresses {
    type Err = AddressesError;

    fn from_str(text: &str) -> Result<Self, AddressesError> {
        let urls = urls(text)?;
        let entries: Vec<_> = urls.into_iter().flat_map(hosts).collect();
        let of = entries.len();
        let mut addresses = Vec::with_capacity(of);
        for (index, Entry { url, host }) in entries.into_iter().enumerate() {
            match url.and_then(|url| url.address(host)) {
                Ok(address) => addresses.push(address),
                Err(error) => {
                    let host =
                        url.ok().filter(|url| !url.is_doubtful()).map(|_| name(host)).unwrap_or_default();
                    return Err(AddressesError { place: index + 1, of, host, error });
                }
            }
        }
        Ok(Self(addresses))
    }
}

/// A host of a list, and the URL in which it stands.
#[derive(Clone, Copy)]
struct Entry<'u> {
    url: Result<UrlParts<'u>, AddressError>,
    host: &'u str,
}

/// Returns the URLs of a list.
fn urls(text: &str) -> Result<Vec<&str>, AddressesError> {
    let text = text.trim();
    let list = match text.strip_prefix(FAILOVER) {
        None => text,
        Some(list) => {
            let inner = list.strip_prefix('(').and_then(|list| list.strip_suffix(')'));
            let error = if list.contains(")?") { AddressError::Query } else { AddressError::List };
            inner.ok_or_else(|| AddressesError::of_list(error))?
        }
    };
    Ok(split_urls(list))
}

fn hosts(url: &str) -> impl Iterator<Item = Entry<'_>> {
    let url = UrlParts::of(url);
    url.map_or("", |url| url.hosts).split(',').map(move |host| Entry { url, host })
}

/// Returns the name of a host without the port, which may be the beginning of a password.
fn name(host: &str) -> String {
    let end = host.find(']').map(|at| at + 1).or_else(|| host.find(':')).unwrap_or(host.len());
    let (name, _) = host.split_at(end);
    name.escape_debug().to_string()
}

impl From<Address> for Addresses {
    fn from(address: Address) -> Self {
        Self(vec![address])
    }
}

impl From<&Address> for Addresses {
    fn from(address: &Address) -> Self {
        address.clone().into()
    }
}

impl Extend<Address> for Addresses {
    fn extend<I: IntoIterator<Item = Address>>(&mut self, addresses: I) {
        self.0.extend(addresses);
    }
}

impl IntoIterator for Addresses {
    type Item = Address;
    type IntoIter = vec::IntoIter<Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Addresses {
    type Item = &'a Address;
    type IntoIter = slice::Iter<'a, Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Addresses {
    /// Prints the URLs without users, passwords and paths.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.iter().try_for_each(|address| write!(f, "{}{address}", std::mem::replace(&mut separator, ",")))
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The error of a list with a wrong address. It contains the place and the host of the address, and no part of a
/// password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressesError {
    place: usize,
    of: usize,
    /// Empty if it may be a part of a password.
    host: String,
    error: AddressError,
}

impl AddressesError {
    /// Returns the error of the list as a whole.
    fn of_list(error: AddressError) -> Self {
        Self { place: 1, of: 1, host: String::new(), error }
    }

    /// Returns the place of the first wrong address; that of the list's first address is 1.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Returns `true` if the list is a single address.
    pub(super) fn is_alone(&self) -> bool {
        self.of == 1
    }

    /// Returns the error of the address.
    pub fn error(&self) -> AddressError {
        self.error
    }
}

impl fmt::Display for AddressesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, of, host, error } = self;
        match (of, host.is_empty()) {
            (1, _) => write!(f, "{error}"),
            (_, true) => write!(f, "address {place} of {of}: {error}"),
            (_, false) => write!(f, "address {place} of {of} ({host}): {error}"),
        }
    }
}

impl std::error::Error for AddressesError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Address, AddressError, Addresses};

    /// Returns texts of the parts of which lists are made.
    fn texts() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "amqp://",
            "amqps://",
            "ws://",
            "wss://",
            "failover:(",
            ")",
            ",",
            ":",
            "@",
            "/",
            "?",
            "#",
            "[::1]",
            "a",
            "5672",
            "%",
            "%2C",
            " ",
            "\u{e9}",
            "seCret",
        ]);
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        /// Every text is a list or an error, a list of one is an address, and the URLs that are shown are
        /// those of the list.
        #[test]
        fn all_texts_are_a_list_or_an_error(text in texts()) {
            let address = text.parse::<Address>();
            match text.parse::<Addresses>() {
                Ok(addresses) => {
                    let shown: Addresses = addresses.to_string().parse().unwrap();
                    let places = |list: &Addresses| -> Vec<_> {
                        list.iter()
                            .map(|one| (one.host().to_owned(), one.port(), one.is_encrypted(), one.is_websocket()))
                            .collect()
                    };
                    prop_assert_eq!(places(&shown), places(&addresses));
                    match address {
                        Ok(address) => prop_assert_eq!(addresses, address.into()),
                        Err(error) => prop_assert_eq!(error, AddressError::Several),
                    }
                }
                Err(error) => prop_assert!(address.is_err(), "{}", error),
            }
        }

        /// For all passwords that hold no comma: the error of a list does not show them.
        #[test]
        fn no_error_shows_a_password(before in "[a-z0-9@%#/?:]{0,4}", after in "[a-z0-9@%#/?:]{0,4}", end in texts()) {
            let text = format!("amqp://me:{before}PASSWORD{after}@a,b{end}");
            if let Err(error) = text.parse::<Addresses>() {
                prop_assert!(!format!("{error} {error:?}").contains("PASSWORD"), "{}: {}", text, error);
            }
        }
    }

    #[test]
    fn lists_share_a_login_or_name_whole_urls() {
        for (text, shown) in [
            ("amqp://a", "amqp://a:5672"),
            ("amqp://a,b:5673,c/path", "amqp://a:5672,amqp://b:5673,amqp://c:5672"),
            ("amqps://[::1],[::2]:1/q,r", "amqps://[::1]:5671,amqps://[::2]:1"),
            ("failover:(amqp://a:5672,amqps://b)", "amqp://a:5672,amqps://b:5671"),
            (" failover:(amqp://a, amqps://b,c) ", "amqp://a:5672,amqps://b:5671,amqps://c:5671"),
            ("failover:(amqp://a)", "amqp://a:5672"),
            ("amqp://a,amqps://b/q", "amqp://a:5672,amqps://b:5671"),
            ("wss://a,b:1/q?x,amqp://c", "wss://a:443,wss://b:1,amqp://c:5672"),
        ] {
            let addresses: Addresses = text.parse().unwrap();
            assert_eq!(addresses.to_string(), shown);
            assert_eq!(addresses.iter().len(), shown.split(',').count());
        }
        let shared: Addresses = "amqp://me:p,w%2C1@a,b/q,1".parse().unwrap();
        for address in &shared {
            assert_eq!((address.user(), address.password()), (Some("me"), Some("p,w,1")));
            assert_eq!(address.path(), "q,1");
        }
        let own: Addresses = "failover:(amqp://x:1@a/q,amqp://y:2@b)".parse().unwrap();
        let parts: Vec<_> =
            own.iter().map(|one| (one.user().unwrap(), one.password().unwrap(), one.path())).collect();
        assert_eq!(parts, [("x", "1", "q"), ("y", "2", "")]);
        let own = own.with_login("z", "3");
        assert!(own.into_iter().all(|address| address.password() == Some("3")));
    }

    #[test]
    fn an_error_names_the_wrong_address() {
        for (text, words) in [
            ("amqp://a,b:99999,c", "address 2 of 3 (b): not a URL: the port"),
            ("amqp://me:pw@a,,c", "address 2 of 3: the URL names no host"),
            ("amqp://a,", "address 2 of 2: the URL names no host"),
            ("amqp://a,::1", "address 2 of 2: an IPv6 address stands in brackets"),
            ("amqp://a,[::1::2]:1", "address 2 of 2 ([::1::2]): not a URL: a malformed IPv6"),
            ("amqp://a,b c,d", "address 2 of 3 (b c): not a URL: a character"),
            ("failover:(amqp://a,http://b)", "address 2 of 2: the URL does not begin with"),
            ("failover:(amqp://a,amqp://b/?x=1)", "address 2 of 2 (b): the URL has a query"),
            ("failover:(amqp://a,b", "a list of addresses is written"),
            ("failover:amqp://a", "a list of addresses is written"),
            ("failover:()", "the URL does not begin with"),
            ("failover:(amqp://a,amqp://b)?failover.nested=1", "the URL has a query"),
            ("localhost", "the URL does not begin with"),
        ] {
            let error = text.parse::<Addresses>().unwrap_err();
            assert!(error.to_string().starts_with(words), "{text}: {error}");
        }
        let error = "amqp://a,b:x".parse::<Addresses>().unwrap_err();
        assert_eq!((error.place(), error.error()), (2, "amqp://b:x".parse::<Address>().unwrap_err()));
    }

    #[test]
    fn one_address_is_no_list() {
        for list in ["amqp://a,b", "amqp://a,amqp://b"] {
            assert_eq!(list.parse::<Address>(), Err(AddressError::Several));
        }
        for list in ["failover:(amqp://a,amqp://b)", "failover:(amqp://a)"] {
            assert_eq!(list.parse::<Address>(), Err(AddressError::Several));
        }
        let one: Address = "amqp://me:pw@a/q".parse().unwrap();
        assert_eq!(Addresses::from(&one), "amqp://me:pw@a/q".parse().unwrap());
    }

    /// A password that is not percent-encoded is neither used as a host nor shown.
    #[test]
    fn the_words_of_an_error_hold_no_part_of_a_password() {
        for text in [
            "amqp://admin:seCret#x@h,i",
            "amqp://admin:12/seCret@h,i",
            "amqp://admin:se,seCret/x@h,i",
            "amqp://admin:x,seCret#x@h,i",
            "amqp://:seCret@h,i",
            "amqp://h:seCret,i",
            "failover:(amqp://a,amqp://admin:1,seCret/x@h)",
            "failover:(amqp://a,amqp://admin:seCret@h?x)",
        ] {
            let error = text.parse::<Addresses>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("seCret"), "{error}");
        }
        let addresses: Addresses = "amqp://me:seCret@a,b".parse().unwrap();
        assert!(!format!("{addresses} {addresses:?}").contains("seCret"));
    }
}
