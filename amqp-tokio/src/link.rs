//! [`LinkGuard`]: what sending and receiving links have in common.

use std::sync::Arc;
use std::task::Poll;

use amqp_proto::endpoint::{Error, Result};
use amqp_proto::types::{LinkKey, ReceiverKey, SenderKey, Str};
use amqp_proto::wire::Attach;
use amqp_proto::{ReceiverMut, SenderMut};

use crate::session::SessionGuard;
use crate::shared::Shared;
use crate::state::{Place, State};

/// What keeps a link attached, and the session that it is on.
#[derive(Debug)]
pub(crate) struct LinkGuard<K: Copy + Into<LinkKey>> {
    pub(crate) session: Arc<SessionGuard>,
    pub(crate) key: K,
    /// Which of the links of this key it is: one that was suspended may be offered again.
    epoch: u32,
}

pub(crate) type SenderGuard = LinkGuard<SenderKey>;
pub(crate) type ReceiverGuard = LinkGuard<ReceiverKey>;

/// Does the same with whichever end of a link it is.
macro_rules! each_end {
    ($state:expr, $key:expr, $link:pat => $work:expr) => {
        match $key {
            LinkKey::Sender(key) => $state.engine.sender(key).ok().map(|$link| $work),
            LinkKey::Receiver(key) => $state.engine.receiver(key).ok().map(|$link| $work),
        }
    };
}

pub(crate) use each_end;

impl<K: Copy + Into<LinkKey>> LinkGuard<K> {
    pub(crate) fn new(session: Arc<SessionGuard>, key: K, epoch: u32) -> Self {
        Self { session, key, epoch }
    }

    pub(crate) fn shared(&self) -> &Shared {
        self.session.shared()
    }

    /// The same key, whichever end it is of.
    pub(crate) fn link(&self) -> LinkKey {
        self.key.into()
    }

    /// Why nothing more can be done on the link.
    pub(crate) fn over(&self, state: &State) -> Option<Error> {
        state.link_over(self.session.key, self.link())
    }

    /// Waits until the peer has attached it, too.
    pub(crate) async fn attached(&self) -> Result<()> {
        let attached = self.shared().wait_reply(Place::Link(self.link()), |state| {
            if let Some(over) = self.over(state) {
                return Poll::Ready(Err(over));
            }
            let is_attached = state.links.get(&self.link()).is_some_and(|link| link.is_attached);
            if is_attached { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        attached.await
    }

    /// Detaches the link, or closes it for good, and waits until the peer has done the same.
    pub(crate) async fn detach(&self, closed: bool, error: Option<amqp_proto::wire::Error>) -> Result<()> {
        let is_told = error.is_some();
        self.shared().with(|state| {
            each_end!(state, self.link(), mut link => {
                // A link that is detached already only has to be waited for.
                let _ = match (closed, error) {
                    (true, Some(error)) => link.close_with(error),
                    (true, None) => link.close(),
                    (false, _) => link.detach(),
                };
            })
        });
        let detached = self.shared().wait_reply(Place::Link(self.link()), |state| {
            self.over(state).map_or(Poll::Pending, |over| Poll::Ready(Ok(over)))
        });
        match detached.await? {
            over if is_told && over.origin() == Some(amqp_proto::Origin::Local) => Ok(()),
            over => over.or_end().map(|_: Option<()>| ()),
        }
    }

    /// Waits until the link is over, and says how.
    pub(crate) async fn closed(&self) -> Error {
        let closed = self
            .shared()
            .wait(Place::Link(self.link()), |state| self.over(state).map_or(Poll::Pending, Poll::Ready));
        closed.await
    }

    pub(crate) fn name(&self) -> Str {
        let name = each_end!(self.shared().lock(), self.link(), link => link.name());
        name.unwrap_or_default()
    }

    pub(crate) fn peer_attach(&self) -> Option<Attach> {
        each_end!(self.shared().lock(), self.link(), link => link.peer_attach())?
    }
}

impl SenderGuard {
    /// The link in the engine, unless it is over.
    pub(crate) fn engine<'a>(&self, state: &'a mut State) -> Result<SenderMut<'a>> {
        match self.over(state) {
            Some(over) => Err(over),
            None => {
                state.engine.sender(self.key).map_err(|_| amqp_proto::machine::LinkError::Detached.into())
            }
        }
    }
}

impl ReceiverGuard {
    /// The link in the engine, unless it is over.
    pub(crate) fn engine<'a>(&self, state: &'a mut State) -> Result<ReceiverMut<'a>> {
        match self.over(state) {
            Some(over) => Err(over),
            None => {
                state.engine.receiver(self.key).map_err(|_| amqp_proto::machine::LinkError::Detached.into())
            }
        }
    }
}

impl<K: Copy + Into<LinkKey>> Drop for LinkGuard<K> {
    fn drop(&mut self) {
        let key = self.link();
        self.shared().with(|state| {
            if state.links.get(&key).is_none_or(|link| link.epoch != self.epoch) {
                return None;
            }
            if let LinkKey::Receiver(key) = key {
                state.release_untaken(key);
            }
            let _ = each_end!(state, key, mut link => link.close());
            state.links.remove(&key)
        });
    }
}
