//! Who may write when: deliveries of which there is more than fits, and senders that wait for room.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::codec::to_usize;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::link::{Link, LinkEnd, Sending, SendingEnd};
use crate::types::SenderKey;
use crate::wire::Transfer;

/// How many octets a frame has before its performative.
pub(super) const FRAME_HEADER: usize = 8;

impl Endpoints {
    /// Has a sender told when it may send again: it was refused, or has used up what it takes to send.
    #[cold]
    pub(crate) fn wait_to_send(&mut self, index: u32) {
        let reserved = u32::from(self.unsent_before(index).is_some());
        let Some((link, session)) = self.link_and_session(index) else { return };
        let LinkEnd::Sender(sender) = &mut link.end else { return };
        sender.told = false;
        if sender.credit.credit() == 0 {
            // More comes with a flow of the link's own. A drain ends where there is none left.
            self.look_drained(index);
            return;
        }
        // The end of the delivery before is looked at when it comes.
        if sender.waits || sender.sending.is_some() {
            return;
        }
        sender.waits = true;
        if session.outgoing.left() <= reserved {
            session.waiting.push_back(index);
        } else {
            self.blocked.push_back(index);
        }
    }

    /// Returns whether a message would be taken now; where not, the application is told when it would be.
    pub(crate) fn ask_to_send(&mut self, index: u32) -> bool {
        let is_sendable = self.is_sendable(index);
        if !is_sendable
            && let Some((link, session)) = self.link_and_session(index)
            && link.is_complete()
            && session.is_begun()
        {
            self.wait_to_send(index);
        }
        is_sendable
    }

    /// The place that was kept in the window of a session for a delivery is free: the delivery is given up with its
    /// link.
    pub(crate) fn give_up_place(&mut self, index: u32) {
        let Some((_, session)) = self.link_and_session(index) else { return };
        if session.unsent == Some(index) {
            session.unsent = None;
            if session.outgoing.left() > 0 {
                let waiting = core::mem::take(&mut session.waiting);
                self.blocked.extend(waiting);
            }
        }
    }

    /// Tells the application once that a sender may send.
    pub(crate) fn look_sendable(&mut self, index: u32) {
        let is_full = self.fx.out.len() >= self.limits.output_octets();
        let is_open = self.is_open;
        let reserved = u32::from(self.unsent_before(index).is_some());
        let Some((link, session)) = self.link_and_session(index) else { return };
        if !is_open || !link.is_complete() || !session.is_mapped() || session.leaves {
            return;
        }
        let window = session.outgoing.left().saturating_sub(reserved);
        let key = SenderKey(link.key);
        let LinkEnd::Sender(sender) = &mut link.end else { return };
        if sender.told || sender.credit.credit() == 0 {
            return;
        }
        if window > 0 && !is_full && sender.sending.is_none() {
            sender.told = true;
            self.fx.tell(Event::Sendable(key));
        } else {
            self.wait_to_send(index);
        }
    }

    /// The window of a session has opened: everyone who waits for it gets a frame in turn, until it is closed
    /// again; who has nothing under way is told.
    pub(crate) fn window_opens(&mut self, index: u32) {
        let Some(session) = self.sessions.at(index) else { return };
        let waiting = core::mem::take(&mut session.waiting);
        self.blocked.extend(waiting);
        self.unblock();
    }

    /// Goes on with whoever waits for room in the output.
    pub(crate) fn unblock(&mut self) {
        // Those that wait now, and in turn with them those of which a frame was written and more is there.
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

    /// Writes as much of a delivery as may be written, if it does not have to wait for its turn.
    pub(super) fn pump(&mut self, index: u32) {
        let waits = self.links.at(index).and_then(Link::sender).is_none_or(|sender| sender.waits);
        if waits {
            return;
        }
        while self.fx.out.len() < self.limits.output_octets() && self.write_frame(index, false) {}
        self.queue(index, false);
    }

    /// Has a delivery that is not written to its end wait for what it lacks, or behind all others that wait if it has
    /// had its turn; true if it is to be looked at again when there is room in the output.
    fn queue(&mut self, index: u32, had_turn: bool) -> bool {
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
            // Done: it may be the next one's turn, or a drain's.
            if self.is_sendable(index) {
                self.look_sendable(index);
            } else {
                self.wait_to_send(index);
            }
            self.look_drained(index);
            return false;
        };
        if !sending.has_frame() {
            // All that more was refused for is on its way.
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
        }
        is_open
    }

    /// Writes one more frame of the delivery that is being sent, its first even if it has no octets yet; false if
    /// there is none to be written now.
    pub(super) fn write_frame(&mut self, index: u32, first: bool) -> bool {
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
            // The delivery-id is given out, and the peer expects the next one to follow.
            sending.transfer.settled = Some(true);
        }
        let transfer = &mut sending.transfer;
        transfer.aborted = sending.end == SendingEnd::Aborted;
        transfer.more = true;
        if FRAME_HEADER + transfer.encoded_len() >= max_frame_size {
            // One that came too late to be refused; without it there is room.
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
    pub(super) fn new(number: u64, transfer: Transfer, chunks: VecDeque<Bytes>, end: SendingEnd) -> Self {
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

    /// Returns whether there is a frame to be written.
    fn has_frame(&self) -> bool {
        self.waiting > 0 || self.end != SendingEnd::Open
    }
}
