//! Samples of the described types of the standard, field by field.

use alloc::boxed::Box;
use bytes::Bytes;

use super::maps::{FilterSet, NodeProperties, SomeSymbols, Unknown, Unsettled};
use super::sample::*;
use crate::types::{Str, Symbol, Uuid, Value};
use crate::wire::{
    Accepted, AmqpError, Attach, Begin, Close, Condition, Coordinator, Declare, Declared, DeleteOnClose,
    DeleteOnNoLinks, DeleteOnNoLinksOrMessages, DeleteOnNoMessages, DeliveryState, Detach, Discharge,
    Disposition, DistributionMode, End, ExpiryPolicy, Flow, Header, MessageId, Modified, Open, Outcome,
    Properties, Received, ReceiverSettleMode, Rejected, Released, Role, SaslChallenge, SaslCode, SaslInit,
    SaslMechanisms, SaslOutcome, SaslResponse, Secret, SenderSettleMode, Source, Target, Terminus,
    TerminusDurability, TransactionalState, Transfer,
};

structs! {
    Open {
        container_id, hostname, max_frame_size: FrameSize, channel_max, idle_time_out, outgoing_locales,
        incoming_locales, offered_capabilities, desired_capabilities, properties,
    }
    Begin {
        remote_channel, next_outgoing_id, incoming_window, outgoing_window, handle_max, offered_capabilities,
        desired_capabilities, properties,
    }
    Attach {
        name, handle, role, snd_settle_mode, rcv_settle_mode, source, target, unsettled: Unsettled,
        incomplete_unsettled, initial_delivery_count, max_message_size, offered_capabilities,
        desired_capabilities, properties,
    }
    Flow {
        next_incoming_id, incoming_window, next_outgoing_id, outgoing_window, handle, delivery_count,
        link_credit, available, drain, echo, properties,
    }
    Transfer {
        handle, delivery_id, delivery_tag, message_format, settled, more, rcv_settle_mode, state, resume,
        aborted, batchable,
    }
    Disposition { role, first, last, settled, state, batchable }
    Detach { handle, closed, error }
    End { error }
    Close { error }
    AmqpError { condition, description, info }

    Received { section_number, section_offset }
    Accepted {}
    Rejected { error }
    Released {}
    Modified { delivery_failed, undeliverable_here, message_annotations }
    Source {
        address, durable, expiry_policy, timeout, dynamic, dynamic_node_properties: NodeProperties,
        distribution_mode, filter: FilterSet, default_outcome, outcomes, capabilities,
    }
    Target {
        address, durable, expiry_policy, timeout, dynamic, dynamic_node_properties: NodeProperties,
        capabilities,
    }
    DeleteOnClose {}
    DeleteOnNoLinks {}
    DeleteOnNoMessages {}
    DeleteOnNoLinksOrMessages {}

    Coordinator { capabilities }
    Declare { global_id: GlobalId }
    Discharge { txn_id, fail }
    Declared { txn_id }
    TransactionalState { txn_id, outcome }

    SaslMechanisms { sasl_server_mechanisms: SomeSymbols }
    SaslInit { mechanism, initial_response, hostname }
    SaslChallenge { challenge }
    SaslResponse { response }
    SaslOutcome { code, additional_data }

    Header { durable, priority, ttl, first_acquirer, delivery_count }
    Properties {
        message_id, user_id, to, subject, reply_to, correlation_id, content_type, content_encoding,
        absolute_expiry_time, creation_time, group_id, group_sequence, reply_to_group_id,
    }
}

one_of! {
    Outcome {
        () => |()| Outcome::Accepted,
        Rejected => Outcome::Rejected,
        () => |()| Outcome::Released,
        Box<Modified> => Outcome::Modified,
        Box<Declared> => Outcome::Declared,
        Unknown => |other| Outcome::Other(Box::new(other.into())),
    }
    DeliveryState {
        Outcome => DeliveryState::Outcome,
        Received => DeliveryState::Received,
        Box<TransactionalState> => DeliveryState::Transactional,
    }
    Terminus {
        Target => Terminus::Target,
        Coordinator => Terminus::Coordinator,
        Unknown => |other| Terminus::Other(Box::new(other.into())),
    }
    DistributionMode {
        () => |()| DistributionMode::Move,
        () => |()| DistributionMode::Copy,
        Symbol => DistributionMode::from,
    }
    MessageId {
        u64 => MessageId::Ulong,
        Uuid => MessageId::Uuid,
        Bytes => MessageId::Binary,
        Str => MessageId::String,
    }
    Secret { Bytes => Secret::from, }
    // 512 octets is the smallest max-frame-size (F-MAX-04).
    FrameSize { u32 => |octets| FrameSize(octets.max(512)), }
    // Null means that the field is not set.
    GlobalId { Option<Value> => |id| GlobalId(id.filter(|id| !id.is_null())), }
}

choices! { Role SenderSettleMode ReceiverSettleMode TerminusDurability SaslCode ExpiryPolicy }

one_of! {
    Condition {
        u8 => |n| Condition::STANDARD.iter().cycle().nth(n.into()).cloned().unwrap_or(Condition::InternalError),
        Symbol => Condition::from,
    }
}

/// A legal max-frame-size.
#[derive(Debug, Clone)]
struct FrameSize(u32);

impl From<FrameSize> for u32 {
    fn from(size: FrameSize) -> Self {
        size.0
    }
}

#[derive(Debug, Clone)]
struct GlobalId(Option<Value>);

impl From<GlobalId> for Option<Value> {
    fn from(id: GlobalId) -> Self {
        id.0
    }
}

public! {
    Open Begin Attach Flow Transfer Disposition Detach End Close AmqpError Received Accepted Rejected Released Modified
    Source Target DeleteOnClose DeleteOnNoLinks DeleteOnNoMessages DeleteOnNoLinksOrMessages Coordinator Declare
    Discharge Declared TransactionalState SaslMechanisms SaslInit SaslChallenge SaslResponse SaslOutcome Header
    Properties Outcome DeliveryState Terminus DistributionMode MessageId Secret Condition Role SenderSettleMode
    ReceiverSettleMode TerminusDurability SaslCode ExpiryPolicy
}
