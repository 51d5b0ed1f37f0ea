//! Settlement by this end, and its dispositions [2.6.12] [2.7.6].

use super::ledger::Ledger;
use super::record::Record;
use crate::machine::command_error::SettleError;
use crate::machine::endpoints::{Ahead, Endpoints};
use crate::machine::halves::Half;
use crate::machine::link::{Link, LinkEnd, LinkHalf, Sending};
use crate::machine::session::Session;
use crate::types::{DeliveryKey, DeliveryTag, Key, LinkIx, LinkKey, SessionIx};
use crate::wire::{DeliveryState, Disposition, Outcome};

impl Endpoints {
    /// Returns the record of an unsettled delivery.
    pub(crate) fn record(&self, key: DeliveryKey) -> Option<&Record> {
        let session = self.sessions.get(key.session)?;
        let ledger = if key.is_received() { session.received.as_ref()? } else { &session.sent };
        ledger.get(key.number())
    }

    /// Returns the link of an unsettled delivery.
    pub(crate) fn link_of(&self, key: DeliveryKey) -> Option<LinkKey> {
        let link = self.links.key(self.record(key)?.link)?;
        self.links.get(link).map(Link::public_key)
    }

    /// Returns the unsettled deliveries of a link, oldest first.
    pub(crate) fn unsettled(&self, index: LinkIx) -> impl Iterator<Item = DeliveryKey> + '_ {
        let link = self.links.key(index).and_then(|key| self.links.get(key));
        let session = link.and_then(|link| self.sessions.get(link.session));
        let is_received = link.is_some_and(|link| matches!(link.end, LinkEnd::Receiver(_)));
        let ledger = session.and_then(|session| match is_received {
            true => session.received.as_ref(),
            false => Some(&session.sent),
        });
        let first = link.and_then(|link| link.chain.first());
        let numbers = core::iter::successors(first, move |number| ledger?.after(*number));
        numbers.filter_map(move |number| Some(delivery_key(session?.key, number, is_received)))
    }

    /// Sends the state of a delivery, and settles it if this end may settle now [2.6.12].
    #[inline]
    pub(crate) fn dispose(
        &mut self,
        index: LinkIx,
        delivery: DeliveryKey,
        state: Option<&DeliveryState>,
        settles: bool,
    ) -> Result<(), SettleError> {
        if settles
            && matches!(state, Some(DeliveryState::Outcome(Outcome::Accepted)))
            && self.accept_next(index, delivery).is_some()
        {
            return Ok(());
        }
        self.dispose_any(index, delivery, state, settles)
    }

    /// Sends the state of a delivery that is not accepted in the usual case.
    #[inline(never)] // for what is unusual
    fn dispose_any(
        &mut self,
        index: LinkIx,
        delivery: DeliveryKey,
        state: Option<&DeliveryState>,
        settles: bool,
    ) -> Result<(), SettleError> {
        if let Some(hooks) = self.transactions.hooks()
            && delivery.is_received()
            && let Some(decided) = (hooks.decide_posting)(self, index, delivery, state, settles)
        {
            return decided;
        }
        let Some(link) = self.links.at(index) else { return Err(SettleError::Settled) };
        let is_received = matches!(link.end, LinkEnd::Receiver(_));
        if delivery.is_received() != is_received {
            return Err(SettleError::WrongLink);
        }
        let Some(session) = self.sessions.get_mut(delivery.session) else { return Err(SettleError::Settled) };
        let (number, session_index) = (delivery.number(), session.key.index);
        let can_tell = self.is_open && session.is_begun() && link.halves.local() != LinkHalf::Closed;
        let Some(ledger) = ledger(session, is_received) else { return Err(SettleError::Settled) };
        let Some(record) = ledger.get_mut(number) else { return Err(SettleError::Settled) };
        if record.link != index {
            return Err(SettleError::WrongLink);
        }
        let had_state = record.has_local_state();
        let had_outcome = had_state && record.has_local_outcome();
        if had_outcome && state.is_some() {
            return Err(SettleError::Decided);
        }
        if !can_tell {
            return Err(SettleError::Ended);
        }
        if is_received && record.second && settles && state.is_none() {
            return Err(SettleError::Second);
        }
        // A receiver of mode second settles after the sender.
        let settles = settles && !(is_received && record.second);
        let is_unsent = unsent(link, number).is_some_and(|sending| sending.add_news(settles, state));
        if settles {
            forget(link, ledger, number);
        } else if let Some(state) = state {
            record.set_local(state);
        }
        if settles && !is_received {
            self.look_settled(session_index);
        }
        if is_unsent {
            return Ok(());
        }
        if had_outcome || (is_received && had_state) {
            // A later state must not be written before an earlier one.
            self.write_dispositions(session_index);
        }
        let is_final = settles
            || match state {
                Some(DeliveryState::Received(_)) => false,
                Some(DeliveryState::Transactional(_)) => is_received,
                Some(DeliveryState::Outcome(_)) | None => true,
            };
        self.tell_disposition(session_index, number, is_received, settles, state);
        if !is_final {
            // A state that is not final must not be merged with a later one.
            self.write_dispositions(session_index);
        }
        Ok(())
    }

    /// Accepts and settles a received delivery in the usual case: it follows one with the same outcome that was not
    /// written yet.
    ///
    /// Changes nothing and returns `None` if anything is unusual, such as a state that was sent before. The general
    /// way handles that.
    #[inline(always)] // called in one place
    fn accept_next(&mut self, index: LinkIx, delivery: DeliveryKey) -> Option<()> {
        if cfg!(feature = "small") {
            return None;
        }
        let number = delivery.number();
        let link = self.links.at(index)?;
        let session = self.sessions.get_mut(delivery.session)?;
        let LinkEnd::Receiver(receiver) = &link.end else { return None };
        let record = session.received.as_ref()?.young(number)?;
        let is_plain = record.link == index && !record.has_local_state() && !record.second;
        let is_taken = receiver.inbox.front().is_none_or(|arrival| number < arrival.number);
        let can_tell = self.is_open && session.is_begun() && link.halves.local() != LinkHalf::Closed;
        if !(delivery.is_received() && is_plain && is_taken && can_tell && session.due)
            || link.tags.is_counted()
            || !session.about_received.accept_next(super::id(number))
        {
            return None;
        }
        session.received.as_mut()?.remove_inlined(number, &mut link.chain);
        Some(())
    }

    /// Sends the outcome that a delivery gets when its transaction is discharged, before the discharge.
    #[cold]
    pub(crate) fn retire(
        &mut self,
        index: LinkIx,
        delivery: DeliveryKey,
        state: &DeliveryState,
        settles: bool,
    ) -> Result<(), SettleError> {
        if self.transactions.hooks().is_some_and(|hooks| !(hooks.may_work)(self, Some(state))) {
            return Err(SettleError::Discharged);
        }
        self.dispose(index, delivery, Some(state), settles)?;
        let session = delivery.session.index;
        self.write_ahead(Ahead::Dispositions(session));
        Ok(())
    }

    /// Queues a disposition until output is requested.
    #[inline]
    pub(crate) fn tell_disposition(
        &mut self,
        index: SessionIx,
        number: u64,
        is_received: bool,
        settled: bool,
        state: Option<&DeliveryState>,
    ) {
        let id = super::id(number);
        for _ in 0..2 {
            let Some(session) = self.sessions.at(index) else { return };
            let pending = if is_received { &mut session.about_received } else { &mut session.about_sent };
            let is_first = !is_received && pending.is_empty();
            if pending.add(id, settled, state) {
                if !session.due {
                    self.session_due(index);
                }
                if is_first {
                    // The peer would take a transfer with a tag that it still knows for the old delivery.
                    self.write_ahead(Ahead::Dispositions(index));
                }
                return;
            }
            self.write_dispositions(index);
        }
    }

    /// Writes the frames that must come before the next transfer.
    ///
    /// These are: dispositions about sent deliveries, which free their tags [2.6.12]; dispositions within
    /// transactions, before a discharge [4.4.2]; and the first credit of a receiver, which the peer may need
    /// to answer the transfer [2.6.7].
    #[inline]
    pub(crate) fn write_before_transfer(&mut self) {
        while let Some(ahead) = self.ahead.pop() {
            match ahead {
                Ahead::Dispositions(index) => self.write_dispositions(index),
                Ahead::Flow(index) => {
                    let is_due = self.links.at(index).is_some_and(|link| link.flow_due);
                    if is_due && !self.flow_waits(index) {
                        self.write_link_flow(index);
                    }
                }
            }
        }
    }

    /// Writes the queued dispositions of a session.
    pub(crate) fn write_dispositions(&mut self, index: SessionIx) {
        let Some(session) = self.sessions.at(index) else { return };
        if session.about_received.is_empty() && session.about_sent.is_empty() {
            return;
        }
        let about = [&mut session.about_received, &mut session.about_sent];
        let (channel, is_begun) = (session.channel, session.local == Half::Open);
        for pending in about {
            for disposition in pending.take() {
                if !is_begun {
                    continue;
                }
                let sent = self.fx.send(channel, &disposition);
                if sent.is_err() {
                    // The frame exceeds the peer's maximum; the outcome matters more than its details.
                    let _ = self.fx.send(channel, &brief(disposition));
                }
            }
        }
    }
}

