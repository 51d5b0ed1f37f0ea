//! Deliveries: which are unsettled, what is known of them, and what is to be told about them [2.6.12] [2.7.6].

#[allow(clippy::module_inception)] // one noun, one file
mod delivery;
mod first;
mod head;
mod leaving;
mod ledger;
mod pending;
mod permit;
mod receive;
mod record;
mod send;
mod settle;
mod tags;
mod turns;

pub use delivery::{Delivery, Part, PartEnd};
pub(crate) use first::{Arrived, Incoming};
pub(crate) use head::TransferHead;
pub(crate) use ledger::{Chain, Ledger, id};
pub(crate) use pending::Pending;
pub(crate) use record::{Record, Tag};
pub(crate) use settle::{Updates, forget};
pub(crate) use tags::Tags;
