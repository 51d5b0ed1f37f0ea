//! Links of the peer that this end can resume: their state when they end, and their deliveries when they go on
//! [2.6.13].

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::guard::LinkGuard;
use super::outcomes::Fate;
use super::receiver::Receiver;
use super::sender::Sender;
use super::slots::either_end;
use super::state::State;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::machine::Event;
use crate::machine::LinkState;
use crate::types::{DeliveryKey, DeliveryTag, Key, LinkKey};
use crate::wire::Outcome;

/// The fate of a delivery of a link that was accepted with its state.
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

/// The part of a link's slot for a link of the peer that can be resumed.
#[derive(Debug, Default)]
pub(super) struct Resumption {
    /// The news that the application has not taken.
    news: Vec<Resumed>,
    /// The deliveries of a sender that go on.
    open: BTreeMap<DeliveryKey, DeliveryTag>,
    /// The state of the link at its end.
    state: Option<Box<LinkState>>,
}

impl<W: Wake> State<W> {
    /// Handles the events of links that can be resumed.
    pub(super) fn on_resumption(&mut self, event: Event) {
        match event {
            Event::Suspended { link, state } => {
                if let Some(resumption) = self.resumption(link) {
                    resumption.state = Some(state);
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
        resumption.news.push(news);
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
        resumption.news.push(Resumed::Over { tag, outcome });
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
        news.unwrap_or_default()
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
            /// Takes the state of a link that the peer had attached, once the link is over. With the state, the link is
            /// accepted again by `accept_resumed`, on this connection or another.
            ///
            /// `None` while the link is not over, if it was closed for good, or if it was not accepted as
            /// [resumable](crate::config::SenderOptions::with_resumable).
            pub fn take_state(&self) -> Option<LinkState> {
                self.guard.take_state()
            }

            /// Takes the news about the deliveries of a link that was accepted with its state. A task that waits for a
            /// change of the link is woken for them.
            pub fn take_resumed(&self) -> Vec<Resumed> {
                self.guard.take_resumed()
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
