//! Settling: what the peer tells about deliveries, and what this end does [2.6.12] [2.7.6].

use alloc::boxed::Box;

use super::ledger::Ledger;
use super::record::Record;
use crate::machine::command_error::SettleError;
use crate::machine::endpoints::{Ahead, Endpoints, of_session};
use crate::machine::event::Event;
use crate::machine::fault::{Fault, SessionFault};
use crate::machine::halves::{Half, LinkHalf};
use crate::machine::link::{Link, LinkEnd, Receiver, Sending};
use crate::machine::session::Session;
use crate::types::{DeliveryKey, DeliveryTag, Key, LinkKey};
use crate::wire::{DeliveryState, Disposition, Outcome, Role};

impl Endpoints {
    /// The peer tells the state of deliveries: a range of those of the session, in which some are not unsettled
    /// any more [2.7.6].
    pub(crate) fn on_disposition(&mut self, index: u32, frame: &Disposition) -> Result<(), (u32, Fault)> {
        let Some(session) = self.sessions.at(index).filter(|session| !session.discards) else {
            return Ok(());
        };
        let last = frame.last.unwrap_or(frame.first);
        if last.precedes(frame.first) {
            return of_session(Err(SessionFault::Range));
        }
        // The role is the speaker's: a receiver speaks of what this end has sent.
        let is_received = frame.role == Role::Sender;
        let Some(ledger) = ledger(session, is_received) else { return Ok(()) };
        let first = ledger.number(frame.first);
        // What is sent or comes after the disposition is not meant.
        let last = (first + u64::from(frame.first.distance(last).unsigned_abs())).min(ledger.next() - 1);
        let (session, settled, state) = (session.key, frame.settled, frame.state.clone());
        self.updates = Some(Updates { session, is_received, next: first, last, settled, state });
        Ok(())
    }

    /// Returns the next delivery of a disposition of which something is to be told; `None` when there is none left.
    ///
    /// [`Event::Busy`] stands for so many deliveries that were looked at in vain, by this disposition or by several.
    pub(crate) fn next_update(&mut self) -> Option<Event> {
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
            let (link, is_closed) = (link.public_key(), link.local == LinkHalf::Closed);
            if settles && !is_closed {
                if had_outcome {
                    self.write_dispositions(key.index);
                }
                self.tell_disposition(key.index, number, is_received, true, None);
            }
            let delivery = delivery_key(key, number, is_received);
            return Some(Event::Updated { link, delivery, state, settled });
        }
        None
    }

    /// Keeps how many more deliveries may be looked at; where that is none, others are to have their turn.
    #[inline]
    fn looked_in_vain(&mut self, looks: u32) -> Option<Event> {
        self.looked = if looks == 0 { 0 } else { Ledger::LOOKS - looks };
        (looks == 0).then_some(Event::Busy)
    }

    /// Has all that a disposition says told before something ends.
    pub(crate) fn finish_updates(&mut self) {
        while let Some(event) = self.next_update() {
            if event != Event::Busy {
                self.fx.tell(event);
            }
        }
    }

    /// What is kept of a delivery that is not settled.
    pub(crate) fn record(&self, key: DeliveryKey) -> Option<&Record> {
        let session = self.sessions.get(key.session)?;
        let ledger = if key.is_received() { session.received.as_ref()? } else { &session.sent };
        ledger.get(key.number())
    }

    /// Returns the link of a delivery that is not settled.
    pub(crate) fn link_of(&self, key: DeliveryKey) -> Option<LinkKey> {
        let link = self.links.key(self.record(key)?.link)?;
        self.links.get(link).map(Link::public_key)
    }

    /// Returns the unsettled deliveries of a link, the oldest first.
    pub(crate) fn unsettled(&self, index: u32) -> impl Iterator<Item = DeliveryKey> + '_ {
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

    /// Tells the state of a delivery, and settles it if that is this end's to do now [2.6.12].
    #[inline]
    pub(crate) fn dispose(
        &mut self,
        index: u32,
        delivery: DeliveryKey,
        state: Option<&DeliveryState>,
        settles: bool,
    ) -> Result<(), SettleError> {
        let Some(link) = self.links.at(index) else { return Err(SettleError::Settled) };
        let is_received = matches!(link.end, LinkEnd::Receiver(_));
        if delivery.is_received() != is_received {
            return Err(SettleError::WrongLink);
        }
        let Some(session) = self.sessions.get_mut(delivery.session) else { return Err(SettleError::Settled) };
        let (number, session_index) = (delivery.number(), session.key.index);
        let can_tell = self.is_open && session.is_begun() && link.local != LinkHalf::Closed;
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
        // A receiver of mode second settles when the sender has.
        let settles = settles && !(is_received && record.second);
        let is_unsent = unsent(link, number).is_some_and(|sending| sending.add_news(settles, state));
        if settles {
            forget(link, ledger, number);
        } else if let Some(state) = state {
            record.set_local(state);
        }
        if is_unsent {
            return Ok(());
        }
        if had_outcome || (is_received && had_state) {
            // What comes later about a delivery is not to be told before what came first.
            self.write_dispositions(session_index);
        }
        let is_final = settles || !matches!(state, Some(DeliveryState::Received(_)));
        self.tell_disposition(session_index, number, is_received, settles, state);
        if !is_final {
            // What is not final may be followed by what is: it is not to be merged past that.
            self.write_dispositions(session_index);
        }
        Ok(())
    }

    /// Tells the outcome that a delivery gets when a transaction is discharged, and before that is.
    #[cold]
    pub(crate) fn retire(
        &mut self,
        index: u32,
        delivery: DeliveryKey,
        state: &DeliveryState,
        settles: bool,
    ) -> Result<(), SettleError> {
        self.dispose(index, delivery, Some(state), settles)?;
        let session = delivery.session.index;
        self.write_ahead(Ahead::Dispositions(session));
        Ok(())
    }

    /// Has a disposition written when output is wanted.
    #[inline]
    pub(super) fn tell_disposition(
        &mut self,
        index: u32,
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
                    // The peer may take a transfer for what it knows of its tag already.
                    self.write_ahead(Ahead::Dispositions(index));
                }
                return;
            }
            self.write_dispositions(index);
        }
    }

    /// Writes what the peer has to know before the next transfer: all dispositions about deliveries that were sent, which
    /// free their tags [2.6.12]; all within transactions, before a discharge [4.4.2]; and the first credit of a receiver,
    /// which the peer may need to answer the transfer [2.6.7].
    #[inline]
    pub(super) fn write_before_transfer(&mut self) {
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

    /// Writes what is to be told about deliveries.
    pub(crate) fn write_dispositions(&mut self, index: u32) {
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
                    // Larger than the peer's frames: the outcome counts, not what is said about it.
                    let _ = self.fx.send(channel, &brief(disposition));
                }
            }
        }
    }
}

