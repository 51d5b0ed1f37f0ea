//! How a handler creates links and sessions, and accepts those that the peer wants.

use alloc::boxed::Box;
use alloc::format;

use super::context::Context;
use super::dispatcher::News;
use super::key::{ConnectionKey, LinkKey, ReceiverKey, SenderKey, SessionKey};
use super::link::{EndOptions, LinkState, Wanted, unattached};
use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::machine::{LinkError, SessionError};
use crate::types::{self, Str};

impl Context<'_> {
    /// Creates a link to the node with this address, on the connection's own session.
    ///
    /// The connection need not be open, or made: the link is attached when it is. What cannot be attached is told by
    /// [`on_link_error`](super::Handler::on_link_error).
    pub fn create_sender(&mut self, connection: ConnectionKey, address: impl Into<Str>) -> SenderKey {
        let address = address.into();
        let name = self.name(&address);
        self.create_sender_with(connection, name, &SenderOptions::to(address))
    }

    /// Attaches a sender under a name [2.6.1], as the options say.
    pub fn create_sender_with(
        &mut self,
        connection: ConnectionKey,
        name: impl Into<Str>,
        options: &SenderOptions,
    ) -> SenderKey {
        let wanted = Wanted { name: name.into(), options: EndOptions::Sender(options.clone()) };
        SenderKey(self.create(connection, None, wanted).key())
    }

    /// Attaches a sender on a certain session.
    pub fn create_sender_on(
        &mut self,
        session: SessionKey,
        name: impl Into<Str>,
        options: &SenderOptions,
    ) -> SenderKey {
        let wanted = Wanted { name: name.into(), options: EndOptions::Sender(options.clone()) };
        SenderKey(self.create(session.connection, Some(session.session), wanted).key())
    }

    /// Creates a link from the node with this address; see [`create_sender`](Self::create_sender).
    pub fn create_receiver(&mut self, connection: ConnectionKey, address: impl Into<Str>) -> ReceiverKey {
        let address = address.into();
        let name = self.name(&address);
        self.create_receiver_with(connection, name, &ReceiverOptions::from(address))
    }

    /// Attaches a receiver under a name [2.6.1], as the options say.
    pub fn create_receiver_with(
        &mut self,
        connection: ConnectionKey,
        name: impl Into<Str>,
        options: &ReceiverOptions,
    ) -> ReceiverKey {
        let wanted = Wanted { name: name.into(), options: EndOptions::Receiver(options.clone()) };
        ReceiverKey(self.create(connection, None, wanted).key())
    }

    /// Attaches a receiver on a certain session.
    pub fn create_receiver_on(
        &mut self,
        session: SessionKey,
        name: impl Into<Str>,
        options: &ReceiverOptions,
    ) -> ReceiverKey {
        let wanted = Wanted { name: name.into(), options: EndOptions::Receiver(options.clone()) };
        ReceiverKey(self.create(session.connection, Some(session.session), wanted).key())
    }

    /// Begins a session beside the connection's own; the connection has to be open.
    pub fn create_session(
        &mut self,
        connection: ConnectionKey,
        options: &SessionOptions,
    ) -> Result<SessionKey, SessionError> {
        let live = self.all.live(connection).map_err(|_| SessionError::NotOpen)?;
        live.begin(options).map(|session| SessionKey { connection, session })
    }

    /// Returns a name for a link that has none: no other link of the container has the same.
    fn name(&mut self, address: &Str) -> Str {
        self.all.names += 1;
        format!("{address}-{}", self.all.names).into()
    }

    fn create(
        &mut self,
        connection: ConnectionKey,
        session: Option<types::SessionKey>,
        wanted: Wanted,
    ) -> LinkKey {
        let is_sender = matches!(wanted.options, EndOptions::Sender(_));
        // Its output is to be looked at.
        let _ = self.all.live(connection);
        let (links, entry) = (&mut self.all.links, self.all.connections.get_mut(connection.0));
        let failure = match entry {
            Some(entry) if !entry.is_closing && (entry.is_open || session.is_some()) => {
                match entry.attach(session, &wanted) {
                    Ok(link) => {
                        let key = self.all.attached(connection, link, None);
                        self.all.links.ask(key);
                        return key;
                    }
                    Err(reason) => reason,
                }
            }
            Some(entry) if !entry.is_closing && !entry.is_over => {
                let key = links.insert(connection, is_sender, LinkState::Waiting(Box::new(wanted)));
                entry.waiting.push(key);
                links.ask(key);
                return key;
            }
            _ => unattached(&LinkError::NoSession),
        };
        let key = links.insert(connection, is_sender, LinkState::Failed);
        self.all.news.push_back(News::LinkFailed(key, failure));
        key
    }

    /// Accepts a session about which the handler had not [decided](super::Decision::Later).
    pub fn accept_session(
        &mut self,
        session: SessionKey,
        options: &SessionOptions,
    ) -> Result<(), SessionError> {
        self.session(session).map_err(|_| SessionError::Ended)?.accept(options)?;
        self.all.news.push_back(News::SessionOpened(session));
        Ok(())
    }

    /// Accepts a link about which the handler had not [decided](super::Decision::Later).
    pub fn accept_sender(&mut self, sender: SenderKey, options: &SenderOptions) -> Result<(), LinkError> {
        self.sender(sender).map_err(|_| LinkError::Detached)?.accept_link(options)?;
        self.all.news.push_back(News::LinkOpened(sender.into()));
        Ok(())
    }

    /// Accepts a link about which the handler had not [decided](super::Decision::Later).
    pub fn accept_receiver(
        &mut self,
        receiver: ReceiverKey,
        options: &ReceiverOptions,
    ) -> Result<(), LinkError> {
        self.receiver(receiver).map_err(|_| LinkError::Detached)?.accept_link(options)?;
        self.all.news.push_back(News::LinkOpened(receiver.into()));
        Ok(())
    }
}
