//! Sources, targets and the lifetime of dynamic nodes [3.5].

use alloc::boxed::Box;

use super::outcome::unknown;
use super::{Coordinator, DistributionMode, ExpiryPolicy, Outcome, TerminusDurability};
use crate::codec::{
    Code, Composite, Decode, DecodeErrorKind, Decoder, Descriptor, Encode, Names, Parsed, Schema, Writer,
    composite, fail,
};
use crate::types::{Described, Fields, List, Many, Str, Symbol, Value};

/// The capability of a peer that relays messages by their `to` address (the anonymous terminus).
///
/// Such a peer accepts links to a target without an address, and sends each message to the address in its
/// `to`.
pub const ANONYMOUS_RELAY: Symbol = Symbol::known("ANONYMOUS-RELAY");

composite! {
    /// The origin of a link's messages [3.5.3].
    rare Source = "source" 0x28 {
        /// The address of the node.
        address: Option<Str>, "*", optional;
        /// The parts of the terminus that survive a failure.
        durable: TerminusDurability, "terminus-durability", default(TerminusDurability::None, "none");
        /// The event that starts the expiry.
        expiry_policy: ExpiryPolicy, "terminus-expiry-policy", default(ExpiryPolicy::SessionEnd, "session-end");
        /// The time to expiry, in seconds.
        timeout: u32, "seconds", default(0, "0");
        /// `true` if the peer is asked to create the node, or has created it.
        dynamic: bool, "boolean", default(false, "false");
        /// Properties of a node that is created on request.
        dynamic_node_properties: Fields, "node-properties", optional;
        /// The node's treatment of sent messages: keep or remove.
        distribution_mode: Option<DistributionMode>, "symbol", optional;
        /// The filters that select messages, by name; each is a described value.
        filter: Fields, "filter-set", optional;
        /// The outcome of deliveries that are settled without one.
        default_outcome: Option<Outcome>, "*", optional;
        /// The possible outcomes, by their symbolic descriptors.
        outcomes: Many<Symbol>, "symbol", multiple;
        /// The extensions that the sender supports or wants.
        capabilities: Many<Symbol>, "symbol", multiple;
    }

    /// The destination of a link's messages [3.5.4].
    rare Target = "target" 0x29 {
        /// The address of the node.
        address: Option<Str>, "*", optional;
        /// The parts of the terminus that survive a failure.
        durable: TerminusDurability, "terminus-durability", default(TerminusDurability::None, "none");
        /// The event that starts the expiry.
        expiry_policy: ExpiryPolicy, "terminus-expiry-policy", default(ExpiryPolicy::SessionEnd, "session-end");
        /// The time to expiry, in seconds.
        timeout: u32, "seconds", default(0, "0");
        /// `true` if the peer is asked to create the node, or has created it.
        dynamic: bool, "boolean", default(false, "false");
        /// Properties of a node that is created on request.
        dynamic_node_properties: Fields, "node-properties", optional;
        /// The extensions that the sender supports or wants.
        capabilities: Many<Symbol>, "symbol", multiple;
    }

    /// Deletes the node with the link that created it [3.5.10].
    rare DeleteOnClose = "delete-on-close" 0x2b {}

    /// Deletes the node when it has no links [3.5.11].
    rare DeleteOnNoLinks = "delete-on-no-links" 0x2c {}

    /// Deletes the node when the link that created it is closed and the node is empty [3.5.12].
    rare DeleteOnNoMessages = "delete-on-no-messages" 0x2d {}

    /// Deletes the node when it has no links and is empty [3.5.13].
    rare DeleteOnNoLinksOrMessages = "delete-on-no-links-or-messages" 0x2e {}
}

impl Source {
    /// Returns a source with this address.
    pub fn at(address: impl Into<Str>) -> Self {
        Self { address: Some(address.into()), ..Self::default() }
    }
}

impl Target {
    /// Returns a target with this address.
    pub fn at(address: impl Into<Str>) -> Self {
        Self { address: Some(address.into()), ..Self::default() }
    }
}

/// The target of an attach: a node, or a transaction coordinator [2.7.3] [4.5.1].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Terminus {
    /// A node.
    Target(Target),
    /// A transaction coordinator.
    Coordinator(Coordinator),
    /// A described value that the standard does not define.
    Other(Box<Described>),
}

impl Terminus {
    /// Returns the address of a node. `None` for a node to be created, the anonymous terminus and a
    /// coordinator.
    pub fn address(&self) -> Option<&Str> {
        match self {
            Self::Target(target) => target.address.as_ref(),
            Self::Coordinator(_) | Self::Other(_) => None,
        }
    }
}

impl From<Target> for Terminus {
    fn from(target: Target) -> Self {
        Self::Target(target)
    }
}