/// A disposition of the peer, as far as it is not told yet. It is told delivery by delivery, as events are polled: a
/// range costs no more memory than one delivery.
#[derive(Debug)]
pub(crate) struct Updates {
    session: Key,
    is_received: bool,
    next: u64,
    last: u64,
    settled: bool,
    state: Option<DeliveryState>,
}

/// What is new about a delivery.
struct Update {
    state: Option<DeliveryState>,
    settled: bool,
    /// Whether this end settles it for that [2.6.12].
    settles: bool,
    /// Whether this end had told an outcome before.
    had_outcome: bool,
}

/// The peer tells the state of one unsettled delivery; `None` if that is nothing new.
#[inline(always)]
fn update(link: &mut Link, ledger: &mut Ledger, number: u64, frame: &Updates) -> Option<Update> {
    let record = ledger.get_mut(number)?;
    let (is_decided, had_outcome) = (record.has_remote_outcome(), record.has_local_outcome());
    let state = frame.state.as_ref();
    let is_outcome = is_decided || state.is_some_and(DeliveryState::is_terminal);
    // An outcome does not change any more (T-DISP-13), and a state that was told before is no news.
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
        // The application hears of it with the message.
        if let Some(arrival) = receiver.inbox.back_mut() {
            arrival.state = state.map(Box::new);
        }
        return None;
    }
    Some(Update { state, settled, settles, had_outcome })
}

/// Returns whether the application has heard of a delivery: not of one of which more is to come on a link that is
/// not read in pieces.
fn is_known(receiver: &Receiver, number: u64) -> bool {
    receiver.streaming || receiver.partial().is_none_or(|arrival| arrival.number != number)
}

/// Returns a copy of a state, at once if it says nothing but its name.
#[inline]
fn same(state: &DeliveryState) -> DeliveryState {
    match state {
        DeliveryState::Outcome(Outcome::Accepted) => Outcome::Accepted.into(),
        other => other.clone(),
    }
}

/// Returns the deliveries of a session that go one way.
#[inline]
fn ledger(session: &mut Session, is_received: bool) -> Option<&mut Ledger> {
    if is_received { session.received.as_mut() } else { Some(&mut session.sent) }
}

#[inline]
fn delivery_key(session: Key, number: u64, is_received: bool) -> DeliveryKey {
    if is_received { DeliveryKey::received(session, number) } else { DeliveryKey::sent(session, number) }
}

/// A delivery is settled, or lost.
#[inline(always)]
pub(crate) fn forget(link: &mut Link, ledger: &mut Ledger, number: u64) {
    if link.tags.is_counted()
        && let Some(record) = ledger.get(number)
    {
        link.tags.remove(&DeliveryTag::from(&record.tag), link.chain.len() == 1);
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

/// Returns a delivery of this number that the link sends, of which the peer has seen nothing yet.
#[inline]
fn unsent(link: &mut Link, number: u64) -> Option<&mut Sending> {
    let sending = link.sender()?.sending.as_deref_mut()?;
    (sending.number == number && !sending.begun).then_some(sending)
}

/// What becomes of a delivery that is settled while its last state is no outcome: it gets the default of the
/// source [3.5.3], within its transaction if it is in one that brings none [4.4.4.2].
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

/// A disposition without what makes its state long.
fn brief(mut disposition: Disposition) -> Disposition {
    use crate::wire::{AmqpError, Modified, Rejected};
    if let Some(DeliveryState::Outcome(outcome)) = &mut disposition.state {
        match outcome {
            Outcome::Rejected(Rejected { error: Some(error) }) => {
                **error = AmqpError::new(error.condition.clone());
            }
            Outcome::Modified(modified) => {
                **modified =
                    Modified { message_annotations: crate::types::Annotations::default(), ..**modified };
            }
            _ => {}
        }
    }
    disposition
}
