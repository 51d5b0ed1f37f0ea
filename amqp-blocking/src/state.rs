//! [`State`]: an engine, and who waits for what of it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, OnceLock};

use amqp_proto::config::SessionOptions;
use amqp_proto::endpoint::{ConnectionOptions, Ended, Error, Result};
use amqp_proto::machine::LinkError;
use amqp_proto::types::{DeliveryKey, LinkKey, ReceiverKey, SenderKey, SessionKey, Str};
use amqp_proto::wire::{self, Attach, DeliveryState, Outcome};
use amqp_proto::{Connection, Event, Reason};

use crate::waiters::{Keyed, On, Waiters};
use crate::writing::Outlet;

/// What the threads of a connection share, under one lock, which nobody holds while reading, writing or waiting.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) connection: Connection,
    pub(crate) waiters: Waiters,
    /// The links and sessions that somebody holds.
    pub(crate) links: Keyed<LinkKey, Link>,
    pub(crate) sessions: Keyed<SessionKey, Arc<Life>>,
    /// The session of links that name none.
    pub(crate) default_session: Option<SessionKey>,
    /// Whether some message was not sent for too many were unsettled.
    pub(crate) is_sated: bool,
    /// Senders of which somebody waits until what they send is written.
    pub(crate) unwritten: Vec<SenderKey>,
    /// Deliveries of which nobody wants what is still to come.
    pub(crate) unwanted: Vec<DeliveryKey>,
    /// Whether the application takes sessions and links of the peer's making.
    takes_offers: bool,
    /// What the peer wants and nobody has looked at.
    pub(crate) offers: VecDeque<Wish>,
    /// Why the connection is over.
    pub(crate) end: Option<Ended>,
    /// What the operating system said when the transport broke.
    pub(crate) io: Option<Arc<io::Error>>,
    /// The peer's URL, for the words of errors.
    url: Option<Str>,
    /// The way out; `None` while somebody writes.
    pub(crate) outlet: Option<Outlet>,
    /// How far the transport has come.
    pub(crate) transport: Stage,
    /// Whether output was dropped, as it could not be written.
    pub(crate) is_cut: bool,
    /// Whether the writing thread has been told to look, and has not yet.
    pub(crate) is_writer_called: bool,
    /// Whether there has been output since the writing thread looked.
    pub(crate) is_busy: bool,
    /// Whether the reading thread waits for output to be taken.
    pub(crate) is_reader_waiting: bool,
    /// Whether no more will be read.
    pub(crate) is_read: bool,
    /// When the writing thread looks by itself.
    pub(crate) alarm: Option<amqp_proto::types::Moment>,
}

/// How far a transport has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Open,
    /// It takes no more output.
    Broken,
    /// All that can be written is.
    Written,
}

/// What the peer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Session(SessionKey),
    /// On this session.
    Link(LinkKey, SessionKey),
}

/// A link that somebody holds.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) life: Arc<Life>,
    /// What is known of deliveries that were sent and that somebody holds.
    pub(crate) sent: Keyed<DeliveryKey, Fate>,
    /// Messages that had come when the link ended, and were not taken.
    pub(crate) left: VecDeque<amqp_proto::Delivery>,
    /// Whether the credit that was to be drained is gone.
    pub(crate) is_drained: bool,
    /// Whether the sender has stopped since that was asked for.
    pub(crate) is_stopped: bool,
    /// Whether messages are read while they come.
    pub(crate) is_streaming: bool,
    /// Messages that have begun to come, on a streaming link.
    pub(crate) begun: VecDeque<DeliveryKey>,
}

/// What has become of a delivery that was sent.
#[derive(Debug)]
pub(crate) enum Fate {
    Unknown,
    /// It is settled, and how it ended, if that was told.
    Settled(Option<Outcome>),
}

/// Why a link ended, and the session that it is on.
#[derive(Debug)]
pub(crate) struct LinkLife {
    pub(crate) link: Arc<Life>,
    pub(crate) session: Arc<Life>,
}

/// Why something ended, once it has. Outlives it.
#[derive(Debug, Default)]
pub(crate) struct Life {
    end: OnceLock<Ended>,
}

