//! The sender's part in resuming a link: deliveries are resumed, sent again, settled or aborted, as credit and
//! room allow [2.6.13] [3.4.6].

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::memory::{Kept, Step};
use super::position::octets_before;
use super::resume::{Action, START};
use super::state::UnsettledDelivery;
use crate::machine::delivery::{Record, Tag, brief_outcome, forget};
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::link::{Link, LinkEnd, Sending, SendingEnd};
use crate::message::Payload;
use crate::types::{DeliveryKey, Handle, LinkIx};
use crate::wire::{DeliveryState, Outcome, SenderSettleMode, Transfer};

/// The transfer of a step, before it is written.
struct Planned {
    transfer: Transfer,
    chunks: VecDeque<Bytes>,
    end: SendingEnd,
    /// The record's own state; `None` for a delivery that is settled by its transfer.
    record: Option<Record>,
    /// `true` if the delivery is settled right after its transfer.
    settles: bool,
}

impl Endpoints {
    /// Takes the steps of a sender that are possible now. Returns `true` if no step is left.
    pub(super) fn resume_more(&mut self, index: LinkIx) -> bool {
        // Writing a transfer reports that the next one may follow; the loop does that already.
        match self.links.at(index).and_then(|link| link.recovery.as_deref_mut()) {
            Some(recovery) if !recovery.is_stepping => recovery.is_stepping = true,
            Some(_) => return false,
            None => return true,
        }
        let is_done = self.take_steps(index);
        if let Some(recovery) = self.links.at(index).and_then(|link| link.recovery.as_deref_mut()) {
            recovery.is_stepping = false;
        }
        is_done
    }

    fn take_steps(&mut self, index: LinkIx) -> bool {
        loop {
            let can_send = self.has_room(index);
            let Some(link) = self.links.at(index) else { return true };
            let public = link.public_key();
            let (Some(recovery), LinkEnd::Sender(sender)) = (link.recovery.as_deref_mut(), &mut link.end)
            else {
                return true;
            };
            let Some(step) = recovery.steps.pop_front() else {
                sender.resumes = recovery.rounds.is_open;
                return !sender.resumes;
            };
            let step = checked(step, recovery.sends_anew, sender.max_message_size);
            let end = match &step.action {
                Action::Forget => step.delivery.local.clone().or(step.delivery.remote.clone()),
                Action::SendAnew if step.delivery.message().is_none() => None,
                _ if can_send => {
                    self.take_step(index, step);
                    continue;
                }
                _ => {
                    recovery.steps.push_front(step);
                    self.wait_to_send(index);
                    return false;
                }
            };
            link.tags.remove(&step.delivery.tag, false);
            let tag = Box::new(step.delivery.tag);
            self.fx.tell(Event::Unresumed { link: public, tag, state: end });
        }
    }

    /// Sends the transfer of a step.
    fn take_step(&mut self, index: LinkIx, step: Step) {
        self.write_before_transfer();
        if let Some(first) = self.unsent_before(index) {
            self.write_frame(first, true);
        }
        let Some((link, session)) = self.link_and_session(index) else { return };
        let public = link.public_key();
        let number = session.sent.next();
        let (id, key) = (session.sent.next_id(), DeliveryKey::sent(session.key, number));
        let mut planned = planned(link, &step);
        planned.transfer.delivery_id = Some(id);
        let Step { delivery, action } = step;
        let UnsettledDelivery { tag, message_format, local, remote, message, is_partial, key: last } =
            delivery;
        let outcome = match &action {
            Action::Settle(outcome) => Some(DeliveryState::from(outcome.clone())),
            _ => None,
        };
        let is_unsettled = planned.record.is_some();
        match planned.record {
            Some(record) => session.sent.insert(number, record, &mut link.chain),
            None => session.sent.pass(number),
        }
        let LinkEnd::Sender(sender) = &mut link.end else { return };
        sender.credit.send();
        let Some(recovery) = link.recovery.as_deref_mut() else { return };
        if is_unsettled {
            if let Some(message) = message.clone() {
                recovery.keep(number, Kept { message, message_format, is_partial: false });
            }
        } else if action != Action::AbortAndSendAnew {
            link.tags.remove(&tag, false);
        }
        let mut news = None;
        match action {
            Action::AbortAndSendAnew => {
                let delivery = UnsettledDelivery {
                    tag,
                    message_format,
                    local: None,
                    remote: None,
                    message,
                    is_partial,
                    key: last,
                };
                if recovery.rounds.is_open {
                    recovery.rounds.unknown.push_back(delivery);
                } else {
                    recovery.steps.push_front(Step { delivery, action: Action::SendAnew });
                }
            }
            Action::Abort => {
                let state = local.or(remote);
                news = Some(Event::Unresumed { link: public, tag: Box::new(tag), state });
            }
            _ => {
                let is_new = !planned.transfer.resume;
                news = Some(Event::Resumed { link: public, tag: Box::new(tag), delivery: key, is_new });
            }
        }
        let sending = Sending::new(number, planned.transfer, planned.chunks, planned.end);
        let settles = planned.settles;
        sender.sending = Some(Box::new(sending));
        let session = session.key.index;
        self.fx.tell_any(news);
        self.write_frame(index, true);
        self.pump(index);
        if settles {
            if let Some((link, session)) = self.link_and_session(index) {
                forget(link, &mut session.sent, number);
            }
            self.tell_disposition(session, number, false, true, None);
        }
        if let Some(state) = outcome {
            let settled = !is_unsettled || settles;
            self.fx.tell(Event::Updated { link: public, delivery: key, state: Some(state), settled });
        }
    }
}

