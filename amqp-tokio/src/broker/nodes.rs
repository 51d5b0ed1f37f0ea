//! [`Nodes`]: all that the addresses of a broker lead to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amqp_proto::types::Str;
use amqp_proto::wire::{AmqpError, Condition, LifetimePolicy};

use super::attached::Attached;
use super::choice::Choice;
use super::letters::{self, DeadLetterReason, Letters};
use super::node::{Kind, Node, Use};
use super::queue::Queue;
use super::quota::Quota;
use super::shared::Share;
use super::stored::Stored;
use super::topic::Topic;

/// The prefix of addresses with numbered messages.
const SOURCE: &str = "source.";

/// All nodes and dead letters of a broker.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) quota: Arc<Quota>,
    pub(super) letters: Letters,
    nodes: Mutex<HashMap<Str, Entry>>,
    next: AtomicU64,
    /// The prefix of the addresses of dynamic nodes.
    prefix: String,
    /// The queues for the dead letters of queues, by address.
    for_letters: HashMap<Str, Str>,
}

#[derive(Debug)]
struct Entry {
    node: Node,
    /// The number of links that use the node.
    users: usize,
    /// The lifetime of a dynamic node; `None` for another one.
    policy: Option<LifetimePolicy>,
    /// True while the link is there that the node was made for.
    has_owner: bool,
}

impl Entry {
    /// Returns true if the lifetime of the node is over [3.5.10-3.5.13]. A node that is not dynamic ends when nothing needs
    /// it.
    fn is_over(&self) -> bool {
        match self.policy {
            Some(LifetimePolicy::DeleteOnClose) => !self.has_owner,
            Some(LifetimePolicy::DeleteOnNoLinks) => self.users == 0,
            Some(LifetimePolicy::DeleteOnNoMessages) => !self.has_owner && self.node.is_empty(),
            Some(LifetimePolicy::DeleteOnNoLinksOrMessages) | None => self.users == 0 && self.node.is_empty(),
        }
    }
}

