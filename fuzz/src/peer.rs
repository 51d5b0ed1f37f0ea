//! [`Peer`]: a server's engine whose application does what the fuzzer says.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::types::{DeliveryKey, LinkKey, Moment, ReceiverKey, SenderKey, SessionKey, Str};
use amqp_proto::wire::{AmqpError, Condition, DeliveryState, Modified, Outcome};
use amqp_proto::{Connection as Engine, Event, LinkState, Reading, SettleError};
use arbitrary::Arbitrary;
use bytes::{Buf, Bytes};

use crate::pipe::Pipe;

/// An element of a list, modulo its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub struct Pick(pub u8);

impl Pick {
    /// Returns the picked element; `None` if there are none.
    pub fn of<T: Clone>(self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.0).checked_rem(all.len())?).cloned()
    }

    /// Removes the picked element.
    pub fn take<T>(self, all: &mut Vec<T>) -> Option<T> {
        let at = usize::from(self.0).checked_rem(all.len())?;
        Some(all.remove(at))
    }
}

/// A reason that the peer gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum Why {
    /// No error.
    Nothing,
    /// An error that passes.
    Passing,
    /// An error that does not pass.
    Final,
}

impl Why {
    /// Returns the error.
    pub fn error(self) -> Option<AmqpError> {
        match self {
            Self::Nothing => None,
            Self::Passing => Some(AmqpError::new(Condition::ResourceLimitExceeded)),
            Self::Final => Some(AmqpError::new(Condition::NotFound)),
        }
    }
}

/// An outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum Verdict {
    /// Accepted.
    Accept,
    /// Rejected.
    Reject,
    /// Released.
    Release,
    /// Modified.
    Modify,
    /// Settled without an outcome.
    Settle,
}

impl Verdict {
    /// Returns the outcome, if there is one.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Accept => Some(Outcome::Accepted),
            Self::Reject => Some(Outcome::Rejected(Default::default())),
            Self::Release => Some(Outcome::Released),
            Self::Modify => Some(Modified::default().into()),
            Self::Settle => None,
        }
    }
}

/// An action of the peer's application. Refused commands have no effect.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Act {
    /// Accepts or refuses a link that was offered.
    Answer(Pick, Why),
    /// Sets the credit of a receiver.
    Credit(Pick, u8),
    /// Drains a receiver.
    Drain(Pick),
    /// Tells the outcome of a received message.
    Dispose(Pick, Verdict),
    /// Sends a message of this size.
    Send(Pick, u16),
    /// Returns unused credit.
    Drained(Pick),
    /// Ends a link, for good or not.
    Detach(Pick, bool, Why),
    /// Ends a session.
    End(Pick, Why),
    /// Closes the connection.
    Close(Why),
}

/// The habits of a peer's application.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Habits {
    /// It accepts links at once.
    pub accepts_links: bool,
    /// It accepts messages at once.
    pub accepts_messages: bool,
    /// It keeps the states of links, and resumes them.
    pub remembers: bool,
    /// The credit of its receivers.
    pub prefetch: u8,
}

impl Habits {
    /// Returns the habits of a server that accepts everything.
    #[must_use]
    pub fn kind(self) -> Self {
        Self { accepts_links: true, accepts_messages: true, prefetch: self.prefetch.max(1), ..self }
    }
}

/// A server.
pub struct Peer {
    /// The engine.
    pub engine: Engine,
    habits: Habits,
    /// The states of links, by the role and the name.
    pub kept: BTreeMap<(bool, Str), LinkState>,
    offers: Vec<LinkKey>,
    sessions: Vec<SessionKey>,
    senders: Vec<SenderKey>,
    receivers: Vec<ReceiverKey>,
    unsettled: Vec<(ReceiverKey, DeliveryKey)>,
    /// The messages that it has received, in order.
    pub received: Vec<Bytes>,
    has_ended: bool,
}

impl Peer {
    /// Returns a server that has the states of links that an earlier one has kept.
    pub fn new(habits: Habits, kept: BTreeMap<(bool, Str), LinkState>, now: Moment) -> Self {
        Self {
            engine: Engine::server(Options::new("server"), now),
            habits,
            kept,
            offers: Vec::new(),
            sessions: Vec::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            unsettled: Vec::new(),
            received: Vec::new(),
            has_ended: false,
        }
    }

