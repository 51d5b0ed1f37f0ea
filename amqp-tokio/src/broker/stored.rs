//! [`Stored`]: a message that is kept, and what has happened to it.

use std::sync::Arc;

use amqp_proto::message::{MessageView, Payload, Rewrite};
use amqp_proto::types::{AnnotationKey, Annotations, Limits, Str, Value};
use bytes::{Bytes, BytesMut};

use super::quota::{Quota, Share};

/// A message, and what has happened to it here.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) payload: Payload,
    /// The queue that it came to.
    pub(super) address: Str,
    /// How many attempts to deliver it have failed here.
    pub(super) failures: u32,
    /// Whether some consumer may have seen it.
    pub(super) is_seen: bool,
    /// What consumers have added to its annotations, and how many octets that takes.
    annotations: Annotations,
    annotation_octets: usize,
    /// Consumers that it is not to go to any more.
    pub(super) refused_by: Vec<u64>,
    share: Option<Share>,
}

/// A consumer adds more annotations than a message may have added.
#[derive(Debug)]
pub(super) struct TooMany;

/// How many annotations can be added to a message, however short: each is looked up among the message's own.
pub(super) const MOST_ADDED: usize = 64;

impl Stored {
    /// Makes a message that is not counted until [`charge`](Self::charge).
    pub(super) fn new(payload: Payload, address: Str) -> Self {
        Self {
            payload,
            address,
            failures: 0,
            is_seen: false,
            annotations: Annotations::default(),
            annotation_octets: 0,
            refused_by: Vec::new(),
            share: None,
        }
    }

    /// Returns the octets that the message counts for, its own bookkeeping included.
    pub(super) fn octets(&self) -> usize {
        self.payload.len() + self.annotation_octets + size_of::<Self>()
    }

    /// Counts the message among those of all queues; false if those are too many.
    pub(super) fn charge(&mut self, quota: &Arc<Quota>) -> bool {
        self.share = quota.octets(self.octets());
        self.share.is_some()
    }

    /// Returns the octets as the next consumer gets them: the header counts failures and says who is first [3.2.1].
    pub(super) fn outgoing(&self, limits: &Limits) -> Payload {
        if !self.is_seen {
            return self.payload.clone();
        }
        self.rewritten(limits).unwrap_or_else(|| self.payload.clone())
    }

    /// Returns nothing for a message that is not of the standard's format: that goes on as it is.
    fn rewritten(&self, limits: &Limits) -> Option<Payload> {
        let view = MessageView::new(self.payload.clone(), limits).ok()?;
        let mut header = view.header().ok()?;
        header.delivery_count = header.delivery_count.saturating_add(self.failures);
        header.first_acquirer = false;
        let mut rewrite = Rewrite { header: Some(header), ..Rewrite::default() };
        if !self.annotations.is_empty() {
            let mut annotations = view.message_annotations().ok()?;
            add(&mut annotations, &self.annotations);
            rewrite.message_annotations = Some(annotations);
        }
        view.rewrite(&rewrite).ok()
    }

    /// Adds annotations, instead of those of the same name [3.4.5].
    pub(super) fn annotate(&mut self, more: &Annotations, quota: &Arc<Quota>) -> Result<(), TooMany> {
        if more.is_empty() {
            return Ok(());
        }
        let most = quota.bounds.annotation_octets;
        let is_within =
            |annotations: &Annotations, octets: usize| annotations.len() <= MOST_ADDED && octets <= most;
        if !is_within(more, encoded(more).len()) {
            return Err(TooMany);
        }
        let mut all = self.annotations.clone();
        add(&mut all, more);
        let octets = encoded(&all);
        if !is_within(&all, octets.len()) {
            return Err(TooMany);
        }
        let share = quota.octets(self.octets() - self.annotation_octets + octets.len()).ok_or(TooMany)?;
        self.annotation_octets = octets.len();
        self.annotations = decoded(octets, &quota.limits).ok_or(TooMany)?;
        self.share = Some(share);
        Ok(())
    }
}

/// Up to which size a chunk is copied to be kept: a larger one is most of the buffer that it was read into.
const SMALL: usize = 32 << 10;

/// Returns the same octets without the rest of the buffers that they were read into.
pub(super) fn kept(payload: Payload) -> Payload {
    if payload.chunks().iter().all(|chunk| chunk.len() > SMALL) {
        return payload;
    }
    let mut all = BytesMut::with_capacity(payload.len());
    payload.chunks().iter().for_each(|chunk| all.extend_from_slice(chunk));
    all.freeze().into()
}

fn encoded(annotations: &Annotations) -> Bytes {
    let mut octets = BytesMut::new();
    // Nothing that came in a frame is too large to be written.
    let _ = Value::Map(annotations.as_map().clone()).encode(&mut octets);
    octets.freeze()
}

/// Reads annotations from octets of their own: they do not keep the buffer that they were read into before.
fn decoded(mut octets: Bytes, limits: &Limits) -> Option<Annotations> {
    let value = Value::decode(&mut octets, limits).ok()?;
    Annotations::try_from(value.as_map()?.clone()).ok()
}

/// Adds annotations to others, instead of those of the same name.
fn add(annotations: &mut Annotations, more: &Annotations) {
    for (key, value) in more.iter() {
        let key = match key {
            Value::Symbol(name) => AnnotationKey::Symbol(name.clone()),
            Value::Ulong(number) => AnnotationKey::Ulong(*number),
            // No other can be a key of theirs.
            _ => continue,
        };
        annotations.insert(key, value.clone());
    }
}
