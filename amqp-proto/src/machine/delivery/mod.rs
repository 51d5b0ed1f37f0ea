//! Deliveries: which are unsettled, what is known of them, and what is to be told about them [2.6.12] [2.7.6].

#[allow(clippy::module_inception)] // one noun, one file
mod delivery;
mod disposition_queue;
mod incoming;
mod leaving;
mod ledger;
mod record;
mod scheduler;
mod send;
mod send_check;
mod settle;
mod tags;

pub use delivery::{Delivery, Part, PartEnd};
pub(crate) use disposition_queue::DispositionQueue;
pub(crate) use incoming::{Arrived, IncomingTransfer, TransferHead};
pub(crate) use ledger::{Chain, Ledger, id};
pub(crate) use record::{Record, Tag};
pub(crate) use settle::{Updates, forget};
pub(crate) use tags::Tags;
