//! [`End`]: one end of a pair, and what it was told.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::connection::Connection;
use crate::machine::{Delivery, Event, Reading, Reason};
use crate::types::{DeliveryKey, LinkKey, ReceiverKey, SenderKey, SessionKey, Str};
use crate::wire::{AmqpError, DeliveryState, Outcome};

/// The offers that an end accepts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Auto {
    /// Nothing.
    Off,
    /// Sessions.
    Sessions,
    /// Sessions and links.
    Links,
}

/// One end of a [`Pair`](super::Pair): a [`Connection`], and the events that the pair has polled of it.
///
/// The `expect_...` methods take the oldest event of a kind out of those that were told, and panic if there is none.
#[derive(Debug)]
pub struct End {
    connection: Connection,
    name: &'static str,
    /// The offers that it accepts by itself. Sessions and links, unless set.
    pub auto: Auto,
    /// True if the pair polls its events, which is the default: else they wait until the test does, and input with
    /// them.
    pub polls: bool,
    /// True if input is handed over even while it is not wanted. Default: false.
    pub pushes: bool,
    /// True if messages are received as soon as they are complete, for [`messages`](Self::messages). No, unless
    /// set.
    pub collects: bool,
    /// The options of sessions that it begins and accepts.
    pub session_options: SessionOptions,
    /// The options of accepted links on which this end sends.
    pub sender_options: SenderOptions,
    /// The options of accepted links on which this end receives.
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

    /// Client or server.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The session that links are attached to if nothing else is said: the first that was begun or accepted by
    /// itself; begun now, if there is none.
    #[track_caller]
    pub fn default_session(&mut self) -> SessionKey {
        if let Some(session) = self.session.filter(|key| self.connection.session(*key).is_ok()) {
            return session;
        }
        let options = self.session_options.clone();
        match self.connection.begin(&options) {
            Ok(session) => *self.session.insert(session),
            Err(error) => self.fail("a session is begun", &error),
        }
    }

    /// Attaches a link to the node of this name, under the same name, on which this end sends.
    #[track_caller]
    pub fn attach_sender(&mut self, name: impl Into<Str>) -> SenderKey {
        let name = name.into();
        let options = SenderOptions::to(name.clone());
        self.attach_sender_with(name, &options)
    }

    /// Attaches a sender, as the options say.
    #[track_caller]
    pub fn attach_sender_with(&mut self, name: impl Into<Str>, options: &SenderOptions) -> SenderKey {
        let session = self.default_session();
        match self.connection.session(session).map(|mut session| session.attach_sender(name, options)) {
            Ok(Ok(sender)) => sender,
            refused => self.fail("a sender is attached", &refused),
        }
    }

    /// Attaches a link from the node of this name, under the same name, on which this end receives.
    #[track_caller]
    pub fn attach_receiver(&mut self, name: impl Into<Str>) -> ReceiverKey {
        let name = name.into();
        let options = ReceiverOptions::from(name.clone());
        self.attach_receiver_with(name, &options)
    }

    /// Attaches a receiver, as the options say.
    #[track_caller]
    pub fn attach_receiver_with(&mut self, name: impl Into<Str>, options: &ReceiverOptions) -> ReceiverKey {
        let session = self.default_session();
        match self.connection.session(session).map(|mut session| session.attach_receiver(name, options)) {
            Ok(Ok(receiver)) => receiver,
            refused => self.fail("a receiver is attached", &refused),
        }
    }

    /// Takes the events since the last call that were not expected one by one, the oldest first.
    pub fn events(&mut self) -> Vec<Event> {
        self.told.drain(..).collect()
    }

    /// The oldest of what was told.
    pub fn next_event(&mut self) -> Option<Event> {
        self.told.pop_front()
    }

    /// The messages that were received for the test, and on which link, the oldest first; see
    /// [`collects`](Self::collects).
    pub fn messages(&mut self) -> Vec<(ReceiverKey, Delivery)> {
        core::mem::take(&mut self.messages)
    }

    /// Returns the outcome of a delivery, if the peer has told one.
    pub fn outcome(&self, delivery: DeliveryKey) -> Option<Outcome> {
        self.outcomes.get(&delivery).cloned()
    }

    /// Returns whether a delivery went with its link or session.
    pub fn is_lost(&self, delivery: DeliveryKey) -> bool {
        self.lost.contains(&delivery)
    }

    /// Returns the oldest event of which `pick` makes something.
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

    /// The connection is open.
    #[track_caller]
    pub fn expect_opened(&mut self) {
        self.expect("opened", |event| matches!(event, Event::Opened).then_some(()));
    }

    /// The connection is over.
    #[track_caller]
    pub fn expect_closed(&mut self) -> Reason {
        self.expect("closed", |event| match event {
            Event::Closed(reason) => Some((**reason).clone()),
            _ => None,
        })
    }

    /// The peer has begun a session. It is accepted already, unless [`auto`](Self::auto) is off.
    #[track_caller]
    pub fn expect_session_offer(&mut self) -> SessionKey {
        self.expect("a session is offered", |event| match event {
            Event::SessionOffered(session) => Some(*session),
            _ => None,
        })
    }

