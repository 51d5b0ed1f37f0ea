//! Sending by a handler, and the queue of messages that have no credit yet.

use super::context::Context;
use super::dispatcher::{Dispatcher, News};
use super::link::{AttachState, EndState};
use super::token::{ConnectionToken, DeliveryToken, LinkToken, Name, SenderToken};
use crate::config::SendOptions;
use crate::machine::SendError;
use crate::message::Message;
use crate::types;
use crate::wire::DeliveryState;

impl Context<'_> {
    /// Sends a message, or queues it until it can be sent.
    ///
    /// A message is queued while the link is not attached, has no credit, or has earlier messages in its
    /// queue. [`on_accepted`](super::Handler::on_accepted) and the callbacks after it report the outcome. A
    /// sender queues 1 MiB of messages, unless the container has [another
    /// bound](super::Dispatcher::set_send_queue). If the queue is full, the message is refused, and
    /// [`on_sendable`](super::Handler::on_sendable) is called when the queue is empty.
    /// [`on_unsent`](super::Handler::on_unsent) returns a queued message that cannot be sent, for example
    /// because its link has ended. [`try_send`](Self::try_send) never queues.
    ///
    /// # Errors
    ///
    /// [`SendError::Detached`] if the link has ended or is suspended, [`SendError::Full`] if the queue is
    /// full, or another [`SendError`] that waiting does not cure.
    ///
    /// # Examples
    ///
    /// The example of [`Handler`](super::Handler) sends a message.
    pub fn send(
        &mut self,
        sender: SenderToken,
        message: impl Into<Message>,
    ) -> Result<DeliveryToken, SendError> {
        let (message, options) = (message.into(), SendOptions::new());
        match self.try_send_with(sender, &message, &options) {
            Err(error) => self.all.enqueue(sender, message, options, error),
            sent => sent,
        }
    }

    /// Sends a message with options, as [`send`](Self::send). A message of a transaction is never queued.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); also [`SendError::SettleMode`] and [`SendError::TagInUse`] for the options.
    pub fn send_with(
        &mut self,
        sender: SenderToken,
        message: &Message,
        options: &SendOptions,
    ) -> Result<DeliveryToken, SendError> {
        match self.try_send_with(sender, message, options) {
            Err(error) => self.all.enqueue(sender, message.clone(), options.clone(), error),
            sent => sent,
        }
    }

    /// Sends a message at once or not at all.
    ///
    /// After a refusal that may pass, [`on_sendable`](super::Handler::on_sendable) is called when to try
    /// again.
    ///
    /// # Errors
    ///
    /// [`SendError::Queued`] if earlier messages are queued, [`SendError::Detached`] if the link is not
    /// attached, or any other [`SendError`].
    pub fn try_send(
        &mut self,
        sender: SenderToken,
        message: impl Into<Message>,
    ) -> Result<DeliveryToken, SendError> {
        self.try_send_with(sender, &message.into(), &SendOptions::new())
    }

    /// Sends a message with options, as [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_with(
        &mut self,
        sender: SenderToken,
        message: &Message,
        options: &SendOptions,
    ) -> Result<DeliveryToken, SendError> {
        let link = self.all.links.get(sender.into()).ok_or(SendError::Detached)?;
        let connection = link.connection;
        if !link.queue.is_empty() {
            return Err(SendError::Queued);
        }
        if link.kept.is_some() {
            return self.all.try_send_kept(sender, message, options);
        }
        let mut view = self.sender(sender).map_err(|_| SendError::Detached)?;
        let delivery = view.send_with(message, options)?;
        Ok(DeliveryToken { connection, name: Name::Known(delivery) })
    }

    /// Returns the number of messages that can be sent now: the credit minus the queued messages.
    pub fn credit(&mut self, sender: SenderToken) -> u32 {
        let queued = u32::try_from(self.queued(sender)).unwrap_or(u32::MAX);
        self.sender(sender).map_or(0, |view| view.credit().saturating_sub(queued))
    }

    /// Returns `true` if the delivery waits in a queue, or for its link to be resumed.
    pub(super) fn is_queued(&self, delivery: DeliveryToken) -> bool {
        let Name::Queued { sender, number } = delivery.name else { return false };
        self.all.links.get(sender.into()).is_some_and(|link| {
            link.queue.has(number) || link.kept.as_ref().is_some_and(|kept| kept.is_away(number))
        })
    }

    /// Removes a message from its queue. Returns `false` if it is not queued.
    pub(super) fn take_back(&mut self, delivery: DeliveryToken) -> bool {
        let Name::Queued { sender, number } = delivery.name else { return false };
        let link = self.all.links.get_mut(sender.into());
        link.is_some_and(|link| link.queue.remove(number).is_some())
    }

    /// Returns the number of queued messages of a sender.
    pub fn queued(&self, sender: SenderToken) -> usize {
        self.all.links.get(sender.into()).map_or(0, |link| link.queue.len())
    }
}

impl Dispatcher {
    /// Returns the connection's key of a delivery, once it is sent.
    pub(super) fn known(&self, delivery: DeliveryToken) -> Option<types::DeliveryKey> {
        self.connections.get(delivery.connection.0)?.aliases.delivery(delivery.name)
    }

