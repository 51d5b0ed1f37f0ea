//! Retirements: outcomes of the peer that apply at the commit [4.4.2].

use super::{Stage, id_in};
use crate::codec::to_usize;
use crate::machine::delivery::compact;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::{Fault, LinkFault};
use crate::machine::link::LinkEnd;
use crate::machine::memory::octets_of_encoded;
use crate::types::{DeliveryKey, Key, Limits, LinkKey, SessionIx, TransactionIx, Tree};
use crate::wire::{AmqpError, Condition, DeliveryState, Disposition, Outcome};

/// An outcome of the peer for a delivery that this end has sent.
#[derive(Debug)]
pub(crate) struct Retired {
    link: LinkKey,
    outcome: Outcome,
    /// `true` if the peer has settled the delivery.
    settled: bool,
}

impl Retired {
    /// Returns the memory of the outcome.
    pub(super) fn octets(&self) -> u64 {
        octets_of_encoded(&self.outcome)
    }

    /// Copies the outcome out of the block of input that it was read from.
    pub(super) fn compact(&mut self, limits: &Limits) {
        compact(&mut self.outcome, limits);
    }
}

impl Endpoints {
    /// Checks the transaction that a disposition names. An unknown one ends the link of the first delivery.
    #[cold]
    pub(super) fn check_retirement(&mut self, index: SessionIx, frame: &Disposition) -> Result<(), Fault> {
        let Some(transactions) = self.transactions.as_deref() else { return Ok(()) };
        let Some(id) = id_in(frame.state.as_ref()).filter(|_| transactions.coordinates) else {
            return Ok(());
        };
        if transactions.coordinated.contains_key(id) || transactions.controlled.contains_key(id) {
            return Ok(());
        }
        let Some(session) = self.sessions.at(index) else { return Ok(()) };
        let number = session.sent.number(frame.first);
        match session.sent.get(number).map(|record| record.link) {
            Some(link) => Err(LinkFault::UnknownTransaction.on(link)),
            None => Ok(()),
        }
    }

    /// Returns the event of an update about a sent delivery, with its meaning for a transaction; `None` if the
    /// application need not know it now.
    #[cold]
    pub(super) fn transact(&mut self, event: Event) -> Option<Event> {
        let Event::Updated { link, delivery, ref state, settled } = event else { return Some(event) };
        if delivery.is_received() {
            return Some(event);
        }
        if let Some(answer) = self.on_answer(delivery, state.as_ref(), settled) {
            return Some(answer).filter(|answer| *answer != Event::Busy);
        }
        let transactions = self.transactions.as_deref_mut()?;
        if transactions.posted.contains_key(&delivery) {
            self.on_posted(delivery, state.as_ref(), settled);
            return Some(event);
        }
        let key = id_in(state.as_ref()).and_then(|id| transactions.coordinated.get(id).copied());
        let Some(key) = key else {
            self.unretire(delivery);
            return Some(event);
        };
        if let Some(DeliveryState::Transactional(state)) = state
            && let Some(outcome) = &state.outcome
        {
            let retired = Retired { link, outcome: outcome.clone(), settled };
            return self.retire_in(key, delivery, retired);
        }
        Some(event)
    }

    /// Records an outcome that applies at the commit. Returns the event of one that cannot be recorded.
    fn retire_in(
        &mut self,
        key: Key<TransactionIx>,
        delivery: DeliveryKey,
        retired: Retired,
    ) -> Option<Event> {
        let limit = to_usize(self.limits.unsettled());
        let transactions = self.transactions.as_deref_mut()?;
        let before = transactions.retired.get(&delivery).copied();
        if before.is_some_and(|before| before != key) {
            // The delivery keeps its first outcome until the control link has ended.
            let link = transactions.all.get(key)?.link.index;
            if transactions.at_fault.last() != Some(&link) {
                transactions.at_fault.push(link);
            }
            return None;
        }
        if before.is_none() && transactions.retired.len() >= limit {
            let Retired { link, settled, .. } = retired;
            let error = AmqpError::described(
                Condition::ResourceLimitExceeded,
                format_args!("more than {limit} outcomes in transactions"),
            );
            transactions.fail(key, error);
            return settled.then(|| Event::Updated { link, delivery, state: self.default_of(link), settled });
        }
        transactions.retired.insert(delivery, key);
        transactions.all.get_mut(key)?.retired.insert(delivery, retired);
        None
    }

