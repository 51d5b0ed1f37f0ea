//! [`Endpoints`]: the sessions and links of a connection, and the frames that wait to be written for them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::delivery::{Arrived, Updates};
use super::directory::{Directory, Numbers};
use super::effects::Effects;
use super::fault::{ConnectionFault, Fault, SessionFault};
use super::halves::Half;
use super::link::{CreditOptions, Draining, Link, Names};
use super::memory::Memory;
use super::metrics::Totals;
use super::recovery::Hooks as ResumptionHooks;
use super::session::Session;
use super::slab::Slab;
#[cfg(feature = "tracing")]
use super::spans::Spans;
use super::transaction::TransactionSlot;
use crate::types::{DecodingLimits, Key, Limits, LinkIx, Moment, SessionIx};
use crate::wire::{Performative, Transfer};
use bytes::Bytes;

/// The sessions and links of a connection.
///
/// The handling of frames is in the modules [`session`](super::session), [`link`](super::link) and
/// [`delivery`](super::delivery). This module has their common parts.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) fx: Effects,
    pub(crate) limits: Limits,
    pub(crate) memory: Memory,
    /// The limits on decoding messages, which each delivery copies.
    pub(crate) decoding: DecodingLimits,
    pub(crate) sessions: Slab<Session, SessionIx>,
    pub(crate) links: Slab<Link, LinkIx>,
    pub(crate) names: Names,
    /// The indexes of sessions by the peer's channels.
    pub(crate) channels: Directory<SessionIx>,
    /// The channels of this end.
    pub(crate) own_channels: Numbers,
    /// The indexes of sessions whose begin the peer has not answered, by this end's channels.
    pub(crate) unanswered: Directory<SessionIx>,
    /// The highest channel that the peer accepts; 0 before its open [2.4.1].
    pub(crate) channel_max: u16,
    /// `true` while this end may send frames of sessions.
    pub(crate) is_open: bool,
    /// Suspended links, the first suspended one first.
    pub(crate) suspended: VecDeque<Key<LinkIx>>,
    /// The indexes of sessions and links with frames to write.
    due_sessions: Vec<SessionIx>,
    due_links: Vec<LinkIx>,
    /// The indexes of links whose flow waits until all events have been polled.
    held_links: Vec<LinkIx>,
    /// The frames to write before the next transfer.
    pub(crate) ahead: Vec<Ahead>,
    /// The options about the credit of links.
    pub(crate) credit: CreditOptions,
    /// The time, as last set by the driver.
    pub(crate) now: Moment,
    /// Senders whose unused credit is to be returned after a pause.
    pub(crate) draining: VecDeque<Draining>,
    /// A disposition that is not completely reported.
    pub(crate) updates: Option<Updates>,
    /// The number of deliveries examined without an event since others had their turn.
    pub(crate) looked: u32,
    /// The indexes of senders that wait for room in the output.
    pub(crate) blocked: VecDeque<LinkIx>,
    /// The indexes of senders that are resumed in rounds.
    pub(crate) in_rounds: Vec<LinkIx>,
    /// The index of a sender whose delivery must be written before the connection is closed.
    pub(crate) leaving: Option<LinkIx>,
    /// The functions that resume links, once a link was resumable.
    pub(crate) resumption: Option<&'static ResumptionHooks>,
    /// The transactions, once there was one, or a link to this end's coordinator.
    pub(crate) transactions: TransactionSlot,
    pub(crate) totals: Totals,
    #[cfg(feature = "tracing")]
    pub(crate) spans: Spans,
}

/// Frames to write before the next transfer, since the peer may need them to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// The dispositions of this session: within a transaction, or about sent deliveries.
    Dispositions(SessionIx),
    /// The flow of this receiver, which grants its first credit.
    Flow(LinkIx),
}

