//! Links whose state the application keeps: the state when they end, and their deliveries when they go on [2.6.13].

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::task::Poll;

use super::guard::LinkGuard;
use super::outcomes::Fate;
use super::receiver::Receiver;
use super::sender::Sender;
use super::slots::either_end;
use super::state::{LineId, State};
use super::wait::{Try, Wait};
use super::wake::Wake;
use crate::client::{Attachment, Error, Result};
use crate::machine::Event;
use crate::machine::LinkState;
use crate::types::{DeliveryKey, DeliveryTag, Key, LinkKey};
use crate::wire::{DeliveryState, Outcome, Role};

/// The fate of a delivery of a link that was attached or accepted with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resumed {
    /// The delivery goes on.
    Continued {
        /// The tag, which stays the same.
        tag: DeliveryTag,
        /// The new key.
        delivery: DeliveryKey,
        /// `true` if the receiver did not know the delivery, and it was sent again as a new one.
        is_new: bool,
    },
    /// The delivery is over; of a sender, also one that went on before.
    Over {
        /// The tag.
        tag: DeliveryTag,
        /// The outcome. Without one, the message of a sender is not delivered, and a receiver has no delivery of it any
        /// more.
        outcome: Option<Outcome>,
    },
}

/// The part of a link's slot for a link whose state the application keeps.
#[derive(Debug, Default)]
pub(super) struct Resumption {
    /// The news that the application has not taken.
    news: VecDeque<Resumed>,
    /// The deliveries of a sender that go on.
    open: BTreeMap<DeliveryKey, DeliveryTag>,
    /// The place of the link in the store of termini, which gets the state.
    pub(super) attachment: Option<Box<Attachment>>,
    /// The state of the link at its end.
    state: Option<Box<LinkState>>,
}

impl Resumption {
    /// Takes the tags of the deliveries of a sender that go on, since the link has ended.
    pub(super) fn take_open(&mut self) -> BTreeSet<DeliveryTag> {
        core::mem::take(&mut self.open).into_values().collect()
    }
}

/// Returns the state of a link without the received deliveries that the application has not decided on: its handles are
/// stale, so the sender sends them again.
fn resumable(mut state: LinkState) -> LinkState {
    if state.role() == Role::Receiver {
        state.deliveries.retain(|delivery| {
            !delivery.is_known(Role::Receiver)
                || delivery.local.as_ref().is_some_and(DeliveryState::is_terminal)
        });
    }
    state
}

impl<W: Wake> State<W> {
    /// Handles the events of links whose state the application keeps.
    pub(super) fn on_resumption(&mut self, event: Event) {
        match event {
            Event::Suspended { link, state } => {
                if let Some(resumption) = self.resumption(link) {
                    match resumption.attachment.take() {
                        Some(attachment) => attachment.keep(resumable(*state)),
                        None => resumption.state = Some(state),
                    }
                }
            }
            Event::Resumed { link, tag, delivery, is_new } => {
                self.add_news(link, Resumed::Continued { tag: *tag, delivery, is_new });
            }
            Event::Unresumed { link, tag, state } => {
                let outcome = match Fate::of(state, false) {
                    Some(Fate::Known(outcome)) => Some(outcome),
                    _ => None,
                };
                self.add_news(link, Resumed::Over { tag: *tag, outcome });
            }
            _ => {}
        }
    }

    fn resumption(&mut self, link: LinkKey) -> Option<&mut Resumption> {
        self.link_mut(link)?.resumption.as_deref_mut()
    }

    fn add_news(&mut self, key: LinkKey, news: Resumed) {
        let slot = self.link_slot(key);
        let Some(link) = slot.and_then(|slot| self.links.get_mut(slot)) else { return };
        let Some(resumption) = &mut link.resumption else { return };
        if let (LinkKey::Sender(_), Resumed::Continued { tag, delivery, .. }) = (key, &news) {
            resumption.open.insert(*delivery, *tag);
        }
        resumption.news.push_back(news);
        link.line.wake_all(&mut self.wakes);
    }

    /// Reports the outcome of a delivery that was sent before its link was resumed. Returns `false` if it is another
    /// one.
    pub(super) fn is_of_resumed(&mut self, slot: Key, delivery: DeliveryKey, fate: &Fate) -> bool {
        let Some(link) = self.links.get_mut(slot) else { return false };
        let Some(resumption) = &mut link.resumption else { return false };
        let Some(tag) = resumption.open.remove(&delivery) else { return false };
        let outcome = match fate {
            Fate::Known(outcome) => Some(outcome.clone()),
            Fate::Undecided | Fate::Unsettled => None,
            // The application learns that the link is over.
            Fate::Lost(_) => return true,
        };
        resumption.news.push_back(Resumed::Over { tag, outcome });
        link.line.wake_all(&mut self.wakes);
        true
    }
}

