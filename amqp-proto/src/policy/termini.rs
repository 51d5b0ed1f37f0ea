//! [`Termini`]: the ends of links that outlive their links, until they expire [3.5.6].

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::lifetime::{Lifetime, LinkPlace, Owner, TerminusName};
use crate::types::Moment;
use crate::wire::ExpiryPolicy;

/// The answer to [`Termini::claim`].
#[derive(Debug, PartialEq, Eq)]
pub enum Claim<T> {
    /// The terminus is new, and has a place now.
    New,
    /// The terminus was kept with this value, and is attached again.
    Kept(T),
    /// A link is attached to the terminus, at this place. That one ends first: its peer has it stolen [2.6.1].
    Attached(LinkPlace),
    /// Nothing is kept of the terminus: it is not wanted, or there are too many.
    Unkept,
    /// The terminus is wanted, and its peer has as many as its [share](Termini::with_share). Refuse the link with
    /// [`Condition::ResourceLimitExceeded`](crate::wire::Condition).
    OverShare,
}

/// The termini that a server keeps for its peers, each with a value such as a [`LinkState`](crate::LinkState).
///
/// A terminus has its place from the attach of its link on. So a terminus that was promised is there when the link is
/// resumed, and no other one takes its place. The time is passed in.
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::policy::{Claim, Lifetime, LinkPlace, Termini, TerminusName};
/// use amqp_proto::types::Moment;
/// use amqp_proto::wire::{ExpiryPolicy, Role};
///
/// let mut termini = Termini::new(100, 1 << 20);
/// let name = || TerminusName::new("worker-7", "jobs", Role::Sender);
/// let first = LinkPlace { connection: 1, session: 2, link: 3 };
/// assert_eq!(termini.claim(&name(), first, true), Claim::New);
/// let policy = ExpiryPolicy::ConnectionClose;
/// let timeout = Duration::from_secs(60);
/// termini.attached(&name(), first, Lifetime { policy, timeout });
///
/// // The connection is lost.
/// let now = Moment::START;
/// assert_eq!(termini.detached(&name(), first, "the state", 9, now), None);
/// assert!(termini.connection_closed(1, now).is_empty());
/// assert_eq!(termini.next_expiry(), Some(now + timeout));
///
/// // The peer comes back in time.
/// let again = LinkPlace { connection: 4, session: 5, link: 6 };
/// let claim = termini.claim(&name(), again, true);
/// assert_eq!(claim, Claim::Kept("the state"));
/// ```
#[derive(Debug)]
pub struct Termini<T> {
    most: Amount,
    /// The most of one owner.
    share: Amount,
    octets: u64,
    kept: BTreeMap<TerminusName, Entry<T>>,
    /// The amount of each owner.
    owned: BTreeMap<Owner, Amount>,
    /// The termini that expire, the first at the front.
    expiries: BTreeSet<(Moment, TerminusName)>,
}

/// A number of termini, and the octets in their values.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    termini: usize,
    octets: u64,
}

#[derive(Debug)]
struct Entry<T> {
    /// The place of the link, also after its end.
    place: LinkPlace,
    lifetime: Lifetime,
    /// The widest part that has ended.
    ended: Ended,
    /// The value and its octets; `None` while a link is attached.
    value: Option<(T, u64)>,
    expires: Option<Moment>,
}

/// A part of a connection that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    Nothing,
    Link,
    Session,
    Connection,
}

impl Ended {
    /// Returns the part after whose end the countdown begins; `None` for a terminus that never expires.
    fn for_expiry(policy: ExpiryPolicy) -> Option<Self> {
        match policy {
            ExpiryPolicy::LinkDetach => Some(Self::Link),
            ExpiryPolicy::SessionEnd => Some(Self::Session),
            ExpiryPolicy::ConnectionClose => Some(Self::Connection),
            ExpiryPolicy::Never => None,
        }
    }
}

impl<T> Termini<T> {
    /// Returns an empty store for at most so many termini, with so many octets in their values.
    pub const fn new(most: usize, most_octets: u64) -> Self {
        let most = Amount { termini: most, octets: most_octets };
        Self {
            most,
            share: most,
            octets: 0,
            kept: BTreeMap::new(),
            owned: BTreeMap::new(),
            expiries: BTreeSet::new(),
        }
    }

