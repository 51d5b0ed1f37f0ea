//! [`Recovery`]: sessions and links that outlive the connection which they were on.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use std::collections::BTreeSet;

use super::outage::{Outage, Slot};
use super::outcomes::{Awaited, Fate};
use super::state::{Mover, State};
use super::status::{Status, StatusLog};
use super::wake::Wake;
use super::write_buffer::WriteBuffer;
use super::write_here::WriteHere;
use crate::client::{CloseReason, DialPlan, DialStep, Error};
use crate::connection::Connection as Engine;
use crate::machine::{Delivery, Event, Reason};
use crate::policy::Reconnect;
use crate::types::{DeliveryKey, Key, LinkKey, Moment, SessionKey, Str};
use crate::wire::AmqpError;

/// The part of a connection's state by which it is opened again.
#[derive(Debug)]
pub(super) struct Recovery {
    plan: DialPlan,
    pub(super) log: StatusLog,
    /// The end of the last connection, until the next one is open.
    interrupted: Option<CloseReason>,
    /// The end of the last connection.
    last_loss: Option<CloseReason>,
    /// The number of attempts since then.
    attempts: u32,
    /// `true` once the application has closed the connection.
    is_leaving: bool,
    rules: Reconnect,
    /// The sessions and links that are begun or attached again later, by the moment.
    due: BTreeSet<(Moment, Slot)>,
    random: u64,
}

impl Recovery {
    /// Returns the part for a plan. The name is one that no other connection has.
    pub(super) fn new(mut plan: DialPlan, engine: &Engine, name: &str) -> Self {
        plan.set_container_id(engine.container_id().clone());
        Self {
            rules: plan.rules(),
            due: BTreeSet::new(),
            random: seed(name),
            plan,
            log: StatusLog::default(),
            interrupted: None,
            last_loss: None,
            attempts: 0,
            is_leaving: false,
        }
    }
}

impl Recovery {
    /// Returns the end of the connection that was lost last.
    pub(super) fn last_loss(&self) -> Option<CloseReason> {
        self.last_loss.clone()
    }

    /// Returns `true` once the application has closed the connection.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Records the moment of the next attempt. Returns `false` if the rules allow none.
    pub(super) fn retry(&mut self, slot: Slot, outage: &mut Outage, now: Moment) -> bool {
        self.forget_due(slot, outage);
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        outage.due = outage.retries.failed(&self.rules, now, mixed(self.random));
        outage.due.map(|due| self.due.insert((due, slot))).is_some()
    }

    /// Makes no further attempt.
    pub(super) fn forget_due(&mut self, slot: Slot, outage: &mut Outage) {
        if let Some(due) = outage.due.take() {
            self.due.remove(&(due, slot));
        }
    }

    /// Makes no further attempts.
    pub(super) fn forget_all_due(&mut self) {
        self.due.clear();
    }

    /// Returns the first that is due.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Slot> {
        self.due.first().filter(|(due, _)| *due <= now)?;
        self.due.pop_first().map(|(_, slot)| slot)
    }

    /// Returns the moment of the next attempt.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.first().map(|(due, _)| *due)
    }
}