    /// Returns the handler's token of a delivery.
    pub(super) fn delivery(&self, at: ConnectionToken, delivery: types::DeliveryKey) -> DeliveryToken {
        let entry = self.connections.get(at.0);
        let name = entry.map_or(Name::Known(delivery), |entry| entry.aliases.name(delivery));
        DeliveryToken { connection: at, name }
    }

    /// Forgets a sent delivery that is settled or lost.
    pub(super) fn forget(&mut self, at: ConnectionToken, delivery: types::DeliveryKey) {
        if let Some(entry) = self.connections.get_mut(at.0) {
            entry.aliases.forget(delivery);
        }
    }

    /// Sets the bound on the queued octets of each sender. Default 1 MiB.
    ///
    /// A message counts as 256 octets more than its length. An empty queue accepts a message of any size.
    /// With zero, no message is queued.
    pub fn set_send_queue(&mut self, octets: usize) {
        self.queue_octets = octets;
    }

    /// Queues a refused message if it can probably be sent later.
    fn enqueue(
        &mut self,
        sender: SenderToken,
        message: Message,
        options: SendOptions,
        error: SendError,
    ) -> Result<DeliveryToken, SendError> {
        let link = self.links.get_mut(sender.into()).ok_or(SendError::Detached)?;
        let is_to_come = link.is_asked && link.end == EndState::Open;
        let is_posting = matches!(options.state, Some(DeliveryState::Transactional(_)));
        let is_passing = waits(&error) || (error == SendError::Detached && is_to_come);
        // A message of a transaction could miss the commit.
        if !is_passing || is_posting {
            return Err(error);
        }
        self.queued += 1;
        let number = self.queued;
        if !link.queue.push(number, message, options, self.queue_octets) {
            return Err(if self.queue_octets == 0 { error } else { SendError::Full });
        }
        let connection = link.connection;
        Ok(DeliveryToken { connection, name: Name::Queued { sender, number } })
    }

    /// Sends queued messages of a link as far as possible.
    pub(super) fn flush(&mut self, key: LinkToken) {
        let Some(link) = self.links.get(key).filter(|link| !link.queue.is_empty()) else { return };
        let (LinkToken::Sender(sender), AttachState::Attached(types::LinkKey::Sender(attached)), at) =
            (key, &link.place, link.connection)
        else {
            return;
        };
        let attached = *attached;
        // Marks the connection, whose output must be written.
        if self.live(at).is_err() {
            return;
        }
        while let Some(Ok(())) = self.send_first(at, sender, attached) {}
    }

    /// Sends the first queued message of a link. Returns an error if the message must wait, `None` if there
    /// is none.
    fn send_first(
        &mut self,
        at: ConnectionToken,
        sender: SenderToken,
        attached: types::SenderKey,
    ) -> Option<Result<(), SendError>> {
        let link = self.links.get_mut(sender.into())?;
        let entry = self.connections.get_mut(at.0)?;
        let connection = entry.connection.as_mut()?;
        let first = link.queue.front_mut()?;
        if let Some(kept) = &mut link.kept {
            first.prepare(self.message_ids.as_ref());
            if !first.was_sent && first.can_be_kept() && !kept.has_room(first.octets(), self.queue_octets) {
                return Some(Err(SendError::Full));
            }
        }
        let sent = connection.sender(attached).ok()?.send_with(&first.message, &first.options);
        match sent {
            Err(error) if waits(&error) || error == SendError::Detached => return Some(Err(error)),
            _ => {}
        }
        let first = link.queue.pop()?;
        let name = Name::Queued { sender, number: first.number };
        match sent {
            // A message that is sent settled has no further event.
            Ok(delivery) if connection.delivery(delivery).is_err() => {}
            Ok(delivery) => {
                entry.aliases.insert(name, delivery);
                if let Some(kept) = link.kept.as_mut().filter(|_| first.can_be_kept()) {
                    kept.keep(first);
                }
            }
            Err(_) if first.was_sent => {
                self.news.push_back(News::Lost(DeliveryToken { connection: at, name }));
            }
            Err(error) => {
                let delivery = DeliveryToken { connection: at, name };
                self.news.push_back(News::Unsent(delivery, first.message, error));
            }
        }
        Some(Ok(()))
    }

    /// Returns `true` if the handler may send on a link, or continue a delivery in pieces.
    pub(super) fn may_send(&mut self, at: ConnectionToken, key: LinkToken) -> bool {
        let Some(link) = self.links.get(key) else { return false };
        let (is_queued, AttachState::Attached(types::LinkKey::Sender(sender))) =
            (!link.queue.is_empty(), &link.place)
        else {
            return false;
        };
        let sender = *sender;
        let view = self.live(at).and_then(|connection| connection.sender(sender));
        view.is_ok_and(|mut view| view.is_writing() || (!is_queued && view.is_sendable()))
    }
}

/// Returns `true` if a message with this error can be sent later.
fn waits(error: &SendError) -> bool {
    use SendError::{Full, Incomplete, Kept, NoCredit, Queued, Unsettled, WindowClosed};
    matches!(error, NoCredit | WindowClosed | Full | Incomplete | Queued | Unsettled(_) | Kept(_))
}
