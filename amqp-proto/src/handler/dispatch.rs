//! The translation of events into callbacks.

use alloc::vec::Vec;

use super::callbacks::Handler;
use super::context::Context;
use super::dispatcher::{Dispatcher, News};
use super::failure::FailureScope;
use super::link::{AttachState, EndState};
use super::received::ReceivedMessage;
use super::token::{
    ConnectionToken, DeliveryToken, LinkToken, Name, ReceiverToken, SenderToken, SessionToken,
};
use crate::machine::{Event, Origin, Reason, SendError};
use crate::types;
use crate::wire::{DeliveryState, Modified, Outcome, Rejected};

/// A callback in progress.
struct Call<'a> {
    all: &'a mut Dispatcher,
    has_returned: bool,
}

impl Drop for Call<'_> {
    /// Modifies the message as failed if the callback has panicked.
    fn drop(&mut self) {
        if !self.has_returned {
            self.all.decide(&Modified { delivery_failed: Some(true), ..Modified::default() }.into());
        }
    }
}

impl Dispatcher {
    /// Runs a callback, then accepts its message if the handler has not decided about it.
    pub(super) fn call<R>(
        &mut self,
        connection: Option<ConnectionToken>,
        what: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let mut call = Call { all: self, has_returned: false };
        let result = what(&mut Context::new(call.all, connection));
        call.has_returned = true;
        drop(call);
        self.accept_undecided();
        result
    }

    /// Accepts messages that the handler has not decided about.
    #[inline]
    pub(super) fn accept_undecided(&mut self) {
        if !self.undecided.is_empty() {
            self.decide(&Outcome::Accepted);
        }
    }

    /// Sends an outcome of the messages that the handler has not decided about.
    fn decide(&mut self, outcome: &Outcome) {
        while let Some(key) = self.undecided.pop() {
            let Ok(connection) = self.live(key.connection) else { continue };
            let Name::Known(known) = key.name else { continue };
            let Ok(delivery) = connection.delivery(known) else { continue };
            let undecided = delivery.local_state().is_none();
            if let (true, Some(types::LinkKey::Receiver(link))) = (undecided, delivery.link())
                && let Ok(mut receiver) = connection.receiver(link)
            {
                // The delivery is neither settled nor decided.
                let _ = receiver.dispose(known, &outcome.clone().into());
            }
        }
    }

    pub(super) fn tell<H: Handler + ?Sized>(&mut self, handler: &mut H, at: ConnectionToken, event: Event) {
        let here = Some(at);
        let of = |session| SessionToken { connection: at, session };
        match event {
            Event::Sendable(link) => self.tell_sendable(handler, at, link),
            Event::Message { receiver, delivery } => self.tell_message(handler, at, receiver, delivery),
            Event::Data { receiver, delivery } => {
                let receiver = ReceiverToken(self.link(at, receiver.into()).key());
                let delivery = self.delivery(at, delivery);
                self.call(here, |cx| handler.on_data(cx, receiver, delivery));
            }
            Event::Aborted { receiver, delivery } => {
                let receiver = ReceiverToken(self.link(at, receiver.into()).key());
                let delivery = self.delivery(at, delivery);
                self.call(here, |cx| handler.on_aborted(cx, receiver, delivery));
            }
            Event::Updated { delivery, state, settled, .. } => {
                self.tell_update(handler, at, delivery, state.as_ref(), settled);
            }
            Event::Lost { delivery, state, .. } => self.tell_lost(handler, at, delivery, state.as_ref()),
            Event::Drained(link) => {
                let receiver = ReceiverToken(self.link(at, link.into()).key());
                self.call(here, |cx| handler.on_drained(cx, receiver));
            }
            // A handler that stops a link gets each message before that in any case.
            Event::Stopped(_) => {}
            Event::LinkOffered(types::LinkKey::Sender(link)) => self.offer_sender(handler, at, link),
            Event::LinkOffered(types::LinkKey::Receiver(link)) => self.offer_receiver(handler, at, link),
            Event::LinkAttached(link) => {
                if self.is_control(at, link) {
                    return;
                }
                let link = self.link(at, link);
                if let Some(link) = self.links.get_mut(link) {
                    link.is_asked = false;
                    link.kept.iter_mut().for_each(|kept| kept.is_resuming = false);
                }
                self.call(here, |cx| handler.on_link_opened(cx, link));
            }
            Event::LinkDetached { link, reason, .. } => self.tell_detached(handler, at, link, &reason),
            Event::SessionOffered(session) => self.offer_session(handler, at, session),
            Event::SessionBegun(session) => self.call(here, |cx| handler.on_session_opened(cx, of(session))),
            Event::SessionEnded { session, reason } => self.tell_ended(handler, of(session), &reason),
            Event::Opened => self.tell_opened(handler, at),
            Event::Suspended { link, state } => self.tell_suspended(handler, at, link, *state),
            Event::Resumed { link, tag, delivery, .. } => self.on_resumed(at, link, &tag, delivery),
            Event::Unresumed { link, tag, state } => {
                self.tell_unresumed(handler, at, link, &tag, state.as_ref());
            }
            Event::FlowProperties(link) => {
                if !self.is_control(at, link) {
                    let link = self.link(at, link);
                    self.call(here, |cx| handler.on_flow_properties(cx, link));
                }
            }
            // The handler gets each delivery.
            Event::Unremembered(_)
            // A handler is no coordinator.
            | Event::Discharge(_)
            | Event::Busy => {}
            Event::Declared(_)
            | Event::Undeclared { .. }
            | Event::Committed(_)
            | Event::RolledBack { .. }
            | Event::InDoubt { .. } => self.tell_transaction(handler, at, event),
            Event::Closed(reason) => self.tell_closed(handler, at, &reason),
        }
    }

