//! Ends that wait for what was accepted before them: a link is detached, a session ended and a connection closed once
//! the deliveries that the application has completed are written.

use crate::machine::endpoints::Endpoints;
use crate::machine::link::{Link, LinkEnd, SendingEnd};

impl Endpoints {
    /// Returns whether a link has a delivery that the application has completed, or given up, and that can be
    /// written to its end.
    pub(crate) fn is_unfinished(&self, index: u32) -> bool {
        let Some(link) = self.links.peek(index).filter(|link| link.is_complete()) else { return false };
        let LinkEnd::Sender(sender) = &link.end else { return false };
        let is_whole = sender.sending.as_ref().is_some_and(|sending| sending.end != SendingEnd::Open);
        is_whole && self.may_send_on(link.session)
    }

    /// Has a link detached when its delivery is written; false if it has none, or leaves already.
    pub(crate) fn detach_later(&mut self, index: u32, closed: bool) -> bool {
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

    /// Has a session ended when its deliveries are written; false if there are none, or it leaves already.
    pub(crate) fn end_later(&mut self, index: u32) -> bool {
        let is_unfinished = self.unfinished_on(index).is_some();
        match self.sessions.at(index).filter(|session| is_unfinished && !session.leaves) {
            Some(session) => {
                session.leaves = true;
                true
            }
            None => false,
        }
    }

    /// Has nothing more begun on any session, if there are deliveries to be written before the connection is closed;
    /// false if there are none.
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

    /// Looks whether the connection still has to wait.
    pub(crate) fn is_leaving(&mut self) -> bool {
        if let Some(index) = self.leaving
            && !self.is_unfinished(index)
        {
            self.leaving = self.unfinished();
        }
        self.leaving.is_some()
    }

    /// A delivery is written to its end: who waited for that leaves. Returns whether the link, or its session, did.
    #[cold]
    pub(super) fn left(&mut self, index: u32) -> bool {
        let Some((link, session)) = self.link_and_session(index) else { return false };
        let (leaves, session, ends) =
            (link.sender().and_then(|s| s.leaves.take()), session.key.index, session.leaves);
        if let Some(closed) = leaves {
            // It was checked when the application asked for it.
            let _ = self.detach(index, closed, None);
        }
        // With the connection all sessions end.
        let ends = ends && self.leaving.is_none() && self.unfinished_on(session).is_none();
        if ends {
            let _ = self.end(session, None);
        }
        leaves.is_some() || ends
    }

    /// A link that is not finished.
    fn unfinished(&self) -> Option<u32> {
        self.sessions.keys().find_map(|key| self.unfinished_on(key.index))
    }

    pub(crate) fn unfinished_on(&self, session: u32) -> Option<u32> {
        let session = self.sessions.peek(session)?;
        session.links.iter().copied().find(|index| self.is_unfinished(*index))
    }
}
