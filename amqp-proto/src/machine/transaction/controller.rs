//! The controller: declares and discharges, and their answers [4.2] [4.3].

use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use super::{Stage, Transaction};
use crate::codec::{Code, EncodeError};
use crate::config::SendOptions;
use crate::machine::command_error::{SendError, TransactionError};
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::link::{LinkEnd, LinkHalf, decode};
use crate::machine::reason::{Origin, Reason};
use crate::message::Payload;
use crate::types::{DeliveryKey, Key, LinkIx, TransactionIx, TransactionKey};
use crate::wire::{AmqpError, Condition, Declare, DeliveryState, Discharge, Outcome, Rejected, Terminus};

impl Endpoints {
    /// Declares a transaction on a control link, as soon as there is credit.
    pub(crate) fn declare(&mut self, index: LinkIx) -> Result<Key<TransactionIx>, TransactionError> {
        let Some(link) = self.links.peek(index).filter(|link| link.halves.local() == LinkHalf::Attached)
        else {
            return Err(TransactionError::Detached);
        };
        if let Some(attach) = decode(&link.attach, &self.limits)
            && !matches!(attach.target.as_deref(), Some(Terminus::Coordinator(_)))
        {
            return Err(TransactionError::NotCoordinator);
        }
        let limit = self.limits.transactions();
        let link = link.key;
        self.transactions.install();
        let Some(transactions) = self.transactions.as_deref_mut() else {
            return Err(TransactionError::Limit(limit));
        };
        if u32::try_from(transactions.all.len()).map_or(true, |live| live >= limit) {
            return Err(TransactionError::Limit(limit));
        }
        let one = Transaction::new(link, None, Stage::Declaring(false));
        let key = transactions.all.insert(|_| one).ok_or(TransactionError::Limit(limit))?;
        transactions.controls = true;
        transactions.due.push(key);
        self.send_requests();
        Ok(key)
    }

    /// Discharges a transaction of this end, once the outcomes of its postings are known.
    pub(super) fn discharge(&mut self, key: Key<TransactionIx>, fails: bool) -> Result<(), TransactionError> {
        let Some(transactions) = self.transactions.as_deref_mut() else {
            return Err(TransactionError::Discharged);
        };
        let Some(one) = transactions.all.get_mut(key) else { return Err(TransactionError::Discharged) };
        match one.stage {
            Stage::Declaring(false) if fails => {
                if transactions.due.contains(&key) {
                    // The declare was not sent.
                    transactions.remove(key);
                    self.fx.tell(Event::RolledBack { transaction: TransactionKey(key), error: None });
                } else {
                    one.stage = Stage::Declaring(true);
                }
                return Ok(());
            }
            Stage::Declaring(false) => return Err(TransactionError::Undeclared),
            Stage::Live if !fails && one.failure.is_some() => return Err(TransactionError::RollbackOnly),
            // A commit that waits for the outcomes of postings can still be taken back.
            Stage::Asked { fails: false } if fails => one.stage = Stage::Asked { fails },
            Stage::Live => {
                one.stage = Stage::Asked { fails };
                transactions.due.push(key);
            }
            Stage::Declaring(true) | Stage::Asked { .. } | Stage::Discharging { .. } => {
                return Err(TransactionError::Discharged);
            }
        }
        self.send_requests();
        Ok(())
    }

    /// Returns `true` if a declare or a discharge waits that can be sent now.
    pub(super) fn has_due_request(&self) -> bool {
        let Some(transactions) = self.transactions.as_deref() else { return false };
        transactions.due.iter().any(|key| self.is_ready(*key))
    }

    fn is_ready(&self, key: Key<TransactionIx>) -> bool {
        let Some(transactions) = self.transactions.as_deref() else { return false };
        let Some(one) = transactions.all.get(key) else { return false };
        let waits =
            one.stage == Stage::Asked { fails: false } && one.failure.is_none() && !one.undecided.is_empty();
        let mut partial = transactions.partial.iter().filter(|(_, partial)| **partial == key);
        let is_partial = partial.any(|(link, _)| self.is_posting(*link, one));
        !waits && !is_partial && self.has_room(one.link.index)
    }

    /// Returns `true` if a posting on the link is not completely written.
    fn is_posting(&self, index: LinkIx, one: &Transaction) -> bool {
        let Some(LinkEnd::Sender(sender)) = self.links.peek(index).map(|link| &link.end) else {
            return false;
        };
        let state = sender.sending.as_ref().and_then(|sending| sending.transfer.state.as_ref());
        super::id_in(state).is_some_and(|id| one.id.as_ref() == Some(id))
    }

