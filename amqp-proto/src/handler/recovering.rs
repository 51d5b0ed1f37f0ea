//! Deliveries that outlive the connection of a handler's link: their fate when it is lost, and on the next one.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::callbacks::Handler;
use super::dispatch::tell_outcome;
use super::dispatcher::{Dispatcher, News};
use super::kept::Kept;
use super::link::{AttachState, EndState};
use super::queue::Waiting;
use super::token::{ConnectionToken, DeliveryToken, LinkToken, Name, SenderToken};
use crate::config::SendOptions;
use crate::machine::{LinkState, SendError};
use crate::message::Message;
use crate::types::{self, DeliveryTag, Str};
use crate::wire::{DeliveryState, MessageId};

impl Waiting {
    /// Gives the message a tag that no other one of the container has, and an id if it has none.
    pub(super) fn prepare(&mut self, message_ids: Option<&Str>) {
        if self.options.tag.is_none() {
            self.options.tag = DeliveryTag::new(&self.number.to_be_bytes()).ok();
        }
        if let (Some(prefix), None) = (message_ids, self.message.message_id()) {
            let id = MessageId::String(format!("{prefix}:{}", self.number).into());
            self.message = core::mem::take(&mut self.message).with_message_id(id);
        }
    }

    /// Returns `true` if the message can be sent again: it is neither sent settled nor part of a transaction.
    pub(super) fn can_be_kept(&self) -> bool {
        self.options.settled != Some(true) && self.options.state.is_none()
    }
}

impl Dispatcher {
    /// Sets the beginning of the ids of messages that are [kept](super::Context::create_sender_with_recovery) and have no
    /// id. A receiver can tell by the id that it gets a message twice, so the beginning must differ from that of any other
    /// container. Default: such messages get no id.
    pub fn set_message_ids(&mut self, prefix: impl Into<Str>) {
        self.message_ids = Some(prefix.into());
    }

    fn kept(&mut self, key: LinkToken) -> Option<&mut Kept> {
        self.links.get_mut(key)?.kept.as_deref_mut()
    }

    /// Sends a message at once on a link that keeps it until its outcome.
    pub(super) fn try_send_kept(
        &mut self,
        sender: SenderToken,
        message: &Message,
        options: &SendOptions,
    ) -> Result<DeliveryToken, SendError> {
        let number = self.queued + 1;
        let link = self.links.get_mut(sender.into()).ok_or(SendError::Detached)?;
        let AttachState::Attached(types::LinkKey::Sender(attached)) = link.place else {
            return Err(SendError::Detached);
        };
        let (at, kept) = (link.connection, link.kept.as_mut().ok_or(SendError::Detached)?);
        let entry = self.connections.get_mut(at.0).ok_or(SendError::Detached)?;
        let connection = entry.connection.as_mut().ok_or(SendError::Detached)?;
        let mut waiting = Waiting::new(number, message.clone(), options.clone());
        waiting.prepare(self.message_ids.as_ref());
        let is_kept = waiting.can_be_kept();
        if is_kept && !kept.has_room(waiting.octets(), self.queue_octets) {
            return Err(SendError::Full);
        }
        let mut view = connection.sender(attached).map_err(|_| SendError::Detached)?;
        let delivery = view.send_with(&waiting.message, &waiting.options)?;
        let name = Name::Queued { sender, number };
        if connection.delivery(delivery).is_ok() {
            entry.aliases.insert(name, delivery);
            if is_kept {
                kept.keep(waiting);
            }
        }
        self.queued = number;
        // Marks the connection, whose output must be written.
        let _ = self.live(at);
        Ok(DeliveryToken { connection: at, name })
    }

    /// Drops a kept message, which has an outcome or is settled.
    pub(super) fn drop_kept(&mut self, delivery: DeliveryToken) {
        let Name::Queued { sender, number } = delivery.name else { return };
        if self.kept(sender.into()).is_some_and(|kept| kept.drop_message(number)) {
            self.news.push_back(News::Room(sender));
        }
    }

