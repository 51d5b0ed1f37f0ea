//! [`Memory`]: the memory that the peer makes a connection hold, and its bound [`Limits::memory`].
//!
//! Links and stored states are counted as they come and go, which is seldom. Messages and unsettled deliveries are counted
//! by their sessions anyway, and the tables of transactions know their lengths, so the sum is made when it is needed: before
//! a good deal of input, and for a window.
//!
//! A window promises room before anybody knows how large the frames will be. A session promises as many frames as would
//! fit if they were like those before, twice as large; its first frames could all be of the largest size.
//!
//! A message that waits shares the block of input that it was read into, and so keeps all of it. To know which blocks are
//! kept would cost each message something, so the bound is kept by age. Time is divided into epochs, and each message notes
//! the epoch in which it came. The blocks that were left in this epoch and the one before are counted, as if messages kept
//! all of them. When they are an eighth of the memory more than the octets that wait, the messages that came in the epoch
//! before are copied out of their blocks, and another epoch begins. An application that keeps up has taken them by then.

use alloc::vec::Vec;

use super::delivery::{Ledger, compact};
use super::endpoints::Endpoints;
use super::fault::{ConnectionFault, LinkFault, SessionFault};
use super::link::{Arrival, Link, LinkEnd};
use super::session::Session;
use crate::codec::Encode;
use crate::types::{Key, Limits, LinkIx, SessionIx};
use crate::wire::{DeliveryState, Outcome};

/// The places of a session and of a link in tables.
const TABLES: u64 = 512;
/// A frame that waits: its place in the inbox, which may be half empty, and its record.
pub(crate) const FRAME: u64 = 2 * size_of::<Arrival>() as u64 + Ledger::OCTETS_PER_RECORD;
/// A piece of an incomplete message: its place in the payload, which may be half empty.
pub(crate) const PART: usize = 2 * size_of::<bytes::Bytes>();
/// The octets of a decoded value for each of its encoded octets.
const OCTETS_PER_OCTET: u64 = size_of::<crate::types::Value>() as u64;
/// The least and the greatest size of the pieces that a message is copied in.
const PIECES: (usize, usize) = (512, 1 << 16);
/// The part of the memory that may be added before the sum is made again.
const LOOKS: u64 = 1_024;

/// The memory of a connection that is counted as it comes and goes, and the bound on all of it.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The bound on what waits: the rest of [`Limits::memory`] is for buffers.
    most: u64,
    /// The memory that blocks of input may take beyond the octets that wait in them.
    slack: u64,
    /// The blocks of input that were left in the epoch before this one, and in this one.
    older: u64,
    newer: u64,
    /// The number of this epoch.
    pub(crate) epoch: u32,
    links: u64,
    /// The stored states of deliveries, or more: states that were replaced or forgotten still count.
    states: u64,
    /// The exact value of `states` when it was last known.
    counted: u64,
    /// `true` if states were stored in this epoch, which share blocks of input.
    shares_states: bool,
    /// The memory that may have been added since the sum was made.
    unlooked: u64,
    /// `true` if more waited than the bound allows when the sum was made: nothing is added to it.
    pub(crate) is_full: bool,
    /// `true` if a session has a closed window for lack of memory.
    pub(crate) has_closed: bool,
}

impl Memory {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            most: limits.memory() / 8 * 5,
            slack: limits.memory() / 8,
            older: 0,
            newer: 0,
            epoch: 1,
            links: 0,
            states: 0,
            counted: 0,
            shares_states: false,
            unlooked: 0,
            is_full: false,
            has_closed: false,
        }
    }

    /// Returns `true` if many of the states that count may be gone.
    fn is_stale(&self) -> bool {
        self.states.saturating_sub(self.counted) > self.most / 16
    }
}

impl Session {
    /// Returns the memory of the session without its links.
    fn memory(&self) -> u64 {
        let ledgers = self.sent.octets() + self.received.as_ref().map_or(0, Ledger::octets);
        let own = size_of::<Self>() as u64 + TABLES + self.begin.len() as u64;
        own + ledgers + self.incoming.held()
    }
}

impl Link {
    /// Returns the memory of the link without its messages.
    fn memory(&self) -> u64 {
        let octets = 2 * self.name.len() + self.attach.len();
        let properties = self.flow_properties.as_deref().map_or(0, octets_of_encoded);
        size_of::<Self>() as u64 + TABLES + octets as u64 + properties
    }
}

impl Endpoints {
    /// Returns the memory that is in use.
    fn memory(&self) -> u64 {
        let sessions: u64 = self.sessions.values().map(Session::memory).sum();
        let transactions = self.transactions.octets();
        sessions + self.memory.links + self.memory.states + transactions
    }

    /// Counts the block of input that is left, and looks at the memory before this many octets are read, if many were
    /// read since.
    pub(crate) fn before_input(&mut self, left: usize, octets: usize) {
        self.memory.newer += left as u64;
        self.memory.unlooked += octets as u64;
        if self.memory.unlooked > self.memory.most / LOOKS {
            self.look_for(0);
        } else {
            self.leave_blocks();
        }
    }

