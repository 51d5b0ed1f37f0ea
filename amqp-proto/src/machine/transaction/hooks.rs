//! The way from the rest of the machine to transactions.
//!
//! The functions of a connection with transactions are called by pointers, which the first declare or the first control
//! link sets. So a program that does neither is linked without them.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;

use bytes::Bytes;

use super::Transactions;
use crate::config::SendOptions;
use crate::machine::command_error::SettleError;
use crate::machine::delivery::Arrived;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::Fault;
use crate::machine::reason::Reason;
use crate::types::{DeliveryKey, Limits, LinkIx, SessionIx};
use crate::wire::{DeliveryState, Disposition, Transfer};

/// The functions that the rest of the machine calls on a connection with transactions.
#[allow(clippy::type_complexity)] // the types are those of the functions
pub(crate) struct Hooks {
    pub(crate) take_work:
        fn(&mut Endpoints, SessionIx, LinkIx, &Transfer, Bytes) -> Result<Option<Arrived>, Fault>,
    pub(crate) check_retirement: fn(&mut Endpoints, SessionIx, &Disposition) -> Result<(), Fault>,
    pub(crate) transact: fn(&mut Endpoints, Event) -> Option<Event>,
    pub(crate) decide_posting: fn(
        &mut Endpoints,
        LinkIx,
        DeliveryKey,
        Option<&DeliveryState>,
        bool,
    ) -> Option<Result<(), SettleError>>,
    pub(crate) may_work: fn(&Endpoints, Option<&DeliveryState>) -> bool,
    pub(crate) note_sent: fn(&mut Endpoints, LinkIx, DeliveryKey, &SendOptions),
    pub(crate) lose_work: fn(&mut Endpoints, DeliveryKey) -> bool,
    pub(crate) end_control: fn(&mut Endpoints, LinkIx, &Reason),
    pub(crate) end_at_fault: fn(&mut Endpoints) -> bool,
    pub(crate) has_due_request: fn(&Endpoints) -> bool,
    pub(crate) send_requests: fn(&mut Endpoints),
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

static HOOKS: Hooks = Hooks {
    take_work: Endpoints::take_work,
    check_retirement: Endpoints::check_retirement,
    transact: Endpoints::transact,
    decide_posting: Endpoints::decide_posting,
    may_work: Endpoints::may_work,
    note_sent: Endpoints::note_sent,
    lose_work: Endpoints::lose_work,
    end_control: Endpoints::end_control,
    end_at_fault: Endpoints::end_at_fault,
    has_due_request: Endpoints::has_due_request,
    send_requests: Endpoints::send_requests,
};

/// The part of [`Transactions`] that [`memory`](crate::machine::memory) needs to know.
trait Account: Any + Send + Sync {
    fn octets(&self) -> u64;
    fn states(&self) -> u64;
    fn compact(&mut self, limits: &Limits);
}

// Not a supertrait: every program with the trait would be linked with the formatting of all that is in there.
impl fmt::Debug for dyn Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account")
    }
}

impl Account for Transactions {
    fn octets(&self) -> u64 {
        self.octets()
    }

    fn states(&self) -> u64 {
        self.states()
    }

    fn compact(&mut self, limits: &Limits) {
        self.compact(limits);
    }
}

/// The transactions of a connection, once there was one, or a link to this end's coordinator.
#[derive(Debug, Default)]
pub(crate) struct TransactionSlot(Option<Installed>);

#[derive(Debug)]
struct Installed {
    hooks: &'static Hooks,
    /// The [`Transactions`]. As their type is not named here, nothing of them is linked.
    transactions: Box<dyn Account>,
}

impl TransactionSlot {
    /// Returns the functions to call, if there are transactions.
    #[inline(always)] // for each transfer
    pub(crate) fn hooks(&self) -> Option<&'static Hooks> {
        self.0.as_ref().map(|installed| installed.hooks)
    }

    pub(crate) fn as_deref(&self) -> Option<&Transactions> {
        let transactions: &dyn Any = &*self.0.as_ref()?.transactions;
        transactions.downcast_ref()
    }

    pub(super) fn as_deref_mut(&mut self) -> Option<&mut Transactions> {
        let transactions: &mut dyn Any = &mut *self.0.as_mut()?.transactions;
        transactions.downcast_mut()
    }

    /// Sets the functions to call, if there are no transactions yet.
    pub(super) fn install(&mut self) {
        self.0
            .get_or_insert_with(|| Installed { hooks: &HOOKS, transactions: Box::<Transactions>::default() });
    }

    /// Returns the memory of the transactions, without the states in them.
    pub(crate) fn octets(&self) -> u64 {
        self.0.as_ref().map_or(0, |installed| installed.transactions.octets())
    }

    /// Returns the memory of the states that are stored in transactions now.
    pub(crate) fn states(&self) -> u64 {
        self.0.as_ref().map_or(0, |installed| installed.transactions.states())
    }

    /// Copies the states in transactions out of the blocks of input that they were read from.
    pub(crate) fn compact(&mut self, limits: &Limits) {
        if let Some(installed) = &mut self.0 {
            installed.transactions.compact(limits);
        }
    }
}
