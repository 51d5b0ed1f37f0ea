//! The states of the two halves of connections, sessions and links: one for this end, one for the peer.

/// The state of one end's half of a connection or a session [2.4.6] [2.5.5].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// No open or begin yet.
    Unopened,
    /// The open or begin was sent or received.
    Open,
    /// The close or end was sent or received.
    Ended,
}

/// The state of one end's half of a link [2.6.3-2.6.6].
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
    /// Returns the state after a detach.
    pub(crate) fn detached(closed: bool) -> Self {
        if closed { Self::Closed } else { Self::Detached }
    }
}
