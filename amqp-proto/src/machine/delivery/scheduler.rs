//! The order of writing: deliveries larger than the available room, and senders that wait for room.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::codec::to_usize;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::link::{Link, LinkEnd, Sender, Sending, SendingEnd};
use crate::types::{LinkIx, SenderKey, SessionIx};
use crate::wire::Transfer;

/// The number of entries of ended links that a short list may have.
const FEW: usize = 64;
/// The octets of a frame before its performative.
pub(super) const FRAME_HEADER: usize = 8;

impl Endpoints {
    /// Makes a refused sender, or one that has used up its credit or room, wait, and reports when it can send
    /// again.
    #[cold]
    pub(crate) fn wait_to_send(&mut self, index: LinkIx) {
        let reserved = u32::from(self.unsent_before(index).is_some());
        let is_crowded_out = self.is_crowded_out(index);
        let Some((link, session)) = self.link_and_session(index) else { return };
        let LinkEnd::Sender(sender) = &mut link.end else { return };
        sender.told = false;
        if sender.credit.credit() == 0 {
            // A flow of the link brings more credit. A drain ends when no credit is left.
            self.look_drained(index);
            return;
        }
        // The sender is looked at again at the end of its previous delivery.
        if sender.waits || sender.sending.is_some() {
            return;
        }
        if session.outgoing.left() <= reserved {
            sender.waits = true;
            session.waiting.push_back(index);
            self.forget_ended_senders(index);
        } else if is_crowded_out {
            self.wait_for_settlement(index);
        } else {
            sender.waits = true;
            self.blocked.push_back(index);
        }
    }

    /// Returns `true` if a message can be sent now. Otherwise the application gets an event when it can.
    pub(crate) fn ask_to_send(&mut self, index: LinkIx) -> bool {
        let Some(sender) = self.links.at(index).and_then(Link::sender) else { return false };
        let (resumes, has_credit) = (sender.resumes, sender.credit.credit() > 0);
        let is_crowded = self.is_crowded(index);
        let is_sendable = self.has_room(index) && !resumes && !is_crowded;
        if !is_sendable
            && let Some((link, session)) = self.link_and_session(index)
            && link.is_complete()
            && session.is_begun()
        {
            match is_crowded && has_credit {
                true => self.wait_for_settlement(index),
                false => self.wait_to_send(index),
            }
        }
        is_sendable
    }

    /// Drops what ended links have left in the lists of their session's waiting senders, once that may be the larger
    /// part. A new link may have the index of an ended one.
    pub(super) fn forget_ended_senders(&mut self, index: LinkIx) {
        let Some(link) = self.links.peek(index) else { return };
        let Some(session) = self.sessions.get_mut(link.session) else { return };
        let most = 2 * session.links.len() + FEW;
        for (list, waits) in [
            (&mut session.waiting, (|sender| &mut sender.waits) as fn(&mut Sender) -> &mut bool),
            (&mut session.crowded_out, |sender| &mut sender.is_crowded_out),
        ] {
            if list.len() > most {
                let links = &mut self.links;
                let mut is_waiting = |index: LinkIx, then| match links.at(index).and_then(Link::sender) {
                    Some(sender) => core::mem::replace(waits(sender), then),
                    None => false,
                };
                // Each once, also if two entries have the same index.
                list.retain(|index| is_waiting(*index, false));
                list.iter().for_each(|index| _ = is_waiting(*index, true));
            }
        }
    }

    /// Frees the room in a session for deliveries whose link has ended.
    pub(crate) fn give_up_place(&mut self, index: LinkIx) {
        let Some((_, session)) = self.link_and_session(index) else { return };
        let key = session.key;
        if session.unsent == Some(index) {
            session.unsent = None;
            if session.outgoing.left() > 0 {
                let mut waiting = core::mem::take(&mut session.waiting);
                self.blocked.append(&mut waiting);
            }
        }
        self.look_settled(key.index);
    }

    /// Reports once that a sender can send.
    pub(crate) fn look_sendable(&mut self, index: LinkIx) {
        let is_full = self.fx.out.len() >= self.limits.output_octets();
        let is_open = self.is_open;
        let reserved = u32::from(self.unsent_before(index).is_some());
        let Some((link, session)) = self.link_and_session(index) else { return };
        if !is_open || !link.is_complete() || !session.is_mapped() || session.leaves {
            return;
        }
        if link.sender().is_some_and(|sender| sender.resumes)
            && let Some(hooks) = self.resumption
            && !(hooks.resume_more)(self, index)
        {
            return;
        }
        let is_crowded_out = self.is_crowded_out(index);
        let Some((link, session)) = self.link_and_session(index) else { return };
        let window = session.outgoing.left().saturating_sub(reserved);
        let key = SenderKey(link.key);
        let LinkEnd::Sender(sender) = &mut link.end else { return };
        if sender.told || sender.credit.credit() == 0 {
            return;
        }
        if window > 0 && !is_full && !is_crowded_out && sender.sending.is_none() {
            sender.told = true;
            self.fx.tell(Event::Sendable(key));
        } else {
            self.wait_to_send(index);
        }
    }

    /// Handles the opening of a session's window: each waiting sender writes a frame in turn until the window
    /// is closed again. A sender without a delivery is reported.
    pub(crate) fn window_opens(&mut self, index: SessionIx) {
        let Some(session) = self.sessions.at(index) else { return };
        self.blocked.append(&mut session.waiting);
        self.unblock();
    }

