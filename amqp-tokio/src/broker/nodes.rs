//! [`Nodes`]: what addresses lead to.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amqp_proto::message::{Message, Payload};
use amqp_proto::types::{Str, Symbol};
use amqp_proto::wire::{Condition, Error, Modified, Outcome, Rejected};

use super::letters::{DeadLetter, Reason};
use super::queue::{Queue, Stored};

/// What an address leads to.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Queue(Arc<Queue>),
    Topic(Arc<Topic>),
    /// Gives each message of a link an outcome, in turn.
    Sink(&'static [Verdict]),
}

/// What a sink says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Rejected,
    Released,
    Modified,
}

impl Verdict {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Accepted => Outcome::Accepted,
            Self::Rejected => {
                let error = Error::new(Condition::PreconditionFailed)
                    .with_description("this address rejects what it is sent");
                Rejected { error: Some(Box::new(error)) }.into()
            }
            Self::Released => Outcome::Released,
            Self::Modified => Modified { delivery_failed: Some(true), ..Modified::default() }.into(),
        }
    }
}

/// Copies each message for each of those that listen when it comes.
#[derive(Debug, Default)]
pub(super) struct Topic {
    subscribers: Mutex<Vec<Arc<Queue>>>,
}

impl Topic {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Queue>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribers(&self) -> Vec<Arc<Queue>> {
        self.lock().clone()
    }

    fn subscribe(&self, queue: Arc<Queue>) {
        self.lock().push(queue);
    }

    fn unsubscribe(&self, queue: &Arc<Queue>) {
        self.lock().retain(|subscriber| !Arc::ptr_eq(subscriber, queue));
    }
}

const SINKS: [(&str, &[Verdict]); 5] = [
    ("outcome.accepted", &[Verdict::Accepted]),
    ("outcome.rejected", &[Verdict::Rejected]),
    ("outcome.released", &[Verdict::Released]),
    ("outcome.modified", &[Verdict::Modified]),
    ("outcome.mixed", &[Verdict::Accepted, Verdict::Rejected, Verdict::Released, Verdict::Modified]),
];

/// The capability of a node that is a topic.
pub(super) const TOPIC: &str = "topic";

/// All nodes of a broker, and the messages that none of them keeps.
#[derive(Debug)]
pub(super) struct Nodes {
    depth: usize,
    most_letters: usize,
    nodes: Mutex<HashMap<Str, Node>>,
    letters: Mutex<VecDeque<DeadLetter>>,
    next: AtomicU64,
    prefix: String,
}

impl Nodes {
    pub(super) fn new(depth: usize, most_letters: usize, prefix: String) -> Self {
        Self {
            depth,
            most_letters,
            nodes: Mutex::default(),
            letters: Mutex::default(),
            next: AtomicU64::new(0),
            prefix,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Str, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that is given out once.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The node at an address, made if there is none: a topic if that is asked for, else a queue.
    pub(super) fn at(&self, address: &Str, capabilities: &[Symbol]) -> Node {
        if let Some((_, turns)) = SINKS.iter().find(|(name, _)| address == name) {
            return Node::Sink(turns);
        }
        let wants_topic = capabilities.iter().any(|name| *name == TOPIC);
        let mut nodes = self.lock();
        let node = nodes.entry(address.clone()).or_insert_with(|| match wants_topic {
            true => Node::Topic(Arc::default()),
            false => Node::Queue(Arc::new(Queue::new(address.clone(), self.depth))),
        });
        node.clone()
    }

    /// A queue of its own for one that listens: to the topic at an address, or to what comes to the queue itself.
    pub(super) fn listen(&self, address: &Str, capabilities: &[Symbol]) -> Option<Listening> {
        if let Some(count) = address.strip_prefix("source.") {
            let count = count.parse::<u32>().ok()?;
            return Some(Listening {
                queue: Arc::new(self.source(address, count)?),
                leaves: Leaves::Private,
            });
        }
        match self.at(address, capabilities) {
            Node::Queue(queue) => Some(Listening { queue, leaves: Leaves::Queue }),
            Node::Topic(topic) => {
                let queue = Arc::new(Queue::new(address.clone(), self.depth));
                topic.subscribe(Arc::clone(&queue));
                Some(Listening { queue, leaves: Leaves::Topic(topic) })
            }
            Node::Sink(_) => None,
        }
    }

    /// A queue with so many numbered messages.
    fn source(&self, address: &Str, count: u32) -> Option<Queue> {
        if usize::try_from(count).ok()? > self.depth {
            return None;
        }
        let queue = Queue::new(address.clone(), self.depth);
        for n in 0..count {
            let message =
                Message::from(format!("msg{n}")).with_message_id(u64::from(n)).with_property("seq", n);
            queue.push(Stored::new(message.to_payload().ok()?, address.clone()));
        }
        Some(queue)
    }

    /// A node that is made for a link, and goes with it.
    pub(super) fn dynamic(&self) -> Arc<Queue> {
        let address: Str = format!("temp.{}.{}", self.prefix, self.number()).into();
        let queue = Arc::new(Queue::new(address.clone(), self.depth));
        self.lock().insert(address, Node::Queue(Arc::clone(&queue)));
        queue
    }

    /// A dynamic node goes.
    pub(super) fn remove(&self, queue: &Arc<Queue>) {
        self.lock().remove(&queue.address);
        for stored in queue.close() {
            self.bury(stored.payload, &stored.address, Reason::NodeGone);
        }
    }

    /// Keeps a message that nobody gets, instead of the oldest such if there are too many.
    pub(super) fn bury(&self, payload: Payload, address: &Str, reason: Reason) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= self.most_letters {
            letters.pop_front();
        }
        if self.most_letters > 0 {
            letters.push_back(DeadLetter { address: address.clone(), reason, payload });
        }
    }

    pub(super) fn letters(&self) -> Vec<DeadLetter> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn queue(&self, address: &str) -> Option<Arc<Queue>> {
        match self.lock().get(&Str::from(address))? {
            Node::Queue(queue) => Some(Arc::clone(queue)),
            _ => None,
        }
    }
}

/// A queue that a consumer takes messages from, and what becomes of it then.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) queue: Arc<Queue>,
    pub(super) leaves: Leaves,
}

#[derive(Debug)]
pub(super) enum Leaves {
    /// The queue stays.
    Queue,
    /// The topic has one listener less.
    Topic(Arc<Topic>),
    /// The node was made for the consumer.
    Dynamic,
    /// Nobody else knows of it.
    Private,
}

impl Listening {
    /// The consumer is gone.
    pub(super) fn end(&self, nodes: &Nodes) {
        match &self.leaves {
            Leaves::Queue | Leaves::Private => {}
            Leaves::Topic(topic) => {
                topic.unsubscribe(&self.queue);
                self.queue.close();
            }
            Leaves::Dynamic => nodes.remove(&self.queue),
        }
    }
}
