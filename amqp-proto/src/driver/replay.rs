//! [`Replay`]: sent messages that are kept until their outcome, and sent again on the next connection.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeSet, VecDeque};

use super::outcomes::Fate;
use super::state::State;
use super::wake::Wake;
use crate::client::{Outgoing, ReplayLimits, Result};
use crate::machine::{LinkState, SendError};
use crate::types::{DeliveryKey, DeliveryTag, Key, Str};
use crate::wire::MessageId;

/// The messages of a link that have no outcome, the oldest first.
#[derive(Debug)]
pub(super) struct Replay {
    limits: ReplayLimits,
    /// `true` if messages of a lost link are sent again.
    resends: bool,
    kept: VecDeque<Kept>,
    /// The number of kept messages that wait to be resumed.
    resuming: usize,
    /// The number of kept messages, from the oldest on, that were sent on the present connection.
    sent: usize,
    octets: usize,
    /// `true` once the loss of the kept messages with their link was reported.
    is_lost: bool,
    /// The number of the next kept message.
    next: u64,
    /// The number of the next delivery tag, which goes on from one connection to the next.
    next_tag: u64,
}

#[derive(Debug)]
struct Kept {
    /// The place in the order in which the messages were sent first.
    number: u64,
    message: Outgoing,
    /// The key on the connection on which the message was sent last, and on the first.
    key: DeliveryKey,
    first: DeliveryKey,
    /// The slot of its outcome.
    outcome: Option<Key>,
    /// `true` while it waits to be resumed.
    is_resuming: bool,
}

/// The source of message-ids for messages that have none.
#[derive(Debug)]
pub(super) struct MessageIds {
    prefix: Str,
    next: AtomicU64,
}

impl MessageIds {
    pub(super) fn new(prefix: Str) -> Arc<Self> {
        Arc::new(Self { prefix, next: AtomicU64::new(1) })
    }

