//! The begin and the end of sessions [2.5.1-2.5.5].

use alloc::boxed::Box;
use bytes::BytesMut;

use super::Session;
use crate::config::SessionOptions;
use crate::machine::command_error::SessionError;
use crate::machine::delivery::Ledger;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::{ConnectionFault, SessionFault};
use crate::machine::halves::Half;
use crate::machine::reason::Reason;
use crate::types::{Handle, Key, SessionIx, SessionKey};
use crate::wire::{AmqpError, Begin, End};

/// The announced outgoing-window: this end does not limit itself.
pub(super) const OUTGOING_WINDOW: u32 = i32::MAX.cast_unsigned();

impl Endpoints {
    /// Begins a session.
    pub(crate) fn begin(&mut self, options: &SessionOptions) -> Result<Key<SessionIx>, SessionError> {
        if !self.is_open || self.leaving.is_some() {
            return Err(SessionError::NotOpen);
        }
        let channel = self.take_channel()?;
        let Some(key) = self.add_session(options) else {
            self.own_channels.give_back(channel.into());
            return Err(SessionError::Channels);
        };
        if let Err(error) = self.send_begin(key.index, channel, options) {
            self.own_channels.give_back(channel.into());
            self.sessions.remove(key);
            return Err(error);
        }
        self.unanswered.insert(channel.into(), key.index);
        #[cfg(feature = "tracing")]
        self.spans.begin(SessionKey(key), channel);
        Ok(key)
    }

    /// Accepts a session that the peer has begun.
    pub(crate) fn accept_session(
        &mut self,
        index: SessionIx,
        options: &SessionOptions,
    ) -> Result<(), SessionError> {
        if !self.is_open {
            return Err(SessionError::NotOpen);
        }
        let limits = self.limits.clone();
        match self.sessions.at(index) {
            Some(session) if session.local == Half::Unopened && session.remote == Half::Open => {}
            _ => return Err(SessionError::NotOffered),
        }
        let channel = self.take_channel()?;
        if let Some(session) = self.sessions.at(index) {
            session.set_options(options, &limits);
        }
        self.send_begin(index, channel, options)
            .inspect_err(|_| self.own_channels.give_back(channel.into()))?;
        self.answer_all_withdrawn(index);
        // A flow that the peer requested before this begin is still owed (S-FLOW-03).
        if self.sessions.at(index).is_some_and(|session| session.flow_due) {
            self.session_due(index);
        }
        Ok(())
    }

    /// Ends a session, or refuses one that the peer has begun. Without an error, waits until complete
    /// deliveries are written.
    pub(crate) fn end(&mut self, index: SessionIx, error: Option<AmqpError>) -> Result<(), SessionError> {
        if !self.is_open {
            return Err(SessionError::NotOpen);
        }
        match self.sessions.at(index) {
            Some(session) if session.local != Half::Ended => {}
            _ => return Err(SessionError::Ended),
        }
        if error.is_none() && self.end_later(index) {
            return Ok(());
        }
        if error.is_none() && self.unfinished_on(index).is_some() {
            return Err(SessionError::Ended);
        }
        self.write_dispositions(index);
        self.send_end(index, error.as_ref());
        let Some(session) = self.sessions.at(index) else { return Err(SessionError::Ended) };
        session.reason = Some(Box::new(Reason::local(error)));
        Ok(())
    }

    /// Ends a session for a fault of the peer, and ignores later frames on it [2.5.4].
    #[cold]
    pub(crate) fn fail_session(&mut self, index: SessionIx, fault: &SessionFault) {
        let error = AmqpError::from(fault.clone());
        self.write_dispositions(index);
        self.send_end(index, Some(&error));
        if let Some(session) = self.sessions.at(index) {
            session.discards = true;
        }
        self.tell_session_end(index, Reason::local(Some(error)));
    }

    /// Adds a session; `None` if there are too many.
    #[inline(never)] // for sessions of both ends
    fn add_session(&mut self, options: &SessionOptions) -> Option<Key<SessionIx>> {
        self.sessions.insert(|key| Session::new(key, options, &self.limits))
    }

    fn take_channel(&mut self) -> Result<u16, SessionError> {
        let channel = self.own_channels.take(self.channel_max.into()).ok_or(SessionError::Channels)?;
        u16::try_from(channel).map_err(|_| SessionError::Channels)
    }

    fn send_begin(
        &mut self,
        index: SessionIx,
        channel: u16,
        options: &SessionOptions,
    ) -> Result<(), SessionError> {
        let Some(key) = self.sessions.key(index) else { return Err(SessionError::Ended) };
        let window = self.open_window(key);
        let Some(session) = self.sessions.at(index) else { return Err(SessionError::Ended) };
        let mut begin = Begin::new(session.outgoing.next_id(), window, OUTGOING_WINDOW);
        // An answer has the channel of the begin that it answers (S-BEG-01).
        begin.remote_channel = (session.remote != Half::Unopened).then_some(session.remote_channel);
        begin.handle_max = Handle::new(self.limits.handle_max());
        begin.offered_capabilities = options.offered_capabilities.clone();
        begin.desired_capabilities = options.desired_capabilities.clone();
        begin.properties = options.properties.clone();
        self.fx.send(channel, &begin).map_err(SessionError::TooLarge)?;
        session.channel = channel;
        session.desired = options.desired_capabilities.to_vec().into_boxed_slice();
        session.local = Half::Open;
        Ok(())
    }

