//! Postings: deliveries that become available at the commit [4.4.1].

use alloc::vec::Vec;

use bytes::Bytes;

use super::{Stage, id_in, state_in};
use crate::config::SendOptions;
use crate::machine::command_error::SettleError;
use crate::machine::delivery::Arrived;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::{Fault, LinkFault};
use crate::machine::link::{Link, LinkEnd, LinkHalf};
use crate::types::{DeliveryKey, Key, LinkIx, SessionIx, TransactionIx, TransactionKey};
use crate::wire::{AmqpError, Condition, DeliveryState, Outcome, Rejected, Transfer};

impl Endpoints {
    /// Handles a transfer on a connection with transactions.
    #[cold]
    pub(super) fn take_work(
        &mut self,
        index: SessionIx,
        at: LinkIx,
        transfer: &Transfer,
        payload: Bytes,
    ) -> Result<Option<Arrived>, Fault> {
        let local = self.links.peek(at).map(|link| link.halves.local());
        if !matches!(local, Some(LinkHalf::Attached | LinkHalf::Detached)) {
            return self.take_transfer(index, at, transfer, payload);
        }
        self.check_posting(at, transfer)?;
        let before = self.partial_number(at);
        let arrived = self.take_transfer(index, at, transfer, payload)?;
        if self.links.at(at).and_then(Link::receiver).is_some_and(|receiver| receiver.is_coordinator) {
            self.on_requests(at)?;
            return Ok(None);
        }
        self.note_posting(at, transfer, before);
        Ok(arrived)
    }

    /// Returns `true` if this end may do work with this state: the transaction that it names is live, or this end
    /// declares no transactions and so knows none.
    pub(super) fn may_work(&self, state: Option<&DeliveryState>) -> bool {
        let (Some(transactions), Some(id)) = (self.transactions.as_deref(), id_in(state)) else {
            return true;
        };
        match transactions.controlled.get(id).and_then(|key| transactions.all.get(*key)) {
            Some(one) => one.stage == Stage::Live,
            None => !transactions.controls || transactions.coordinated.contains_key(id),
        }
    }

    /// Records a posting of this end.
    #[cold]
    pub(super) fn note_sent(&mut self, index: LinkIx, delivery: DeliveryKey, options: &SendOptions) {
        let is_unsettled = self.record(delivery).is_some();
        let is_partial = match self.links.peek(index).map(|link| &link.end) {
            Some(LinkEnd::Sender(sender)) => sender.sending.is_some(),
            _ => false,
        };
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        let Some(id) = id_in(options.state.as_ref()) else { return };
        let Some(key) = transactions.controlled.get(id).copied() else { return };
        let Some(one) = transactions.all.get_mut(key) else { return };
        if is_unsettled {
            one.undecided.insert(delivery);
            transactions.posted.insert(delivery, key);
        }
        if is_partial {
            transactions.partial.insert(index, key);
        }
    }

    /// Records the peer's outcome for a posting of this end. A failed posting makes the transaction rollback-only.
    pub(super) fn on_posted(&mut self, delivery: DeliveryKey, state: Option<&DeliveryState>, settled: bool) {
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        let Some(key) = transactions.posted.get(&delivery).copied() else { return };
        let outcome = match state {
            Some(DeliveryState::Transactional(state)) => state.outcome.as_ref(),
            Some(DeliveryState::Outcome(outcome)) => Some(outcome),
            _ => None,
        };
        if outcome.is_none() && !settled {
            return;
        }
        if settled {
            transactions.posted.remove(&delivery);
        }
        let Some(one) = transactions.all.get_mut(key) else { return };
        one.undecided.remove(&delivery);
        if settled {
            one.decided.remove(&delivery);
        } else {
            one.decided.insert(delivery);
        }
        if outcome != Some(&Outcome::Accepted) {
            transactions.fail(key, posting_error(outcome));
        }
    }

