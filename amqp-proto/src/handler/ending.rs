//! The end of sessions and links by a handler.

use super::dispatcher::{Dispatcher, News};
use super::link::{AttachState, EndState};
use super::token::{LinkToken, SessionToken};
use crate::machine::{LinkError, Reason, SessionError};
use crate::types;
use crate::wire::AmqpError;

impl Dispatcher {
    /// Ends or refuses a session.
    pub(super) fn end_session(
        &mut self,
        key: SessionToken,
        error: Option<AmqpError>,
        ending: EndState,
    ) -> Result<(), SessionError> {
        self.accept_undecided();
        let live = self.live(key.connection).map_err(|_| SessionError::Ended)?;
        let mut session = live.session(key.session).map_err(|_| SessionError::Ended)?;
        match error {
            Some(error) => session.end_with(error)?,
            None => session.end()?,
        }
        if let Some(entry) = self.connections.get_mut(key.connection.0) {
            entry.leave_session(key.session);
            entry.ended.insert(key.session, ending);
        }
        Ok(())
    }

    /// Closes or refuses a link. A link that waits to be attached is dropped.
    pub(super) fn end_link(
        &mut self,
        key: LinkToken,
        error: Option<AmqpError>,
        ending: EndState,
    ) -> Result<(), LinkError> {
        self.accept_undecided();
        let link = self.links.get_mut(key).ok_or(LinkError::Detached)?;
        let at = link.connection;
        match link.place {
            AttachState::Attached(attached) => self.close_attached(key, attached, error)?,
            AttachState::Waiting(_) => {
                link.place = AttachState::Failed;
                self.news.push_back(News::LinkFailed(key, Reason::local(error)));
                if let Some(entry) = self.connections.get_mut(at.0) {
                    entry.waiting.retain(|waiting| *waiting != key);
                }
            }
            AttachState::Failed => return Err(LinkError::Detached),
        }
        if let Some(link) = self.links.get_mut(key) {
            link.end = ending;
        }
        Ok(())
    }

    fn close_attached(
        &mut self,
        key: LinkToken,
        attached: types::LinkKey,
        error: Option<AmqpError>,
    ) -> Result<(), LinkError> {
        let at = self.links.get(key).ok_or(LinkError::Detached)?.connection;
        let live = self.live(at).map_err(|_| LinkError::Detached)?;
        match attached {
            types::LinkKey::Sender(link) => {
                let mut link = live.sender(link).map_err(|_| LinkError::Detached)?;
                match error {
                    Some(error) => link.close_with(error),
                    None => link.close(),
                }
            }
            types::LinkKey::Receiver(link) => {
                let mut link = live.receiver(link).map_err(|_| LinkError::Detached)?;
                match error {
                    Some(error) => link.close_with(error),
                    None => link.close(),
                }
            }
        }
    }
}
