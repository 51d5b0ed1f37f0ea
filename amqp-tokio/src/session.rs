//! [`Session`]: the handle of one, and sessions and links that the peer begins.

use std::sync::Arc;
use std::task::Poll;

use amqp_proto::SessionMut;
use amqp_proto::config::SessionOptions;
use amqp_proto::endpoint::{Error, ReceiverSettings, Result, SenderSettings};
use amqp_proto::machine::LinkError;
use amqp_proto::types::{LinkKey, SessionKey, Str};
use amqp_proto::wire::Begin;

use crate::connection::{Connection, Guard};
use crate::offered::OfferedLink;
use crate::receiver_builder::ReceiverBuilder;
use crate::sender_builder::SenderBuilder;
use crate::shared::Shared;
use crate::state::{Place, SessionState, State};

/// A session of a connection. Cheap to clone.
///
/// It ends by [`end`](Self::end), or when the last handle of it and of its links is dropped.
#[derive(Debug, Clone)]
pub struct Session {
    guard: Arc<SessionGuard>,
}

/// What keeps a session, and the connection that it is on.
#[derive(Debug)]
pub(crate) struct SessionGuard {
    pub(crate) connection: Arc<Guard>,
    pub(crate) key: SessionKey,
    /// Whether the session ends with the handles: the one that links share does not.
    is_owned: bool,
}

impl SessionGuard {
    pub(crate) fn shared(&self) -> &Shared {
        &self.connection.shared
    }

    /// Attaches a link; its key, and which of the links of that key it is. The peer has not answered yet.
    pub(crate) fn attach<K: Copy + Into<LinkKey>>(
        &self,
        name: Option<Str>,
        attach: impl FnOnce(&mut SessionMut<'_>, Str) -> Result<K, LinkError>,
    ) -> Result<(K, u32)> {
        self.shared().with(|state| {
            let name = name.unwrap_or_else(|| state.names.make().into());
            if let Some(over) = state.session_over(self.key) {
                return Err(over);
            }
            let mut session = state.engine.session(self.key).map_err(|_| LinkError::NoSession)?;
            let key = attach(&mut session, name)?;
            Ok((key, state.hold_link(key.into())))
        })
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        if self.is_owned {
            self.shared().with(|state| {
                if let Ok(mut session) = state.engine.session(self.key) {
                    let _ = session.end();
                }
                state.sessions.remove(&self.key)
            });
        }
    }
}

impl Session {
    /// Begins a session; the peer has not answered yet.
    pub(crate) fn begin(connection: &Arc<Guard>, options: &SessionOptions) -> Result<Self> {
        let key = connection.shared.with(|state| state.begin(options))?;
        Ok(Self::new(connection, key, true))
    }

    /// The session that links share who ask for no other.
    pub(crate) fn shared_one(connection: &Connection) -> Result<Self> {
        let key = connection.shared().with(|state| match state.default_session {
            Some(key) => Ok(key),
            None => {
                let key = state.begin(&SessionOptions::new())?;
                state.default_session = Some(key);
                Ok::<_, Error>(key)
            }
        })?;
        Ok(Self::new(connection.guard(), key, false))
    }

    fn new(connection: &Arc<Guard>, key: SessionKey, is_owned: bool) -> Self {
        let connection = Arc::clone(connection);
        Self { guard: Arc::new(SessionGuard { connection, key, is_owned }) }
    }

    pub(crate) fn guard(&self) -> &Arc<SessionGuard> {
        &self.guard
    }

