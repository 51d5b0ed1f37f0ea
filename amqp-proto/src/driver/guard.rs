//! Guards: they keep a connection, session or link open while handles exist.

use alloc::sync::Arc;
use core::sync::atomic::AtomicBool;

use super::hub::Hub;
use super::slots::either_end;
use super::state::{LinkState, State};
use super::wake::Wake;
use crate::types::{Key, LinkKey};

/// Keeps a connection open, and closes it on drop.
#[derive(Debug)]
pub(crate) struct ConnectionGuard<W: Wake> {
    pub(crate) hub: Arc<Hub<W>>,
}

impl<W: Wake> Drop for ConnectionGuard<W> {
    fn drop(&mut self) {
        self.hub.close();
    }
}

/// Keeps a session, and its connection.
#[derive(Debug)]
pub(crate) struct SessionGuard<W: Wake> {
    pub(crate) connection: Arc<ConnectionGuard<W>>,
    pub(crate) slot: Key,
    /// `true` if the session ends with its handles. The session shared by links lasts as long as the
    /// connection.
    pub(super) is_owned: AtomicBool,
}

impl<W: Wake> SessionGuard<W> {
    pub(crate) fn hub(&self) -> &Hub<W> {
        &self.connection.hub
    }

    pub(super) fn shared_hub(&self) -> &Arc<Hub<W>> {
        &self.connection.hub
    }
}

impl<W: Wake> SessionGuard<W> {
    pub(super) fn new(
        connection: &Arc<ConnectionGuard<W>>,
        state: &mut State<W>,
        slot: Key,
        is_owned: bool,
    ) -> Self {
        if let Some(session) = state.sessions.get_mut(slot) {
            session.guards += 1;
        }
        Self { connection: Arc::clone(connection), slot, is_owned: AtomicBool::new(is_owned) }
    }
}

impl<W: Wake> Drop for SessionGuard<W> {
    fn drop(&mut self) {
        let is_owned = *self.is_owned.get_mut();
        // The dropped value may hold a task's last waker, which must not be dropped under the lock.
        let gone = self.hub().with(|state| {
            if is_owned && let Ok(mut session) = state.session(self.slot) {
                let _ = session.end();
            }
            if is_owned {
                state.forget_session_due(self.slot);
            }
            let session = state.sessions.get_mut(self.slot)?;
            session.guards = session.guards.saturating_sub(1);
            let is_done = session.guards == 0 && (is_owned || session.ended.is_some());
            if is_done { state.sessions.remove(self.slot) } else { None }
        });
        drop(gone);
    }
}

/// Keeps a link attached, and its session.
#[derive(Debug)]
pub(crate) struct LinkGuard<W: Wake> {
    pub(crate) session: Arc<SessionGuard<W>>,
    pub(crate) slot: Key,
    /// `true` if the peer has attached the link first, so that its name is the peer's.
    is_peers: bool,
}

impl<W: Wake> LinkGuard<W> {
    /// Returns the guard of a link that this end attaches.
    pub(super) fn new(session: Arc<SessionGuard<W>>, slot: Key) -> Self {
        Self { session, slot, is_peers: false }
    }

    /// Returns the guard of a link that the peer has attached first.
    pub(super) fn of_peer(session: Arc<SessionGuard<W>>, slot: Key) -> Self {
        Self { session, slot, is_peers: true }
    }

    pub(crate) fn hub(&self) -> &Hub<W> {
        self.session.hub()
    }
}

impl<W: Wake> Drop for LinkGuard<W> {
    fn drop(&mut self) {
        let gone = self.hub().with(|state| {
            state.release_untaken(self.slot);
            state.forget_link_due(self.slot);
            let gone = state.links.remove(self.slot);
            // A detached link is closed, too, so that its name is free again. A link of the peer is not: the peer may
            // attach it again, which would cross that [2.6.4].
            let closes =
                |link: &&LinkState<W>| link.ended.is_none() || !self.is_peers && link.resumption.is_none();
            if let Some(key) = gone.as_ref().filter(closes).and_then(|link| link.key) {
                let _ = either_end!(state.engine, key, mut link => link.close());
            }
            gone
        });
        drop(gone);
    }
}
