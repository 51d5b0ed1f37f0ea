//! Flows: the windows of sessions and the credit of links, sent and received [2.7.4].

use alloc::boxed::Box;

use super::Session;
use super::lifecycle::OUTGOING_WINDOW;
use crate::codec::{Encode, EncodeError, to_usize};
use crate::machine::command_error::FlowError;
use crate::machine::delivery::compact;
use crate::machine::endpoints::{Ahead, Endpoints};
use crate::machine::event::Event;
use crate::machine::fault::{Fault, LinkFault, SessionFault};
use crate::machine::halves::Half;
use crate::machine::link::{Link, LinkEnd, LinkHalf};
use crate::types::{Fields, Handle, LinkIx, ReceiverKey, SessionIx};
use crate::wire::Flow;

/// The most octets of a frame with a flow, without properties.
const FLOW: usize = 64;

impl Session {
    /// Returns a flow with the session's fields [2.7.4], and this incoming window.
    fn flow(&mut self, window: u32) -> Flow {
        let mut flow = Flow::new(window, self.outgoing.next_id(), OUTGOING_WINDOW);
        flow.next_incoming_id = (self.remote != Half::Unopened).then(|| self.incoming.next_id());
        self.flow_due = false;
        flow
    }
}

impl Endpoints {
    /// Handles a flow: the peer's windows, and with a handle the state of a link.
    pub(crate) fn on_flow(&mut self, index: SessionIx, flow: &Flow) -> Result<(), Fault> {
        let Some(session) = self.sessions.at(index).filter(|session| session.listens()) else {
            return Ok(());
        };
        match (flow.next_incoming_id, session.knows_begin) {
            (None, true) => return Err(SessionFault::NextIncomingId.into()),
            (None, false) => {}
            (Some(_), _) => session.knows_begin = true,
        }
        let Some(handle) = flow.handle else {
            let has_link_state = flow.delivery_count.is_some()
                || flow.link_credit.is_some()
                || flow.available.is_some()
                || flow.drain;
            if has_link_state {
                return Err(SessionFault::NoHandle.into());
            }
            self.on_session_flow(index, flow);
            return Ok(());
        };
        let Some(link) = session.handles.get(handle.get()) else {
            return Err(SessionFault::UnattachedHandle(handle.get()).into());
        };
        if !flow.properties.is_empty() && flow.properties.get("txn-id").is_some() {
            // Transactional acquisition is not supported [4.4.3].
            return Err(LinkFault::Acquisition.on(link));
        }
        self.on_session_flow(index, &Flow { echo: false, ..flow.clone() });
        self.on_link_flow(link, flow);
        if flow.properties.is_empty() { Ok(()) } else { self.on_flow_properties(link, &flow.properties) }
    }

    /// Keeps the properties of a link's state, and reports them.
    #[cold]
    fn on_flow_properties(&mut self, index: LinkIx, properties: &Fields) -> Result<(), Fault> {
        let Some(link) = self.links.at(index).filter(|link| !link.halves.local().is_detached()) else {
            return Ok(());
        };
        // They may stay longer than the block of input.
        let mut properties = Box::new(properties.clone());
        compact(&mut *properties, &self.limits);
        link.flow_properties = Some(properties);
        let (key, public) = (link.key, link.public_key());
        self.fx.tell(Event::FlowProperties(public));
        Ok(self.count_properties(key)?)
    }

    fn on_session_flow(&mut self, index: SessionIx, flow: &Flow) {
        let Some(session) = self.sessions.at(index) else { return };
        session.incoming.on_flow(flow);
        session.outgoing.on_flow(flow);
        if flow.echo {
            session.flow_due = true;
        }
        let opens = session.outgoing.left() > 0 && !session.waiting.is_empty();
        if flow.echo {
            self.session_due(index);
        }
        if opens {
            self.window_opens(index);
        }
    }

