//! [`Ledger`]: the sessions, links and deliveries of a connection, as its frames tell of them.

use std::collections::HashMap;

use amqp_proto::wire::{
    Attach, Begin, Detach, Disposition, Flow, Frame, Performative, ProtocolHeader, Role, SaslBody, SaslCode,
    Transfer,
};

use super::conversation::Conversation;
use super::deliveries::Deliveries;
use super::label::{label, millis};
use super::link::{Link, sender_of};
use super::session::Session;
use super::stalls::{Cause, Silence, Stall, Wait};
use super::step::{Both, Side, Step, What};

/// The meaning of a step.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) session: Option<usize>,
    pub(crate) link: Option<usize>,
    /// The step in a few words.
    pub(crate) label: String,
    /// Credit, windows and unsettled deliveries after it.
    pub(crate) notes: Vec<String>,
    /// The words for its fault, if it is one.
    pub(crate) fault: Option<String>,
    /// The wait before it, if it was a stall.
    pub(crate) wait: Option<String>,
}

/// The sessions, links and deliveries of a connection, and what each step means for them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) sessions: Vec<Session>,
    pub(crate) links: Vec<Link>,
    pub(crate) deliveries: Deliveries,
    /// One for each step of the conversation.
    pub(crate) entries: Vec<Entry>,
    pub(crate) stalls: Vec<Stall>,
    channels: HashMap<(Side, u16), usize>,
    handles: HashMap<(usize, Side, u32), usize>,
    /// The container ids.
    pub(crate) containers: Both<Option<String>>,
    /// The number of answers that each end owes, unsettled deliveries apart.
    owed: Both<u64>,
    is_closed: Both<bool>,
    credit_waits: Vec<Wait>,
    window_waits: Vec<Both<Wait>>,
    silence: Silence,
    /// True if frames that fit nothing are faults, as the conversation is there from its start.
    is_strict: bool,
    /// The shortest stall in nanoseconds.
    shortest: u64,
}

/// The step that is being taken.
#[derive(Clone, Copy)]
struct Now {
    step: usize,
    from: Side,
    at: Option<u64>,
}

impl Ledger {
    /// Takes a whole conversation. Waits shorter than `shortest` nanoseconds are no stalls.
    pub(crate) fn new(conversation: &Conversation, shortest: u64) -> Self {
        let mut ledger = Self { is_strict: conversation.is_whole, shortest, ..Self::default() };
        for (at, step) in conversation.steps.iter().enumerate() {
            let entry = ledger.take(at, step);
            ledger.entries.push(entry);
        }
        let end = conversation.steps.iter().filter_map(|step| step.at).max();
        ledger.finish(end);
        ledger
    }

    fn take(&mut self, step: usize, of: &Step) -> Entry {
        let now = Now { step, from: of.from, at: of.at };
        let mut entry = Entry { label: label(&of.what), ..Entry::default() };
        let stalls = self.stalls.len();
        match &of.what {
            What::Header(header) if *header != ProtocolHeader::AMQP && *header != ProtocolHeader::SASL => {
                entry.fault = Some("a protocol that this connection does not go on with".into());
            }
            What::Fault(reason) => entry.fault = Some(reason.clone()),
            What::Frame(frame, payload) => match &**frame {
                Frame::Amqp { channel, performative, .. } => {
                    self.hear(now);
                    self.performative(now, channel.get(), performative, *payload, &mut entry);
                    self.await_answers(now);
                }
                Frame::Sasl(SaslBody::Outcome(outcome)) if outcome.code != SaslCode::Ok => {
                    entry.fault = Some("the server refuses the client".into());
                }
                _ => {}
            },
            _ => {}
        }
        if let Some(stall) = self.stalls.get(stalls).filter(|stall| !stall.is_open) {
            let time = millis(stall.to.saturating_sub(stall.from));
            entry.wait = Some(format!("after {time} ms: {}", self.why(&stall.cause)));
        }
        entry
    }

