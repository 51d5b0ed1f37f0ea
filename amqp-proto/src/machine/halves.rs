//! The two halves of everything that both ends open and end: this end's and the peer's.

/// How far one end's half of a connection or a session is [2.4.6] [2.5.5].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// Nothing was said.
    Unopened,
    /// Opened, or begun.
    Open,
    /// Closed, or ended.
    Ended,
}

/// How far one end's half of a link is [2.6.3-2.6.6].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkHalf {
    /// No attach yet.
    Unattached,
    /// Attached.
    Attached,
    /// Detached: the link is to go on [2.6.4].
    Detached,
    /// Detached for good [2.6.6].
    Closed,
}

impl LinkHalf {
    /// What a half is after a detach.
    pub(crate) fn detached(closed: bool) -> Self {
        if closed { Self::Closed } else { Self::Detached }
    }
}
