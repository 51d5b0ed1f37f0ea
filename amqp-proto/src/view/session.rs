//! [`SessionMut`]: what can be done with a session.

use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::machine::{EndOptions, Endpoints, LinkError, Session, SessionError, StaleKey};
use crate::types::{ReceiverKey, SenderKey, SessionKey, Str, Symbol};
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
            // One that was ended for a fault stays until the peer ends it, too.
            Some(_) | None => Err(StaleKey),
        }
    }

    fn index(&self) -> u32 {
        self.key.0.index
    }

    fn state(&self) -> Option<&Session> {
        self.endpoints.sessions.get(self.key.0)
    }

    /// Accepts the session, which the peer has begun.
    pub fn accept(&mut self, options: &SessionOptions) -> Result<(), SessionError> {
        self.endpoints.accept_session(self.index(), options)
    }

    /// Attaches a link on which this end sends. Its name is to be unique among the senders of the two containers
    /// [2.6.1]; that of a suspended link attaches that one again, under its old key [2.6.4].
    pub fn attach_sender(
        &mut self,
        name: impl Into<Str>,
        options: &SenderOptions,
    ) -> Result<SenderKey, LinkError> {
        self.endpoints.attach(self.index(), &name.into(), EndOptions::Sender(options)).map(SenderKey)
    }

    /// Attaches a link on which this end receives. Names are unique among receivers, and those of suspended links
    /// attach them again.
    pub fn attach_receiver(
        &mut self,
        name: impl Into<Str>,
        options: &ReceiverOptions,
    ) -> Result<ReceiverKey, LinkError> {
        self.endpoints.attach(self.index(), &name.into(), EndOptions::Receiver(options)).map(ReceiverKey)
    }

    /// Ends the session; [`Event::SessionEnded`](crate::Event::SessionEnded) follows when the peer has answered.
    pub fn end(&mut self) -> Result<(), SessionError> {
        self.endpoints.end(self.index(), None)
    }

    /// Ends the session, or refuses one that the peer has begun, saying why [2.7.8].
    pub fn end_with(&mut self, error: AmqpError) -> Result<(), SessionError> {
        self.endpoints.end(self.index(), Some(error))
    }

    /// Returns whether both ends have begun it and neither has ended it.
    pub fn is_mapped(&self) -> bool {
        self.state().is_some_and(Session::is_mapped)
    }

    /// Returns the peer's begin; `None` before it is in.
    pub fn peer_begin(&self) -> Option<Begin> {
        let octets = bytes::Bytes::copy_from_slice(&self.state()?.begin);
        Begin::decode(&mut { octets }, &self.endpoints.limits).ok()
    }

    /// Returns whether an extension may be used: this end desires it, and the peer offers it [2.7.2].
    pub fn has_extension(&self, name: &Symbol) -> bool {
        self.state().is_some_and(|session| session.desired.contains(name))
            && self.peer_begin().is_some_and(|begin| begin.offered_capabilities.contains(name))
    }

    /// Returns how many transfers the peer may still send, as it was told [2.5.6].
    pub fn incoming_window(&self) -> u32 {
        self.state().map_or(0, |session| session.incoming.left())
    }

    /// Returns how many transfers the peer takes: its incoming-window, less what is on the way [2.5.6].
    pub fn remote_incoming_window(&self) -> u32 {
        self.state().map_or(0, |session| session.outgoing.left())
    }

    /// Returns how many deliveries are unsettled that this end has sent.
    pub fn unsettled_sent(&self) -> u32 {
        self.state().map_or(0, |session| session.sent.live())
    }

    /// Returns how many deliveries are unsettled that this end has received.
    pub fn unsettled_received(&self) -> u32 {
        self.state().and_then(|session| session.received.as_ref()).map_or(0, |ledger| ledger.live())
    }
}
