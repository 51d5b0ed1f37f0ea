//! [`Ungranted`]: the parts of an attach that the peer's answer does not grant [2.6.3].

use core::fmt;

use alloc::vec::Vec;

use super::{ReceiverOptions, SenderOptions};
use crate::types::{Described, Escaped, Fields, Many, Symbol, Value};
use crate::wire::{
    Attach, ExpiryPolicy, FilterKind, ReceiverSettleMode, SenderSettleMode, Source, Target, Terminus,
    TerminusDurability,
};

/// A part of a link that this end requested and that the peer's attach does not grant.
///
/// A peer may attach a link without a filter or a capability that it does not know [2.6.3] [3.5.3]; its
/// attach says which ones are in force. [`ReceiverOptions::ungranted`] and [`SenderOptions::ungranted`]
/// compare the attach with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ungranted {
    /// The source has no filter of this name, or a different one.
    Filter(Symbol),
    /// The peer does not offer this capability, neither on the link nor on its terminus.
    Capability(Symbol),
    /// Less of the terminus survives a failure than requested.
    Durability,
    /// The terminus expires by another policy, or sooner.
    Expiry,
    /// The peer has not created a node, or does not return its address.
    Dynamic,
    /// The source uses another distribution mode.
    DistributionMode,
    /// The sender uses another settlement policy.
    SenderSettleMode,
    /// The receiver uses another settlement policy.
    ReceiverSettleMode,
}

impl fmt::Display for Ungranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter(name) => return write!(f, "filter {}", Escaped::new(name.as_str())),
            Self::Capability(name) => return write!(f, "capability {}", Escaped::new(name.as_str())),
            Self::Durability => "durability",
            Self::Expiry => "expiry",
            Self::Dynamic => "dynamic node",
            Self::DistributionMode => "distribution mode",
            Self::SenderSettleMode => "snd-settle-mode",
            Self::ReceiverSettleMode => "rcv-settle-mode",
        })
    }
}

impl core::error::Error for Ungranted {}

impl ReceiverOptions {
    /// Returns the requested parts that the peer's attach does not grant.
    ///
    /// ```
    /// use amqp_proto::config::{ReceiverOptions, Ungranted};
    /// use amqp_proto::symbol;
    /// use amqp_proto::types::Handle;
    /// use amqp_proto::wire::{Attach, Role, Source};
    ///
    /// let source = Source::at("jobs").with_no_local();
    /// let options = ReceiverOptions::new().with_source(source);
    /// let answer = Attach {
    ///     source: Some(Box::new(Source::at("jobs"))),
    ///     ..Attach::new("link".into(), Handle::new(0), Role::Sender)
    /// };
    /// let missing = options.ungranted(&answer);
    /// assert_eq!(missing, [Ungranted::Filter(symbol!("no-local"))]);
    /// ```
    pub fn ungranted(&self, answer: &Attach) -> Vec<Ungranted> {
        let mut found = Vec::new();
        compare_capabilities(&self.desired_capabilities, &answer.offered_capabilities, &mut found);
        if let Some(asked) = self.source.as_deref() {
            let default = Source::default();
            compare_sources(asked, answer.source.as_deref().unwrap_or(&default), &mut found);
        }
        compare_modes(self.snd_settle_mode, self.rcv_settle_mode, answer, &mut found);
        found
    }
}

impl SenderOptions {
    /// Returns the requested parts that the peer's attach does not grant.
    pub fn ungranted(&self, answer: &Attach) -> Vec<Ungranted> {
        let mut found = Vec::new();
        compare_capabilities(&self.desired_capabilities, &answer.offered_capabilities, &mut found);
        if let Some(asked) = self.target.as_deref() {
            compare_targets(asked, answer.target.as_deref(), &mut found);
        }
        compare_modes(self.snd_settle_mode, self.rcv_settle_mode, answer, &mut found);
        found
    }
}

fn push_if(differs: bool, what: Ungranted, found: &mut Vec<Ungranted>) {
    if differs {
        found.push(what);
    }
}

fn compare_modes(
    sender: Option<SenderSettleMode>,
    receiver: Option<ReceiverSettleMode>,
    answer: &Attach,
    found: &mut Vec<Ungranted>,
) {
    let is_other = sender.is_some_and(|mode| mode != answer.snd_settle_mode);
    push_if(is_other, Ungranted::SenderSettleMode, found);
    let is_other = receiver.is_some_and(|mode| mode != answer.rcv_settle_mode);
    push_if(is_other, Ungranted::ReceiverSettleMode, found);
}

