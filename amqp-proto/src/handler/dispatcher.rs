//! [`Dispatcher`]: the connections of a container, and the delivery of their events.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::callbacks::Handler;
use super::connection::Entry;
use super::context::Context;
use super::failure::Failure;
use super::link::Links;
use super::queue::QUEUE_OCTETS;
use super::timers::Timers;
use super::token::{ConnectionToken, DeliveryToken, LinkToken, ListenerToken, SenderToken, TransactionToken};
use crate::connection::Connection;
use crate::machine::{Reason, SendError, Slab, StaleKey};
use crate::message::Message;
use crate::types::{Moment, Str};

/// A request of a handler to its container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Make a connection, and call [`Dispatcher::connected`] or [`Dispatcher::not_connected`].
    Connect {
        /// The connection to make.
        connection: ConnectionToken,
        /// The peer's URL.
        url: Str,
    },
    /// A connection that is [opened again](Dispatcher::reopen) is open at both ends.
    Opened(ConnectionToken),
    /// Make a connection again that was lost for this reason, like [`Connect`](Self::Connect).
    Reconnect(ConnectionToken, Box<Reason>),
    /// Accept connections: call [`Dispatcher::listening`] or [`Dispatcher::not_listening`], and
    /// [`Dispatcher::add`] for each connection.
    Listen {
        /// The listener.
        listener: ListenerToken,
        /// The address to listen at.
        address: Str,
    },
    /// Accept no more connections by this listener.
    Unlisten(ListenerToken),
}

/// The part of a container that needs no IO. It holds connections, passes their events to a [`Handler`], and
/// collects the handler's requests.
///
/// # The contract
///
/// 1. Call [`start`](Self::start) once.
/// 2. Call [`dispatch`](Self::dispatch) after every change, and again while the dispatcher [has
///    events](Self::has_events).
/// 3. Then carry out the requests that [`poll_action`](Self::poll_action) returns, and write the output of
///    the connections that [`poll_changed`](Self::poll_changed) returns. If anything was written, go back to
///    2, since there may be room for more.
/// 4. When a connection [is over](Connection::is_over) and its output is written, [`remove`](Self::remove)
///    it.
/// 5. Unless the dispatcher [is finished](Self::is_finished), wait until a connection has input, which goes
///    into [`connection`](Self::connection), or until [`next_deadline`](Self::next_deadline). Then go to 2.
///
/// ```
/// use amqp_proto::Connection;
/// use amqp_proto::config::Options;
/// use amqp_proto::handler::{
///     Action, ConnectionToken, Context, DeliveryToken, Dispatcher, Handler,
///     ReceivedMessage, SenderToken,
/// };
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
///     fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
///         let _ = cx.send(sender, "job-content");
///     }
///
///     fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
///         self.accepted += 1;
///         cx.close_connection(delivery.connection());
///     }
/// }
///
/// struct Worker;
///
/// impl Handler for Worker {
///     fn on_message(&mut self, _: &mut Context<'_>, got: ReceivedMessage) {
///         let body = got.message().unwrap().body().unwrap();
///         assert_eq!(body.as_str(), Some("job-content"));
///     } // the message is accepted now
/// }
///
/// // Moves the output of one connection to another, in place of a socket.
/// fn carry(
///     (from, a): (&mut Dispatcher, ConnectionToken),
///     (to, b): (&mut Dispatcher, ConnectionToken),
/// ) -> bool {
///     let (Some(a), Some(b)) = (from.connection(a), to.connection(b)) else {
///         return false;
///     };
///     let mut output = a.output();
///     let octets = output.copy_to_bytes(output.remaining());
///     b.receive(Moment::START, &octets);
///     !octets.is_empty()
/// }
///
/// let now = Moment::START;
/// let (mut jobs, mut worker) = (Jobs::default(), Worker);
/// let (mut client, mut server) = (Dispatcher::new(), Dispatcher::new());
/// client.start(now, &mut jobs);
/// let action = client.poll_action();
/// let Some(Action::Connect { connection: here, url }) = action else {
///     panic!("the handler connects");
/// };
/// assert_eq!(url, "amqp://example.com");
/// let connection = Connection::client(Options::new("client"), now);
/// client.connected(here, connection).unwrap();
/// let connection = Connection::server(Options::new("server"), now);
/// let there = server.add(connection).unwrap();
/// loop {
///     client.dispatch(now, &mut jobs);
///     server.dispatch(now, &mut worker);
///     let sent = carry((&mut client, here), (&mut server, there));
///     if !carry((&mut server, there), (&mut client, here)) && !sent {
///         break;
///     }
/// }
/// assert_eq!(jobs.accepted, 1);
/// assert!(client.remove(here).is_some_and(|conn| conn.is_over()));
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
    /// Messages whose callback runs, to be accepted when it returns.
    pub(super) undecided: Vec<DeliveryToken>,
    /// An error that ends the container.
    pub(super) failure: Option<Failure>,
    pub(super) is_failed: bool,
    /// The bound on the queued octets of each sender.
    pub(super) queue_octets: usize,
    /// The number of messages queued so far.
    pub(super) queued: u64,
    /// The beginning of the message-ids that kept messages get.
    pub(super) message_ids: Option<Str>,
    /// The number of names made so far, of links and transactions.
    pub(super) names: u64,
    /// Connections that may have events.
    dirty: VecDeque<ConnectionToken>,
    /// Connections that the container must look at.
    changed: VecDeque<ConnectionToken>,
    /// `true` if the last dispatch has left events.
    has_events: bool,
    /// The deadlines of connections.
    pub(super) deadlines: BTreeSet<(Moment, ConnectionToken)>,
}

