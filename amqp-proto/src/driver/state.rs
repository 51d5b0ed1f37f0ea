//! [`State`]: an engine, the slots that outlive it, and the waiters.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::AtomicU32;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use smallvec::SmallVec;

use super::coordinator::Reports;
use super::hub::Hub;
use super::line::{Line, Ticket};
use super::outcomes::{Awaited, Fate, Outcomes};
use super::places::Places;
use super::recipe::{LinkRecipe, SessionRecipe};
use super::recovery::Recovery;
use super::replay::Replay;
use super::resumption::Resumption;
use super::termini::ServedTermini;
use super::transactions::Transactions;
use super::wait::Bound;
use super::wake::Wake;
use super::write_buffer::WriteBuffer;
use super::write_here::WriteHere;
use crate::client::{CloseReason, ConnectionOptions, DialPlan, Error};
use crate::connection::Connection as Engine;
use crate::machine::{Delivery, Metrics, Reason, Slab};
use crate::types::{DeliveryKey, Key, LinkKey, Moment, SessionKey, Str};

/// The state of a connection, guarded by the lock of a [`Hub`](super::Hub).
///
/// Handles hold *slots*. The slot of a session or a link outlives the engine, and holds the key in the
/// current engine.
#[derive(Debug)]
pub struct State<W> {
    pub(crate) engine: Engine,
    pub(crate) sessions: Slab<SessionState<W>>,
    pub(crate) links: Slab<LinkState<W>>,
    pub(super) session_slots: Places,
    pub(super) link_slots: Places,
    /// Outcomes of sent deliveries that a handle waits for.
    pub(crate) outcomes: Outcomes<W>,
    /// The transactions that have a handle.
    pub(super) transactions: Transactions,
    /// Waiters for the connection: its open, its end, and sessions of the peer.
    pub(super) line: Line<W>,
    pub(crate) is_open: bool,
    pub(crate) ended: Option<CloseReason>,
    /// `true` if the transport is closed, too.
    pub(crate) is_done: bool,
    /// `true` if output was lost.
    pub(crate) is_cut: bool,
    /// `true` if the application takes sessions and links of the peer.
    pub(super) takes_offers: bool,
    pub(crate) offered: VecDeque<Key>,
    /// The shared session of links without a session of their own.
    pub(crate) default_session: Option<Key>,
    names: Names,
    /// The peer's URL, for error texts.
    pub(super) url: Option<Str>,
    /// The totals of the engines before this one.
    pub(super) earlier: Metrics,
    /// The way to open a lost connection again, if it is opened again.
    pub(super) recovery: Option<Box<Recovery>>,
    /// Of a server: the store of its ends of links.
    pub(super) termini: Option<ServedTermini>,
    /// The number of times that the connection was lost, or a link on it that comes back.
    pub(super) losses: Arc<AtomicU32>,
    /// Senders with a waiter for the writing of their messages.
    pub(crate) unwritten: Vec<Key>,
    /// Received deliveries whose remaining octets are dropped as they arrive.
    pub(super) unwanted: Vec<DeliveryKey>,
    /// The operating system's error of the failed transport.
    pub(super) io: Option<Arc<io::Error>>,
    /// The write buffer; taken while a thread writes.
    pub(super) write_buffer: Option<WriteBuffer>,
    /// The number of the transport that the write buffer is for.
    pub(super) transport: u32,
    /// `true` if the transport accepts no more output.
    pub(super) is_broken: bool,
    pub(super) writer: Mover<W>,
    pub(super) reader: Mover<W>,
    /// The number of times that handles have used the lock.
    pub(super) calls: u64,
    clock: Clock,
    /// The time within which the peer must reply; `None` for no bound.
    reply_timeout: Option<Duration>,
    alarms: BTreeMap<Alarm, (LineId, Ticket)>,
    last_alarm: u64,
    /// Waiters to be woken, and waiters to be dropped, after the lock is released.
    pub(super) wakes: Waiters<W>,
    pub(super) spent: Waiters<W>,
}

/// A few waiters, on the stack.
pub(super) type Waiters<W> = SmallVec<[W; 4]>;