    /// Returns `true` if the memory is full.
    #[inline]
    pub(crate) fn is_full(&mut self) -> bool {
        self.memory.is_full && self.is_still_full()
    }

    /// Looks again, since the application may have taken messages.
    #[cold]
    fn is_still_full(&mut self) -> bool {
        self.look_for(0);
        self.memory.is_full
    }

    /// Looks whether the memory is full, with states that a frame is about to store, which count already.
    #[inline(never)]
    fn look_for(&mut self, coming: u64) {
        self.memory.unlooked = 0;
        self.leave_blocks();
        let mut held = self.memory();
        if held > self.memory.most && self.memory.is_stale() {
            self.count_states();
            self.memory.states = self.memory.states.saturating_add(coming);
            held = self.memory();
        }
        self.memory.is_full = held > self.memory.most;
    }

    /// Returns the memory that is left for the frames of a session, as far as the others leave it.
    fn room_for(&mut self, session: Key<SessionIx>) -> u64 {
        self.leave_blocks();
        if self.memory.is_stale() {
            self.count_states();
        }
        let transactions = self.transactions.octets();
        let mut used = self.memory.links + self.memory.states + transactions;
        let mut has_waiting = false;
        for other in self.sessions.values() {
            used += other.memory();
            has_waiting |= other.incoming.has_waiting();
            if other.key != session && other.listens() {
                used += other.incoming.promised();
            }
        }
        let left = self.memory.most.saturating_sub(used);
        let left = if self.sessions.len() > 1 { left / 2 } else { left };
        // A window that is closed while there is nothing to take might stay closed for ever.
        let least = if has_waiting { 0 } else { u64::from(self.limits.frame_size()) + FRAME };
        left.max(least)
    }

    /// Opens the window of a session as far as there is room, and returns it.
    pub(crate) fn open_window(&mut self, key: Key<SessionIx>) -> u32 {
        let room = self.room_for(key);
        let Some(session) = self.sessions.get_mut(key) else { return 0 };
        let window = session.incoming.open(room);
        self.memory.has_closed |= window == 0;
        window
    }

    /// Returns `true` if half of the room for a session was used, so that its window should open again.
    pub(crate) fn is_window_low(&mut self, key: Key<SessionIx>) -> bool {
        let room = self.room_for(key);
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let is_low = session.incoming.is_low_in(room);
        // If it is closed and stays so, more memory is free later.
        self.memory.has_closed |= !is_low && session.incoming.is_closed();
        is_low
    }

    /// Opens the windows that were closed for lack of memory, after some was freed.
    #[cold]
    pub(crate) fn open_windows(&mut self) {
        let keys: Vec<_> = self.sessions.keys().collect();
        self.memory.has_closed = false;
        for key in keys {
            let is_closed = self.sessions.get(key).is_some_and(|session| session.incoming.is_closed());
            if is_closed
                && self.is_window_low(key)
                && let Some(session) = self.sessions.get_mut(key)
            {
                session.flow_due = true;
                self.session_due(key.index);
            }
        }
    }

    /// Allows a sender's session to have more unsettled deliveries. Returns `false` if it cannot.
    #[cold]
    pub(crate) fn allow_more_sent(&mut self, index: LinkIx) -> bool {
        let left = (self.memory.most / 4 * 3).saturating_sub(self.memory());
        let most = self.limits.unsettled();
        let session = self.links.peek(index).and_then(|link| self.sessions.get_mut(link.session));
        let Some(session) = session else { return false };
        let more = session.most_sent.min(most - session.most_sent);
        if more == 0 || u64::from(more) * Ledger::OCTETS_PER_RECORD > left {
            return false;
        }
        session.most_sent += more;
        true
    }

    /// Counts a link, or its attach that came later.
    pub(crate) fn count_link(&mut self, key: Key<LinkIx>) {
        if let Some(link) = self.links.get_mut(key) {
            let octets = link.memory();
            self.memory.links = self.memory.links - link.counted + octets;
            link.counted = octets;
        }
    }

    /// Counts the properties of a link's state, which a frame has replaced.
    #[cold]
    pub(crate) fn count_properties(&mut self, key: Key<LinkIx>) -> Result<(), SessionFault> {
        self.count_link(key);
        let octets = self.links.get(key).map_or(0, |link| link.counted);
        self.memory.unlooked = self.memory.unlooked.saturating_add(octets);
        if self.memory.is_full || self.memory.unlooked > self.memory.most / LOOKS {
            self.look_for(0);
        }
        self.fault_if_full()
    }

    /// Stops counting a link that is removed.
    pub(crate) fn uncount_link(&mut self, link: &Link) {
        self.memory.links = self.memory.links.saturating_sub(link.counted);
        if self.memory.has_closed {
            self.open_windows();
        }
    }