impl<W: Wake> LinkGuard<W> {
    fn take_state(&self) -> Option<LinkState> {
        let state = self.hub().look(|state| {
            let link = state.links.get_mut(self.slot).filter(|link| link.ended.is_some());
            link?.resumption.as_mut()?.state.take()
        });
        state.map(|state| *state)
    }

    fn take_resumed(&self) -> Vec<Resumed> {
        let news = self.hub().look(|state| {
            let resumption = state.links.get_mut(self.slot)?.resumption.as_mut()?;
            Some(core::mem::take(&mut resumption.news))
        });
        news.unwrap_or_default().into()
    }

    /// Waits for the next news.
    fn next_resumed(&self) -> Wait<'_, W, impl Try<W, Result<Resumed>>> {
        let slot = self.slot;
        self.hub().wait(LineId::Link(slot), move |state: &mut State<W>, _| {
            let link = state.links.get_mut(slot);
            match link.and_then(|link| link.resumption.as_mut()?.news.pop_front()) {
                Some(news) => Poll::Ready(Ok(news)),
                None => state.link_over(slot).map_or(Poll::Pending, |over| Poll::Ready(Err(over))),
            }
        })
    }

    fn link_state(&self) -> Option<LinkState> {
        self.hub().look(|state| {
            let link = state.links.get(self.slot)?;
            let suspension = link.recipe.as_ref().and_then(|recipe| recipe.suspension.as_ref());
            let resumption = link.resumption.as_ref();
            if suspension.is_none() && resumption.is_none() {
                return None;
            }
            let away = suspension.and_then(|suspension| suspension.state());
            let last = || resumption.and_then(|resumption| resumption.state.as_deref().cloned());
            let mut saved = match (away.or_else(last), link.key) {
                (Some(saved), _) => saved,
                (None, key) => either_end!(state.engine, key?, link => link.link_state())?,
            };
            if let Some(replay) = state.links.get(self.slot).and_then(|link| link.replay.as_ref()) {
                replay.add_unsent(&mut saved);
            }
            Some(saved)
        })
    }

    fn steal(&self) -> Result<()> {
        self.hub().with(|state| {
            let key = state.links.get(self.slot).and_then(|link| link.key);
            let stolen = key.and_then(|key| either_end!(state.engine, key, mut link => link.steal()));
            match stolen {
                Some(Ok(())) => Ok(()),
                Some(Err(error)) => Err(state.link_over(self.slot).unwrap_or(error.into())),
                None => Err(state.link_over(self.slot).unwrap_or(Error::Gone)),
            }
        })
    }
}

/// Writes the methods of handles of both roles.
macro_rules! resumption {
    ($handle:ident) => {
        impl<W: Wake> $handle<W> {
            /// Returns the state of a link that can be resumed: its unsettled deliveries as they are now. With the state, the
            /// link is attached again by the builder's `with_state`, on another connection or by another process.
            ///
            /// `None` for a link that was neither attached with [`Resume`](crate::policy::Recovery::Resume) or with a state,
            /// nor accepted as [resumable](crate::config::SenderOptions::with_resumable); also if the link was closed for
            /// good.
            pub fn link_state(&self) -> Option<LinkState> {
                self.guard.link_state()
            }

            /// Takes the state of a link, once the link is over. With the state, the link is attached again by the builder's
            /// `with_state`, or accepted by `accept_resumed`, on this connection or another.
            ///
            /// `None` while the link is not over, and where [`link_state`](Self::link_state) is `None`.
            pub fn take_state(&self) -> Option<LinkState> {
                self.guard.take_state()
            }

            /// Takes the news about the deliveries of the state that the link was attached or accepted with. A task that
            /// waits for a change of the link is woken for them.
            pub fn take_resumed(&self) -> Vec<Resumed> {
                self.guard.take_resumed()
            }

            /// Waits for the next news about a delivery of the state.
            pub fn next_resumed(this: &Self) -> Wait<'_, W, impl Try<W, Result<Resumed>>> {
                this.guard.next_resumed()
            }

            /// Closes the link, since the peer attaches it on another connection [2.6.1]. Then
            /// [`take_state`](Self::take_state) returns the state with which it is accepted there.
            ///
            /// # Errors
            ///
            /// `Error::Link`, `Error::Session` or `Error::Connection` if one of them is over; `Error::Attach` if the link
            /// is not attached.
            pub fn steal(&self) -> Result<()> {
                self.guard.steal()
            }
        }
    };
}

resumption! { Sender }
resumption! { Receiver }