    /// Waits until the peer has answered.
    pub(crate) async fn begun(&self) -> Result<()> {
        let key = self.guard.key;
        let begun = self.guard.shared().wait_reply(Place::Session(key), |state| {
            if let Some(over) = state.session_over(key) {
                return Poll::Ready(Err(over));
            }
            let is_begun = state.sessions.get(&key).is_some_and(|session| session.is_begun);
            if is_begun { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        begun.await
    }

    /// A link to send to this address. A builder, to be awaited.
    pub fn sender(&self, address: impl Into<Str>) -> SenderBuilder {
        SenderBuilder::new(self.clone().into(), SenderSettings::to(address))
    }

    /// Makes the builder of a link that sends each message to where it is addressed `to`, by a peer that can do that
    /// (the anonymous relay).
    pub fn anonymous_sender(&self) -> SenderBuilder {
        SenderBuilder::new(self.clone().into(), SenderSettings::to_anybody())
    }

    /// A link to receive from this address. A builder, to be awaited.
    pub fn receiver(&self, address: impl Into<Str>) -> ReceiverBuilder {
        ReceiverBuilder::new(self.clone().into(), ReceiverSettings::from(address))
    }

    /// Makes the builder of a link that receives from a node that the peer makes for it.
    pub fn dynamic_receiver(&self) -> ReceiverBuilder {
        ReceiverBuilder::new(self.clone().into(), ReceiverSettings::from_dynamic())
    }

    /// The next link that the peer attaches; `None` when the session is over without an error.
    pub async fn next_link(&self) -> Result<Option<OfferedLink>> {
        let key = self.guard.key;
        let next = self.guard.shared().wait(Place::Session(key), |state| {
            let offered = state.sessions.get_mut(&key).and_then(|session| session.offered.pop_front());
            match offered {
                Some(link) => Poll::Ready(Ok(Some(link))),
                None => state.session_over(key).map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
            }
        });
        Ok(next.await?.map(|link| OfferedLink::new(&self.guard, link)))
    }

    /// Ends the session, and waits until the peer has answered.
    pub async fn end(&self) -> Result<()> {
        self.end_for(None).await
    }

    /// The same, saying why.
    pub async fn end_with(&self, error: impl Into<amqp_proto::wire::Error>) -> Result<()> {
        self.end_for(Some(error.into())).await
    }

    async fn end_for(&self, error: Option<amqp_proto::wire::Error>) -> Result<()> {
        let is_told = error.is_some();
        // One that is ended already only has to be waited for.
        let _ = self.begin_end(error);
        let ended = self.guard.shared().wait_reply(Place::Session(self.guard.key), |state| {
            state.session_over(self.guard.key).map_or(Poll::Pending, |over| Poll::Ready(Ok(over)))
        });
        match ended.await? {
            over if is_told && over.origin() == Some(amqp_proto::Origin::Local) => Ok(()),
            over => over.or_end().map(|_: Option<()>| ()),
        }
    }

    /// Ends the session, unless it is over. The peer has not answered yet.
    fn begin_end(&self, error: Option<amqp_proto::wire::Error>) -> Result<()> {
        self.guard.shared().with(|state| match (state.engine.session(self.guard.key), error) {
            (Ok(mut session), Some(error)) => session.end_with(error).map_err(Error::from),
            (Ok(mut session), None) => session.end().map_err(Error::from),
            (Err(_), _) => Ok(()),
        })
    }

    /// What the peer's begin says; `None` before it is in, and after the end.
    pub fn peer_begin(&self) -> Option<Begin> {
        self.guard.shared().lock().engine.session(self.guard.key).ok()?.peer_begin()
    }
}

impl State {
    fn begin(&mut self, options: &SessionOptions) -> Result<SessionKey> {
        if let Some(over) = self.over() {
            return Err(over);
        }
        let key = self.engine.begin(options)?;
        self.sessions.insert(key, SessionState::default());
        Ok(key)
    }
}

/// Where a link is to be attached.
#[derive(Debug, Clone)]
pub(crate) enum Home {
    Connection(Connection),
    Session(Session),
}

impl Home {
    pub(crate) fn session(self) -> Result<Session> {
        match self {
            Self::Connection(connection) => Session::shared_one(&connection),
            Self::Session(session) => Ok(session),
        }
    }
}

impl From<&Connection> for Home {
    fn from(connection: &Connection) -> Self {
        Self::Connection(connection.clone())
    }
}

impl From<Session> for Home {
    fn from(session: Session) -> Self {
        Self::Session(session)
    }
}

/// A session that the peer has begun, to be accepted or refused. Dropping it refuses it.
#[derive(Debug)]
pub struct OfferedSession {
    session: Session,
}

impl OfferedSession {
    pub(crate) fn new(connection: &Arc<Guard>, key: SessionKey) -> Self {
        Self { session: Session::new(connection, key, true) }
    }

    /// What the peer's begin says.
    pub fn peer_begin(&self) -> Option<Begin> {
        self.session.peer_begin()
    }

    /// Accepts it, with the default options.
    pub fn accept(self) -> Result<Session> {
        self.accept_with(&SessionOptions::new())
    }

    /// Accepts it.
    pub fn accept_with(self, options: &SessionOptions) -> Result<Session> {
        let key = self.session.guard.key;
        self.session.guard.shared().with(|state| {
            if let Some(over) = state.session_over(key) {
                return Err(over);
            }
            if let Ok(mut session) = state.engine.session(key) {
                session.accept(options)?;
            }
            Ok(())
        })?;
        Ok(self.session)
    }

    /// Refuses it, saying why.
    pub fn refuse(self, error: impl Into<amqp_proto::wire::Error>) -> Result<()> {
        self.session.begin_end(Some(error.into()))
    }
}