/// The number of events of a connection after which other connections have their turn.
const TURN: usize = 64;

/// Notifications that come from the dispatcher itself, not from a connection.
#[derive(Debug)]
pub(super) enum News {
    /// A link that the handler has accepted late is attached.
    LinkOpened(LinkToken),
    /// A link cannot be attached.
    LinkFailed(LinkToken, Reason),
    /// A queued message will not be sent.
    Unsent(DeliveryToken, Message, SendError),
    /// A delivery that was to go on is lost.
    Lost(DeliveryToken),
    /// A sender keeps fewer messages than it may.
    Room(SenderToken),
    /// A session that the handler has accepted late is begun.
    SessionOpened(super::token::SessionToken),
    /// A transaction was not declared.
    Undeclared(TransactionToken, Reason),
    /// A connection cannot be made.
    NotConnected(ConnectionToken, Reason),
    /// A lost connection is being opened again, by this attempt, at this address.
    Reconnecting(ConnectionToken, u32, Str),
    Listening(ListenerToken, Str),
    NotListening(ListenerToken, Reason),
}

impl Dispatcher {
    /// Returns a dispatcher without connections.
    pub fn new() -> Self {
        Self { queue_octets: QUEUE_OCTETS, ..Self::default() }
    }

    /// Calls [`on_start`](super::Handler::on_start).
    pub fn start<H: Handler + ?Sized>(&mut self, now: Moment, handler: &mut H) {
        self.with(now, |cx| handler.on_start(cx));
    }

    /// Runs work from outside, such as from another thread, between two callbacks. Call
    /// [`dispatch`](Self::dispatch) afterwards.
    pub fn with<R>(&mut self, now: Moment, work: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.now = self.now.max(now);
        self.call(None, work)
    }

    /// Calls the handler for everything that has happened.
    ///
    /// A connection with very many events gets a turn of some of them, so that other connections do not wait
    /// and its output is written. Then [`has_events`](Self::has_events) returns `true`, and the next call
    /// continues.
    pub fn dispatch<H: Handler + ?Sized>(&mut self, now: Moment, handler: &mut H) {
        self.now = self.now.max(now);
        self.wake_connections();
        // Notifications that callbacks cause wait for the next call, so that each call ends.
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
        // The error of a link may be part of a wider error that is not reported yet.
        if !self.has_events && self.end_if_failed() {
            self.dispatch_events(handler);
        }
    }

    /// Calls the handler for the events of its connections.
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

    /// Reports events of a connection, at most a turn of them unless it is over. Returns `true` if there are
    /// no more.
    fn tell_some<H: Handler + ?Sized>(&mut self, handler: &mut H, key: ConnectionToken) -> bool {
        let mut left = TURN;
        if self.is_ending(key) {
            self.tell_last(handler, key);
            return true;
        }
        while left > 0 || self.is_over(key) {
            let Some(event) = self.poll_event(key) else { return true };
            self.tell(handler, key, event);
            left = left.saturating_sub(1);
        }
        false
    }

    /// Returns `true` if a connection is over and may be removed.
    fn is_over(&self, key: ConnectionToken) -> bool {
        let connection = self.connections.get(key.0).and_then(|entry| entry.connection.as_ref());
        connection.is_some_and(Connection::is_over)
    }

    /// Returns `true` if the last [`dispatch`](Self::dispatch) has left events; call it again.
    pub fn has_events(&self) -> bool {
        self.has_events
    }

