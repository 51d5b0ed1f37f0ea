//! [`Node`]: what an address leads to, and [`Use`], which keeps it there.

use std::sync::Arc;

use amqp_proto::types::Str;
use amqp_proto::wire::{AmqpError, Condition, Modified, Outcome, Rejected};

use super::nodes::Nodes;
use super::queue::Queue;
use super::topic::Topic;

/// What an address leads to.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Queue(Arc<Queue>),
    Topic(Arc<Topic>),
    /// Gives each message of a link an outcome, in turn.
    Sink(&'static [Verdict]),
}

/// What a client asks a node to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whatever is there; a queue if there is nothing.
    Any,
    Queue,
    Topic,
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
                let error = AmqpError::new(Condition::PreconditionFailed)
                    .with_description("this address rejects what it is sent");
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
    /// Returns the node at an address that is always there.
    pub(super) fn builtin(address: &str) -> Option<Self> {
        let (_, turns) = SINKS.iter().find(|(name, _)| address == *name)?;
        Some(Self::Sink(turns))
    }

    /// Returns whether the node is of the kind that a client asks for.
    pub(super) fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Queue(_) => kind != Kind::Topic,
            Self::Topic(_) => kind != Kind::Queue,
            Self::Sink(_) => true,
        }
    }

    /// Returns whether nothing would be lost with the node if no link uses it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.len() == 0,
            Self::Topic(_) | Self::Sink(_) => true,
        }
    }
}

/// A link's use of a node. A node that is empty and that no link uses is forgotten.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) nodes: Arc<Nodes>,
    /// The node's own copy of its address.
    pub(super) address: Str,
    pub(super) node: Node,
    /// Whether the node was made for the link, and goes with it.
    pub(super) is_owner: bool,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.nodes.unuse(self);
    }
}
