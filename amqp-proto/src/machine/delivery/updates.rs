//! [`Updates`]: the peer's dispositions, reported one delivery at a time [2.6.12] [2.7.6].

use alloc::boxed::Box;

use super::ledger::Ledger;
use super::settle::{delivery_key, forget, ledger};
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::{Fault, SessionFault};
use crate::machine::link::{Link, LinkEnd, LinkHalf, Receiver};
use crate::types::{DeliveryKey, Key, LinkKey, SenderKey, SessionIx};
use crate::wire::{DeliveryState, Disposition, Outcome, Role};

impl Endpoints {
    /// Handles a disposition: the state of a range of the session's deliveries, some of which may be settled
    /// [2.7.6].
    pub(crate) fn on_disposition(&mut self, index: SessionIx, frame: &Disposition) -> Result<(), Fault> {
        let hooks = self.transactions.hooks();
        let transacts = hooks.is_some();
        if let Some(hooks) = hooks
            && frame.role == Role::Receiver
        {
            (hooks.check_retirement)(self, index, frame)?;
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
        let deliveries = u32::try_from(last.saturating_sub(first) + 1).unwrap_or(u32::MAX).min(ledger.live());
        let (session, settled, state) = (session.key, frame.settled, frame.state.clone());
        let is_accepted = matches!(state, Some(DeliveryState::Outcome(Outcome::Accepted)));
        let is_usual = !is_received && settled && is_accepted && !transacts;
        if !settled || transacts {
            self.count_state(state.as_ref(), deliveries)?;
        }
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
        if cfg!(feature = "small") {
            return None;
        }
        let updates = self.updates.as_mut().filter(|updates| updates.is_usual)?;
        let number = updates.next;
        let session = self.sessions.get_mut(updates.session).filter(|_| number <= updates.last)?;
        let link = self.links.at(session.sent.young(number).filter(|record| record.is_undecided())?.link)?;
        if link.tags.is_counted() || !session.sent.remove_inlined(number, &mut link.chain) {
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
                    if self.transactions.hooks().is_some_and(|hooks| (hooks.end_at_fault)(self)) {
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
            let Some(hooks) = self.transactions.hooks() else { return Some(event) };
            if let Some(event) = (hooks.transact)(self, event) {
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
#[cfg_attr(not(feature = "small"), inline(always))]
#[cfg_attr(feature = "small", inline(never))]
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
