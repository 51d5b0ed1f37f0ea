//! How a handler sends messages, and how those wait for which there is no credit.

use super::context::Context;
use super::dispatcher::{Dispatcher, News};
use super::key::{ConnectionKey, DeliveryKey, LinkKey, Name, SenderKey};
use super::link::{Ending, LinkState};
use crate::config::SendOptions;
use crate::machine::SendError;
use crate::message::Message;
use crate::types;

impl Context<'_> {
    /// Sends a message, or queues it until it can be sent: while the link is not attached yet, there is no credit, or
    /// messages before it wait. The outcome is told by [`on_accepted`](super::Handler::on_accepted) and its like.
    ///
    /// A sender queues 1 MiB of messages, unless the container has
    /// [another bound](super::Dispatcher::set_send_queue): then the message is refused, and
    /// [`on_sendable`](super::Handler::on_sendable) tells when the queue is empty again. A queued message that can never
    /// be sent, for instance since its link ends before, is given back by
    /// [`on_unsent`](super::Handler::on_unsent). See [`try_send`](Self::try_send) for a send that never queues.
    ///
    /// # Errors
    ///
    /// [`SendError::Detached`] if the link has ended or is suspended, [`SendError::Full`] if the queue is full, and all
    /// others that waiting does not cure.
    pub fn send(&mut self, sender: SenderKey, message: impl Into<Message>) -> Result<DeliveryKey, SendError> {
        let (message, options) = (message.into(), SendOptions::new());
        match self.try_send_with(sender, &message, &options) {
            Err(error) => self.all.enqueue(sender, message, options, error),
            sent => sent,
        }
    }

    /// Sends a message like [`send`](Self::send), with options.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_with(
        &mut self,
        sender: SenderKey,
        message: &Message,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        match self.try_send_with(sender, message, options) {
            Err(error) => self.all.enqueue(sender, message.clone(), options.clone(), error),
            sent => sent,
        }
    }

    /// Sends a message at once or not at all. After a refusal that time may cure,
    /// [`on_sendable`](super::Handler::on_sendable) tells when to try again.
    ///
    /// # Errors
    ///
    /// [`SendError::Queued`] if messages wait that go first, [`SendError::Detached`] if the link is not attached yet or
    /// not any more, and all others for which a sender refuses a message.
    pub fn try_send(
        &mut self,
        sender: SenderKey,
        message: impl Into<Message>,
    ) -> Result<DeliveryKey, SendError> {
        self.try_send_with(sender, &message.into(), &SendOptions::new())
    }

    /// Sends a message like [`try_send`](Self::try_send), with options.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_with(
        &mut self,
        sender: SenderKey,
        message: &Message,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        let link = self.all.links.get(sender.into()).ok_or(SendError::Detached)?;
        let connection = link.connection;
        if !link.queue.is_empty() {
            return Err(SendError::Queued);
        }
        let mut view = self.sender(sender).map_err(|_| SendError::Detached)?;
        let delivery = view.send_with(message, options)?;
        Ok(DeliveryKey { connection, name: Name::Known(delivery) })
    }

    /// Returns how many messages can be sent now: the credit that is not taken by messages that wait in the queue.
    pub fn credit(&mut self, sender: SenderKey) -> u32 {
        let queued = u32::try_from(self.queued(sender)).unwrap_or(u32::MAX);
        self.sender(sender).map_or(0, |view| view.credit().saturating_sub(queued))
    }

    /// Returns whether a delivery waits in a queue.
    pub(super) fn is_queued(&self, delivery: DeliveryKey) -> bool {
        let Name::Queued { sender, number } = delivery.name else { return false };
        self.all.links.get(sender.into()).is_some_and(|link| link.queue.has(number))
    }

    /// Takes a message out of its queue; false if it is not there.
    pub(super) fn take_back(&mut self, delivery: DeliveryKey) -> bool {
        let Name::Queued { sender, number } = delivery.name else { return false };
        let link = self.all.links.get_mut(sender.into());
        link.is_some_and(|link| link.queue.remove(number).is_some())
    }

    /// Returns how many messages wait in the queue of a sender.
    pub fn queued(&self, sender: SenderKey) -> usize {
        self.all.links.get(sender.into()).map_or(0, |link| link.queue.len())
    }
}

impl Dispatcher {
    /// Returns the key that a delivery has on its connection, once it is sent.
    pub(super) fn known(&self, delivery: DeliveryKey) -> Option<types::DeliveryKey> {
        self.connections.get(delivery.connection.0)?.aliases.delivery(delivery.name)
    }

    /// Returns the handler's key of a delivery.
    pub(super) fn delivery(&self, at: ConnectionKey, delivery: types::DeliveryKey) -> DeliveryKey {
        let entry = self.connections.get(at.0);
        let name = entry.map_or(Name::Known(delivery), |entry| entry.aliases.name(delivery));
        DeliveryKey { connection: at, name }
    }