    /// Returns words for the cause of a stall.
    pub(crate) fn why(&self, cause: &Cause) -> String {
        match cause {
            Cause::NoCredit(link) => {
                let link = self.links.get(*link);
                let never = if link.is_some_and(|link| !link.has_had_credit) { "never any" } else { "no" };
                format!("{never} credit on {}", link.map(Link::title).unwrap_or_default())
            }
            Cause::WindowClosed(session) => format!("the window of session {session} was closed"),
            Cause::Silent(Side::Client) => "the client was silent, and owed an answer".into(),
            Cause::Silent(Side::Server) => "the server was silent, and owed an answer".into(),
        }
    }

    fn performative(
        &mut self,
        now: Now,
        channel: u16,
        performative: &Performative,
        payload: usize,
        entry: &mut Entry,
    ) {
        match performative {
            Performative::Open(open) => {
                *self.containers.of_mut(now.from) = Some(open.container_id.to_string());
                let is_answer = self.containers.of(now.from.other()).is_some();
                self.ask(now.from, is_answer);
                return;
            }
            Performative::Close(close) => {
                entry.fault = close.error.as_ref().map(ToString::to_string);
                *self.is_closed.of_mut(now.from) = true;
                let is_answer = *self.is_closed.of(now.from.other());
                self.ask(now.from, is_answer);
                if is_answer {
                    self.leave(entry, |_, _| true);
                }
                return;
            }
            Performative::Begin(begin) => return self.begin(now, channel, begin, entry),
            _ => {}
        }
        let Some(session) = self.channels.get(&(now.from, channel)).copied() else {
            entry.fault = self.is_strict.then(|| format!("no session has begun on channel {channel}"));
            return;
        };
        entry.session = Some(session);
        match performative {
            Performative::Attach(attach) => self.attach(now, session, attach, entry),
            Performative::Flow(flow) => self.flow(now, session, flow, entry),
            Performative::Transfer(transfer) => self.transfer(now, session, (transfer, payload), entry),
            Performative::Disposition(disposition) => self.dispose(now, session, disposition, entry),
            Performative::Detach(detach) => self.detach(now, session, detach, entry),
            Performative::End(end) => {
                entry.fault = end.error.as_ref().map(ToString::to_string);
                self.end(now, session, channel, entry);
            }
            _ => {}
        }
    }

    fn begin(&mut self, now: Now, channel: u16, begin: &Begin, entry: &mut Entry) {
        let peer = now.from.other();
        let answered = begin.remote_channel.and_then(|channel| self.channels.get(&(peer, channel)).copied());
        if begin.remote_channel.is_some() && answered.is_none() && self.is_strict {
            entry.fault = Some("the peer has begun no session on that channel".into());
        }
        let at = answered.unwrap_or(self.sessions.len());
        if at == self.sessions.len() {
            self.sessions.push(Session::new(now.step));
            self.window_waits.push(Both::default());
        }
        self.ask(now.from, answered.is_some());
        self.channels.insert((now.from, channel), at);
        if let Some(session) = self.sessions.get_mut(at) {
            session.begin(now.from, channel, begin);
        }
        entry.session = Some(at);
    }

    fn attach(&mut self, now: Now, session: usize, attach: &Attach, entry: &mut Entry) {
        let sender = sender_of(now.from, attach);
        let is_same = |link: &Link| {
            link.session == session
                && link.sender == sender
                && link.name == *attach.name
                && !*link.is_attached.of(now.from)
                && link.last.is_none()
        };
        let answered = self.links.iter().rposition(is_same);
        let at = answered.unwrap_or(self.links.len());
        if answered.is_none() {
            self.links.push(Link::new(session, now.from, attach, now.step));
            self.credit_waits.push(Wait::default());
        }
        self.ask(now.from, answered.is_some());
        self.handles.insert((session, now.from, attach.handle.get()), at);
        if let Some(link) = self.links.get_mut(at) {
            link.attach(now.from, attach);
        }
        self.wait_for_credit(at, now.at);
        entry.link = Some(at);
    }