/// Returns the ledger of a session in one direction.
#[inline]
pub(super) fn ledger(session: &mut Session, is_received: bool) -> Option<&mut Ledger> {
    if is_received { session.received.as_mut() } else { Some(&mut session.sent) }
}

#[inline]
pub(super) fn delivery_key(session: Key<SessionIx>, number: u64, is_received: bool) -> DeliveryKey {
    if is_received { DeliveryKey::received(session, number) } else { DeliveryKey::sent(session, number) }
}

/// Forgets a delivery that is settled or lost.
#[inline(never)]
pub(crate) fn forget(link: &mut Link, ledger: &mut Ledger, number: u64) {
    if link.tags.is_counted() {
        forget_tag(link, ledger, number);
    }
    if !ledger.remove(number, &mut link.chain) {
        return;
    }
    if let LinkEnd::Receiver(receiver) = &mut link.end
        && !receiver.inbox.is_empty()
        && let Some(arrival) = receiver.find(number).and_then(|at| receiver.inbox.get_mut(at))
    {
        arrival.settled = true;
    }
}

/// Removes the tag of a delivery, and what a resumable link keeps of it. The tags of such a link are counted.
#[cold]
fn forget_tag(link: &mut Link, ledger: &Ledger, number: u64) {
    let Some(record) = ledger.get(number) else { return };
    let is_last = link.chain.len() == 1 && !link.recovery.is_some();
    link.tags.remove(&DeliveryTag::from(&record.tag), is_last);
    if let Some(recovery) = link.recovery.get_mut() {
        recovery.forget(number);
    }
}

/// Returns a delivery that the link is about to send, if the peer has seen nothing of it.
#[inline]
fn unsent(link: &mut Link, number: u64) -> Option<&mut Sending> {
    let sending = link.sender()?.sending.as_deref_mut()?;
    (sending.number == number && !sending.begun).then_some(sending)
}

/// Returns a disposition without the long parts of its state.
fn brief(mut disposition: Disposition) -> Disposition {
    if let Some(DeliveryState::Outcome(outcome)) = &mut disposition.state {
        brief_outcome(outcome);
    }
    disposition
}

/// Removes the long parts of an outcome.
pub(crate) fn brief_outcome(outcome: &mut Outcome) {
    use crate::wire::{AmqpError, Modified, Rejected};
    match outcome {
        Outcome::Rejected(Rejected { error: Some(error) }) => {
            **error = AmqpError::new(error.condition.clone());
        }
        Outcome::Modified(modified) => {
            **modified = Modified { message_annotations: crate::types::Annotations::default(), ..**modified };
        }
        _ => {}
    }
}