impl Nodes {
    pub(super) fn new(quota: Arc<Quota>, name: &str, for_letters: HashMap<Str, Str>) -> Self {
        Self {
            letters: Letters::new(Arc::clone(&quota)),
            quota,
            nodes: Mutex::default(),
            next: AtomicU64::new(0),
            prefix: format!("temp.{name}."),
            for_letters,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Str, Entry>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a new number.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Uses the node at an address. If there is none, makes a topic if that is requested, else a queue.
    pub(super) fn at(self: &Arc<Self>, address: &Str, kind: Kind) -> Result<Use, AmqpError> {
        if let Some(node) = Node::builtin(address) {
            return Ok(self.used(Str::EMPTY, node, None, false));
        }
        if address.starts_with(SOURCE) {
            let words = format!("{address} is a source of numbered messages, and accepts none");
            return Err(AmqpError::new(Condition::NotAllowed).with_description(words));
        }
        let mut nodes = self.lock();
        if let Some((name, _)) = nodes.get_key_value(address) {
            let name = name.clone();
            let Some(entry) = nodes.get_mut(address) else { return Err(not_found(address)) };
            if !entry.node.is_of(kind) {
                return Err(wrong_kind(address, &entry.node));
            }
            entry.users += 1;
            return Ok(self.used(name, entry.node.clone(), entry.policy, false));
        }
        if address.starts_with(&self.prefix) {
            return Err(not_found(address));
        }
        self.check_new(&nodes, address)?;
        // A copy does not keep the frame's buffer.
        let name = Str::from(address.as_str());
        Ok(self.add(&mut nodes, name, kind, None))
    }

    /// Makes a dynamic node for a link.
    pub(super) fn dynamic(self: &Arc<Self>, kind: Kind, policy: LifetimePolicy) -> Result<Use, AmqpError> {
        let name: Str = format!("{}{}", self.prefix, self.number()).into();
        let mut nodes = self.lock();
        self.check_new(&nodes, &name)?;
        Ok(self.add(&mut nodes, name, kind, Some(policy)))
    }

    /// Checks that a node can be made at this address.
    fn check_new(&self, nodes: &HashMap<Str, Entry>, address: &Str) -> Result<(), AmqpError> {
        let bounds = &self.quota.bounds;
        let words = if address.len() > bounds.address_octets {
            format!("the address is longer than {} octets", bounds.address_octets)
        } else if nodes.len() >= bounds.nodes {
            format!("the limit of {} queues and topics is reached", bounds.nodes)
        } else {
            return Ok(());
        };
        Err(AmqpError::new(Condition::ResourceLimitExceeded).with_description(words))
    }

    fn add(
        self: &Arc<Self>,
        nodes: &mut HashMap<Str, Entry>,
        name: Str,
        kind: Kind,
        policy: Option<LifetimePolicy>,
    ) -> Use {
        let node = match kind {
            Kind::Topic => Node::Topic(Arc::default()),
            Kind::Any | Kind::Queue => Node::Queue(Arc::new(self.queue_for(name.clone()))),
        };
        let has_owner = policy.is_some();
        nodes.insert(name.clone(), Entry { node: node.clone(), users: 1, policy, has_owner });
        self.used(name, node, policy, has_owner)
    }

    fn used(
        self: &Arc<Self>,
        address: Str,
        node: Node,
        policy: Option<LifetimePolicy>,
        is_owner: bool,
    ) -> Use {
        Use { nodes: Arc::clone(self), address, node, policy, is_owner }
    }

    fn queue_for(&self, address: Str) -> Queue {
        Queue::new(address, Arc::clone(&self.quota))
    }

    /// Ends a link's use of a node.
    pub(super) fn unuse(&self, used: &Use) {
        let mut nodes = self.lock();
        let Some(entry) = nodes.get_mut(&used.address) else { return };
        entry.users = entry.users.saturating_sub(1);
        entry.has_owner &= !used.is_owner;
        self.end_if_over(nodes, &used.address);
    }

    /// Removes the node at an address if its lifetime is over.
    pub(super) fn tidy(&self, address: &Str) {
        self.end_if_over(self.lock(), address);
    }

    fn end_if_over(&self, mut nodes: MutexGuard<'_, HashMap<Str, Entry>>, address: &Str) {
        if !nodes.get(address).is_some_and(Entry::is_over) {
            return;
        }
        let gone = nodes.remove(address);
        drop(nodes);
        if let Some(Entry { node, policy: Some(_), .. }) = gone {
            self.close(&node);
        }
    }

    /// Ends a dynamic node. Its messages become dead letters.
    fn close(&self, node: &Node) {
        match node {
            Node::Queue(queue) => self.bury_all(queue.close()),
            Node::Topic(topic) => topic.close(),
            Node::Sink(_) => {}
        }
    }

    /// Makes a dead letter of a message. It goes to the queue for the dead letters of its queue, if that has room.
    pub(super) fn bury(self: &Arc<Self>, stored: Stored, reason: DeadLetterReason) {
        let sent = self.for_letters.get(&stored.address).and_then(|address| {
            let letter = letters::addressed(&stored, address.clone(), &reason, &self.quota.limits)?;
            match &self.at(address, Kind::Queue).ok()?.node {
                Node::Queue(queue) => queue.try_push(letter),
                Node::Topic(_) | Node::Sink(_) => None,
            }
        });
        if sent.is_none() {
            self.letters.bury(stored.payload, &stored.address, reason);
        }
    }

    /// Makes dead letters of what exceeds the bounds of a subscription without a link.
    pub(super) fn bury_overflow(self: &Arc<Self>, queue: &Queue) {
        queue.overflow().into_iter().for_each(|stored| self.bury(stored, DeadLetterReason::Overflow));
    }

    /// Makes dead letters of messages whose node has ended.
    pub(super) fn bury_all(&self, messages: Vec<Stored>) {
        for stored in messages {
            self.letters.bury(stored.payload, &stored.address, DeadLetterReason::NodeGone);
        }
    }

    /// Listens to the node at an address: a queue, a topic by a queue of its own, or numbered messages.
    pub(super) fn listen(
        self: &Arc<Self>,
        address: &Str,
        kind: Kind,
        choice: &Choice,
    ) -> Result<Listening, AmqpError> {
        if let Some(count) = address.strip_prefix(SOURCE) {
            let count = count.parse::<u32>().map_err(|_| not_found(address))?;
            if !choice.is_plain() {
                let words = "numbered messages can be neither browsed nor filtered";
                return Err(AmqpError::new(Condition::NotImplemented).with_description(words));
            }
            let queue = Queue::numbered(Str::from(address.as_str()), Arc::clone(&self.quota), count);
            return Ok(Listening {
                queue: Arc::new(queue),
                topic: None,
                share: None,
                attached: None,
                used: None,
            });
        }
        self.listen_to(self.at(address, kind)?, choice)
    }

    /// Listens to a node. A topic copies only the messages of the choice.
    pub(super) fn listen_to(&self, used: Use, choice: &Choice) -> Result<Listening, AmqpError> {
        let (queue, topic) = match &used.node {
            Node::Queue(queue) => (Arc::clone(queue), None),
            Node::Topic(topic) => {
                let queue = Arc::new(Queue::subscription(used.address.clone(), Arc::clone(&self.quota)));
                topic.subscribe(Arc::clone(&queue), choice.for_topic());
                (queue, Some(Arc::clone(topic)))
            }
            Node::Sink(_) => {
                let words = "nothing can be received at this address";
                return Err(AmqpError::new(Condition::NotFound).with_description(words));
            }
        };
        Ok(Listening { queue, topic, share: None, attached: None, used: Some(used) })
    }

    /// Returns the queue at an address, without using it.
    pub(super) fn queue(&self, address: &str) -> Option<Arc<Queue>> {
        match &self.lock().get(&Str::from(address))?.node {
            Node::Queue(queue) => Some(Arc::clone(queue)),
            Node::Topic(_) | Node::Sink(_) => None,
        }
    }

    /// Returns the number of queues and topics.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

fn not_found(address: &Str) -> AmqpError {
    AmqpError::new(Condition::NotFound).with_description(format!("there is no node at {address}"))
}

fn wrong_kind(address: &Str, node: &Node) -> AmqpError {
    let words = match node {
        Node::Topic(_) => format!("{address} is a topic, not a queue"),
        Node::Queue(_) | Node::Sink(_) => format!("{address} is a queue, not a topic"),
    };
    AmqpError::new(Condition::PreconditionFailed).with_description(words)
}

/// The queue of a consumer. A queue made for the consumer ends with this.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) queue: Arc<Queue>,
    /// The topic of the queue.
    topic: Option<Arc<Topic>>,
    /// The link's part in a shared subscription, whose queue this is.
    share: Option<Share>,
    /// Counts the link, while it is attached.
    attached: Option<Attached>,
    /// Keeps the node; `None` if the queue has no address.
    used: Option<Use>,
}

impl Listening {
    /// Returns the same queue for a link that shares a subscription.
    pub(super) fn shared_by(&self, share: Share) -> Self {
        let queue = Arc::clone(&self.queue);
        Self { queue, topic: None, share: Some(share), attached: None, used: None }
    }

    /// Returns whether the queue is that of a shared subscription that outlives its links.
    pub(super) fn is_durably_shared(&self) -> bool {
        self.share.as_ref().is_some_and(Share::is_durable)
    }

    /// Ends the shared subscription of a link that the client has closed, unless other links have it.
    pub(super) fn end_subscription(&mut self) {
        if let Some(share) = self.share.take() {
            share.end();
        }
    }

    /// Records that the link is attached over this connection.
    pub(super) fn resume(&mut self, connection: u64) {
        self.attached.get_or_insert_with(|| Attached::new(Arc::clone(&self.queue)));
        if let Some(topic) = &self.topic {
            topic.resume(&self.queue, connection);
        }
    }

    /// Ends the node if it was to last until it is empty, which it is.
    pub(super) fn emptied(&self) {
        if let Some(Use { nodes, address, policy: Some(LifetimePolicy::DeleteOnNoMessages), .. }) = &self.used
        {
            nodes.tidy(address);
        }
    }

    /// Records that the link is not attached.
    pub(super) fn suspend(&mut self) {
        self.attached = None;
    }

    /// Returns whether every listening link gets each message.
    pub(super) fn is_topic(&self) -> bool {
        self.topic.is_some()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(topic) = &self.topic {
            topic.unsubscribe(&self.queue);
        }
    }
}
