//! Settlement: the peer's dispositions and those of this end [2.6.12] [2.7.6].

use alloc::boxed::Box;

use super::ledger::Ledger;
use super::record::Record;
use crate::machine::command_error::SettleError;
use crate::machine::endpoints::{Ahead, Endpoints};
use crate::machine::event::Event;
use crate::machine::fault::{Fault, SessionFault};
use crate::machine::halves::Half;
use crate::machine::link::{Link, LinkEnd, LinkHalf, Receiver, Sending};
use crate::machine::session::Session;
use crate::types::{DeliveryKey, DeliveryTag, Key, LinkIx, LinkKey, SenderKey, SessionIx};
use crate::wire::{DeliveryState, Disposition, Outcome, Role};

impl Endpoints {
    /// Handles a disposition: the state of a range of the session's deliveries, some of which may be settled
    /// [2.7.6].
    pub(crate) fn on_disposition(&mut self, index: SessionIx, frame: &Disposition) -> Result<(), Fault> {
        let has_no_transactions = self.transactions.is_none();
        if !has_no_transactions && frame.role == Role::Receiver {
            self.check_retirement(index, frame)?;
        }
        let Some(session) = self.sessions.at(index).filter(|session| !session.discards) else {
            return Ok(());
        };
        let last = frame.last.unwrap_or(frame.first);
        if last.precedes(frame.first) {
            return Err(SessionFault::Range.into());
        }
        // The role is that of the frame's sender: a receiver means deliveries that this end has sent.
        let is_received = frame.role == Role::Sender;
        let Some(ledger) = ledger(session, is_received) else { return Ok(()) };
        let first = ledger.number(frame.first);
        // Deliveries that begin after the disposition are not meant.
        let last = (first + u64::from(frame.first.distance(last).unsigned_abs())).min(ledger.next() - 1);
        let (session, settled, state) = (session.key, frame.settled, frame.state.clone());
        let is_accepted = matches!(state, Some(DeliveryState::Outcome(Outcome::Accepted)));
        let is_usual = !is_received && settled && is_accepted && has_no_transactions;
        self.updates = Some(Updates { session, is_received, is_usual, next: first, last, settled, state });
        Ok(())
    }

    /// Returns the event of the next delivery of a disposition; `None` when there is none left.
    ///
    /// [`Event::Busy`] is returned after many deliveries without an event, of one disposition or several.
    #[inline]
    pub(crate) fn next_update(&mut self) -> Option<Event> {
        if let Some(accepted) = self.next_accepted() {
            return Some(accepted);
        }
        self.next_other_update()
    }

    /// Returns the event of the next delivery if it is a sent one that the peer accepts and settles, and that
    /// had no state before: a short way for nearly all.
    #[inline(always)]
    fn next_accepted(&mut self) -> Option<Event> {
        let updates = self.updates.as_mut().filter(|updates| updates.is_usual)?;
        let number = updates.next;
        let session = self.sessions.get_mut(updates.session).filter(|_| number <= updates.last)?;
        let link = self.links.at(session.sent.young(number).filter(|record| record.is_undecided())?.link)?;
        if link.tags.is_counted() || !session.sent.remove(number, &mut link.chain) {
            return None;
        }
        updates.next = number + 1;
        Some(Event::Updated {
            link: LinkKey::Sender(SenderKey(link.key)),
            delivery: DeliveryKey::sent(session.key, number),
            state: Some(DeliveryState::Outcome(Outcome::Accepted)),
            settled: true,
        })
    }

    fn next_other_update(&mut self) -> Option<Event> {
        let mut looks = Ledger::LOOKS.saturating_sub(self.looked);
        while let Some(updates) = &mut self.updates {
            let (key, is_received) = (updates.session, updates.is_received);
            let ledger = self.sessions.get_mut(key).and_then(|session| ledger(session, is_received));
            let found = ledger.and_then(|ledger| {
                let (number, link) = ledger.look(&mut updates.next, updates.last, &mut looks)?;
                Some((ledger, number, link))
            });
            let Some((ledger, number, link)) = found else {
                if updates.next > updates.last || looks > 0 {
                    self.updates = None;
                    self.look_settled(key.index);
                    if self.transactions.is_some() && self.end_at_fault() {
                        return Some(Event::Busy);
                    }
                }
                return self.looked_in_vain(looks);
            };
            let Some(link) = self.links.at(link) else { continue };
            let Some(update) = update(link, ledger, number, updates) else {
                looks = looks.saturating_sub(1);
                if looks == 0 {
                    return self.looked_in_vain(looks);
                }
                continue;
            };
            let Update { state, settled, settles, had_outcome } = update;
            let (link, is_closed) = (link.public_key(), link.halves.local() == LinkHalf::Closed);
            if settles && !is_closed {
                if had_outcome {
                    self.write_dispositions(key.index);
                }
                self.tell_disposition(key.index, number, is_received, true, None);
            }
            let delivery = delivery_key(key, number, is_received);
            let event = Event::Updated { link, delivery, state, settled };
            if self.transactions.is_none() {
                return Some(event);
            }
            if let Some(event) = self.transact(event) {
                return Some(event);
            }
            looks = looks.saturating_sub(1);
            if looks == 0 {
                return self.looked_in_vain(looks);
            }
        }
        None
    }

