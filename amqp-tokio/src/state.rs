//! [`State`]: the engine of a connection, and who waits for what of it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::Waker;

use amqp_proto::endpoint::{ConnectionOptions, Ended, Error};
use amqp_proto::types::{DeliveryKey, LinkKey, Moment, ReceiverKey, SenderKey, SessionKey, Str};
use amqp_proto::{Connection as Engine, Delivery, Event, Origin};
use bytes::Buf;

use crate::hash::KeyMap;
use crate::outcome::Tracked;
use crate::replies::Replies;
use crate::waiters::{Ticket, Waiters};

/// What the lock of a connection guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) sessions: KeyMap<SessionKey, SessionState>,
    pub(crate) links: KeyMap<LinkKey, LinkState>,
    /// Deliveries whose outcome somebody may ask for.
    pub(crate) sent: KeyMap<DeliveryKey, Tracked>,
    /// Senders that wait for deliveries to be settled.
    pub(crate) starved: Vec<SenderKey>,
    /// Senders of which somebody waits until what they send is written.
    pub(crate) unwritten: Vec<SenderKey>,
    /// Received deliveries of which nobody wants the rest.
    pub(crate) unwanted: Vec<DeliveryKey>,
    /// Who waits for the connection itself: its beginning, its end, and sessions that the peer begins.
    pub(crate) waiters: Waiters,
    /// Who waits for the peer to answer in time.
    pub(crate) replies: Replies,
    pub(crate) is_open: bool,
    pub(crate) ended: Option<Ended>,
    /// Whether the transport is done with, too.
    pub(crate) is_done: bool,
    /// Whether there was output that could not be written.
    pub(crate) is_cut: bool,
    /// Whether the application takes sessions and links of the peer's making.
    pub(crate) takes_offers: bool,
    pub(crate) offered: VecDeque<SessionKey>,
    /// The session that links are on unless they ask for another.
    pub(crate) default_session: Option<SessionKey>,
    pub(crate) names: Names,
    /// What the operating system said when the transport broke.
    pub(crate) io: Option<Arc<io::Error>>,
    /// The peer's URL, for the words of errors.
    url: Option<Str>,
    /// Tasks to be woken once the lock is given back, and wakers to be dropped then.
    pub(crate) wakes: Vec<Waker>,
    pub(crate) spent: Vec<Waker>,
    /// The driver, and whether it sleeps.
    pub(crate) driver: Option<Waker>,
    pub(crate) is_asleep: bool,
    /// Whether there may be events that were left for the next turn.
    pub(crate) has_more: bool,
    /// How often the application has used the lock.
    pub(crate) calls: u64,
}

/// What is known of a session beside what the engine knows.
#[derive(Debug, Default)]
pub(crate) struct SessionState {
    pub(crate) waiters: Waiters,
    pub(crate) is_begun: bool,
    pub(crate) ended: Option<Ended>,
    /// Links that the peer has attached and nobody has looked at.
    pub(crate) offered: VecDeque<LinkKey>,
}

/// What is known of a link beside what the engine knows.
#[derive(Debug, Default)]
pub(crate) struct LinkState {
    /// Who waits for any change of it.
    pub(crate) waiters: Waiters,
    /// Who waits to send on it, in turn.
    pub(crate) line: Waiters,
    pub(crate) is_attached: bool,
    pub(crate) ended: Option<Ended>,
    /// Whether all credit was given back since that was asked for.
    pub(crate) is_drained: bool,
    /// Whether the sender has stopped since that was asked for.
    pub(crate) is_stopped: bool,
    /// Messages that came before the link ended, and were not taken.
    pub(crate) rest: VecDeque<Delivery>,
    /// Whether messages are read while they come.
    pub(crate) is_streaming: bool,
    /// Messages that have begun to come, on a streaming link.
    pub(crate) begun: VecDeque<DeliveryKey>,
    /// Outcomes in the order in which they come, if one task looks after all of them.
    pub(crate) outcomes: Option<VecDeque<(DeliveryKey, Tracked)>>,
    /// How often the link was offered: handles of an older one do not close it.
    pub(crate) epoch: u32,
}

