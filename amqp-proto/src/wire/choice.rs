//! The standard's enumerations [2.8.1-2.8.3] [3.5.5-3.5.7] [5.3.3.6].

use crate::codec::{Vacant, choices};
use crate::types::Symbol;

choices! {
    /// The role of an endpoint on its link [2.8.1].
    number Role = "role" bool {
        /// The endpoint sends messages.
        Sender = false,
        /// The endpoint receives messages.
        Receiver = true,
    }

    /// The settlement policy of a sender [2.8.2].
    number SenderSettleMode = "sender-settle-mode" u8 {
        /// Every delivery starts unsettled.
        Unsettled = 0,
        /// Every delivery is sent settled.
        Settled = 1,
        /// The sender chooses for each delivery.
        Mixed = 2,
    }

    /// The settlement policy of a receiver [2.8.3].
    number ReceiverSettleMode = "receiver-settle-mode" u8 {
        /// The receiver settles on its own.
        First = 0,
        /// The receiver settles only after the sender has settled.
        Second = 1,
    }

    /// The parts of a terminus that survive a failure of its container [3.5.5].
    number TerminusDurability = "terminus-durability" u32 {
        /// Nothing survives.
        None = 0,
        /// The existence and the configuration of the terminus survive.
        Configuration = 1,
        /// The terminus and the state of its unsettled deliveries survive.
        UnsettledState = 2,
    }

    /// The result of a SASL dialogue [5.3.3.6].
    number SaslCode = "sasl-code" u8 {
        /// The client is authenticated.
        Ok = 0,
        /// The credentials are wrong.
        Auth = 1,
        /// The server failed.
        Sys = 2,
        /// The server failed permanently.
        SysPerm = 3,
        /// The server failed for the moment; another attempt may succeed.
        SysTemp = 4,
    }

    /// The event that starts the expiry of a terminus [3.5.6].
    symbol ExpiryPolicy = "terminus-expiry-policy" Symbol {
        /// The link is detached.
        LinkDetach = "link-detach",
        /// The session ends.
        SessionEnd = "session-end",
        /// The connection closes.
        ConnectionClose = "connection-close",
        /// The terminus never expires.
        Never = "never",
    }
}

impl Vacant for Role {
    fn vacant() -> Self {
        Self::Sender
    }
}

impl Vacant for SaslCode {
    fn vacant() -> Self {
        Self::Sys
    }
}

impl Default for SenderSettleMode {
    /// Returns the standard's default for an absent field [2.7.3].
    fn default() -> Self {
        Self::Mixed
    }
}

impl Default for ReceiverSettleMode {
    /// Returns the standard's default for an absent field [2.7.3].
    fn default() -> Self {
        Self::First
    }
}

/// The node's treatment of a message that was sent to a link: keep or remove [3.5.7].
///
/// The standard leaves room for other modes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DistributionMode {
    /// Once accepted, the message is gone for other links.
    Move,
    /// The message stays for other links.
    Copy,
    /// A mode that the standard does not define.
    Other(Symbol),
}

impl From<Symbol> for DistributionMode {
    fn from(name: Symbol) -> Self {
        match name.as_str() {
            "move" => Self::Move,
            "copy" => Self::Copy,
            _ => Self::Other(name),
        }
    }
}

impl From<DistributionMode> for Symbol {
    fn from(mode: DistributionMode) -> Self {
        match mode {
            DistributionMode::Move => Self::known("move"),
            DistributionMode::Copy => Self::known("copy"),
            DistributionMode::Other(name) => name,
        }
    }
}
