//! [`Transactions`]: what has become of transactions, as controller and as coordinator.

use alloc::boxed::Box;
use std::collections::BTreeMap;

use super::coordinator::News;
use super::state::State;
use super::wake::Wake;
use crate::client::CloseReason;
use crate::machine::Event;
use crate::types::{Key, LinkKey, ReceiverKey, TransactionId, TransactionKey};
use crate::wire::{AmqpError, Condition};

/// The most reports of a control link that wait to be taken.
const REPORTS: usize = 4096;

/// The transactions of a connection that have a handle.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// The transactions of this end, with the slot of their control link.
    controlled: BTreeMap<TransactionKey, (Key, Progress)>,
    /// The transactions of this end's coordinator, with the slot of their control link.
    coordinated: BTreeMap<TransactionKey, (Key, TransactionId)>,
}

/// The progress of a transaction of this end.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    Declaring,
    Live(Box<TransactionId>),
    Undeclared(Box<AmqpError>),
    Committed,
    RolledBack(Option<Box<AmqpError>>),
    InDoubt(CloseReason),
}

impl Transactions {
    /// Adds a transaction that this end declares.
    pub(super) fn insert(&mut self, key: TransactionKey, control: Key) {
        self.controlled.insert(key, (control, Progress::Declaring));
    }

    pub(super) fn progress(&self, key: TransactionKey) -> Option<&Progress> {
        self.controlled.get(&key).map(|(_, progress)| progress)
    }

    /// Forgets a transaction of this end.
    pub(super) fn forget(&mut self, key: TransactionKey) {
        self.controlled.remove(&key);
    }
}

impl<W: Wake> State<W> {
    /// Handles the events of transactions.
    #[cold]
    pub(super) fn on_transaction(&mut self, event: Event) {
        let (Event::Declared(key)
        | Event::Undeclared { transaction: key, .. }
        | Event::Discharge(key)
        | Event::Committed(key)
        | Event::RolledBack { transaction: key, .. }
        | Event::InDoubt { transaction: key, .. }) = event
        else {
            return self.on_suspension(event);
        };
        if !self.transactions.controlled.contains_key(&key) {
            return self.on_coordinated(key, &event);
        }
        let progress = match event {
            Event::Declared(_) => {
                let id = self.engine.transaction(key).ok().and_then(|transaction| transaction.id());
                id.map_or(Progress::Declaring, |id| Progress::Live(Box::new(id)))
            }
            Event::Undeclared { error, .. } => Progress::Undeclared(error),
            Event::Committed(_) => Progress::Committed,
            Event::RolledBack { error, .. } => Progress::RolledBack(error),
            Event::InDoubt { reason, .. } => Progress::InDoubt(self.end_of(*reason)),
            _ => return,
        };
        let Some((control, place)) = self.transactions.controlled.get_mut(&key) else { return };
        *place = progress;
        if let Some(link) = self.links.get_mut(*control) {
            link.line.wake_all(&mut self.wakes);
        }
    }

    /// Handles an event of this end's coordinator.
    fn on_coordinated(&mut self, key: TransactionKey, event: &Event) {
        if let Event::Declared(_) = event {
            let transaction = self.engine.transaction(key).ok();
            let named = transaction.and_then(|one| Some((one.control()?, one.id()?)));
            let Some((control, id)) = named else { return };
            let Some(slot) = self.link_slot(control) else { return };
            self.transactions.coordinated.insert(key, (slot, id));
        }
        let Some((slot, id)) = self.transactions.coordinated.get(&key).cloned() else { return };
        let is_over = !matches!(event, Event::Declared(_) | Event::Discharge(_));
        if is_over {
            self.transactions.coordinated.remove(&key);
        }
        let Some(link) = self.links.get_mut(slot) else { return };
        let reports = link.reports.get_or_insert_default();
        match event {
            Event::Declared(_) => reports.push(News::Declared(id)),
            Event::Discharge(_) => reports.push(News::Commit(key, id)),
            _ => reports.push_rolled_back(id),
        }
        let is_behind = reports.len() > REPORTS;
        link.line.wake_all(&mut self.wakes);
        if is_behind && let Some(LinkKey::Receiver(control)) = link.key {
            self.end_behind(control);
        }
    }

    /// Ends a control link whose peer makes transactions faster than the application takes their reports.
    #[cold]
    fn end_behind(&mut self, control: ReceiverKey) {
        let words = "the application does not keep up with the transactions of the control link";
        let error = AmqpError::new(Condition::ResourceLimitExceeded).with_description(words);
        if let Ok(mut control) = self.engine.receiver(control) {
            // A link that is ending already needs nothing.
            let _ = control.close_with(error);
        }
    }

    /// Forgets a transaction of this end's coordinator that the application has discharged.
    pub(super) fn forget_coordinated(&mut self, key: TransactionKey) {
        self.transactions.coordinated.remove(&key);
    }
}
