//! [`Shared`]: subscriptions to topics whose messages several links share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amqp_proto::policy::Lifetime;
use amqp_proto::types::{Str, Symbol};
use amqp_proto::wire::{AmqpError, Attach, Condition, ExpiryPolicy, Source};

use super::nodes::Listening;
use super::quota::Bounds;

const SHARED: &str = "shared";
const GLOBAL: &str = "global";

/// The shared subscriptions of a broker.
#[derive(Debug)]
pub(super) struct Shared {
    /// The most durable ones.
    most: usize,
    all: Mutex<HashMap<SharedName, Subscription>>,
}

/// The name of a shared subscription.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SharedName {
    /// The container and the user; `None` if all clients have it in common.
    client: Option<(Str, Option<Str>)>,
    name: Str,
    /// True if the subscription outlives its links. It may have the name of one that does not.
    is_durable: bool,
}

#[derive(Debug)]
struct Subscription {
    listening: Listening,
    /// The source in the broker's attach.
    source: Source,
    /// The number of its links.
    links: usize,
}

/// Returns true if a source is to be shared with other links.
pub(super) fn is_shared(capabilities: &[Symbol]) -> bool {
    capabilities.iter().any(|name| name.as_str() == SHARED)
}

impl SharedName {
    /// Returns the lifetime in the broker's answer.
    pub(super) fn lifetime(&self) -> Lifetime {
        let policy = if self.is_durable { ExpiryPolicy::Never } else { ExpiryPolicy::LinkDetach };
        Lifetime { policy, timeout: Duration::ZERO }
    }

    /// Reads the name of a subscription from the attach of a link by this client. Qpid JMS appends to it what makes the names
    /// of its links differ, behind a bar.
    pub(super) fn of(attach: &Attach, container: &Str, user: Option<&Str>) -> Self {
        let (name, _) = attach.name.split_once('|').unwrap_or((attach.name.as_str(), ""));
        let asks = |names: &[Symbol]| names.iter().any(|name| name.as_str() == GLOBAL);
        let source = attach.source.as_deref();
        let is_global =
            source.is_some_and(|source| asks(&source.capabilities)) || asks(&attach.desired_capabilities);
        Self {
            client: (!is_global).then(|| (container.clone(), user.cloned())),
            // A copy does not keep the frame's buffer.
            name: Str::from(name),
            // An attach without a source finds what is there without a link.
            is_durable: source.is_none_or(|source| source.expiry_policy == ExpiryPolicy::Never),
        }
    }
}

impl Shared {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self { most: bounds.termini, all: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SharedName, Subscription>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of those that outlive their links.
    pub(super) fn durable_len(&self) -> usize {
        self.lock().keys().filter(|name| name.is_durable).count()
    }

    /// Adds a link to a subscription. If there is none, or one without links from another source, this makes it.
    ///
    /// # Errors
    ///
    /// Other links have subscribed to another topic, or by other filters; or there are as many durable subscriptions as
    /// allowed.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        name: SharedName,
        source: Source,
        listening: Listening,
    ) -> Result<(Source, Listening), AmqpError> {
        let mut all = self.lock();
        let durable = all.keys().filter(|name| name.is_durable).count();
        let gone = match all.get_mut(&name) {
            Some(one) if is_same(&one.source, &source) => None,
            Some(one) if one.links > 0 => return Err(differs(&name.name)),
            None if name.is_durable && durable >= self.most => return Err(too_many(self.most)),
            _ => Some(all.insert(name.clone(), Subscription { listening, source, links: 0 })),
        };
        let joined = all.get_mut(&name).map(|one| self.join(name, one));
        drop(all);
        // What has gone leaves its topic without the lock.
        drop(gone);
        joined.ok_or_else(|| Condition::InternalError.into())
    }

    /// Adds a link to a durable subscription that is there.
    pub(super) fn find(self: &Arc<Self>, name: SharedName) -> Option<(Source, Listening)> {
        let mut all = self.lock();
        let one = all.get_mut(&name)?;
        Some(self.join(name, one))
    }

    fn join(self: &Arc<Self>, name: SharedName, one: &mut Subscription) -> (Source, Listening) {
        one.links += 1;
        let share = Share { shared: Arc::clone(self), name, is_ended: false };
        (one.source.clone(), one.listening.shared_by(share))
    }
}

/// Returns true if two sources have the same messages.
fn is_same(one: &Source, other: &Source) -> bool {
    one.address == other.address && one.filter == other.filter
}

fn differs(name: &Str) -> AmqpError {
    let words = format!("the subscription {name} has links, and is to another topic or by other filters");
    AmqpError::new(Condition::PreconditionFailed).with_description(words)
}

fn too_many(most: usize) -> AmqpError {
    let words = format!("the limit of {most} durable shared subscriptions is reached");
    AmqpError::new(Condition::ResourceLimitExceeded).with_description(words)
}

/// A link's part in a shared subscription. A subscription that is not durable ends with its last link.
#[derive(Debug)]
pub(super) struct Share {
    shared: Arc<Shared>,
    name: SharedName,
    /// True if the client has closed the link.
    is_ended: bool,
}

impl Share {
    /// Returns true if the subscription outlives its links.
    pub(super) fn is_durable(&self) -> bool {
        self.name.is_durable
    }

    /// Ends the subscription, unless other links have it.
    pub(super) fn end(mut self) {
        self.is_ended = true;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.shared.lock();
        let Some(one) = all.get_mut(&self.name) else { return };
        one.links = one.links.saturating_sub(1);
        let is_over = one.links == 0 && (self.is_ended || !self.name.is_durable);
        let gone = if is_over { all.remove(&self.name) } else { None };
        drop(all);
        drop(gone);
    }
}
