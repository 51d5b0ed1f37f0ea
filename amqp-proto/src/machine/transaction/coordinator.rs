//! The coordinator: answers to declares and discharges, commit and rollback [4.2] [4.3].

use alloc::boxed::Box;

use super::{Stage, Transaction};
use crate::codec::DecodeError;
use crate::config::ReceiverOptions;
use crate::machine::command_error::{LinkError, TransactionError};
use crate::machine::delivery::Delivery;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::{Fault, LinkFault};
use crate::machine::link::{EndOptions, decode};
use crate::machine::reason::Reason;
use crate::types::{DeliveryKey, Key, Limits, LinkIx, Symbol, TransactionId, TransactionIx, TransactionKey};
use crate::wire::{
    AmqpError, Condition, Coordinator, Declare, Declared, Discharge, Outcome, Rejected, SectionKind, Terminus,
};

/// The capabilities of the coordinator [4.5.7].
const CAPABILITIES: [&str; 3] =
    ["amqp:local-transactions", "amqp:multi-txns-per-ssn", "amqp:multi-ssns-per-txn"];

/// A message to the coordinator.
enum Request {
    Declare(Declare),
    Discharge(Box<Discharge>),
}

impl Endpoints {
    /// Accepts a control link that the peer has attached: its messages are handled by this end's coordinator.
    pub(crate) fn accept_coordinator(&mut self, index: LinkIx) -> Result<(), LinkError> {
        let (_, asked) = self.offered(index)?;
        if !matches!(asked.target.as_deref(), Some(Terminus::Coordinator(_))) {
            return Err(LinkError::NoTerminus);
        }
        let capabilities = CAPABILITIES.into_iter().map(Symbol::known).collect();
        let options = ReceiverOptions::new().with_target(Coordinator { capabilities });
        self.accept_link(index, EndOptions::Receiver(&options), None)?;
        self.transactions.install();
        if let Some(transactions) = self.transactions.as_deref_mut() {
            transactions.coordinates = true;
            transactions.coordinators.insert(index);
        }
        if let Some(receiver) = self.links.at(index).and_then(|link| link.receiver()) {
            receiver.is_coordinator = true;
        }
        Ok(())
    }

    /// Handles the messages that have arrived on a control link.
    #[cold]
    pub(super) fn on_requests(&mut self, index: LinkIx) -> Result<(), Fault> {
        while let Some(delivery) = self.receive(index) {
            if delivery.is_settled() {
                return Err(LinkFault::SettledRequest.on(index));
            }
            match read(&delivery, &self.limits) {
                Ok(Request::Declare(declare)) => self.on_declare(index, delivery.key(), &declare),
                Ok(Request::Discharge(discharge)) => {
                    self.on_discharge(index, delivery.key(), &discharge)?;
                }
                Err(error) => self.refuse(index, delivery.key(), error),
            }
        }
        Ok(())
    }

    fn on_declare(&mut self, index: LinkIx, request: DeliveryKey, declare: &Declare) {
        if declare.global_id.is_some() {
            let words = "the coordinator has no distributed transactions";
            let error = AmqpError::new(Condition::NotImplemented).with_description(words);
            return self.refuse(index, request, error);
        }
        let limit = self.limits.transactions();
        let Some(link) = self.links.key(index) else { return };
        let has_no_room = self.check_room().is_err();
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        let has_all = u32::try_from(transactions.all.len()).map_or(true, |live| live >= limit);
        let is_full = has_all || has_no_room;
        let mut id = TransactionId::from(transactions.next_id);
        while !is_full && transactions.coordinated.contains_key(&id) {
            transactions.next_id = transactions.next_id.wrapping_add(1);
            id = TransactionId::from(transactions.next_id);
        }
        let one = Transaction::new(link, Some(id.clone()), Stage::Live);
        let Some(key) = (!is_full).then(|| transactions.all.insert(|_| one)).flatten() else {
            let words = match has_all {
                true => alloc::format!("more than {limit} transactions"),
                false => alloc::format!("{}", LinkFault::Memory(self.limits.memory())),
            };
            let error = AmqpError::new(Condition::ResourceLimitExceeded).with_description(words);
            return self.refuse(index, request, error);
        };
        transactions.next_id = transactions.next_id.wrapping_add(1);
        transactions.coordinated.insert(id.clone(), key);
        self.answer_request(index, request, &Declared::new(id).into());
        self.fx.tell(Event::Declared(TransactionKey(key)));
    }

