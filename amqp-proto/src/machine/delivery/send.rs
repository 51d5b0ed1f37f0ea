//! Sending whole messages, and deliveries in pieces [2.6.12] [2.6.14].

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::send_check::{Permit, commit, commit_inlined, first_transfer};
use super::tags::number;
use super::transfer_head::TransferHead;
use crate::config::SendOptions;
use crate::machine::command_error::SendError;
use crate::machine::endpoints::Endpoints;
use crate::machine::link::{LinkEnd, Sender, Sending, SendingEnd};
use crate::machine::output::Outbox;
use crate::message::{Message, Payload, data_head};
use crate::types::{DeliveryKey, Handle, LinkIx};
use crate::wire::SenderSettleMode;

impl Endpoints {
    /// Sends an encoded message.
    pub(crate) fn send(
        &mut self,
        index: LinkIx,
        payload: &Payload,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        let write = |out: &mut Outbox| payload.chunks().iter().for_each(|chunk| out.payload(chunk));
        self.deliver(index, options, payload.len(), write, || payload.chunks().iter().cloned().collect())
    }

    /// Sends a message that is one data section.
    pub(crate) fn send_data(
        &mut self,
        index: LinkIx,
        data: &Bytes,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        let head = data_head(data.len()).map_err(SendError::Unencodable)?;
        let octets = head.len() + data.len();
        let write = |out: &mut Outbox| {
            out.tail().extend_from_slice(&head);
            out.payload(data);
        };
        self.deliver(index, options, octets, write, || [Bytes::copy_from_slice(&head), data.clone()].into())
    }

    /// Encodes and sends a message.
    pub(crate) fn send_message(
        &mut self,
        index: LinkIx,
        message: &Message,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        /// Up to this size, encoding into a buffer and copying costs less than sharing the parts.
        const SMALL: usize = 2048;
        if message.encoded_len() > SMALL {
            let payload = message.to_payload().map_err(SendError::Unencodable)?;
            return self.send(index, &payload, options);
        }
        let mut octets = core::mem::take(&mut self.fx.scratch);
        octets.clear();
        let sent = message.encode(&mut octets).map_err(SendError::Unencodable).and_then(|()| {
            let write = |out: &mut Outbox| out.tail().extend_from_slice(&octets);
            self.deliver(index, options, octets.len(), write, || [Bytes::copy_from_slice(&octets)].into())
        });
        self.fx.scratch = octets;
        sent
    }

    /// Sends a delivery that `write` adds to the output, or `keep` returns if it does not fit in one frame.
    #[inline(always)]
    fn deliver(
        &mut self,
        index: LinkIx,
        options: &SendOptions,
        octets: usize,
        write: impl FnOnce(&mut Outbox),
        keep: impl FnOnce() -> VecDeque<Bytes>,
    ) -> Result<DeliveryKey, SendError> {
        if let Some(key) = self.write_usual_head(index, options, octets) {
            write(&mut self.fx.out);
            return Ok(key);
        }
        let permit = self.check_send(index, octets, options)?;
        self.transmit(index, permit, options, octets, write, keep)
    }

    /// Begins a delivery in the usual case, and writes its frame up to the payload.
    ///
    /// Changes nothing and returns `None` if anything is unusual: the delivery has an option of its own, or does
    /// not fit in one frame; credit, window or room in the output are missing, or used up by the delivery; or
    /// another frame comes first. The general way handles that, and says why a delivery is refused.
    #[inline(always)]
    fn write_usual_head(
        &mut self,
        index: LinkIx,
        options: &SendOptions,
        octets: usize,
    ) -> Option<DeliveryKey> {
        /// The octets of a frame before its payload, at most.
        const HEAD: usize = 64;
        if cfg!(feature = "small") {
            return None;
        }
        let room = self.limits.output_octets().saturating_sub(self.fx.out.len());
        let is_plain = options.is_plain() && options.tag.is_none();
        if !is_plain || !self.is_open || !self.ahead.is_empty() || octets + HEAD >= room {
            return None;
        }
        let link = self.links.at(index)?;
        let session = self.sessions.get_mut(link.session)?;
        let is_ready =
            link.is_complete() && session.is_mapped() && !session.leaves && session.unsent.is_none();
        let LinkEnd::Sender(sender) = &mut link.end else { return None };
        let settled = match (link.snd_settle_mode, options.settled) {
            (SenderSettleMode::Settled, None | Some(true)) => true,
            (SenderSettleMode::Unsettled, None | Some(false)) => false,
            (SenderSettleMode::Mixed, settled) => settled.unwrap_or(false),
            (SenderSettleMode::Settled | SenderSettleMode::Unsettled, _) => return None,
        };
        let is_small = sender.max_message_size.is_none_or(|max| octets as u64 <= max);
        let has_room = sender.credit.credit() > 1 && session.outgoing.left() > 1;
        // The last delivery that can be unsettled is unusual: the sender waits after it.
        let is_kept = settled || session.sent.live().wrapping_add(1) < session.most_sent;
        if !(is_ready && is_small && has_room && is_kept) || sender.sending.is_some() || sender.resumes {
            return None;
        }
        let tag = sender.next_tag();
        if !settled && !link.tags.is_larger(number(&tag)) {
            return None;
        }
        let (handle, id) = (Handle::new(link.handle), session.sent.next_id());
        let mut head = TransferHead::new(handle, id, tag, options.message_format);
        head.settled = settled;
        self.fx.send_transfer(session.channel, &head, octets).ok()?;
        let key = DeliveryKey::sent(session.key, session.sent.next());
        if !settled {
            link.tags.add_larger(number(&tag));
        }
        session.outgoing.send();
        commit_inlined(link, session, &Permit::usual(tag, settled), options);
        Some(key)
    }

