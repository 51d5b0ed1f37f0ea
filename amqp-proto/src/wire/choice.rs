//! The standard's enumerations [2.8.1-2.8.3] [3.5.5-3.5.7] [5.3.3.6].

use crate::codec::choices;
use crate::types::Symbol;

choices! {
    /// Which end of a link an endpoint is [2.8.1].
    number Role = "role" bool {
        /// It sends messages.
        Sender = false,
        /// It receives messages.
        Receiver = true,
    }

    /// How a sender settles [2.8.2].
    number SenderSettleMode = "sender-settle-mode" u8 {
        /// Every delivery starts unsettled.
        Unsettled = 0,
        /// Every delivery is sent settled.
        Settled = 1,
        /// As the sender chooses for each delivery.
        Mixed = 2,
    }

    /// How a receiver settles [2.8.3].
    number ReceiverSettleMode = "receiver-settle-mode" u8 {
        /// On its own, as soon as it likes.
        First = 0,
        /// Only after the sender has settled.
        Second = 1,
    }

    /// What of a terminus survives [3.5.5].
    number TerminusDurability = "terminus-durability" u32 {
        /// Nothing.
        None = 0,
        /// That it exists, and how it is configured.
        Configuration = 1,
        /// That and the state of unsettled deliveries.
        UnsettledState = 2,
    }

    /// How a SASL dialogue ended [5.3.3.6].
    number SaslCode = "sasl-code" u8 {
        /// Authenticated.
        Ok = 0,
        /// The credentials did not do.
        Auth = 1,
        /// A fault of the system.
        Sys = 2,
        /// A fault of the system that will stay.
        SysPerm = 3,
        /// A fault of the system that may pass.
        SysTemp = 4,
    }

    /// When a terminus begins to expire [3.5.6].
    symbol ExpiryPolicy = "terminus-expiry-policy" Symbol {
        /// When its link is detached.
        LinkDetach = "link-detach",
        /// When its session ends.
        SessionEnd = "session-end",
        /// When its connection closes.
        ConnectionClose = "connection-close",
        /// Never.
        Never = "never",
    }
}

impl Default for SenderSettleMode {
    /// As the standard has it where the field is left out [2.7.3].
    fn default() -> Self {
        Self::Mixed
    }
}

impl Default for ReceiverSettleMode {
    /// As the standard has it where the field is left out [2.7.3].
    fn default() -> Self {
        Self::First
    }
}

/// Says if a message stays at the node when it is sent [3.5.7]. The standard leaves room for other modes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DistributionMode {
    /// It is gone for other links once it is accepted.
    Move,
    /// It stays for other links.
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