    fn on_discharge(
        &mut self,
        index: LinkIx,
        request: DeliveryKey,
        discharge: &Discharge,
    ) -> Result<(), Fault> {
        let Some(transactions) = self.transactions.as_deref_mut() else { return Ok(()) };
        let key = transactions.coordinated.get(&discharge.txn_id).copied();
        let is_partial = key.is_some_and(|key| transactions.partial.values().any(|partial| *partial == key));
        let one = key.and_then(|key| Some((key, transactions.all.get_mut(key)?)));
        let Some((key, one)) = one.filter(|(_, one)| one.link.index == index) else {
            let words = alloc::format!("there is no transaction {:?}", discharge.txn_id);
            let error = AmqpError::new(Condition::UnknownTransaction).with_description(words);
            self.refuse(index, request, error);
            return Ok(());
        };
        if is_partial {
            return Err(LinkFault::PartialPosting.on(index));
        }
        if one.stage != Stage::Live {
            let words = "the transaction is being discharged";
            self.refuse(index, request, AmqpError::new(Condition::IllegalState).with_description(words));
            return Ok(());
        }
        let fails = discharge.fail == Some(true);
        one.stage = Stage::Discharging { fails, request };
        if fails {
            // What has failed before does not matter: this always succeeds [4.3].
            self.roll_back(key, None, true);
        } else {
            self.look_decided(key);
        }
        Ok(())
    }

    /// Commits a transaction of this end's coordinator, as the peer has asked.
    pub(super) fn commit_coordinated(&mut self, key: Key<TransactionIx>) -> Result<(), TransactionError> {
        let one = self.transactions.as_deref().and_then(|transactions| transactions.all.get(key));
        let Some(one) = one else { return Err(TransactionError::Discharged) };
        let (link, Stage::Discharging { fails: false, request }) = (one.link.index, one.stage) else {
            return Err(TransactionError::NotAsked);
        };
        if !one.undecided.is_empty() {
            return Err(TransactionError::NotAsked);
        }
        if !self.can_apply(key) {
            let words = "an outcome of the transaction was lost with its link";
            let error = AmqpError::new(Condition::TransactionRollback).with_description(words);
            self.roll_back(key, Some(error), false);
            return Err(TransactionError::RollbackOnly);
        }
        let one = self.transactions.as_deref_mut().and_then(|transactions| transactions.remove(key));
        self.apply(one.map(|one| one.retired).unwrap_or_default());
        self.answer_request(link, request, &Outcome::Accepted);
        Ok(())
    }

    /// Rolls back a transaction of this end's coordinator, and answers its discharge. `tells` reports it.
    pub(super) fn roll_back(&mut self, key: Key<TransactionIx>, error: Option<AmqpError>, tells: bool) {
        let one = self.transactions.as_deref_mut().and_then(|transactions| transactions.remove(key));
        let Some(Transaction { link, stage, failure, undecided, retired, .. }) = one else { return };
        self.undo(retired);
        self.reject_undecided(undecided);
        let error = error.map(Box::new).or(failure);
        let event_error = match stage {
            Stage::Discharging { fails: true, request } => {
                self.answer_request(link.index, request, &Outcome::Accepted);
                None
            }
            Stage::Discharging { fails: false, request } => {
                let error = error.unwrap_or_else(|| Box::new(Condition::TransactionRollback.into()));
                self.refuse(link.index, request, (*error).clone());
                Some(error)
            }
            _ => error,
        };
        if tells {
            self.fx.tell(Event::RolledBack { transaction: TransactionKey(key), error: event_error });
        }
    }