    fn flow(&mut self, now: Now, session: usize, flow: &Flow, entry: &mut Entry) {
        let sender = now.from.other();
        if let Some(session) = self.sessions.get_mut(session) {
            session.flow(now.from, flow);
        }
        self.wait_for_window(session, sender, now.at);
        let link = flow.handle.and_then(|handle| self.link_of(now, session, handle.get(), entry));
        if let Some(at) = link {
            if let Some(link) = self.links.get_mut(at) {
                link.flow(now.from, flow);
            }
            self.wait_for_credit(at, now.at);
            self.note_credit(at, entry);
        }
        self.note_window(session, sender, entry);
    }

    fn transfer(
        &mut self,
        now: Now,
        session: usize,
        (transfer, payload): (&Transfer, usize),
        entry: &mut Entry,
    ) {
        let is_open = self.sessions.get_mut(session).is_none_or(|session| session.transfer(now.from));
        let Some(at) = self.link_of(now, session, transfer.handle.get(), entry) else { return };
        let Some(link) = self.links.get_mut(at) else { return };
        let current = link.current;
        let has_credit = current.is_some() || link.deliver();
        link.current =
            self.deliveries.transfer(now.step, (session, at, now.from), (transfer, payload), current);
        entry.fault = match (is_open, has_credit, link.sender == now.from) {
            _ if !self.is_strict => None,
            (_, _, false) => Some("the receiver of a link sends no transfer".into()),
            (_, false, _) => Some("the receiver has granted no credit for this delivery".into()),
            (false, _, _) => Some("the incoming window of the session is closed".into()),
            _ => None,
        };
        if let Some((from, to)) = self.credit_waits.get_mut(at).and_then(Wait::sent) {
            self.stall(Cause::NoCredit(at), from, to, false);
        }
        let wait = self.window_waits.get_mut(session).map(|waits| waits.of_mut(now.from));
        if let Some((from, to)) = wait.and_then(Wait::sent) {
            self.stall(Cause::WindowClosed(session), from, to, false);
        }
        self.wait_for_credit(at, now.at);
        self.wait_for_window(session, now.from, now.at);
        self.note_credit(at, entry);
        self.note_window(session, now.from, entry);
        self.note_unsettled(session, now.from, entry);
    }

    fn dispose(&mut self, now: Now, session: usize, disposition: &Disposition, entry: &mut Entry) {
        entry.link = self.deliveries.dispose(now.step, session, now.from, disposition);
        let sender = if disposition.role == Role::Sender { now.from } else { now.from.other() };
        self.note_unsettled(session, sender, entry);
    }

    fn detach(&mut self, now: Now, session: usize, detach: &Detach, entry: &mut Entry) {
        entry.fault = detach.error.as_ref().map(ToString::to_string);
        let Some(at) = self.link_of(now, session, detach.handle.get(), entry) else { return };
        self.handles.remove(&(session, now.from, detach.handle.get()));
        let Some(link) = self.links.get_mut(at) else { return };
        *link.is_detached.of_mut(now.from) = true;
        let is_answer = *link.is_detached.of(now.from.other());
        link.last = Some(now.step);
        link.current = None;
        self.ask(now.from, is_answer);
        self.give_up(at, now.at);
        if is_answer {
            self.leave(entry, |_, link| link == at);
        }
    }

    fn end(&mut self, now: Now, session: usize, channel: u16, entry: &mut Entry) {
        self.channels.remove(&(now.from, channel));
        self.handles.retain(|(of, from, _), _| *of != session || *from != now.from);
        let Some(ended) = self.sessions.get_mut(session) else { return };
        *ended.is_ended.of_mut(now.from) = true;
        let is_answer = *ended.is_ended.of(now.from.other());
        ended.last = Some(now.step);
        for link in self.links.iter_mut().filter(|link| link.session == session) {
            link.last.get_or_insert(now.step);
        }
        self.ask(now.from, is_answer);
        if is_answer {
            self.leave(entry, |links, link| links.get(link).is_some_and(|link| link.session == session));
        }
    }