/// Returns a start for random numbers: the FNV-1a hash of a name.
fn seed(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

/// Returns a number all of whose bits depend on all bits of another one, as SplitMix64 does.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl<W: Wake> State<W> {
    /// Returns the end of the last connection, if another one is being opened.
    pub(super) fn interrupted(&self) -> Option<&CloseReason> {
        self.recovery.as_ref()?.interrupted.as_ref().filter(|_| self.ended.is_none())
    }

    /// Returns `true` if the connection was lost and another one is being opened.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted().is_some()
    }

    /// Handles the last events of an engine: those that report the end of everything on it.
    #[cold]
    pub(super) fn dispatch_last(&mut self, first: Event) {
        let (mut ends, mut next) = (Vec::new(), Some(first));
        while let Some(event) = next {
            match event {
                Event::Closed(reason) => return self.on_last(*reason, ends),
                Event::Lost { .. } | Event::LinkDetached { .. } | Event::SessionEnded { .. } => {
                    ends.push(event)
                }
                event => self.on_event(event),
            }
            next = self.engine.poll_event();
        }
        // The close was told before.
        ends.into_iter().for_each(|event| self.on_event(event));
    }

    fn on_last(&mut self, reason: Reason, ends: Vec<Event>) {
        let (ended, now, was_open) = (self.end_of(reason.clone()), self.now(), self.is_open);
        let Some(recovery) = self.recovery.as_mut().filter(|recovery| was_open && !recovery.is_leaving)
        else {
            ends.into_iter().for_each(|event| self.on_event(event));
            return self.on_event(Event::Closed(reason.into()));
        };
        recovery.plan.failed(now, Error::Connection(ended.clone()));
        if recovery.interrupted.is_some() {
            // The new connection was not opened: nothing was on it.
            return;
        }
        recovery.log.push(Status::Interrupted(ended.clone()));
        recovery.attempts = 0;
        recovery.interrupted = Some(ended.clone());
        recovery.last_loss = Some(ended.clone());
        self.losses.fetch_add(1, Ordering::Release);
        let ended_with = reason.brief();
        for event in ends {
            match event {
                Event::Lost { link, delivery, ref state }
                    if Fate::of(state.clone(), false).is_none() && self.is_kept(link, delivery) => {}
                Event::LinkDetached { link, reason, unread, .. }
                    if *reason == ended_with && self.outlives(link) =>
                {
                    if let Some(slot) = self.link_slot(link) {
                        self.end_losing(slot, Some(&ended));
                        self.interrupt_link(slot, unread, &ended);
                    }
                }
                Event::SessionEnded { session, reason }
                    if *reason == ended_with && self.session_outlives(session) =>
                {
                    if let Some(slot) = self.session_slot(session) {
                        self.interrupt_session(slot, &ended);
                    }
                }
                event => self.on_event(event),
            }
        }
        self.interrupt_suspended(&ended);
        if let Some(recovery) = &mut self.recovery {
            recovery.forget_all_due();
        }
        self.outcomes.lost_with(&ended);
        self.links.each_mut(|link| link.lost_with(&ended));
        self.unwanted.clear();
        self.wake_unwritten();
        self.line.wake_all(&mut self.wakes);
    }

    /// Returns `true` if a delivery is sent again.
    fn is_kept(&self, key: LinkKey, delivery: DeliveryKey) -> bool {
        let link = self.link_slot(key).and_then(|slot| self.links.get(slot));
        let replay = link.filter(|_| self.outlives(key)).and_then(|link| link.replay.as_ref());
        replay.is_some_and(|replay| replay.keeps(delivery))
    }

    /// Returns `true` if a link is to be attached again.
    fn outlives(&self, key: LinkKey) -> bool {
        let link = self.link_slot(key).and_then(|slot| self.links.get(slot));
        link.is_some_and(|link| link.recipe.is_some() && link.ended.is_none() && !link.is_leaving)
    }

    fn session_outlives(&self, key: SessionKey) -> bool {
        let session = self.session_slot(key).and_then(|slot| self.sessions.get(slot));
        session.is_some_and(|session| {
            session.recipe.is_some() && session.guards > 0 && session.ended.is_none() && !session.is_leaving
        })
    }

    /// Takes a link off its engine.
    pub(super) fn interrupt_link(&mut self, slot: Key, unread: Vec<Delivery>, ended: &CloseReason) {
        let losses = self.losses.load(Ordering::Relaxed);
        let Some(link) = self.links.get_mut(slot) else { return };
        (link.key, link.is_attached) = (None, false);
        if let Some(recipe) = &mut link.recipe {
            recipe.outage.begin(ended.clone(), losses);
        }
        link.awaited = Awaited::default();
        link.replay.iter_mut().for_each(|replay| replay.interrupt());
        // The sender sends the others again.
        link.rest.extend(unread.into_iter().filter(Delivery::is_settled));
        let rest = &link.rest;
        link.begun.retain(|begun| rest.iter().any(|left| left.key() == *begun));
        // No message is on the way any more.
        (link.is_drained, link.is_stopped) = (true, true);
        link.line.wake_all(&mut self.wakes);
        link.turns.wake_all(&mut self.wakes);
    }

    /// Takes a session off its engine.
    pub(super) fn interrupt_session(&mut self, slot: Key, ended: &CloseReason) {
        let losses = self.losses.load(Ordering::Relaxed);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        (session.key, session.is_begun) = (None, false);
        if let Some(recipe) = &mut session.recipe {
            recipe.outage.begin(ended.clone(), losses);
        }
        session.line.wake_all(&mut self.wakes);
    }

    /// Puts in the engine of a new connection. Returns the old one, to be dropped after the lock is released.
    pub(super) fn adopt(
        &mut self,
        engine: Engine,
        write_here: Option<WriteHere>,
        url: Option<Str>,
    ) -> Engine {
        self.transport = self.transport.wrapping_add(1);
        self.write_buffer = Some(WriteBuffer::new(write_here, self.transport));
        (self.is_broken, self.is_cut, self.is_done, self.io) = (false, false, false, None);
        let movers = [core::mem::take(&mut self.writer), core::mem::take(&mut self.reader)];
        self.spent.extend(movers.into_iter().filter_map(Mover::into_waiter));
        self.url = url;
        self.earlier = self.metrics().totals();
        core::mem::replace(&mut self.engine, engine)
    }

    /// Begins and attaches everything again, once the new connection is open.
    pub(super) fn on_opened(&mut self) {
        self.is_open = true;
        self.line.wake_all(&mut self.wakes);
        let (now, open) = (self.now(), self.engine.peer_open());
        let Some(recovery) = &mut self.recovery else { return };
        if let Some(open) = &open {
            recovery.plan.opened(now, open);
        }
        recovery.log.push(Status::Connected);
        if recovery.interrupted.take().is_some() {
            let sessions: Vec<Key> = self.sessions.keys().collect();
            sessions.into_iter().for_each(|slot| self.begin_again(slot));
            let links: Vec<Key> = self.links.keys().collect();
            links.into_iter().for_each(|slot| self.attach_again(slot));
        }
    }

    /// Closes the connection for the application, also while there is none.
    pub(super) fn close(&mut self, error: Option<AmqpError>) {
        if let Some(recovery) = &mut self.recovery {
            recovery.is_leaving = true;
            recovery.forget_all_due();
        }
        let is_lost = self.engine.is_over() && self.is_interrupted();
        match error {
            _ if is_lost => self.end(CloseReason::new(Reason::local(error), None)),
            Some(error) => drop(self.engine.close_with(error)),
            None => drop(self.engine.close()),
        }
    }

    /// Ends a connection that has no engine.
    fn end(&mut self, ended: CloseReason) {
        if self.ended.is_none() {
            self.is_done = true;
            self.set_ended(ended);
        }
    }

    /// Returns the next step to a new connection; `None` if none is wanted.
    pub(super) fn next_dial(&mut self, random: u64) -> Option<DialStep> {
        let now = self.now();
        if self.ended.is_some() {
            return None;
        }
        let recovery = self.recovery.as_mut().filter(|recovery| recovery.interrupted.is_some())?;
        let step = recovery.plan.next(now, random);
        match &step {
            DialStep::Dial(dial) => {
                recovery.attempts = recovery.attempts.saturating_add(1);
                let (attempt, address) = (recovery.attempts, dial.0.to_string().into());
                recovery.log.push(Status::Reconnecting { attempt, address });
                self.line.wake_all(&mut self.wakes);
            }
            DialStep::Wait(_) => {}
            DialStep::GiveUp(failure) => {
                let failure = end_by(failure);
                self.end(failure);
                return None;
            }
        }
        Some(step)
    }

    /// Reports that a server was not reached.
    pub(super) fn dial_failed(&mut self, error: Error) {
        let now = self.now();
        if let Some(recovery) = &mut self.recovery {
            recovery.plan.failed(now, error);
        }
    }

    /// Ends a connection that nobody opens again.
    pub(super) fn abandon(&mut self) {
        if let Some(interrupted) = self.interrupted().cloned() {
            self.end(interrupted);
        }
    }
}

/// Returns the end of a connection whose last attempt has failed with this error.
fn end_by(failure: &Error) -> CloseReason {
    match failure {
        Error::Io(error) => CloseReason::new(Reason::transport(failure.to_string()), Some(Arc::clone(error))),
        _ => match failure.ended() {
            Some(ended) => ended.clone(),
            None => CloseReason::new(Reason::transport(failure.to_string()), None),
        },
    }
}
