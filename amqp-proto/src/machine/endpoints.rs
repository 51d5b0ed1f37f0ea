//! [`Endpoints`]: everything inside an open connection, and what waits to be written about it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::delivery::{Arrived, IncomingTransfer, Updates};
use super::directory::{Directory, Numbers};
use super::effects::Effects;
use super::fault::{ConnectionFault, Fault, SessionFault};
use super::halves::Half;
use super::link::{CreditOptions, Draining, Link, Names};
use super::session::Session;
use super::slab::Slab;
#[cfg(feature = "tracing")]
use super::spans::Spans;
use crate::types::{DecodingLimits, Key, Limits, Moment};
use crate::wire::Performative;
use bytes::Bytes;

/// The sessions and links of a connection.
///
/// What a frame does is in the rooms of what it is about: [`session`](super::session), [`link`](super::link),
/// [`delivery`](super::delivery). Here is what they share.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) fx: Effects,
    pub(crate) limits: Limits,
    /// Those of the limits that messages are decoded within, as each delivery takes them along.
    pub(crate) decoding: DecodingLimits,
    pub(crate) sessions: Slab<Session>,
    pub(crate) links: Slab<Link>,
    pub(crate) names: Names,
    /// The peer's channels: the places of their sessions.
    pub(crate) channels: Directory,
    /// This end's channels.
    pub(crate) own_channels: Numbers,
    /// The channels among them on which the peer has yet to answer a begin: the places of their sessions.
    pub(crate) unanswered: Directory,
    /// The highest channel that the peer takes; 0 until it has said so [2.4.1].
    pub(crate) channel_max: u16,
    /// Whether this end may send frames of sessions.
    pub(crate) is_open: bool,
    /// Links that both ends have detached and neither closed, the longest ago first.
    pub(crate) suspended: VecDeque<Key>,
    /// Places of sessions and links that have something to be written.
    due_sessions: Vec<u32>,
    due_links: Vec<u32>,
    /// Places of links whose flow waits until all events have been polled.
    held_links: Vec<u32>,
    /// What is to be written before the next transfer.
    pub(crate) ahead: Vec<Ahead>,
    /// What the options say of the credit of links.
    pub(crate) credit: CreditOptions,
    /// The time, as far as the driver has told it.
    pub(crate) now: Moment,
    /// Senders of which credit is to be given back, unless it is used.
    pub(crate) draining: VecDeque<Draining>,
    /// A disposition that is not told to its end.
    pub(crate) updates: Option<Updates>,
    /// How many deliveries dispositions have named of which nothing was to be told, since others had their turn.
    pub(crate) looked: u32,
    /// Places of senders that wait for room in the output.
    pub(crate) blocked: VecDeque<u32>,
    /// The place of a sender whose delivery is to be written before the connection is closed.
    pub(crate) leaving: Option<u32>,
    #[cfg(feature = "tracing")]
    pub(crate) spans: Spans,
}

/// Something that is to be written before the next transfer, as the peer may need it to answer that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// The dispositions of the session at this place: some are within a transaction, or about what was sent.
    Dispositions(u32),
    /// The flow of the receiver at this place: it had no credit, and has some now.
    Flow(u32),
}

