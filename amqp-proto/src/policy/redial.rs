//! [`Redial`]: decides which address is dialled when.

use core::fmt;
use core::mem;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::reconnect::{AddressOrder, Reconnect};
use super::referral::{Dialable, Referral};
use super::transient::Prospect;
use crate::types::Moment;
use crate::wire::{AmqpError, Open};

/// The number of redirects in a row that are followed.
const MOST_REDIRECTS: u8 = 5;

/// Decides which address is dialled when, by the rules of a [`Reconnect`].
///
/// Ask [`next`](Self::next) while no connection is open and none is being opened. Report the connection by
/// [`opened`](Self::opened) once the peer's open has arrived, and its end, or the failure to open it, by
/// [`failed`](Self::failed).
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::policy::{
///     Backoff, GiveUp, Prospect, Reconnect, Redial, RedialStep,
/// };
/// use amqp_proto::types::{Moment, Str};
///
/// let second = Duration::from_secs(1);
/// let backoff = Backoff::new(second, second).with_jitter(0).with_attempts(2);
/// let rules = Reconnect::new().with_backoff(backoff);
/// let [a, b] = ["a", "b"].map(|host| (Str::from(host), 5672));
/// let mut redial = Redial::new(rules, [a.clone(), b.clone()]);
///
/// let now = Moment::START;
/// assert_eq!(redial.next(now, 7), RedialStep::Dial(a.clone()));
/// redial.failed(now, Prospect::Passing, None);
/// assert_eq!(redial.next(now, 7), RedialStep::Dial(b));
/// // This password is wrong: it is not sent again.
/// redial.failed(now, Prospect::Final, None);
/// let later = now + second;
/// assert_eq!(redial.next(now, 7), RedialStep::Wait(later));
/// assert_eq!(redial.next(later, 7), RedialStep::Dial(a));
/// redial.failed(later, Prospect::Passing, None);
/// let end = RedialStep::GiveUp(GiveUp::Attempts);
/// assert_eq!(redial.next(later, 7), end);
/// ```
#[derive(Debug, Clone)]
pub struct Redial<A> {
    rules: Reconnect,
    /// The application's addresses, and then those that a peer has named.
    entries: Vec<Entry<A>>,
    /// The addresses that this round has still to try.
    round: VecDeque<A>,
    /// The number of rounds that have ended since the last loss.
    rounds: u32,
    dials: u32,
    /// The number of redirects in a row, and the address of the first.
    redirects: u8,
    redirected: Option<A>,
    /// The address that was connected last.
    last: Option<A>,
    /// The moment of the last loss of a stable connection, else of the first attempt.
    since: Option<Moment>,
    state: State<A>,
}

#[derive(Debug, Clone)]
struct Entry<A> {
    address: A,
    is_learnt: bool,
    /// It has refused the client for good.
    is_final: bool,
}

#[derive(Debug, Clone)]
enum State<A> {
    /// An attempt has failed, at this moment, or none was made.
    Idle(Moment),
    Waiting(Moment),
    Dialling(A),
    Open {
        address: A,
        since: Moment,
    },
    Over(GiveUp),
}

/// A step on the way to a connection: see [`Redial::next`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedialStep<A> {
    /// Open a connection to this address.
    Dial(A),
    /// Ask again at this moment.
    Wait(Moment),
    /// Make no more attempts.
    GiveUp(GiveUp),
}

/// The reason why no more attempts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUp {
    /// Every address has refused the client for good, or there is none.
    Final,
    /// The rounds of [`Backoff::with_attempts`](super::Backoff::with_attempts) have been made.
    Attempts,
    /// The next attempt would begin after the time of
    /// [`with_give_up_after`](super::Reconnect::with_give_up_after).
    Time,
}

impl<A: Dialable> Redial<A> {
    /// Returns the beginning: no attempt was made, and the first one is due. A server that is named twice counts
    /// once.
    pub fn new(rules: Reconnect, addresses: impl IntoIterator<Item = A>) -> Self {
        let mut entries: Vec<Entry<A>> = Vec::new();
        for address in addresses {
            if !entries.iter().any(|entry| entry.address.is_at(&address)) {
                entries.push(Entry { address, is_learnt: false, is_final: false });
            }
        }
        let mut redial = Self {
            rules,
            entries,
            round: VecDeque::new(),
            rounds: 0,
            dials: 0,
            redirects: 0,
            redirected: None,
            last: None,
            since: None,
            state: State::Idle(Moment::START),
        };
        redial.begin_round();
        redial
    }

    /// Returns the next step. While a connection is open or being opened, returns its address again.
    ///
    /// `random` is a number that the caller draws from the whole range of `u64`.
    pub fn next(&mut self, now: Moment, random: u64) -> RedialStep<A> {
        match &self.state {
            State::Dialling(address) | State::Open { address, .. } => {
                return RedialStep::Dial(address.clone());
            }
            State::Over(why) => return RedialStep::GiveUp(*why),
            State::Waiting(until) if now < *until => return RedialStep::Wait(*until),
            State::Waiting(_) => self.begin_round(),
            State::Idle(ended) if self.round.is_empty() => {
                let ended = *ended;
                return self.end_round(ended, now, random);
            }
            State::Idle(_) => {}
        }
        let since = *self.since.get_or_insert(now);
        match self.round.pop_front() {
            Some(_) if self.is_late(since, now) => self.give_up(GiveUp::Time),
            Some(address) => {
                self.dials = self.dials.saturating_add(1);
                self.state = State::Dialling(address.clone());
                RedialStep::Dial(address)
            }
            None => self.give_up(GiveUp::Final),
        }
    }

