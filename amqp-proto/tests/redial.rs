//! Reconnecting under virtual time: the order of addresses, the delays between rounds, redirects, and the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::time::Duration;

use amqp_proto::policy::{
    AddressOrder, Backoff, GiveUp, Prospect, Reconnect, Redial, RedialStep, Scope, is_transient,
};
use amqp_proto::types::{Fields, Map, Moment, Str, Value};
use amqp_proto::wire::{AmqpError, Condition, Open};

type Server = (Str, u16);

const NOW: Moment = Moment::START;

fn server(name: &str) -> Server {
    (name.into(), 5672)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Delays of 100, 200, 400 and so on milliseconds.
fn rules() -> Reconnect {
    Reconnect::new().with_backoff(Backoff::new(millis(100), millis(1_000)).with_jitter(0))
}

fn redial(rules: Reconnect, names: &[&str]) -> Redial<Server> {
    Redial::new(rules, names.iter().map(|name| server(name)))
}

fn location(name: &str) -> Map {
    [("network-host", Value::from(name)), ("port", Value::Uint(5672))].into()
}

fn redirect(name: &str) -> AmqpError {
    let info: Fields = [("network-host", Value::from(name)), ("port", Value::Uint(5672))].into();
    AmqpError::new(Condition::ConnectionRedirect).with_info(info)
}

/// The open of a peer that names other servers.
fn open(names: &[&str]) -> Open {
    let mut open = Open::new("peer".into());
    let servers: amqp_proto::types::List = names.iter().map(|name| location(name)).collect();
    open.properties.insert("failover-server-list", servers);
    open
}

/// Asserts that the next step dials this server.
#[track_caller]
fn dials(redial: &mut Redial<Server>, now: Moment, name: &str) {
    assert_eq!(redial.next(now, 0), RedialStep::Dial(server(name)));
}

#[track_caller]
fn waits(redial: &mut Redial<Server>, now: Moment, delay: u64) -> Moment {
    let until = now + millis(delay);
    assert_eq!(redial.next(now, 0), RedialStep::Wait(until));
    until
}

/// A broker that accepts connections and drops them at once is dialled after growing delays; only the loss of a
/// connection that was open for a while is replaced at once.
#[test]
fn delays_grow_until_a_connection_was_stable() {
    let mut redial = redial(rules(), &["a"]);
    let mut now = NOW;
    for delay in [100, 200, 400, 800] {
        dials(&mut redial, now, "a");
        redial.opened(now, &Open::new("peer".into()));
        now += millis(9_999);
        redial.failed(now, Prospect::Passing, None);
        now = waits(&mut redial, now, delay);
    }
    dials(&mut redial, now, "a");
    assert_eq!(redial.attempt(), 5);
    redial.opened(now, &Open::new("peer".into()));
    now += millis(10_000);
    redial.failed(now, Prospect::Passing, None);
    dials(&mut redial, now, "a");
    assert_eq!(redial.attempt(), 1);
    redial.failed(now, Prospect::Passing, None);
    waits(&mut redial, now, 100);
}

/// The delay begins at the end of an attempt, so that a slow refusal is not followed at once by the next attempt.
#[test]
fn a_delay_begins_when_the_attempt_has_ended() {
    let mut redial = redial(rules(), &["a"]);
    dials(&mut redial, NOW, "a");
    dials(&mut redial, NOW + millis(1), "a");
    let ended = NOW + millis(30_000);
    redial.failed(ended, Prospect::Passing, None);
    assert_eq!(redial.next(ended + millis(40), 0), RedialStep::Wait(ended + millis(100)));
    assert_eq!(redial.next(ended + millis(99), 9), RedialStep::Wait(ended + millis(100)));
    dials(&mut redial, ended + millis(100), "a");
}

#[test]
fn a_round_begins_with_the_preferred_or_the_next_address() {
    for (order, after) in [(AddressOrder::PreferredFirst, "abc"), (AddressOrder::RoundRobin, "cab")] {
        let mut redial = redial(rules().with_order(order), &["a", "b", "c"]);
        dials(&mut redial, NOW, "a");
        redial.failed(NOW, Prospect::Passing, None);
        dials(&mut redial, NOW, "b");
        redial.opened(NOW, &Open::new("peer".into()));
        let mut now = NOW + millis(60_000);
        redial.failed(now, Prospect::Passing, None);
        for _round in 0..2 {
            for name in after.split("").filter(|name| !name.is_empty()) {
                dials(&mut redial, now, name);
                redial.failed(now, Prospect::Passing, None);
            }
            let RedialStep::Wait(until) = redial.next(now, 0) else { panic!("no pause") };
            now = until;
        }
    }
}

#[test]
fn a_server_that_is_named_twice_is_dialled_once_in_a_round() {
    let mut redial = redial(rules(), &["a", "A", "a"]);
    dials(&mut redial, NOW, "a");
    redial.failed(NOW, Prospect::Passing, None);
    waits(&mut redial, NOW, 100);
}

/// Wrong credentials are sent once to each broker.
#[test]
fn a_final_error_is_not_retried() {
    let mut alone = redial(rules(), &["a"]);
    dials(&mut alone, NOW, "a");
    alone.failed(NOW, Prospect::Final, None);
    for later in [NOW, NOW + millis(1 << 40)] {
        assert_eq!(alone.next(later, 0), RedialStep::GiveUp(GiveUp::Final));
    }
    let mut pair = redial(rules(), &["a", "b"]);
    dials(&mut pair, NOW, "a");
    pair.failed(NOW, Prospect::Final, None);
    dials(&mut pair, NOW, "b");
    pair.failed(NOW, Prospect::Passing, None);
    let now = waits(&mut pair, NOW, 100);
    dials(&mut pair, now, "b");
    pair.opened(now, &Open::new("peer".into()));
    let now = now + millis(10_000);
    pair.failed(now, Prospect::Passing, None);
    // After a stable connection, it is worth an attempt.
    dials(&mut pair, now, "a");
    assert_eq!(redial(rules(), &[]).next(NOW, 0), RedialStep::GiveUp(GiveUp::Final));
}

#[test]
fn no_attempt_begins_after_the_time() {
    let mut redial = redial(rules().with_give_up_after(millis(250)), &["a", "b"]);
    dials(&mut redial, NOW, "a");
    redial.failed(NOW + millis(250), Prospect::Passing, None);
    dials(&mut redial, NOW + millis(250), "b");
    redial.failed(NOW + millis(251), Prospect::Passing, None);
    assert_eq!(redial.next(NOW + millis(251), 0), RedialStep::GiveUp(GiveUp::Time));
}

#[test]
fn the_servers_of_an_open_come_after_the_applications_own() {
    let mut redial = redial(rules(), &["a", "b"]);
    dials(&mut redial, NOW, "a");
    redial.opened(NOW, &open(&["b", "x", "y", "x"]));
    let now = NOW + millis(10_000);
    redial.failed(now, Prospect::Passing, None);
    for name in ["a", "b", "x"] {
        dials(&mut redial, now, name);
        redial.failed(now, Prospect::Passing, None);
    }
    dials(&mut redial, now, "y");
    // The new list replaces the old one.
    redial.opened(now, &open(&["z"]));
    redial.failed(now, Prospect::Passing, None);
    let now = waits(&mut redial, now, 100);
    for name in ["a", "b", "z"] {
        dials(&mut redial, now, name);
        redial.failed(now, Prospect::Passing, None);
    }
    waits(&mut redial, now, 200);
}

#[test]
fn the_servers_that_peers_name_are_bounded_in_number() {
    let names: Vec<_> = (0..1_000).map(|n| format!("x{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut redial = redial(rules(), &["a"]);
    let mut now = NOW;
    for half in names.chunks(500) {
        dials(&mut redial, now, "a");
        redial.opened(now, &open(half));
        now += millis(10_000);
        redial.failed(now, Prospect::Passing, None);
    }
    let mut dialled = 0;
    while let RedialStep::Dial(_) = redial.next(now, 0) {
        redial.failed(now, Prospect::Passing, None);
        dialled += 1;
    }
    assert_eq!(dialled, 65);
}

/// C-REDIR-01: a redirect is followed at once, before and after the connection was open.
#[test]
fn a_redirect_is_followed_at_once() {
    let mut redial = redial(rules(), &["a", "b"]);
    dials(&mut redial, NOW, "a");
    redial.opened(NOW, &Open::new("peer".into()));
    redial.failed(NOW, Prospect::Final, Some(&redirect("x")));
    dials(&mut redial, NOW, "x");
    // A server that is down is no reason to exclude the one that names it.
    redial.failed(NOW, Prospect::Passing, None);
    dials(&mut redial, NOW, "b");
    redial.failed(NOW, Prospect::Passing, None);
    let now = waits(&mut redial, NOW, 100);
    dials(&mut redial, now, "a");
    redial.failed(now, Prospect::Final, Some(&redirect("x")));
    dials(&mut redial, now, "x");
    // A server that refuses the client is, since it would be named again.
    redial.failed(now, Prospect::Final, None);
    dials(&mut redial, now, "b");
    redial.failed(now, Prospect::Passing, None);
    let now = waits(&mut redial, now, 200);
    dials(&mut redial, now, "b");
    redial.failed(now, Prospect::Final, Some(&redirect("a")));
    assert_eq!(redial.next(now, 0), RedialStep::GiveUp(GiveUp::Final));
}

#[test]
fn redirects_in_a_circle_end() {
    for circle in [&["a"][..], &["a", "x"]] {
        let mut redial = redial(rules(), &["a"]);
        let mut dialled = 0;
        while let RedialStep::Dial((host, _)) = redial.next(NOW, 0) {
            let at = circle.iter().position(|name| host == *name).unwrap();
            redial.opened(NOW, &Open::new("peer".into()));
            redial.failed(NOW, Prospect::Final, Some(&redirect(circle[(at + 1) % circle.len()])));
            dialled += 1;
        }
        assert_eq!((dialled, redial.next(NOW, 0)), (6, RedialStep::GiveUp(GiveUp::Final)));
    }
}

#[test]
fn without_referrals_only_the_own_addresses_are_dialled() {
    let mut redial = redial(rules().with_referrals(false), &["a", "b"]);
    dials(&mut redial, NOW, "a");
    redial.opened(NOW, &open(&["x"]));
    redial.failed(NOW, Prospect::Final, Some(&redirect("y")));
    dials(&mut redial, NOW, "b");
    redial.failed(NOW, Prospect::Passing, None);
    let now = waits(&mut redial, NOW, 100);
    dials(&mut redial, now, "b");
    assert!(!is_transient(Scope::Connection, &redirect("y")));
}

/// Random numbers of a seed.
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    fn is_one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn optional(&mut self, bound: u64) -> Option<u64> {
        self.is_one_in(2).then(|| self.below(bound))
    }
}

/// The rules of a history, and what has to follow from them.
struct Model {
    order: AddressOrder,
    attempts: Option<u64>,
    limit: Option<u64>,
    stable: u64,
    first: u64,
    longest: u64,
    jitter: u64,
    names: Vec<&'static str>,
    own: usize,
    refused: Vec<&'static str>,
    /// The rest of the round.
    due: VecDeque<&'static str>,
    redirect: Option<&'static str>,
    chain: Vec<&'static str>,
    last: Option<&'static str>,
    rounds: u64,
    since: u64,
    ended: u64,
    dials: usize,
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "w", "x", "y", "z"];

impl Model {
    fn new(dice: &mut Dice) -> Self {
        let own = 1 + usize::try_from(dice.below(4)).unwrap();
        let orders = [AddressOrder::PreferredFirst, AddressOrder::RoundRobin];
        let mut model = Self {
            order: orders[usize::from(dice.is_one_in(2))],
            attempts: dice.optional(6),
            limit: dice.optional(60_000),
            stable: dice.below(10_000),
            first: 1 + dice.below(1_000),
            longest: 1 + dice.below(20_000),
            jitter: dice.below(101),
            names: NAMES[..own].to_vec(),
            own,
            refused: vec![],
            due: VecDeque::new(),
            redirect: None,
            chain: vec![],
            last: None,
            rounds: 0,
            since: 0,
            ended: 0,
            dials: 0,
        };
        model.begin_round();
        model
    }

    fn rules(&self) -> Reconnect {
        let backoff = Backoff::new(millis(self.first), millis(self.longest));
        let backoff = backoff.with_jitter(self.jitter.try_into().unwrap());
        let backoff = match self.attempts {
            Some(attempts) => backoff.with_attempts(attempts.try_into().unwrap()),
            None => backoff,
        };
        Reconnect::new()
            .with_backoff(backoff)
            .with_order(self.order)
            .with_stable_after(millis(self.stable))
            .with_give_up_after(self.limit.map(millis))
    }

    fn begin_round(&mut self) {
        let mut names = self.names.clone();
        if let (AddressOrder::RoundRobin, Some(last)) = (self.order, self.last)
            && let Some(at) = names.iter().position(|name| *name == last)
        {
            names.rotate_left(at + 1);
        }
        self.due = names.into_iter().filter(|name| !self.refused.contains(name)).collect();
        self.dials = 0;
    }

    /// The longest and the shortest delay before the next round.
    fn delays(&self) -> (u64, u64) {
        let whole = self.first.saturating_mul(1 << self.rounds.min(40)).min(self.longest);
        (whole, (whole * (100 - self.jitter) / 100).saturating_sub(1))
    }

    fn is_late(&self, then: u64) -> bool {
        self.limit.is_some_and(|limit| then - self.since > limit)
    }

    /// Checks that this server is the one to dial at this moment.
    fn dialled(&mut self, now: u64, name: &str) {
        assert!(!self.is_late(now), "a late attempt");
        assert!(!self.refused.contains(&name), "a final error is retried");
        if let Some(redirect) = self.redirect.take() {
            assert_eq!((name, now), (redirect, self.ended), "the redirect is not followed at once");
        } else {
            if self.due.is_empty() {
                self.end_round(now);
            }
            assert_eq!(Some(name), self.due.pop_front());
        }
        self.dials += 1;
        assert!(self.dials <= NAMES.len() * 6, "too many attempts without a pause");
    }

    /// Checks that a round may follow at this moment.
    fn end_round(&mut self, next: u64) {
        let ((longest, least), waited) = (self.delays(), next - self.ended);
        assert!((least..=longest).contains(&waited), "{waited} is not in {least}..={longest}");
        self.rounds += 1;
        assert!(self.attempts.is_none_or(|attempts| self.rounds < attempts), "too many rounds");
        self.begin_round();
    }

    fn waits(&mut self, until: u64) {
        assert!(self.due.is_empty() && self.redirect.is_none(), "a pause within a round");
        assert!(!self.is_late(until));
        self.end_round(until);
    }

    fn gives_up(&self, now: u64, why: GiveUp) {
        let is_refused = self.names.iter().all(|name| self.refused.contains(name));
        let is_over = self.due.is_empty() && self.redirect.is_none();
        let has_ended = self.attempts.is_some_and(|attempts| self.rounds + 1 >= attempts);
        match why {
            GiveUp::Final => assert!(is_refused && is_over),
            GiveUp::Attempts => assert!(!is_refused && is_over && has_ended),
            GiveUp::Time if is_over => {
                assert!(!is_refused && !has_ended && self.is_late(now + self.delays().0));
            }
            _ => assert!(self.is_late(now)),
        }
    }

    fn learns(&mut self, named: &[&'static str]) {
        let mut names = self.names[..self.own].to_vec();
        names.extend(self.names[self.own..].iter().copied().filter(|name| named.contains(name)));
        names.extend(named.iter().copied().filter(|name| !self.names.contains(name)));
        self.names = names;
        // The verdict on a server that is no longer named is forgotten.
        self.refused.retain(|name| self.names.contains(name));
    }

    fn ends(
        &mut self,
        now: u64,
        name: &'static str,
        opened: Option<u64>,
        is_final: bool,
        to: Option<&'static str>,
    ) {
        if opened.is_some_and(|opened| now - opened >= self.stable) {
            (self.rounds, self.since) = (0, now);
            self.refused.clear();
            self.chain.clear();
            self.begin_round();
        }
        self.ended = now;
        match to {
            Some(to) if self.chain.len() < 5 && !self.refused.contains(&to) => {
                self.chain.push(name);
                self.redirect = Some(to);
            }
            _ => {
                let first = self.chain.first().copied();
                self.chain.clear();
                if is_final {
                    let known = self.names.iter().copied();
                    self.refused.extend(known.filter(|known| *known == name || Some(*known) == first));
                    self.due.retain(|other| *other != name && Some(*other) != first);
                }
            }
        }
    }
}

/// Runs one history of outages to its end. Returns whether a connection was open in the end.
fn run(seed: u64) -> bool {
    let mut dice = Dice(seed);
    let mut model = Model::new(&mut dice);
    let mut redial = Redial::new(model.rules(), model.names.iter().map(|name| server(name)));
    let (mut now, mut left) = (0, dice.below(60));
    loop {
        let moment = Moment::from_millis(now);
        match redial.next(moment, dice.number()) {
            RedialStep::Dial((host, _)) => {
                let name = *NAMES.iter().find(|name| host == **name).unwrap();
                model.dialled(now, name);
                if left == 0 {
                    redial.opened(moment, &Open::new("peer".into()));
                    return true;
                }
                left -= 1;
                now += dice.below(2_000);
                let opened = dice.is_one_in(3).then_some(now);
                if opened.is_some() {
                    model.last = Some(name);
                    let mut named = vec![];
                    (0..dice.below(4)).for_each(|_| {
                        let name = NAMES[usize::try_from(dice.below(8)).unwrap()];
                        if !named.contains(&name) {
                            named.push(name);
                        }
                    });
                    let is_named = dice.is_one_in(2);
                    redial.opened(
                        Moment::from_millis(now),
                        &if is_named { open(&named) } else { Open::new("peer".into()) },
                    );
                    if is_named {
                        model.learns(&named);
                    }
                    now += dice.below(2 * model.stable + 1);
                }
                let to = dice.is_one_in(4).then(|| NAMES[usize::try_from(dice.below(8)).unwrap()]);
                let is_final = to.is_some() || dice.is_one_in(8);
                let error = to.map(redirect);
                redial.failed(Moment::from_millis(now), Prospect::passing(!is_final), error.as_ref());
                model.ends(now, name, opened, is_final, to);
            }
            RedialStep::Wait(until) => {
                assert!(until > moment, "the pause is over");
                model.waits(until.as_millis());
                let early = Moment::from_millis(now + dice.below(until.as_millis() - now));
                assert_eq!(redial.next(early, dice.number()), RedialStep::Wait(until));
                model.ended = until.as_millis();
                now = until.as_millis();
            }
            RedialStep::GiveUp(why) => {
                model.gives_up(now, why);
                let later = Moment::from_millis(now + dice.below(100_000));
                assert_eq!(redial.next(later, dice.number()), RedialStep::GiveUp(why));
                return false;
            }
            _ => panic!("an unknown step"),
        }
    }
}

/// For all histories of outages: the order of attempts, the pauses and the end are those of the rules, no server
/// that has refused the client is dialled again, and the history ends.
#[test]
fn all_histories_of_outages_follow_the_rules() {
    let mut connected = 0;
    for seed in 0..100_000 {
        let ended = std::panic::catch_unwind(|| run(seed));
        connected += u32::from(ended.unwrap_or_else(|_| panic!("the history of seed {seed}")));
    }
    assert!((10_000..90_000).contains(&connected), "{connected} of 100,000 were connected in the end");
}