    pub(super) fn take(&self) -> MessageId {
        MessageId::String(format!("{}:{}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed)).into())
    }
}

impl Replay {
    pub(super) fn new(limits: ReplayLimits, resends: bool) -> Self {
        Self {
            limits,
            resends,
            kept: VecDeque::new(),
            resuming: 0,
            sent: 0,
            octets: 0,
            is_lost: false,
            next: 0,
            next_tag: 0,
        }
    }

    /// Returns the message as it is kept: with a delivery tag that no other kept message has.
    ///
    /// # Errors
    ///
    /// An error that passes, if kept messages must be sent again first, or too many are kept.
    fn admit(&mut self, message: &Outgoing) -> Result<Outgoing, SendError> {
        if self.is_waiting() {
            return Err(SendError::NoCredit);
        }
        if !self.has_room(message.len()) {
            return Err(SendError::Unsettled(self.limits.messages));
        }
        let mut message = message.clone();
        if message.tag().is_none()
            && let Some(tag) = self.new_tag()
        {
            message = message.with_tag(tag);
        }
        Ok(message)
    }

    /// Returns `true` if a message of this size can be kept, too. One that is larger than the bound is kept alone.
    fn has_room(&self, octets: usize) -> bool {
        let is_within = self.octets.saturating_add(octets) <= self.limits.octets || self.kept.is_empty();
        is_within && self.kept.len() < self.limits.messages as usize
    }

    /// Returns a tag that no other kept message has.
    fn new_tag(&mut self) -> Option<DeliveryTag> {
        let tag = DeliveryTag::new(&self.next_tag.to_be_bytes()).ok()?;
        self.next_tag += 1;
        Some(tag)
    }

    fn keep(&mut self, message: Outgoing, key: DeliveryKey, outcome: Option<Key>) {
        self.octets += message.len();
        self.kept.push_back(Kept {
            number: self.next,
            message,
            key,
            first: key,
            outcome,
            is_resuming: false,
        });
        self.next += 1;
        self.sent += 1;
    }

    /// Returns the slots of the outcomes of kept messages.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = Key> + '_ {
        self.kept.iter().filter_map(|kept| kept.outcome)
    }

    /// Returns `true` if messages wait to be sent again.
    pub(super) fn is_waiting(&self) -> bool {
        self.sent < self.kept.len()
    }

    /// Records that a message must be sent again. Returns `false` if it is not kept. On a link that was not closed it
    /// gets another tag, since the receiver may still have the delivery.
    pub(super) fn unsend(&mut self, key: DeliveryKey, is_closed: bool) -> bool {
        let at = self.position(key).filter(|_| self.resends);
        let kept = at.and_then(|at| self.kept.remove(at));
        let Some(mut kept) = kept else { return false };
        if !is_closed && let Some(tag) = self.new_tag() {
            kept.message = kept.message.with_tag(tag);
        }
        self.sent -= 1;
        let behind = self.kept.iter().skip(self.sent).position(|other| other.number > kept.number);
        let at = behind.map_or(self.kept.len(), |behind| self.sent + behind);
        self.kept.insert(at, kept);
        true
    }

    /// Records that the link was lost.
    pub(super) fn interrupt(&mut self) {
        self.sent = 0;
    }

    fn position(&self, key: DeliveryKey) -> Option<usize> {
        self.kept.iter().take(self.sent).position(|kept| kept.key == key)
    }

    /// Returns `true` if a delivery's message is sent again when the link is lost.
    pub(super) fn keeps(&self, key: DeliveryKey) -> bool {
        self.resends && self.position(key).is_some()
    }

    /// Returns the keys of the messages that were sent on the present connection.
    pub(super) fn keys(&self) -> BTreeSet<DeliveryKey> {
        self.kept.iter().take(self.sent).map(|kept| kept.key).collect()
    }

    /// Records that these deliveries can be resumed. Returns those of kept messages.
    pub(super) fn suspend(&mut self, tags: impl Iterator<Item = DeliveryTag>) -> BTreeSet<DeliveryTag> {
        let (tags, mut known): (BTreeSet<_>, _) = (tags.collect(), BTreeSet::new());
        for kept in &mut self.kept {
            let tag = kept.message.tag().copied().filter(|tag| tags.contains(tag));
            kept.is_resuming = tag.is_some();
            known.extend(tag);
        }
        self.resuming = known.len();
        known
    }

    fn resuming(&self, tag: &DeliveryTag) -> Option<usize> {
        let mut kept = self.kept.iter().enumerate().skip(self.sent);
        kept.find(|(_, kept)| kept.is_resuming && kept.message.tag() == Some(tag)).map(|(at, _)| at)
    }

    /// Returns `true` if a message waits to be resumed.
    pub(super) fn is_resuming(&self, tag: &DeliveryTag) -> bool {
        self.resuming(tag).is_some()
    }

    /// Adds the messages that wait to be sent again to a state.
    pub(super) fn add_unsent(&self, state: &mut LinkState) {
        for kept in self.kept.iter().skip(self.sent) {
            if let Some((tag, message)) = kept.message.tag().zip(kept.message.to_payload()) {
                state.add_message(*tag, message);
            }
        }
    }

    /// Records that a message was resumed or sent again. Returns the slot of its outcome.
    pub(super) fn resumed(&mut self, tag: &DeliveryTag, key: DeliveryKey) -> Option<Key> {
        let mut kept = self.resuming(tag).and_then(|at| self.kept.remove(at))?;
        (kept.key, kept.is_resuming) = (key, false);
        self.resuming -= 1;
        let outcome = kept.outcome;
        self.kept.insert(self.sent, kept);
        self.sent += 1;
        outcome
    }

    /// Drops a message that is not resumed. Returns its first key and the slot of its outcome.
    pub(super) fn unresumed(&mut self, tag: &DeliveryTag) -> Option<(DeliveryKey, Option<Key>)> {
        let at = self.resuming(tag)?;
        let outcome = self.kept.get(at)?.outcome;
        self.resuming -= 1;
        self.drop_at(at).map(|first| (first, outcome))
    }

    /// Waits for no resumption: the messages are sent again, or dropped. Returns the first key and the slot of the
    /// outcome of those that are dropped.
    pub(super) fn give_up(&mut self) -> Vec<(DeliveryKey, Option<Key>)> {
        self.resuming = 0;
        let mut lost = Vec::new();
        let mut at = self.sent;
        while let Some(kept) = self.kept.get_mut(at) {
            if core::mem::take(&mut kept.is_resuming) && !self.resends {
                let outcome = kept.outcome;
                lost.extend(self.drop_at(at).map(|first| (first, outcome)));
            } else {
                at += 1;
            }
        }
        lost
    }

    /// Returns the key of the first delivery of a message that is kept.
    pub(super) fn first(&self, key: DeliveryKey) -> Option<DeliveryKey> {
        Some(self.kept.get(self.position(key)?)?.first)
    }

    /// Returns the keys of the first deliveries of the kept messages, which are lost with their link; none at the next
    /// call. They stay in the state of the link.
    pub(super) fn lose(&mut self) -> impl Iterator<Item = DeliveryKey> + '_ {
        let is_told = core::mem::replace(&mut self.is_lost, true);
        self.kept.iter().filter(move |_| !is_told).map(|kept| kept.first)
    }