    /// Returns the number of the current attempt since the last loss of a stable connection; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.dials
    }

    /// Reports that the dialled connection is open, with the peer's open.
    pub fn opened(&mut self, now: Moment, open: &Open) {
        let address = match mem::replace(&mut self.state, State::Idle(now)) {
            State::Dialling(address) => address,
            other => {
                self.state = other;
                return;
            }
        };
        if let Some(servers) = Referral::of_open(open).filter(|_| self.rules.referrals) {
            self.learn(&address, &servers);
        }
        self.last = Some(address.clone());
        self.state = State::Open { address, since: now };
    }

    /// Reports that the dialled connection could not be opened, or that the open one is over.
    ///
    /// `error` is the error of the peer's close, if there is one. A redirect, which [`classify`](super::classify)
    /// calls final, is followed at once.
    pub fn failed(&mut self, now: Moment, prospect: Prospect, error: Option<&AmqpError>) {
        let address = match mem::replace(&mut self.state, State::Idle(now)) {
            State::Dialling(address) => address,
            State::Open { address, since } => {
                if now - since >= self.rules.stable_after {
                    self.begin_again(now);
                }
                address
            }
            other => {
                self.state = other;
                return;
            }
        };
        if let Some(to) = error.and_then(|error| self.follow(&address, error)) {
            self.redirected.get_or_insert(address);
            self.round.push_front(to);
            return;
        }
        if prospect == Prospect::Final {
            // The first of the redirecting addresses would lead here again.
            let first = self.redirected.take();
            first.iter().chain([&address]).for_each(|address| self.strike(address));
        }
        (self.redirects, self.redirected) = (0, None);
    }

    /// Returns the address of a redirect, if it may be followed.
    fn follow(&mut self, from: &A, error: &AmqpError) -> Option<A> {
        if !self.rules.referrals || self.redirects == MOST_REDIRECTS {
            return None;
        }
        let to = from.referred(&Referral::of_redirect(error)?)?;
        let known = self.entries.iter().find(|entry| entry.address.is_at(&to));
        if known.is_some_and(|entry| entry.is_final) {
            return None;
        }
        self.redirects += 1;
        Some(known.map_or(to, |entry| entry.address.clone()))
    }

    /// Replaces the addresses that peers have named; those that stay keep their prospect.
    fn learn(&mut self, from: &A, servers: &[Referral]) {
        let named: Vec<A> = servers.iter().filter_map(|server| from.referred(server)).collect();
        self.entries
            .retain(|entry| !entry.is_learnt || named.iter().any(|address| address.is_at(&entry.address)));
        for address in named {
            if !self.entries.iter().any(|entry| entry.address.is_at(&address)) {
                self.entries.push(Entry { address, is_learnt: true, is_final: false });
            }
        }
    }

    /// Excludes an address that has refused the client for good.
    fn strike(&mut self, address: &A) {
        self.round.retain(|other| !other.is_at(address));
        let struck = self.entries.iter_mut().filter(|entry| entry.address.is_at(address));
        struck.for_each(|entry| entry.is_final = true);
    }

    /// Begins again after the loss of a stable connection.
    fn begin_again(&mut self, now: Moment) {
        self.entries.iter_mut().for_each(|entry| entry.is_final = false);
        (self.rounds, self.dials, self.redirects, self.redirected) = (0, 0, 0, None);
        self.since = Some(now);
        self.begin_round();
    }

    fn begin_round(&mut self) {
        let after_last =
            |last: &A| self.entries.iter().position(|entry| entry.address.is_at(last)).map(|at| at + 1);
        let first = match self.rules.order {
            AddressOrder::PreferredFirst => 0,
            AddressOrder::RoundRobin => self.last.as_ref().and_then(after_last).unwrap_or(0),
        };
        let turned = self.entries.iter().cycle().skip(first).take(self.entries.len());
        self.round = turned.filter(|entry| !entry.is_final).map(|entry| entry.address.clone()).collect();
    }

    /// Ends a round of which the last attempt ended at this moment.
    fn end_round(&mut self, ended: Moment, now: Moment, random: u64) -> RedialStep<A> {
        if self.entries.iter().all(|entry| entry.is_final) {
            return self.give_up(GiveUp::Final);
        }
        let delay = self.rules.backoff.delay(self.rounds, random);
        self.rounds = self.rounds.saturating_add(1);
        if !self.rules.backoff.allows(self.rounds) {
            return self.give_up(GiveUp::Attempts);
        }
        let until = ended + delay;
        if self.since.is_some_and(|since| self.is_late(since, until)) {
            return self.give_up(GiveUp::Time);
        }
        self.state = State::Waiting(until);
        self.next(now, random)
    }

    fn is_late(&self, since: Moment, then: Moment) -> bool {
        self.rules.give_up_after.is_some_and(|span| then - since > span)
    }

    fn give_up(&mut self, why: GiveUp) -> RedialStep<A> {
        self.state = State::Over(why);
        RedialStep::GiveUp(why)
    }
}

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Final => "every address has refused the client",
            Self::Attempts => "all attempts have failed",
            Self::Time => "the time for attempts is over",
        })
    }
}
