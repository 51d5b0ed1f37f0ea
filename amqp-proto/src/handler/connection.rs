//! [`Entry`]: a connection of a container.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::aliases::Aliases;
use super::key::LinkKey;
use super::link::{Ending, Links, Wanted, unattached, unbegun};
use crate::config::SessionOptions;
use crate::connection::Connection;
use crate::machine::{LinkError, Reason, SessionError};
use crate::types::{self, Key, Moment};

/// A connection, and what is known of it beside.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// `None` while it is being made.
    pub(super) connection: Option<Connection>,
    /// The session of links that name none, once there is one.
    session: Option<types::SessionKey>,
    /// Links that are to be attached when it is open.
    pub(super) waiting: Vec<LinkKey>,
    /// The handler's keys of links, by their places in the connection.
    places: Vec<Option<Key>>,
    /// Links that were detached and not closed.
    suspended: Vec<LinkKey>,
    /// Sessions that the handler has ended or refused.
    pub(super) ended: BTreeMap<types::SessionKey, Ending>,
    pub(super) told: Told,
    /// Deliveries that were queued before they were sent.
    pub(super) aliases: Aliases,
    /// Senders that wait until another delivery is settled.
    pub(super) starved: Vec<LinkKey>,
    pub(super) is_dirty: bool,
    pub(super) is_changed: bool,
    /// Whether the peer has made it, so that its errors concern nobody else.
    pub(super) is_taken: bool,
    /// Whether the handler has closed it.
    pub(super) is_closing: bool,
    /// Whether both ends have opened it, and it is not over.
    pub(super) is_open: bool,
    /// Whether the handler knows that it is over.
    pub(super) is_over: bool,
    /// When it wants to be woken, as was last noted.
    pub(super) deadline: Option<Moment>,
}

impl Entry {
    /// Returns a connection that the peer has made.
    pub(super) fn taken(connection: Connection) -> Self {
        Self { connection: Some(connection), is_taken: true, ..Self::default() }
    }

    /// Returns the session of links that name none.
    #[allow(clippy::result_large_err)] // once a link, and never on the way of a message
    fn default_session(&mut self) -> Result<types::SessionKey, Reason> {
        if let Some(session) = self.session {
            return Ok(session);
        }
        let connection = self.connection.as_mut().ok_or_else(|| unbegun(&SessionError::NotOpen))?;
        let session = connection.begin(&SessionOptions::new()).map_err(|error| unbegun(&error))?;
        self.session = Some(session);
        Ok(session)
    }

    /// Attaches a link that the handler wants.
    #[allow(clippy::result_large_err)]
    pub(super) fn attach(
        &mut self,
        session: Option<types::SessionKey>,
        wanted: &Wanted,
    ) -> Result<types::LinkKey, Reason> {
        let session = match session {
            Some(session) => session,
            None => self.default_session()?,
        };
        let view = self.connection.as_mut().and_then(|connection| connection.session(session).ok());
        let view = view.ok_or_else(|| unattached(&LinkError::NoSession))?;
        wanted.attach(view).map_err(|error| unattached(&error))
    }

    /// The handler, or the peer, has ended a session: no link is attached to it by default any more.
    pub(super) fn leave_session(&mut self, session: types::SessionKey) {
        self.session = self.session.filter(|kept| *kept != session);
    }

    /// What was noted about a link.
    pub(super) fn noted(&self, link: types::LinkKey) -> Option<Key> {
        self.places.get(link.key().index as usize).copied().flatten()
    }

    /// Notes the handler's key of a link.
    pub(super) fn note(&mut self, link: types::LinkKey, key: LinkKey) {
        let index = link.key().index as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, None);
        }
        if let Some(place) = self.places.get_mut(index) {
            *place = Some(key.key());
        }
    }

    /// Returns whether a link of the connection is there, be it suspended.
    pub(super) fn has_link(&mut self, link: types::LinkKey) -> bool {
        self.connection.as_mut().is_some_and(|connection| match link {
            types::LinkKey::Sender(key) => connection.sender(key).is_ok(),
            types::LinkKey::Receiver(key) => connection.receiver(key).is_ok(),
        })
    }

    /// A link is suspended. The connection keeps few of them, and tells nothing when it forgets one: those go here.
    pub(super) fn suspend(&mut self, link: LinkKey, links: &mut Links) {
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

    /// All links that it has, or is to have.
    pub(super) fn links<'a>(&'a self, links: &'a Links) -> impl Iterator<Item = LinkKey> + 'a {
        let attached = self.places.iter().flatten().filter_map(|key| links.at(*key));
        self.waiting.iter().copied().chain(attached)
    }
}

/// Deliveries of which the outcome was told, and that they are settled not yet.
#[derive(Debug, Default)]
pub(super) struct Told {
    deliveries: BTreeSet<types::DeliveryKey>,
    /// From how many on to look for those that this end has settled.
    most: usize,
}

impl Told {
    const FEW: usize = 64;

    /// Returns whether the outcome of a delivery is news; it is none any more, unless it is settled and so
    /// forgotten.
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
