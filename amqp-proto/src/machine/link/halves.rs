//! [`Halves`]: the two halves of a link, and all their moves [2.6.3-2.6.6].

/// The state of one end's half of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkHalf {
    /// No attach yet.
    Unattached,
    /// The attach was sent or received.
    Attached,
    /// Detached; the link can be attached again [2.6.4].
    Detached,
    /// Detached for good [2.6.6].
    Closed,
}

impl LinkHalf {
    /// Returns `true` after a detach.
    pub(crate) fn is_detached(self) -> bool {
        matches!(self, Self::Detached | Self::Closed)
    }

    /// Returns the state after a detach.
    fn after_detach(closed: bool) -> Self {
        if closed { Self::Closed } else { Self::Detached }
    }
}

/// The half of this end and the half of the peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Halves {
    local: LinkHalf,
    remote: LinkHalf,
}

impl Halves {
    pub(super) fn new() -> Self {
        Self { local: LinkHalf::Unattached, remote: LinkHalf::Unattached }
    }

    /// Returns the half of this end.
    #[inline]
    pub(crate) fn local(self) -> LinkHalf {
        self.local
    }

    /// Returns the half of the peer.
    #[inline]
    pub(crate) fn remote(self) -> LinkHalf {
        self.remote
    }

    /// Returns `true` if both ends have attached the link.
    #[inline]
    pub(crate) fn is_attached(self) -> bool {
        self.local == LinkHalf::Attached && self.remote == LinkHalf::Attached
    }

    /// Returns `true` if the peer has attached the link and this end has not answered.
    pub(super) fn is_offered(self) -> bool {
        self.local == LinkHalf::Unattached && self.remote == LinkHalf::Attached
    }

    /// Returns `true` if this end has attached the link and the peer has not answered.
    pub(super) fn is_attaching(self) -> bool {
        self.local == LinkHalf::Attached && self.remote == LinkHalf::Unattached
    }

    /// Returns `true` if the peer has attached and detached the link, and this end must answer both.
    pub(super) fn is_withdrawn(self) -> bool {
        self.local == LinkHalf::Unattached && self.remote.is_detached()
    }

    /// Returns `true` if both ends have detached the link and neither has closed it.
    pub(super) fn is_suspended(self) -> bool {
        self.local == LinkHalf::Detached && self.remote == LinkHalf::Detached
    }

    /// Returns `true` if the peer has detached the link and owes no answer, and this end owes none either.
    pub(super) fn is_answered(self) -> bool {
        self.local != LinkHalf::Unattached && self.remote.is_detached()
    }

    /// This end has sent an attach.
    pub(super) fn attach_sent(&mut self) {
        self.local = LinkHalf::Attached;
    }

    /// The peer's attach was received.
    pub(super) fn attach_received(&mut self) {
        self.remote = LinkHalf::Attached;
    }

    /// This end has sent a detach.
    pub(super) fn detach_sent(&mut self, closed: bool) {
        self.local = LinkHalf::after_detach(closed);
    }

    /// The peer's detach was received.
    pub(super) fn detach_received(&mut self, closed: bool) {
        self.remote = LinkHalf::after_detach(closed);
    }

    /// This end attaches a suspended link again: the peer's answer is due.
    pub(super) fn await_answer(&mut self) {
        self.remote = LinkHalf::Unattached;
    }

    /// The peer attaches a suspended link again: this end's answer is due.
    pub(super) fn offer_again(&mut self) {
        self.local = LinkHalf::Unattached;
    }

    /// This end has closed the link: it has refused it, or the peer has made a fault.
    pub(super) fn close_local(&mut self) {
        self.local = LinkHalf::Closed;
    }

    /// The link is over at both ends: the peer has refused it, or its session has ended.
    pub(super) fn close(&mut self) {
        *self = Self { local: LinkHalf::Closed, remote: LinkHalf::Closed };
    }
}

#[cfg(test)]
mod tests {
    use super::{Halves, LinkHalf};

    #[test]
    fn halves_move_by_attaches_and_detaches() {
        let mut halves = Halves::new();
        halves.attach_sent();
        assert!(halves.is_attaching() && !halves.is_attached());
        halves.attach_received();
        assert!(halves.is_attached() && !halves.is_answered());
        halves.detach_received(false);
        halves.detach_sent(false);
        assert!(halves.is_suspended() && halves.is_answered());
        halves.offer_again();
        assert!(halves.is_withdrawn());
        halves.attach_received();
        assert!(halves.is_offered());
        halves.detach_sent(true);
        halves.await_answer();
        assert_eq!((halves.local(), halves.remote()), (LinkHalf::Closed, LinkHalf::Unattached));
        assert!(!halves.is_answered());
        halves.close();
        assert!(halves.is_answered() && !halves.is_suspended());
    }
}
