//! [`Permit`]: the check whether a delivery may be sent.

use super::record::{Record, Tag};
use super::scheduler::FRAME_HEADER;
use super::tags::number;
use crate::codec::{EncodeError, to_usize};
use crate::config::SendOptions;
use crate::machine::command_error::SendError;
use crate::machine::endpoints::Endpoints;
use crate::machine::link::{Link, LinkEnd};
use crate::machine::session::Session;
use crate::machine::slab::Slab;
use crate::types::{DeliveryTag, Handle, LinkIx, TreeSet};
use crate::wire::{DeliveryState, ReceiverSettleMode, SenderSettleMode, Transfer};

/// The permission to send a delivery.
pub(crate) struct Permit {
    pub(super) tag: DeliveryTag,
    pub(super) settled: bool,
    /// `true` if the link keeps the message.
    pub(super) keeps: bool,
    /// `true` if another frame must be written first.
    follows: bool,
}

impl Permit {
    /// Returns the permission of a delivery that was found to need nothing else.
    #[inline]
    pub(super) fn usual(tag: DeliveryTag, settled: bool) -> Self {
        Self { tag, settled, keeps: false, follows: false }
    }
}

impl Endpoints {
    /// Checks whether a delivery of this length may begin; nothing changes.
    #[inline]
    pub(super) fn check_send(
        &mut self,
        index: LinkIx,
        octets: usize,
        options: &SendOptions,
    ) -> Result<Permit, SendError> {
        if options.state.is_some()
            && let Some(hooks) = self.transactions.hooks()
            && !(hooks.may_work)(self, options.state.as_ref())
        {
            return Err(SendError::Discharged);
        }
        let permitted = self.permitted(index, octets, options);
        if !matches!(permitted, Ok(Permit { follows: false, .. })) {
            if matches!(permitted, Err(SendError::Unsettled(_))) && self.allow_more_sent(index) {
                return self.check_send(index, octets, options);
            }
            self.make_way(index, options, permitted.as_ref().err());
        }
        permitted
    }

    /// Makes a refused sender wait, or writes the frames that must come first.
    #[cold]
    fn make_way(&mut self, index: LinkIx, options: &SendOptions, refusal: Option<&SendError>) {
        use SendError::{Full, Incomplete, Kept, NoCredit, Unsettled, WindowClosed};
        match refusal {
            Some(error @ (NoCredit | WindowClosed | Full | Incomplete | Unsettled(_) | Kept(_))) => {
                if let Some(LinkEnd::Sender(sender)) = self.links.at(index).map(|link| &mut link.end) {
                    sender.sends_settled = options.settled == Some(true);
                }
                match error {
                    Unsettled(_) | Kept(_) => self.wait_for_settlement(index),
                    _ => self.wait_to_send(index),
                }
            }
            Some(_) => {}
            None => {
                self.write_before_transfer();
                if let Some(first) = self.unsent_before(index) {
                    self.write_frame(first, true);
                }
            }
        }
    }

    /// Returns the sender on the same session whose delivery must be written first [2.6].
    pub(crate) fn unsent_before(&self, index: LinkIx) -> Option<LinkIx> {
        let session = self.sessions.get(self.links.peek(index)?.session)?;
        unsent_before(session, &self.links, index)
    }

    #[inline]
    fn permitted(
        &mut self,
        index: LinkIx,
        octets: usize,
        options: &SendOptions,
    ) -> Result<Permit, SendError> {
        let is_full = self.fx.out.len() >= self.limits.output_octets();
        let max_frame_size = to_usize(self.fx.max_frame_size);
        let is_open = self.is_open;
        let session = self.links.peek(index).and_then(|link| self.sessions.get_mut(link.session));
        let Some(session) = session else { return Err(SendError::Detached) };
        let follows = unsent_before(session, &self.links, index).is_some();
        let Some(link) = self.links.at(index) else { return Err(SendError::Detached) };
        if !is_open || !link.is_complete() || !session.is_mapped() || session.leaves {
            return Err(SendError::Detached);
        }
        let LinkEnd::Sender(sender) = &mut link.end else { return Err(SendError::Detached) };
        if sender.sending.is_some() {
            return Err(SendError::Incomplete);
        }
        if sender.max_message_size.is_some_and(|max| octets as u64 > max) {
            return Err(SendError::TooLarge(sender.max_message_size.unwrap_or_default()));
        }
        if sender.credit.credit() == 0 {
            return Err(SendError::NoCredit);
        }
        if session.outgoing.left() <= u32::from(follows) {
            return Err(SendError::WindowClosed);
        }
        if is_full {
            return Err(SendError::Full);
        }
        let settled = match (link.snd_settle_mode, options.settled) {
            (SenderSettleMode::Settled, Some(false)) | (SenderSettleMode::Unsettled, Some(true)) => {
                return Err(SendError::SettleMode);
            }
            (SenderSettleMode::Settled, _) => true,
            (SenderSettleMode::Unsettled, _) => false,
            (SenderSettleMode::Mixed, settled) => settled.unwrap_or(false),
        };
        let asks_second = options.rcv_settle_mode == Some(ReceiverSettleMode::Second);
        if asks_second && link.rcv_settle_mode == ReceiverSettleMode::First {
            return Err(SendError::SettleMode);
        }
        if !settled && session.sent.live() >= session.most_sent {
            return Err(SendError::Unsettled(session.most_sent));
        }
        let follows = follows || !self.ahead.is_empty();
        let mut permit =
            Permit { tag: options.tag.unwrap_or_else(|| sender.next_tag()), settled, keeps: false, follows };
        // Room for at least one octet of payload; otherwise the delivery would take frames without end.
        if let Some(state) = &options.state {
            if matches!(state, DeliveryState::Received(_)) {
                return Err(SendError::Received);
            }
            let octets = FRAME_HEADER + first_transfer(link.handle, session, &permit, options).encoded_len();
            if octets >= max_frame_size {
                return Err(SendError::Unencodable(EncodeError::TooLarge { octets, limit: max_frame_size }));
            }
        }
        if let Some(recovery) = link.recovery.get() {
            recovery.permit(sender.resumes, settled, octets, &self.limits)?;
            // A transaction ends with its control link, so its messages are never sent again.
            permit.keeps = !settled && !matches!(options.state, Some(DeliveryState::Transactional(_)));
        }
        // Recording the tag comes last, since no later check may fail.
        let (sent, chain) = (&session.sent, &link.chain);
        let live = || live_tags(sent, chain);
        while !settled && !link.tags.insert(number(&permit.tag), || permit.tag, live) {
            if options.tag.is_some() {
                return Err(SendError::TagInUse(permit.tag));
            }
            // The application has used this tag; it has used fewer tags than exist.
            sender.tag_used();
            permit.tag = sender.next_tag();
        }
        sender.sends_settled = options.settled == Some(true);
        Ok(permit)
    }

