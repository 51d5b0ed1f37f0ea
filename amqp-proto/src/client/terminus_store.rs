//! [`TerminusStore`]: the ends of links that a service keeps for its clients [3.5.6].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::machine::LinkState;
use crate::policy::{self, Lifetime, LinkPlace, Termini, TerminusName};
use crate::types::Moment;

/// Keeps a service's ends of links whose connection is lost, so that clients resume the links [2.6.13].
///
/// [`Acceptor::with_termini`](super::Acceptor::with_termini) gives it to a service. An end is kept as its client asks:
/// the expiry policy of the source or target says from when on, and its timeout says for how long. Room and time are
/// bounded. A client that comes back gets the outcomes that the service has given, and the messages that it has not
/// settled.
///
/// A service that accepts links has these duties:
///
/// * Messages that it receives: an outcome that was given, with `Ok`, is kept. A message without an outcome comes again.
/// * Messages that it sends: `Error::Lost` does not mean that the client will not get the message.
///   `take_resumed` of the next link of the client tells what becomes of it, by its tag; or the end expires, and the
///   function of [`with_expired`](Self::with_expired) gets the state, with all messages that have no outcome.
///
/// Since a service without these duties would give such messages to another client, too, there is no store by default.
///
/// ```
/// use std::time::Duration;
///
/// use amqp_proto::client::{Acceptor, TerminusStore};
///
/// let termini = TerminusStore::new(1_000, 64 << 20)
///     .with_share(100, 8 << 20)
///     .with_longest(Duration::from_secs(600))
///     .with_expired(|state| {
///         for delivery in state.deliveries() {
///             println!("{:?} goes back to the queue", delivery.message());
///         }
///     });
/// let acceptor = Acceptor::default().with_termini(termini);
/// ```
pub struct TerminusStore {
    /// The clock of the adapter, once it has accepted a client.
    clock: OnceLock<fn() -> Moment>,
    longest: Duration,
    next: AtomicU64,
    expired: Option<Box<Expired>>,
    state: Mutex<State>,
}

type Expired = dyn Fn(LinkState) + Send + Sync;

/// Ends the link at another place, and so has its terminus kept.
pub(crate) type Steal = Arc<dyn Fn() + Send + Sync>;

struct State {
    termini: Termini<LinkState>,
    /// The attached links, by number.
    links: BTreeMap<u64, Steal>,
    /// The states that expired and were not told.
    expired: VecDeque<LinkState>,
}

/// The answer to [`TerminusStore::claim`].
#[derive(Debug)]
pub(crate) enum Claim {
    /// The terminus has a place, and perhaps was kept with a state.
    Placed(Box<Attachment>, Option<Box<LinkState>>),
    /// Nothing is kept of the terminus.
    Unkept,
    /// The client has as many as its share.
    OverShare,
}

impl TerminusStore {
    /// Returns a store for at most so many ends, with so many octets of messages. An end counts from the attach of its
    /// link on. Each kept delivery counts as 256 octets more.
    pub fn new(most: usize, most_octets: u64) -> Self {
        Self {
            clock: OnceLock::new(),
            longest: Duration::from_secs(600),
            next: AtomicU64::new(1),
            expired: None,
            state: Mutex::new(State {
                termini: Termini::new(most, most_octets),
                links: BTreeMap::new(),
                expired: VecDeque::new(),
            }),
        }
    }

    /// Sets the most ends of one client, and the most octets in them: of one user, or of one container that has shown no
    /// user. A link beyond that is refused with `resource-limit-exceeded`. Default: all that there is room for.
    #[must_use]
    pub fn with_share(mut self, ends: usize, octets: u64) -> Self {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let termini = core::mem::replace(&mut state.termini, Termini::new(0, 0));
        state.termini = termini.with_share(ends, octets);
        self
    }

    /// Sets the longest timeout that a client gets. Default: ten minutes.
    #[must_use]
    pub fn with_longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets a function that gets the state of each end that is over without being resumed. It is called when another link
    /// is accepted, and by [`expire`](Self::expire).
    #[must_use]
    pub fn with_expired(mut self, expired: impl Fn(LinkState) + Send + Sync + 'static) -> Self {
        self.expired = Some(Box::new(expired));
        self
    }

    /// Returns the number of ends, with those whose link is attached.
    pub fn len(&self) -> usize {
        self.lock().termini.len()
    }

    /// Returns `true` if there is no end.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the time until the next end expires; `None` if none will as long as no connection is lost.
    pub fn next_expiry(&self) -> Option<Duration> {
        let (next, now) = (self.lock().termini.next_expiry()?, self.now());
        Some(if next > now { next - now } else { Duration::ZERO })
    }