    fn on_link_flow(&mut self, index: LinkIx, flow: &Flow) {
        let Some(link) = self.links.at(index) else { return };
        match link.halves.local() {
            LinkHalf::Attached => {}
            LinkHalf::Unattached => return on_early_flow(link, flow),
            LinkHalf::Detached | LinkHalf::Closed => return,
        }
        let mut drains = false;
        let mut is_delayed = false;
        match &mut link.end {
            LinkEnd::Sender(sender) => {
                // More credit is reported again after credit was returned or withdrawn.
                sender.told &= sender.credit.credit() > 0;
                sender.credit.on_flow(flow);
                sender.told &= sender.credit.credit() > 0;
                sender.drain_due = sender.credit.drain();
                sender.has_drained = false;
                // Without credit, the answer is due at once (T-DRAIN-04).
                drains = sender.answers_drain();
                // An application that answers drains itself, or late, needs the event.
                sender.told &= !(sender.drain_due && (sender.manual_drain || sender.drains_late));
                is_delayed = sender.drain_due && sender.drains_late && !drains;
            }
            LinkEnd::Receiver(receiver) => {
                receiver.credit.on_flow(flow);
                receiver.awaits_answer &= !(flow.drain || flow.link_credit == Some(0));
                if receiver.is_drained() {
                    self.fx.tell(Event::Drained(ReceiverKey(link.key)));
                }
                if core::mem::take(&mut receiver.stops) {
                    self.fx.tell(Event::Stopped(ReceiverKey(link.key)));
                }
            }
        }
        if flow.echo {
            self.link_due(index);
        }
        if drains {
            self.drain_answer_due(index);
        }
        if is_delayed {
            self.delay_drain(index);
        }
        self.look_sendable(index);
    }

    /// Sets the credit of a link.
    pub(crate) fn set_credit(&mut self, index: LinkIx, credit: u32) -> Result<(), FlowError> {
        let Some(receiver) = self.attached(index).and_then(Link::receiver) else {
            return Err(FlowError::Detached);
        };
        let had_none = receiver.credit.credit() == 0;
        receiver.credit.set(credit, false);
        receiver.drains = false;
        receiver.stops = false;
        receiver.is_paused = credit == 0;
        if had_none && credit > 0 {
            self.write_ahead(Ahead::Flow(index));
        }
        self.link_due(index);
        Ok(())
    }

    /// Withdraws all credit of a link, and requests the sender's answer [2.6.10].
    pub(crate) fn stop(&mut self, index: LinkIx) -> Result<(), FlowError> {
        self.set_credit(index, 0)?;
        if let Some(receiver) = self.links.at(index).and_then(Link::receiver) {
            receiver.stops = true;
        }
        self.echo(index)
    }

    /// Asks the sender of a link to use or return its credit.
    pub(crate) fn drain(&mut self, index: LinkIx) -> Result<(), FlowError> {
        let link = self.attached(index).ok_or(FlowError::Detached)?;
        let key = ReceiverKey(link.key);
        let receiver = link.receiver().ok_or(FlowError::Detached)?;
        receiver.credit.set(receiver.credit.credit(), true);
        receiver.drains = true;
        receiver.is_paused = true;
        // If credit was withdrawn that may have been used, only the sender knows, so it is asked.
        receiver.awaits_answer = receiver.credit.was_reduced();
        let is_asked = receiver.awaits_answer;
        // Without credit now and before, some peers do not answer, and no answer is needed.
        let is_drained = receiver.is_drained();
        link.echo |= is_asked;
        if is_drained {
            self.fx.tell(Event::Drained(key));
        }
        self.link_due(index);
        Ok(())
    }

    /// Requests the state of the peer's end of a link.
    pub(crate) fn echo(&mut self, index: LinkIx) -> Result<(), FlowError> {
        self.attached(index).ok_or(FlowError::Detached)?.echo = true;
        self.link_due(index);
        Ok(())
    }

    /// Announces the number of messages that wait for credit.
    pub(crate) fn set_available(&mut self, index: LinkIx, messages: u32) -> Result<(), FlowError> {
        let sender = self.attached(index).and_then(Link::sender).ok_or(FlowError::Detached)?;
        sender.credit.set_available(messages);
        self.link_due(index);
        Ok(())
    }

    /// Answers a drain for the application, which has no messages to send.
    pub(crate) fn drained(&mut self, index: LinkIx) -> Result<(), FlowError> {
        let sender = self.attached(index).and_then(Link::sender).ok_or(FlowError::Detached)?;
        if sender.drain_due {
            sender.has_drained = true;
            if sender.answers_drain() {
                sender.give_back();
                self.link_due(index);
            }
        }
        Ok(())
    }

    /// Marks the answer to a drain as due, if it can be given [2.6.7].
    pub(crate) fn look_drained(&mut self, index: LinkIx) {
        let sender = self.links.at(index).and_then(Link::sender);
        if sender.is_some_and(|sender| sender.answers_drain()) {
            self.drain_answer_due(index);
        }
    }