    #[inline]
    pub(crate) fn link_and_session(&mut self, index: LinkIx) -> Option<(&mut Link, &mut Session)> {
        let link = self.links.at(index)?;
        let session = self.sessions.get_mut(link.session)?;
        Some((link, session))
    }

    /// Returns `true` if a delivery can begin now: there are credit, window and room in the output, and no other
    /// delivery of the link is incomplete.
    pub(crate) fn has_room(&self, index: LinkIx) -> bool {
        let Some(link) = self.links.key(index).and_then(|key| self.links.get(key)) else { return false };
        let LinkEnd::Sender(sender) = &link.end else { return false };
        let reserved = u32::from(self.unsent_before(index).is_some());
        let has_window = self.sessions.get(link.session).is_some_and(|session| {
            session.is_mapped() && !session.leaves && session.outgoing.left() > reserved
        });
        let has_room = self.is_open && self.fx.out.len() < self.limits.output_octets();
        link.is_complete() && has_window && has_room && sender.credit.credit() > 0 && sender.sending.is_none()
    }
}

/// See [`Endpoints::unsent_before`].
#[inline]
fn unsent_before(session: &Session, links: &Slab<Link, LinkIx>, index: LinkIx) -> Option<LinkIx> {
    let first = session.unsent.filter(|first| *first != index)?;
    let LinkEnd::Sender(sender) = &links.peek(first)?.end else { return None };
    sender.sending.as_ref().is_some_and(|sending| !sending.begun).then_some(first)
}

/// Begins a delivery: credit, window and ledger change together. Returns `true` if there is credit left.
#[inline(never)]
pub(super) fn commit(link: &mut Link, session: &mut Session, permit: &Permit, options: &SendOptions) -> bool {
    commit_inlined(link, session, permit, options)
}

/// Begins a delivery as [`commit`], in the shortcut for the usual message.
#[inline(always)]
pub(super) fn commit_inlined(
    link: &mut Link,
    session: &mut Session,
    permit: &Permit,
    options: &SendOptions,
) -> bool {
    let (number, index) = (session.sent.next(), link.key.index);
    if permit.settled {
        session.sent.pass(number);
    } else {
        let mut record = Record::new(Tag::from(permit.tag), index);
        if let Some(state) = &options.state {
            record.set_local(state);
        }
        session.sent.insert_inlined(number, record, &mut link.chain);
    }
    let LinkEnd::Sender(sender) = &mut link.end else { return false };
    sender.credit.send();
    let has_credit = sender.credit.credit() > 0;
    // More credit is reported again, even if no send is tried before.
    sender.told &= has_credit;
    if options.tag.is_none() {
        sender.tag_used();
    }
    has_credit
}

/// Returns the first transfer of a delivery.
#[inline]
pub(super) fn first_transfer(
    handle: u32,
    session: &Session,
    permit: &Permit,
    options: &SendOptions,
) -> Transfer {
    let mut transfer = Transfer::new(Handle::new(handle));
    transfer.delivery_id = Some(session.sent.next_id());
    transfer.delivery_tag = Some(permit.tag);
    transfer.message_format = Some(options.message_format);
    transfer.settled = permit.settled.then_some(true);
    transfer.rcv_settle_mode = options.rcv_settle_mode;
    transfer.state = options.state.clone();
    transfer.batchable = options.batchable;
    transfer
}

/// Returns the tags of a link's unsettled deliveries.
pub(super) fn live_tags(ledger: &super::Ledger, chain: &super::Chain) -> TreeSet<DeliveryTag> {
    let numbers = core::iter::successors(chain.first(), |number| ledger.after(*number));
    numbers.filter_map(|number| ledger.get(number)).map(|record| (&record.tag).into()).collect()
}
