//! Sources and targets: the requests of clients, and the answers to them.
//!
//! The broker refuses what it cannot do and the client would rely on, with the reason, such as
//! filters that it does not know. For everything else the answer says what is in force [3.5.3], such as that nothing
//! is durable.

use amqp_proto::policy::Lifetime;
use amqp_proto::types::{Fields, Many, Str, Symbol};
use amqp_proto::wire::{AmqpError, Condition, DistributionMode, LifetimePolicy, Source, Target};

use super::node::Kind;
use super::shared::is_shared;

const QUEUES: [&str; 2] = ["queue", "temporary-queue"];
const TOPICS: [&str; 2] = ["topic", "temporary-topic"];
const SHARED: [&str; 2] = ["shared", "global"];
const OUTCOMES: [&str; 4] =
    ["amqp:accepted:list", "amqp:rejected:list", "amqp:released:list", "amqp:modified:list"];

pub(super) fn not_implemented(words: impl Into<Str>) -> AmqpError {
    AmqpError::new(Condition::NotImplemented).with_description(words)
}

/// Returns the kind of node that a terminus requests by its capabilities.
pub(super) fn kind(capabilities: &[Symbol]) -> Kind {
    let asks = |names: [&str; 2]| capabilities.iter().any(|name| names.contains(&name.as_str()));
    match (asks(TOPICS), asks(QUEUES)) {
        (true, _) => Kind::Topic,
        (false, true) => Kind::Queue,
        (false, false) => Kind::Any,
    }
}

/// Checks a requested source without its filters, for any node.
pub(super) fn check_source(source: &Source) -> Result<(), AmqpError> {
    if let Some(DistributionMode::Other(mode)) = &source.distribution_mode {
        return Err(not_implemented(format!("this broker has no distribution-mode {mode}")));
    }
    node_lifetime(&source.dynamic_node_properties).map(drop)
}

/// Checks the distribution mode of a requested source, which depends on whether the node is a topic.
pub(super) fn check_distribution(source: &Source, is_topic: bool) -> Result<(), AmqpError> {
    match source.distribution_mode {
        Some(DistributionMode::Move) if is_topic => {
            Err(not_implemented("a topic has no distribution-mode move"))
        }
        _ => Ok(()),
    }
}

/// Returns the requested lifetime of a dynamic node; without a request, the node ends with its link.
pub(super) fn node_lifetime(properties: &Fields) -> Result<LifetimePolicy, AmqpError> {
    match properties.get(LifetimePolicy::KEY.as_str()).map(LifetimePolicy::from_value) {
        None => Ok(LifetimePolicy::DeleteOnClose),
        Some(Some(policy)) => Ok(policy),
        Some(None) => Err(AmqpError::new(Condition::InvalidField)
            .with_description("the lifetime-policy is not one of the standard")),
    }
}

/// Returns the lifetime that a client asks for its source. The link that makes a dynamic node is not kept. A shared subscription is kept by
/// its own name, not by that of a link.
pub(super) fn source_lifetime(source: &Source) -> Lifetime {
    if source.dynamic || is_shared(&source.capabilities) {
        Lifetime::LINK
    } else {
        Lifetime::of_source(source)
    }
}

/// Returns the lifetime that a client asks for its target.
pub(super) fn target_lifetime(target: &Target) -> Lifetime {
    if target.dynamic { Lifetime::LINK } else { Lifetime::of_target(target) }
}

/// Sets the lifetime in a source.
pub(super) fn set_source_lifetime(source: &mut Source, lifetime: Lifetime) {
    (source.expiry_policy, source.timeout) = (lifetime.policy, seconds(lifetime));
}

/// Sets the lifetime in a target.
pub(super) fn set_target_lifetime(target: &mut Target, lifetime: Lifetime) {
    (target.expiry_policy, target.timeout) = (lifetime.policy, seconds(lifetime));
}

/// Returns a timeout in seconds.
fn seconds(lifetime: Lifetime) -> u32 {
    u32::try_from(lifetime.timeout.as_secs()).unwrap_or(u32::MAX)
}

/// Returns the source that is in force, with all its filters.
pub(super) fn granted_source(asked: Source, address: Str, is_topic: bool, lifetime: Lifetime) -> Source {
    let mode = asked.distribution_mode.unwrap_or(DistributionMode::Move);
    let outcomes = asked.outcomes.iter().filter(|name| OUTCOMES.contains(&name.as_str())).cloned();
    Source {
        address: Some(address),
        expiry_policy: lifetime.policy,
        timeout: seconds(lifetime),
        dynamic: asked.dynamic,
        dynamic_node_properties: node_properties(asked.dynamic, &asked.dynamic_node_properties),
        distribution_mode: Some(if is_topic { DistributionMode::Copy } else { mode }),
        filter: asked.filter,
        outcomes: outcomes.collect(),
        capabilities: granted(&asked.capabilities, is_topic),
        default_outcome: asked.default_outcome,
        ..Source::default()
    }
}

/// Returns the target that is in force; without an address it is the anonymous relay.
pub(super) fn granted_target(
    asked: &Target,
    address: Option<Str>,
    is_topic: bool,
    lifetime: Lifetime,
) -> Target {
    Target {
        address,
        expiry_policy: lifetime.policy,
        timeout: seconds(lifetime),
        dynamic: asked.dynamic,
        dynamic_node_properties: node_properties(asked.dynamic, &asked.dynamic_node_properties),
        capabilities: granted(&asked.capabilities, is_topic),
        ..Target::default()
    }
}

/// Returns the properties of a dynamic node, of those that are requested.
fn node_properties(is_dynamic: bool, asked: &Fields) -> Fields {
    let policy = node_lifetime(asked).ok().filter(|_| is_dynamic);
    policy.into_iter().map(|policy| (LifetimePolicy::KEY, policy)).collect()
}

/// Returns the requested capabilities that the node has.
fn granted(asked: &[Symbol], is_topic: bool) -> Many<Symbol> {
    let has = |name: &str| match is_topic {
        true => TOPICS.contains(&name) || SHARED.contains(&name),
        false => QUEUES.contains(&name),
    };
    asked.iter().filter(|name| has(name.as_str())).cloned().collect()
}
