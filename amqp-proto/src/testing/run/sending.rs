//! The senders of a run.

use alloc::vec::Vec;

use bytes::Bytes;

use super::model::{Fate, Note};
use super::{Play, waits};
use crate::config::SendOptions;
use crate::machine::SendError;
use crate::message::Payload;
use crate::testing::operation::{Pick, Side, Size};
use crate::types::{DeliveryKey, SenderKey};

impl Play<'_> {
    pub(super) fn send(&mut self, side: Side, pick: Pick, size: Size, settled: Option<bool>) {
        let Some(link) = self.sender(side, pick) else { return };
        let octets = content(self.notes.len(), 0, usize::from(size.0).max(4));
        let mut options = SendOptions::new();
        options.settled = settled;
        let payload = Payload::from(Bytes::from(octets.clone()));
        let (key, refused) = self.transmit(side, link, |sender| sender.send_payload(&payload, &options));
        if let Some(key) = key {
            self.note(side, link, key, octets.len(), true);
        } else if refused {
            self.owe(side, link);
        }
    }

    /// Runs a sending command. Returns its result, and whether the engine refused it for a lack that ends.
    fn transmit<T>(
        &mut self,
        side: Side,
        link: SenderKey,
        run: impl FnOnce(&mut crate::view::SenderMut<'_>) -> Result<T, SendError>,
    ) -> (Option<T>, bool) {
        let mut refused = false;
        let sendable = self.pair.end(side).sender(link).is_ok_and(|mut sender| sender.is_sendable());
        let done = self.command(side, |end| {
            end.sender(link).map(|mut sender| {
                run(&mut sender).inspect_err(|error| {
                    refused = waits(error);
                    assert!(!(sendable && refused), "{link:?} was to take a message: {error}");
                })
            })
        });
        (done, refused)
    }

    fn owe(&mut self, side: Side, link: SenderKey) {
        if let Some(link) = self.model(side).links.get_mut(&link.into()) {
            link.wants = true;
        }
    }

    fn note(&mut self, from: Side, link: SenderKey, key: DeliveryKey, size: usize, is_complete: bool) {
        let is_unsettled = self.pair.end(from).delivery(key).is_ok();
        let id = self.notes.len();
        self.notes.push(Note {
            from,
            link,
            key,
            size,
            is_complete,
            fate: if is_unsettled { Fate::Open } else { Fate::Settled },
            is_loose: false,
            is_received: false,
            verdict: None,
            is_dropped: false,
            known: None,
        });
        assert_eq!(self.model(from).sent.insert(key, id), None, "{key:?} names two");
    }

    pub(super) fn start(&mut self, side: Side, pick: Pick) {
        let Some(link) = self.sender(side, pick) else { return };
        let (key, refused) = self.transmit(side, link, |sender| sender.begin_delivery(&SendOptions::new()));
        if let Some(key) = key {
            let id = self.notes.len();
            self.note(side, link, key, 0, false);
            if let Some(link) = self.model(side).links.get_mut(&link.into()) {
                link.open = Some(id);
            }
        } else if refused {
            self.owe(side, link);
        }
    }

    pub(super) fn write(&mut self, side: Side, pick: Pick, size: Size) {
        let started = self.started(side);
        if let Some((link, id)) = pick.of(&started) {
            self.write_to(side, link, id, size.0.into());
        }
    }

    fn write_to(&mut self, side: Side, link: SenderKey, id: usize, octets: usize) {
        let Some(written) = self.notes.get(id).map(|note| note.size) else { return };
        let octets = content(id, written, if written == 0 { octets.max(4) } else { octets });
        let more = octets.len();
        let done = self.command(side, |end| end.sender(link).map(|mut sender| sender.write(octets)));
        if let (Some(()), Some(note)) = (done, self.notes.get_mut(id)) {
            note.size += more;
        }
    }

    pub(super) fn finish_one(&mut self, side: Side, pick: Pick, complete: bool) {
        let started = self.started(side);
        if let Some((link, id)) = pick.of(&started) {
            self.finish_delivery(side, link, id, complete);
        }
    }

    pub(super) fn finish_delivery(&mut self, side: Side, link: SenderKey, id: usize, complete: bool) -> bool {
        if complete && self.notes.get(id).is_some_and(|note| note.size == 0) {
            self.write_to(side, link, id, 4);
            if self.notes.get(id).is_some_and(|note| note.size == 0) {
                return false;
            }
        }
        let done = self.command(side, |end| {
            end.sender(link).map(|mut sender| if complete { sender.finish() } else { sender.abort() })
        });
        if let (Some(()), Some(note)) = (done, self.notes.get_mut(id)) {
            note.is_complete = complete;
            if !complete && note.fate == Fate::Open {
                note.fate = Fate::Aborted;
            }
            note.is_loose |= !complete;
            if let Some(link) = self.model(side).links.get_mut(&link.into()) {
                link.open = None;
            }
        }
        done.is_some()
    }
}

/// Returns the octets of a message from an offset on: its index, then octets that differ between messages.
pub(super) fn content(id: usize, from: usize, len: usize) -> Vec<u8> {
    let id = u32::try_from(id).unwrap_or(u32::MAX).to_be_bytes();
    let octet = |at: usize| id.get(at).copied().unwrap_or_else(|| (at % 251).to_le_bytes()[0] ^ id[3]);
    (from..from + len).map(octet).collect()
}