    /// Returns the link of a handle, and notes it.
    fn link_of(&mut self, now: Now, session: usize, handle: u32, entry: &mut Entry) -> Option<usize> {
        let link = self.handles.get(&(session, now.from, handle)).copied();
        entry.link = link;
        if link.is_none() && self.is_strict {
            entry.fault = Some(format!("no link is attached with handle {handle}"));
        }
        link
    }

    /// Lets go of the unsettled deliveries on the links that `is_over` selects.
    fn leave(&mut self, entry: &mut Entry, is_over: impl Fn(&[Link], usize) -> bool) {
        let links = &self.links;
        let count = self.deliveries.leave(|delivery| is_over(links, delivery.link));
        if count > 0 {
            entry.notes.push(format!("{count} left unsettled"));
        }
    }

    fn note_credit(&self, link: usize, entry: &mut Entry) {
        if let Some(credit) = self.links.get(link).and_then(Link::credit) {
            entry.notes.push(format!("credit {credit}"));
        }
    }

    fn note_window(&self, session: usize, sender: Side, entry: &mut Entry) {
        if let Some(window) = self.sessions.get(session).and_then(|session| session.window(sender)) {
            entry.notes.push(format!("window {window}"));
        }
    }

    fn note_unsettled(&self, session: usize, sender: Side, entry: &mut Entry) {
        entry.notes.push(format!("{} unsettled", self.deliveries.unsettled(session, sender)));
    }

    fn wait_for_credit(&mut self, link: usize, at: Option<u64>) {
        if let (Some(of), Some(wait)) = (self.links.get(link), self.credit_waits.get_mut(link)) {
            wait.set(of.is_dry(), at);
        }
    }

    fn wait_for_window(&mut self, session: usize, sender: Side, at: Option<u64>) {
        if let (Some(of), Some(waits)) = (self.sessions.get(session), self.window_waits.get_mut(session)) {
            waits.of_mut(sender).set(of.window(sender) == Some(0), at);
        }
    }

    /// Takes a question of this end, or its answer to one.
    fn ask(&mut self, from: Side, is_answer: bool) {
        if is_answer {
            let owed = self.owed.of_mut(from);
            *owed = owed.saturating_sub(1);
        } else {
            *self.owed.of_mut(from.other()) += 1;
        }
    }

    fn hear(&mut self, now: Now) {
        if let Some((from, to)) = self.silence.spoke(now.from, now.at) {
            self.stall(Cause::Silent(now.from), from, to, false);
        }
    }

    fn await_answers(&mut self, now: Now) {
        for side in [Side::Client, Side::Server] {
            let unsettled = self.deliveries.unsettled_from(side.other());
            self.silence.set(side, *self.owed.of(side) > 0 || unsettled > 0, now.at);
        }
    }

    /// Finds the wait for credit that has not ended when a link does.
    fn give_up(&mut self, at: usize, end: Option<u64>) {
        let (Some(link), Some(wait)) = (self.links.get(at), self.credit_waits.get_mut(at)) else { return };
        // Without credit, a sender with nothing to send waits for nothing.
        let waits = link.available > 0 || !link.has_had_credit;
        if let (Some(since), Some(end), true) = (std::mem::take(wait).since(), end, waits) {
            self.stall(Cause::NoCredit(at), since, end, true);
        }
    }

    /// Finds the stalls that the capture does not end.
    fn finish(&mut self, end: Option<u64>) {
        let Some(end) = end else { return };
        for at in 0..self.links.len() {
            self.give_up(at, Some(end));
        }
        let mut open = Vec::new();
        for side in [Side::Client, Side::Server] {
            let waits = self.window_waits.iter().enumerate();
            open.extend(
                waits.filter_map(|(at, wait)| Some((Cause::WindowClosed(at), wait.of(side).since()?, end))),
            );
            open.extend(self.silence.since(side).map(|since| (Cause::Silent(side), since, end)));
        }
        for (cause, from, to) in open {
            self.stall(cause, from, to, true);
        }
    }

    fn stall(&mut self, cause: Cause, from: u64, to: u64, is_open: bool) {
        if to.saturating_sub(from) >= self.shortest {
            self.stalls.push(Stall { cause, from, to, is_open });
        }
    }
}
