//! [`Recovery`]: the fate of sent messages whose connection is lost.

/// The fate of messages without an outcome, on a link that outlives its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Recovery {
    /// They are reported as lost, and the application decides. Nothing is sent twice.
    #[default]
    Report,
    /// They are kept, and sent again on the next connection with the same delivery tag and message-id. So each
    /// arrives at least once, and some arrive twice.
    Replay,
    /// The link is resumed, and each goes on where it was: both ends compare their unsettled deliveries when the link is
    /// attached again. If the peer keeps its part and the receiver's mode is second, each message arrives exactly once.
    /// Messages that the peer does not know are sent again, as with `Replay`.
    ///
    /// On a link that receives, a delivery that the application has keeps its handle, and its outcome can be told even
    /// while the connection is away.
    Resume,
}
