//! [`Model`]: what one end of a run knows by what it was told, and whether that makes sense.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::machine::{Event, Reason};
use crate::testing::end::End;
use crate::testing::operation::Side;
use crate::types::{DeliveryKey, LinkKey, SenderKey, SessionKey, Str};
use crate::wire::{Condition, DeliveryState};

/// What the errors that a run itself makes say: any other is an engine's, who has nothing to complain of.
pub(super) const BY_TEST: &str = "by test";

/// How an unsettled delivery ended at one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has not.
    Open,
    /// Settled, and told so; or sent settled.
    Settled,
    /// Settled by this end.
    Own,
    /// Reported as lost.
    Lost,
    /// Given up.
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
    /// How it ended at the sender.
    pub(super) fate: Fate,
    /// Whether its link was detached: then it may be lost.
    pub(super) is_loose: bool,
    pub(super) is_received: bool,
    /// The outcome that the receiver told.
    pub(super) verdict: Option<DeliveryState>,
    /// Whether the receiver settled it without one.
    pub(super) is_dropped: bool,
    /// The outcome that the sender was told.
    pub(super) known: Option<DeliveryState>,
}

/// What an end knows of a delivery that it has received.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) link: LinkKey,
    pub(super) fate: Fate,
    /// Which message it is, once its first octets are read.
    pub(super) id: Option<usize>,
    /// What was read of it.
    pub(super) octets: Vec<u8>,
}

/// What an end knows of a link.
#[derive(Debug, Default)]
pub(super) struct LinkModel {
    pub(super) name: Str,
    pub(super) is_offered: bool,
    pub(super) is_suspended: bool,
    /// Whether its sender is owed an event when it may send.
    pub(super) wants: bool,
    /// Whether its receiver is owed an event when it is drained.
    pub(super) drains: bool,
    /// The message that was started and is not finished.
    pub(super) open: Option<usize>,
    /// What is there to be received.
    pub(super) inbox: Vec<DeliveryKey>,
    /// The last message that was received.
    pub(super) last: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    /// Sessions that have not ended.
    pub(super) sessions: Vec<SessionKey>,
    /// All that this end has begun, and all that it was offered, in order.
    pub(super) begun: Vec<SessionKey>,
    pub(super) offered: Vec<SessionKey>,
    pub(super) links: BTreeMap<LinkKey, LinkModel>,
    pub(super) sent: BTreeMap<DeliveryKey, usize>,
    pub(super) got: BTreeMap<DeliveryKey, Got>,
    pub(super) is_closed: bool,
    pub(super) events: Vec<Event>,
}

impl Model {
    /// Takes note of an event.
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
            Event::LinkDetached { link, closed, reason } => {
                check_reason(reason);
                self.detached(*link, *closed, notes);
            }
            Event::Sendable(sender) => self.link((*sender).into()).wants = false,
            Event::Drained(receiver) => self.link((*receiver).into()).drains = false,
            Event::Stopped(receiver) => _ = self.link((*receiver).into()),
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

    /// A delivery ends, which it does once.
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
        // A link was refused by detaching it.
        None => error.condition == Condition::DetachForced,
    };
    assert!(is_known, "nobody was to complain: {reason:?}");
}