    /// Forgets an outcome in a transaction, since the peer has sent another one outside of it.
    fn unretire(&mut self, delivery: DeliveryKey) {
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        let Some(key) = transactions.retired.remove(&delivery) else { return };
        if let Some(one) = transactions.all.get_mut(key) {
            one.retired.remove(&delivery);
        }
    }

    /// Ends a control link for which a delivery was retired in two transactions. Returns `true` if there was one.
    #[cold]
    pub(super) fn end_at_fault(&mut self) -> bool {
        let link = self.transactions.as_deref_mut().and_then(|transactions| transactions.at_fault.pop());
        let Some(link) = link else { return false };
        // A control link that carries requests is attached, so the fault can be answered.
        self.fail_link(link, &LinkFault::RetiredElsewhere)
    }

    /// Returns `true` if all outcomes in a transaction can still be applied.
    pub(super) fn can_apply(&self, key: Key<TransactionIx>) -> bool {
        let one = self.transactions.as_deref().and_then(|transactions| transactions.all.get(key));
        one.is_some_and(|one| {
            one.retired.iter().all(|(delivery, retired)| {
                let link = self.links.get(retired.link.key());
                let is_there = link.is_some_and(|link| link.is_complete() && self.may_send_on(link.session));
                is_there && (retired.settled || self.record(*delivery).is_some())
            })
        })
    }

    /// Applies outcomes at the commit: the deliveries are settled.
    pub(super) fn apply(&mut self, all: Tree<DeliveryKey, Retired>) {
        for (delivery, Retired { link, outcome, settled }) in all {
            let state = DeliveryState::from(outcome);
            if !settled {
                // The link was checked.
                let _ = self.dispose(link.key().index, delivery, Some(&state), true);
            }
            self.fx.tell(Event::Updated { link, delivery, state: Some(state), settled: true });
        }
    }

    /// Undoes outcomes at the rollback: the deliveries are as before, unless the peer has settled them; then the default
    /// outcome applies [4.4.4.2].
    pub(super) fn undo(&mut self, all: Tree<DeliveryKey, Retired>) {
        for (delivery, Retired { link, settled, .. }) in all {
            if settled {
                if self.links.get(link.key()).is_some_and(|link| !link.halves.local().is_detached()) {
                    let state = self.default_of(link);
                    self.fx.tell(Event::Updated { link, delivery, state, settled: true });
                }
                continue;
            }
            let ledger = self.sessions.get_mut(delivery.session).map(|session| &mut session.sent);
            if let Some(record) = ledger.and_then(|ledger| ledger.get_mut(delivery.number())) {
                record.forget_remote();
            }
        }
    }

    /// Returns the default outcome of the link's source.
    fn default_of(&self, link: LinkKey) -> Option<DeliveryState> {
        match &self.links.get(link.key())?.end {
            LinkEnd::Sender(sender) => {
                sender.default_outcome.as_deref().map(|outcome| outcome.clone().into())
            }
            LinkEnd::Receiver(_) => None,
        }
    }

    /// Returns `true` if the transaction is one of this end's coordinator.
    pub(super) fn is_coordinated(&self, key: Key<TransactionIx>) -> bool {
        let Some(transactions) = self.transactions.as_deref() else { return false };
        let Some(one) = transactions.all.get(key) else { return false };
        one.id.as_ref().is_some_and(|id| transactions.coordinated.get(id) == Some(&key))
            && !matches!(one.stage, Stage::Declaring(_))
    }
}