impl State {
    pub(crate) fn new(connection: Connection, outlet: Outlet, options: &ConnectionOptions) -> Self {
        Self {
            connection,
            waiters: Waiters::default(),
            links: Keyed::default(),
            sessions: Keyed::default(),
            default_session: None,
            is_sated: false,
            unwritten: Vec::new(),
            unwanted: Vec::new(),
            takes_offers: options.accepts_offers(),
            offers: VecDeque::new(),
            end: None,
            io: None,
            url: options.url().cloned(),
            outlet: Some(outlet),
            transport: Stage::Open,
            is_cut: false,
            is_writer_called: true,
            is_busy: false,
            is_reader_waiting: false,
            is_read: false,
            alarm: None,
        }
    }

    /// Notes a link that somebody holds from now on.
    pub(crate) fn hold_link(&mut self, key: LinkKey) -> LinkLife {
        let is_streaming = match key {
            LinkKey::Receiver(key) => self.connection.receiver(key).is_ok_and(|link| link.is_streaming()),
            LinkKey::Sender(_) => false,
        };
        let link = Link { is_streaming, ..Link::default() };
        let session = self.session_of(key).map(|session| self.hold_session(session)).unwrap_or_default();
        let life = LinkLife { link: Arc::clone(&link.life), session };
        self.links.insert(key, link);
        life
    }

    /// Notes a session, or a link on it, that somebody holds from now on.
    pub(crate) fn hold_session(&mut self, key: SessionKey) -> Arc<Life> {
        Arc::clone(self.sessions.entry(key).or_default())
    }

    /// The session that a link is on.
    fn session_of(&mut self, key: LinkKey) -> Option<SessionKey> {
        match key {
            LinkKey::Sender(key) => self.connection.sender(key).ok()?.session(),
            LinkKey::Receiver(key) => self.connection.receiver(key).ok()?.session(),
        }
    }

    /// How it ended, where the transport's end is told with what the operating system said.
    fn story(&self, reason: Reason) -> Ended {
        Ended::new(reason, self.io.clone()).with_url(self.url.clone())
    }

    /// The error of something whose life is over, told as that of the connection if that is; `None` if it is not.
    pub(crate) fn ended(&self, what: fn(Ended) -> Error, life: &Life) -> Option<Error> {
        match &self.end {
            Some(end) => Some(Error::Connection(end.clone())),
            None => life.end.get().cloned().map(what),
        }
    }

    /// Nobody holds a link any more.
    pub(crate) fn let_link_go(&mut self, key: LinkKey, life: &Arc<Life>) {
        if self.is_held(key, life) {
            self.links.remove(&key);
        }
    }

    /// Whether it is this life that a link has: one that was detached may have been attached again after it.
    pub(crate) fn is_held(&self, key: LinkKey, life: &Arc<Life>) -> bool {
        self.links.get(&key).is_some_and(|link| Arc::ptr_eq(&link.life, life))
    }

    /// Notes a delivery that was sent and that somebody holds.
    pub(crate) fn hold_sent(&mut self, sender: SenderKey, delivery: DeliveryKey, fate: Fate) {
        if let Some(link) = self.links.get_mut(&sender.into()) {
            link.sent.insert(delivery, fate);
        }
    }

    /// What has become of a delivery that somebody holds.
    pub(crate) fn fate(&self, sender: SenderKey, delivery: DeliveryKey) -> Option<&Fate> {
        self.links.get(&sender.into())?.sent.get(&delivery)
    }

    /// Nobody holds a delivery any more.
    pub(crate) fn let_sent_go(&mut self, sender: SenderKey, delivery: DeliveryKey) {
        if let Some(link) = self.links.get_mut(&sender.into()) {
            link.sent.remove(&delivery);
        }
    }

    /// This thread has had its turn to send: if there is room for more, it is the next one's.
    pub(crate) fn pass_turn_on(&mut self, sender: SenderKey) {
        self.waiters.leave(On::Sendable(sender));
        if self.connection.sender(sender).is_ok_and(|mut sender| sender.is_sendable()) {
            self.waiters.wake_one(On::Sendable(sender));
        }
    }

    /// Whether the credit of a receiver that was to be drained is gone.
    pub(crate) fn is_drained(&self, receiver: ReceiverKey) -> bool {
        self.links.get(&receiver.into()).is_some_and(|link| link.is_drained)
    }

    pub(crate) fn set_drained(&mut self, receiver: ReceiverKey, is_drained: bool) {
        if let Some(link) = self.links.get_mut(&receiver.into()) {
            link.is_drained = is_drained;
        }
    }

