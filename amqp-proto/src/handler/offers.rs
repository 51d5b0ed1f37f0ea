//! The handling of sessions and links that the peer begins or attaches.

use super::callbacks::{Decision, Handler};
use super::dispatcher::Dispatcher;
use super::link::EndState;
use super::token::{ConnectionToken, LinkToken, ReceiverToken, SenderToken, SessionToken};
use crate::types;
use crate::wire::{AmqpError, Condition};

impl Dispatcher {
    pub(super) fn offer_session<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        session: types::SessionKey,
    ) {
        let key = SessionToken { connection: at, session };
        let decision = self.call(Some(at), |cx| handler.on_session_offered(cx, key));
        let Ok(mut view) = self.live(at).and_then(|connection| connection.session(session)) else { return };
        let done = match decision {
            Decision::Accept(options) => view.accept(options).map_err(|error| failed(&error)),
            Decision::Refuse(error) => Err(error),
            Decision::Later => return,
        };
        match done {
            Ok(()) => self.call(Some(at), |cx| handler.on_session_opened(cx, key)),
            Err(error) => self.end_session(key, Some(error), EndState::Refused).unwrap_or_default(),
        }
    }

    pub(super) fn offer_sender<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        link: types::SenderKey,
    ) {
        let key = self.link(at, link.into());
        if self.is_late(at, key) {
            return;
        }
        let decision = self.call(Some(at), |cx| handler.on_sender_offered(cx, SenderToken(key.key())));
        let Ok(mut view) = self.live(at).and_then(|connection| connection.sender(link)) else { return };
        let done = match decision {
            Decision::Accept(options) => {
                view.accept_link(options.with_resumable(false)).map_err(|error| failed(&error))
            }
            Decision::Refuse(error) => Err(error),
            Decision::Later => return,
        };
        self.decided(handler, at, key, done);
    }

    pub(super) fn offer_receiver<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        link: types::ReceiverKey,
    ) {
        let key = self.link(at, link.into());
        if self.is_late(at, key) {
            return;
        }
        let decision = self.call(Some(at), |cx| handler.on_receiver_offered(cx, ReceiverToken(key.key())));
        let Ok(mut view) = self.live(at).and_then(|connection| connection.receiver(link)) else { return };
        let done = match decision {
            Decision::Accept(options) => {
                view.accept_link(options.with_resumable(false)).map_err(|error| failed(&error))
            }
            Decision::Refuse(error) => Err(error),
            Decision::Later => return,
        };
        self.decided(handler, at, key, done);
    }

    /// Returns `true` if the handler has ended the session of an offered link.
    fn is_late(&mut self, at: ConnectionToken, key: LinkToken) -> bool {
        let link = self.links.attached(key);
        let session = self.live(at).ok().and_then(|connection| match link? {
            types::LinkKey::Sender(link) => connection.sender(link).ok()?.session(),
            types::LinkKey::Receiver(link) => connection.receiver(link).ok()?.session(),
        });
        let entry = self.connections.get_mut(at.0);
        let is_late = entry.zip(session).is_some_and(|(entry, session)| entry.ended.contains_key(&session));
        if let Some(link) = self.links.get_mut(key).filter(|_| is_late) {
            link.end = EndState::Refused;
        }
        is_late
    }

    fn decided<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        key: LinkToken,
        done: Result<(), AmqpError>,
    ) {
        match done {
            Ok(()) => self.call(Some(at), |cx| handler.on_link_opened(cx, key)),
            Err(error) => self.end_link(key, Some(error), EndState::Refused).unwrap_or_default(),
        }
    }
}

/// Returns the error for the peer if an accepted session or link cannot be begun or attached.
fn failed(words: &dyn core::fmt::Display) -> AmqpError {
    AmqpError::new(Condition::InternalError).with_description(alloc::format!("{words}"))
}