    /// Sets the most termini of one peer, and the most octets in their values, so that none takes the room of the others.
    /// A peer is a user, or a container that has shown no user. Default: all that there is room for.
    ///
    /// ```
    /// use amqp_proto::policy::{Claim, LinkPlace, Termini, TerminusName};
    /// use amqp_proto::wire::Role;
    ///
    /// let mut termini = Termini::<()>::new(100, 1 << 20).with_share(1, 1 << 16);
    /// let mut claim = |container, link| {
    ///     let name = TerminusName::new(container, link, Role::Sender);
    ///     let place = LinkPlace { connection: 1, session: 2, link: 3 };
    ///     termini.claim(&name, place, true)
    /// };
    /// assert_eq!(claim("greedy", "a"), Claim::New);
    /// assert_eq!(claim("greedy", "b"), Claim::OverShare);
    /// assert_eq!(claim("modest", "b"), Claim::New);
    /// ```
    #[must_use]
    pub const fn with_share(mut self, termini: usize, octets: u64) -> Self {
        self.share = Amount { termini, octets };
        self
    }

    /// Takes a terminus for a link that the peer attaches. A new one gets a place only if it is `wanted`.
    ///
    /// Call [`attached`](Self::attached) when the link is accepted, or [`closed`](Self::closed) if it is not.
    pub fn claim(&mut self, name: &TerminusName, place: LinkPlace, wanted: bool) -> Claim<T> {
        if let Some(entry) = self.kept.get_mut(name) {
            let Some((value, octets)) = entry.value.take() else { return Claim::Attached(entry.place) };
            (entry.place, entry.ended) = (place, Ended::Nothing);
            if let Some(at) = entry.expires.take() {
                self.expiries.remove(&(at, name.clone()));
            }
            self.release(name, octets);
            return Claim::Kept(value);
        }
        if !wanted || self.kept.len() >= self.most.termini {
            return Claim::Unkept;
        }
        let owned = self.owned.get(&name.owner()).map_or(0, |owned| owned.termini);
        if owned >= self.share.termini {
            return Claim::OverShare;
        }
        self.owned.entry(name.owner()).or_default().termini += 1;
        let lifetime = Lifetime::LINK;
        let entry = Entry { place, lifetime, ended: Ended::Nothing, value: None, expires: None };
        self.kept.insert(name.clone(), entry);
        Claim::New
    }

    /// Sets the lifetime of a terminus whose link is attached at this place.
    pub fn attached(&mut self, name: &TerminusName, place: LinkPlace, lifetime: Lifetime) {
        if let Some(entry) = self.attached_at(name, place) {
            entry.lifetime = lifetime;
        }
    }

    fn attached_at(&mut self, name: &TerminusName, place: LinkPlace) -> Option<&mut Entry<T>> {
        self.kept.get_mut(name).filter(|entry| entry.place == place && entry.value.is_none())
    }

    /// Returns the number of octets that the value of this terminus may have.
    pub fn room(&self, name: &TerminusName) -> u64 {
        let owned = self.owned.get(&name.owner()).map_or(0, |owned| owned.octets);
        let share = self.share.octets.saturating_sub(owned);
        self.most.octets.saturating_sub(self.octets).min(share)
    }

    /// Keeps the value of a terminus whose link is detached, or ends with its session or connection. Returns the value
    /// if it is not kept: it expires at once, has more octets than there is [room](Self::room), or another link has
    /// taken the terminus.
    pub fn detached(
        &mut self,
        name: &TerminusName,
        place: LinkPlace,
        value: T,
        octets: u64,
        now: Moment,
    ) -> Option<T> {
        let room = self.room(name);
        let Some(entry) = self.attached_at(name, place) else { return Some(value) };
        entry.ended = entry.ended.max(Ended::Link);
        entry.value = Some((value, octets));
        self.octets += octets;
        self.owned.entry(name.owner()).or_default().octets += octets;
        if octets > room {
            return self.remove(name);
        }
        self.count_down(name, now)
    }