/// Replaces a step that cannot be taken.
fn checked(mut step: Step, sends_anew: bool, max_message_size: Option<u64>) -> Step {
    let Step { delivery, action } = &mut step;
    if let Action::Resume(at) = action {
        let message = delivery.message();
        if message.and_then(|message| octets_before(message, delivery.message_format, at)).is_none() {
            // The receiver asks for octets that the message does not have.
            *action = Action::AbortAndSendAnew;
        }
    }
    if *action == Action::SendAnew {
        let is_small = |len| max_message_size.is_none_or(|max| len as u64 <= max);
        let message = delivery.message.take().filter(|message| sends_anew && is_small(message.len()));
        delivery.message = message.filter(|_| !delivery.is_partial);
    }
    step
}

/// Returns the transfer of a step, without its id.
fn planned(link: &Link, step: &Step) -> Planned {
    let Step { delivery, action } = step;
    let mode = link.snd_settle_mode;
    let is_manual = matches!(&link.end, LinkEnd::Sender(sender) if sender.manual_settle);
    let mut transfer = Transfer::new(Handle::new(link.handle));
    transfer.delivery_tag = Some(delivery.tag);
    transfer.message_format = Some(delivery.message_format);
    transfer.resume = *action != Action::SendAnew;
    let mut record = Record::new(Tag::from(delivery.tag), link.key.index);
    let whole = || delivery.message().cloned().unwrap_or_default();
    let (mut chunks, mut is_settled, mut settles) = (Payload::new(), false, false);
    let mut end = SendingEnd::Complete;
    match action {
        Action::SendAnew => {
            chunks = whole();
            is_settled = mode == SenderSettleMode::Settled;
        }
        Action::Resume(at) => {
            let message = whole();
            let start = octets_before(&message, delivery.message_format, at).unwrap_or_default();
            chunks = message.slice(start..message.len());
            transfer.state = (*at != START).then(|| DeliveryState::Received(at.clone()));
        }
        Action::Settle(outcome) if is_manual => record.set_remote(&outcome.clone().into()),
        Action::Settle(outcome) => {
            transfer.state = Some(short(outcome).into());
            // On a link of mode unsettled, the disposition follows the transfer [2.7.5].
            settles = mode == SenderSettleMode::Unsettled;
            is_settled = !settles;
        }
        Action::Restate(outcome) => {
            transfer.state = Some(short(outcome).into());
            record.set_local(&outcome.clone().into());
        }
        Action::AbortAndSendAnew | Action::Abort | Action::Forget => {
            end = SendingEnd::Aborted;
            is_settled = true;
        }
    }
    transfer.settled = (is_settled && end == SendingEnd::Complete).then_some(true);
    let chunks = chunks.chunks().iter().cloned().collect();
    Planned { transfer, chunks, end, record: (!is_settled).then_some(record), settles }
}

/// Returns an outcome without its long parts, so that it fits in the first transfer.
fn short(outcome: &Outcome) -> Outcome {
    const FITS: usize = 256;
    let mut outcome = outcome.clone();
    if crate::codec::Encode::size(&outcome) > FITS {
        brief_outcome(&mut outcome);
    }
    outcome
}