    /// Continues with the senders that wait for room in the output.
    pub(crate) fn unblock(&mut self) {
        // All that wait now, and in turn those that wrote a frame and have more.
        let mut left = self.blocked.len();
        while left > 0 && self.fx.out.len() < self.limits.output_octets() {
            let Some(index) = self.blocked.pop_front() else { return };
            left -= 1;
            let Some(sender) = self.links.at(index).and_then(Link::sender) else { continue };
            sender.waits = false;
            let wrote = self.write_frame(index, false);
            left += usize::from(self.queue(index, wrote) && wrote);
        }
    }

    /// Writes as much of a delivery as possible, unless it waits for its turn.
    pub(crate) fn pump(&mut self, index: LinkIx) {
        let waits = self.links.at(index).and_then(Link::sender).is_none_or(|sender| sender.waits);
        if waits {
            return;
        }
        while self.fx.out.len() < self.limits.output_octets() && self.write_frame(index, false) {}
        self.queue(index, false);
    }

    /// Makes an incomplete delivery wait for the room that it lacks, behind all others if it has had its
    /// turn. Returns `true` if it continues when there is room in the output.
    fn queue(&mut self, index: LinkIx, had_turn: bool) -> bool {
        let Some((link, session)) = self.link_and_session(index) else { return false };
        if !link.is_complete() || !session.is_begun() {
            return false;
        }
        let ends = session.leaves;
        let LinkEnd::Sender(sender) = &mut link.end else { return false };
        let Some(sending) = &mut sender.sending else {
            if (ends || sender.leaves.is_some()) && self.left(index) {
                return false;
            }
            // The delivery is written: the next one, or a drain, may follow.
            if self.has_room(index) && !self.is_crowded_out(index) {
                self.look_sendable(index);
            } else {
                self.wait_to_send(index);
            }
            self.look_drained(index);
            return false;
        };
        if !sending.has_frame() {
            // All octets for which a write was refused are written.
            if core::mem::take(&mut sending.is_refused) {
                let key = SenderKey(link.key);
                self.fx.tell(Event::Sendable(key));
            }
            return false;
        }
        sender.told = false;
        if sender.waits {
            return false;
        }
        sender.waits = true;
        let is_open = had_turn || session.outgoing.left() > 0;
        if is_open {
            self.blocked.push_back(index);
        } else {
            session.waiting.push_back(index);
            self.forget_ended_senders(index);
        }
        is_open
    }

    /// Writes one frame of the current delivery; the first frame even without octets. Returns `false` if
    /// there is none to write.
    pub(crate) fn write_frame(&mut self, index: LinkIx, first: bool) -> bool {
        let max_frame_size = to_usize(self.fx.max_frame_size);
        self.write_before_transfer();
        let Some(link) = self.links.at(index) else { return false };
        let Some(session) = self.sessions.get_mut(link.session) else { return false };
        if !self.is_open || !link.is_complete() || !session.is_begun() || session.outgoing.left() == 0 {
            return false;
        }
        let LinkEnd::Sender(sender) = &mut link.end else { return false };
        let Some(sending) = sender.sending.as_mut().filter(|sending| first || sending.has_frame()) else {
            return false;
        };
        if sending.end == SendingEnd::Aborted && !sending.begun {
            // The delivery-id is assigned, and the peer expects the next one to follow.
            sending.transfer.settled = Some(true);
        }
        let transfer = &mut sending.transfer;
        transfer.aborted = sending.end == SendingEnd::Aborted;
        transfer.more = true;
        if FRAME_HEADER + transfer.encoded_len() >= max_frame_size {
            // The payload was added too late to be refused; without it the frame fits.
            transfer.state = None;
        }
        let room = max_frame_size.saturating_sub(FRAME_HEADER + transfer.encoded_len()).max(1);
        let octets = sending.waiting.min(room);
        transfer.more = !transfer.aborted && (octets < sending.waiting || sending.end == SendingEnd::Open);
        if self.fx.send_transfer(session.channel, transfer, octets).is_err() {
            return false;
        }
        session.outgoing.send();
        let mut left = octets;
        while left > 0 {
            let Some(chunk) = sending.chunks.front_mut() else { break };
            let piece = chunk.split_to(left.min(chunk.len()));
            left -= piece.len();
            self.fx.out.payload(&piece);
            if !chunk.has_remaining() {
                sending.chunks.pop_front();
            }
        }
        sending.waiting -= octets;
        sending.begun = true;
        let settled = core::mem::take(&mut sending.settles).then_some(sending.number);
        if sending.transfer.more {
            sending.go_on();
        } else {
            sender.sending = None;
        }
        if let Some(number) = settled {
            let session = session.key.index;
            self.tell_disposition(session, number, false, true, None);
        }
        true
    }
}

impl Sending {
    pub(crate) fn new(number: u64, transfer: Transfer, chunks: VecDeque<Bytes>, end: SendingEnd) -> Self {
        let waiting = chunks.iter().map(Bytes::len).sum();
        Self {
            number,
            transfer,
            begun: false,
            chunks,
            waiting,
            size: waiting as u64,
            end,
            is_refused: false,
            settles: false,
        }
    }

    /// Returns `true` if there is a frame to write.
    fn has_frame(&self) -> bool {
        self.waiting > 0 || self.end != SendingEnd::Open
    }
}