impl Endpoints {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            fx: Effects::default(),
            memory: Memory::new(&limits),
            decoding: limits.of_decoding(),
            limits,
            sessions: Slab::default(),
            links: Slab::default(),
            names: Names::default(),
            channels: Directory::default(),
            own_channels: Numbers::default(),
            unanswered: Directory::default(),
            channel_max: 0,
            is_open: false,
            suspended: VecDeque::new(),
            due_sessions: Vec::new(),
            due_links: Vec::new(),
            held_links: Vec::new(),
            ahead: Vec::new(),
            credit: CreditOptions::default(),
            now: Moment::START,
            draining: VecDeque::new(),
            updates: None,
            looked: 0,
            blocked: VecDeque::new(),
            in_rounds: Vec::new(),
            leaving: None,
            resumption: None,
            transactions: TransactionSlot::default(),
            totals: Totals::default(),
            #[cfg(feature = "tracing")]
            spans: Spans::default(),
        }
    }

    /// Handles a transfer, and returns its event. Faults of a session or a link are answered here.
    pub(crate) fn on_transfer_frame(
        &mut self,
        channel: u16,
        transfer: &Transfer,
        payload: Bytes,
    ) -> Result<Option<Arrived>, ConnectionFault> {
        let Some(index) = self.channels.get(channel.into()) else { return Err(self.unmapped(channel)) };
        let counted = self.count_state(transfer.state.as_ref(), 2).map_err(Fault::from);
        match counted.and_then(|()| self.on_transfer(index, transfer, payload)) {
            Ok(arrived) => Ok(arrived),
            Err(fault) => self.answer_fault(index, fault).map(|()| None),
        }
    }

    /// Handles a frame of a session. Faults of a session or a link are answered here.
    pub(crate) fn on_frame(
        &mut self,
        channel: u16,
        performative: Performative,
        payload: Bytes,
    ) -> Result<(), ConnectionFault> {
        if let Performative::Begin(begin) = performative {
            return self.on_begin(channel, *begin);
        }
        let Some(index) = self.channels.get(channel.into()) else { return Err(self.unmapped(channel)) };
        let done = match performative {
            Performative::Transfer(transfer) => {
                let counted = self.count_state(transfer.state.as_ref(), 2).map_err(Fault::from);
                counted.and_then(|()| self.on_transfer(index, &transfer, payload)).map(|arrived| {
                    if let Some(arrived) = arrived {
                        self.fx.tell(arrived.into());
                    }
                })
            }
            Performative::Attach(attach) => self.on_attach(index, *attach),
            Performative::Flow(flow) => self.on_flow(index, &flow),
            Performative::Disposition(disposition) => self.on_disposition(index, &disposition),
            Performative::Detach(detach) => self.on_detach(index, detach),
            Performative::End(end) => {
                self.on_end(index, end);
                Ok(())
            }
            // The connection has handled these.
            Performative::Open(_) | Performative::Close(_) | Performative::Begin(_) => Ok(()),
        };
        self.answer(index, done)
    }

    #[cold]
    fn unmapped(&self, channel: u16) -> ConnectionFault {
        if channel > self.limits.channel_max() {
            ConnectionFault::ChannelMax(channel)
        } else {
            ConnectionFault::Unmapped(channel)
        }
    }

    /// Answers a fault of a session or a link; returns a fault of the connection.
    pub(crate) fn answer(
        &mut self,
        session: SessionIx,
        done: Result<(), Fault>,
    ) -> Result<(), ConnectionFault> {
        match done {
            Ok(()) => Ok(()),
            Err(fault) => self.answer_fault(session, fault),
        }
    }

    #[cold]
    fn answer_fault(&mut self, session: SessionIx, fault: Fault) -> Result<(), ConnectionFault> {
        // On a session that this end has ended, nothing is a fault (S-END-05).
        let is_ended = self.sessions.at(session).is_none_or(|session| session.local == Half::Ended);
        match fault {
            Fault::Connection(fault) => return Err(fault),
            Fault::Session(_) | Fault::Link { .. } if is_ended => {}
            Fault::Session(fault) => self.fail_session(session, &fault),
            Fault::Link { link, ref fault } if self.fail_link(link, fault) => {}
            Fault::Link { fault, .. } => self.fail_session(session, &SessionFault::Link(fault)),
        }
        Ok(())
    }

    /// Marks a session that has dispositions or a flow to write.
    #[inline(never)] // once for many transfers
    pub(crate) fn session_due(&mut self, index: SessionIx) {
        if let Some(session) = self.sessions.at(index).filter(|session| !session.due) {
            session.due = true;
            self.due_sessions.push(index);
        }
    }

    /// Marks a link that has a flow to write.
    #[inline(never)] // once for many messages
    pub(crate) fn link_due(&mut self, index: LinkIx) {
        if let Some(link) = self.links.at(index) {
            link.is_flow_asked = true;
            if !link.flow_due {
                link.flow_due = true;
                self.due_links.push(index);
            }
        }
    }

    /// Marks a link that has the answer to a drain to write, unless it sends more before.
    pub(crate) fn drain_answer_due(&mut self, index: LinkIx) {
        if let Some(link) = self.links.at(index).filter(|link| !link.flow_due) {
            link.flow_due = true;
            self.due_links.push(index);
        }
    }

    /// Returns `true` if frames may be sent on a session: this end has ended neither the session nor the
    /// connection.
    #[inline]
    pub(crate) fn may_send_on(&self, session: Key<SessionIx>) -> bool {
        self.is_open && self.sessions.get(session).is_some_and(Session::is_begun)
    }

    /// Returns `true` if something waits that can be written now. After [`flush`](Self::flush) has found
    /// nothing to write, the result is `false`.
    pub(crate) fn is_due(&self) -> bool {
        let may_go_on = !self.held_links.is_empty() && self.fx.events.is_empty();
        may_go_on
            || self.resumption.is_some_and(|hooks| (hooks.has_ended_round)(self))
            || self.transactions.hooks().is_some_and(|hooks| (hooks.has_due_request)(self))
            || !(self.due_sessions.is_empty() && self.due_links.is_empty() && self.blocked.is_empty())
    }

    /// Writes what waits: dispositions, in ranges as long as possible, then one flow for each link and
    /// session that needs one, then more of the messages that lacked room.
    pub(crate) fn flush(&mut self) {
        if self.fx.out.len() >= self.limits.output_octets() {
            return;
        }
        if let Some(hooks) = self.transactions.hooks() {
            (hooks.send_requests)(self);
        }
        self.write_news();
        if let Some(hooks) = self.resumption {
            (hooks.end_rounds)(self);
        }
        if self.fx.events.is_empty() {
            self.due_links.append(&mut self.held_links);
        }
        let mut at = 0;
        while let Some(&index) = self.due_links.get(at) {
            at += 1;
            if self.links.at(index).is_some_and(|link| !link.flow_due) {
                // The flow was written before a transfer.
            } else if self.flow_waits(index) {
                self.held_links.push(index);
            } else {
                self.write_link_flow(index);
            }
        }
        self.due_links.clear();
        self.ahead.clear();
        while let Some(index) = self.due_sessions.pop() {
            self.write_session_flow(index);
        }
        self.unblock();
    }

    /// Adds frames to write before the next transfer.
    pub(crate) fn write_ahead(&mut self, ahead: Ahead) {
        if self.ahead.last() != Some(&ahead) {
            self.ahead.push(ahead);
        }
    }

    /// Writes the queued dispositions, which must not be lost when the connection is closed.
    pub(crate) fn write_news(&mut self) {
        for at in 0..self.due_sessions.len() {
            if let Some(&index) = self.due_sessions.get(at) {
                self.write_dispositions(index);
            }
        }
        self.ahead.retain(|ahead| !matches!(ahead, Ahead::Dispositions(_)));
    }

    /// Releases spare buffer capacity while the connection is idle.
    pub(crate) fn shrink(&mut self) {
        self.fx.out.shrink();
        self.fx.events.shrink_to(16);
        self.due_links.shrink_to(16);
        self.held_links.shrink_to(16);
        self.ahead.shrink_to(16);
        self.draining.shrink_to(16);
        self.due_sessions.shrink_to(16);
        self.fx.scratch = bytes::BytesMut::new();
    }
}
