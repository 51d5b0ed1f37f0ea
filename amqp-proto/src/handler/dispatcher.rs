//! [`Dispatcher`]: the connections of a container, and what becomes of their events.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::callbacks::Handler;
use super::connection::Entry;
use super::context::Context;
use super::failure::Failure;
use super::key::{ConnectionKey, DeliveryKey, LinkKey, ListenerKey};
use super::link::Links;
use super::queue::QUEUE_OCTETS;
use super::timers::Timers;
use crate::connection::Connection;
use crate::machine::{Reason, SendError, Slab, StaleKey};
use crate::message::Message;
use crate::types::{Moment, Str};

/// A request of a handler to its container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// To make a connection: [`Dispatcher::connected`] or [`Dispatcher::not_connected`] follows.
    Connect {
        /// Which one.
        connection: ConnectionKey,
        /// Where to.
        url: Str,
    },
    /// To take connections: [`Dispatcher::listening`] or [`Dispatcher::not_listening`] follows, and
    /// [`Dispatcher::add`] for each of them.
    Listen {
        /// By which listener.
        listener: ListenerKey,
        /// Where.
        address: Str,
    },
    /// To take no more connections.
    Unlisten(ListenerKey),
}

/// The part of a container that needs no IO: it holds connections, gives what happens on them to a [`Handler`], and
/// collects what the handler wants of the world.
///
/// # The contract
///
/// 1. [`start`](Self::start) it once, with the handler.
/// 2. Whenever something may have happened, [`dispatch`](Self::dispatch); once more while it
///    [has events](Self::has_events).
/// 3. Then do what [`poll_action`](Self::poll_action) gives, and write the output of each connection that
///    [`poll_changed`](Self::poll_changed) gives. If anything was written, go back to 2: there may be room for more.
/// 4. When a connection [is over](Connection::is_over) and its output is written, [`remove`](Self::remove) it.
/// 5. Unless it [is finished](Self::is_finished), wait until a connection has input, which goes into
///    [`connection`](Self::connection), or until [`next_deadline`](Self::next_deadline); then go to 2.
///
/// ```
/// use amqp_proto::Connection;
/// use amqp_proto::config::Options;
/// use amqp_proto::handler::{ConnectionKey, Context, DeliveryKey, Dispatcher, Handler, ReceivedMessage, Action, SenderKey};
/// use amqp_proto::types::Moment;
/// use bytes::Buf;
///
/// #[derive(Default)]
/// struct Jobs {
///     accepted: u32,
/// }
///
/// impl Handler for Jobs {
///     fn on_start(&mut self, cx: &mut Context<'_>) {
///         let conn = cx.connect("amqp://example.com");
///         cx.create_sender(conn, "jobs");
///     }
///
///     fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderKey) {
///         let _ = cx.send(sender, "job-content");
///     }
///
///     fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey) {
///         self.accepted += 1;
///         cx.close_connection(delivery.connection());
///     }
/// }
///
/// struct Worker;
///
/// impl Handler for Worker {
///     fn on_message(&mut self, _: &mut Context<'_>, message: ReceivedMessage) {
///         assert_eq!(message.message().unwrap().body().unwrap().as_str(), Some("job-content"));
///     } // and it is accepted
/// }
///
/// /// Carries the output of one connection to another; a socket would be in between.
/// fn carry(from: &mut Dispatcher, one: ConnectionKey, to: &mut Dispatcher, other: ConnectionKey) -> bool {
///     let (Some(one), Some(other)) = (from.connection(one), to.connection(other)) else { return false };
///     let octets = one.output().remaining();
///     let octets = one.output().copy_to_bytes(octets);
///     other.receive(Moment::START, &octets);
///     !octets.is_empty()
/// }
///
/// let now = Moment::START;
/// let (mut jobs, mut worker) = (Jobs::default(), Worker);
/// let (mut client, mut server) = (Dispatcher::new(), Dispatcher::new());
/// client.start(now, &mut jobs);
/// let Some(Action::Connect { connection: here, url }) = client.poll_action() else { panic!() };
/// assert_eq!(url, "amqp://example.com");
/// client.connected(here, Connection::client(Options::new("client"), now)).unwrap();
/// let there = server.add(Connection::server(Options::new("server"), now)).unwrap();
/// loop {
///     client.dispatch(now, &mut jobs);
///     server.dispatch(now, &mut worker);
///     let went = carry(&mut client, here, &mut server, there);
///     if !(carry(&mut server, there, &mut client, here) || went) {
///         break;
///     }
/// }
/// assert_eq!(jobs.accepted, 1);
/// assert!(client.remove(here).is_some_and(|connection| connection.is_over()));
/// assert!(client.is_finished());
/// ```
#[derive(Debug, Default)]
pub struct Dispatcher {
    pub(super) now: Moment,
    pub(super) connections: Slab<Entry>,
    pub(super) links: Links,
    pub(super) listeners: Slab<()>,
    pub(super) timers: Timers,
    pub(super) requests: VecDeque<Action>,
    pub(super) news: VecDeque<News>,
    /// Messages that are with the handler, to be accepted when it returns.
    pub(super) undecided: Vec<DeliveryKey>,
    /// An error that ends all, and whether everything was told to end for it.
    pub(super) failure: Option<Failure>,
    pub(super) is_failed: bool,
    /// How many octets of messages each sender queues.
    pub(super) queue_octets: usize,
    /// How many messages have been queued so far.
    pub(super) queued: u64,
    /// How many names of links have been made up.
    pub(super) names: u64,
    /// Connections that may have events.
    dirty: VecDeque<ConnectionKey>,
    /// Connections that the container has to look at.
    changed: VecDeque<ConnectionKey>,
    /// Whether there are events that the last dispatch has left.
    has_events: bool,
    /// When connections want to be woken.
    deadlines: BTreeSet<(Moment, ConnectionKey)>,
}