    /// Reads, acts and writes as much as is possible. Returns `true` if anything moved.
    pub fn turn(&mut self, now: Moment, pipe: &mut Pipe) -> bool {
        self.engine.handle_deadline(now);
        let mut moves = self.observe();
        let mut space = [0; 1 << 10];
        while self.engine.reading() == Reading::Wanted {
            match pipe.read(&mut space) {
                Ok(0) => self.engine.end_of_input(),
                Ok(octets) => self.engine.receive(now, space.get(..octets).unwrap_or_default()),
                Err(_) => break,
            }
            moves = true;
            self.observe();
        }
        self.write(pipe) | moves
    }

    fn write(&mut self, pipe: &mut Pipe) -> bool {
        let mut moves = false;
        loop {
            let mut output = self.engine.output();
            if !output.has_remaining() {
                break;
            }
            match pipe.write(output.chunk()) {
                Ok(octets) => output.advance(octets),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return moves,
                Err(_) => {
                    let octets = output.remaining();
                    output.advance(octets);
                }
            }
            moves = true;
            self.observe();
        }
        if self.engine.is_over() && !self.has_ended {
            self.has_ended = true;
            pipe.end();
            moves = true;
        }
        moves
    }

    /// Ends the input, as a transport that is lost.
    pub fn lose(&mut self) {
        self.engine.end_of_input();
        self.observe();
    }

