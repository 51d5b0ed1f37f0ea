//! [`LinkHandle`]: what keeps a link attached; [`Home`]: where one is to be.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use amqp_proto::endpoint::{Error, Result, random_name};
use amqp_proto::types::{LinkKey, SessionKey, Str};
use amqp_proto::wire::{self, Attach};

use crate::connection::Handle;
use crate::session::SessionHandle;
use crate::shared::Shared;
use crate::state::{LinkLife, State};
use crate::waiters::On;

/// Where a link is to be.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) connection: Arc<Handle>,
    /// Unless it is the connection's own.
    pub(crate) session: Option<Arc<SessionHandle>>,
}

impl Home {
    /// A name for a link that has none.
    pub(crate) fn link_name() -> Result<Str> {
        Ok(random_name()?.into())
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.session.is_some() { "a session" } else { "the connection's session" })
    }
}

/// A link that somebody holds. It is closed when nobody does.
pub(crate) struct LinkHandle {
    key: LinkKey,
    life: LinkLife,
    /// A session that is to last as long.
    _session: Option<Arc<SessionHandle>>,
    connection: Arc<Handle>,
}

impl LinkHandle {
    /// Attaches a link, and waits for the peer to do so.
    pub(crate) fn attach<K: Into<LinkKey> + Copy>(
        home: Home,
        attach: impl FnOnce(&mut State, SessionKey) -> Result<K>,
    ) -> Result<(Self, K)> {
        let Home { connection, session } = home;
        let (key, life) = connection.shared.act(|state| {
            let key = match &session {
                Some(session) => session.key(state)?,
                None => state.default_session()?,
            };
            let key = attach(state, key)?;
            Ok::<_, Error>((key, state.hold_link(key.into())))
        })?;
        let link = Self { key: key.into(), life, _session: session, connection };
        link.wait(|state, link| state.is_attached(link.key).then_some(Ok(())))?;
        Ok((link, key))
    }

    /// A link that the peer has attached and this end has accepted.
    pub(crate) fn accepted(connection: &Arc<Handle>, key: LinkKey, life: LinkLife) -> Self {
        Self { key, life, _session: None, connection: Arc::clone(connection) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.connection.shared
    }

    /// The error of a link that has ended: that of its session if that is over, too, and so on.
    pub(crate) fn ended(&self, state: &State) -> Option<Error> {
        let session = state.ended(Error::Session, &self.life.session);
        session.or_else(|| state.ended(Error::Link, &self.life.link))
    }

    /// The error of a link that is not there any more.
    pub(crate) fn gone(&self, state: &State) -> Error {
        self.ended(state).unwrap_or(Error::Gone)
    }

    /// The error of a delivery whose link has ended before its outcome was known.
    pub(crate) fn lost(&self, state: &State) -> Option<Error> {
        self.ended(state)?.ended().cloned().map(Error::Lost)
    }

    /// Waits for the peer to do something about the link.
    pub(crate) fn wait<R>(&self, look: impl FnMut(&mut State, &Self) -> Option<Result<R>>) -> Result<R> {
        self.wait_until(self.shared().reply_by(), look)
    }

    /// Waits for the peer to do something about the link by then.
    pub(crate) fn wait_until<R>(
        &self,
        by: Option<Instant>,
        mut look: impl FnMut(&mut State, &Self) -> Option<Result<R>>,
    ) -> Result<R> {
        let look = |state: &mut State| look(state, self).or_else(|| self.ended(state).map(Err));
        self.shared().wait(On::Link(self.key), by, look).unwrap_or(Err(Error::TimedOut))
    }

    /// Closes the link, and waits until the peer has answered. Ok if it was closed before without an error.
    pub(crate) fn close(&self, error: Option<wire::Error>) -> Result<()> {
        self.end_by(|state| state.close_link(self.key, error).is_ok())
    }

    /// Detaches the link, and waits until the peer has done so, too.
    pub(crate) fn detach(&self) -> Result<()> {
        self.end_by(|state| state.detach_link(self.key).is_ok())
    }

    fn end_by(&self, end: impl FnOnce(&mut State) -> bool) -> Result<()> {
        let is_ours = self.shared().act(end);
        self.shared().wait_reply(On::Link(self.key), |state| {
            let error = self.ended(state)?;
            let is_clean = is_ours && self.life.link.is_over() || error.condition().is_none();
            Some(if is_clean { Ok(()) } else { Err(error) })
        })
    }

    /// Waits until the link is over, and says how.
    pub(crate) fn closed(&self) -> Error {
        let closed = self.shared().wait(On::Link(self.key), None, |state| self.ended(state));
        closed.unwrap_or(Error::TimedOut)
    }

    pub(crate) fn name(&self) -> Str {
        self.shared().act(|state| state.link_name(self.key))
    }

    pub(crate) fn unsettled_len(&self) -> u32 {
        self.shared().act(|state| state.unsettled_len(self.key))
    }

    /// What the peer's attach says.
    pub(crate) fn peer_attach(&self) -> Option<Attach> {
        self.shared().act(|state| state.peer_attach(self.key))
    }
}

impl Drop for LinkHandle {
    fn drop(&mut self) {
        self.shared().act(|state| {
            if state.is_held(self.key, &self.life.link) {
                if let LinkKey::Receiver(key) = self.key {
                    state.release_untaken(key);
                }
                // What cannot be closed is closed already.
                let _ = state.close_link(self.key, None);
            }
            state.let_link_go(self.key, &self.life.link);
        });
    }
}