    /// Sends the declares and discharges that can be sent.
    #[cold]
    pub(super) fn send_requests(&mut self) {
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        for key in core::mem::take(&mut transactions.due) {
            let is_left = !self.is_ready(key) || !self.send_request(key);
            if let Some(transactions) = self.transactions.as_deref_mut().filter(|_| is_left) {
                transactions.due.push(key);
            }
        }
    }

    /// Sends a declare or a discharge. Returns `false` if it must wait.
    fn send_request(&mut self, key: Key<TransactionIx>) -> bool {
        let Some(one) = self.transactions.as_deref().and_then(|all| all.all.get(key)) else { return true };
        let (link, stage, id) = (one.link.index, one.stage, one.id.clone());
        let fails = stage == Stage::Asked { fails: true } || one.failure.is_some();
        let payload = match id {
            Some(id) if matches!(stage, Stage::Asked { .. }) => {
                request(|octets| Discharge { fail: Some(fails), ..Discharge::new(id) }.encode(octets))
            }
            _ => request(|octets| Declare::default().encode(octets)),
        };
        let sent = payload
            .map_err(SendError::Unencodable)
            .and_then(|payload| self.send(link, &payload, &SendOptions::new().with_settled(false)));
        match sent {
            Ok(request) => {
                let Some(transactions) = self.transactions.as_deref_mut() else { return true };
                transactions.asked.insert(request, key);
                if let Some(one) = transactions.all.get_mut(key)
                    && let Stage::Asked { .. } = one.stage
                {
                    one.stage = Stage::Discharging { fails, request };
                }
                true
            }
            Err(
                SendError::NoCredit
                | SendError::WindowClosed
                | SendError::Full
                | SendError::Incomplete
                | SendError::Detached,
            ) => false,
            Err(error) => {
                let error = AmqpError::described(Condition::NotAllowed, format_args!("{error}"));
                match stage {
                    Stage::Declaring(_) => self.undeclared(key, error),
                    // The end of the control link rolls the transaction back. The link is attached, since it can send.
                    _ => _ = self.detach(link, true, Some(error)),
                }
                true
            }
        }
    }

    /// Returns the event of an update about a sent delivery, if the delivery is a declare or a discharge.
    pub(super) fn on_answer(
        &mut self,
        delivery: DeliveryKey,
        state: Option<&DeliveryState>,
        settled: bool,
    ) -> Option<Event> {
        let transactions = self.transactions.as_deref_mut()?;
        if !transactions.asked.contains_key(&delivery) {
            return None;
        }
        let is_answer = settled || state.is_some_and(DeliveryState::is_terminal);
        if !is_answer {
            return Some(Event::Busy);
        }
        let key = transactions.asked.remove(&delivery)?;
        let link = transactions.all.get(key).map(|one| one.link.index);
        if let (false, Some(link)) = (settled, link) {
            // The application settles other deliveries of the link itself.
            let _ = self.dispose(link, delivery, None, true);
        }
        let outcome = match state {
            Some(DeliveryState::Outcome(outcome)) => Some(outcome),
            _ => None,
        };
        Some(self.answered_request(key, outcome).unwrap_or(Event::Busy))
    }

    fn answered_request(&mut self, key: Key<TransactionIx>, outcome: Option<&Outcome>) -> Option<Event> {
        let transactions = self.transactions.as_deref_mut()?;
        let one = transactions.all.get_mut(key)?;
        let transaction = TransactionKey(key);
        match (one.stage, outcome) {
            (Stage::Declaring(is_abandoned), Some(Outcome::Declared(declared))) => {
                one.id = Some(declared.txn_id.clone());
                one.stage = Stage::Live;
                transactions.controlled.insert(declared.txn_id.clone(), key);
                if !is_abandoned {
                    return Some(Event::Declared(transaction));
                }
                // A transaction that was just declared can be rolled back.
                let _ = self.discharge(key, true);
                None
            }
            (Stage::Declaring(_), outcome) => {
                let error = Box::new(error_of(outcome));
                transactions.remove(key);
                Some(Event::Undeclared { transaction, error })
            }
            (Stage::Discharging { fails, .. }, outcome) => {
                let fails = fails && one.failure.is_none();
                let event = match outcome {
                    Some(Outcome::Accepted) if one.failure.is_some() => {
                        Event::RolledBack { transaction, error: one.failure.take() }
                    }
                    Some(Outcome::Accepted) if fails => Event::RolledBack { transaction, error: None },
                    Some(Outcome::Accepted) => Event::Committed(transaction),
                    Some(Outcome::Rejected(_)) => {
                        let error = one.failure.take().unwrap_or_else(|| Box::new(error_of(outcome)));
                        Event::RolledBack { transaction, error: Some(error) }
                    }
                    _ if fails => Event::RolledBack { transaction, error: None },
                    _ => {
                        let reason = Reason::remote(Some(error_of(outcome)));
                        Event::InDoubt { transaction, reason: Box::new(reason) }
                    }
                };
                self.end_controlled(key);
                Some(event)
            }
            (Stage::Live | Stage::Asked { .. }, _) => None,
        }
    }

