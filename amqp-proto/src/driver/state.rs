//! [`State`]: an engine, what of it outlives it, and who waits for what.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use smallvec::SmallVec;

use super::hub::Hub;
use super::line::{Line, Ticket};
use super::outcomes::{Fate, Outcomes};
use super::places::Places;
use super::wait::Bound;
use super::wake::Wake;
use super::write_buffer::WriteBuffer;
use crate::client::{CloseReason, Error};
use crate::connection::Connection as Engine;
use crate::machine::{Delivery, Reason, Slab};
use crate::types::{DeliveryKey, Key, LinkKey, Moment, SessionKey, Str};

/// The state of a connection, which the lock of a [`Hub`](super::Hub) guards.
///
/// Handles hold *slots*: a slot of a session or a link outlives the engine that the session or link is in, and the
/// state knows its key in the engine of now.
#[derive(Debug)]
pub struct State<W> {
    pub(crate) engine: Engine,
    pub(crate) sessions: Slab<SessionState<W>>,
    pub(crate) links: Slab<LinkState<W>>,
    pub(super) session_slots: Places,
    pub(super) link_slots: Places,
    /// Outcomes of deliveries that were sent and that a handle asks for.
    pub(crate) outcomes: Outcomes<W>,
    /// Waiters for the connection itself: that it is open or over, and sessions that the peer begins.
    pub(super) line: Line<W>,
    pub(crate) is_open: bool,
    pub(crate) ended: Option<CloseReason>,
    /// Whether the transport is done with, too.
    pub(crate) is_done: bool,
    /// Whether output could not be written that was there.
    pub(crate) is_cut: bool,
    /// Whether the application takes sessions and links that the peer begins and attaches.
    pub(super) takes_offers: bool,
    pub(crate) offered: VecDeque<Key>,
    /// The session of links that ask for no other.
    pub(crate) default_session: Option<Key>,
    names: Names,
    /// Where the connection leads, for errors.
    url: Option<Str>,
    /// Senders that wait until the peer settles some of many deliveries.
    pub(crate) starved: Vec<Key>,
    /// Senders of which a waiter waits until their messages are written.
    pub(crate) unwritten: Vec<Key>,
    /// Received deliveries whose rest is dropped as it comes.
    pub(super) unwanted: Vec<DeliveryKey>,
    /// What the operating system said when the transport broke.
    pub(super) io: Option<Arc<io::Error>>,
    /// Output on its way; taken by whoever writes.
    pub(super) write_buffer: Option<WriteBuffer>,
    /// Whether the transport takes no more output.
    pub(super) is_broken: bool,
    pub(super) writer: Mover<W>,
    pub(super) reader: Mover<W>,
    /// How often handles have used the lock.
    pub(super) calls: u64,
    clock: Clock,
    /// How long the peer may take for a reply; `None`: without limit.
    reply_timeout: Option<Duration>,
    alarms: BTreeMap<Alarm, (LineId, Ticket)>,
    last_alarm: u64,
    /// Waiters to be woken, and waiters to be dropped, once the lock is given back.
    pub(super) wakes: Waiters<W>,
    pub(super) spent: Waiters<W>,
}

/// A few waiters, on the stack.
pub(super) type Waiters<W> = SmallVec<[W; 4]>;

/// A session that a handle has, or that the peer has begun.
#[derive(Debug)]
pub(crate) struct SessionState<W> {
    /// Its key in the engine of now; `None` where it has none any more.
    pub(crate) key: Option<SessionKey>,
    pub(super) line: Line<W>,
    /// How many guards keep the slot.
    pub(super) guards: u32,
    pub(crate) is_begun: bool,
    pub(crate) ended: Option<CloseReason>,
    /// Links that the peer has attached and the application has not looked at.
    pub(crate) offered: VecDeque<Key>,
}

/// A link that a handle has, or that the peer has attached.
#[derive(Debug)]
pub(crate) struct LinkState<W> {
    /// Its key in the engine of now; `None` where it has none any more.
    pub(crate) key: Option<LinkKey>,
    /// The slot of its session.
    pub(crate) session: Key,
    /// Waiters for any change of the link.
    pub(super) line: Line<W>,
    /// Waiters to send, strictly in turn, or to receive, one for each message.
    pub(super) turns: Line<W>,
    pub(crate) is_attached: bool,
    pub(crate) ended: Option<CloseReason>,
    /// Whether all credit was used or given back since a drain was asked for.
    pub(crate) is_drained: bool,
    /// Whether the sender has stopped since that was asked for.
    pub(crate) is_stopped: bool,
    /// Messages that had come when the link ended.
    pub(crate) rest: VecDeque<Delivery>,
    /// Whether messages are read while they come.
    pub(crate) is_streaming: bool,
    /// Messages that have begun to come, on a streaming link.
    pub(crate) begun: VecDeque<DeliveryKey>,
    /// Outcomes in the order in which they come, where one task looks after all of them.
    pub(super) outcomes: Option<VecDeque<(DeliveryKey, Fate)>>,
}

/// A line that a wait stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineId {
    Connection,
    Session(Key),
    /// Any change of a link.
    Link(Key),
    /// A turn to send, or the next message.
    Turn(Key),
}

/// When a wait is over at the latest, and a number that no other has.
pub(crate) type Alarm = (Moment, u64);

/// A task or a thread that moves octets.
#[derive(Debug)]
pub(super) struct Mover<W> {
    waiter: Option<W>,
    is_asleep: bool,
    /// When it wakes by itself.
    alarm: Option<Moment>,
    /// Whether it has seen that the connection is over, and that the transport takes no more output.
    pub(super) knows: (bool, bool),
}