/// A session with a handle, or a session of the peer.
#[derive(Debug)]
pub(crate) struct SessionState<W> {
    /// The key in the current engine, if any.
    pub(crate) key: Option<SessionKey>,
    pub(super) line: Line<W>,
    /// The number of guards that keep the slot.
    pub(super) guards: u32,
    pub(crate) is_begun: bool,
    pub(crate) ended: Option<CloseReason>,
    /// Links of the peer that the application has not taken.
    pub(crate) offered: VecDeque<Key>,
    /// The number in the store of termini, once it has one.
    pub(super) number: Option<u64>,
    /// The options to begin it again, if it outlives the connection.
    pub(super) recipe: Option<Box<SessionRecipe>>,
    /// `true` once the application has ended it.
    pub(super) is_leaving: bool,
}

/// A link with a handle, or a link of the peer.
#[derive(Debug)]
pub(crate) struct LinkState<W> {
    /// The key in the current engine, if any.
    pub(crate) key: Option<LinkKey>,
    /// The slot of the session.
    pub(crate) session: Key,
    /// Waiters for any change of the link.
    pub(super) line: Line<W>,
    /// Waiters to send, strictly in turn, or to receive, one for each message.
    pub(super) turns: Line<W>,
    pub(crate) is_attached: bool,
    pub(crate) ended: Option<CloseReason>,
    /// `true` if all credit was used or returned since the last drain request.
    pub(crate) is_drained: bool,
    /// `false` while the answer to a stop request is awaited.
    pub(crate) is_stopped: bool,
    /// `true` if the peer has sent properties of the link's state that were not taken.
    pub(crate) has_flow_properties: bool,
    /// Messages that had arrived before the end of the link.
    pub(crate) rest: VecDeque<Delivery>,
    /// `true` if messages are read as they arrive.
    pub(crate) is_streaming: bool,
    /// Messages whose first frame has arrived, on a streaming link.
    pub(crate) begun: VecDeque<DeliveryKey>,
    /// Deliveries whose outcome a handle waits for.
    pub(super) awaited: Awaited,
    /// Outcomes in the order of their arrival, if one task handles the whole link.
    pub(super) outcomes: Option<VecDeque<(DeliveryKey, Fate)>>,
    /// The options to attach it again, if it outlives the connection.
    pub(super) recipe: Option<Box<LinkRecipe>>,
    /// The messages that are sent again on the next connection, if they are.
    pub(super) replay: Option<Box<Replay>>,
    /// The state and the news of a link of the peer that can be resumed.
    pub(super) resumption: Option<Box<Resumption>>,
    /// The reports about the transactions of a control link.
    pub(super) reports: Option<Box<Reports>>,
    /// `true` once the application has detached or closed it.
    pub(super) is_leaving: bool,
}

/// A line of waiters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineId {
    Connection,
    Session(Key),
    /// Waiters for any change of a link.
    Link(Key),
    /// Waiters to send, or to receive the next message.
    Turn(Key),
}

/// The deadline of a wait, and a unique number.
pub(crate) type Alarm = (Moment, u64);

/// A task or a thread that moves octets.
#[derive(Debug)]
pub(super) struct Mover<W> {
    waiter: Option<W>,
    is_asleep: bool,
    /// The time at which it wakes up without being woken.
    alarm: Option<Moment>,
    /// True if it has seen the end of the connection; true if it knows that the transport accepts no more output.
    pub(super) knows: (bool, bool),
}

impl<W> Default for Mover<W> {
    fn default() -> Self {
        Self { waiter: None, is_asleep: false, alarm: None, knows: (false, false) }
    }
}

impl<W: Wake> Mover<W> {
    /// Records that it sleeps. Returns a replaced waiter.
    #[must_use]
    pub(super) fn sleep(&mut self, waiter: &W, alarm: Option<Moment>) -> Option<W> {
        (self.is_asleep, self.alarm) = (true, alarm);
        match &self.waiter {
            Some(old) if old.will_wake(waiter) => None,
            _ => self.waiter.replace(waiter.clone()),
        }
    }

    pub(super) fn set_awake(&mut self) {
        self.is_asleep = false;
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.is_asleep
    }

    /// Returns `true` if it sleeps beyond a moment.
    pub(super) fn sleeps_beyond(&self, moment: Moment) -> bool {
        self.is_asleep && self.alarm.is_none_or(|alarm| moment < alarm)
    }

    /// Returns its waiter, to be dropped.
    pub(super) fn into_waiter(self) -> Option<W> {
        self.waiter
    }