    /// Forgets a terminus whose link is closed for good, or was not accepted.
    pub fn closed(&mut self, name: &TerminusName, place: LinkPlace) {
        if self.attached_at(name, place).is_some() {
            self.kept.remove(name);
            self.disown(name);
        }
    }

    /// Counts octets of a value no longer.
    fn release(&mut self, name: &TerminusName, octets: u64) {
        self.octets -= octets;
        if let Some(owned) = self.owned.get_mut(&name.owner()) {
            owned.octets -= octets;
        }
    }

    /// Counts a terminus no longer.
    fn disown(&mut self, name: &TerminusName) {
        let owner = name.owner();
        let Some(owned) = self.owned.get_mut(&owner) else { return };
        owned.termini -= 1;
        if owned.termini == 0 {
            self.owned.remove(&owner);
        }
    }

    /// Begins the countdown of the termini that expire after their session. Returns the values of those that expire at
    /// once.
    pub fn session_ended(&mut self, session: u64, now: Moment) -> Vec<T> {
        self.ended(Ended::Session, |place| place.session == session, now)
    }

    /// Begins the countdown of the termini that expire after their connection. Returns the values of those that expire
    /// at once.
    pub fn connection_closed(&mut self, connection: u64, now: Moment) -> Vec<T> {
        self.ended(Ended::Connection, |place| place.connection == connection, now)
    }

    fn ended(&mut self, ended: Ended, is_in: impl Fn(LinkPlace) -> bool, now: Moment) -> Vec<T> {
        let mut concerned = Vec::new();
        for (name, entry) in self.kept.iter_mut().filter(|(_, entry)| is_in(entry.place)) {
            entry.ended = entry.ended.max(ended);
            concerned.extend(entry.value.is_some().then(|| name.clone()));
        }
        concerned.iter().filter_map(|name| self.count_down(name, now)).collect()
    }

    /// Begins the countdown of a detached terminus if its event has come. Returns the value if it expires at once.
    fn count_down(&mut self, name: &TerminusName, now: Moment) -> Option<T> {
        let entry = self.kept.get_mut(name)?;
        let is_due = Ended::for_expiry(entry.lifetime.policy).is_some_and(|event| entry.ended >= event);
        if !is_due || entry.expires.is_some() {
            return None;
        }
        if entry.lifetime.timeout.is_zero() {
            return self.remove(name);
        }
        let at = now + entry.lifetime.timeout;
        entry.expires = Some(at);
        self.expiries.insert((at, name.clone()));
        None
    }

    fn remove(&mut self, name: &TerminusName) -> Option<T> {
        let entry = self.kept.remove(name)?;
        if let Some(at) = entry.expires {
            self.expiries.remove(&(at, name.clone()));
        }
        let value = entry.value.map(|(value, octets)| {
            self.release(name, octets);
            value
        });
        self.disown(name);
        value
    }

    /// Returns the value of a terminus that has expired, the first one first.
    pub fn poll_expired(&mut self, now: Moment) -> Option<T> {
        let (at, name) = self.expiries.first()?;
        if *at > now {
            return None;
        }
        let name = name.clone();
        self.remove(&name)
    }

    /// Returns the time at which the next terminus expires.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Returns the number of termini, with those whose link is attached.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns `true` if there is no terminus.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Lifetime, LinkPlace, Termini, TerminusName};
    use crate::types::Moment;
    use crate::wire::{ExpiryPolicy, Role};
    use core::time::Duration;

    fn name(link: &'static str) -> TerminusName {
        TerminusName::new("peer", link, Role::Sender)
    }

    fn place(number: u64) -> LinkPlace {
        LinkPlace { connection: number / 100, session: number / 10, link: number }
    }

