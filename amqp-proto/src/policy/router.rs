//! [`Router`]: the handler of a peer's link, by the address of its node.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::wire::{AmqpError, Attach, Condition, Role, Terminus};

/// The handlers of a server's nodes, by address.
///
/// A handler is any value, such as a function, or a variant of an enum that the application matches on. An address comes
/// before patterns, and a pattern before those that were added later. In a pattern, each `*` stands for any characters,
/// also none.
///
/// ```
/// use amqp_proto::policy::Router;
///
/// let router = Router::new().with_address("jobs", 1).with_pattern("orders/*", 2);
/// assert_eq!(router.find("jobs"), Some(&1));
/// assert_eq!(router.find("orders/new"), Some(&2));
/// assert_eq!(router.find("other"), None);
/// ```
#[derive(Debug, Clone)]
pub struct Router<H> {
    addresses: BTreeMap<String, H>,
    patterns: Vec<(String, H)>,
    fallback: Option<H>,
}

impl<H> Default for Router<H> {
    fn default() -> Self {
        Self { addresses: BTreeMap::new(), patterns: Vec::new(), fallback: None }
    }
}

impl<H> Router<H> {
    /// Returns a router that knows no address.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the handler of an address.
    pub fn with_address(mut self, address: impl Into<String>, handler: H) -> Self {
        self.addresses.insert(address.into(), handler);
        self
    }

    /// Adds the handler of all addresses that match a pattern.
    pub fn with_pattern(mut self, pattern: impl Into<String>, handler: H) -> Self {
        self.patterns.push((pattern.into(), handler));
        self
    }

    /// Sets the handler of everything else: other addresses, and links without an address, such as those to a dynamic
    /// node, to the anonymous relay or to a coordinator.
    pub fn with_fallback(mut self, handler: H) -> Self {
        self.fallback = Some(handler);
        self
    }

    /// Returns the handler of an address. The time that this takes grows with the number of patterns.
    pub fn find(&self, address: &str) -> Option<&H> {
        let by_pattern = || self.patterns.iter().find(|(pattern, _)| matches(pattern, address));
        let found = self.addresses.get(address).or_else(|| by_pattern().map(|(_, handler)| handler));
        found.or(self.fallback.as_ref())
    }

    /// Returns the handler of a link, by the address of the node at this end in the peer's attach.
    ///
    /// # Errors
    ///
    /// The error with which the link is refused: [`Condition::NotFound`] if no handler has the address.
    pub fn route(&self, attach: &Attach) -> Result<&H, AmqpError> {
        let address = address_of(attach);
        let found = match address {
            Some(address) => self.find(address),
            None => self.fallback.as_ref(),
        };
        found.ok_or_else(|| {
            let words = match address {
                Some(address) => format!("there is no node {address:?}"),
                None => "only nodes with an address are served".to_owned(),
            };
            AmqpError::new(Condition::NotFound).with_description(words)
        })
    }
}

/// Returns the address of the node at this end of a link that the peer has attached.
fn address_of(attach: &Attach) -> Option<&str> {
    let address = match (attach.role, attach.source.as_deref(), attach.target.as_deref()) {
        (Role::Receiver, Some(source), _) => &source.address,
        (Role::Sender, _, Some(Terminus::Target(target))) => &target.address,
        _ => return None,
    };
    address.as_deref()
}

/// Returns `true` if an address matches a pattern.
fn matches(pattern: &str, address: &str) -> bool {
    let Some((first, others)) = pattern.split_once('*') else { return pattern == address };
    let (inner, last) = others.rsplit_once('*').unwrap_or(("", others));
    let middle = address.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let Some(mut middle) = middle else { return false };
    // The leftmost place of each part leaves the most for those after it.
    inner.split('*').all(|part| match middle.split_once(part) {
        Some((_, rest)) => {
            middle = rest;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, address) in [
            ("jobs", "jobs"),
            ("*", ""),
            ("*", "anything"),
            ("**", "anything"),
            ("orders/*", "orders/"),
            ("orders/*", "orders/new/1"),
            ("*.log", "a.log"),
            ("a*c*e", "abcde"),
            ("a*c*e", "acce"),
            ("*b*b*", "abba"),
            ("ü*ö", "üäö"),
        ] {
            assert!(matches(pattern, address), "{pattern} {address}");
        }
        for (pattern, address) in [
            ("jobs", "job"),
            ("jobs", "jobs/1"),
            ("orders/*", "orders"),
            ("*.log", "a.logs"),
            ("a*a", "a"),
            ("ab*ba", "aba"),
            ("a*c*e", "aec"),
            ("*b*b*", "ab"),
        ] {
            assert!(!matches(pattern, address), "{pattern} {address}");
        }
    }
}