    /// The peer has accepted a session.
    #[track_caller]
    pub fn expect_session_begun(&mut self) -> SessionKey {
        self.expect("a session is begun", |event| match event {
            Event::SessionBegun(session) => Some(*session),
            _ => None,
        })
    }

    /// A session is over.
    #[track_caller]
    pub fn expect_session_ended(&mut self) -> (SessionKey, Reason) {
        self.expect("a session has ended", |event| match event {
            Event::SessionEnded { session, reason } => Some((*session, (**reason).clone())),
            _ => None,
        })
    }

    /// The peer has attached a link. It is accepted already, if [`auto`](Self::auto) says links.
    #[track_caller]
    pub fn expect_attach(&mut self) -> Offer<'_> {
        let link = self.expect("a link is offered", |event| match event {
            Event::LinkOffered(link) => Some(*link),
            _ => None,
        });
        Offer { end: self, link }
    }

    /// The peer has accepted a link.
    #[track_caller]
    pub fn expect_attached(&mut self) -> LinkKey {
        self.expect("a link is attached", |event| match event {
            Event::LinkAttached(link) => Some(*link),
            _ => None,
        })
    }

    /// A link is detached: which one, whether it is closed, and why.
    #[track_caller]
    pub fn expect_detached(&mut self) -> (LinkKey, bool, Reason) {
        self.expect("a link is detached", |event| match event {
            Event::LinkDetached { link, closed, reason } => Some((*link, *closed, (**reason).clone())),
            _ => None,
        })
    }

    /// A sender may send.
    #[track_caller]
    pub fn expect_sendable(&mut self) -> SenderKey {
        self.expect("a sender may send", |event| match event {
            Event::Sendable(sender) => Some(*sender),
            _ => None,
        })
    }

    /// A receiver's credit is used up or given back.
    #[track_caller]
    pub fn expect_drained(&mut self) -> ReceiverKey {
        self.expect("a receiver is drained", |event| match event {
            Event::Drained(receiver) => Some(*receiver),
            _ => None,
        })
    }

    /// A message is there.
    #[track_caller]
    pub fn expect_message(&mut self) -> (ReceiverKey, DeliveryKey) {
        self.expect("a message is there", |event| match event {
            Event::Message { receiver, delivery } => Some((*receiver, *delivery)),
            _ => None,
        })
    }

    /// The peer has told the state of a delivery: which one, the state, and whether it is settled.
    #[track_caller]
    pub fn expect_updated(&mut self) -> (DeliveryKey, Option<DeliveryState>, bool) {
        self.expect("a delivery is updated", |event| match event {
            Event::Updated { delivery, state, settled, .. } => Some((*delivery, state.clone(), *settled)),
            _ => None,
        })
    }

    /// Nothing was told that was not expected.
    #[track_caller]
    pub fn expect_quiet(&self) {
        if !self.told.is_empty() {
            self.fail("nothing more is told", &self.told);
        }
    }

    /// Polls all events, and does what is done by itself; whether there were any.
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

    /// Refusals show in what follows.
    fn note(&mut self, event: &Event) {
        match event {
            Event::SessionOffered(session) if self.auto >= Auto::Sessions => {
                self.session.get_or_insert(*session);
                if let Ok(mut session) = self.connection.session(*session) {
                    let _ = session.accept(&self.session_options);
                }
            }
            Event::LinkOffered(link) if self.auto >= Auto::Links => {
                let _ = match *link {
                    LinkKey::Sender(key) => {
                        self.connection.sender(key).map(|mut end| end.accept_link(&self.sender_options))
                    }
                    LinkKey::Receiver(key) => {
                        self.connection.receiver(key).map(|mut end| end.accept_link(&self.receiver_options))
                    }
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
pub struct Offer<'a> {
    end: &'a mut End,
    link: LinkKey,
}

impl Offer<'_> {
    /// Its key.
    pub fn key(&self) -> LinkKey {
        self.link
    }

    /// Accepts it, if that is not done already.
    pub fn accept(self) -> LinkKey {
        let _ = match self.link {
            LinkKey::Sender(key) => {
                self.end.connection.sender(key).map(|mut end| end.accept_link(&self.end.sender_options))
            }
            LinkKey::Receiver(key) => {
                self.end.connection.receiver(key).map(|mut end| end.accept_link(&self.end.receiver_options))
            }
        };
        self.link
    }

    /// Accepts a link on which this end receives, and grants credit for so many messages and no more.
    #[track_caller]
    pub fn accept_with_credit(self, messages: u32) -> ReceiverKey {
        let LinkKey::Receiver(key) = self.link else { self.end.fail("this end receives", &self.link) };
        let options = self.end.receiver_options.clone().with_prefetch(0);
        let granted = self.end.connection.receiver(key).map(|mut receiver| {
            let _ = receiver.accept_link(&options);
            receiver.set_credit(messages)
        });
        match granted {
            Ok(Ok(())) => key,
            refused => self.end.fail("credit is granted", &refused),
        }
    }

    /// Refuses it.
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
