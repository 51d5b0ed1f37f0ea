//! [`SessionMut`]: the commands of a session.

use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::machine::{EndOptions, Endpoints, LinkError, LinkState, Session, SessionError, StaleKey};
use crate::types::{ReceiverKey, SenderKey, SessionIx, SessionKey, Str, Symbol};
use crate::wire::{AmqpError, Begin};

/// A session of a connection.
#[derive(Debug)]
pub struct SessionMut<'a> {
    endpoints: &'a mut Endpoints,
    key: SessionKey,
}

impl<'a> SessionMut<'a> {
    pub(crate) fn new(endpoints: &'a mut Endpoints, key: SessionKey) -> Result<Self, StaleKey> {
        match endpoints.sessions.get(key.0) {
            Some(session) if !session.is_polled => Ok(Self { endpoints, key }),
            // A session that was ended for a fault stays until the peer ends it, too.
            Some(_) | None => Err(StaleKey),
        }
    }

    fn index(&self) -> SessionIx {
        self.key.0.index
    }

    fn state(&self) -> Option<&Session> {
        self.endpoints.sessions.get(self.key.0)
    }

    /// Accepts a session that the peer has begun.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotOffered`] if the peer has not begun the session or it is already accepted,
    /// [`SessionError::NotOpen`], [`SessionError::Channels`], or [`SessionError::TooLarge`].
    pub fn accept(&mut self, options: SessionOptions) -> Result<(), SessionError> {
        self.endpoints.accept_session(self.index(), &options)
    }

    /// Attaches a link on which this end sends.
    ///
    /// The name must be unique among the senders of the two containers [2.6.1]. The name of a suspended link
    /// attaches that link again, and returns its key [2.6.4].
    ///
    /// # Errors
    ///
    /// [`LinkError::NameInUse`] if a link with this name is attached, [`LinkError::Limit`] or
    /// [`LinkError::Handles`] if there are too many links, [`LinkError::NoSession`] if the session is over,
    /// [`LinkError::TooLarge`] if the attach does not fit in a frame.
    ///
    /// # Examples
    ///
    /// The example of [`Connection`](crate::Connection) attaches a sender.
    pub fn attach_sender(
        &mut self,
        name: impl Into<Str>,
        options: SenderOptions,
    ) -> Result<SenderKey, LinkError> {
        self.endpoints.attach(self.index(), &name.into(), EndOptions::Sender(&options), None).map(SenderKey)
    }

    /// Attaches a link on which this end receives.
    ///
    /// The name must be unique among the receivers of the two containers [2.6.1]. The name of a suspended
    /// link attaches that link again, and returns its key [2.6.4].
    ///
    /// # Errors
    ///
    /// As [`attach_sender`](Self::attach_sender).
    pub fn attach_receiver(
        &mut self,
        name: impl Into<Str>,
        options: ReceiverOptions,
    ) -> Result<ReceiverKey, LinkError> {
        let options = EndOptions::Receiver(&options);
        self.endpoints.attach(self.index(), &name.into(), options, None).map(ReceiverKey)
    }

    /// Attaches a link on which this end sends, and resumes its unsettled deliveries [2.6.13].
    ///
    /// The link has the name in the state. [`Event::Resumed`](crate::Event::Resumed) and
    /// [`Event::Unresumed`](crate::Event::Unresumed) report each delivery by its tag, once the receiver has granted
    /// credit. New messages can be sent afterwards.
    ///
    /// # Errors
    ///
    /// As [`attach_sender`](Self::attach_sender); also [`LinkError::OtherLink`] if the state is that of a receiver
    /// or leads to another address, [`LinkError::Coordinator`], and [`LinkError::Limit`] if the state exceeds the
    /// limits.
    pub fn resume_sender(
        &mut self,
        state: LinkState,
        options: SenderOptions,
    ) -> Result<SenderKey, LinkError> {
        let name = state.name.clone();
        let options = options.with_resumable(true);
        let options = EndOptions::Sender(&options);
        self.endpoints.attach(self.index(), &name, options, Some(state)).map(SenderKey)
    }

    /// Attaches a link on which this end receives, and resumes its unsettled deliveries [2.6.13].
    ///
    /// The link has the name in the state. Messages that were received before are not reported again;
    /// [`Event::Resumed`](crate::Event::Resumed) tells their new keys.
    ///
    /// # Errors
    ///
    /// As [`resume_sender`](Self::resume_sender).
    pub fn resume_receiver(
        &mut self,
        state: LinkState,
        options: ReceiverOptions,
    ) -> Result<ReceiverKey, LinkError> {
        let name = state.name.clone();
        let options = options.with_resumable(true);
        let options = EndOptions::Receiver(&options);
        self.endpoints.attach(self.index(), &name, options, Some(state)).map(ReceiverKey)
    }

    /// Ends the session. [`Event::SessionEnded`](crate::Event::SessionEnded) follows when the peer has
    /// answered.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] if the session has ended, [`SessionError::NotOpen`] if the connection is not
    /// open.
    pub fn end(&mut self) -> Result<(), SessionError> {
        self.endpoints.end(self.index(), None)
    }

    /// Ends the session with an error for the peer, or refuses a session that the peer has begun [2.7.8].
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end); also [`SessionError::Channels`] and [`SessionError::TooLarge`] when refusing.
    pub fn end_with(&mut self, error: AmqpError) -> Result<(), SessionError> {
        self.endpoints.end(self.index(), Some(error))
    }

    /// Returns `true` if both ends have begun the session and neither has ended it.
    pub fn is_mapped(&self) -> bool {
        self.state().is_some_and(Session::is_mapped)
    }

    /// Returns the peer's begin, or `None` before it has arrived.
    pub fn peer_begin(&self) -> Option<Begin> {
        let octets = bytes::Bytes::copy_from_slice(&self.state()?.begin);
        Begin::decode(&mut { octets }, &self.endpoints.limits).ok()
    }

    /// Returns `true` if an extension may be used: this end desires it and the peer offers it [2.7.2].
    pub fn has_extension(&self, name: &Symbol) -> bool {
        self.state().is_some_and(|session| session.desired.contains(name))
            && self.peer_begin().is_some_and(|begin| begin.offered_capabilities.contains(name))
    }

    /// Returns the number of transfers that the peer may still send, as last announced to it [2.5.6].
    pub fn incoming_window(&self) -> u32 {
        self.state().map_or(0, |session| session.incoming.left())
    }

    /// Returns the number of transfers that the peer accepts: its incoming-window minus the transfers on the
    /// way [2.5.6].
    pub fn remote_incoming_window(&self) -> u32 {
        self.state().map_or(0, |session| session.outgoing.left())
    }

    /// Returns the number of the next delivery that this end sends, and of the next that it receives.
    #[cfg_attr(not(feature = "driver"), allow(dead_code))]
    pub(crate) fn next_numbers(&self) -> (u64, u64) {
        let Some(session) = self.state() else { return (0, 0) };
        (session.sent.next(), session.received.as_ref().map_or(0, |ledger| ledger.next()))
    }

    /// Returns the number of unsettled deliveries that this end has sent.
    pub fn unsettled_sent(&self) -> u32 {
        self.state().map_or(0, |session| session.sent.live())
    }

    /// Returns the number of unsettled deliveries that this end has received.
    pub fn unsettled_received(&self) -> u32 {
        self.state().and_then(|session| session.received.as_ref()).map_or(0, |ledger| ledger.live())
    }
}