    /// Checks the transaction that a transfer of the peer names.
    #[cold]
    fn check_posting(&self, index: LinkIx, transfer: &Transfer) -> Result<(), Fault> {
        let Some(transactions) = self.transactions.as_deref() else { return Ok(()) };
        let is_control = transactions.coordinators.contains(&index);
        let Some(id) = id_in(transfer.state.as_ref()) else {
            return match is_control && transfer.settled == Some(true) {
                true => Err(LinkFault::SettledRequest.on(index)),
                false => Ok(()),
            };
        };
        if is_control {
            return Err(LinkFault::WorkOnControl.on(index));
        }
        let key = transactions.coordinated.get(id);
        let begun = self.partial_number(index).and_then(|_| transactions.partial.get(&index));
        match key {
            // The peer names a transaction that this end controls, or this end knows no ids.
            None if transactions.controlled.contains_key(id) || !transactions.coordinates => Ok(()),
            None => Err(LinkFault::UnknownTransaction.on(index)),
            Some(key) if begun.is_some_and(|begun| begun != key) => {
                Err(LinkFault::OtherTransaction.on(index))
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns the number of the link's incomplete delivery.
    fn partial_number(&self, index: LinkIx) -> Option<u64> {
        match &self.links.peek(index)?.end {
            LinkEnd::Receiver(receiver) => receiver.partial().map(|arrival| arrival.number),
            LinkEnd::Sender(_) => None,
        }
    }

    /// Records a posting of the peer after one of its transfers. `before` is the link's incomplete delivery before it.
    #[cold]
    fn note_posting(&mut self, index: LinkIx, transfer: &Transfer, before: Option<u64>) {
        let after = self.partial_number(index);
        let Some(session) = self.links.peek(index).map(|link| link.session) else { return };
        let Some(ledger) = self.sessions.get_mut(session).and_then(|session| session.received.as_mut())
        else {
            return;
        };
        let number = before.unwrap_or_else(|| ledger.next().saturating_sub(1));
        let delivery = DeliveryKey::received(session, number);
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        let key = match before {
            Some(_) => transactions.partial.get(&index).copied(),
            None => id_in(transfer.state.as_ref()).and_then(|id| transactions.coordinated.get(id).copied()),
        };
        let Some(key) = key else { return };
        let Some(one) = transactions.all.get_mut(key) else { return };
        let record = ledger.get_mut(number);
        if after.is_some() {
            transactions.partial.insert(index, key);
        } else {
            transactions.partial.remove(&index);
        }
        match (record, &one.id) {
            (Some(record), Some(id)) if before.is_none() => {
                // So each command for the delivery takes the general way.
                record.set_local(&state_in(id.clone(), None));
                one.undecided.insert(delivery);
                transactions.posted.insert(delivery, key);
            }
            (Some(_), _) => {}
            (None, _) => {
                one.undecided.remove(&delivery);
                transactions.posted.remove(&delivery);
                if after.is_none() && !transfer.aborted {
                    one.settled_postings += 1;
                }
            }
        }
        self.look_decided(key);
    }

    /// Sends the application's outcome of a posting, as the outcome at the commit. Returns `None` if the delivery is not
    /// posted in a transaction.
    #[cold]
    pub(super) fn decide_posting(
        &mut self,
        index: LinkIx,
        delivery: DeliveryKey,
        state: Option<&DeliveryState>,
        settles: bool,
    ) -> Option<Result<(), SettleError>> {
        if self.record(delivery).is_none_or(|record| record.link != index) {
            return None;
        }
        let transactions = self.transactions.as_deref_mut()?;
        let key = transactions.posted.get(&delivery).copied()?;
        let id = transactions.all.get(key)?.id.clone()?;
        let state = match state {
            Some(DeliveryState::Received(_)) => return None,
            Some(DeliveryState::Outcome(outcome)) => state_in(id, Some(outcome.clone())),
            Some(state) => state.clone(),
            // The controller must know an outcome before the commit [4.4.1], so there is none.
            None => {
                transactions.fail(key, posting_error(None));
                state_in(id, Some(rolled_back()))
            }
        };
        transactions.posted.remove(&delivery);
        let done = self.dispose(index, delivery, Some(&state), settles);
        let transactions = self.transactions.as_deref_mut()?;
        if done.is_err() {
            transactions.posted.insert(delivery, key);
        } else if let Some(one) = transactions.all.get_mut(key) {
            one.undecided.remove(&delivery);
            self.look_decided(key);
        }
        Some(done)
    }

    /// Reports a commit that the peer has asked for, once each posting has an outcome.
    pub(super) fn look_decided(&mut self, key: Key<TransactionIx>) {
        let one = self.transactions.as_deref().and_then(|transactions| transactions.all.get(key));
        let Some(one) = one else { return };
        if !matches!(one.stage, Stage::Discharging { .. }) || !self.is_coordinated(key) {
            return;
        }
        if one.failure.is_some() {
            self.roll_back(key, None, true);
        } else if one.undecided.is_empty() {
            self.fx.tell(Event::Discharge(TransactionKey(key)));
        }
    }

    /// Handles the loss of a delivery: a posting without an outcome, or an outcome that cannot be applied any more.
    /// Returns `true` if it was a declare or a discharge, whose end is reported otherwise.
    #[cold]
    pub(super) fn lose_work(&mut self, delivery: DeliveryKey) -> bool {
        let Some(transactions) = self.transactions.as_deref_mut() else { return false };
        if transactions.asked.remove(&delivery).is_some() {
            return true;
        }
        if let Some(key) = transactions.posted.remove(&delivery) {
            let Some(one) = transactions.all.get_mut(key) else { return false };
            one.decided.remove(&delivery);
            if one.undecided.remove(&delivery) {
                transactions.fail(key, lost("a message"));
                self.look_decided(key);
            }
        } else if let Some(key) = transactions.retired.get(&delivery).copied() {
            transactions.fail(key, lost("an outcome"));
            self.look_decided(key);
        }
        false
    }

    /// Handles the loss of an incomplete posting with its link, of which no other event tells.
    pub(super) fn lose_partial(&mut self, key: Key<TransactionIx>) {
        let one = self.transactions.as_deref().and_then(|transactions| transactions.all.get(key));
        let undecided = one.map(|one| one.undecided.clone()).unwrap_or_default();
        let gone: Vec<_> = undecided.into_iter().filter(|one| self.record(*one).is_none()).collect();
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        for delivery in gone {
            transactions.posted.remove(&delivery);
            if let Some(one) = transactions.all.get_mut(key) {
                one.undecided.remove(&delivery);
            }
        }
        transactions.fail(key, lost("a message"));
        self.look_decided(key);
    }

    /// Settles the postings that a rollback leaves without an outcome.
    pub(super) fn reject_undecided(&mut self, undecided: impl IntoIterator<Item = DeliveryKey>) {
        for delivery in undecided {
            let Some(link) = self.record(delivery).map(|record| record.link) else { continue };
            // If the link is closed, the delivery is over anyway.
            let _ = self.dispose(link, delivery, Some(&rolled_back().into()), true);
        }
    }
}

/// Returns the outcome of a posting whose transaction is rolled back before.
fn rolled_back() -> Outcome {
    let error = AmqpError::new(Condition::TransactionRollback)
        .with_description("the transaction was rolled back before the message had an outcome");
    Rejected { error: Some(error.into()) }.into()
}

/// Returns the error of a transaction with a failed posting.
fn posting_error(outcome: Option<&Outcome>) -> AmqpError {
    match outcome {
        Some(Outcome::Rejected(Rejected { error: Some(error) })) => (**error).clone(),
        Some(outcome) => AmqpError::described(
            Condition::TransactionRollback,
            format_args!("a message of the transaction was not accepted: {outcome}"),
        ),
        None => AmqpError::new(Condition::TransactionRollback)
            .with_description("a message of the transaction was settled without an outcome"),
    }
}

fn lost(what: &str) -> AmqpError {
    AmqpError::described(
        Condition::TransactionRollback,
        format_args!("{what} of the transaction was lost with its link"),
    )
}
