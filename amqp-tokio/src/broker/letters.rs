//! [`DeadLetter`]: messages that no consumer will get.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amqp_proto::codec::DecodeError;
use amqp_proto::message::{MessageView, Payload, Rewrite};
use amqp_proto::types::{Annotations, Limits, Str, Symbol, Value};
use amqp_proto::{symbol, wire};
use bytes::{Bytes, BytesMut};

use super::quota::Quota;
use super::stored::{Place, Stored, kept};

/// A dead letter: a message that no consumer will get.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    address: Str,
    reason: DeadLetterReason,
    payload: Payload,
    quota: Arc<Quota>,
}

/// The reason for a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// A consumer has rejected the message.
    Rejected(Option<wire::AmqpError>),
    /// The message has no address, or one at which no node can be made.
    Undeliverable,
    /// The message's node has ended.
    NodeGone,
    /// The message has expired.
    Expired,
    /// The message was the oldest of a subscription without a link, whose queue was full.
    Overflow,
}

impl DeadLetterReason {
    /// Returns the reason in one word, for annotations.
    fn name(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "rejected",
            Self::Undeliverable => "undeliverable",
            Self::NodeGone => "node-gone",
            Self::Expired => "expired",
            Self::Overflow => "overflow",
        }
    }
}

impl DeadLetter {
    /// Returns the address that the message was sent to; empty if it had none.
    pub fn address(&self) -> &Str {
        &self.address
    }

    /// Returns the reason.
    pub fn reason(&self) -> &DeadLetterReason {
        &self.reason
    }

    /// Returns the encoded message. The error of a rejection is the delivery-annotation `rejected` [3.4.3].
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Finds the sections of the message, within the limits of the broker.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets are no message of the standard's format.
    pub fn message(&self) -> Result<MessageView, DecodeError> {
        MessageView::new(self.payload.clone(), &self.quota.limits)
    }

    /// Returns the octets that the letter counts for, with its bookkeeping.
    fn octets(&self) -> usize {
        let error = match &self.reason {
            DeadLetterReason::Rejected(Some(error)) => error.encoded_len(),
            _ => 0,
        };
        self.payload.len() + error + size_of::<Self>()
    }
}

/// The dead letters, within the bounds; the oldest are dropped first.
#[derive(Debug)]
pub(super) struct Letters {
    quota: Arc<Quota>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    letters: VecDeque<DeadLetter>,
    octets: usize,
}

impl Letters {
    pub(super) fn new(quota: Arc<Quota>) -> Self {
        Self { quota, kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a dead letter. Drops the oldest ones if there are too many.
    pub(super) fn bury(&self, payload: Payload, address: &Str, reason: DeadLetterReason) {
        let limits = &self.quota.limits;
        let (payload, reason) = match reason {
            DeadLetterReason::Rejected(Some(error)) => with_error(payload, &error, limits),
            reason => (kept(payload), reason),
        };
        let letter = DeadLetter { address: address.clone(), reason, payload, quota: Arc::clone(&self.quota) };
        let (bounds, mut kept) = (&self.quota.bounds, self.lock());
        kept.octets += letter.octets();
        kept.letters.push_back(letter);
        while kept.letters.len() > bounds.letters || kept.octets > bounds.letter_octets {
            let Some(oldest) = kept.letters.pop_front() else { return };
            kept.octets = kept.octets.saturating_sub(oldest.octets());
        }
    }

    /// Returns all dead letters, the oldest first.
    pub(super) fn all(&self) -> Vec<DeadLetter> {
        self.lock().letters.iter().cloned().collect()
    }
}

/// The annotations of a dead letter in a queue.
const REASON: Symbol = symbol!("x-opt-dead-letter-reason");
const QUEUE: Symbol = symbol!("x-opt-dead-letter-queue");
const CONDITION: Symbol = symbol!("x-opt-dead-letter-condition");
const DESCRIPTION: Symbol = symbol!("x-opt-dead-letter-description");

/// Returns a message as a dead letter for the queue at an address, with the reason in its annotations. It does not expire
/// there. `None` for a message that is not of the standard's format.
pub(super) fn addressed(
    stored: &Stored,
    address: Str,
    reason: &DeadLetterReason,
    limits: &Limits,
) -> Option<Stored> {
    let view = MessageView::new(stored.outgoing(limits), limits).ok()?;
    let mut header = view.header().ok()?;
    header.ttl = None;
    let mut annotations = view.message_annotations().ok()?;
    annotations.insert(QUEUE, stored.address.clone());
    annotations.insert(REASON, reason.name());
    if let DeadLetterReason::Rejected(Some(error)) = reason {
        annotations.insert(CONDITION, Str::from(error.condition.as_str()));
        error.description.iter().for_each(|text| drop(annotations.insert(DESCRIPTION, text.clone())));
    }
    let rewrite =
        Rewrite { header: Some(header), message_annotations: Some(annotations), ..Rewrite::default() };
    let mut letter = Stored::new(kept(view.rewrite(&rewrite).ok()?), address, stored.from);
    letter.place = Place { number: 0, ..stored.place };
    Some(letter)
}

/// Adds an error to the delivery-annotations as `rejected` [3.4.3].
fn with_error(payload: Payload, error: &wire::AmqpError, limits: &Limits) -> (Payload, DeadLetterReason) {
    let mut octets = BytesMut::new();
    // An error from a frame is never too large to encode.
    let _ = error.encode(&mut octets);
    let octets = octets.freeze();
    let annotated = annotated(&payload, octets.clone(), limits);
    // A decoded copy does not keep the frame's buffer.
    let own = wire::AmqpError::decode(&mut octets.clone(), limits).ok();
    (kept(annotated.unwrap_or(payload)), DeadLetterReason::Rejected(own))
}

/// Returns `None` for a message that is not of the standard's format.
fn annotated(payload: &Payload, mut error: Bytes, limits: &Limits) -> Option<Payload> {
    let error = Value::decode(&mut error, limits).ok()?;
    let annotations: Annotations = [(symbol!("rejected"), error)].into_iter().collect();
    let rewrite = Rewrite { delivery_annotations: Some(annotations), ..Rewrite::default() };
    MessageView::new(payload.clone(), limits).ok()?.rewrite(&rewrite).ok()
}