    /// Sends a checked delivery: in one transfer if it fits, else in several.
    #[inline(never)] // for what is unusual
    fn transmit(
        &mut self,
        index: LinkIx,
        permit: Permit,
        options: &SendOptions,
        octets: usize,
        write: impl FnOnce(&mut Outbox),
        keep: impl FnOnce() -> VecDeque<Bytes>,
    ) -> Result<DeliveryKey, SendError> {
        if permit.keeps
            && let Some(hooks) = self.resumption
        {
            return (hooks.transmit_kept)(self, index, permit, options, keep());
        }
        let Some(link) = self.links.at(index) else { return Err(SendError::Detached) };
        let Some(session) = self.sessions.get_mut(link.session) else { return Err(SendError::Detached) };
        let key = DeliveryKey::sent(session.key, session.sent.next());
        let sent = if options.is_plain() && !cfg!(feature = "small") {
            let (id, handle) = (session.sent.next_id(), Handle::new(link.handle));
            let mut head = TransferHead::new(handle, id, permit.tag, options.message_format);
            head.settled = permit.settled;
            self.fx.send_transfer(session.channel, &head, octets)
        } else {
            let transfer = first_transfer(link.handle, session, &permit, options);
            self.fx.send_transfer(session.channel, &transfer, octets)
        };
        if sent.is_ok() {
            write(&mut self.fx.out);
            session.outgoing.send();
            let has_credit = commit(link, session, &permit, options);
            let is_full = self.fx.out.len() >= self.limits.output_octets();
            let is_closed = session.outgoing.left() == 0;
            let may_be_crowded = !permit.settled && session.sent.live() >= session.most_sent;
            if is_full || is_closed || !has_credit || (may_be_crowded && self.is_crowded(index)) {
                self.wait_to_send(index);
            }
        } else {
            let transfer = first_transfer(link.handle, session, &permit, options);
            let sending = Sending::new(session.sent.next(), transfer, keep(), SendingEnd::Complete);
            commit(link, session, &permit, options);
            if let Some(sender) = link.sender() {
                sender.sending = Some(Box::new(sending));
            }
            // The first frame does not wait for a turn, since later deliveries must not overtake it
            // (T-XFER-05).
            self.write_frame(index, true);
            self.pump(index);
        }
        self.note_work(index, key, options);
        Ok(key)
    }

    /// Sends a checked delivery on a link that keeps its messages until they are settled.
    pub(crate) fn transmit_kept(
        &mut self,
        index: LinkIx,
        permit: Permit,
        options: &SendOptions,
        mut chunks: VecDeque<Bytes>,
    ) -> Result<DeliveryKey, SendError> {
        let Some((link, session)) = self.link_and_session(index) else { return Err(SendError::Detached) };
        let number = session.sent.next();
        let key = DeliveryKey::sent(session.key, number);
        if let Some(recovery) = link.recovery.get_mut() {
            recovery.keep_begun(number, options.message_format);
            recovery.keep_more(number, chunks.make_contiguous());
            recovery.finish(number);
        }
        let transfer = first_transfer(link.handle, session, &permit, options);
        let sending = Sending::new(number, transfer, chunks, SendingEnd::Complete);
        commit(link, session, &permit, options);
        if let Some(sender) = link.sender() {
            sender.sending = Some(Box::new(sending));
        }
        self.write_frame(index, true);
        self.pump(index);
        self.note_work(index, key, options);
        Ok(key)
    }

    /// Records a delivery that has begun with a state, which may name a transaction.
    #[inline]
    fn note_work(&mut self, index: LinkIx, delivery: DeliveryKey, options: &SendOptions) {
        if options.state.is_some()
            && let Some(hooks) = self.transactions.hooks()
        {
            (hooks.note_sent)(self, index, delivery, options);
        }
    }