    /// Forgets a transaction of this end that is over, and settles its postings [4.4.4.1].
    fn end_controlled(&mut self, key: Key<TransactionIx>) {
        let one = self.transactions.as_deref_mut().and_then(|transactions| transactions.remove(key));
        for delivery in one.into_iter().flat_map(|one| one.decided) {
            let Some(link) = self.record(delivery).map(|record| record.link) else { continue };
            if self.links.at(link).and_then(|link| link.sender()).is_some_and(|sender| !sender.manual_settle)
            {
                // If the link is closed, the delivery is over anyway.
                let _ = self.dispose(link, delivery, None, true);
            }
        }
    }

    fn undeclared(&mut self, key: Key<TransactionIx>, error: AmqpError) {
        if let Some(transactions) = self.transactions.as_deref_mut() {
            transactions.remove(key);
        }
        self.fx.tell(Event::Undeclared { transaction: TransactionKey(key), error: Box::new(error) });
    }

    /// Ends a transaction of this end with its control link [4.1].
    pub(super) fn lose_control(&mut self, key: Key<TransactionIx>, reason: &Reason) {
        let Some(transactions) = self.transactions.as_deref_mut() else { return };
        let Some(one) = transactions.all.get_mut(key) else { return };
        let transaction = TransactionKey(key);
        let error = one.failure.take().or_else(|| reason.error.clone().map(Box::new));
        let condition = reason.error.as_ref().map(|error| &error.condition);
        // The coordinator says by one of these conditions that it has not committed [4.3].
        let is_refusal = reason.origin == Origin::Remote
            && matches!(
                condition,
                Some(
                    Condition::TransactionRollback
                        | Condition::UnknownTransaction
                        | Condition::TransactionTimeout
                )
            );
        let event = match one.stage {
            Stage::Declaring(_) => {
                let gone = || AmqpError::new(Condition::TransactionRollback).with_description(words(reason));
                Event::Undeclared { transaction, error: error.unwrap_or_else(|| Box::new(gone())) }
            }
            Stage::Discharging { fails: false, .. } if !is_refusal => {
                Event::InDoubt { transaction, reason: Box::new(reason.clone()) }
            }
            Stage::Discharging { fails: true, .. } | Stage::Asked { fails: true } => {
                Event::RolledBack { transaction, error: None }
            }
            Stage::Live | Stage::Asked { .. } | Stage::Discharging { .. } => {
                let gone = || AmqpError::new(Condition::TransactionRollback).with_description(words(reason));
                Event::RolledBack { transaction, error: Some(error.unwrap_or_else(|| Box::new(gone()))) }
            }
        };
        self.fx.tell(event);
        self.end_controlled(key);
    }
}

fn words(reason: &Reason) -> alloc::string::String {
    alloc::format!("the control link is over: {reason}")
}

/// The constructor of an amqp-value section [3.2.8].
const AMQP_VALUE: [u8; 3] = [Code::DESCRIBED, Code::SMALL_ULONG, 0x77];

/// Encodes a message to the coordinator: one amqp-value [4.2].
fn request(encode: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>) -> Result<Payload, EncodeError> {
    let mut octets = BytesMut::new();
    octets.extend_from_slice(&AMQP_VALUE);
    encode(&mut octets)?;
    Ok(Bytes::from(octets).into())
}

/// Returns the error of a request that was not granted.
fn error_of(outcome: Option<&Outcome>) -> AmqpError {
    match outcome {
        Some(Outcome::Rejected(Rejected { error: Some(error) })) => (**error).clone(),
        Some(outcome) => AmqpError::described(
            Condition::IllegalState,
            format_args!("the coordinator has answered with the outcome {outcome}"),
        ),
        None => AmqpError::new(Condition::IllegalState)
            .with_description("the coordinator has answered without an outcome"),
    }
}
