//! [`End`]: one end of a pair, and what it was told.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::connection::Connection;
use crate::machine::{Delivery, Event, Reading, Reason};
use crate::types::{DeliveryKey, LinkKey, ReceiverKey, SenderKey, SessionKey, Str};
use crate::wire::{AmqpError, DeliveryState, Outcome};

/// The offers that an end accepts without the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Auto {
    /// Accepts nothing.
    Off,
    /// Accepts sessions.
    Sessions,
    /// Accepts sessions and links.
    Links,
}

/// One end of a [`Pair`](super::Pair): a [`Connection`] and the events that the pair has polled from it.
///
/// Each `expect_...` method removes the oldest event of one kind and panics if there is none.
#[derive(Debug)]
pub struct End {
    connection: Connection,
    name: &'static str,
    /// The offers that the end accepts by itself. Default: sessions and links.
    pub auto: Auto,
    /// True if the pair polls the events of the end. If false, events and input wait until the test polls. Default:
    /// true.
    pub polls: bool,
    /// True if the end takes input although it asks for none. Default: false.
    pub pushes: bool,
    /// True if the end receives each message once it is complete; [`messages`](Self::messages) returns them. Default:
    /// false.
    pub collects: bool,
    /// The options of sessions that the end begins and accepts.
    pub session_options: SessionOptions,
    /// The options of accepted links on which the end sends.
    pub sender_options: SenderOptions,
    /// The options of accepted links on which the end receives.
    pub receiver_options: ReceiverOptions,
    session: Option<SessionKey>,
    told: VecDeque<Event>,
    outcomes: BTreeMap<DeliveryKey, Outcome>,
    lost: BTreeSet<DeliveryKey>,
    messages: Vec<(ReceiverKey, Delivery)>,
}

impl End {
    pub(super) fn new(connection: Connection, name: &'static str) -> Self {
        Self {
            connection,
            name,
            auto: Auto::Links,
            polls: true,
            pushes: false,
            collects: false,
            session_options: SessionOptions::new(),
            sender_options: SenderOptions::new(),
            receiver_options: ReceiverOptions::new(),
            session: None,
            told: VecDeque::new(),
            outcomes: BTreeMap::new(),
            lost: BTreeSet::new(),
            messages: Vec::new(),
        }
    }

    /// Returns `client` or `server`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the session for links that name no session: the first session of the end. Begins a session if there is
    /// none.
    #[track_caller]
    pub fn default_session(&mut self) -> SessionKey {
        if let Some(session) = self.session.filter(|key| self.connection.session(*key).is_ok()) {
            return session;
        }
        let options = self.session_options.clone();
        match self.connection.begin(options) {
            Ok(session) => *self.session.insert(session),
            Err(error) => self.fail("a session is begun", &error),
        }
    }

    /// Attaches a sending link to the node of this name. The link has the name of the node.
    #[track_caller]
    pub fn attach_sender(&mut self, name: impl Into<Str>) -> SenderKey {
        let name = name.into();
        let options = SenderOptions::to(name.clone());
        self.attach_sender_with(name, options)
    }

    /// Attaches a sending link with these options.
    #[track_caller]
    pub fn attach_sender_with(&mut self, name: impl Into<Str>, options: SenderOptions) -> SenderKey {
        let session = self.default_session();
        match self.connection.session(session).map(|mut session| session.attach_sender(name, options)) {
            Ok(Ok(sender)) => sender,
            refused => self.fail("a sender is attached", &refused),
        }
    }

    /// Attaches a receiving link from the node of this name. The link has the name of the node.
    #[track_caller]
    pub fn attach_receiver(&mut self, name: impl Into<Str>) -> ReceiverKey {
        let name = name.into();
        let options = ReceiverOptions::from(name.clone());
        self.attach_receiver_with(name, options)
    }

    /// Attaches a receiving link with these options.
    #[track_caller]
    pub fn attach_receiver_with(&mut self, name: impl Into<Str>, options: ReceiverOptions) -> ReceiverKey {
        let session = self.default_session();
        match self.connection.session(session).map(|mut session| session.attach_receiver(name, options)) {
            Ok(Ok(receiver)) => receiver,
            refused => self.fail("a receiver is attached", &refused),
        }
    }

    /// Removes and returns all events, the oldest first.
    pub fn events(&mut self) -> Vec<Event> {
        self.told.drain(..).collect()
    }

    /// Removes and returns the oldest event.
    pub fn next_event(&mut self) -> Option<Event> {
        self.told.pop_front()
    }

