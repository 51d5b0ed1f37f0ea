//! [`Stored`]: a message that is kept, and what has happened to it.

use std::sync::Arc;

use amqp_proto::message::{MessageView, Payload, Rewrite};
use amqp_proto::types::{AnnotationKey, Annotations, Limits, Str, Value};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::expiry::{self, Expiry};
use super::quota::{Quota, Share};

/// The place of a message in its queue: messages of a lower rank come first, those of one rank by number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) rank: u8,
    pub(super) number: u64,
}

impl Place {
    /// Returns the place of a message with this priority, without its number.
    pub(super) fn of_priority(priority: u8) -> Self {
        Self { rank: u8::MAX - priority, number: 0 }
    }
}

/// A message, and its history in this broker.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) payload: Payload,
    /// The address of the message's queue.
    pub(super) address: Str,
    /// The number of the connection that the message came over.
    pub(super) from: u64,
    /// The place in the message's queue, which the queue assigns.
    pub(super) place: Place,
    /// The time at which the message expires, if it does.
    pub(super) expires: Option<Instant>,
    /// The number of failed deliveries in this broker.
    pub(super) failures: u32,
    /// True if a consumer may have seen the message.
    pub(super) is_seen: bool,
    /// True if the header has the time to live, which goes down while the message waits.
    has_ttl: bool,
    /// The annotations and refusals of consumers. Few messages have them, so they take little room in the others.
    marks: Option<Box<Marks>>,
    share: Option<Share>,
}

/// The annotations and refusals of consumers.
#[derive(Debug, Clone, Default)]
struct Marks {
    /// The annotations that they have added, and their octets.
    annotations: Annotations,
    annotation_octets: usize,
    /// The consumers that must not get the message again.
    refused_by: Vec<u64>,
}

/// The error of adding too many annotations to a message.
#[derive(Debug)]
pub(super) struct TooMany;

/// The most annotations that can be added to a message. Each of them costs a look-up.
pub(super) const MOST_ADDED: usize = 64;

impl Stored {
    /// Makes a message, which counts after [`charge`](Self::charge).
    pub(super) fn new(payload: Payload, address: Str, from: u64) -> Self {
        Self {
            payload,
            address,
            from,
            place: Place::default(),
            expires: None,
            has_ttl: false,
            failures: 0,
            is_seen: false,
            marks: None,
            share: None,
        }
    }

    /// Has the message expire.
    pub(super) fn set_expiry(&mut self, expiry: Option<Expiry>) {
        self.expires = expiry.map(|expiry| expiry.at);
        self.has_ttl = expiry.is_some_and(|expiry| expiry.has_ttl);
    }

    /// Returns a copy for a consumer that leaves the message where it is. The copy does not count.
    pub(super) fn copy(&self) -> Self {
        Self {
            payload: self.payload.clone(),
            address: self.address.clone(),
            marks: self.marks.clone(),
            share: None,
            ..*self
        }
    }

    /// Returns an annotation that a consumer has added.
    pub(super) fn annotation(&self, name: &str) -> Option<&Value> {
        self.marks.as_ref()?.annotations.get(name)
    }

    /// Keeps the message from a consumer.
    pub(super) fn refuse(&mut self, consumer: u64) {
        self.marks.get_or_insert_default().refused_by.push(consumer);
    }

    /// No longer keeps the message from a consumer, which has ended.
    pub(super) fn forget(&mut self, consumer: u64) {
        if let Some(marks) = &mut self.marks {
            marks.refused_by.retain(|by| *by != consumer);
        }
    }

    /// Returns the octets that the message counts for, with its bookkeeping.
    pub(super) fn octets(&self) -> usize {
        self.payload.len() + self.annotation_octets() + size_of::<Self>() + size_of::<Marks>()
    }

    fn annotation_octets(&self) -> usize {
        self.marks.as_ref().map_or(0, |marks| marks.annotation_octets)
    }

    /// Reserves the message's octets. Returns false if the queues are full.
    pub(super) fn charge(&mut self, quota: &Arc<Quota>) -> bool {
        self.share = quota.octets(self.octets());
        self.share.is_some()
    }

    /// Returns true if this consumer may get the message. Without a time, no message of the queue expires.
    pub(super) fn is_for(&self, consumer: u64, now: Option<Instant>) -> bool {
        let is_expired = now.is_some_and(|now| self.expires.is_some_and(|at| at <= now));
        !is_expired && self.marks.as_ref().is_none_or(|marks| !marks.refused_by.contains(&consumer))
    }

    /// Returns the message for the next consumer: its header has the number of failures, says whether the consumer is the
    /// first, and has the time that is left to live [3.2.1].
    pub(super) fn outgoing(&self, limits: &Limits) -> Payload {
        if !self.is_seen && !self.has_ttl {
            return self.payload.clone();
        }
        self.rewritten(limits).unwrap_or_else(|| self.payload.clone())
    }

    /// Returns `None` for a message that is not of the standard's format, which is forwarded unchanged.
    fn rewritten(&self, limits: &Limits) -> Option<Payload> {
        let view = MessageView::new(self.payload.clone(), limits).ok()?;
        let mut header = view.header().ok()?;
        header.delivery_count = header.delivery_count.saturating_add(self.failures);
        header.first_acquirer &= !self.is_seen;
        header.ttl = self.expires.filter(|_| self.has_ttl).map(expiry::millis_left).or(header.ttl);
        let mut rewrite = Rewrite { header: Some(header), ..Rewrite::default() };
        if let Some(marks) = self.marks.as_ref().filter(|marks| !marks.annotations.is_empty()) {
            let mut annotations = view.message_annotations().ok()?;
            add(&mut annotations, &marks.annotations);
            rewrite.message_annotations = Some(annotations);
        }
        view.rewrite(&rewrite).ok()
    }

    /// Adds annotations, and replaces those of the same name [3.4.5].
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
        let mut all = self.marks.as_ref().map(|marks| marks.annotations.clone()).unwrap_or_default();
        add(&mut all, more);
        let octets = encoded(&all);
        if !is_within(&all, octets.len()) {
            return Err(TooMany);
        }
        let share = quota.octets(self.octets() - self.annotation_octets() + octets.len()).ok_or(TooMany)?;
        let marks = self.marks.get_or_insert_default();
        marks.annotation_octets = octets.len();
        marks.annotations = decoded(octets, &quota.limits).ok_or(TooMany)?;
        self.share = Some(share);
        Ok(())
    }
}

/// The largest chunk that is copied to keep it; a larger one is most of its buffer anyway.
const SMALL: usize = 32 << 10;

/// Returns the same octets without the rest of their buffers.
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
    // Annotations from a frame are never too large to encode.
    let _ = Value::Map(annotations.as_map().clone()).encode(&mut octets);
    octets.freeze()
}

/// Decodes annotations from their own copy, so that they do not keep the frame's buffer.
fn decoded(mut octets: Bytes, limits: &Limits) -> Option<Annotations> {
    let value = Value::decode(&mut octets, limits).ok()?;
    Annotations::try_from(value.as_map()?.clone()).ok()
}

/// Adds annotations to others, and replaces those of the same name.
fn add(annotations: &mut Annotations, more: &Annotations) {
    for (key, value) in more.iter() {
        let key = match key {
            Value::Symbol(name) => AnnotationKey::Symbol(name.clone()),
            Value::Ulong(number) => AnnotationKey::Ulong(*number),
            // Other keys cannot be in the annotations.
            _ => continue,
        };
        annotations.insert(key, value.clone());
    }
}