    /// The session of links that name none: it is begun when the first one is attached.
    pub(crate) fn default_session(&mut self) -> Result<SessionKey> {
        match (self.default_session, &self.end) {
            (_, Some(ended)) => Err(Error::Connection(ended.clone())),
            (Some(session), None) => Ok(session),
            (None, None) => {
                let session = self.connection.begin(&SessionOptions::new())?;
                self.default_session = Some(session);
                Ok(session)
            }
        }
    }

    /// Ends a session; false if that was done before.
    pub(crate) fn end_session(&mut self, key: SessionKey, error: Option<wire::Error>) -> bool {
        let Ok(mut session) = self.connection.session(key) else { return false };
        match error {
            Some(error) => session.end_with(error).is_ok(),
            None => session.end().is_ok(),
        }
    }

    /// Whether a link is attached at both ends.
    pub(crate) fn is_attached(&mut self, key: LinkKey) -> bool {
        match key {
            LinkKey::Sender(key) => self.connection.sender(key).is_ok_and(|link| link.is_attached()),
            LinkKey::Receiver(key) => self.connection.receiver(key).is_ok_and(|link| link.is_attached()),
        }
    }

    /// What the peer's attach says.
    pub(crate) fn peer_attach(&mut self, key: LinkKey) -> Option<Attach> {
        match key {
            LinkKey::Sender(key) => self.connection.sender(key).ok()?.peer_attach(),
            LinkKey::Receiver(key) => self.connection.receiver(key).ok()?.peer_attach(),
        }
    }

    /// Detaches a link, so that it can be attached again.
    pub(crate) fn detach_link(&mut self, key: LinkKey) -> Result<(), LinkError> {
        match key {
            LinkKey::Sender(key) => self.connection.sender(key).map(|mut link| link.detach()),
            LinkKey::Receiver(key) => self.connection.receiver(key).map(|mut link| link.detach()),
        }
        .unwrap_or(Err(LinkError::Detached))
    }

    /// The name of a link; empty once it is closed.
    pub(crate) fn link_name(&mut self, key: LinkKey) -> Str {
        match key {
            LinkKey::Sender(key) => self.connection.sender(key).map(|link| link.name()),
            LinkKey::Receiver(key) => self.connection.receiver(key).map(|link| link.name()),
        }
        .unwrap_or_default()
    }

    /// How many deliveries of a link are unsettled.
    pub(crate) fn unsettled_len(&mut self, key: LinkKey) -> u32 {
        match key {
            LinkKey::Sender(key) => self.connection.sender(key).map(|link| link.unsettled_len()),
            LinkKey::Receiver(key) => self.connection.receiver(key).map(|link| link.unsettled_len()),
        }
        .unwrap_or_default()
    }

    /// Closes a link.
    pub(crate) fn close_link(&mut self, key: LinkKey, error: Option<wire::Error>) -> Result<(), LinkError> {
        match (key, error) {
            (LinkKey::Sender(key), None) => self.connection.sender(key).map(|mut link| link.close()),
            (LinkKey::Sender(key), Some(error)) => {
                self.connection.sender(key).map(|mut link| link.close_with(error))
            }
            (LinkKey::Receiver(key), None) => self.connection.receiver(key).map(|mut link| link.close()),
            (LinkKey::Receiver(key), Some(error)) => {
                self.connection.receiver(key).map(|mut link| link.close_with(error))
            }
        }
        .unwrap_or(Err(LinkError::Detached))
    }

    pub(crate) fn on_event(&mut self, event: Event) {
        match event {
            Event::Opened => self.waiters.wake_all(On::Connection),
            Event::Closed(reason) => self.on_closed(*reason),
            Event::SessionOffered(key) => self.offer_session(key),
            Event::SessionBegun(key) => self.waiters.wake_all(On::Session(key)),
            Event::SessionEnded { session, reason } => self.on_session_ended(session, *reason),
            Event::LinkOffered(key) => self.offer_link(key),
            Event::LinkAttached(key) => self.waiters.wake_all(On::Link(key)),
            Event::LinkDetached { link, reason, .. } => self.on_link_detached(link, *reason),
            Event::Sendable(key) => {
                self.waiters.wake_one(On::Sendable(key));
                self.waiters.wake_all(On::Link(key.into()));
            }
            Event::Drained(key) => self.on_drained(key),
            Event::Stopped(key) => {
                self.set_stopped(key, true);
                self.waiters.wake_all(On::Link(key.into()));
            }
            Event::Message { receiver, delivery } => self.on_message(receiver, delivery),
            Event::Data { receiver, delivery } | Event::Aborted { receiver, delivery } => {
                self.on_data(receiver, delivery);
            }
            Event::Updated { link: LinkKey::Sender(link), delivery, state, settled } => {
                self.on_updated(link, delivery, state, settled);
            }
            Event::Lost { link: LinkKey::Sender(link), delivery, state: Some(state) } => {
                self.on_updated(link, delivery, Some(state), false);
            }
            Event::Updated { link, .. } | Event::Lost { link, .. } => self.waiters.wake_all(On::Link(link)),
            _ => {}
        }
    }

