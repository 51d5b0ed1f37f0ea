//! The forty described types of the standard, in the order of their descriptors.

use super::section::{
    AMQP_SEQUENCE, AMQP_VALUE, APPLICATION_PROPERTIES, DATA, DELIVERY_ANNOTATIONS, FOOTER,
    MESSAGE_ANNOTATIONS,
};
use super::{
    Accepted, AmqpError, Attach, Begin, Close, Coordinator, Declare, Declared, DeleteOnClose,
    DeleteOnNoLinks, DeleteOnNoLinksOrMessages, DeleteOnNoMessages, Detach, Discharge, Disposition, End,
    Flow, Header, Modified, Open, Properties, Received, Rejected, Released, SaslChallenge, SaslInit,
    SaslMechanisms, SaslOutcome, SaslResponse, Source, Target, TransactionalState, Transfer,
};
use crate::codec::{Descriptor, Names, Schema};

/// The described types of the standard, for tools that print or check them.
///
/// ```
/// let open = &amqp_proto::wire::SCHEMAS[0];
/// assert_eq!((open.name, open.code), ("open", 0x10));
/// assert_eq!(open.fields[0].name, "container_id");
/// ```
pub const SCHEMAS: [Schema; 40] = [
    Open::SCHEMA,
    Begin::SCHEMA,
    Attach::SCHEMA,
    Flow::SCHEMA,
    Transfer::SCHEMA,
    Disposition::SCHEMA,
    Detach::SCHEMA,
    End::SCHEMA,
    Close::SCHEMA,
    AmqpError::SCHEMA,
    Received::SCHEMA,
    Accepted::SCHEMA,
    Rejected::SCHEMA,
    Released::SCHEMA,
    Modified::SCHEMA,
    Source::SCHEMA,
    Target::SCHEMA,
    DeleteOnClose::SCHEMA,
    DeleteOnNoLinks::SCHEMA,
    DeleteOnNoMessages::SCHEMA,
    DeleteOnNoLinksOrMessages::SCHEMA,
    Coordinator::SCHEMA,
    Declare::SCHEMA,
    Discharge::SCHEMA,
    Declared::SCHEMA,
    TransactionalState::SCHEMA,
    SaslMechanisms::SCHEMA,
    SaslInit::SCHEMA,
    SaslChallenge::SCHEMA,
    SaslResponse::SCHEMA,
    SaslOutcome::SCHEMA,
    Header::SCHEMA,
    DELIVERY_ANNOTATIONS,
    MESSAGE_ANNOTATIONS,
    Properties::SCHEMA,
    APPLICATION_PROPERTIES,
    DATA,
    AMQP_SEQUENCE,
    AMQP_VALUE,
    FOOTER,
];

#[allow(clippy::indexing_slicing)] // while compiling
static KNOWN: [Names; SCHEMAS.len()] = {
    let mut known = [Names::of(&SCHEMAS[0]); SCHEMAS.len()];
    let mut at = 0;
    while at < SCHEMAS.len() {
        known[at] = Names::of(&SCHEMAS[at]);
        at += 1;
    }
    known
};

/// Returns `true` if the descriptor names a type of the standard.
pub(crate) fn is_known(descriptor: Descriptor<'_>) -> bool {
    KNOWN.iter().any(|names| descriptor.is(*names))
}