/// How many events of a connection are told before it is the next one's turn.
const TURN: usize = 64;

/// What no connection has an event for.
#[derive(Debug)]
pub(super) enum News {
    /// A link that the handler has accepted late is there.
    LinkOpened(LinkKey),
    /// A link cannot be.
    LinkFailed(LinkKey, Reason),
    /// A message that was queued is not sent.
    Unsent(DeliveryKey, Message, SendError),
    /// A session that the handler has accepted late is there.
    SessionOpened(super::key::SessionKey),
    /// A connection is not made.
    NotConnected(ConnectionKey, Reason),
    Listening(ListenerKey, Str),
    NotListening(ListenerKey, Reason),
}

impl Dispatcher {
    /// Without connections.
    pub fn new() -> Self {
        Self { queue_octets: QUEUE_OCTETS, ..Self::default() }
    }

    /// Tells the handler that it runs.
    pub fn start<H: Handler + ?Sized>(&mut self, now: Moment, handler: &mut H) {
        self.with(now, |cx| handler.on_start(cx));
    }

    /// Work from outside, such as from another thread, is done between two callbacks. [`dispatch`](Self::dispatch)
    /// after that.
    pub fn with<R>(&mut self, now: Moment, work: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.now = self.now.max(now);
        self.call(None, work)
    }

    /// Tells the handler what has happened.
    ///
    /// A connection with very many events has a turn of some of them, so that others are not kept waiting and its
    /// output is written; then [`has_events`](Self::has_events), and the next call goes on.
    pub fn dispatch<H: Handler + ?Sized>(&mut self, now: Moment, handler: &mut H) {
        self.now = self.now.max(now);
        self.wake_connections();
        // What callbacks bring about without any input waits for the next time: so each time has an end.
        for _ in 0..self.news.len() {
            if let Some(news) = self.news.pop_front() {
                self.tell_news(handler, news);
            }
        }
        let count = self.timers.count();
        while let Some(id) = self.timers.take(self.now, count) {
            self.call(None, |cx| handler.on_timer(cx, id));
        }
        self.dispatch_events(handler);
        // The error of a link may be part of a wider one that is still to be told.
        if !self.has_events && self.end_if_failed() {
            self.dispatch_events(handler);
        }
    }

    /// Tells the handler what has happened on its connections.
    fn dispatch_events<H: Handler + ?Sized>(&mut self, handler: &mut H) {
        let mut unfinished = VecDeque::new();
        while let Some(key) = self.dirty.front().copied() {
            let is_done = self.tell_some(handler, key);
            self.dirty.pop_front();
            self.settle_down(key, is_done);
            unfinished.extend((!is_done).then_some(key));
        }
        self.has_events = !unfinished.is_empty();
        self.dirty = unfinished;
    }

    /// Tells events of a connection, at most a turn of them unless it is over; returns whether there are no more.
    fn tell_some<H: Handler + ?Sized>(&mut self, handler: &mut H, key: ConnectionKey) -> bool {
        let mut left = TURN;
        while left > 0 || self.is_over(key) {
            let Some(event) = self.poll_event(key) else { return true };
            self.tell(handler, key, event);
            left = left.saturating_sub(1);
        }
        false
    }

    /// Returns whether a connection is over, and so may be removed.
    fn is_over(&self, key: ConnectionKey) -> bool {
        let connection = self.connections.get(key.0).and_then(|entry| entry.connection.as_ref());
        connection.is_some_and(Connection::is_over)
    }

    /// Returns whether the last [`dispatch`](Self::dispatch) has left events for the next one, which is due then.
    pub fn has_events(&self) -> bool {
        self.has_events
    }

