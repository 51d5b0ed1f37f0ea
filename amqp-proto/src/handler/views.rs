//! The views that a handler has of its objects.

use super::context::Context;
use super::token::{ConnectionToken, DeliveryToken, LinkToken, ReceiverToken, SenderToken, SessionToken};
use crate::connection::Connection;
use crate::machine::StaleKey;
use crate::types::{self, Str};
use crate::view::{DeliveryRef, ReceiverMut, SenderMut, SessionMut};
use crate::wire::{Attach, Terminus};

impl Context<'_> {
    /// Returns the connection of a link.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the link no longer exists.
    pub fn connection_of(&self, link: impl Into<LinkToken>) -> Result<ConnectionToken, StaleKey> {
        self.all.links.get(link.into()).map(|link| link.connection).ok_or(StaleKey)
    }

    /// Returns the address of a link's source in the peer's attach; for a dynamic node, the address that the
    /// peer has given it [3.5.3].
    pub fn source_address(&mut self, link: impl Into<LinkToken>) -> Option<Str> {
        self.peer_attach(link.into())?.source?.address
    }

    /// Returns the address of a link's target in the peer's attach [3.5.4].
    pub fn target_address(&mut self, link: impl Into<LinkToken>) -> Option<Str> {
        match *self.peer_attach(link.into())?.target? {
            Terminus::Target(target) => target.address,
            Terminus::Coordinator(_) | Terminus::Other(_) => None,
        }
    }

    fn peer_attach(&mut self, link: LinkToken) -> Option<Attach> {
        match link {
            LinkToken::Sender(key) => self.sender(key).ok()?.peer_attach(),
            LinkToken::Receiver(key) => self.receiver(key).ok()?.peer_attach(),
        }
    }

    /// Returns a connection.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the connection is not made yet or no longer exists.
    pub fn connection(&mut self, connection: ConnectionToken) -> Result<&mut Connection, StaleKey> {
        self.all.live(connection)
    }

    /// Returns a view of a session.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the session no longer exists.
    pub fn session(&mut self, session: SessionToken) -> Result<SessionMut<'_>, StaleKey> {
        self.all.live(session.connection)?.session(session.session)
    }

    /// Returns a view of a link on which this end sends.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the link is not attached yet or no longer exists.
    pub fn sender(&mut self, sender: SenderToken) -> Result<SenderMut<'_>, StaleKey> {
        let connection = self.connection_of(sender)?;
        match self.all.links.attached(sender.into()) {
            Some(types::LinkKey::Sender(link)) => self.all.live(connection)?.sender(link),
            _ => Err(StaleKey),
        }
    }

    /// Returns a view of a link on which this end receives.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the link is not attached yet or no longer exists.
    pub fn receiver(&mut self, receiver: ReceiverToken) -> Result<ReceiverMut<'_>, StaleKey> {
        let connection = self.connection_of(receiver)?;
        match self.all.links.attached(receiver.into()) {
            Some(types::LinkKey::Receiver(link)) => self.all.live(connection)?.receiver(link),
            _ => Err(StaleKey),
        }
    }

    /// Returns a view of an unsettled delivery.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the delivery is not sent yet, is settled, or no longer exists.
    pub fn delivery(&mut self, delivery: DeliveryToken) -> Result<DeliveryRef<'_>, StaleKey> {
        let known = self.all.known(delivery).ok_or(StaleKey)?;
        self.all.live(delivery.connection)?.delivery(known)
    }
}
