//! Ends that wait for deliveries: a link is detached, a session ended and a connection closed after the
//! complete deliveries are written.

use crate::machine::endpoints::Endpoints;
use crate::machine::link::{Link, LinkEnd, SendingEnd};
use crate::types::{LinkIx, SessionIx};

impl Endpoints {
    /// Returns `true` if a link has a complete or aborted delivery that can still be written to its end.
    pub(crate) fn is_unfinished(&self, index: LinkIx) -> bool {
        let Some(link) = self.links.peek(index).filter(|link| link.is_complete()) else { return false };
        let LinkEnd::Sender(sender) = &link.end else { return false };
        let is_whole = sender.sending.as_ref().is_some_and(|sending| sending.end != SendingEnd::Open);
        is_whole && self.may_send_on(link.session)
    }

    /// Detaches a link when its delivery is written. Returns `false` if it has none, or is leaving already.
    pub(crate) fn detach_later(&mut self, index: LinkIx, closed: bool) -> bool {
        if !self.is_unfinished(index) {
            return false;
        }
        let Some(sender) = self.links.at(index).and_then(Link::sender) else { return false };
        let is_news = sender.leaves.is_none_or(|before| closed && !before);
        if is_news {
            sender.leaves = Some(closed);
        }
        is_news
    }

    /// Ends a session when its deliveries are written. Returns `false` if it has none, or is leaving already.
    pub(crate) fn end_later(&mut self, index: SessionIx) -> bool {
        let is_unfinished = self.unfinished_on(index).is_some();
        match self.sessions.at(index).filter(|session| is_unfinished && !session.leaves) {
            Some(session) => {
                session.leaves = true;
                true
            }
            None => false,
        }
    }

    /// Refuses new deliveries on all sessions if deliveries must be written before the close. Returns `false`
    /// if there are none.
    pub(crate) fn close_later(&mut self) -> bool {
        self.leaving = self.unfinished();
        if self.leaving.is_some() {
            let keys: alloc::vec::Vec<_> = self.sessions.keys().collect();
            for key in keys {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.leaves = true;
                }
            }
        }
        self.leaving.is_some()
    }

    /// Returns `true` if the connection still waits for deliveries.
    pub(crate) fn is_leaving(&mut self) -> bool {
        if let Some(index) = self.leaving
            && !self.is_unfinished(index)
        {
            self.leaving = self.unfinished();
        }
        self.leaving.is_some()
    }

    /// Detaches the link, or ends the session, that waited for a delivery that is now written. Returns `true`
    /// if it did.
    #[cold]
    pub(super) fn left(&mut self, index: LinkIx) -> bool {
        let Some((link, session)) = self.link_and_session(index) else { return false };
        let (leaves, session, ends) =
            (link.sender().and_then(|s| s.leaves.take()), session.key.index, session.leaves);
        if let Some(closed) = leaves {
            // The detach was checked when the application requested it.
            let _ = self.detach(index, closed, None);
        }
        // If the connection is leaving, all sessions end with it.
        let ends = ends && self.leaving.is_none() && self.unfinished_on(session).is_none();
        if ends {
            let _ = self.end(session, None);
        }
        leaves.is_some() || ends
    }

    /// Returns a link with a delivery to write.
    fn unfinished(&self) -> Option<LinkIx> {
        self.sessions.keys().find_map(|key| self.unfinished_on(key.index))
    }

    pub(crate) fn unfinished_on(&self, session: SessionIx) -> Option<LinkIx> {
        let session = self.sessions.peek(session)?;
        session.links.iter().copied().find(|index| self.is_unfinished(*index))
    }
}
