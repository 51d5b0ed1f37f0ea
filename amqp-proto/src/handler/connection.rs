//! [`Entry`]: a connection of a container.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::aliases::Aliases;
use super::link::{EndState, Links, Wanted, unattached, unbegun};
use super::lost::Reopening;
use super::token::LinkToken;
use super::transactions::Transactions;
use crate::config::SessionOptions;
use crate::connection::Connection;
use crate::machine::{LinkError, LinkState, Reason, SessionError};
use crate::policy::Recovery;
use crate::types::{self, Index, Key, Moment};

/// A connection, and the container's records about it.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// `None` until the connection is made.
    pub(super) connection: Option<Connection>,
    /// The session of links without a session of their own, once it is begun.
    session: Option<types::SessionKey>,
    /// Links to be attached when the connection is open.
    pub(super) waiting: Vec<LinkToken>,
    /// The handler's tokens of links, by their index in the connection.
    places: Vec<Option<Key>>,
    /// Suspended links.
    suspended: Vec<LinkToken>,
    /// Sessions that the handler has ended or refused.
    pub(super) ended: BTreeMap<types::SessionKey, EndState>,
    pub(super) told: Told,
    /// Deliveries that were queued before they were sent.
    pub(super) aliases: Aliases,
    /// Transactions that the handler has declared.
    pub(super) transactions: Transactions,
    pub(super) is_dirty: bool,
    pub(super) is_changed: bool,
    /// `true` if the peer has connected: an error concerns only this client.
    pub(super) is_taken: bool,
    /// `true` if the handler has closed the connection.
    pub(super) is_closing: bool,
    /// `true` if both ends have opened the connection, and it is not over.
    pub(super) is_open: bool,
    /// `true` if the handler knows that the connection is over.
    pub(super) is_over: bool,
    /// Says whether it is opened again when it is lost.
    pub(super) reopening: Reopening,
    /// True if it was open before.
    pub(super) was_open: bool,
    /// The deadline that was last recorded.
    pub(super) deadline: Option<Moment>,
}

impl Entry {
    /// Returns the entry of a connection that the peer has made.
    pub(super) fn taken(connection: Connection) -> Self {
        Self { connection: Some(connection), is_taken: true, ..Self::default() }
    }

    /// Returns the session of links without a session of their own.
    #[allow(clippy::result_large_err)] // once a link, and never on the way of a message
    pub(super) fn default_session(&mut self) -> Result<types::SessionKey, Reason> {
        if let Some(session) = self.session {
            return Ok(session);
        }
        let connection = self.connection.as_mut().ok_or_else(|| unbegun(&SessionError::NotOpen))?;
        let session = connection.begin(SessionOptions::new()).map_err(|error| unbegun(&error))?;
        self.session = Some(session);
        Ok(session)
    }

    /// Attaches a link for the handler, with the state that it is resumed with.
    #[allow(clippy::result_large_err)]
    pub(super) fn attach(
        &mut self,
        session: Option<types::SessionKey>,
        wanted: Wanted,
        state: Option<LinkState>,
    ) -> Result<types::LinkKey, Reason> {
        let session = match session {
            Some(session) => session,
            None => self.default_session()?,
        };
        let is_resumable = self.reopening != Reopening::Never && wanted.recovery == Recovery::Resume;
        let view = self.connection.as_mut().and_then(|connection| connection.session(session).ok());
        let view = view.ok_or_else(|| unattached(&LinkError::NoSession))?;
        wanted.attach(view, state, is_resumable).map_err(|error| unattached(&error))
    }

    /// Records the end of a session: no link is attached to it by default.
    pub(super) fn leave_session(&mut self, session: types::SessionKey) {
        self.session = self.session.filter(|kept| *kept != session);
    }

    /// Returns `true` if this is the session of links without a session of their own.
    pub(super) fn is_own(&self, session: types::SessionKey) -> bool {
        self.session == Some(session)
    }

    /// Forgets all that belongs to the engine of a lost connection. Returns its suspended links, which are gone.
    pub(super) fn leave_engine(&mut self) -> Vec<LinkToken> {
        (self.is_open, self.was_open, self.session) = (false, true, None);
        self.places.clear();
        self.ended.clear();
        self.transactions.leave_engine();
        (self.told, self.aliases) = (Told::default(), Aliases::default());
        core::mem::take(&mut self.suspended)
    }

    /// Returns the handler's token at a link's index.
    pub(super) fn noted(&self, link: types::LinkKey) -> Option<Key> {
        self.places.get(link.key().index.get() as usize).copied().flatten()
    }

    /// Records the handler's token of a link.
    pub(super) fn note(&mut self, link: types::LinkKey, key: LinkToken) {
        let index = link.key().index.get() as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, None);
        }
        if let Some(place) = self.places.get_mut(index) {
            *place = Some(key.key());
        }
    }

    /// Returns `true` if the connection still has the link, possibly suspended.
    pub(super) fn has_link(&mut self, link: types::LinkKey) -> bool {
        self.connection.as_mut().is_some_and(|connection| match link {
            types::LinkKey::Sender(key) => connection.sender(key).is_ok(),
            types::LinkKey::Receiver(key) => connection.receiver(key).is_ok(),
        })
    }

    /// Records a suspended link. The connection keeps a limited number of them and forgets others without an
    /// event; those are removed here.
    pub(super) fn suspend(&mut self, link: LinkToken, links: &mut Links) {
        let mut suspended = core::mem::take(&mut self.suspended);
        suspended.retain(|key| match links.attached(*key) {
            Some(attached) if self.has_link(attached) => *key != link,
            _ => {
                links.remove(*key);
                false
            }
        });
        suspended.push(link);
        self.suspended = suspended;
    }

    /// Returns all links, also those to be attached.
    pub(super) fn links<'a>(&'a self, links: &'a Links) -> impl Iterator<Item = LinkToken> + 'a {
        let attached = self.places.iter().flatten().filter_map(|key| links.at(*key));
        self.waiting.iter().copied().chain(attached)
    }
}

/// Deliveries whose outcome was reported and whose settlement was not.
#[derive(Debug, Default)]
pub(super) struct Told {
    deliveries: BTreeSet<types::DeliveryKey>,
    /// The number of deliveries at which settled ones are looked for.
    most: usize,
}

impl Told {
    const FEW: usize = 64;

    /// Returns `true` the first time that the outcome of a delivery is to be reported.
    pub(super) fn is_news(
        &mut self,
        delivery: types::DeliveryKey,
        settled: bool,
        connection: &Connection,
    ) -> bool {
        if settled {
            return self.deliveries.is_empty() || !self.deliveries.remove(&delivery);
        }
        if self.deliveries.len() >= self.most.max(Self::FEW) {
            self.deliveries.retain(|delivery| connection.delivery(*delivery).is_ok());
            self.most = 2 * self.deliveries.len();
        }
        self.deliveries.insert(delivery)
    }

    pub(super) fn forget(&mut self, delivery: types::DeliveryKey) {
        self.deliveries.remove(&delivery);
    }
}