    /// Returns its waiter, to be woken.
    pub(super) fn call(&mut self) -> Option<W> {
        self.is_asleep = false;
        self.waiter.clone()
    }
}

/// A source of link names that no other container uses.
#[derive(Debug)]
struct Names {
    prefix: String,
    next: u64,
}

/// The clock of the engine.
pub struct Clock(Box<dyn Fn() -> Moment + Send>);

impl Clock {
    /// Returns a clock that reads the time with `now`.
    pub fn new(now: impl Fn() -> Moment + Send + 'static) -> Self {
        Self(Box::new(now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clock at {:?}", (self.0)())
    }
}

/// The options of a [`Hub`](super::Hub).
#[derive(Debug)]
pub struct HubOptions<W: Wake> {
    /// The clock of the engine.
    pub clock: Clock,
    /// The peer's URL, for error texts.
    pub url: Option<Str>,
    /// A prefix of link names that no other container uses.
    pub prefix: String,
    /// `true` to offer sessions and links of the peer to the application, `false` to refuse them.
    pub takes_offers: bool,
    /// The time within which the peer must reply; `None` for no bound.
    pub reply_timeout: Option<Duration>,
    /// The function by which a waiter writes output itself, which saves a switch to the driver.
    pub write_here: Option<WriteHere>,
    /// The work after the last handle was dropped and the connection is closing.
    pub last_words: Option<LastWords<W>>,
    plan: Option<DialPlan>,
    termini: Option<ServedTermini>,
}

impl<W: Wake> HubOptions<W> {
    /// Returns the options of a connection whose driver writes all output.
    pub fn new(clock: Clock, prefix: String, options: &ConnectionOptions) -> Self {
        Self {
            clock,
            url: options.url().cloned(),
            prefix,
            takes_offers: options.accept_offers(),
            reply_timeout: options.reply_timeout(),
            write_here: None,
            last_words: None,
            plan: options.plan().cloned(),
            termini: options.termini().map(|store| ServedTermini::new(Arc::clone(store))),
        }
    }
}

/// Work after the last handle of a connection was dropped, such as waiting until all output is written.
pub struct LastWords<W: Wake>(pub(super) Box<Say<W>>);

type Say<W> = dyn Fn(&Hub<W>) + Send + Sync;

impl<W: Wake> LastWords<W> {
    /// Wraps a function.
    pub fn new(say: impl Fn(&Hub<W>) + Send + Sync + 'static) -> Self {
        Self(Box::new(say))
    }
}

impl<W: Wake> fmt::Debug for LastWords<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastWords")
    }
}

impl<W: Wake> State<W> {
    pub(super) fn new(engine: Engine, options: HubOptions<W>) -> Self {
        let recovery = options.plan.map(|plan| Box::new(Recovery::new(plan, &engine, &options.prefix)));
        Self {
            engine,
            sessions: Slab::default(),
            links: Slab::default(),
            session_slots: Places::default(),
            link_slots: Places::default(),
            outcomes: Outcomes::default(),
            transactions: Transactions::default(),
            line: Line::default(),
            is_open: false,
            ended: None,
            is_done: false,
            is_cut: false,
            takes_offers: options.takes_offers,
            offered: VecDeque::new(),
            default_session: None,
            names: Names { prefix: options.prefix, next: 0 },
            url: options.url,
            earlier: Metrics::default(),
            recovery,
            termini: options.termini,
            losses: Arc::default(),
            unwritten: Vec::new(),
            unwanted: Vec::new(),
            io: None,
            write_buffer: Some(WriteBuffer::new(options.write_here, 0)),
            transport: 0,
            is_broken: false,
            writer: Mover::default(),
            reader: Mover::default(),
            calls: 0,
            clock: options.clock,
            reply_timeout: options.reply_timeout,
            alarms: BTreeMap::new(),
            last_alarm: 0,
            wakes: Waiters::new(),
            spent: Waiters::new(),
        }
    }

    /// Returns a new name for a link.
    pub(crate) fn link_name(&mut self) -> Str {
        self.names.next += 1;
        format!("{}-{}", self.names.prefix, self.names.next).into()
    }

    /// Returns the numbers of the connection, with the totals of all engines.
    pub(super) fn metrics(&self) -> Metrics {
        self.engine.metrics().after(&self.earlier)
    }

    /// Returns a reason with the transport's error and the URL.
    pub(super) fn end_of(&self, reason: Reason) -> CloseReason {
        CloseReason::new(reason, self.io.clone()).with_url(self.url.clone())
    }

