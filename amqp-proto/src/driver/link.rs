//! The operations that both roles of a link have in common.

use core::mem::take;
use core::task::Poll;

use super::connection::how_it_went;
use super::guard::LinkGuard;
use super::slots::either_end;
use super::state::{LineId, State};
use super::wait::{Attempt, Try, Wait};
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::machine::FlowError;
use crate::types::{Fields, LinkKey, Str};
use crate::wire::{self, Attach};

/// The way to end a link.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Ending {
    /// Detach: the link can be attached again by its name.
    Detach,
    /// Close for good, with or without an error for the peer.
    Close(Option<wire::AmqpError>),
}

impl<W: Wake> LinkGuard<W> {
    /// Waits until the peer has attached the link, too.
    pub(super) fn attached(&self) -> Wait<'_, W, impl Try<W, Result<()>>> {
        self.watch(|state, slot| {
            let Some(link) = state.links.get_mut(slot).filter(|link| link.is_attached) else {
                return Poll::Pending;
            };
            let session = link.session;
            if let Some(recipe) = &mut link.recipe {
                recipe.outage.is_established = true;
            }
            state.establish_session(session);
            Poll::Ready(Ok(()))
        })
    }

    /// Waits for an action of the peer on the link, within the reply timeout.
    pub(super) fn watch<R>(
        &self,
        mut look: impl FnMut(&mut State<W>, crate::types::Key) -> Poll<Result<R>>,
    ) -> Wait<'_, W, impl Try<W, Result<R>>> {
        let slot = self.slot;
        let attempt = move |state: &mut State<W>, at: Attempt| {
            let seen = look(state, slot);
            match state.link_over(slot) {
                _ if seen.is_ready() => seen,
                Some(over) => Poll::Ready(Err(over)),
                None if at.is_late => Poll::Ready(Err(Error::TimedOut)),
                None => Poll::Pending,
            }
        };
        self.hub().wait(LineId::Link(slot), attempt).for_reply()
    }

    /// Detaches or closes the link, and waits until the peer has done so, too.
    pub(super) fn end(&self, ending: Ending) -> Wait<'_, W, impl Try<W, Result<()>>> {
        let was_told = matches!(ending, Ending::Close(Some(_)));
        self.hub().with(|state| {
            state.leave_link(self.slot);
            let key = state.links.get(self.slot).and_then(|link| link.key);
            // If the link is over, only the wait remains.
            let _ = key.and_then(|key| {
                either_end!(state.engine, key, mut link => match ending {
                    Ending::Detach => link.detach(),
                    Ending::Close(None) => link.close(),
                    Ending::Close(Some(error)) => link.close_with(error),
                })
            });
        });
        self.watch(move |state, slot| match state.link_over(slot) {
            Some(over) => Poll::Ready(how_it_went(over, was_told)),
            None => Poll::Pending,
        })
    }

    /// Waits until the link is over, without a timeout.
    pub(super) fn closed(&self) -> Wait<'_, W, impl Try<W, Error>> {
        let slot = self.slot;
        self.hub().wait(LineId::Link(slot), move |state: &mut State<W>, _| {
            state.link_over(slot).map_or(Poll::Pending, Poll::Ready)
        })
    }

    /// Returns the name of the link; empty after it is closed.
    pub(super) fn name(&self) -> Str {
        let name = self.look(|state, key| either_end!(state.engine, key, link => link.name()));
        name.or_else(|| self.hub().look(|state| state.recipe_name(self.slot))).unwrap_or_default()
    }

    /// Returns the peer's attach; `None` after the link is closed.
    pub(super) fn peer_attach(&self) -> Option<Attach> {
        self.look(|state, key| either_end!(state.engine, key, link => link.peer_attach())?)
    }

    /// Sends properties of the link's state.
    pub(super) fn send_flow_properties(&self, properties: &Fields) -> Result<()> {
        self.hub().with(|state| {
            let key = state.links.get(self.slot).and_then(|link| link.key);
            let sent = key.and_then(
                |key| either_end!(state.engine, key, mut link => link.send_flow_properties(properties)),
            );
            let sent = sent.unwrap_or(Err(FlowError::Detached));
            sent.map_err(|error| state.link_over(self.slot).unwrap_or_else(|| error.into()))
        })
    }

    /// Waits for new properties of the link's state from the peer.
    pub(super) fn next_flow_properties(&self) -> Wait<'_, W, impl Try<W, Result<Option<Fields>>>> {
        let slot = self.slot;
        self.hub().wait(LineId::Link(slot), move |state: &mut State<W>, _| {
            let link = state.links.get_mut(slot);
            let key = link.and_then(|link| if take(&mut link.has_flow_properties) { link.key } else { None });
            let new =
                key.and_then(|key| either_end!(state.engine, key, link => link.flow_properties().cloned())?);
            match new {
                Some(new) => Poll::Ready(Ok(Some(new))),
                None => state.link_over(slot).map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
            }
        })
    }

    /// Returns the number of unsettled deliveries of the link.
    pub(super) fn unsettled_len(&self) -> u32 {
        self.look(|state, key| either_end!(state.engine, key, link => link.unsettled_len())).unwrap_or(0)
    }

    fn look<R>(&self, look: impl FnOnce(&mut State<W>, LinkKey) -> Option<R>) -> Option<R> {
        self.hub().look(|state| {
            let key = state.links.get(self.slot)?.key?;
            look(state, key)
        })
    }
}
