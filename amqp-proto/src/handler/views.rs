//! What a handler can look at.

use super::context::Context;
use super::key::{ConnectionKey, DeliveryKey, LinkKey, ReceiverKey, SenderKey, SessionKey};
use crate::connection::Connection;
use crate::machine::StaleKey;
use crate::types::{self, Str};
use crate::view::{DeliveryRef, ReceiverMut, SenderMut, SessionMut};
use crate::wire::{Attach, Terminus};

impl Context<'_> {
    /// Returns the connection of a link.
    pub fn connection_of(&self, link: impl Into<LinkKey>) -> Result<ConnectionKey, StaleKey> {
        self.all.links.get(link.into()).map(|link| link.connection).ok_or(StaleKey)
    }

    /// Returns the address of the node that a link's messages come from, as the peer has said: of a dynamic node,
    /// the one that it was given [3.5.3].
    pub fn source_address(&mut self, link: impl Into<LinkKey>) -> Option<Str> {
        self.peer_attach(link.into())?.source?.address
    }

    /// Returns the address of the node that a link's messages go to, as the peer has said [3.5.4].
    pub fn target_address(&mut self, link: impl Into<LinkKey>) -> Option<Str> {
        match *self.peer_attach(link.into())?.target? {
            Terminus::Target(target) => target.address,
            Terminus::Coordinator(_) | Terminus::Other(_) => None,
        }
    }

    fn peer_attach(&mut self, link: LinkKey) -> Option<Attach> {
        match link {
            LinkKey::Sender(key) => self.sender(key).ok()?.peer_attach(),
            LinkKey::Receiver(key) => self.receiver(key).ok()?.peer_attach(),
        }
    }

    /// Returns a connection, with all that can be done and known of it. [`StaleKey`] also while it is being made.
    pub fn connection(&mut self, connection: ConnectionKey) -> Result<&mut Connection, StaleKey> {
        self.all.live(connection)
    }

    /// Returns a session.
    pub fn session(&mut self, session: SessionKey) -> Result<SessionMut<'_>, StaleKey> {
        self.all.live(session.connection)?.session(session.session)
    }

    /// Returns a link on which this end sends. [`StaleKey`] also while it waits for its connection.
    pub fn sender(&mut self, sender: SenderKey) -> Result<SenderMut<'_>, StaleKey> {
        let connection = self.connection_of(sender)?;
        match self.all.links.attached(sender.into()) {
            Some(types::LinkKey::Sender(link)) => self.all.live(connection)?.sender(link),
            _ => Err(StaleKey),
        }
    }

    /// Returns a link on which this end receives. [`StaleKey`] also while it waits for its connection.
    pub fn receiver(&mut self, receiver: ReceiverKey) -> Result<ReceiverMut<'_>, StaleKey> {
        let connection = self.connection_of(receiver)?;
        match self.all.links.attached(receiver.into()) {
            Some(types::LinkKey::Receiver(link)) => self.all.live(connection)?.receiver(link),
            _ => Err(StaleKey),
        }
    }

    /// Returns a view of a delivery that is not settled. [`StaleKey`] also while it waits to be sent.
    pub fn delivery(&mut self, delivery: DeliveryKey) -> Result<DeliveryRef<'_>, StaleKey> {
        let known = self.all.known(delivery).ok_or(StaleKey)?;
        self.all.live(delivery.connection)?.delivery(known)
    }
}