    /// Answers a declare or a discharge.
    fn answer_request(&mut self, index: LinkIx, request: DeliveryKey, outcome: &Outcome) {
        // If the control link is over, its transactions are, too.
        let _ = self.dispose(index, request, Some(&outcome.clone().into()), true);
    }

    /// Refuses a declare or a discharge: by the outcome rejected, or by a detach if the link does not have that [4.2].
    fn refuse(&mut self, index: LinkIx, request: DeliveryKey, error: AmqpError) {
        let Some(link) = self.links.peek(index).filter(|link| link.is_complete()) else { return };
        let source = decode(&link.attach, &self.limits).and_then(|attach| attach.source);
        let rejects = source.is_some_and(|source| {
            source.outcomes.iter().any(|outcome| outcome.as_str() == Rejected::SCHEMA.symbol)
        });
        if rejects {
            self.answer_request(index, request, &Rejected { error: Some(error.into()) }.into());
        } else {
            // The link is attached.
            let _ = self.detach(index, true, Some(error));
            self.end_control(index, &Reason::local(None));
        }
    }

    /// Ends the transactions of a control link that is over [4.1].
    #[cold]
    pub(super) fn end_control(&mut self, index: LinkIx, reason: &Reason) {
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        transactions.coordinators.remove(&index);
        transactions.at_fault.retain(|link| *link != index);
        if let Some(key) = transactions.partial.remove(&index) {
            self.lose_partial(key);
        }
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        for key in transactions.of_link(index) {
            if self.is_coordinated(key) {
                let error = reason.error.clone();
                let error = error.unwrap_or_else(|| Condition::TransactionRollback.into());
                self.roll_back(key, Some(error), true);
            } else {
                self.lose_control(key, reason);
            }
        }
    }

    /// Commits a transaction: as controller asks for it, as coordinator answers.
    pub(crate) fn commit_transaction(&mut self, key: Key<TransactionIx>) -> Result<(), TransactionError> {
        if self.is_coordinated(key) { self.commit_coordinated(key) } else { self.discharge(key, false) }
    }

    /// Rolls back a transaction: as controller asks for it, as coordinator does it.
    pub(crate) fn roll_back_transaction(
        &mut self,
        key: Key<TransactionIx>,
        error: Option<AmqpError>,
    ) -> Result<(), TransactionError> {
        if !self.is_coordinated(key) {
            return self.discharge(key, true);
        }
        let one = self.transactions.as_deref_mut().and_then(|all| all.all.get_mut(key));
        let is_asked = one.is_some_and(|one| {
            if one.stage == Stage::Live {
                let error = error.clone().unwrap_or_else(|| Condition::TransactionRollback.into());
                one.failure.get_or_insert_with(|| Box::new(error));
            }
            one.stage != Stage::Live
        });
        if is_asked {
            self.roll_back(key, error, false);
        }
        Ok(())
    }
}

/// Reads the body of a message to the coordinator: one amqp-value. Its other sections are ignored [4.2].
fn read(delivery: &Delivery, limits: &Limits) -> Result<Request, AmqpError> {
    let malformed = |error: DecodeError| AmqpError::described(error.condition(), format_args!("{error}"));
    let value = delivery.message().map_err(malformed)?.section(SectionKind::AmqpValue);
    let Some(value) = value else {
        let words = "a message to the coordinator has an amqp-value";
        return Err(AmqpError::new(Condition::InvalidField).with_description(words));
    };
    if let Ok(declare) = Declare::decode(&mut value.clone(), limits) {
        return Ok(Request::Declare(declare));
    }
    let discharge = Discharge::decode(&mut value.clone(), limits).map_err(malformed)?;
    Ok(Request::Discharge(Box::new(discharge)))
}