    /// Removes and returns the messages that the end has received, with their links, the oldest first; see
    /// [`collects`](Self::collects).
    pub fn messages(&mut self) -> Vec<(ReceiverKey, Delivery)> {
        core::mem::take(&mut self.messages)
    }

    /// Returns the outcome of a sent delivery, if the peer has sent one.
    pub fn outcome(&self, delivery: DeliveryKey) -> Option<Outcome> {
        self.outcomes.get(&delivery).cloned()
    }

    /// Returns whether a sent delivery was lost with its link or session.
    pub fn is_lost(&self, delivery: DeliveryKey) -> bool {
        self.lost.contains(&delivery)
    }

    /// Removes the oldest event for which `pick` returns a value, and returns the value.
    #[track_caller]
    pub fn expect<T>(&mut self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        let found = self.told.iter().enumerate().find_map(|(at, event)| Some((at, pick(event)?)));
        match found {
            Some((at, value)) => {
                self.told.remove(at);
                value
            }
            None => self.fail(what, &self.told),
        }
    }

    /// Expects that the connection has opened.
    #[track_caller]
    pub fn expect_opened(&mut self) {
        self.expect("opened", |event| matches!(event, Event::Opened).then_some(()));
    }

    /// Expects that the connection has closed, and returns the reason.
    #[track_caller]
    pub fn expect_closed(&mut self) -> Reason {
        self.expect("closed", |event| match event {
            Event::Closed(reason) => Some((**reason).clone()),
            _ => None,
        })
    }

    /// Expects that the peer has begun a session. The end has accepted it, unless [`auto`](Self::auto) is off.
    #[track_caller]
    pub fn expect_session_offer(&mut self) -> SessionKey {
        self.expect("a session is offered", |event| match event {
            Event::SessionOffered(session) => Some(*session),
            _ => None,
        })
    }

    /// Expects that the peer has accepted a session.
    #[track_caller]
    pub fn expect_session_begun(&mut self) -> SessionKey {
        self.expect("a session is begun", |event| match event {
            Event::SessionBegun(session) => Some(*session),
            _ => None,
        })
    }

    /// Expects that a session has ended, and returns the reason.
    #[track_caller]
    pub fn expect_session_ended(&mut self) -> (SessionKey, Reason) {
        self.expect("a session has ended", |event| match event {
            Event::SessionEnded { session, reason } => Some((*session, (**reason).clone())),
            _ => None,
        })
    }