/// Names for links: no two containers make the same.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) prefix: String,
    pub(crate) next: u64,
}

impl Names {
    pub(crate) fn make(&mut self) -> String {
        self.next += 1;
        format!("{}-{}", self.prefix, self.next)
    }
}

/// A line that a future waits in for a change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Connection,
    Session(SessionKey),
    Link(LinkKey),
}

impl State {
    pub(crate) fn new(engine: Engine, prefix: String, options: &ConnectionOptions) -> Self {
        Self {
            engine,
            sessions: KeyMap::default(),
            links: KeyMap::default(),
            sent: KeyMap::default(),
            starved: Vec::new(),
            unwritten: Vec::new(),
            unwanted: Vec::new(),
            waiters: Waiters::default(),
            replies: Replies::default(),
            is_open: false,
            ended: None,
            is_done: false,
            is_cut: false,
            takes_offers: options.accepts_offers(),
            offered: VecDeque::new(),
            default_session: None,
            names: Names { prefix, next: 0 },
            io: None,
            url: options.url().cloned(),
            wakes: Vec::new(),
            spent: Vec::new(),
            driver: None,
            is_asleep: false,
            has_more: false,
            calls: 0,
        }
    }

    /// Waits in a line; one that is gone has nothing to wait for.
    pub(crate) fn wait(&mut self, place: Place, ticket: &mut Option<Ticket>, waker: &Waker) {
        let spent = self.line(place).and_then(|line| line.wait(ticket, waker));
        self.spent.extend(spent);
    }

    /// Gives a place in a line up.
    pub(crate) fn leave(&mut self, place: Place, ticket: Ticket) {
        let spent = self.line(place).and_then(|line| line.leave(ticket));
        self.spent.extend(spent);
    }

    fn line(&mut self, place: Place) -> Option<&mut Waiters> {
        match place {
            Place::Connection => Some(&mut self.waiters),
            Place::Session(key) => self.sessions.get_mut(&key).map(|session| &mut session.waiters),
            Place::Link(key) => self.links.get_mut(&key).map(|link| &mut link.waiters),
        }
    }

    /// Why nothing more can be done on the connection.
    pub(crate) fn over(&self) -> Option<Error> {
        self.ended.clone().map(Error::Connection)
    }

    /// Why nothing more can be done on a session: the widest reason there is.
    pub(crate) fn session_over(&self, key: SessionKey) -> Option<Error> {
        self.over().or_else(|| self.sessions.get(&key)?.ended.clone().map(Error::Session))
    }

    /// Why nothing more can be done on a link: the widest reason there is.
    pub(crate) fn link_over(&self, session: SessionKey, link: LinkKey) -> Option<Error> {
        self.session_over(session).or_else(|| self.links.get(&link)?.ended.clone().map(Error::Link))
    }

