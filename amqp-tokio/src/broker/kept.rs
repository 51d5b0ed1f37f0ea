//! [`Kept`]: the ends of links that outlive their links, for as long as their expiry policy says [3.5.6].

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use amqp_proto::policy::{Claim, Lifetime, LinkPlace, Termini, TerminusName};
use amqp_proto::types::Moment;
use amqp_proto::wire::{AmqpError, Condition};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ends::Orphan;
use super::quota::Bounds;
use crate::{Receiver, Sender};

/// The ends of links that clients may resume, with those that are attached.
#[derive(Debug)]
pub(super) struct Kept {
    start: Instant,
    /// The longest timeout.
    longest: Duration,
    state: Mutex<State>,
    /// Told when an end is taken or left, or expires at another time.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    termini: Termini<Orphan>,
    /// The attached links, by number.
    links: BTreeMap<u64, Link>,
    /// True while a task drops what expires.
    has_keeper: bool,
}

/// A link that another one may steal.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Sender(Sender),
    Receiver(Receiver),
}

impl Kept {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let (termini, octets) = bounds.terminus_share;
        let termini = Termini::new(bounds.termini, bounds.terminus_octets).with_share(termini, octets);
        Self {
            start: Instant::now(),
            longest: bounds.terminus_timeout,
            state: Mutex::new(State { termini, links: BTreeMap::new(), has_keeper: false }),
            changed: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    /// Returns the lifetime that a client gets if it asks for this one.
    pub(super) fn granted(&self, asked: Lifetime) -> Lifetime {
        if asked.is_asked_for() { asked.at_most(self.longest) } else { Lifetime::LINK }
    }

    /// Takes the end of a link for a client that attaches it. If another link of the client's is attached to it, that one
    /// ends first. Returns `None` if nothing is kept.
    ///
    /// # Errors
    ///
    /// The client has as many ends that outlive their links as it may have.
    pub(super) async fn claim(
        self: &Arc<Self>,
        name: TerminusName,
        place: LinkPlace,
        lifetime: Lifetime,
    ) -> Result<(Option<Attachment>, Option<Orphan>), AmqpError> {
        let attachment =
            |orphan| Ok((Some(Attachment { kept: Arc::clone(self), name: name.clone(), place }), orphan));
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            self.expire();
            let claim = self.lock().termini.claim(&name, place, lifetime.is_asked_for());
            match claim {
                Claim::New => return attachment(None),
                Claim::Kept(orphan) => return attachment(Some(orphan)),
                Claim::Unkept => return Ok((None, None)),
                Claim::OverShare => return Err(over_share()),
                Claim::Attached(other) => self.steal(other),
            }
            changed.await;
        }
    }

    fn steal(&self, place: LinkPlace) {
        let link = self.lock().links.get(&place.link).cloned();
        // A link that is over leaves the end by itself.
        let _ = match link {
            Some(Link::Sender(link)) => link.steal(),
            Some(Link::Receiver(link)) => link.steal(),
            None => Ok(()),
        };
    }

    /// Begins the countdown for the links of a session that has ended.
    pub(super) fn session_ended(self: &Arc<Self>, session: u64) {
        let expired = self.lock().termini.session_ended(session, self.now());
        drop(expired);
        self.look_after();
    }

    /// Begins the countdown for the links of a connection that has ended.
    pub(super) fn connection_closed(self: &Arc<Self>, connection: u64) {
        let expired = self.lock().termini.connection_closed(connection, self.now());
        drop(expired);
        self.look_after();
    }

    /// Returns the number of ends that are kept, with those that are attached.
    pub(super) fn len(&self) -> usize {
        self.lock().termini.len()
    }

    /// Drops what has expired.
    fn expire(&self) {
        let now = self.now();
        let next = || self.lock().termini.poll_expired(now);
        std::iter::from_fn(next).for_each(drop);
    }

    /// Returns the time of the next expiry. Without one, the keeper ends.
    fn next_expiry(&self) -> Option<Moment> {
        let mut state = self.lock();
        let next = state.termini.next_expiry();
        state.has_keeper = next.is_some();
        next
    }

    /// Tells waiting tasks of a change, and has what expires dropped in time.
    fn look_after(self: &Arc<Self>) {
        let mut state = self.lock();
        let has_work = !state.has_keeper && state.termini.next_expiry().is_some();
        state.has_keeper |= has_work;
        drop(state);
        self.changed.notify_waiters();
        if !has_work {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(keep(Arc::downgrade(self)))),
            // Without a runtime, what has expired goes when the next link is attached.
            Err(_) => self.lock().has_keeper = false,
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.changed.notify_waiters();
    }
}

/// Drops what expires, until nothing is left that does.
async fn keep(kept: Weak<Kept>) {
    loop {
        let Some(shared) = kept.upgrade() else { return };
        let changed = Arc::clone(&shared.changed);
        let mut changed = pin!(changed.notified());
        changed.as_mut().enable();
        shared.expire();
        let Some(next) = shared.next_expiry() else { return };
        let by = shared.start + (next - Moment::START);
        // The task does not keep the broker.
        drop(shared);
        let _ = tokio::time::timeout_at(by, changed).await;
    }
}

/// The end of a link that is attached, or about to be. Dropping it forgets the end.
#[derive(Debug)]
pub(super) struct Attachment {
    kept: Arc<Kept>,
    name: TerminusName,
    place: LinkPlace,
}

impl Attachment {
    /// Records that the link is attached.
    pub(super) fn attached(&self, lifetime: Lifetime, link: Link) {
        let mut state = self.kept.lock();
        state.termini.attached(&self.name, self.place, lifetime);
        state.links.insert(self.place.link, link);
        drop(state);
        self.kept.changed.notify_waiters();
    }

    /// Keeps the end of the link, which is over. If there is not enough room, its messages are not kept with it.
    pub(super) fn keep(self, mut orphan: Orphan) {
        let (Orphan::Source(state, _) | Orphan::Target(state, _)) = &mut orphan;
        let room = self.kept.lock().termini.room(&self.name);
        if state.footprint() > room {
            state.drop_messages();
        }
        let octets = state.footprint();
        let now = self.kept.now();
        let expired = self.kept.lock().termini.detached(&self.name, self.place, orphan, octets, now);
        drop(expired);
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.kept.lock();
        // Without effect on an end that is kept.
        state.termini.closed(&self.name, self.place);
        let link = state.links.remove(&self.place.link);
        drop(state);
        drop(link);
        self.kept.look_after();
    }
}

fn over_share() -> AmqpError {
    let words = "the client has as many links that outlive their connection as it may have";
    AmqpError::new(Condition::ResourceLimitExceeded).with_description(words)
}