    fn after(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    fn lifetime(policy: ExpiryPolicy, seconds: u64) -> Lifetime {
        Lifetime { policy, timeout: Duration::from_secs(seconds) }
    }

    /// A store with an attached terminus of this name, at the place of this number.
    fn store(link: &'static str, number: u64, lifetime: Lifetime) -> Termini<&'static str> {
        let mut termini = Termini::new(2, 10);
        attach(&mut termini, link, number, lifetime);
        termini
    }

    fn attach(termini: &mut Termini<&'static str>, link: &'static str, number: u64, lifetime: Lifetime) {
        assert_eq!(termini.claim(&name(link), place(number), true), Claim::New);
        termini.attached(&name(link), place(number), lifetime);
    }

    // M-TERM-02, T-RES-23: the countdown begins with the event of the policy, and not before.
    #[test]
    fn m_term_02_the_countdown_begins_with_its_event() {
        use ExpiryPolicy::{ConnectionClose, LinkDetach, Never, SessionEnd};
        for (policy, begun) in [(LinkDetach, 0), (SessionEnd, 1), (ConnectionClose, 2), (Never, 3)] {
            let mut termini = store("x", 111, lifetime(policy, 5));
            assert_eq!(termini.detached(&name("x"), place(111), "state", 1, after(10)), None);
            let expiry = |event: u64| (begun <= event).then(|| after(15 + 10 * begun));
            assert_eq!(termini.next_expiry(), expiry(0));
            assert!(termini.session_ended(12, after(15)).is_empty());
            assert_eq!(termini.session_ended(11, after(20)), [""; 0]);
            assert_eq!(termini.next_expiry(), expiry(1));
            assert_eq!(termini.connection_closed(1, after(30)), [""; 0]);
            assert_eq!(termini.next_expiry(), expiry(2));
            match termini.next_expiry() {
                Some(at) => {
                    assert_eq!(termini.poll_expired(after(14 + 10 * begun)), None);
                    assert_eq!(termini.poll_expired(at), Some("state"));
                    assert_eq!(
                        (termini.len(), termini.room(&name("x")), termini.next_expiry()),
                        (0, 10, None)
                    );
                    assert_eq!(termini.claim(&name("x"), place(200), true), Claim::New);
                }
                None => assert_eq!(termini.poll_expired(after(1 << 40)), None),
            }
        }
    }

    // M-TERM-02: a link that is attached again ends the countdown, which begins anew from the full time.
    #[test]
    fn m_term_02_an_attach_cancels_the_countdown() {
        let mut termini = store("x", 1, lifetime(ExpiryPolicy::LinkDetach, 5));
        assert_eq!(termini.detached(&name("x"), place(1), "first", 1, after(0)), None);
        assert_eq!(termini.claim(&name("x"), place(2), true), Claim::Kept("first"));
        termini.attached(&name("x"), place(2), lifetime(ExpiryPolicy::LinkDetach, 5));
        assert_eq!((termini.next_expiry(), termini.poll_expired(after(9))), (None, None));
        assert_eq!(termini.detached(&name("x"), place(2), "second", 1, after(10)), None);
        assert_eq!(termini.next_expiry(), Some(after(15)));
        assert_eq!(termini.claim(&name("x"), place(3), false), Claim::Kept("second"));
    }

    // M-TERM-03: without a timeout it expires at once. The session may end before the link reports its state.
    #[test]
    fn m_term_03_a_timeout_of_0_is_over_at_once() {
        let mut termini = store("x", 111, lifetime(ExpiryPolicy::LinkDetach, 0));
        assert_eq!(termini.detached(&name("x"), place(111), "state", 1, after(0)), Some("state"));
        attach(&mut termini, "x", 112, lifetime(ExpiryPolicy::SessionEnd, 0));
        assert_eq!(termini.session_ended(11, after(0)), [""; 0]);
        assert_eq!(termini.detached(&name("x"), place(112), "state", 1, after(0)), Some("state"));
        attach(&mut termini, "x", 113, lifetime(ExpiryPolicy::ConnectionClose, 0));
        assert_eq!(termini.detached(&name("x"), place(113), "state", 1, after(0)), None);
        assert_eq!(termini.session_ended(11, after(0)), [""; 0]);
        assert_eq!(termini.connection_closed(1, after(0)), ["state"]);
        assert!(termini.is_empty());
    }

    // L-NAME-03: a link that was stolen changes nothing any more.
    #[test]
    fn l_name_03_only_the_attached_link_counts() {
        let mut termini = store("x", 1, lifetime(ExpiryPolicy::Never, 0));
        assert_eq!(termini.claim(&name("x"), place(2), true), Claim::Attached(place(1)));
        termini.closed(&name("x"), place(2));
        assert_eq!(termini.detached(&name("x"), place(1), "mine", 1, after(0)), None);
        assert_eq!(termini.claim(&name("x"), place(2), true), Claim::Kept("mine"));
        assert_eq!(termini.detached(&name("x"), place(1), "old", 1, after(0)), Some("old"));
        termini.closed(&name("x"), place(1));
        assert_eq!(termini.len(), 1);
        termini.closed(&name("x"), place(2));
        assert!(termini.is_empty());
    }

    #[test]
    fn names_do_not_mix() {
        let named = |container: &'static str, role| TerminusName::new(container, "x", role);
        let mut termini = Termini::<u8>::new(9, 9);
        let names = [
            named("a", Role::Sender),
            named("b", Role::Sender),
            named("a", Role::Receiver),
            named("a", Role::Sender).with_user(crate::types::Str::from("u")),
            TerminusName::new("a", "y", Role::Sender),
        ];
        for (number, name) in (0..).zip(&names) {
            assert_eq!(termini.claim(name, place(number), true), Claim::New, "{name:?}");
        }
        assert_eq!(termini.claim(&names[0], place(9), true), Claim::Attached(place(0)));
    }

    #[test]
    fn the_store_is_bounded() {
        let never = lifetime(ExpiryPolicy::Never, 0);
        let mut termini = store("x", 1, never);
        assert_eq!(termini.claim(&name("z"), place(3), false), Claim::Unkept);
        attach(&mut termini, "y", 2, never);
        // No place is left, and no promised state goes for another one.
        assert_eq!(termini.claim(&name("z"), place(3), true), Claim::Unkept);
        assert_eq!(termini.detached(&name("x"), place(1), "eight", 8, after(0)), None);
        assert_eq!(termini.room(&name("y")), 2);
        assert_eq!(termini.detached(&name("y"), place(2), "three", 3, after(0)), Some("three"));
        assert_eq!((termini.len(), termini.room(&name("y"))), (1, 2));
        attach(&mut termini, "z", 3, never);
        assert_eq!(termini.detached(&name("z"), place(3), "two", 2, after(0)), None);
        assert_eq!(termini.claim(&name("x"), place(4), true), Claim::Kept("eight"));
        assert_eq!(termini.room(&name("x")), 8);
    }

    // A peer that keeps all it can leaves the others their room, whatever it calls its containers.
    #[test]
    fn no_peer_takes_more_than_its_share() {
        let never = lifetime(ExpiryPolicy::Never, 0);
        let of = |container: &'static str, link: &'static str, user: Option<&'static str>| {
            TerminusName::new(container, link, Role::Sender).with_user(user.map(crate::types::Str::from))
        };
        let mut termini = Termini::new(4, 100).with_share(2, 30);
        let names = [of("a", "1", Some("u")), of("b", "2", Some("u"))];
        for (number, name) in (1..).zip(&names) {
            assert_eq!(termini.claim(name, place(number), true), Claim::New);
            termini.attached(name, place(number), never);
        }
        assert_eq!(termini.claim(&of("c", "3", Some("u")), place(3), true), Claim::OverShare);
        assert_eq!(termini.claim(&of("c", "3", Some("u")), place(3), false), Claim::Unkept);
        assert_eq!(termini.claim(&of("c", "3", None), place(3), true), Claim::New);
        assert_eq!(termini.detached(&names[0], place(1), "one", 20, after(0)), None);
        assert_eq!((termini.room(&names[1]), termini.room(&of("c", "3", None))), (10, 30));
        // What does not fit is not kept, and counts no more.
        assert_eq!(termini.detached(&names[1], place(2), "two", 11, after(0)), Some("two"));
        assert_eq!((termini.room(&names[1]), termini.len()), (10, 2));
        assert_eq!(termini.claim(&names[1], place(4), true), Claim::New);
        termini.closed(&names[1], place(4));
        assert_eq!(termini.claim(&names[0], place(5), true), Claim::Kept("one"));
        assert_eq!(termini.room(&names[0]), 30);
        termini.closed(&names[0], place(5));
        termini.closed(&of("c", "3", None), place(3));
        assert!(termini.is_empty() && termini.owned.is_empty() && termini.octets == 0);
    }
}
