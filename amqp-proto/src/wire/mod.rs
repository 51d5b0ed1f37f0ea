//! Frames, and every type with a descriptor [2.2-2.3] [2.7] [2.8] [3.2-3.5] [4.5] [5.3].
//!
//! [`Deframer`] splits a byte stream into [protocol headers](ProtocolHeader) and [frames](Frame). The forty
//! described types of the standard are structs, made from tables that read like the standard's own. This
//! module does not decide whether a frame is legal in the current state; the engine above does.

mod choice;
mod condition;
mod deframe;
mod error;
mod filter;
mod frame;
mod modified;
mod outcome;
mod performative;
mod protocol;
mod sasl;
mod schema;
mod section;
mod terminus;
mod transaction;
mod verdict;

pub use choice::{
    DistributionMode, ExpiryPolicy, ReceiverSettleMode, Role, SaslCode, SenderSettleMode, TerminusDurability,
};
pub use condition::Condition;
pub use deframe::Deframer;
pub use error::AmqpError;
pub use filter::{Filter, FilterError, FilterKind, StreamOffset};
pub use frame::{Frame, FrameHeader, FrameKind, RawFrame};
pub use outcome::{Accepted, DeliveryState, Modified, Outcome, Received, Rejected, Released};
pub use performative::{Attach, Begin, Close, Detach, Disposition, End, Flow, Open, Performative, Transfer};
pub use protocol::{ProtocolHeader, ProtocolId};
pub use sasl::{SaslBody, SaslChallenge, SaslInit, SaslMechanisms, SaslOutcome, SaslResponse, Secret};
pub use schema::SCHEMAS;
pub use section::{Header, MessageId, Properties, SectionKind};
pub use terminus::{
    ANONYMOUS_RELAY, DeleteOnClose, DeleteOnNoLinks, DeleteOnNoLinksOrMessages, DeleteOnNoMessages,
    LifetimePolicy, Source, Target, Terminus,
};
pub use transaction::{Coordinator, Declare, Declared, Discharge, TransactionalState};
pub use verdict::NotAccepted;

pub(crate) use frame::write_frame;
pub(crate) use section::section_of;
