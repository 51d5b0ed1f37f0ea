//! The way from the rest of the machine to the resumption of links.
//!
//! The options of a resumable link have the functions that resume it. The first link with such options makes them known
//! to its connection, which calls them by pointers. So a program without resumable links is linked without them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::any::Any;
use core::fmt;

use bytes::Bytes;

use super::memory::Recovery;
use super::state::LinkState;
use crate::config::{ReceiverOptions, ResumptionCode, SendOptions, SenderOptions};
use crate::machine::command_error::{LinkError, SendError};
use crate::machine::delivery::{Arrived, Permit, Tags};
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::ConnectionFault;
use crate::machine::link::{Arrival, EndOptions};
use crate::machine::reason::Reason;
use crate::types::{DeliveryKey, Key, Limits, LinkIx, Map, Str};
use crate::wire::{Attach, Role, Transfer};

/// The functions that the rest of the machine calls on a connection with resumable links.
#[allow(clippy::type_complexity)] // the types are those of the functions
pub(crate) struct Hooks {
    pub(crate) prepare:
        fn(&mut Endpoints, Key<LinkIx>, EndOptions<'_>, Option<LinkState>) -> Option<(RecoverySlot, Tags)>,
    pub(crate) check_state:
        fn(&Endpoints, &LinkState, &Str, EndOptions<'_>, Option<&Attach>) -> Result<(), LinkError>,
    pub(crate) compare_maps: fn(&mut Endpoints, LinkIx, &Attach),
    pub(crate) transmit_kept:
        fn(&mut Endpoints, LinkIx, Permit, &SendOptions, VecDeque<Bytes>) -> Result<DeliveryKey, SendError>,
    pub(crate) resume_more: fn(&mut Endpoints, LinkIx) -> bool,
    pub(crate) on_resuming_frame:
        fn(&mut Endpoints, u16, &Transfer, Bytes) -> Result<Option<Arrived>, ConnectionFault>,
    pub(crate) suspend: fn(&mut Endpoints, LinkIx, bool) -> Option<Event>,
    pub(crate) forget_all_quietly: fn(&mut Endpoints, LinkIx),
    pub(crate) next_round: fn(&mut Endpoints, LinkIx, &Reason) -> bool,
    pub(crate) accept_round: fn(&mut Endpoints, LinkIx) -> bool,
    pub(crate) has_ended_round: fn(&Endpoints) -> bool,
    pub(crate) end_rounds: fn(&mut Endpoints),
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

impl ResumptionCode for Hooks {}

static HOOKS: Hooks = Hooks {
    prepare: Endpoints::prepare_resumption,
    check_state: Endpoints::check_state,
    compare_maps: Endpoints::compare_maps,
    transmit_kept: Endpoints::transmit_kept,
    resume_more: Endpoints::resume_more,
    on_resuming_frame: Endpoints::on_resuming_frame,
    suspend: Endpoints::suspend,
    forget_all_quietly: Endpoints::forget_all_quietly,
    next_round: Endpoints::next_round,
    accept_round: Endpoints::accept_round,
    has_ended_round: Endpoints::has_ended_round,
    end_rounds: Endpoints::end_rounds,
};

impl SenderOptions {
    /// Sets whether the link keeps the messages of its unsettled deliveries, so that it can be resumed
    /// [2.6.13]. [`Event::Suspended`] hands over its state when it ends.
    ///
    /// Default `false`. [`Limits::kept_octets`] bounds the messages, which are not copied. Exactly one delivery
    /// of each message needs a receiver of mode [second](crate::wire::ReceiverSettleMode::Second).
    #[must_use]
    pub fn with_resumable(mut self, resumable: bool) -> Self {
        self.resumption = hooks_if(resumable);
        self
    }
}

impl ReceiverOptions {
    /// Sets whether the link can be resumed [2.6.13]. [`Event::Suspended`] hands over
    /// its state when it ends, with the messages that were not received yet.
    ///
    /// Default `false`.
    #[must_use]
    pub fn with_resumable(mut self, resumable: bool) -> Self {
        self.resumption = hooks_if(resumable);
        self
    }
}

fn hooks_if(resumable: bool) -> Option<&'static dyn ResumptionCode> {
    resumable.then_some(&HOOKS)
}

/// Returns the functions that resume a link, from its options.
pub(crate) fn hooks_in(options: EndOptions<'_>) -> Option<&'static Hooks> {
    let code: &'static dyn Any = options.resumption()?;
    code.downcast_ref()
}

/// The part of a [`Recovery`] that the rest of the machine needs to know.
pub(crate) trait Resumable: Any + Send + Sync {
    /// Notes the termini of this end's attach.
    fn attached(&mut self, attach: &Attach);

    /// Returns this end's unsettled map, and whether it is incomplete, if its attach has one. The map takes this number
    /// of octets at most, but has a delivery at least.
    fn unsettled_map(&mut self, role: Role, room: usize) -> Option<(Map, bool)>;

    /// Returns `true` if the link is attached for another round.
    fn is_in_round(&self) -> bool;

    /// Returns the number of message octets that are kept.
    fn kept_octets(&self) -> u64;

    /// Checks whether a message may be sent.
    fn permit(&self, resumes: bool, settled: bool, octets: usize, limits: &Limits) -> Result<(), SendError>;

    /// Keeps the message of a delivery in pieces, to which octets are added.
    fn keep_begun(&mut self, number: u64, message_format: u32);

    /// Adds octets to a message that is being sent.
    fn keep_more(&mut self, number: u64, octets: &[Bytes]);

    /// Notes that a message is whole.
    fn finish(&mut self, number: u64);

    /// Notes the length of a message that the application takes.
    fn note_taken(&mut self, arrival: &Arrival);

    /// Drops octets of the delivery that is being resumed which were received before.
    fn skip(&mut self, payload: &mut Bytes);

    /// Forgets a delivery that is settled or lost.
    fn forget(&mut self, number: u64);

    /// Forgets all deliveries.
    fn clear(&mut self);
}

// Not a supertrait: every program with the trait would be linked with the formatting of all that is in there.
impl fmt::Debug for dyn Resumable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resumable")
    }
}

/// The part of a link's state that only resumable links have.
#[derive(Debug, Default)]
pub(crate) struct RecoverySlot(Option<Box<dyn Resumable>>);

impl RecoverySlot {
    pub(super) fn new(recovery: Recovery) -> Self {
        Self(Some(Box::new(recovery)))
    }

    /// Returns `true` if the link is resumable.
    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&dyn Resumable> {
        self.0.as_deref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> Option<&mut (dyn Resumable + 'static)> {
        self.0.as_deref_mut()
    }

    pub(super) fn as_deref(&self) -> Option<&Recovery> {
        let recovery: &dyn Any = self.0.as_deref()?;
        recovery.downcast_ref()
    }

    pub(super) fn as_deref_mut(&mut self) -> Option<&mut Recovery> {
        let recovery: &mut dyn Any = self.0.as_deref_mut()?;
        recovery.downcast_mut()
    }
}
