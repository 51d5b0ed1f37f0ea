//! [`Model`]: what one end of a run knows by what it was told, and whether that makes sense.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::machine::{Event, Reason};
use crate::testing::end::End;
use crate::testing::operation::Side;
use crate::types::{DeliveryKey, LinkKey, SenderKey, SessionKey, Str};
use crate::wire::{Condition, DeliveryState};

/// The description of errors made by the run. An error with another description is a fault found by an engine.
pub(super) const BY_TEST: &str = "by test";

/// The end of an unsettled delivery, as one end sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not ended.
    Open,
    /// Settled by the peer, or sent settled.
    Settled,
    /// Settled by this end.
    Own,
    /// Reported as lost.
    Lost,
    /// Aborted.
    Aborted,
}

/// A message of a run.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) from: Side,
    pub(super) link: SenderKey,
    pub(super) key: DeliveryKey,
    pub(super) size: usize,
    pub(super) is_complete: bool,
    /// The delivery's end, as the sender sees it.
    pub(super) fate: Fate,
    /// True if its link was detached; then the delivery may be lost.
    pub(super) is_loose: bool,
    pub(super) is_received: bool,
    /// The outcome that the receiver has sent.
    pub(super) verdict: Option<DeliveryState>,
    /// True if the receiver has settled the delivery without an outcome.
    pub(super) is_dropped: bool,
    /// The outcome that the sender has learned.
    pub(super) known: Option<DeliveryState>,
}

/// A received delivery.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) link: LinkKey,
    pub(super) fate: Fate,
    /// The index of the message; known after its first octets are read.
    pub(super) id: Option<usize>,
    /// The octets read so far.
    pub(super) octets: Vec<u8>,
}

/// A link, as one end knows it.
#[derive(Debug, Default)]
pub(super) struct LinkModel {
    pub(super) name: Str,
    pub(super) is_offered: bool,
    pub(super) is_suspended: bool,
    /// True if its sender must get an event when it may send.
    pub(super) wants: bool,
    /// True if its receiver must get an event when it is drained.
    pub(super) drains: bool,
    /// The message that is started and not finished.
    pub(super) open: Option<usize>,
    /// The deliveries that have arrived and are not read.
    pub(super) inbox: Vec<DeliveryKey>,
    /// The last message that was received completely.
    pub(super) last: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    /// Sessions that have not ended.
    pub(super) sessions: Vec<SessionKey>,
    /// All sessions that this end has begun or was offered, in order.
    pub(super) begun: Vec<SessionKey>,
    pub(super) offered: Vec<SessionKey>,
    pub(super) links: BTreeMap<LinkKey, LinkModel>,
    pub(super) sent: BTreeMap<DeliveryKey, usize>,
    pub(super) got: BTreeMap<DeliveryKey, Got>,
    pub(super) is_closed: bool,
    pub(super) events: Vec<Event>,
}

impl Model {
    /// Updates the model by an event.
    pub(super) fn observe(&mut self, event: &Event, end: &mut End, notes: &mut [Note]) {
        assert!(!self.is_closed, "after the end: {event:?}");
        match event {
            Event::Closed(reason) => {
                check_reason(reason);
                assert!(self.sessions.is_empty(), "still there: {:?}", self.sessions);
                self.is_closed = true;
            }
            Event::SessionOffered(key) => {
                self.sessions.push(*key);
                self.offered.push(*key);
            }
            Event::SessionBegun(key) => assert!(self.begun.contains(key) && self.sessions.contains(key)),
            Event::SessionEnded { session, reason } => {
                check_reason(reason);
                assert!(self.sessions.contains(session), "{session:?} ends twice");
                self.sessions.retain(|key| key != session);
            }
            Event::LinkOffered(link) => self.link_offered(*link, end),
            Event::LinkAttached(link) => self.link(*link).wants = true,
            Event::LinkDetached { link, closed, reason, .. } => {
                check_reason(reason);
                self.detached(*link, *closed, notes);
            }
            Event::Sendable(sender) => self.link((*sender).into()).wants = false,
            Event::Drained(receiver) => self.link((*receiver).into()).drains = false,
            Event::Stopped(receiver) => _ = self.link((*receiver).into()),
            Event::FlowProperties(link) => _ = self.link(*link),
            Event::Message { receiver, delivery } => {
                let link = LinkKey::from(*receiver);
                self.link(link).inbox.push(*delivery);
                let got = Got { link, fate: Fate::Open, id: None, octets: Vec::new() };
                if let Some(told) = self.got.insert(*delivery, got) {
                    assert!(told.id.is_none() && told.octets.is_empty(), "{delivery:?} comes twice");
                    self.got.insert(*delivery, told);
                }
            }
            Event::Data { delivery, .. } => assert!(self.got.contains_key(delivery)),
            Event::Aborted { receiver, delivery } => {
                self.link((*receiver).into());
                assert!(self.got.contains_key(delivery));
                self.ended(*delivery, Fate::Aborted, (*receiver).into(), notes);
            }
            Event::Updated { link, delivery, state, settled } => {
                self.link(*link);
                self.updated(*link, *delivery, state.as_ref(), *settled, notes);
            }
            Event::Lost { link, delivery, .. } => {
                self.link(*link);
                self.ended(*delivery, Fate::Lost, *link, notes);
            }
            Event::Suspended { .. }
            | Event::Resumed { .. }
            | Event::Unresumed { .. }
            | Event::Unremembered(_) => unreachable!("no link of a run is resumable: {event:?}"),
            Event::Declared(_)
            | Event::Undeclared { .. }
            | Event::Discharge(_)
            | Event::Committed(_)
            | Event::RolledBack { .. }
            | Event::InDoubt { .. } => unreachable!("a run has no transactions: {event:?}"),
            Event::Opened | Event::Busy => {}
        }
        self.events.push(event.clone());
    }