impl From<Coordinator> for Terminus {
    fn from(coordinator: Coordinator) -> Self {
        Self::Coordinator(coordinator)
    }
}

impl core::fmt::Debug for Terminus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Target(target) => core::fmt::Debug::fmt(target, f),
            Self::Coordinator(coordinator) => core::fmt::Debug::fmt(coordinator, f),
            Self::Other(other) => core::fmt::Debug::fmt(other, f),
        }
    }
}

const TARGETS: [Names; 2] = [Target::NAMES, Coordinator::NAMES];

impl Decode for Terminus {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        if code != Code::DESCRIBED {
            return Err(fail(input, DecodeErrorKind::Expected("target")));
        }
        let (rest, descriptor) = Descriptor::parse(input)?;
        match descriptor.among(&TARGETS) {
            Some(0x29) => {
                Target::decode_list(decoder, rest).map(|(rest, target)| (rest, Self::Target(target)))
            }
            Some(0x30) => Coordinator::decode_list(decoder, rest)
                .map(|(rest, coordinator)| (rest, Self::Coordinator(coordinator))),
            _ => unknown(decoder, descriptor, input).map(|(rest, other)| (rest, Self::Other(other))),
        }
    }
}

impl Encode for Terminus {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    fn size(&self) -> usize {
        match self {
            Self::Target(target) => Encode::size(target),
            Self::Coordinator(coordinator) => Encode::size(coordinator),
            Self::Other(other) => Encode::size(&**other),
        }
    }

    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        match self {
            Self::Target(target) => target.write(writer),
            Self::Coordinator(coordinator) => coordinator.write(writer),
            Self::Other(other) => other.write(writer),
        }
    }
}

/// The lifetime of a node that is created on request [3.5.9]: a value of `dynamic_node_properties`.
///
/// ```
/// use amqp_proto::{types::Fields, wire::LifetimePolicy};
///
/// let on_close = (LifetimePolicy::KEY, LifetimePolicy::DeleteOnClose);
/// let properties: Fields = [on_close].into_iter().collect();
/// let policy = properties.get("lifetime-policy").unwrap();
/// let policy = LifetimePolicy::from_value(policy);
/// assert_eq!(policy, Some(LifetimePolicy::DeleteOnClose));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifetimePolicy {
    /// The node is deleted with the link that created it.
    DeleteOnClose,
    /// The node is deleted when it has no links.
    DeleteOnNoLinks,
    /// The node is deleted when the link that created it is closed and the node is empty.
    DeleteOnNoMessages,
    /// The node is deleted when it has no links and is empty.
    DeleteOnNoLinksOrMessages,
}

impl LifetimePolicy {
    /// The name of the property.
    pub const KEY: Symbol = Symbol::known("lifetime-policy");

    /// All policies, in the order of the standard.
    pub const ALL: [Self; 4] = [
        Self::DeleteOnClose,
        Self::DeleteOnNoLinks,
        Self::DeleteOnNoMessages,
        Self::DeleteOnNoLinksOrMessages,
    ];

    /// Returns the described type of the policy.
    pub const fn schema(self) -> Schema {
        match self {
            Self::DeleteOnClose => DeleteOnClose::SCHEMA,
            Self::DeleteOnNoLinks => DeleteOnNoLinks::SCHEMA,
            Self::DeleteOnNoMessages => DeleteOnNoMessages::SCHEMA,
            Self::DeleteOnNoLinksOrMessages => DeleteOnNoLinksOrMessages::SCHEMA,
        }
    }

    /// Returns the policy of a value, or `None` for a value of another type.
    pub fn from_value(value: &Value) -> Option<Self> {
        let descriptor = value.as_described()?.descriptor();
        Self::ALL.into_iter().find(|policy| {
            let schema = policy.schema();
            descriptor.as_u64() == Some(schema.code) || descriptor.as_str() == Some(schema.symbol)
        })
    }
}

impl From<LifetimePolicy> for Value {
    fn from(policy: LifetimePolicy) -> Self {
        Described::new(policy.schema().code, List::new()).into()
    }
}

macro_rules! symbol_field {
    ($($type:ty)*) => {$(
        impl Decode for $type {
            fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
                Symbol::decode(decoder, code, input).map(|(rest, name)| (rest, name.into()))
            }
        }

        impl Encode for $type {
            const MOST: usize = 1;

            fn extra(&self) -> usize {
                self.size()
            }

            fn size(&self) -> usize {
                Encode::size(&Symbol::from(self.clone()))
            }

            fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
                Symbol::from(self.clone()).write(writer)
            }
        }
    )*};
}

symbol_field! { DistributionMode }
