//! Sessions: two windows, the handles of links, and the unsettled deliveries of both directions [2.5].

mod flow;
mod lifecycle;
mod window;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};

pub(crate) use window::{IncomingWindow, OutgoingWindow};

use super::delivery::{DispositionQueue, Ledger};
use super::directory::{Directory, Numbers};
use super::halves::Half;
use super::reason::Reason;
use crate::config::SessionOptions;
use crate::types::{DeliveryNumber, Key, Limits, Symbol};
use crate::wire::Role;

/// One session, seen from this end.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) key: Key,
    /// This end's half.
    pub(crate) local: Half,
    /// The peer's.
    pub(crate) remote: Half,
    /// Whether it was ended for a fault of the peer: all that still comes is dropped [2.5.4].
    pub(crate) discards: bool,
    /// Whether the peer has shown that it has this end's begin.
    pub(crate) knows_begin: bool,
    /// The channel on which this end sends, while `local` is open.
    pub(crate) channel: u16,
    /// The channel on which the peer sends, while `remote` is open.
    pub(crate) remote_channel: u16,
    pub(crate) incoming: IncomingWindow,
    pub(crate) outgoing: OutgoingWindow,
    /// The peer's handles: the places of their links.
    pub(crate) handles: Directory,
    /// This end's handles.
    pub(crate) own_handles: Numbers,
    /// The highest handle that the peer takes.
    pub(crate) handle_max: u32,
    /// The places of the links that are on it or were on it last.
    pub(crate) links: BTreeSet<u32>,
    /// Unsettled deliveries that this end has sent.
    pub(crate) sent: Ledger,
    /// Unsettled deliveries that this end has received; before the first has come, that says where they start.
    pub(crate) received: Option<Ledger>,
    /// What is to be told about deliveries that were sent.
    pub(crate) about_sent: DispositionQueue,
    /// What is to be told about deliveries that were received.
    pub(crate) about_received: DispositionQueue,
    /// Whether it is among those that have something to be written.
    pub(crate) due: bool,
    pub(crate) flow_due: bool,
    /// Whether nothing more is begun on it, and it ends once deliveries are written that were.
    pub(crate) leaves: bool,
    /// The place of the sender whose delivery has its id and no frame yet: the next delivery's frame comes behind.
    pub(crate) unsent: Option<u32>,
    /// Places of senders that wait for the window to open.
    pub(crate) waiting: VecDeque<u32>,
    /// The peer's begin, encoded: shorter than the same decoded.
    pub(crate) begin: Box<[u8]>,
    /// The extensions that this end desires.
    pub(crate) desired: Box<[Symbol]>,
    /// Why this end ended it, until the application is told.
    pub(crate) reason: Option<Box<Reason>>,
    /// Whether its end is told, and whether the application has polled that.
    pub(crate) is_told: bool,
    pub(crate) is_polled: bool,
}

impl Session {
    pub(crate) fn new(key: Key, options: &SessionOptions, limits: &Limits) -> Self {
        Self {
            key,
            local: Half::Unopened,
            remote: Half::Unopened,
            discards: false,
            knows_begin: false,
            channel: 0,
            remote_channel: 0,
            incoming: Self::window(options, limits),
            outgoing: OutgoingWindow::new(options.next_outgoing_id),
            handles: Directory::default(),
            own_handles: Numbers::default(),
            handle_max: u32::MAX,
            links: BTreeSet::new(),
            sent: Ledger::new(DeliveryNumber::new(options.next_outgoing_id.get())),
            received: None,
            about_sent: DispositionQueue::new(Role::Sender),
            about_received: DispositionQueue::new(Role::Receiver),
            due: false,
            flow_due: false,
            leaves: false,
            unsent: None,
            waiting: VecDeque::new(),
            begin: Box::default(),
            desired: Box::default(),
            reason: None,
            is_told: false,
            is_polled: false,
        }
    }

    /// Takes over what the application says about a session that the peer has begun.
    pub(crate) fn set_options(&mut self, options: &SessionOptions, limits: &Limits) {
        let next_id = self.incoming.next_id();
        self.incoming = Self::window(options, limits);
        self.incoming.start(next_id);
        let left = self.outgoing.left();
        self.outgoing = OutgoingWindow::new(options.next_outgoing_id);
        self.outgoing.start(left);
        self.sent = Ledger::new(DeliveryNumber::new(options.next_outgoing_id.get()));
    }

    fn window(options: &SessionOptions, limits: &Limits) -> IncomingWindow {
        let frames =
            options.incoming_frames.map_or(limits.session_frames(), |f| f.min(limits.session_frames()));
        let octets =
            options.incoming_octets.map_or(limits.session_octets(), |o| o.min(limits.session_octets()));
        IncomingWindow::new(frames, octets, limits.frame_size())
    }

    /// Returns whether frames may be sent on it.
    #[inline]
    pub(crate) fn is_begun(&self) -> bool {
        self.local == Half::Open
    }

    /// Returns whether links may be attached on it.
    pub(crate) fn takes_links(&self) -> bool {
        self.is_begun() && self.remote != Half::Ended && !self.leaves
    }

    /// Returns whether what the peer says about its links still counts: this end has not ended it [2.5.4] [2.5.5].
    pub(crate) fn listens(&self) -> bool {
        !self.discards && self.local != Half::Ended
    }

    /// Returns whether both ends have begun it, and neither ended.
    pub(crate) fn is_mapped(&self) -> bool {
        self.local == Half::Open && self.remote == Half::Open
    }

    /// Returns the ledger of received deliveries, which starts with the first one's id.
    #[inline]
    pub(crate) fn received(&mut self, first: DeliveryNumber) -> &mut Ledger {
        self.received.get_or_insert_with(|| Ledger::new(first))
    }
}