    /// Returns the connections that have something to do by the clock at this time. A container that was kept busy
    /// reads what has come for them before it [dispatches](Self::dispatch): a peer whose octets wait to be read is not
    /// silent [2.4.5].
    pub fn due(&self, now: Moment) -> impl Iterator<Item = ConnectionKey> + '_ {
        self.deadlines.iter().take_while(move |(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// Takes the oldest request of the handler.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.requests.pop_front()
    }

    /// A connection that has output, or is over.
    pub fn poll_changed(&mut self) -> Option<ConnectionKey> {
        while let Some(key) = self.changed.pop_front() {
            if let Some(entry) = self.connections.get_mut(key.0) {
                entry.is_changed = false;
                return Some(key);
            }
        }
        None
    }

    /// When to dispatch if nothing else happens.
    pub fn next_deadline(&self) -> Option<Moment> {
        let news = (self.has_events || !self.news.is_empty()).then_some(self.now);
        let connections = self.deadlines.first().map(|(at, _)| *at);
        [news, connections, self.timers.next()].into_iter().flatten().min()
    }

    /// Returns whether there is nothing left that anything could come of: no connection, listener, timer or
    /// request.
    pub fn is_finished(&self) -> bool {
        self.connections.len() == 0
            && self.listeners.len() == 0
            && self.timers.is_empty()
            && self.news.is_empty()
            && self.requests.is_empty()
    }

    /// Returns a connection that the handler has asked for is made. [`StaleKey`] if it does not want it any more.
    pub fn connected(&mut self, key: ConnectionKey, connection: Connection) -> Result<(), StaleKey> {
        let entry =
            self.connections.get_mut(key.0).filter(|entry| entry.connection.is_none() && !entry.is_closing);
        entry.ok_or(StaleKey)?.connection = Some(connection);
        let _ = self.live(key);
        Ok(())
    }

    /// A connection that the handler has asked for cannot be made, and why, in words.
    pub fn not_connected(&mut self, key: ConnectionKey, words: impl Into<Str>) {
        self.news.push_back(News::NotConnected(key, Reason::transport(words)));
    }

    /// Adds a connection that was made otherwise, such as by a listener. `None` if there are 2^32 - 1 already.
    pub fn add(&mut self, connection: Connection) -> Option<ConnectionKey> {
        let key = self.connections.insert(|_| Entry::taken(connection)).map(ConnectionKey)?;
        let _ = self.live(key);
        Some(key)
    }

    /// A listener takes connections, at this address. [`StaleKey`] if the handler does not want it any more.
    pub fn listening(&mut self, listener: ListenerKey, address: impl Into<Str>) -> Result<(), StaleKey> {
        self.listeners.get(listener.0).ok_or(StaleKey)?;
        self.news.push_back(News::Listening(listener, address.into()));
        Ok(())
    }

    /// A listener cannot take connections, or not any more, and why, in words.
    pub fn not_listening(&mut self, listener: ListenerKey, words: impl Into<Str>) {
        self.news.push_back(News::NotListening(listener, Reason::transport(words)));
    }

    /// Returns a connection, to be given input or have its output taken; dispatch after that. `None` while it is
    /// not made, and after it was removed.
    pub fn connection(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.live(key).ok()
    }

    /// Takes a connection out. If it is not [over](Connection::is_over), or that was not dispatched, the handler is
    /// told nothing more of it: end its input, and dispatch, before.
    pub fn remove(&mut self, key: ConnectionKey) -> Option<Connection> {
        let entry = self.connections.remove(key.0)?;
        let links: Vec<LinkKey> = entry.links(&self.links).collect();
        for link in links {
            if self.links.is_of(link, key) {
                self.links.remove(link);
            }
        }
        if let Some(at) = entry.deadline {
            self.deadlines.remove(&(at, key));
        }
        entry.connection
    }

    /// Returns a connection, whose events are to be looked at.
    pub(super) fn live(&mut self, key: ConnectionKey) -> Result<&mut Connection, StaleKey> {
        let entry = self.connections.get_mut(key.0).ok_or(StaleKey)?;
        let connection = entry.connection.as_mut().ok_or(StaleKey)?;
        if !entry.is_dirty {
            entry.is_dirty = true;
            self.dirty.push_back(key);
        }
        Ok(connection)
    }

    fn wake_connections(&mut self) {
        let now = self.now;
        while let Some((at, key)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, key));
            if let Some(entry) = self.connections.get_mut(key.0) {
                entry.deadline = None;
            }
            if let Ok(connection) = self.live(key) {
                connection.handle_deadline(now);
            }
        }
    }

    fn poll_event(&mut self, key: ConnectionKey) -> Option<crate::machine::Event> {
        self.connections.get_mut(key.0)?.connection.as_mut()?.poll_event()
    }

    /// A connection has had its turn: what it wants of the container is noted.
    fn settle_down(&mut self, key: ConnectionKey, is_done: bool) {
        let Some(entry) = self.connections.get_mut(key.0) else { return };
        entry.is_dirty = !is_done;
        let Some(connection) = entry.connection.as_mut() else { return };
        if is_done {
            entry.aliases.tidy(connection);
        }
        let deadline = connection.next_deadline().map(|(at, _)| at);
        let is_changed = connection.is_over() || connection.has_output();
        if deadline != entry.deadline {
            if let Some(at) = core::mem::replace(&mut entry.deadline, deadline) {
                self.deadlines.remove(&(at, key));
            }
            self.deadlines.extend(deadline.map(|at| (at, key)));
        }
        if is_changed && !entry.is_changed {
            entry.is_changed = true;
            self.changed.push_back(key);
        }
    }
}