    /// Begins a delivery in pieces.
    pub(crate) fn begin_delivery(
        &mut self,
        index: LinkIx,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        let permit = self.check_send(index, 0, options)?;
        let Some((link, session)) = self.link_and_session(index) else { return Err(SendError::Detached) };
        let key = DeliveryKey::sent(session.key, session.sent.next());
        let transfer = first_transfer(link.handle, session, &permit, options);
        let sending = Sending::new(session.sent.next(), transfer, VecDeque::new(), SendingEnd::Open);
        commit(link, session, &permit, options);
        session.unsent = Some(index);
        let number = key.number();
        if let Some(recovery) = link.recovery.get_mut().filter(|_| permit.keeps) {
            recovery.keep_begun(number, options.message_format);
        }
        if let Some(sender) = link.sender() {
            sender.sending = Some(Box::new(sending));
        }
        self.note_work(index, key, options);
        Ok(key)
    }

    /// Adds a data section to the delivery that was begun.
    pub(crate) fn send_data_part(&mut self, index: LinkIx, octets: Bytes) -> Result<(), SendError> {
        let head = data_head(octets.len()).map_err(SendError::Unencodable)?;
        self.send_part(index, [Bytes::copy_from_slice(&head), octets])
    }

    /// Adds octets to the delivery that was begun: all of them, or none.
    pub(crate) fn send_part<const CHUNKS: usize>(
        &mut self,
        index: LinkIx,
        chunks: [Bytes; CHUNKS],
    ) -> Result<(), SendError> {
        let octets = chunks.iter().map(Bytes::len).fold(0, usize::saturating_add);
        let is_full = self.fx.out.len() >= self.limits.output_octets();
        let limit = self.limits.output_octets();
        let recovery = self.links.at(index).and_then(|link| link.recovery.get());
        let (kept, most_kept) = (recovery.map_or(0, |r| r.kept_octets()), self.limits.kept_octets());
        let most_kept = if recovery.is_some() { most_kept } else { u64::MAX };
        let sender = self.open_sender(index)?;
        let max = sender.max_message_size.unwrap_or(u64::MAX);
        let Some(sending) = &mut sender.sending else { return Err(SendError::NoDelivery) };
        let size = sending.size.saturating_add(octets as u64);
        if kept.saturating_add(octets as u64) > most_kept {
            self.wait_for_settlement(index);
            return Err(SendError::Kept(most_kept));
        }
        if size > max {
            return Err(SendError::TooLarge(max));
        }
        if sending.waiting >= limit || (is_full && sending.waiting > 0) {
            sending.is_refused = true;
            return Err(SendError::Full);
        }
        sending.size = size;
        sending.waiting += octets;
        let number = sending.number;
        sending.chunks.extend(chunks.iter().filter(|chunk| !chunk.is_empty()).cloned());
        if let Some(recovery) = self.links.at(index).and_then(|link| link.recovery.get_mut()) {
            recovery.keep_more(number, &chunks);
        }
        self.pump(index);
        Ok(())
    }

    /// Completes or aborts the delivery that was begun.
    pub(crate) fn end_delivery(&mut self, index: LinkIx, end: SendingEnd) -> Result<(), SendError> {
        let sender = self.open_sender(index)?;
        let Some(sending) = &mut sender.sending else { return Err(SendError::NoDelivery) };
        sending.end = end;
        let number = sending.number;
        if end == SendingEnd::Aborted {
            sending.chunks.clear();
            sending.waiting = 0;
            self.forget_sent(index, number);
        }
        if let Some(recovery) = self.links.at(index).and_then(|link| link.recovery.get_mut()) {
            recovery.finish(number);
        }
        self.pump(index);
        Ok(())
    }

    /// Returns the sender with a delivery that was begun and not ended.
    fn open_sender(&mut self, index: LinkIx) -> Result<&mut Sender, SendError> {
        let session = self.links.at(index).map(|link| link.session);
        if !session.is_some_and(|session| self.may_send_on(session)) {
            return Err(SendError::Detached);
        }
        let link = self.links.at(index).filter(|link| link.is_complete()).ok_or(SendError::Detached)?;
        let sender = link.sender().ok_or(SendError::Detached)?;
        match &sender.sending {
            Some(sending) if sending.end == SendingEnd::Open => Ok(sender),
            _ => Err(SendError::NoDelivery),
        }
    }

    /// Forgets an aborted delivery, which is settled [2.6.14].
    fn forget_sent(&mut self, index: LinkIx, number: u64) {
        let Some((link, session)) = self.link_and_session(index) else { return };
        super::settle::forget(link, &mut session.sent, number);
        let session = session.key.index;
        self.look_settled(session);
    }
}
