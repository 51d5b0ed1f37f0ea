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
}