    pub(super) fn tell_news<H: Handler + ?Sized>(&mut self, handler: &mut H, news: News) {
        match news {
            News::LinkOpened(link) => {
                if let Some(at) = self.links.get(link).map(|found| found.connection) {
                    self.call(Some(at), |cx| handler.on_link_opened(cx, link));
                }
            }
            News::LinkFailed(link, reason) => self.tell_failed(handler, link, &reason),
            News::Unsent(delivery, message, error) => {
                let at = Some(delivery.connection);
                self.call(at, |cx| handler.on_unsent(cx, delivery, message, &error));
            }
            News::Lost(delivery) => {
                self.call(Some(delivery.connection), |cx| handler.on_delivery_lost(cx, delivery, None));
            }
            News::Room(sender) => self.tell_room(handler, sender),
            News::SessionOpened(session) => {
                self.call(Some(session.connection), |cx| handler.on_session_opened(cx, session));
            }
            News::Undeclared(transaction, reason) => self.tell_undone(handler, transaction, &reason),
            News::NotConnected(key, reason) => {
                let wanted = self.connections.get(key.0).is_some_and(|entry| entry.connection.is_none());
                if wanted {
                    self.tell_closed(handler, key, &reason);
                    self.forget_connection(key);
                }
            }
            News::Reconnecting(key, attempt, address) => {
                if self.is_wanted(key) {
                    self.call(Some(key), |cx| handler.on_reconnecting(cx, key, attempt, &address));
                }
            }
            News::Listening(listener, address) => {
                if self.listeners.get(listener.0).is_some() {
                    self.call(None, |cx| handler.on_listening(cx, listener, &address));
                }
            }
            News::NotListening(listener, reason) => {
                if self.listeners.remove(listener.0).is_some() {
                    self.call(None, |cx| handler.on_listen_error(cx, listener, &reason));
                }
            }
        }
    }

    /// Returns the handler's token of a link, which is new if the link is.
    pub(super) fn link(&mut self, at: ConnectionToken, link: types::LinkKey) -> LinkToken {
        self.attached(at, link, None)
    }

    /// Returns the handler's token of a link: the recorded one, the one made before, or a new one.
    pub(super) fn attached(
        &mut self,
        at: ConnectionToken,
        link: types::LinkKey,
        made: Option<LinkToken>,
    ) -> LinkToken {
        let entry = self.connections.get_mut(at.0);
        let noted = entry.as_ref().and_then(|entry| entry.noted(link));
        if let Some(known) = noted.and_then(|key| self.links.known(key, link)) {
            return known;
        }
        let place = AttachState::Attached(link);
        let key = match made {
            Some(key) => {
                if let Some(made) = self.links.get_mut(key) {
                    made.place = place;
                }
                key
            }
            None => self.links.insert(at, matches!(link, types::LinkKey::Sender(_)), place),
        };
        if let Some(entry) = entry {
            entry.note(link, key);
        }
        key
    }