    /// Expects that the peer has attached a link. The end has accepted it, if [`auto`](Self::auto) includes links.
    #[track_caller]
    pub fn expect_attach(&mut self) -> LinkOffer<'_> {
        let link = self.expect("a link is offered", |event| match event {
            Event::LinkOffered(link) => Some(*link),
            _ => None,
        });
        LinkOffer { end: self, link }
    }

    /// Expects that the peer has accepted a link.
    #[track_caller]
    pub fn expect_attached(&mut self) -> LinkKey {
        self.expect("a link is attached", |event| match event {
            Event::LinkAttached(link) => Some(*link),
            _ => None,
        })
    }

    /// Expects that a link was detached. Returns the link, whether it is closed, and the reason.
    #[track_caller]
    pub fn expect_detached(&mut self) -> (LinkKey, bool, Reason) {
        self.expect("a link is detached", |event| match event {
            Event::LinkDetached { link, closed, reason, .. } => Some((*link, *closed, (**reason).clone())),
            _ => None,
        })
    }

    /// Expects that a sender has become sendable.
    #[track_caller]
    pub fn expect_sendable(&mut self) -> SenderKey {
        self.expect("a sender may send", |event| match event {
            Event::Sendable(sender) => Some(*sender),
            _ => None,
        })
    }

    /// Expects that a receiver's credit was used or given back.
    #[track_caller]
    pub fn expect_drained(&mut self) -> ReceiverKey {
        self.expect("a receiver is drained", |event| match event {
            Event::Drained(receiver) => Some(*receiver),
            _ => None,
        })
    }

    /// Expects that a message has arrived.
    #[track_caller]
    pub fn expect_message(&mut self) -> (ReceiverKey, DeliveryKey) {
        self.expect("a message is there", |event| match event {
            Event::Message { receiver, delivery } => Some((*receiver, *delivery)),
            _ => None,
        })
    }

    /// Expects a new state of a sent delivery. Returns the delivery, its state, and whether the peer has settled it.
    #[track_caller]
    pub fn expect_updated(&mut self) -> (DeliveryKey, Option<DeliveryState>, bool) {
        self.expect("a delivery is updated", |event| match event {
            Event::Updated { delivery, state, settled, .. } => Some((*delivery, state.clone(), *settled)),
            _ => None,
        })
    }

    /// Expects that no events are left.
    #[track_caller]
    pub fn expect_quiet(&self) {
        if !self.told.is_empty() {
            self.fail("nothing more is told", &self.told);
        }
    }

    /// Polls all events and does the automatic work. Returns whether there were any events.
    pub(super) fn poll(&mut self) -> bool {
        let mut any = false;
        while self.polls
            && let Some(event) = self.connection.poll_event()
        {
            self.note(&event);
            self.told.push_back(event);
            any = true;
        }
        any
    }

    pub(super) fn takes_input(&self) -> bool {
        self.pushes || matches!(self.connection.reading(), Reading::Wanted | Reading::Over)
    }

    /// Reacts to an event. Refused commands are ignored here, as the test sees their effect.
    fn note(&mut self, event: &Event) {
        match event {
            Event::SessionOffered(session) if self.auto >= Auto::Sessions => {
                self.session.get_or_insert(*session);
                if let Ok(mut session) = self.connection.session(*session) {
                    let _ = session.accept(self.session_options.clone());
                }
            }
            Event::LinkOffered(link) if self.auto >= Auto::Links => {
                let _ = match *link {
                    LinkKey::Sender(key) => self
                        .connection
                        .sender(key)
                        .map(|mut end| end.accept_link(self.sender_options.clone())),
                    LinkKey::Receiver(key) => self
                        .connection
                        .receiver(key)
                        .map(|mut end| end.accept_link(self.receiver_options.clone())),
                };
            }
            Event::Message { receiver, .. } | Event::Data { receiver, .. } if self.collects => {
                if let Ok(mut end) = self.connection.receiver(*receiver) {
                    let received = core::iter::from_fn(|| end.receive());
                    self.messages.extend(received.map(|delivery| (*receiver, delivery)));
                }
            }
            Event::Updated { delivery, state: Some(state), .. } => {
                let outcome = match state {
                    DeliveryState::Outcome(outcome) => Some(outcome.clone()),
                    DeliveryState::Transactional(state) => state.outcome.clone(),
                    DeliveryState::Received(_) => None,
                };
                self.outcomes.extend(outcome.map(|outcome| (*delivery, outcome)));
            }
            Event::Lost { delivery, .. } => {
                self.lost.insert(*delivery);
            }
            _ => {}
        }
    }

    #[track_caller]
    #[allow(clippy::panic, reason = "that is how a test kit says no")]
    fn fail(&self, what: &str, instead: &dyn core::fmt::Debug) -> ! {
        panic!("the {}: expected that {what}, found {instead:?}", self.name)
    }
}

impl Deref for End {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for End {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// A link that the peer has attached.
#[derive(Debug)]
pub struct LinkOffer<'a> {
    end: &'a mut End,
    link: LinkKey,
}

impl LinkOffer<'_> {
    /// Returns the key of the link.
    pub fn key(&self) -> LinkKey {
        self.link
    }

    /// Accepts the link, unless the end has accepted it already.
    pub fn accept(self) -> LinkKey {
        let _ = match self.link {
            LinkKey::Sender(key) => self
                .end
                .connection
                .sender(key)
                .map(|mut end| end.accept_link(self.end.sender_options.clone())),
            LinkKey::Receiver(key) => self
                .end
                .connection
                .receiver(key)
                .map(|mut end| end.accept_link(self.end.receiver_options.clone())),
        };
        self.link
    }

    /// Accepts a receiving link and grants credit for exactly this number of messages.
    #[track_caller]
    pub fn accept_with_credit(self, messages: u32) -> ReceiverKey {
        let LinkKey::Receiver(key) = self.link else { self.end.fail("this end receives", &self.link) };
        let options = self.end.receiver_options.clone().with_prefetch(0);
        let granted = self.end.connection.receiver(key).map(|mut receiver| {
            let _ = receiver.accept_link(options);
            receiver.set_credit(messages)
        });
        match granted {
            Ok(Ok(())) => key,
            refused => self.end.fail("credit is granted", &refused),
        }
    }

    /// Refuses the link.
    #[track_caller]
    pub fn refuse(self, error: AmqpError) {
        let refused = match self.link {
            LinkKey::Sender(key) => self.end.connection.sender(key).map(|mut end| end.refuse_link(error)),
            LinkKey::Receiver(key) => self.end.connection.receiver(key).map(|mut end| end.refuse_link(error)),
        };
        if !matches!(refused, Ok(Ok(()))) {
            self.end.fail("the link is refused", &refused);
        }
    }
}