    fn observe(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.engine.poll_event() {
            any = true;
            self.on_event(event);
        }
        any
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::SessionOffered(key) => {
                let accepted = self.engine.session(key).map(|mut one| one.accept(SessionOptions::new()));
                if let Ok(Ok(())) = accepted {
                    self.sessions.push(key);
                }
            }
            Event::LinkOffered(key) if self.habits.accepts_links => self.accept(key),
            Event::LinkOffered(key) => self.offers.push(key),
            Event::Message { receiver, .. } => self.receive(receiver),
            Event::Suspended { link, state } if self.habits.remembers => {
                self.kept.insert((is_sender(link), state.name().clone()), *state);
            }
            // The key under which it was received is stale.
            Event::Resumed { link: LinkKey::Receiver(key), delivery, .. } => {
                self.unsettled.push((key, delivery))
            }
            Event::LinkDetached { link, closed: true, .. } => {
                self.forget(link);
            }
            _ => {}
        }
    }

    fn forget(&mut self, link: LinkKey) {
        match link {
            LinkKey::Sender(key) => self.senders.retain(|one| *one != key),
            LinkKey::Receiver(key) => self.receivers.retain(|one| *one != key),
        }
    }

    fn receive(&mut self, key: ReceiverKey) {
        let Ok(mut receiver) = self.engine.receiver(key) else { return };
        while let Some(delivery) = receiver.receive() {
            self.received.push(delivery.payload().to_bytes());
            if self.habits.accepts_messages {
                let _ = receiver.accept(delivery.key());
            } else if !delivery.is_settled() {
                self.unsettled.push((key, delivery.key()));
            }
        }
    }

    fn accept(&mut self, link: LinkKey) {
        let remembers = self.habits.remembers;
        match link {
            LinkKey::Sender(key) => {
                let Ok(mut sender) = self.engine.sender(key) else { return };
                let options = SenderOptions::new().with_resumable(remembers);
                let accepted = match self.kept.remove(&(true, sender.name())) {
                    Some(state) if !sender.is_suspended() => sender.accept_resumed(options, state),
                    _ => sender.accept_link(options),
                };
                if accepted.is_ok() && !self.senders.contains(&key) {
                    self.senders.push(key);
                }
            }
            LinkKey::Receiver(key) => {
                let Ok(mut receiver) = self.engine.receiver(key) else { return };
                let options = ReceiverOptions::new()
                    .with_resumable(remembers)
                    .with_prefetch(self.habits.prefetch.into());
                let accepted = match self.kept.remove(&(false, receiver.name())) {
                    Some(state) if !receiver.is_suspended() => receiver.accept_resumed(options, state),
                    _ => receiver.accept_link(options),
                };
                if accepted.is_ok() && !self.receivers.contains(&key) {
                    self.receivers.push(key);
                }
            }
        }
    }

    /// Accepts everything that waits, and everything from now on.
    pub fn be_kind(&mut self) {
        self.habits = self.habits.kind();
        for link in std::mem::take(&mut self.offers) {
            self.accept(link);
        }
        while !self.unsettled.is_empty() {
            self.dispose(Pick(0), Verdict::Accept);
        }
        for key in self.receivers.clone() {
            if let Ok(mut receiver) = self.engine.receiver(key) {
                let _ = receiver.set_credit(10);
            }
        }
    }

    /// Acts, as far as the engine lets it.
    pub fn act(&mut self, act: Act) {
        match act {
            Act::Answer(pick, Why::Nothing) => {
                if let Some(link) = pick.take(&mut self.offers) {
                    self.accept(link);
                }
            }
            Act::Answer(pick, why) => {
                if let (Some(link), Some(error)) = (pick.take(&mut self.offers), why.error()) {
                    let _ = match link {
                        LinkKey::Sender(key) => self.engine.sender(key).map(|mut one| one.refuse_link(error)),
                        LinkKey::Receiver(key) => {
                            self.engine.receiver(key).map(|mut one| one.refuse_link(error))
                        }
                    };
                }
            }
            Act::Credit(pick, credit) => {
                if let Some(Ok(mut receiver)) = self.receiver(pick) {
                    let _ = receiver.set_credit(credit.into());
                }
            }
            Act::Drain(pick) => {
                if let Some(Ok(mut receiver)) = self.receiver(pick) {
                    let _ = receiver.drain();
                }
            }
            Act::Dispose(pick, verdict) => self.dispose(pick, verdict),
            Act::Send(pick, octets) => {
                if let Some(Ok(mut sender)) = self.sender(pick) {
                    let _ = sender.send(vec![0; octets.into()]);
                }
            }
            Act::Drained(pick) => {
                if let Some(Ok(mut sender)) = self.sender(pick) {
                    let _ = sender.drained();
                }
            }
            Act::Detach(pick, is_closed, why) => self.detach(pick, is_closed, why),
            Act::End(pick, why) => {
                if let Some(Ok(mut session)) =
                    pick.take(&mut self.sessions).map(|key| self.engine.session(key))
                {
                    let _ = match why.error() {
                        Some(error) => session.end_with(error),
                        None => session.end(),
                    };
                }
            }
            Act::Close(why) => {
                match why.error() {
                    Some(error) => self.engine.close_with(error),
                    None => self.engine.close(),
                };
            }
        }
        self.observe();
    }

    fn sender(&mut self, pick: Pick) -> Option<Result<amqp_proto::SenderMut<'_>, amqp_proto::StaleKey>> {
        pick.of(&self.senders).map(|key| self.engine.sender(key))
    }

    fn receiver(&mut self, pick: Pick) -> Option<Result<amqp_proto::ReceiverMut<'_>, amqp_proto::StaleKey>> {
        pick.of(&self.receivers).map(|key| self.engine.receiver(key))
    }

    fn dispose(&mut self, pick: Pick, verdict: Verdict) {
        let Some((key, delivery)) = pick.take(&mut self.unsettled) else { return };
        let Ok(mut receiver) = self.engine.receiver(key) else { return };
        let told = match verdict.outcome() {
            Some(outcome) => receiver.dispose(delivery, &DeliveryState::from(outcome)),
            None => receiver.settle(delivery),
        };
        if told == Err(SettleError::Second) {
            // It still waits for an outcome.
            self.unsettled.push((key, delivery));
        }
    }

    fn detach(&mut self, pick: Pick, is_closed: bool, why: Why) {
        let senders = self.senders.iter().map(|key| LinkKey::Sender(*key));
        let links: Vec<_> = senders.chain(self.receivers.iter().map(|key| LinkKey::Receiver(*key))).collect();
        match (pick.of(&links), why.error()) {
            (Some(LinkKey::Sender(key)), error) => {
                let _ = self.engine.sender(key).map(|mut link| match error {
                    Some(error) => link.close_with(error),
                    None if is_closed => link.close(),
                    None => link.detach(),
                });
            }
            (Some(LinkKey::Receiver(key)), error) => {
                let _ = self.engine.receiver(key).map(|mut link| match error {
                    Some(error) => link.close_with(error),
                    None if is_closed => link.close(),
                    None => link.detach(),
                });
            }
            (None, _) => {}
        }
    }
}

fn is_sender(link: LinkKey) -> bool {
    matches!(link, LinkKey::Sender(_))
}