fn compare_capabilities(asked: &Many<Symbol>, granted: &Many<Symbol>, found: &mut Vec<Ungranted>) {
    let missing = asked.iter().filter(|name| !granted.contains(name));
    found.extend(missing.cloned().map(Ungranted::Capability));
}

fn compare_sources(asked: &Source, granted: &Source, found: &mut Vec<Ungranted>) {
    for (name, filter) in asked.filter.iter() {
        if let Value::Symbol(name) = name
            && !has_filter(&granted.filter, name, filter)
        {
            found.push(Ungranted::Filter(name.clone()));
        }
    }
    compare_capabilities(&asked.capabilities, &granted.capabilities, found);
    let mode = asked.distribution_mode.is_some() && asked.distribution_mode != granted.distribution_mode;
    push_if(mode, Ungranted::DistributionMode, found);
    let (asked, granted) = (Node::of_source(asked), Node::of_source(granted));
    asked.compare(&granted, found);
}

fn compare_targets(asked: &Terminus, granted: Option<&Terminus>, found: &mut Vec<Ungranted>) {
    match (asked, granted) {
        (Terminus::Target(asked), granted) => {
            let default = Target::default();
            let granted = match granted {
                Some(Terminus::Target(granted)) => granted,
                _ => &default,
            };
            compare_capabilities(&asked.capabilities, &granted.capabilities, found);
            Node::of_target(asked).compare(&Node::of_target(granted), found);
        }
        (Terminus::Coordinator(asked), Some(Terminus::Coordinator(granted))) => {
            compare_capabilities(&asked.capabilities, &granted.capabilities, found);
        }
        (Terminus::Coordinator(_) | Terminus::Other(_), _) => {}
    }
}

/// Returns `true` if a filter of this name, kind and value is in force.
fn has_filter(granted: &Fields, name: &Symbol, asked: &Value) -> bool {
    granted.get(name.as_str()).is_some_and(|granted| match (asked.as_described(), granted.as_described()) {
        (Some(asked), _) if FilterKind::of(asked.descriptor()) == Some(FilterKind::Session) => {
            has_session(asked.value(), granted)
        }
        (Some(asked), Some(granted)) => {
            is_same_kind(asked.descriptor(), granted.descriptor()) && asked.value() == granted.value()
        }
        _ => asked == granted,
    })
}

/// Returns `true` if the answer names the session that was asked for, or any for null. Service Bus may leave out the
/// descriptor.
fn has_session(asked: &Value, granted: &Value) -> bool {
    let granted = granted.as_described().map_or(granted, Described::value);
    match asked {
        Value::Null => granted.as_str().is_some(),
        session => session == granted,
    }
}

/// Returns `true` if two descriptors name the same kind of filter. The peer may write a number for a symbol; of
/// unknown kinds, the two forms cannot be compared.
fn is_same_kind(asked: &Value, granted: &Value) -> bool {
    match (FilterKind::of(asked), FilterKind::of(granted)) {
        (None, None) => asked == granted || asked.kind() != granted.kind(),
        (asked, granted) => asked == granted,
    }
}

/// The fields that sources and targets share.
struct Node {
    durable: TerminusDurability,
    expiry_policy: ExpiryPolicy,
    timeout: u32,
    dynamic: bool,
    has_address: bool,
}

impl Node {
    fn of_source(source: &Source) -> Self {
        Self {
            durable: source.durable,
            expiry_policy: source.expiry_policy,
            timeout: source.timeout,
            dynamic: source.dynamic,
            has_address: source.address.is_some(),
        }
    }

    fn of_target(target: &Target) -> Self {
        Self {
            durable: target.durable,
            expiry_policy: target.expiry_policy,
            timeout: target.timeout,
            dynamic: target.dynamic,
            has_address: target.address.is_some(),
        }
    }

    fn compare(&self, granted: &Self, found: &mut Vec<Ungranted>) {
        push_if(granted.durable.to_wire() < self.durable.to_wire(), Ungranted::Durability, found);
        // A timeout means nothing to a terminus that never expires.
        let expires = self.expiry_policy != ExpiryPolicy::Never;
        let expiry =
            granted.expiry_policy != self.expiry_policy || (expires && granted.timeout < self.timeout);
        push_if(expiry, Ungranted::Expiry, found);
        push_if(self.dynamic && !granted.has_address, Ungranted::Dynamic, found);
    }
}