    /// Drops what has expired. An expired end is never resumed and takes no room of others, whether this is called or
    /// not; a service that waits for [`with_expired`](Self::with_expired) calls it in time.
    pub fn expire(&self) {
        let mut state = self.lock();
        state.expire(self.now());
        let over = core::mem::take(&mut state.expired);
        // The function may use connections, which use the store.
        drop(state);
        if let Some(expired) = &self.expired {
            over.into_iter().for_each(expired);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Poisoning is ignored: each change is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the clock, which is the same for all connections. Without one, nothing is kept.
    pub(super) fn set_clock(&self, clock: Option<fn() -> Moment>) {
        if let Some(clock) = clock {
            self.clock.get_or_init(|| clock);
        }
    }

    fn now(&self) -> Moment {
        self.clock.get().map_or(Moment::START, |clock| clock())
    }

    /// Returns a number for a connection or session.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the lifetime that a client gets if it asks for this one.
    pub(crate) fn granted(&self, asked: Lifetime) -> Lifetime {
        if asked.is_asked_for() { asked.at_most(self.longest) } else { asked }
    }

    /// Takes the end of a link for a client that attaches it. Another link that is attached to it ends first.
    pub(crate) fn claim(
        self: &Arc<Self>,
        name: &TerminusName,
        (connection, session): (u64, u64),
        is_wanted: bool,
    ) -> Claim {
        let is_wanted = is_wanted && self.clock.get().is_some();
        let place = LinkPlace { connection, session, link: self.number() };
        let attachment = || Box::new(Attachment { store: Arc::clone(self), name: name.clone(), place });
        self.expire();
        let stolen = match self.lock().termini.claim(name, place, is_wanted) {
            policy::Claim::Attached(other) => other,
            answer => return Self::answer(answer, attachment),
        };
        let steal = self.lock().links.get(&stolen.link).cloned();
        steal.iter().for_each(|steal| steal());
        let answer = self.lock().termini.claim(name, place, is_wanted);
        Self::answer(answer, attachment)
    }

    fn answer(answer: policy::Claim<LinkState>, attachment: impl FnOnce() -> Box<Attachment>) -> Claim {
        match answer {
            policy::Claim::New => Claim::Placed(attachment(), None),
            policy::Claim::Kept(state) => Claim::Placed(attachment(), Some(Box::new(state))),
            // The other link is over, and has not left its place.
            policy::Claim::Unkept | policy::Claim::Attached(_) => Claim::Unkept,
            policy::Claim::OverShare => Claim::OverShare,
        }
    }

    /// Reports the state of an end that is not resumed, with the next ones that expire.
    pub(crate) fn give_up(&self, state: LinkState) {
        self.lock().put_over(state);
    }

    /// Begins the countdown for the links of a session that has ended.
    pub(crate) fn session_ended(&self, session: u64) {
        let mut state = self.lock();
        let over = state.termini.session_ended(session, self.now());
        over.into_iter().for_each(|over| state.put_over(over));
    }

    /// Begins the countdown for the links of a connection that has ended.
    pub(crate) fn connection_closed(&self, connection: u64) {
        let mut state = self.lock();
        let over = state.termini.connection_closed(connection, self.now());
        over.into_iter().for_each(|over| state.put_over(over));
    }
}

impl fmt::Debug for TerminusStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminusStore").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl State {
    fn expire(&mut self, now: Moment) {
        while let Some(over) = self.termini.poll_expired(now) {
            self.put_over(over);
        }
    }

    /// Remembers a state that is over, if there is something in it.
    fn put_over(&mut self, over: LinkState) {
        if !over.deliveries().is_empty() {
            self.expired.push_back(over);
        }
    }
}

/// The end of a link that is attached, or about to be. Dropping it forgets the end.
pub(crate) struct Attachment {
    store: Arc<TerminusStore>,
    name: TerminusName,
    place: LinkPlace,
}

impl Attachment {
    /// Records that the link is attached, and how another link steals it.
    pub(crate) fn attached(&self, lifetime: Lifetime, steal: Steal) {
        let mut state = self.store.lock();
        state.termini.attached(&self.name, self.place, lifetime);
        state.links.insert(self.place.link, steal);
    }

    /// Keeps the state of the link, which is over. If there is not enough room, its messages are not kept with it.
    pub(crate) fn keep(self, mut link: LinkState) {
        let mut state = self.store.lock();
        let now = self.store.now();
        state.expire(now);
        if link.footprint() > state.termini.room(&self.name) {
            link.drop_messages();
        }
        let octets = link.footprint();
        if let Some(over) = state.termini.detached(&self.name, self.place, link, octets, now) {
            state.put_over(over);
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.store.lock();
        // Without effect on an end that is kept.
        state.termini.closed(&self.name, self.place);
        let steal = state.links.remove(&self.place.link);
        drop(state);
        drop(steal);
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attachment").field(&self.name).finish()
    }
}
