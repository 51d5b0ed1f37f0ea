//! The receivers of a run.

use alloc::vec::Vec;

use super::Play;
use super::model::{BY_TEST, Fate};
use super::sending::content;
use crate::machine::{PartEnd, StaleKey};
use crate::message::Payload;
use crate::testing::operation::{Side, Verdict};
use crate::types::{DeliveryKey, LinkKey, ReceiverKey};
use crate::wire::{AmqpError, Condition, DeliveryState, Modified, Outcome, Received, Rejected};

impl Play<'_> {
    /// Receives a message or a part of it. Returns whether there was any.
    pub(super) fn receive(&mut self, side: Side, receiver: ReceiverKey) -> bool {
        let streams = self.run.setup(side).streams;
        let session = self.pair.end(side).receiver(receiver).ok().and_then(|receiver| receiver.session());
        let Some(link) = self.model(side).links.get_mut(&receiver.into()) else { return false };
        // A link on a new session has lost the deliveries that arrived on the session before.
        link.inbox.retain(|key| session.is_none_or(|session| session.0 == key.session));
        let Some(key) = link.inbox.first().copied() else { return false };
        let read = match self.pair.end(side).receiver(receiver) {
            Err(StaleKey) => None,
            Ok(mut receiver) if streams => {
                receiver.read(key).ok().map(|part| (key, octets(&part.payload), part.end))
            }
            Ok(mut receiver) => {
                let taken = receiver.receive();
                taken.map(|delivery| (delivery.key(), octets(delivery.payload()), PartEnd::Complete))
            }
        };
        let Some((taken, octets, end)) = read else {
            // A detach took the first part of the delivery.
            self.forget_first(side, receiver);
            return true;
        };
        assert_eq!(taken, key, "the oldest comes first");
        let Some(got) = self.model(side).got.get_mut(&key) else { return false };
        got.octets.extend_from_slice(&octets);
        got.id = got.octets.first_chunk().map(|id| u32::from_be_bytes(*id) as usize);
        let some = !octets.is_empty() || end != PartEnd::More;
        match end {
            PartEnd::More => {}
            PartEnd::Aborted => self.forget_first(side, receiver),
            PartEnd::Complete => {
                self.forget_first(side, receiver);
                self.received(side, receiver, key);
            }
        }
        some
    }

    fn forget_first(&mut self, side: Side, receiver: ReceiverKey) {
        if let Some(link) = self.model(side).links.get_mut(&receiver.into())
            && !link.inbox.is_empty()
        {
            link.inbox.remove(0);
        }
    }

    /// Records a complete message.
    fn received(&mut self, side: Side, receiver: ReceiverKey, key: DeliveryKey) {
        let model = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let got = model.got.get(&key);
        let id = got.and_then(|got| got.id).unwrap_or(usize::MAX);
        let note = self.notes.get_mut(id);
        assert!(note.is_some(), "nobody sent {got:?}");
        let (Some(got), Some(note)) = (got, note) else { return };
        assert!(note.from != side && note.is_complete, "{note:?} is received");
        assert!(!note.is_received, "{note:?} is received twice");
        assert_eq!(got.octets, content(id, 0, note.size), "{note:?} is not whole");
        note.is_received = true;
        if let Some(link) = model.links.get_mut(&receiver.into()) {
            assert!(link.last < Some(id), "{id} comes after {:?}", link.last);
            link.last = Some(id);
        }
        self.received.push((side, id));
    }

    pub(super) fn dispose(&mut self, side: Side, link: LinkKey, key: DeliveryKey, verdict: Verdict) -> bool {
        let LinkKey::Receiver(receiver) = link else { return false };
        let state = state(verdict);
        let done = self.command(side, |end| {
            end.receiver(receiver).map(|mut receiver| match &state {
                Some(state) => receiver.dispose(key, state),
                None => receiver.settle(key),
            })
        });
        let is_settled = self.pair.end(side).delivery(key).is_err();
        let Some(()) = done else { return false };
        let Some(got) = self.model(side).got.get_mut(&key) else { return false };
        if is_settled {
            got.fate = Fate::Own;
        }
        if let Some(note) = got.id.and_then(|id| self.notes.get_mut(id)) {
            note.is_dropped |= state.is_none() && note.verdict.is_none();
            if let Some(state) = state.filter(DeliveryState::is_terminal) {
                note.verdict = Some(state);
            }
        }
        true
    }

    pub(super) fn settle(&mut self, side: Side, id: usize) -> bool {
        let Some((link, key)) = self.notes.get(id).map(|note| (note.link, note.key)) else { return false };
        let done = self.command(side, |end| end.sender(link).map(|mut sender| sender.settle(key)));
        if let (Some(()), Some(note)) = (done, self.notes.get_mut(id)) {
            note.fate = Fate::Own;
        }
        done.is_some()
    }
}

fn state(verdict: Verdict) -> Option<DeliveryState> {
    let error = AmqpError::new(Condition::InternalError).with_description(BY_TEST);
    Some(match verdict {
        Verdict::Accept => Outcome::Accepted.into(),
        Verdict::Reject => Outcome::from(Rejected { error: Some(error.into()) }).into(),
        Verdict::Release => Outcome::Released.into(),
        Verdict::Modify => {
            Outcome::from(Modified { delivery_failed: Some(true), ..Modified::default() }).into()
        }
        Verdict::Received => DeliveryState::Received(Received::new(0, 4)),
        Verdict::Settle => return None,
    })
}

fn octets(payload: &Payload) -> Vec<u8> {
    payload.chunks().concat()
}
