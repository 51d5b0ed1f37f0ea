//! The creation of links and sessions by a handler, and the acceptance of those of the peer.

use alloc::boxed::Box;
use alloc::format;

use super::context::Context;
use super::dispatcher::News;
use super::link::{AttachState, LinkOptions, Wanted, unattached};
use super::token::{ConnectionToken, LinkToken, ReceiverToken, SenderToken, SessionToken};
use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::machine::{LinkError, SessionError};
use crate::policy::Recovery;
use crate::types::{self, Str};

impl Context<'_> {
    /// Creates a link to the node with this address, on the connection's own session.
    ///
    /// The link is attached when the connection is open. [`on_link_error`](super::Handler::on_link_error)
    /// reports a link that cannot be attached.
    pub fn create_sender(&mut self, connection: ConnectionToken, address: impl Into<Str>) -> SenderToken {
        let address = address.into();
        let name = self.name(&address);
        self.create_sender_with(connection, name, SenderOptions::to(address))
    }

    /// Creates a sender with this name [2.6.1] and options.
    pub fn create_sender_with(
        &mut self,
        connection: ConnectionToken,
        name: impl Into<Str>,
        options: SenderOptions,
    ) -> SenderToken {
        let wanted =
            Wanted { name: name.into(), options: LinkOptions::Sender(options), recovery: Recovery::Report };
        SenderToken(self.create(connection, None, wanted).key())
    }

    /// Creates a sender whose messages without an outcome outlive their connection, if the container opens it again.
    ///
    /// With [`Recovery::Replay`] they are sent again, and with [`Recovery::Resume`] the link is resumed and each goes on
    /// where it was. Their tokens stay the same, and each outcome is reported once. Such a sender keeps as many octets of
    /// messages as its queue may have.
    pub fn create_sender_with_recovery(
        &mut self,
        connection: ConnectionToken,
        name: impl Into<Str>,
        options: SenderOptions,
        recovery: Recovery,
    ) -> SenderToken {
        let wanted = Wanted { name: name.into(), options: LinkOptions::Sender(options), recovery };
        SenderToken(self.create(connection, None, wanted).key())
    }

    /// Creates a sender on a session.
    pub fn create_sender_on(
        &mut self,
        session: SessionToken,
        name: impl Into<Str>,
        options: SenderOptions,
    ) -> SenderToken {
        let wanted =
            Wanted { name: name.into(), options: LinkOptions::Sender(options), recovery: Recovery::Report };
        SenderToken(self.create(session.connection, Some(session.session), wanted).key())
    }

    /// Creates a link from the node with this address; see [`create_sender`](Self::create_sender).
    pub fn create_receiver(&mut self, connection: ConnectionToken, address: impl Into<Str>) -> ReceiverToken {
        let address = address.into();
        let name = self.name(&address);
        self.create_receiver_with(connection, name, ReceiverOptions::from(address))
    }

    /// Creates a receiver with this name [2.6.1] and options.
    pub fn create_receiver_with(
        &mut self,
        connection: ConnectionToken,
        name: impl Into<Str>,
        options: ReceiverOptions,
    ) -> ReceiverToken {
        let wanted =
            Wanted { name: name.into(), options: LinkOptions::Receiver(options), recovery: Recovery::Report };
        ReceiverToken(self.create(connection, None, wanted).key())
    }

    /// Creates a receiver whose deliveries outlive their connection with [`Recovery::Resume`], if the container opens it
    /// again and the peer keeps them. Their tokens stay the same, and an outcome can be told while the connection is away.
    pub fn create_receiver_with_recovery(
        &mut self,
        connection: ConnectionToken,
        name: impl Into<Str>,
        options: ReceiverOptions,
        recovery: Recovery,
    ) -> ReceiverToken {
        let wanted = Wanted { name: name.into(), options: LinkOptions::Receiver(options), recovery };
        ReceiverToken(self.create(connection, None, wanted).key())
    }

    /// Creates a receiver on a session.
    pub fn create_receiver_on(
        &mut self,
        session: SessionToken,
        name: impl Into<Str>,
        options: ReceiverOptions,
    ) -> ReceiverToken {
        let wanted =
            Wanted { name: name.into(), options: LinkOptions::Receiver(options), recovery: Recovery::Report };
        ReceiverToken(self.create(session.connection, Some(session.session), wanted).key())
    }

    /// Begins another session on an open connection.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotOpen`] if the connection is not open, [`SessionError::Channels`] if the peer
    /// accepts no more sessions, [`SessionError::TooLarge`] if the begin does not fit in a frame.
    pub fn create_session(
        &mut self,
        connection: ConnectionToken,
        options: SessionOptions,
    ) -> Result<SessionToken, SessionError> {
        let live = self.all.live(connection).map_err(|_| SessionError::NotOpen)?;
        live.begin(options).map(|session| SessionToken { connection, session })
    }

    /// Returns a name for a link, unique in the container.
    fn name(&mut self, address: &Str) -> Str {
        self.all.names += 1;
        format!("{address}-{}", self.all.names).into()
    }

    fn create(
        &mut self,
        connection: ConnectionToken,
        session: Option<types::SessionKey>,
        wanted: Wanted,
    ) -> LinkToken {
        let is_sender = matches!(wanted.options, LinkOptions::Sender(_));
        let recipe = self.all.recipe(connection, &wanted).filter(|_| session.is_none());
        // Marks the connection, whose output must be written.
        let _ = self.all.live(connection);
        let (links, entry) = (&mut self.all.links, self.all.connections.get_mut(connection.0));
        let failure = match entry {
            Some(entry) if !entry.is_closing && (entry.is_open || session.is_some()) => {
                match entry.attach(session, wanted, None) {
                    Ok(link) => {
                        let key = self.all.attached(connection, link, None);
                        self.all.links.ask(key, recipe);
                        return key;
                    }
                    Err(reason) => reason,
                }
            }
            Some(entry) if !entry.is_closing && !entry.is_over => {
                let key = links.insert(connection, is_sender, AttachState::Waiting(Box::new(wanted)));
                entry.waiting.push(key);
                links.ask(key, None);
                return key;
            }
            _ => unattached(&LinkError::NoSession),
        };
        let key = links.insert(connection, is_sender, AttachState::Failed);
        self.all.news.push_back(News::LinkFailed(key, failure));
        key
    }

    /// Accepts a session after the decision [`Later`](super::Decision::Later).
    ///
    /// # Errors
    ///
    /// [`SessionError::NotOffered`] if the session is already accepted, [`SessionError::Ended`] if it no
    /// longer exists, or another [`SessionError`] if it cannot be accepted.
    pub fn accept_session(
        &mut self,
        session: SessionToken,
        options: SessionOptions,
    ) -> Result<(), SessionError> {
        self.session(session).map_err(|_| SessionError::Ended)?.accept(options)?;
        self.all.news.push_back(News::SessionOpened(session));
        Ok(())
    }

    /// Accepts a link on which this end sends, after the decision [`Later`](super::Decision::Later).
    ///
    /// # Errors
    ///
    /// [`LinkError::NotOffered`] if the link is already accepted, [`LinkError::Detached`] if it no longer
    /// exists, or another [`LinkError`] if it cannot be accepted.
    pub fn accept_sender(&mut self, sender: SenderToken, options: SenderOptions) -> Result<(), LinkError> {
        self.sender(sender).map_err(|_| LinkError::Detached)?.accept_link(options.with_resumable(false))?;
        self.all.news.push_back(News::LinkOpened(sender.into()));
        Ok(())
    }

    /// Accepts a link on which this end receives, after the decision [`Later`](super::Decision::Later).
    ///
    /// # Errors
    ///
    /// As [`accept_sender`](Self::accept_sender).
    pub fn accept_receiver(
        &mut self,
        receiver: ReceiverToken,
        options: ReceiverOptions,
    ) -> Result<(), LinkError> {
        self.receiver(receiver)
            .map_err(|_| LinkError::Detached)?
            .accept_link(options.with_resumable(false))?;
        self.all.news.push_back(News::LinkOpened(receiver.into()));
        Ok(())
    }
}