impl Endpoints {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            fx: Effects::default(),
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
            leaving: None,
            #[cfg(feature = "tracing")]
            spans: Spans::default(),
        }
    }

    /// Returns a transfer, and what is to be told about it. Faults that reach no further than a session or a link
    /// have been answered.
    #[inline]
    pub(crate) fn on_transfer_frame(
        &mut self,
        channel: u16,
        transfer: &impl IncomingTransfer,
        payload: Bytes,
    ) -> Result<Option<Arrived>, ConnectionFault> {
        let Some(index) = self.channels.get(channel.into()) else { return Err(self.unmapped(channel)) };
        match self.on_transfer(index, transfer, payload) {
            Ok(arrived) => Ok(arrived),
            Err((link, fault)) => self.answer_fault(index, link, fault).map(|()| None),
        }
    }

    /// Any frame of a session; the same holds for it.
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
            Performative::Transfer(transfer) => self.on_transfer(index, &transfer, payload).map(|arrived| {
                if let Some(arrived) = arrived {
                    self.fx.tell(arrived.into());
                }
            }),
            Performative::Attach(attach) => self.on_attach(index, *attach),
            Performative::Flow(flow) => self.on_flow(index, &flow),
            Performative::Disposition(disposition) => self.on_disposition(index, &disposition),
            Performative::Detach(detach) => self.on_detach(index, detach),
            Performative::End(end) => {
                self.on_end(index, end);
                Ok(())
            }
            // The connection has seen to these.
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

    /// Answers a fault, if it can be answered inside the connection.
    fn answer(&mut self, session: u32, done: Result<(), (u32, Fault)>) -> Result<(), ConnectionFault> {
        match done {
            Ok(()) => Ok(()),
            Err((link, fault)) => self.answer_fault(session, link, fault),
        }
    }

    #[cold]
    fn answer_fault(&mut self, session: u32, link: u32, fault: Fault) -> Result<(), ConnectionFault> {
        // On a session that this end has ended nothing is wrong any more (S-END-05).
        let is_ended = self.sessions.at(session).is_none_or(|session| session.local == Half::Ended);
        match fault {
            Fault::Connection(fault) => return Err(fault),
            Fault::Session(_) | Fault::Link(_) if is_ended => {}
            Fault::Session(fault) => self.fail_session(session, &fault),
            Fault::Link(fault) if self.fail_link(link, &fault) => {}
            Fault::Link(fault) => self.fail_session(session, &SessionFault::Link(fault)),
        }
        Ok(())
    }

    /// Has a session looked at when output is wanted.
    #[inline(never)] // once for many transfers
    pub(crate) fn session_due(&mut self, index: u32) {
        if let Some(session) = self.sessions.at(index).filter(|session| !session.due) {
            session.due = true;
            self.due_sessions.push(index);
        }
    }

    /// Has a flow of a link written when output is wanted.
    #[inline(never)] // once for many messages
    pub(crate) fn link_due(&mut self, index: u32) {
        if let Some(link) = self.links.at(index) {
            link.is_flow_asked = true;
            if !link.flow_due {
                link.flow_due = true;
                self.due_links.push(index);
            }
        }
    }

    /// Has the answer to a drain written when output is wanted, unless more is sent before that.
    pub(crate) fn drain_answer_due(&mut self, index: u32) {
        if let Some(link) = self.links.at(index).filter(|link| !link.flow_due) {
            link.flow_due = true;
            self.due_links.push(index);
        }
    }

    /// Returns whether frames may be sent on a session: neither it nor the connection is ended by this end.
    #[inline]
    pub(crate) fn may_send_on(&self, session: Key) -> bool {
        self.is_open && self.sessions.get(session).is_some_and(Session::is_begun)
    }

    /// Returns whether anything waits that may be written now. Once [`flush`](Self::flush) has found nothing to
    /// write, nothing does.
    pub(crate) fn is_due(&self) -> bool {
        let may_go_on = !self.held_links.is_empty() && self.fx.events.is_empty();
        may_go_on || !(self.due_sessions.is_empty() && self.due_links.is_empty() && self.blocked.is_empty())
    }

    /// Writes what waits: the news of deliveries, in ranges as long as they have become, then flows, one for each
    /// link and session that needs one, then more of the messages that had no room before.
    pub(crate) fn flush(&mut self) {
        if self.fx.out.len() >= self.limits.output_octets() {
            return;
        }
        self.write_news();
        if self.fx.events.is_empty() {
            self.due_links.append(&mut self.held_links);
        }
        let mut at = 0;
        while let Some(&index) = self.due_links.get(at) {
            at += 1;
            if self.links.at(index).is_some_and(|link| !link.flow_due) {
                // It was written before a transfer.
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

    /// Has something written before the next transfer.
    pub(crate) fn write_ahead(&mut self, ahead: Ahead) {
        if self.ahead.last() != Some(&ahead) {
            self.ahead.push(ahead);
        }
    }

    /// Writes the news of deliveries, which are not to be lost when the connection is closed.
    pub(crate) fn write_news(&mut self) {
        for at in 0..self.due_sessions.len() {
            if let Some(&index) = self.due_sessions.get(at) {
                self.write_dispositions(index);
            }
        }
        self.ahead.retain(|ahead| !matches!(ahead, Ahead::Dispositions(_)));
    }

    /// What a message that is not told by itself holds on to, given back.
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

/// Returns a fault of a session, where a function reports a link's place with it.
pub(crate) fn of_session<T>(result: Result<T, SessionFault>) -> Result<T, (u32, Fault)> {
    result.map_err(|fault| (0, fault.into()))
}
