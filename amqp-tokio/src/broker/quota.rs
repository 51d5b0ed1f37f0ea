//! [`Bounds`] of a broker, and [`Quota`], which counts their use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amqp_proto::types::Limits;

/// Bounds on the memory that clients can use in a broker.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// The most messages of one queue.
    pub(super) messages: usize,
    /// The most octets of messages in one queue.
    pub(super) queue_octets: usize,
    /// The most octets of messages in all queues.
    pub(super) octets: usize,
    pub(super) letters: usize,
    pub(super) letter_octets: usize,
    /// The most queues and topics.
    pub(super) nodes: usize,
    pub(super) address_octets: usize,
    /// The most octets of annotations that consumers add to one message.
    pub(super) annotation_octets: usize,
    /// The most sources and targets that outlive their links.
    pub(super) termini: usize,
    /// The most octets that are kept with them.
    pub(super) terminus_octets: u64,
    /// The most of them, and of these octets, that one client has.
    pub(super) terminus_share: (usize, u64),
    /// The longest time that one outlives its link.
    pub(super) terminus_timeout: Duration,
    /// The most connections that `serve` has open at a time.
    pub(super) clients: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            messages: 100_000,
            queue_octets: 64 << 20,
            octets: 512 << 20,
            letters: 1_000,
            letter_octets: 16 << 20,
            nodes: 10_000,
            address_octets: 1_024,
            annotation_octets: 4_096,
            termini: 1_000,
            terminus_octets: 64 << 20,
            terminus_share: (100, 16 << 20),
            terminus_timeout: Duration::from_secs(3_600),
            clients: 1_000,
        }
    }
}

/// The bounds of a broker, and the use of those that concern all its queues.
#[derive(Debug)]
pub(super) struct Quota {
    pub(super) bounds: Bounds,
    /// The limits of decoding messages.
    pub(super) limits: Limits,
    octets: AtomicUsize,
    clients: AtomicUsize,
}

/// A used part of the quota, returned when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    quota: Arc<Quota>,
    kind: Kind,
    amount: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Octets,
    Clients,
}

impl Quota {
    pub(super) fn new(bounds: Bounds, limits: Limits) -> Arc<Self> {
        Arc::new(Self { bounds, limits, octets: AtomicUsize::new(0), clients: AtomicUsize::new(0) })
    }

    /// Reserves octets for a message, unless the queues are full.
    pub(super) fn octets(self: &Arc<Self>, octets: usize) -> Option<Share> {
        self.share(Kind::Octets, octets)
    }

    /// Reserves a connection, unless there are too many.
    pub(super) fn client(self: &Arc<Self>) -> Option<Share> {
        self.share(Kind::Clients, 1)
    }

    fn share(self: &Arc<Self>, kind: Kind, amount: usize) -> Option<Share> {
        let (used, most) = self.used(kind);
        let more = |used: usize| used.checked_add(amount).filter(|sum| *sum <= most);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Share { quota: Arc::clone(self), kind, amount })
    }

    fn used(&self, kind: Kind) -> (&AtomicUsize, usize) {
        match kind {
            Kind::Octets => (&self.octets, self.bounds.octets),
            Kind::Clients => (&self.clients, self.bounds.clients),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let (used, _) = self.quota.used(self.kind);
        used.fetch_sub(self.amount, Ordering::Relaxed);
    }
}
