//! The deliveries that a link is attached with, from an earlier attach or a saved state.

use super::hooks::RecoverySlot;
use super::memory::Recovery;
use super::rounds::RoundOptions;
use super::state::LinkState;
use crate::machine::command_error::LinkError;
use crate::machine::delivery::Tags;
use crate::machine::endpoints::Endpoints;
use crate::machine::link::{EndOptions, LinkHalf};
use crate::types::{DeliveryTag, Key, LinkIx, Str};
use crate::wire::{Attach, Terminus};

impl Endpoints {
    /// Makes a link resumable, if it is to be, and sets its deliveries from an earlier attach. Returns what was
    /// there before, if that has changed.
    pub(super) fn prepare_resumption(
        &mut self,
        key: Key<LinkIx>,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Option<(RecoverySlot, Tags)> {
        let next_tag = state.as_ref().map(|state| state.next_tag);
        let is_resumed = state.is_some();
        let attaches = self.links.get(key).is_some_and(|link| link.halves.remote() != LinkHalf::Attached);
        let recovery = recovery(options, state, attaches);
        let live = self.unsettled(key.index).filter(|_| !is_resumed);
        let live = live.filter_map(|key| self.record(key)).map(|record| DeliveryTag::from(&record.tag));
        let waiting = recovery.iter().flat_map(|recovery| recovery.unresumed()).map(|delivery| delivery.tag);
        let tags = live.chain(waiting).collect();
        let link = self.links.get_mut(key)?;
        if let Some(recovery) = link.recovery.as_deref_mut().filter(|recovery| recovery.rounds.is_open) {
            // The next round goes on with the deliveries that are there.
            recovery.awaits_map = true;
            link.tags = Tags::counted(recovery.unresumed().map(|delivery| delivery.tag).collect());
            return None;
        }
        if let (Some(sender), Some(next_tag)) = (link.sender(), next_tag) {
            sender.set_next_tag(next_tag);
        }
        if recovery.is_none() && !link.recovery.is_some() {
            return None;
        }
        let recovery = recovery.map(RecoverySlot::new).unwrap_or_default();
        let before = core::mem::replace(&mut link.tags, Tags::counted(tags));
        Some((core::mem::replace(&mut link.recovery, recovery), before))
    }

    /// Checks whether a state is that of the link with this name and role.
    pub(super) fn check_state(
        &self,
        state: &LinkState,
        name: &Str,
        options: EndOptions<'_>,
        asked: Option<&Attach>,
    ) -> Result<(), LinkError> {
        let asked = asked.map(|asked| (asked.source.as_deref(), asked.target.as_deref())).unwrap_or_default();
        let (source, target) = options.termini();
        let (source, target) = (source.or(asked.0), target.or(asked.1));
        if state.is_coordinated() || matches!(target, Some(Terminus::Coordinator(_))) {
            return Err(LinkError::Coordinator);
        }
        if state.name != *name || state.role != options.role() || !state.leads(source, target) {
            return Err(LinkError::OtherLink);
        }
        let is_large = u32::try_from(state.deliveries.len()).map_or(true, |n| n > self.limits.unsettled());
        if is_large || state.octets() > self.limits.kept_octets() {
            return Err(LinkError::Limit);
        }
        Ok(())
    }
}

/// Returns the recovery of a resumable link, or of one that is resumed with its state.
fn recovery(options: EndOptions<'_>, state: Option<LinkState>, attaches: bool) -> Option<Recovery> {
    let mut recovery = match state {
        Some(state) => {
            let mut recovery = Recovery::resuming(state);
            recovery.rounds.options = Some(RoundOptions::of(options));
            recovery.rounds.attaches = attaches;
            recovery
        }
        None if options.resumption().is_some() => Recovery::default(),
        None => return None,
    };
    recovery.sends_anew = match options {
        EndOptions::Sender(options) => !options.reports_unknown,
        EndOptions::Receiver(_) => false,
    };
    Some(recovery)
}