    fn link(&mut self, key: LinkKey) -> &mut LinkModel {
        assert!(self.links.contains_key(&key), "{key:?} is gone");
        self.links.entry(key).or_default()
    }

    fn link_offered(&mut self, key: LinkKey, end: &mut End) {
        let (name, is_attached) = link_state(end, key).unwrap_or_default();
        let link = self.links.entry(key).or_default();
        link.name = name;
        link.is_offered = !is_attached;
        link.is_suspended = false;
        link.wants = true;
    }

    fn detached(&mut self, key: LinkKey, closed: bool, notes: &mut [Note]) {
        let link = self.link(key);
        link.is_offered = false;
        link.is_suspended = true;
        link.drains = false;
        link.open = None;
        for id in self.sent.values() {
            if let Some(note) = notes.get_mut(*id).filter(|note| LinkKey::from(note.link) == key) {
                note.is_loose = true;
            }
        }
        if closed {
            self.links.remove(&key);
        }
    }

    fn updated(
        &mut self,
        link: LinkKey,
        delivery: DeliveryKey,
        state: Option<&DeliveryState>,
        settled: bool,
        notes: &mut [Note],
    ) {
        if let Some(note) = self.sent.get(&delivery).and_then(|id| notes.get_mut(*id))
            && let Some(state) = state.filter(|state| state.is_terminal())
        {
            assert_eq!(
                note.verdict.as_ref(),
                Some(state),
                "the receiver told something else of {delivery:?}"
            );
            note.known = Some(state.clone());
        }
        if settled {
            self.ended(delivery, Fate::Settled, link, notes);
        }
    }

    /// Records the end of a delivery, which must be its first.
    fn ended(&mut self, delivery: DeliveryKey, fate: Fate, link: LinkKey, notes: &mut [Note]) {
        if delivery.is_received() {
            let fresh = Got { link, fate: Fate::Open, id: None, octets: Vec::new() };
            let got = self.got.entry(delivery).or_insert(fresh);
            assert!(
                got.fate == Fate::Open || fate == Fate::Aborted,
                "{delivery:?} was {:?}, now {fate:?}",
                got.fate
            );
            got.fate = fate;
        } else {
            let note = self.sent.get(&delivery).and_then(|id| notes.get_mut(*id));
            let was = note.as_ref().map(|note| note.fate);
            assert_eq!(was, Some(Fate::Open), "{delivery:?} is now {fate:?}");
            if let Some(note) = note {
                note.fate = fate;
            }
        }
    }
}

/// Returns the name of a link, and whether it is attached.
pub(super) fn link_state(end: &mut End, key: LinkKey) -> Option<(Str, bool)> {
    match key {
        LinkKey::Sender(key) => end.sender(key).ok().map(|link| (link.name(), link.is_attached())),
        LinkKey::Receiver(key) => end.receiver(key).ok().map(|link| (link.name(), link.is_attached())),
    }
}

fn check_reason(reason: &Reason) {
    let Some(error) = &reason.error else { return };
    let words = error.description.as_ref().map(Str::as_str);
    let is_known = match words {
        Some(BY_TEST | "the link was attached once more" | "the name is taken on another session") => true,
        Some(words) => words.starts_with("the transport ended"),
        // A link is refused by a detach.
        None => error.condition == Condition::DetachForced,
    };
    assert!(is_known, "nobody was to complain: {reason:?}");
}
