//! [`Session`]: a sequence of frames of its own.

use std::fmt;
use std::sync::Arc;

use amqp_proto::config::SessionOptions;
use amqp_proto::endpoint::{Error, ReceiverSettings, Result, SenderSettings};
use amqp_proto::types::{SessionKey, Str};
use amqp_proto::wire::{self, Begin};

use crate::connection::Handle;
use crate::link::Home;
use crate::offered::{Offer, OfferedLink};
use crate::receiver_builder::ReceiverBuilder;
use crate::sender_builder::SenderBuilder;
use crate::state::{Life, State, Wish};
use crate::waiters::On;

/// A session of a connection: its links share windows, and an error in one of them may end it. Clones are handles to
/// the same one, for any thread.
///
/// One that this end has begun is ended by [`end`](Self::end), or when the last handle to it, or to a link on it, is
/// dropped.
#[derive(Clone)]
pub struct Session {
    handle: Arc<SessionHandle>,
}

/// What keeps a session.
pub(crate) struct SessionHandle {
    key: SessionKey,
    life: Arc<Life>,
    /// Whether it ends when nobody holds it.
    is_ours: bool,
    connection: Arc<Handle>,
}

impl Session {
    pub(crate) fn begin(connection: &Arc<Handle>, options: &SessionOptions) -> Result<Self> {
        let (key, life) = connection.shared.act(|state| match &state.end {
            Some(ended) => Err(Error::Connection(ended.clone())),
            None => {
                let key = state.connection.begin(options)?;
                Ok((key, state.hold_session(key)))
            }
        })?;
        let session = Self::new(connection, key, life, true);
        connection.shared.wait_reply(On::Session(key), |state| match state.connection.session(key) {
            Ok(session) if session.is_mapped() => Some(Ok(())),
            _ => state.ended(Error::Session, &session.handle.life).map(Err),
        })?;
        Ok(session)
    }

    pub(crate) fn new(connection: &Arc<Handle>, key: SessionKey, life: Arc<Life>, is_ours: bool) -> Self {
        let handle = SessionHandle { key, life, is_ours, connection: Arc::clone(connection) };
        Self { handle: Arc::new(handle) }
    }

    /// A link to the node with this address; to be attached.
    pub fn sender(&self, address: impl Into<Str>) -> SenderBuilder {
        SenderBuilder::new(self.home(), SenderSettings::to(address))
    }

    /// Makes the builder of a link that sends each message to where it is addressed `to`, by a peer that can do that
    /// (the anonymous relay).
    pub fn anonymous_sender(&self) -> SenderBuilder {
        SenderBuilder::new(self.home(), SenderSettings::to_anybody())
    }

    /// A link from the node with this address; to be attached.
    pub fn receiver(&self, address: impl Into<Str>) -> ReceiverBuilder {
        ReceiverBuilder::new(self.home(), ReceiverSettings::from(address))
    }

    /// Makes the builder of a link that receives from a node that the peer makes for it.
    pub fn dynamic_receiver(&self) -> ReceiverBuilder {
        ReceiverBuilder::new(self.home(), ReceiverSettings::from_dynamic())
    }

    fn home(&self) -> Home {
        Home { connection: Arc::clone(&self.handle.connection), session: Some(Arc::clone(&self.handle)) }
    }

    /// Waits for the peer to attach a link; `None` when the session is over without an error.
    pub fn next_link(&self) -> Result<Option<OfferedLink>> {
        let SessionHandle { key, life, connection, .. } = &*self.handle;
        let look = |state: &mut State| {
            let at = state.offers.iter().position(|wish| matches!(wish, Wish::Link(_, on) if on == key));
            match at.and_then(|at| state.offers.remove(at)) {
                Some(wish) => Some(Ok(wish)),
                None => state.ended(Error::Session, life).map(Err),
            }
        };
        let wish = connection.shared.wait(On::Offer, None, look).unwrap_or(Err(Error::TimedOut));
        let offer = wish.map(|wish| Some(Offer::new(connection, wish))).or_else(Error::or_end)?;
        Ok(match offer {
            Some(Offer::Link(link)) => Some(link),
            _ => None,
        })
    }

    /// What the peer's begin says; `None` once the session is over.
    pub fn peer_begin(&self) -> Option<Begin> {
        let key = self.handle.key;
        self.handle.connection.shared.act(|state| state.connection.session(key).ok()?.peer_begin())
    }

    /// Ends the session, and waits until the peer has answered. Ok if it was over before without an error.
    pub fn end(&self) -> Result<()> {
        self.end_by(None)
    }

    /// The same, saying why.
    pub fn end_with(&self, error: impl Into<wire::Error>) -> Result<()> {
        self.end_by(Some(error.into()))
    }

    fn end_by(&self, error: Option<wire::Error>) -> Result<()> {
        let SessionHandle { key, life, connection, .. } = &*self.handle;
        let is_ours = connection.shared.act(|state| state.end_session(*key, error));
        connection.shared.wait_reply(On::Session(*key), |state| {
            let error = state.ended(Error::Session, life)?;
            let is_clean = is_ours && life.is_over() || error.condition().is_none();
            Some(if is_clean { Ok(()) } else { Err(error) })
        })
    }
}

impl SessionHandle {
    /// The key, unless the session is over.
    pub(crate) fn key(&self, state: &State) -> Result<SessionKey> {
        state.ended(Error::Session, &self.life).map_or(Ok(self.key), Err)
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        self.connection.shared.act(|state| {
            if self.is_ours && !self.life.is_over() {
                state.end_session(self.key, None);
            }
        });
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.handle.key)
    }
}