    /// Returns the connections whose deadline is due.
    ///
    /// A container that was busy reads the input of these connections before it calls
    /// [`dispatch`](Self::dispatch), since a peer with unread octets is not silent [2.4.5].
    pub fn due(&self, now: Moment) -> impl Iterator<Item = ConnectionToken> + '_ {
        self.deadlines.iter().take_while(move |(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// Returns the oldest request of the handler.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.requests.pop_front()
    }

    /// Returns a connection that has output or is over.
    pub fn poll_changed(&mut self) -> Option<ConnectionToken> {
        while let Some(key) = self.changed.pop_front() {
            if let Some(entry) = self.connections.get_mut(key.0) {
                entry.is_changed = false;
                return Some(key);
            }
        }
        None
    }

    /// Returns the time of the next dispatch, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Moment> {
        let news = (self.has_events || !self.news.is_empty()).then_some(self.now);
        let connections = self.deadlines.first().map(|(at, _)| *at);
        [news, connections, self.timers.next()].into_iter().flatten().min()
    }

    /// Returns `true` if no connection, listener, timer or request is left.
    pub fn is_finished(&self) -> bool {
        self.connections.len() == 0
            && self.listeners.len() == 0
            && self.timers.is_empty()
            && self.news.is_empty()
            && self.requests.is_empty()
    }

    /// Provides a connection that the handler has requested.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the handler has closed the connection.
    pub fn connected(&mut self, key: ConnectionToken, connection: Connection) -> Result<(), StaleKey> {
        let entry =
            self.connections.get_mut(key.0).filter(|entry| entry.connection.is_none() && !entry.is_closing);
        entry.ok_or(StaleKey)?.connection = Some(connection);
        let _ = self.live(key);
        Ok(())
    }

    /// Reports that a requested connection cannot be made, with a reason.
    pub fn not_connected(&mut self, key: ConnectionToken, words: impl Into<Str>) {
        self.news.push_back(News::NotConnected(key, Reason::transport(words)));
    }

    /// Adds a connection that was made otherwise, such as by a listener. Returns `None` if there are 2^32 - 1
    /// already.
    pub fn add(&mut self, connection: Connection) -> Option<ConnectionToken> {
        let key = self.connections.insert(|_| Entry::taken(connection)).map(ConnectionToken)?;
        let _ = self.live(key);
        Some(key)
    }

    /// Reports that a listener accepts connections at this address.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the handler has closed the listener.
    pub fn listening(&mut self, listener: ListenerToken, address: impl Into<Str>) -> Result<(), StaleKey> {
        self.listeners.get(listener.0).ok_or(StaleKey)?;
        self.news.push_back(News::Listening(listener, address.into()));
        Ok(())
    }

    /// Reports that a listener has failed, with a reason.
    pub fn not_listening(&mut self, listener: ListenerToken, words: impl Into<Str>) {
        self.news.push_back(News::NotListening(listener, Reason::transport(words)));
    }

    /// Returns a connection, to give it input or take its output. Call [`dispatch`](Self::dispatch)
    /// afterwards.
    ///
    /// `None` until the connection is made, and after it was removed.
    pub fn connection(&mut self, key: ConnectionToken) -> Option<&mut Connection> {
        self.live(key).ok()
    }

    /// Removes a connection. One that is lost and [opened again](Self::reopen) keeps its token, and a request for
    /// another engine follows.
    ///
    /// A connection that is not [over](Connection::is_over), or whose end was not dispatched, causes no
    /// further callback. To have its end reported, end its input and dispatch first.
    pub fn remove(&mut self, key: ConnectionToken) -> Option<Connection> {
        if self.is_lost(key) {
            return self.take_lost(key);
        }
        self.forget_connection(key)
    }

    /// Removes a connection with its links, also one that would be opened again.
    pub(super) fn forget_connection(&mut self, key: ConnectionToken) -> Option<Connection> {
        let entry = self.connections.remove(key.0)?;
        let links: Vec<LinkToken> = entry.links(&self.links).collect();
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

    /// Returns a connection, and marks it for dispatch.
    pub(super) fn live(&mut self, key: ConnectionToken) -> Result<&mut Connection, StaleKey> {
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

    pub(super) fn poll_event(&mut self, key: ConnectionToken) -> Option<crate::machine::Event> {
        self.connections.get_mut(key.0)?.connection.as_mut()?.poll_event()
    }

    /// Records the output and the deadline of a connection after its turn.
    fn settle_down(&mut self, key: ConnectionToken, is_done: bool) {
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