    /// Returns `true` if a flow must wait until the application has polled all events.
    ///
    /// The application may still want to use credit that is to be returned [2.6.7], or to check a terminus
    /// before the first credit is granted [2.6.3].
    pub(crate) fn flow_waits(&mut self, index: LinkIx) -> bool {
        if self.fx.events.is_empty() {
            return false;
        }
        match self.links.at(index).map(|link| &link.end) {
            Some(LinkEnd::Sender(sender)) => sender.answers_drain() && sender.credit.credit() > 0,
            Some(LinkEnd::Receiver(receiver)) => receiver.is_unseen,
            None => false,
        }
    }

    fn attached(&mut self, index: LinkIx) -> Option<&mut Link> {
        let session = self.links.at(index)?.session;
        let may_send = self.may_send_on(session);
        self.links.at(index).filter(|link| may_send && link.halves.local() == LinkHalf::Attached)
    }

    /// Writes a flow with the state of a link and these properties of it.
    pub(crate) fn send_flow_properties(
        &mut self,
        index: LinkIx,
        properties: &Fields,
    ) -> Result<(), FlowError> {
        self.attached(index).ok_or(FlowError::Detached)?;
        if self.fx.out.len() >= self.limits.output_octets() {
            return Err(FlowError::Full);
        }
        let (octets, limit) = (FLOW + properties.size(), to_usize(self.fx.max_frame_size));
        if octets > limit {
            return Err(FlowError::TooLarge(EncodeError::TooLarge { octets, limit }));
        }
        if let Some(link) = self.links.at(index) {
            link.is_flow_asked = true;
        }
        self.write_flow(index, properties.clone());
        Ok(())
    }

    /// Writes a flow with the state of a link and its session.
    pub(crate) fn write_link_flow(&mut self, index: LinkIx) {
        self.write_flow(index, Fields::new());
    }

    fn write_flow(&mut self, index: LinkIx, properties: Fields) {
        let Some(link) = self.links.at(index) else { return };
        link.flow_due = false;
        let is_asked = core::mem::take(&mut link.is_flow_asked);
        if link.halves.local() != LinkHalf::Attached {
            return;
        }
        if let Some(sender) = link.sender() {
            // More was sent since the answer to a drain was due; the answer comes after that.
            if !is_asked && !sender.answers_drain() {
                return;
            }
            sender.give_back();
        }
        let key = link.session;
        if !self.sessions.get(key).is_some_and(Session::is_begun) {
            return;
        }
        let window = self.open_window(key);
        let Some(link) = self.links.at(index) else { return };
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut flow = session.flow(window);
        flow.handle = Some(Handle::new(link.handle));
        flow.echo = core::mem::take(&mut link.echo);
        flow.properties = properties;
        match &mut link.end {
            LinkEnd::Sender(sender) => {
                let (count, credit) = sender.told_credit();
                flow.delivery_count = Some(count);
                flow.link_credit = Some(credit);
                flow.available = sender.credit.available();
                flow.drain = sender.credit.drain();
            }
            LinkEnd::Receiver(receiver) => {
                receiver.is_unseen = false;
                flow.delivery_count = receiver.credit.count();
                flow.link_credit = Some(receiver.credit.credit());
                flow.available = Some(receiver.credit.available()).filter(|available| *available > 0);
                flow.drain = receiver.credit.drain();
            }
        }
        let channel = session.channel;
        // All other fields have bounded sizes, and the size of the properties was checked.
        let _ = self.fx.send(channel, &flow);
    }

    /// Writes a flow with the windows of a session, if one was requested or the window is low.
    pub(crate) fn write_session_flow(&mut self, index: SessionIx) {
        let Some(session) = self.sessions.at(index) else { return };
        session.due = false;
        if !session.is_begun() || !(session.flow_due || session.incoming.is_low()) {
            return;
        }
        let (key, is_due) = (session.key, session.flow_due);
        if !is_due && !self.is_window_low(key) {
            return;
        }
        let window = self.open_window(key);
        let Some(session) = self.sessions.get_mut(key) else { return };
        let flow = session.flow(window);
        let channel = session.channel;
        let _ = self.fx.send(channel, &flow);
    }
}

/// Handles credit that the peer grants before the application has accepted the link [2.6.7].
fn on_early_flow(link: &mut Link, flow: &Flow) {
    link.flow_due |= flow.echo;
    if let LinkEnd::Sender(sender) = &mut link.end {
        sender.credit.on_early_flow(flow);
        sender.drain_due = sender.credit.drain();
    }
}