    /// Goes on sending where too many messages were kept.
    pub(super) fn tell_room<H: Handler + ?Sized>(&mut self, handler: &mut H, sender: SenderToken) {
        let Some(at) = self.links.get(sender.into()).map(|link| link.connection) else { return };
        self.flush(sender.into());
        if self.may_send(at, sender.into()) {
            self.call(Some(at), |cx| handler.on_sendable(cx, sender));
        }
    }

    /// Returns `true` if a delivery goes on when its link is attached again.
    pub(super) fn is_kept(&mut self, at: ConnectionToken, delivery: types::DeliveryKey) -> bool {
        let Name::Queued { sender, number } = self.delivery(at, delivery).name else { return false };
        self.kept(sender.into()).is_some_and(|kept| kept.has(number))
    }

    /// Keeps the state of a link that has ended. The end is told next.
    pub(super) fn tell_suspended<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        link: types::LinkKey,
        state: LinkState,
    ) {
        let (key, is_sender) = (self.link(at, link), matches!(link, types::LinkKey::Sender(_)));
        let lost = self.kept(key).map(|kept| kept.suspend(state, is_sender));
        for delivery in lost.into_iter().flatten() {
            if let Some(known) = delivery.key.0 {
                self.tell_lost(handler, at, known, delivery.remote_state());
            }
        }
    }

    /// Has the messages of a lost link sent again that are not resumed.
    pub(super) fn queue_again(&mut self, key: LinkToken) {
        let Some(link) = self.links.get_mut(key) else { return };
        let Some(kept) = &mut link.kept else { return };
        kept.is_resuming = false;
        link.queue.put_back(kept.take_unsent().into_iter());
    }

    /// Gives up resuming a link, which is then attached anew: its messages are sent again, and received deliveries are
    /// lost.
    pub(super) fn give_up_resuming(&mut self, key: LinkToken) {
        let Some(at) = self.links.get(key).map(|link| link.connection) else { return };
        let received = self.kept(key).map(Kept::give_up);
        for first in received.into_iter().flatten() {
            self.news.push_back(News::Lost(DeliveryToken { connection: at, name: Name::Known(first) }));
        }
        self.queue_again(key);
    }

    /// Attaches a link anew if the peer has refused to resume it. Returns `false` if it was refused otherwise.
    pub(super) fn attach_anew(&mut self, at: ConnectionToken, key: LinkToken) -> bool {
        let is_open = self.connections.get(at.0).is_some_and(|entry| entry.is_open && !entry.is_closing);
        let Some(link) = self.links.get_mut(key).filter(|link| is_open && link.end == EndState::Open) else {
            return false;
        };
        let is_resuming = link.kept.as_ref().is_some_and(|kept| kept.is_resuming);
        let Some(recipe) = link.recipe.clone().filter(|_| is_resuming) else { return false };
        (link.place, link.is_asked) = (AttachState::Waiting(recipe), true);
        self.give_up_resuming(key);
        self.attach_waiting(at, key);
        true
    }

    /// Goes on with a delivery that the peer resumes, or that the engine has sent again.
    pub(super) fn on_resumed(
        &mut self,
        at: ConnectionToken,
        link: types::LinkKey,
        tag: &DeliveryTag,
        delivery: types::DeliveryKey,
    ) {
        let key = self.link(at, link);
        let Some(kept) = self.links.get_mut(key).and_then(|link| link.kept.as_mut()) else { return };
        let Some(entry) = self.connections.get_mut(at.0) else { return };
        match link {
            types::LinkKey::Sender(_) => {
                if let Some(number) = kept.resumed(tag) {
                    entry.aliases.insert(Name::Queued { sender: SenderToken(key.key()), number }, delivery);
                }
            }
            types::LinkKey::Receiver(link) => {
                let Some(away) = kept.suspension.resumed(tag, delivery) else { return };
                entry.aliases.resume(away.first, delivery);
                let receiver = entry.connection.as_mut().and_then(|engine| engine.receiver(link).ok());
                if let (Some(decided), Some(mut receiver)) = (away.decided, receiver) {
                    // The sender may know it from the attach.
                    let _ = receiver.dispose(delivery, &decided);
                }
            }
        }
    }

    /// Ends a delivery that is not resumed.
    pub(super) fn tell_unresumed<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        link: types::LinkKey,
        tag: &DeliveryTag,
        state: Option<&DeliveryState>,
    ) {
        let key = self.link(at, link);
        let Some(kept) = self.kept(key) else { return };
        let (name, is_settled) = match link {
            types::LinkKey::Sender(_) => {
                let Some(number) = kept.resumed(tag) else { return };
                let name = Name::Queued { sender: SenderToken(key.key()), number };
                (name, matches!(state, Some(DeliveryState::Outcome(_))))
            }
            types::LinkKey::Receiver(_) => {
                let Some(away) = kept.suspension.unresumed(tag) else { return };
                (Name::Known(away.first), away.has_outcome)
            }
        };
        let delivery = DeliveryToken { connection: at, name };
        self.drop_kept(delivery);
        let here = Some(at);
        if !is_settled {
            return self.call(here, |cx| handler.on_delivery_lost(cx, delivery, state));
        }
        if let (Some(DeliveryState::Outcome(outcome)), types::LinkKey::Sender(_)) = (state, link) {
            self.call(here, |cx| tell_outcome(handler, cx, delivery, outcome));
        }
        self.call(here, |cx| handler.on_settled(cx, delivery));
    }

    /// Reports the deliveries of a link that has ended and does not come back.
    pub(super) fn tell_kept_lost<H: Handler + ?Sized>(
        &mut self,
        handler: &mut H,
        at: ConnectionToken,
        key: LinkToken,
    ) {
        let Some((sent, received)) = self.kept(key).map(Kept::take_all) else { return };
        let sender = SenderToken(key.key());
        let sent = sent.into_iter().map(|number| Name::Queued { sender, number });
        let names: Vec<Name> = sent.chain(received.into_iter().map(Name::Known)).collect();
        for name in names {
            let delivery = DeliveryToken { connection: at, name };
            self.call(Some(at), |cx| handler.on_delivery_lost(cx, delivery, None));
        }
    }

    /// Keeps the outcome of a received delivery whose link is away, until it is resumed. Returns `false` if it is not
    /// away.
    pub(super) fn decide_later(&mut self, delivery: DeliveryToken, outcome: &DeliveryState) -> bool {
        let Name::Known(first) = delivery.name else { return false };
        let Some(entry) = self.connections.get(delivery.connection.0) else { return false };
        let links: Vec<LinkToken> = entry.links(&self.links).collect();
        links.into_iter().any(|key| self.kept(key).is_some_and(|kept| kept.suspension.decide(first, outcome)))
    }

    /// Attaches a link that waits for its connection.
    pub(super) fn attach_waiting(&mut self, at: ConnectionToken, key: LinkToken) {
        let Some(link) = self.links.get_mut(key) else { return };
        let AttachState::Waiting(wanted) = core::mem::replace(&mut link.place, AttachState::Failed) else {
            return;
        };
        let recipe = self.recipe(at, &wanted);
        let Some(link) = self.links.get_mut(key) else { return };
        link.plan(recipe);
        let state = link.kept.as_mut().and_then(|kept| kept.attach());
        let is_resumed = state.is_some();
        let Some(entry) = self.connections.get_mut(at.0) else { return };
        match entry.attach(None, (*wanted).clone(), state) {
            Ok(attached) => {
                self.attached(at, attached, Some(key));
            }
            Err(_) if is_resumed => {
                // The state exceeds a limit.
                if let Some(link) = self.links.get_mut(key) {
                    link.place = AttachState::Waiting(Box::clone(&wanted));
                }
                self.give_up_resuming(key);
                self.attach_waiting(at, key);
            }
            Err(reason) => self.news.push_back(News::LinkFailed(key, reason)),
        }
    }
}