    /// Returns the end of the connection as an error, if it is over.
    pub(crate) fn over(&self) -> Option<Error> {
        self.ended.clone().map(Error::Connection)
    }

    /// Returns the end of a session as an error, or the end of the connection, if it is over.
    pub(crate) fn session_over(&self, slot: Key) -> Option<Error> {
        self.over().or_else(|| self.sessions.get(slot)?.ended.clone().map(Error::Session))
    }

    /// Returns the end of a link as an error, or the end of its session or the connection, if it is over.
    pub(crate) fn link_over(&self, slot: Key) -> Option<Error> {
        let link = self.links.get(slot)?;
        self.session_over(link.session).or_else(|| link.ended.clone().map(Error::Link))
    }

    /// Registers a waiter in a line. A removed slot has no line; the waiter's attempt sees that.
    pub(super) fn wait(&mut self, place: LineId, ticket: &mut Option<Ticket>, waiter: &W) {
        let spent = self.line(place).and_then(|line| line.wait(ticket, waiter));
        self.spent.extend(spent);
    }

    /// Removes a place in a line, and passes its turn on.
    pub(super) fn leave(&mut self, place: LineId, ticket: &mut Option<Ticket>, alarm: &mut Option<Alarm>) {
        if let Some(alarm) = alarm.take() {
            self.alarms.remove(&alarm);
        }
        let Some(ticket) = ticket.take() else { return };
        let spent = self.line(place).and_then(|line| line.leave(ticket));
        let was_woken = spent.is_none();
        self.spent.extend(spent);
        if let LineId::Turn(slot) = place {
            self.pass_on(slot, was_woken);
        }
    }

    /// Passes a turn to send, or an unread message, to the next waiter in line.
    fn pass_on(&mut self, slot: Key, was_woken: bool) {
        let Some(link) = self.links.get_mut(slot) else { return };
        match link.key {
            Some(LinkKey::Sender(_)) => link.turns.wake_first(&mut self.wakes),
            Some(LinkKey::Receiver(_)) if !was_woken => {}
            // A link without a key may have either role; a waiter that is woken in vain waits again.
            Some(LinkKey::Receiver(_)) | None => link.turns.wake_next(&mut self.wakes),
        }
    }

    pub(super) fn line(&mut self, place: LineId) -> Option<&mut Line<W>> {
        match place {
            LineId::Connection => Some(&mut self.line),
            LineId::Session(slot) => self.sessions.get_mut(slot).map(|session| &mut session.line),
            LineId::Link(slot) => self.links.get_mut(slot).map(|link| &mut link.line),
            LineId::Turn(slot) => self.links.get_mut(slot).map(|link| &mut link.turns),
        }
    }

    /// Sets the deadline of a wait.
    pub(super) fn set_alarm(&mut self, place: LineId, ticket: Ticket, bound: Bound) -> Option<Alarm> {
        let span = match bound {
            Bound::None => return None,
            Bound::Reply => self.reply_timeout?,
            Bound::Span(span) => span,
        };
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.last_alarm += 1;
        let alarm = (self.now().after(millis), self.last_alarm);
        self.alarms.insert(alarm, (place, ticket));
        Some(alarm)
    }

    pub(super) fn is_due(&self, alarm: Alarm) -> bool {
        alarm.0 <= self.now()
    }

    /// Returns the current time.
    pub fn now(&self) -> Moment {
        (self.clock.0)()
    }

    /// Wakes the waits whose deadline is due, and begins and attaches again what is due.
    pub(super) fn ring(&mut self, now: Moment) {
        while let Some(alarm) = self.alarms.first_entry().filter(|alarm| alarm.key().0 <= now) {
            let (place, ticket) = alarm.remove();
            let waiter = self.line(place).and_then(|line| line.take(ticket));
            self.wakes.extend(waiter);
        }
        self.restore(now);
    }

    /// Returns the time of the next deadline.
    pub fn next_deadline(&self) -> Option<Moment> {
        let engine = self.engine.next_deadline().map(|(by, _)| by);
        let alarm = self.alarms.first_key_value().map(|(alarm, _)| alarm.0);
        let due = self.recovery.as_ref().and_then(|recovery| recovery.next_due());
        engine.into_iter().chain(alarm).chain(due).min()
    }
}