    /// Records the deliveries that may still be examined. If there are none, lets others have their turn.
    #[inline]
    fn looked_in_vain(&mut self, looks: u32) -> Option<Event> {
        self.looked = if looks == 0 { 0 } else { Ledger::LOOKS - looks };
        (looks == 0).then_some(Event::Busy)
    }

    /// Reports the rest of a disposition, before something ends.
    pub(crate) fn finish_updates(&mut self) {
        while let Some(event) = self.next_update() {
            if event != Event::Busy {
                self.fx.tell(event);
            }
        }
    }

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
        if self.transactions.is_some()
            && delivery.is_received()
            && let Some(decided) = self.decide_posting(index, delivery, state, settles)
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
        session.received.as_mut()?.remove(number, &mut link.chain);
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
        if !self.may_work(Some(state)) {
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

/// A disposition of the peer that is not completely reported. The deliveries are reported one by one, as
/// events are polled, so a range costs no more memory than one delivery.
#[derive(Debug)]
pub(crate) struct Updates {
    session: Key<SessionIx>,
    is_received: bool,
    /// `true` if sent deliveries are accepted and settled.
    is_usual: bool,
    next: u64,
    last: u64,
    settled: bool,
    state: Option<DeliveryState>,
}

/// The news about a delivery.
struct Update {
    state: Option<DeliveryState>,
    settled: bool,
    /// `true` if this end settles the delivery in response [2.6.12].
    settles: bool,
    /// `true` if this end had sent an outcome before.
    had_outcome: bool,
}

/// Applies the peer's state to one unsettled delivery; `None` if the state is no news.
#[inline(always)]
fn update(link: &mut Link, ledger: &mut Ledger, number: u64, frame: &Updates) -> Option<Update> {
    let record = ledger.get_mut(number)?;
    let (is_decided, had_outcome) = (record.has_remote_outcome(), record.has_local_outcome());
    let state = frame.state.as_ref();
    let is_outcome = is_decided || state.is_some_and(DeliveryState::is_terminal);
    // An outcome does not change (T-DISP-13), and a repeated state is no news.
    let news = state.filter(|state| !is_decided && (is_outcome || !record.is_remote(state)));
    if news.is_none() && !frame.settled {
        return None;
    }
    let settles = match &link.end {
        // The receiver waits for this end to settle.
        LinkEnd::Sender(sender) => is_outcome && !frame.settled && !sender.manual_settle,
        LinkEnd::Receiver(_) => false,
    };
    let settled = frame.settled || settles;
    let mut state = match news {
        Some(state) => {
            if !settled {
                record.set_remote(state);
            }
            Some(same(state))
        }
        None => record.remote(),
    };
    if settled {
        if !is_outcome {
            state = settled_without_outcome(link, state);
        }
        forget(link, ledger, number);
    }
    if let LinkEnd::Receiver(receiver) = &mut link.end
        && !is_known(receiver, number)
    {
        // The application gets the state with the message.
        if let Some(arrival) = receiver.inbox.back_mut() {
            arrival.state = state.map(Box::new);
        }
        return None;
    }
    Some(Update { state, settled, settles, had_outcome })
}

/// Returns `true` if the delivery was reported: an incomplete one is reported on a streaming link only.
fn is_known(receiver: &Receiver, number: u64) -> bool {
    receiver.streaming || receiver.partial().is_none_or(|arrival| arrival.number != number)
}

/// Returns a copy of a state, with a shortcut for the most frequent one.
#[inline]
fn same(state: &DeliveryState) -> DeliveryState {
    match state {
        DeliveryState::Outcome(Outcome::Accepted) => Outcome::Accepted.into(),
        other => other.clone(),
    }
}

/// Returns the ledger of a session in one direction.
#[inline]
fn ledger(session: &mut Session, is_received: bool) -> Option<&mut Ledger> {
    if is_received { session.received.as_mut() } else { Some(&mut session.sent) }
}

#[inline]
fn delivery_key(session: Key<SessionIx>, number: u64, is_received: bool) -> DeliveryKey {
    if is_received { DeliveryKey::received(session, number) } else { DeliveryKey::sent(session, number) }
}

/// Forgets a delivery that is settled or lost.
#[inline(always)]
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
    let is_last = link.chain.len() == 1 && link.recovery.is_none();
    link.tags.remove(&DeliveryTag::from(&record.tag), is_last);
    if let Some(recovery) = &mut link.recovery {
        recovery.forget(number);
    }
}

/// Returns a delivery that the link is about to send, if the peer has seen nothing of it.
#[inline]
fn unsent(link: &mut Link, number: u64) -> Option<&mut Sending> {
    let sending = link.sender()?.sending.as_deref_mut()?;
    (sending.number == number && !sending.begun).then_some(sending)
}

/// Returns the final state of a delivery that was settled without an outcome: the default outcome of the
/// source [3.5.3], within its transaction if it has one without an outcome [4.4.4.2].
fn settled_without_outcome(link: &mut Link, state: Option<DeliveryState>) -> Option<DeliveryState> {
    let Some(default) = link.sender().and_then(|sender| sender.default_outcome.as_deref()) else {
        return state;
    };
    Some(match state {
        Some(DeliveryState::Transactional(mut state)) => {
            state.outcome.get_or_insert_with(|| default.clone());
            DeliveryState::Transactional(state)
        }
        _ => default.clone().into(),
    })
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
