//! [`Expiry`]: the end of a message's life, and the removal of messages that have expired [3.2.1].

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use amqp_proto::message::MessageView;
use amqp_proto::types::Timestamp;
use amqp_proto::wire::Header;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::letters::DeadLetterReason;
use super::nodes::Nodes;
use super::queue::Queue;

/// The time at which a message expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expiry {
    pub(super) at: Instant,
    /// True if the header has the time to live.
    pub(super) has_ttl: bool,
}

impl Expiry {
    /// Reads the time to live and the absolute time; the earlier one counts. `None` if the message does not expire.
    ///
    /// The clocks are read only for a message that expires.
    pub(super) fn of(view: &MessageView, header: Option<&Header>) -> Option<Self> {
        let ttl = header.and_then(|header| header.ttl).map(|millis| Duration::from_millis(millis.into()));
        let absolute = view.absolute_expiry_time().ok().flatten();
        if ttl.is_none() && absolute.is_none() {
            return None;
        }
        let absolute = absolute.map(|time| time - Timestamp::from(SystemTime::now()));
        let left = ttl.into_iter().chain(absolute).min()?;
        // What is too far for the clock never comes.
        Some(Self { at: Instant::now().checked_add(left)?, has_ttl: ttl.is_some() })
    }
}

/// Returns the time to live for the header of a message that goes out, in milliseconds.
pub(super) fn millis_left(expires: Instant) -> u32 {
    let left = expires.saturating_duration_since(Instant::now());
    // The message has not expired: a part of a millisecond counts as a whole one.
    u32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

/// Has a queue looked after, to which a message that expires was added.
pub(super) fn watch(nodes: &Arc<Nodes>, queue: &Arc<Queue>) {
    if let Some(changed) = queue.begin_watch() {
        tokio::spawn(keep(Arc::downgrade(nodes), Arc::downgrade(queue), changed));
    }
}

/// Makes dead letters of the messages of a queue that have expired, as long as there is the queue.
async fn keep(nodes: Weak<Nodes>, queue: Weak<Queue>, changed: Arc<Notify>) {
    loop {
        let next = {
            let (Some(nodes), Some(queue)) = (nodes.upgrade(), queue.upgrade()) else { return };
            queue.expired().into_iter().for_each(|stored| nodes.bury(stored, DeadLetterReason::Expired));
            nodes.tidy(&queue.address);
            // Neither the task nor its wait keeps the queue.
            queue.next_expiry()
        };
        match next {
            Some(at) => {
                let _ = tokio::time::timeout_at(at, changed.notified()).await;
            }
            None => changed.notified().await,
        }
        // Other tasks run between the turns, even if all messages expire at once.
        tokio::task::yield_now().await;
    }
}