    /// Drops a message that has an outcome. Returns `false` if it is not kept.
    pub(super) fn remove(&mut self, key: DeliveryKey) -> bool {
        let Some(at) = self.position(key) else { return false };
        self.sent -= 1;
        self.drop_at(at).is_some()
    }

    fn drop_at(&mut self, at: usize) -> Option<DeliveryKey> {
        let kept = self.kept.remove(at)?;
        self.octets -= kept.message.len();
        Some(kept.first)
    }
}

impl<W: Wake> State<W> {
    /// Keeps the messages of a link until their outcome, if the link outlives the connection. Returns the ids for them.
    pub(super) fn keep_messages(
        &mut self,
        slot: Key,
        limits: ReplayLimits,
        resends: bool,
    ) -> Option<Arc<MessageIds>> {
        let prefix = self.link_name();
        let link = self.links.get_mut(slot).filter(|link| link.recipe.is_some())?;
        link.replay = Some(Box::new(Replay::new(limits, resends)));
        Some(MessageIds::new(prefix))
    }

    /// Returns `true` if a message can be sent on a link now, and be kept if the link keeps messages.
    pub(super) fn is_sendable(&mut self, slot: Key) -> Result<bool> {
        let replay = self.links.get(slot).and_then(|link| link.replay.as_ref());
        let has_room = replay.is_none_or(|replay| !replay.is_waiting() && replay.has_room(1));
        Ok(has_room && self.sender(slot)?.is_sendable())
    }

    /// Sends a message, and keeps it until its outcome. Returns its key, and the slot of the outcome unless it was sent
    /// settled.
    pub(super) fn send_kept(&mut self, slot: Key, message: &Outgoing) -> Result<(DeliveryKey, Option<Key>)> {
        let replay = self.links.get_mut(slot).and_then(|link| link.replay.as_mut());
        let kept = replay.map(|replay| replay.admit(message)).transpose()?;
        let key = kept.as_ref().unwrap_or(message).send(&mut self.sender(slot)?)?;
        if self.engine.delivery(key).is_err() {
            return Ok((key, None));
        }
        let outcome = self.track(key, slot);
        let replay = self.links.get_mut(slot).and_then(|link| link.replay.as_mut());
        if let (Some(replay), Some(kept)) = (replay, kept) {
            replay.keep(kept, key, Some(outcome));
        }
        Ok((key, Some(outcome)))
    }

    /// Sends kept messages again, as far as there is credit and room.
    #[cold]
    pub(super) fn replay(&mut self, slot: Key) {
        loop {
            let replay = self.links.get(slot).and_then(|link| link.replay.as_ref());
            let replay = replay.filter(|replay| replay.resuming == 0);
            let Some(message) = replay.and_then(|replay| Some(replay.kept.get(replay.sent)?.message.clone()))
            else {
                return;
            };
            let Ok(mut sender) = self.sender(slot) else { return };
            let sent = message.send(&mut sender);
            let Some(link) = self.links.get_mut(slot) else { return };
            let Some(replay) = &mut link.replay else { return };
            let at = replay.sent;
            let Some(kept) = replay.kept.get_mut(at) else { return };
            let outcome = kept.outcome;
            match sent {
                Ok(key) => {
                    kept.key = key;
                    replay.sent += 1;
                    if let Some(outcome) = outcome
                        && self.outcomes.send_again(outcome, key)
                    {
                        link.awaited.push(key, outcome.index);
                    }
                }
                Err(error) if passes(&error) => return,
                Err(_) => {
                    // The next peer does not take it.
                    let first = replay.drop_at(at);
                    let fate = Fate::Lost(self.recovery.as_ref().and_then(|recovery| recovery.last_loss()));
                    if let (Some(first), Some(outcomes)) = (first, &mut link.outcomes) {
                        outcomes.push_back((first, fate.clone()));
                        link.line.wake_all(&mut self.wakes);
                    }
                    if let Some(outcome) = outcome {
                        let waiter = self.outcomes.decide(outcome, fate);
                        self.wakes.extend(waiter);
                    }
                }
            }
        }
    }
}

/// Returns `true` if the message can be sent later.
fn passes(error: &SendError) -> bool {
    use SendError::{Detached, Full, Incomplete, NoCredit, Unsettled, WindowClosed};
    matches!(error, Detached | NoCredit | WindowClosed | Full | Incomplete | Unsettled(_))
}