    fn on_message(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        if let Some(link) = self.links.get_mut(&key.into()).filter(|link| link.is_streaming) {
            link.begun.push_back(delivery);
        }
        self.waiters.wake_one(On::Inbox(key));
    }

    fn on_data(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        if self.unwanted.contains(&delivery) {
            self.drop_rest(key, delivery);
        }
        self.waiters.wake_all(On::Link(key.into()));
    }

    /// Output was taken: who waits until a message is written is to look again.
    pub(crate) fn on_taken(&mut self) {
        for key in std::mem::take(&mut self.unwritten) {
            self.waiters.wake_all(On::Link(key.into()));
        }
    }

    fn on_closed(&mut self, reason: Reason) {
        self.end = Some(self.story(reason));
        self.offers.clear();
        self.waiters.wake_everybody();
    }

    fn offer(&mut self, wish: Wish) {
        self.offers.push_back(wish);
        self.waiters.wake_all(On::Offer);
    }

    fn offer_session(&mut self, key: SessionKey) {
        if self.takes_offers {
            return self.offer(Wish::Session(key));
        }
        // Nobody would ever look at it.
        self.end_session(key, None);
    }

    fn offer_link(&mut self, key: LinkKey) {
        match self.session_of(key).filter(|_| self.takes_offers) {
            Some(session) => self.offer(Wish::Link(key, session)),
            // Nobody would ever look at it.
            None => drop(self.close_link(key, None)),
        }
    }

    fn on_session_ended(&mut self, key: SessionKey, reason: Reason) {
        self.offers.retain(|wish| *wish != Wish::Session(key));
        self.default_session = self.default_session.filter(|default| *default != key);
        let story = self.story(reason);
        if let Some(life) = self.sessions.remove(&key) {
            life.over(story);
        }
        self.waiters.wake_all(On::Session(key));
        self.waiters.wake_all(On::Offer);
    }

    fn on_link_detached(&mut self, key: LinkKey, reason: Reason) {
        self.offers.retain(|wish| !matches!(wish, Wish::Link(link, _) if *link == key));
        let story = self.story(reason);
        if let Some(link) = self.links.get(&key) {
            link.life.over(story);
        }
        self.waiters.wake_link(key);
    }

    fn on_drained(&mut self, key: ReceiverKey) {
        self.set_drained(key, true);
        self.waiters.wake_all(On::Link(key.into()));
    }

    fn on_updated(
        &mut self,
        link: SenderKey,
        delivery: DeliveryKey,
        state: Option<DeliveryState>,
        is_settled: bool,
    ) {
        let outcome = state.and_then(outcome_of);
        if is_settled && self.is_sated {
            self.is_sated = false;
            self.waiters.wake_senders();
        }
        if !is_settled && outcome.is_none() {
            return;
        }
        let fate = self.links.get_mut(&link.into()).and_then(|link| link.sent.get_mut(&delivery));
        if let Some(fate) = fate {
            *fate = Fate::Settled(outcome);
            self.waiters.wake_all(On::Outcome(link, delivery));
        }
    }
}

/// The outcome that a state tells, be it within a transaction.
fn outcome_of(state: DeliveryState) -> Option<Outcome> {
    match state {
        DeliveryState::Outcome(outcome) => Some(outcome),
        DeliveryState::Transactional(state) => state.outcome,
        _ => None,
    }
}

impl Life {
    /// It is over. What is over ends once.
    fn over(&self, story: Ended) {
        let _ = self.end.set(story);
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.end.get().is_some()
    }
}