    /// When there is something to do by the clock.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let engine = self.engine.next_deadline().map(|(by, _)| by);
        engine.into_iter().chain(self.replies.next()).min()
    }

    /// Does what is due, and looks at what has happened.
    pub(crate) fn run(&mut self, now: Moment) {
        self.replies.wake_due(now, &mut self.wakes);
        self.engine.handle_deadline(now);
        self.dispatch();
    }

    /// Drops what is to be written, which cannot be any more, and looks at what had to wait for that.
    pub(crate) fn drop_output(&mut self) {
        while self.engine.has_output() {
            let octets = self.engine.output().remaining();
            self.engine.output().advance(octets);
            self.dispatch_all();
            if octets == 0 {
                return;
            }
        }
    }

    /// Wakes who waits for output to be taken.
    pub(crate) fn wake_unwritten(&mut self) {
        while let Some(key) = self.unwritten.pop() {
            self.wake_link(key.into());
        }
    }

    /// A link is about to be forgotten, unless it is only suspended: messages that came over it and were not taken are
    /// kept for the application. All are, where the peer has ended it: it may have sent and closed at once, and forgotten
    /// them. Else only those that the sender has settled, which exist nowhere else any more.
    pub(crate) fn keep_rest(&mut self, key: ReceiverKey, origin: Origin) {
        let Some(link) = self.links.get_mut(&key.into()) else { return };
        let Ok(mut receiver) = self.engine.receiver(key) else { return };
        if receiver.is_suspended() {
            return;
        }
        let rest = std::iter::from_fn(|| receiver.receive());
        link.rest.extend(rest.filter(|left| origin == Origin::Remote || left.is_settled()));
    }

    pub(crate) fn on_event(&mut self, event: Event) {
        match event {
            Event::Message { receiver, delivery } => self.on_message(receiver, delivery),
            Event::Updated { link: LinkKey::Sender(link), delivery, state, settled } => {
                self.on_outcome(link, delivery, Tracked::of(state, settled), settled);
            }
            Event::Sendable(key) => self.on_sendable(key),
            Event::Lost { link: LinkKey::Sender(link), delivery, .. } => {
                self.on_outcome(link, delivery, Some(Tracked::Lost), true);
            }
            Event::Updated { link, .. } | Event::Lost { link, .. } => self.wake_link(link),
            Event::Data { receiver, delivery } => self.on_data(receiver, delivery),
            Event::Aborted { receiver, delivery } => self.on_data(receiver, delivery),
            Event::Drained(key) => {
                if let Some(link) = self.links.get_mut(&key.into()) {
                    link.is_drained = true;
                }
                self.wake_link(key.into());
            }
            Event::Stopped(key) => {
                if let Some(link) = self.links.get_mut(&key.into()) {
                    link.is_stopped = true;
                }
                self.wake_link(key.into());
            }
            event => self.on_change(event),
        }
    }

    /// Something begins or ends.
    fn on_change(&mut self, event: Event) {
        match event {
            Event::Opened => {
                self.is_open = true;
                self.waiters.wake_all(&mut self.wakes);
            }
            Event::Closed(reason) => {
                self.ended = Some(Ended::new(*reason, self.io.take()).with_url(self.url.clone()));
                self.wake_everybody();
            }
            Event::SessionOffered(key) => self.on_session_offered(key),
            Event::SessionBegun(key) => {
                if let Some(session) = self.sessions.get_mut(&key) {
                    session.is_begun = true;
                    session.waiters.wake_all(&mut self.wakes);
                }
            }
            Event::SessionEnded { session, reason } => {
                if self.offered.contains(&session) {
                    // Nobody has looked at it.
                    self.offered.retain(|offered| *offered != session);
                    self.sessions.remove(&session);
                }
                self.default_session = self.default_session.filter(|default| *default != session);
                if let Some(state) = self.sessions.get_mut(&session) {
                    state.ended = Some(Ended::new(*reason, None).with_url(self.url.clone()));
                    state.waiters.wake_all(&mut self.wakes);
                }
            }
            Event::LinkOffered(key) => self.on_link_offered(key),
            Event::LinkAttached(key) => {
                if let Some(link) = self.links.get_mut(&key) {
                    link.is_attached = true;
                }
                self.wake_link(key);
            }
            Event::LinkDetached { link, reason, .. } => {
                let mut offers = self.sessions.values_mut().map(|session| &mut session.offered);
                if let Some(offered) = offers.find(|offered| offered.contains(&link)) {
                    // Nobody has looked at it.
                    offered.retain(|key| *key != link);
                    self.links.remove(&link);
                }
                if let Some(state) = self.links.get_mut(&link) {
                    state.ended = Some(Ended::new(*reason, None).with_url(self.url.clone()));
                }
                self.wake_link(link);
                if let LinkKey::Sender(key) = link {
                    self.wake_outcomes(key);
                }
            }
            _ => {}
        }
    }

    fn on_session_offered(&mut self, key: SessionKey) {
        if self.takes_offers {
            self.sessions.insert(key, SessionState::default());
            self.offered.push_back(key);
            self.waiters.wake_all(&mut self.wakes);
        } else if let Ok(mut session) = self.engine.session(key) {
            // Nobody would ever look at it.
            let _ = session.end();
        }
    }

    fn on_link_offered(&mut self, key: LinkKey) {
        let session = self.session_of(key);
        let state = session.filter(|_| self.takes_offers).and_then(|key| self.sessions.get_mut(&key));
        let Some(state) = state else {
            // Nobody would ever look at it.
            let _ = match key {
                LinkKey::Sender(key) => self.engine.sender(key).map(|mut link| link.close()),
                LinkKey::Receiver(key) => self.engine.receiver(key).map(|mut link| link.close()),
            };
            return;
        };
        state.offered.push_back(key);
        state.waiters.wake_all(&mut self.wakes);
        self.hold_link(key);
    }

    /// Notes a link that is attached, perhaps again; which of the links of its key it is.
    pub(crate) fn hold_link(&mut self, key: LinkKey) -> u32 {
        let is_streaming = match key {
            LinkKey::Receiver(key) => self.engine.receiver(key).is_ok_and(|link| link.is_streaming()),
            LinkKey::Sender(_) => false,
        };
        let link = self.links.entry(key).or_default();
        link.ended = None;
        link.is_attached = false;
        link.is_streaming = is_streaming;
        link.epoch = link.epoch.wrapping_add(1);
        link.epoch
    }

    fn session_of(&mut self, key: LinkKey) -> Option<SessionKey> {
        match key {
            LinkKey::Sender(key) => self.engine.sender(key).ok()?.session(),
            LinkKey::Receiver(key) => self.engine.receiver(key).ok()?.session(),
        }
    }

    #[inline]
    fn on_message(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        let Some(link) = self.links.get_mut(&key.into()) else { return };
        if link.is_streaming {
            link.begun.push_back(delivery);
        }
        link.waiters.wake_all(&mut self.wakes);
    }

    fn on_data(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        if self.unwanted.contains(&delivery) {
            self.drop_rest(key, delivery);
        }
        self.wake_link(key.into());
    }

    /// Releases messages that have come and nobody has taken; on a streaming link, also those that have only begun.
    pub(crate) fn release_untaken(&mut self, key: ReceiverKey) {
        let begun = self.links.get_mut(&key.into()).map(|link| std::mem::take(&mut link.begun));
        let Ok(mut receiver) = self.engine.receiver(key) else { return };
        if !receiver.is_streaming() {
            return receiver.release_untaken();
        }
        for delivery in begun.into_iter().flatten() {
            let released = self.engine.receiver(key).is_ok_and(|mut link| link.release(delivery).is_ok());
            if released {
                self.drop_rest(key, delivery);
            } else if let Some(link) = self.links.get_mut(&key.into()) {
                // What the sender has settled stays to be read.
                link.begun.push_back(delivery);
            }
        }
    }

    /// Reads what there is of a delivery that nobody wants.
    pub(crate) fn drop_rest(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        let part = self
            .engine
            .receiver(key)
            .map_err(|_| ())
            .and_then(|mut link| link.read(delivery).map_err(|_| ()));
        self.unwanted.retain(|unwanted| *unwanted != delivery);
        if part.is_ok_and(|part| part.end == amqp_proto::machine::PartEnd::More) {
            self.unwanted.push(delivery);
        }
    }

    fn on_sendable(&mut self, key: SenderKey) {
        let Some(link) = self.links.get_mut(&key.into()) else { return };
        link.line.wake_first(&mut self.wakes);
        link.waiters.wake_all(&mut self.wakes);
    }

    /// Wakes all that wait for a change of a link.
    pub(crate) fn wake_link(&mut self, key: LinkKey) {
        if let Some(link) = self.links.get_mut(&key) {
            link.waiters.wake_all(&mut self.wakes);
            link.line.wake_first(&mut self.wakes);
        }
    }

    fn wake_everybody(&mut self) {
        self.waiters.wake_all(&mut self.wakes);
        self.sessions.values_mut().for_each(|session| session.waiters.wake_all(&mut self.wakes));
        for link in self.links.values_mut() {
            link.waiters.wake_all(&mut self.wakes);
            link.line.wake_first(&mut self.wakes);
        }
    }
}
