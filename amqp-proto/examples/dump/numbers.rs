//! [`Numbers`]: how the engine numbers what the captured end has numbered otherwise.

use std::collections::HashMap;

use amqp_proto::types::{Channel, DeliveryNumber, Handle};
use amqp_proto::wire::{Disposition, Frame, Performative, Role, Transfer};
use bytes::{Bytes, BytesMut};

use super::ledger::{Entry, Ledger};
use super::step::{Step, What};

/// The channels, handles and delivery-ids of the engine. Each end picks its own [2.5.1] [2.6.2] [2.7.5], so the engine may
/// do what the captured end did under other numbers.
pub(crate) struct Numbers<'a> {
    ledger: &'a Ledger,
    /// The channels, by session.
    channels: HashMap<usize, Channel>,
    /// The handles and their sessions, by link.
    handles: HashMap<usize, (usize, Handle)>,
    /// The delivery-ids, by session and the id in the capture.
    deliveries: HashMap<(usize, DeliveryNumber), DeliveryNumber>,
}

impl<'a> Numbers<'a> {
    pub(crate) fn new(ledger: &'a Ledger) -> Self {
        let (channels, handles, deliveries) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { ledger, channels, handles, deliveries }
    }

    fn entry(&self, at: usize) -> Option<&'a Entry> {
        self.ledger.entries.get(at)
    }

    /// Learns the engine's numbers from its frame that does what the frame of this step did: a session from its begin, a
    /// link from its attach, a delivery from its transfer. A number that is taken is not learnt, and so a difference.
    pub(crate) fn learn(&mut self, at: usize, expected: &What, came: &What) {
        let (Some((_, expected)), Some((channel, came))) = (performative(expected), performative(came))
        else {
            return;
        };
        let Some(entry) = self.entry(at) else { return };
        let Some(session) = entry.session else { return };
        match (expected, came) {
            (Performative::Begin(one), Performative::Begin(other)) => {
                let is_free = !self.channels.values().any(|taken| *taken == channel);
                if is_free && one.remote_channel == other.remote_channel {
                    self.channels.insert(session, channel);
                }
            }
            (Performative::Attach(one), Performative::Attach(other)) => {
                let own = (session, other.handle);
                let is_free = !self.handles.values().any(|taken| *taken == own);
                if is_free && one.name == other.name && one.role == other.role {
                    self.handles.extend(entry.link.map(|link| (link, own)));
                }
            }
            (Performative::Transfer(one), Performative::Transfer(other)) => {
                if one.delivery_tag == other.delivery_tag
                    && let (Some(id), Some(own)) = (one.delivery_id, other.delivery_id)
                {
                    self.deliveries.insert((session, id), own);
                }
            }
            _ => {}
        }
    }

    /// Returns a header or frame of the captured end with the engine's numbers.
    pub(crate) fn as_of_engine(&self, at: usize, what: &What) -> What {
        let What::Frame(frame, count) = what else { return what.clone() };
        let Frame::Amqp { channel, performative, payload } = &**frame else { return what.clone() };
        let entry = self.entry(at);
        let session = entry.and_then(|entry| entry.session);
        let own = entry.and_then(|entry| entry.link).and_then(|link| self.handles.get(&link));
        let mut performative = performative.clone();
        if let (Some((_, own)), Some(handle)) = (own, handle(&mut performative)) {
            *handle = *own;
        }
        match &mut performative {
            Performative::Transfer(transfer) => self.renumber(session, transfer),
            Performative::Disposition(told) if told.role == Role::Sender => {
                self.renumber_range(session, told)
            }
            _ => {}
        }
        let channel = session.and_then(|session| self.channels.get(&session)).unwrap_or(channel);
        let frame = Frame::Amqp { channel: *channel, performative, payload: payload.clone() };
        What::Frame(Box::new(frame), *count)
    }

    /// Returns the octets of a step of the replayed end, which names sessions and deliveries of the other end by the
    /// engine's numbers.
    pub(crate) fn for_engine(&self, at: usize, step: &Step) -> Bytes {
        let What::Frame(frame, _) = &step.what else { return step.octets.clone() };
        let Frame::Amqp { channel, performative, payload } = &**frame else { return step.octets.clone() };
        let session = self.entry(at).and_then(|entry| entry.session);
        let mut told = performative.clone();
        match &mut told {
            Performative::Begin(begin) if begin.remote_channel.is_some() => {
                let own = session.and_then(|session| self.channels.get(&session));
                begin.remote_channel = own.map(|own| own.get()).or(begin.remote_channel);
            }
            Performative::Disposition(told) if told.role == Role::Receiver => {
                self.renumber_range(session, told)
            }
            _ => {}
        }
        if told == *performative {
            return step.octets.clone();
        }
        let frame = Frame::Amqp { channel: *channel, performative: told, payload: payload.clone() };
        let mut octets = BytesMut::new();
        match frame.encode(u32::MAX, &mut octets) {
            Ok(()) => octets.freeze(),
            Err(_) => step.octets.clone(),
        }
    }

    /// Forgets the numbers of a session or link that the captured end has ended, so that they can be taken again.
    pub(crate) fn forget(&mut self, at: usize, what: &What) {
        let Some(entry) = self.entry(at) else { return };
        match (performative(what), entry.session, entry.link) {
            (Some((_, Performative::Detach(_))), _, Some(link)) => drop(self.handles.remove(&link)),
            (Some((_, Performative::End(_))), Some(session), _) => {
                self.channels.remove(&session);
                self.handles.retain(|_, (of, _)| *of != session);
                self.deliveries.retain(|(of, _), _| *of != session);
            }
            _ => {}
        }
    }

    fn own(&self, session: Option<usize>, id: DeliveryNumber) -> Option<DeliveryNumber> {
        self.deliveries.get(&(session?, id)).copied()
    }

    fn renumber(&self, session: Option<usize>, transfer: &mut Transfer) {
        if let Some(id) = transfer.delivery_id {
            transfer.delivery_id = self.own(session, id).or(transfer.delivery_id);
        }
    }

    /// Gives a range of deliveries the engine's numbers, if they are a range there, too.
    fn renumber_range(&self, session: Option<usize>, told: &mut Disposition) {
        let last = told.last.unwrap_or(told.first);
        let (Some(first), Some(own_last)) = (self.own(session, told.first), self.own(session, last)) else {
            return;
        };
        if first.distance(own_last) == told.first.distance(last) {
            told.first = first;
            told.last = told.last.map(|_| own_last);
        }
    }
}

fn performative(what: &What) -> Option<(Channel, &Performative)> {
    match what {
        What::Frame(frame, _) => match &**frame {
            Frame::Amqp { channel, performative, .. } => Some((*channel, performative)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the handle in a performative of a link.
fn handle(performative: &mut Performative) -> Option<&mut Handle> {
    match performative {
        Performative::Attach(attach) => Some(&mut attach.handle),
        Performative::Flow(flow) => flow.handle.as_mut(),
        Performative::Transfer(transfer) => Some(&mut transfer.handle),
        Performative::Detach(detach) => Some(&mut detach.handle),
        _ => None,
    }
}
