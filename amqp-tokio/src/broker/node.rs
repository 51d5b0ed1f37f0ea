//! [`Node`]: what an address leads to, and [`Use`], which keeps it there.

use std::sync::Arc;

use amqp_proto::types::Str;
use amqp_proto::wire::{AmqpError, Condition, LifetimePolicy, Modified, Outcome, Rejected};

use super::nodes::Nodes;
use super::queue::Queue;
use super::topic::Topic;

/// The node at an address.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Queue(Arc<Queue>),
    Topic(Arc<Topic>),
    /// Gives the messages of a link these outcomes, in turn.
    Sink(&'static [Verdict]),
}

/// The kind of node that a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any node; a queue if none exists.
    Any,
    Queue,
    Topic,
}

/// The outcome of a sink for a message.
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
                let error = AmqpError::new(Condition::PreconditionFailed)
                    .with_description("this address rejects messages");
                Rejected { error: Some(Box::new(error)) }.into()
            }
            Self::Released => Outcome::Released,
            Self::Modified => Modified { delivery_failed: Some(true), ..Modified::default() }.into(),
        }
    }
}

const SINKS: [(&str, &[Verdict]); 5] = [
    ("outcome.accepted", &[Verdict::Accepted]),
    ("outcome.rejected", &[Verdict::Rejected]),
    ("outcome.released", &[Verdict::Released]),
    ("outcome.modified", &[Verdict::Modified]),
    ("outcome.mixed", &[Verdict::Accepted, Verdict::Rejected, Verdict::Released, Verdict::Modified]),
];

impl Node {
    /// Returns the built-in node at an address.
    pub(super) fn builtin(address: &str) -> Option<Self> {
        let (_, turns) = SINKS.iter().find(|(name, _)| address == *name)?;
        Some(Self::Sink(turns))
    }

    /// Returns whether the node is of the requested kind.
    pub(super) fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Queue(_) => kind != Kind::Topic,
            Self::Topic(_) => kind != Kind::Queue,
            Self::Sink(_) => true,
        }
    }

    /// Returns whether the node has no messages, with those that consumers have.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.is_empty(),
            Self::Topic(_) | Self::Sink(_) => true,
        }
    }
}

/// A link's use of a node. An empty node without uses is removed.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) nodes: Arc<Nodes>,
    /// The address, in the node's own buffer.
    pub(super) address: Str,
    pub(super) node: Node,
    /// The lifetime of a dynamic node.
    pub(super) policy: Option<LifetimePolicy>,
    /// True if the node was made for the link.
    pub(super) is_owner: bool,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.nodes.unuse(self);
    }
}