    /// A delivery that was sent is settled or lost: nothing more is told about it.
    pub(super) fn forget(&mut self, at: ConnectionKey, delivery: types::DeliveryKey) {
        if let Some(entry) = self.connections.get_mut(at.0) {
            entry.aliases.forget(delivery);
        }
    }

    /// Sets how many octets of messages each sender queues at most; 1 MiB unless set. A message counts with 256 octets
    /// more than it has. An empty queue takes a message of any size, unless this is zero: then nothing is queued.
    pub fn set_send_queue(&mut self, octets: usize) {
        self.queue_octets = octets;
    }

    /// Queues a message that was refused, if it is likely to be sent later.
    fn enqueue(
        &mut self,
        sender: SenderKey,
        message: Message,
        options: SendOptions,
        error: SendError,
    ) -> Result<DeliveryKey, SendError> {
        let link = self.links.get_mut(sender.into()).ok_or(SendError::Detached)?;
        let is_to_come = link.is_asked && link.end == Ending::Open;
        let is_passing = waits(&error) || (error == SendError::Detached && is_to_come);
        if !is_passing {
            return Err(error);
        }
        self.queued += 1;
        let number = self.queued;
        if !link.queue.push(number, message, options, self.queue_octets) {
            return Err(if self.queue_octets == 0 { error } else { SendError::Full });
        }
        if matches!(error, SendError::Unsettled(_)) {
            let at = link.connection;
            self.starve(at, sender.into());
        }
        let connection = self.links.get(sender.into()).ok_or(SendError::Detached)?.connection;
        Ok(DeliveryKey { connection, name: Name::Queued { sender, number } })
    }

    /// Sends what a link has queued, as far as that goes.
    pub(super) fn flush(&mut self, key: LinkKey) {
        let Some(link) = self.links.get(key).filter(|link| !link.queue.is_empty()) else { return };
        let (LinkKey::Sender(sender), LinkState::Attached(types::LinkKey::Sender(attached)), at) =
            (key, &link.place, link.connection)
        else {
            return;
        };
        let attached = *attached;
        // Its output is to be looked at.
        if self.live(at).is_err() {
            return;
        }
        while let Some(stopped) = self.send_first(at, sender, attached) {
            match stopped {
                Ok(()) => {}
                Err(SendError::Unsettled(_)) => return self.starve(at, key),
                Err(_) => return,
            }
        }
    }

    /// Sends the first message that a link has queued; an error if it has to wait, `None` if there is none.
    fn send_first(
        &mut self,
        at: ConnectionKey,
        sender: SenderKey,
        attached: types::SenderKey,
    ) -> Option<Result<(), SendError>> {
        let link = self.links.get_mut(sender.into())?;
        let entry = self.connections.get_mut(at.0)?;
        let connection = entry.connection.as_mut()?;
        let first = link.queue.front()?;
        let sent = connection.sender(attached).ok()?.send_with(&first.message, &first.options);
        match sent {
            Err(error) if waits(&error) || error == SendError::Detached => return Some(Err(error)),
            _ => {}
        }
        let first = link.queue.pop()?;
        let name = Name::Queued { sender, number: first.number };
        match sent {
            // One that is sent settled is not heard of again.
            Ok(delivery) if connection.delivery(delivery).is_err() => {}
            Ok(delivery) => entry.aliases.insert(name, delivery),
            Err(error) => {
                let delivery = DeliveryKey { connection: at, name };
                self.news.push_back(News::Unsent(delivery, first.message, error));
            }
        }
        Some(Ok(()))
    }

    /// A link waits until another delivery of its connection is settled.
    fn starve(&mut self, at: ConnectionKey, key: LinkKey) {
        if let Some(entry) = self.connections.get_mut(at.0)
            && !entry.starved.contains(&key)
        {
            entry.starved.push(key);
        }
    }

    /// A delivery that was sent is settled: another one may be unsettled in its place.
    pub(super) fn feed(&mut self, at: ConnectionKey) {
        if let Some(key) = self.connections.get_mut(at.0).and_then(|entry| entry.starved.pop()) {
            self.flush(key);
        }
    }

    /// Returns whether the handler may send over a link, or go on with a delivery of which it has begun to write
    /// the octets.
    pub(super) fn may_send(&mut self, at: ConnectionKey, key: LinkKey) -> bool {
        let Some(link) = self.links.get(key) else { return false };
        let (is_queued, LinkState::Attached(types::LinkKey::Sender(sender))) =
            (!link.queue.is_empty(), &link.place)
        else {
            return false;
        };
        let sender = *sender;
        let view = self.live(at).and_then(|connection| connection.sender(sender));
        view.is_ok_and(|mut view| view.is_writing() || (!is_queued && view.is_sendable()))
    }
}

/// Returns whether a message that is refused for this can be sent when some time has passed.
fn waits(error: &SendError) -> bool {
    use SendError::{Full, Incomplete, NoCredit, Queued, Unsettled, WindowClosed};
    matches!(error, NoCredit | WindowClosed | Full | Incomplete | Queued | Unsettled(_))
}