    /// Sends an end, after the begin if that was not sent.
    fn send_end(&mut self, index: SessionIx, error: Option<&AmqpError>) {
        let owes_begin = self.sessions.at(index).is_some_and(|session| session.local == Half::Unopened);
        if owes_begin {
            let begun = self
                .take_channel()
                .and_then(|channel| self.send_begin(index, channel, &SessionOptions::new()));
            if begun.is_err() {
                // All of the peer's channels are in use: the peer learns of the end when the connection
                // closes.
                return;
            }
        }
        let Some(session) = self.sessions.at(index).filter(|session| session.local == Half::Open) else {
            return;
        };
        session.local = Half::Ended;
        let (channel, is_free) = (session.channel, session.remote == Half::Ended);
        self.fx.send_error(channel, error, |error| End { error });
        if is_free {
            self.own_channels.give_back(channel.into());
        }
    }

    /// Handles a begin, which offers a session or answers a begin of this end [2.5.1] [2.7.2].
    pub(crate) fn on_begin(&mut self, channel: u16, begin: Begin) -> Result<(), ConnectionFault> {
        if channel > self.limits.channel_max() {
            return Err(ConnectionFault::ChannelMax(channel));
        }
        if self.channels.get(channel.into()).is_some() {
            return Err(ConnectionFault::ChannelInUse(channel));
        }
        if !self.is_open {
            // This end has closed the connection, so the session would never be answered.
            return Ok(());
        }
        let index = match begin.remote_channel {
            Some(own) => {
                let index = self.unanswered.get(own.into()).ok_or(ConnectionFault::RemoteChannel(own))?;
                self.unanswered.remove(own.into());
                index
            }
            None => {
                self.check_session()?;
                let key = self.add_session(&SessionOptions::new());
                key.ok_or(ConnectionFault::ChannelMax(channel))?.index
            }
        };
        let Some(session) = self.sessions.at(index) else { return Ok(()) };
        session.remote = Half::Open;
        session.remote_channel = channel;
        session.knows_begin = begin.remote_channel.is_some();
        session.handle_max = begin.handle_max.get();
        session.incoming.start(begin.next_outgoing_id);
        session.outgoing.start(begin.incoming_window);
        let mut octets = BytesMut::new();
        // The begin is kept in encoded form. A decoded begin can always be encoded.
        let _ = begin.encode(&mut octets);
        session.begin = octets.to_vec().into_boxed_slice();
        let key = SessionKey(session.key);
        let event = match session.local {
            Half::Unopened => Some(Event::SessionOffered(key)),
            Half::Open => Some(Event::SessionBegun(key)),
            // This end has ended the session, and waits for the peer's end.
            Half::Ended => None,
        };
        self.channels.insert(channel.into(), index);
        self.fx.tell_any(event);
        Ok(())
    }

    /// Handles an end [2.5.2] [2.5.3].
    pub(crate) fn on_end(&mut self, index: SessionIx, end: End) {
        let Some(session) = self.sessions.at(index) else { return };
        session.remote = Half::Ended;
        let (channel, is_ours) = (session.remote_channel, session.local == Half::Ended);
        let (own_channel, is_told) = (session.channel, session.discards);
        let ours = session.reason.take();
        self.channels.remove(channel.into());
        if is_ours {
            // Both ends have ended it (S-END-01).
            self.own_channels.give_back(own_channel.into());
        }
        // An end for a fault was reported, although there may have been no channel to send it on.
        if is_ours || is_told {
            if let Some(reason) = ours {
                self.tell_session_end(index, *reason);
            } else {
                self.drop_session(index);
            }
            return;
        }
        self.write_dispositions(index);
        self.send_end(index, None);
        self.tell_session_end(index, Reason::remote(end.error));
    }

    /// Reports the end of a session, after the ends of its links and deliveries.
    fn tell_session_end(&mut self, index: SessionIx, reason: Reason) {
        let Some(session) = self.sessions.at(index) else { return };
        let key = session.key;
        session.reason = None;
        session.is_told = true;
        let links = core::mem::take(&mut session.links);
        for link in links {
            self.end_link_of_session(link, &reason);
        }
        self.fx.tell(Event::SessionEnded { session: SessionKey(key), reason: Box::new(reason) });
    }

    /// Ends all sessions with the connection [2.5.2].
    pub(crate) fn end_all(&mut self, reason: &Reason) {
        let keys: alloc::vec::Vec<_> = self.sessions.keys().collect();
        for key in keys {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            session.local = Half::Ended;
            session.remote = Half::Ended;
            session.discards = true;
            let own = session.reason.take();
            if session.is_told {
                self.drop_session(key.index);
            } else {
                self.tell_session_end(key.index, own.map_or_else(|| reason.brief(), |own| *own));
            }
        }
    }

    /// Forgets a session whose end the application has polled.
    pub(crate) fn forget_session(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key.0) {
            session.is_polled = true;
            self.drop_session(key.0.index);
        }
    }

    /// Removes a session that has ended at both ends and whose end was polled.
    fn drop_session(&mut self, index: SessionIx) {
        let Some(session) = self.sessions.at(index) else { return };
        if session.is_polled && session.remote == Half::Ended {
            let key = session.key;
            self.totals.deliveries_sent += session.sent.begun();
            self.totals.deliveries_received += session.received.as_ref().map_or(0, Ledger::begun);
            self.sessions.remove(key);
            if self.memory.has_closed {
                self.open_windows();
            }
        }
    }
}
