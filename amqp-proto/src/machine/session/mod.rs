//! Sessions: two windows, the handles of links, and the unsettled deliveries of both directions [2.5].
//!
//! # The automaton of a session
//!
//! A session has two halves, `local` for this end and `remote` for the peer, and each moves only forward:
//! `Unopened`, by a begin to `Open`, by an end to `Ended`.
//!
//! * *Offered*: only the peer's half is `Open`. The application accepts, which sends a begin, or refuses,
//!   which sends a begin and an end with an error.
//! * *Beginning*: only this end's half is `Open`. Links may be attached already; the peer's begin completes
//!   the session.
//! * *Mapped*: both halves are `Open`. Transfers flow as the windows allow [2.5.6].
//! * *Ending*: one half is `Ended`. The other end answers with its end. An end without an error first waits
//!   until complete deliveries are written.
//! * *Ended*: both halves are `Ended`. The session is removed, and its channels are free, after the
//!   application has polled its end.
//!
//! After a fault of the peer, this end sends an end with the error and discards all frames up to the peer's
//! end [2.5.4]. The end of the connection ends all sessions. Before `SessionEnded` is reported, the links of
//! the session are detached and their unsettled deliveries are reported as lost.

mod flow;
mod lifecycle;
mod window;

use alloc::boxed::Box;
use alloc::collections::VecDeque;

pub(crate) use window::{IncomingWindow, OutgoingWindow};

use super::delivery::{DispositionQueue, Ledger};
use super::directory::{Directory, Numbers};
use super::halves::Half;
use super::reason::Reason;
use crate::config::SessionOptions;
use crate::types::{DeliveryNumber, Key, Limits, LinkIx, SessionIx, Symbol, TreeSet};
use crate::wire::Role;

/// The number of unsettled deliveries that a sender's session may have before the memory is looked at.
const FIRST_SENT: u32 = 1_024;

/// A session, as this end sees it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) key: Key<SessionIx>,
    /// The half of this end.
    pub(crate) local: Half,
    /// The half of the peer.
    pub(crate) remote: Half,
    /// `true` if it was ended for a fault of the peer: later frames are dropped [2.5.4].
    pub(crate) discards: bool,
    /// `true` if the peer has shown that it has received this end's begin.
    pub(crate) knows_begin: bool,
    /// The channel of this end's frames, while `local` is open.
    pub(crate) channel: u16,
    /// The channel of the peer's frames, while `remote` is open.
    pub(crate) remote_channel: u16,
    pub(crate) incoming: IncomingWindow,
    pub(crate) outgoing: OutgoingWindow,
    /// The indexes of links by the peer's handles.
    pub(crate) handles: Directory<LinkIx>,
    /// The handles of this end.
    pub(crate) own_handles: Numbers,
    /// The highest handle that the peer accepts.
    pub(crate) handle_max: u32,
    /// The indexes of the links whose current or last session this is.
    pub(crate) links: TreeSet<LinkIx>,
    /// The unsettled deliveries that this end has sent.
    pub(crate) sent: Ledger,
    /// The unsettled deliveries that this end has received; `None` before the first, which determines the
    /// first id.
    pub(crate) received: Option<Ledger>,
    /// The greatest number of them, until the memory of the connection allows more.
    pub(crate) most_sent: u32,
    /// The dispositions to write about sent deliveries.
    pub(crate) about_sent: DispositionQueue,
    /// The dispositions to write about received deliveries.
    pub(crate) about_received: DispositionQueue,
    /// `true` if the session is marked as having something to write.
    pub(crate) due: bool,
    pub(crate) flow_due: bool,
    /// `true` if no new deliveries may begin, and the session ends when the complete ones are written.
    pub(crate) leaves: bool,
    /// The index of a sender whose delivery has an id and no written frame; later deliveries must not
    /// overtake it.
    pub(crate) unsent: Option<LinkIx>,
    /// The indexes of senders that wait for the window to open.
    pub(crate) waiting: VecDeque<LinkIx>,
    /// The indexes of senders that wait until a delivery is settled, since no more can be unsettled.
    pub(crate) crowded_out: VecDeque<LinkIx>,
    /// The peer's begin, encoded, which is smaller than decoded.
    pub(crate) begin: Box<[u8]>,
    /// The extensions that this end desires.
    pub(crate) desired: Box<[Symbol]>,
    /// The reason for which this end has ended it, until it is reported.
    pub(crate) reason: Option<Box<Reason>>,
    /// `true` if its end was reported, and `is_polled` if the application has polled that.
    pub(crate) is_told: bool,
    pub(crate) is_polled: bool,
}

impl Session {
    pub(crate) fn new(key: Key<SessionIx>, options: &SessionOptions, limits: &Limits) -> Self {
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
            links: TreeSet::default(),
            sent: Ledger::new(DeliveryNumber::new(options.next_outgoing_id.get())),
            received: None,
            most_sent: limits.unsettled().min(FIRST_SENT),
            about_sent: DispositionQueue::new(Role::Sender),
            about_received: DispositionQueue::new(Role::Receiver),
            due: false,
            flow_due: false,
            leaves: false,
            unsent: None,
            waiting: VecDeque::new(),
            crowded_out: VecDeque::new(),
            begin: Box::default(),
            desired: Box::default(),
            reason: None,
            is_told: false,
            is_polled: false,
        }
    }

    /// Applies the application's options to a session that the peer has begun.
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

    /// Returns `true` if this end may send frames on the session.
    #[inline]
    pub(crate) fn is_begun(&self) -> bool {
        self.local == Half::Open
    }

    /// Returns `true` if links may be attached on the session.
    pub(crate) fn takes_links(&self) -> bool {
        self.is_begun() && self.remote != Half::Ended && !self.leaves
    }

    /// Returns `true` if the peer's frames about links still count: this end has not ended the session
    /// [2.5.4] [2.5.5].
    pub(crate) fn listens(&self) -> bool {
        !self.discards && self.local != Half::Ended
    }

    /// Returns `true` if both ends have begun the session and neither has ended it.
    pub(crate) fn is_mapped(&self) -> bool {
        self.local == Half::Open && self.remote == Half::Open
    }

    /// Returns the ledger of received deliveries, created with the first id.
    #[inline]
    pub(crate) fn received(&mut self, first: DeliveryNumber) -> &mut Ledger {
        self.received.get_or_insert_with(|| Ledger::new(first))
    }
}
