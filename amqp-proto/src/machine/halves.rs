//! The states of the two halves of connections and sessions: one for this end, one for the peer.

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
