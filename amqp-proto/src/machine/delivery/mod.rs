//! Deliveries: sending and receiving them, the unsettled ones, and their dispositions [2.6.12] [2.7.6].
//!
//! # The automaton of a delivery
//!
//! A delivery exists from its first transfer until it is settled at both ends. Each end keeps a [`record`] of
//! it in the [`ledger`] of the session and direction, found by delivery-id.
//!
//! 1. *Transfer.* The sender checks credit, window and output ([`send_check`]) and assigns a number. The
//!    transfers follow, in one frame or many; the [`scheduler`] gives every waiting link its turn. The
//!    receiver joins the frames ([`incoming`]). An aborted delivery is settled at once [2.6.14]. A delivery
//!    that is sent settled has no record.
//! 2. *Unsettled.* Each end has a state of the delivery, `local` for this end and `remote` for the peer:
//!    nothing, the part received, a transactional state, or an outcome. An outcome is final. Dispositions
//!    carry new states to the other end.
//! 3. *Settled.* Settling removes the record at this end; the peer learns of it by a disposition. With
//!    receiver mode *first*, the receiver settles with its outcome, and the sender settles when it learns of
//!    that. With mode *second*, the receiver sends its outcome unsettled, the sender settles, and then the
//!    receiver does.
//!
//! A detach of the link, or the end of its session, removes the records. The application gets `Lost` for each
//! delivery that it has sent and that had no outcome. Dispositions of neighbouring deliveries are merged in
//! the [`disposition_queue`].

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
mod transfer_head;
mod unsettled_limit;
mod updates;

pub use delivery::{Delivery, Part, PartEnd};
pub(crate) use disposition_queue::DispositionQueue;
pub(crate) use incoming::{Arrived, UsualTransfer};
pub(crate) use ledger::{Chain, Ledger, id};
pub(crate) use record::{Record, Tag, compact};
pub(crate) use send_check::Permit;
pub(crate) use settle::{brief_outcome, forget};
pub(crate) use tags::Tags;
pub(crate) use updates::Updates;