    /// Counts a state that a frame stores for some deliveries.
    #[inline]
    pub(crate) fn count_state(
        &mut self,
        state: Option<&DeliveryState>,
        deliveries: u32,
    ) -> Result<(), SessionFault> {
        let octets = octets_of(state).saturating_mul(deliveries.into());
        if octets == 0 {
            return Ok(());
        }
        self.memory.shares_states = true;
        self.memory.states = self.memory.states.saturating_add(octets);
        self.memory.unlooked = self.memory.unlooked.saturating_add(octets);
        if self.memory.is_full || self.memory.unlooked > self.memory.most / LOOKS {
            self.look_for(octets);
        }
        self.fault_if_full()
    }

    /// Counts the states that are stored now.
    #[cold]
    fn count_states(&mut self) {
        let mut octets = self.transactions.states();
        for session in self.sessions.values() {
            let records = session.sent.records().chain(session.received.iter().flat_map(Ledger::records));
            for record in records {
                octets += octets_of(record.local().as_ref()) + octets_of(record.remote().as_ref());
            }
        }
        for link in self.links.values() {
            if let LinkEnd::Receiver(receiver) = &link.end {
                octets +=
                    receiver.inbox.iter().map(|arrival| octets_of(arrival.state.as_deref())).sum::<u64>();
            }
        }
        (self.memory.states, self.memory.counted) = (octets, octets);
    }

    /// Begins another epoch when the blocks of input take much more than the octets that wait in them: once those that were
    /// left in this epoch are half of what is allowed, so that those of the epoch before may be the other half.
    fn leave_blocks(&mut self) {
        let Memory { slack, .. } = self.memory;
        while self.memory.newer > slack / 2 || self.memory.older + self.memory.newer > slack {
            let waiting: u64 = self.sessions.values().map(|session| session.incoming.waiting()).sum();
            let allowed = slack + waiting;
            let Memory { older, newer, .. } = self.memory;
            if newer <= allowed / 2 && older + newer <= allowed {
                return;
            }
            self.end_epoch(waiting);
        }
    }

    /// Copies what waits since the epoch before this one out of the blocks of input, and begins another epoch.
    #[cold]
    fn end_epoch(&mut self, waiting: u64) {
        if core::mem::take(&mut self.memory.shares_states) {
            self.copy_states();
        }
        let ended = self.memory.epoch.wrapping_sub(1);
        // A piece is small beside the memory, since a message and its copy are both there for a moment.
        let piece = usize::try_from(self.memory.slack / 16).unwrap_or(usize::MAX).clamp(PIECES.0, PIECES.1);
        self.memory.epoch = self.memory.epoch.wrapping_add(1);
        self.memory.older = core::mem::take(&mut self.memory.newer);
        if waiting == 0 {
            self.memory.older = 0;
            return;
        }
        let arrivals =
            self.links.values_mut().filter_map(Link::receiver).flat_map(|receiver| &mut receiver.inbox);
        arrivals
            .filter(|arrival| arrival.epoch == ended)
            .for_each(|arrival| arrival.payload.leave_blocks(piece));
    }

    /// Copies the states of deliveries out of the blocks of input.
    fn copy_states(&mut self) {
        let limits = &self.limits;
        let records = self.sessions.values_mut().flat_map(|session| {
            session.sent.records_mut().chain(session.received.iter_mut().flat_map(Ledger::records_mut))
        });
        records.for_each(|record| record.compact(limits));
        let arrivals =
            self.links.values_mut().filter_map(Link::receiver).flat_map(|receiver| &mut receiver.inbox);
        arrivals.filter_map(|arrival| arrival.state.as_deref_mut()).for_each(|state| compact(state, limits));
        self.transactions.compact(limits);
    }

    /// Returns the fault of a peer that begins a session when the memory is full.
    pub(crate) fn check_session(&mut self) -> Result<(), ConnectionFault> {
        self.look_for(0);
        if self.memory.is_full { Err(ConnectionFault::Memory(self.limits.memory())) } else { Ok(()) }
    }

    /// Returns the fault of a peer that attaches a link when the memory is full.
    pub(crate) fn check_room(&mut self) -> Result<(), SessionFault> {
        self.look_for(0);
        self.fault_if_full()
    }

    fn fault_if_full(&self) -> Result<(), SessionFault> {
        let fault = LinkFault::Memory(self.limits.memory());
        if self.memory.is_full { Err(SessionFault::Link(fault)) } else { Ok(()) }
    }
}

/// Returns the memory of a stored state.
fn octets_of(state: Option<&DeliveryState>) -> u64 {
    match state {
        None | Some(DeliveryState::Outcome(Outcome::Accepted | Outcome::Released)) => 0,
        Some(state) => octets_of_encoded(state),
    }
}

/// Returns the memory of a stored state, or of an outcome, an error or properties.
pub(crate) fn octets_of_encoded(value: &impl Encode) -> u64 {
    size_of::<DeliveryState>() as u64 + OCTETS_PER_OCTET * value.size() as u64
}