    fn tell_message<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        link: types::ReceiverKey,
        delivery: types::DeliveryKey,
    ) {
        let token = ReceiverToken(self.link(at, link.into()).key());
        let Ok(mut receiver) = self.live(at).and_then(|connection| connection.receiver(link)) else { return };
        if receiver.is_streaming() {
            let delivery = self.delivery(at, delivery);
            self.call(Some(at), |cx| handler.on_data(cx, token, delivery));
            return;
        }
        // The handler may have received it already.
        let Some(delivery) = receiver.receive() else { return };
        let is_accepted = receiver.is_auto_accept() && !delivery.is_settled();
        let message = ReceivedMessage {
            token: DeliveryToken { connection: at, name: Name::Known(delivery.key()) },
            receiver: token,
            delivery,
        };
        if is_accepted {
            self.undecided.push(message.token);
        }
        self.call(Some(at), |cx| handler.on_message(cx, message));
    }

    fn tell_sendable<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        link: types::SenderKey,
    ) {
        if self.is_control(at, link.into()) {
            return;
        }
        let key = self.link(at, link.into());
        let is_queued = self.links.get(key).is_some_and(|link| !link.queue.is_empty());
        self.flush(key);
        // Queued messages go first, and may use all credit.
        if !is_queued || self.may_send(at, key) {
            self.call(Some(at), |cx| handler.on_sendable(cx, SenderToken(key.key())));
        }
    }

    fn tell_update<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        delivery: types::DeliveryKey,
        state: Option<&DeliveryState>,
        settled: bool,
    ) {
        let (here, key) = (Some(at), self.delivery(at, delivery));
        if settled || matches!(state, Some(DeliveryState::Outcome(_))) {
            self.drop_kept(key);
        }
        match state {
            Some(DeliveryState::Outcome(outcome)) if !delivery.is_received() => {
                let entry = self.connections.get_mut(at.0);
                let is_news = entry.is_some_and(|entry| match &entry.connection {
                    Some(connection) => entry.told.is_news(delivery, settled, connection),
                    None => true,
                });
                if is_news {
                    self.call(here, |cx| tell_outcome(handler, cx, key, outcome));
                }
            }
            Some(state) => self.call(here, |cx| handler.on_updated(cx, key, state)),
            None => {}
        }
        if settled {
            self.call(here, |cx| handler.on_settled(cx, key));
            self.forget(at, delivery);
        }
    }

    pub(super) fn tell_lost<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        delivery: types::DeliveryKey,
        state: Option<&DeliveryState>,
    ) {
        let key = self.delivery(at, delivery);
        self.drop_kept(key);
        if let Some(entry) = self.connections.get_mut(at.0) {
            entry.told.forget(delivery);
        }
        self.call(Some(at), |cx| handler.on_delivery_lost(cx, key, state));
        self.forget(at, delivery);
    }

    /// Returns the queued messages of an ended link to the handler.
    fn tell_unsent<H: Handler + ?Sized>(&mut self, handler: &mut H, at: ConnectionToken, key: LinkToken) {
        let (Some(link), LinkToken::Sender(sender)) = (self.links.get_mut(key), key) else { return };
        let mut queue = core::mem::take(&mut link.queue);
        while let Some(waiting) = queue.pop() {
            let name = Name::Queued { sender, number: waiting.number };
            let delivery = DeliveryToken { connection: at, name };
            self.call(Some(at), |cx| {
                if waiting.was_sent {
                    return handler.on_delivery_lost(cx, delivery, None);
                }
                handler.on_unsent(cx, delivery, waiting.message, &SendError::Detached);
            });
        }
    }

    fn tell_detached<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        link: types::LinkKey,
        reason: &Reason,
    ) {
        if self.leave_control(at, link) {
            return;
        }
        let key = self.link(at, link);
        let (ending, is_asked) =
            self.links.get(key).map_or((EndState::Open, false), |link| (link.end, link.is_asked));
        let is_refused = is_asked && reason.origin == Origin::Remote;
        if is_refused && self.attach_anew(at, key) {
            return;
        }
        if let Some(link) = self.links.get_mut(key) {
            link.is_asked = false;
        }
        self.tell_kept_lost(handler, at, key);
        self.tell_unsent(handler, at, key);
        if ending == EndState::Open && (reason.is_failure() || is_refused) {
            self.call(Some(at), |cx| handler.on_link_error(cx, key, reason));
        }
        let is_there = self.connections.get_mut(at.0).is_some_and(|entry| entry.has_link(link));
        if is_there {
            if let Some(entry) = self.connections.get_mut(at.0) {
                entry.suspend(key, &mut self.links);
            }
            self.call(Some(at), |cx| handler.on_link_detached(cx, key, reason));
            return;
        }
        if ending != EndState::Refused {
            self.call(Some(at), |cx| handler.on_link_closed(cx, key, reason));
        }
        self.links.remove(key);
    }

    /// Reports a link that was never attached.
    fn tell_failed<H: Handler + ?Sized>(&mut self, handler: &mut H, key: LinkToken, reason: &Reason) {
        let Some(link) = self.links.get(key) else { return };
        let (at, is_news) = (link.connection, link.end == EndState::Open && reason.is_failure());
        self.tell_kept_lost(handler, at, key);
        self.tell_unsent(handler, at, key);
        if is_news {
            self.call(Some(at), |cx| handler.on_link_error(cx, key, reason));
        }
        self.call(Some(at), |cx| handler.on_link_closed(cx, key, reason));
        self.links.remove(key);
    }

    fn tell_ended<H: Handler + ?Sized>(&mut self, handler: &mut H, key: SessionToken, reason: &Reason) {
        let here = Some(key.connection);
        let Some(entry) = self.connections.get_mut(key.connection.0) else { return };
        entry.leave_session(key.session);
        let ending = entry.ended.remove(&key.session).unwrap_or(EndState::Open);
        if ending == EndState::Open && reason.is_failure() {
            self.widen(key.connection, FailureScope::Session(key), reason);
            self.call(here, |cx| handler.on_session_error(cx, key, reason));
        }
        if ending != EndState::Refused {
            self.call(here, |cx| handler.on_session_closed(cx, key, reason));
        }
    }

    /// Handles the open of a connection: attaches the waiting links, then calls the handler.
    fn tell_opened<H: Handler + ?Sized>(&mut self, handler: &mut H, at: ConnectionToken) {
        let Some(entry) = self.connections.get_mut(at.0) else { return };
        entry.is_open = true;
        for key in core::mem::take(&mut entry.waiting) {
            self.attach_waiting(at, key);
        }
        self.declare_waiting(at);
        if self.is_open_again(at) {
            self.call(Some(at), |cx| handler.on_reconnected(cx, at));
        } else {
            self.call(Some(at), |cx| handler.on_connection_opened(cx, at));
        }
    }

    /// Handles the end of a connection, or the failure to make it.
    fn tell_closed<H: Handler + ?Sized>(&mut self, handler: &mut H, at: ConnectionToken, reason: &Reason) {
        let Some(entry) = self.connections.get_mut(at.0) else { return };
        (entry.is_open, entry.is_over) = (false, true);
        let is_news = !entry.is_closing && reason.is_failure();
        let links: Vec<LinkToken> = core::mem::take(&mut entry.waiting);
        for link in links {
            self.tell_failed(handler, link, reason);
        }
        self.tell_waiting_undone(handler, at, reason);
        self.widen(at, FailureScope::Connection(at), reason);
        match reason.origin {
            Origin::Transport => self.call(Some(at), |cx| handler.on_transport_error(cx, at, reason)),
            Origin::Local | Origin::Remote if is_news => {
                self.call(Some(at), |cx| handler.on_connection_error(cx, at, reason));
            }
            Origin::Local | Origin::Remote => {}
        }
        self.call(Some(at), |cx| handler.on_connection_closed(cx, at, reason));
    }
}

pub(super) fn tell_outcome<H: Handler + ?Sized>(
    handler: &mut H,
    cx: &mut Context<'_>,
    key: DeliveryToken,
    outcome: &Outcome,
) {
    match outcome {
        Outcome::Accepted => handler.on_accepted(cx, key),
        Outcome::Rejected(Rejected { error }) => handler.on_rejected(cx, key, error.as_deref()),
        Outcome::Released => handler.on_released(cx, key),
        Outcome::Modified(modified) => handler.on_modified(cx, key, modified),
        Outcome::Declared(_) | Outcome::Other(_) => {
            handler.on_updated(cx, key, &DeliveryState::Outcome(outcome.clone()));
        }
    }
}