impl<W> Default for Mover<W> {
    fn default() -> Self {
        Self { waiter: None, is_asleep: false, alarm: None, knows: (false, false) }
    }
}

impl<W: Wake> Mover<W> {
    /// Notes that it sleeps from now on. Returns a replaced waiter.
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

    /// Returns whether it sleeps beyond a moment.
    pub(super) fn sleeps_beyond(&self, moment: Moment) -> bool {
        self.is_asleep && self.alarm.is_none_or(|alarm| moment < alarm)
    }

    /// Takes its waiter to be woken.
    pub(super) fn call(&mut self) -> Option<W> {
        self.is_asleep = false;
        self.waiter.clone()
    }
}

/// Names for links that no other container makes.
#[derive(Debug)]
struct Names {
    prefix: String,
    next: u64,
}

/// Tells the time on the clock that the engine was made with.
pub struct Clock(Box<dyn Fn() -> Moment + Send>);

impl Clock {
    /// Wraps a function that tells the time.
    pub fn new(now: impl Fn() -> Moment + Send + 'static) -> Self {
        Self(Box::new(now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clock at {:?}", (self.0)())
    }
}

/// Writes what a write buffer holds, as far as that can be done at once, on behalf of a waiter.
pub struct WriteHere(pub(super) Box<Write>);

type Write = dyn Fn(&mut WriteBuffer) -> io::Result<()> + Send + Sync;

impl WriteHere {
    /// Wraps a function that writes. What it could not write for now it leaves, and that is no error.
    pub fn new(write: impl Fn(&mut WriteBuffer) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Box::new(write))
    }
}

impl fmt::Debug for WriteHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteHere")
    }
}

/// The options of a [`Hub`](super::Hub).
#[derive(Debug)]
pub struct HubOptions<W: Wake> {
    /// The clock of the engine.
    pub clock: Clock,
    /// Where the connection leads, for errors.
    pub url: Option<Str>,
    /// A prefix for names of links that no other container has.
    pub prefix: String,
    /// True if sessions and links that the peer begins and attaches are offered to the application; they are
    /// refused otherwise.
    pub takes_offers: bool,
    /// How long the peer may take for a reply; `None`: without limit.
    pub reply_timeout: Option<Duration>,
    /// How a waiter writes, where that saves a switch to the driver.
    pub write_here: Option<WriteHere>,
    /// The work to do when the last handle was dropped and the connection is closing.
    pub last_words: Option<LastWords<W>>,
}

/// Work to do when the last handle of a connection was dropped, such as waiting until all is written.
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
        Self {
            engine,
            sessions: Slab::default(),
            links: Slab::default(),
            session_slots: Places::default(),
            link_slots: Places::default(),
            outcomes: Outcomes::default(),
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
            starved: Vec::new(),
            unwritten: Vec::new(),
            unwanted: Vec::new(),
            io: None,
            write_buffer: Some(WriteBuffer::default()),
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

    /// Makes a name for a link.
    pub(crate) fn link_name(&mut self) -> Str {
        self.names.next += 1;
        format!("{}-{}", self.names.prefix, self.names.next).into()
    }

    /// Tells how something ended, with what the transport said when it broke, and where the connection leads.
    pub(super) fn end_of(&self, reason: Reason) -> CloseReason {
        CloseReason::new(reason, self.io.clone()).with_url(self.url.clone())
    }

    /// Returns why nothing more can be done on the connection, if it is over.
    pub(crate) fn over(&self) -> Option<Error> {
        self.ended.clone().map(Error::Connection)
    }

    /// Returns why nothing more can be done on a session: the widest reason there is.
    pub(crate) fn session_over(&self, slot: Key) -> Option<Error> {
        self.over().or_else(|| self.sessions.get(slot)?.ended.clone().map(Error::Session))
    }

    /// Returns why nothing more can be done on a link: the widest reason there is.
    pub(crate) fn link_over(&self, slot: Key) -> Option<Error> {
        let link = self.links.get(slot)?;
        self.session_over(link.session).or_else(|| link.ended.clone().map(Error::Link))
    }

    /// Waits in a line. What is gone has no line, and then nothing wakes the waiter: its attempt sees that.
    pub(super) fn wait(&mut self, place: LineId, ticket: &mut Option<Ticket>, waiter: &W) {
        let spent = self.line(place).and_then(|line| line.wait(ticket, waiter));
        self.spent.extend(spent);
    }

    /// Gives a place in a line up; whoever comes next has its turn.
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

    /// Passes a turn to send, or the message that a waiter was woken for, to the next one in line.
    fn pass_on(&mut self, slot: Key, was_woken: bool) {
        let Some(link) = self.links.get_mut(slot) else { return };
        match link.key {
            Some(LinkKey::Sender(_)) => link.turns.wake_first(&mut self.wakes),
            _ if was_woken => link.turns.wake_next(&mut self.wakes),
            _ => {}
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

    /// Has a wait woken when the peer's time for a reply is over.
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

    /// Returns the time of now.
    pub fn now(&self) -> Moment {
        (self.clock.0)()
    }

    /// Wakes the waits whose time is over.
    pub(super) fn ring(&mut self, now: Moment) {
        while let Some(alarm) = self.alarms.first_entry().filter(|alarm| alarm.key().0 <= now) {
            let (place, ticket) = alarm.remove();
            let waiter = self.line(place).and_then(|line| line.take(ticket));
            self.wakes.extend(waiter);
        }
    }

    /// Returns when there is something to do by the clock.
    pub fn next_deadline(&self) -> Option<Moment> {
        let engine = self.engine.next_deadline().map(|(by, _)| by);
        let alarm = self.alarms.first_key_value().map(|(alarm, _)| alarm.0);
        engine.into_iter().chain(alarm).min()
    }
}
