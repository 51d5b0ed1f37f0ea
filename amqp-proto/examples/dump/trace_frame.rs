//! [`read`]: the header or frame on a line of a trace.

use amqp_proto::types::{
    Channel, DeliveryNumber, DeliveryTag, Handle, SequenceNo, Symbol, TransactionId, TransferNumber,
};
use amqp_proto::wire::{
    AmqpError, Attach, Begin, Close, Condition, Coordinator, Declared, DeliveryState, Detach, Disposition,
    End, Flow, Frame, Modified, Open, Outcome, Performative, ProtocolHeader, ProtocolId, Received,
    ReceiverSettleMode, Rejected, Role, SaslBody, SaslChallenge, SaslCode, SaslInit, SaslMechanisms,
    SaslOutcome, SaslResponse, Secret, SenderSettleMode, Source, Target, Terminus, TransactionalState,
    Transfer,
};
use bytes::Bytes;

use super::fields::Fields;
use super::step::What;

/// Reads what follows the arrow. The fields that no diagram shows are passed over.
pub(crate) fn read(text: &str) -> Option<What> {
    if let Some(header) = text.strip_prefix("header ") {
        return Some(What::Header(header_of(header)?));
    }
    if text.strip_suffix(" octets that are no frame").is_some_and(|count| count.parse::<u64>().is_ok()) {
        return Some(What::Fault(text.to_owned()));
    }
    let (channel, text) = text.strip_prefix('[')?.split_once("] ")?;
    let frame = |frame| What::Frame(Box::new(frame), 0);
    if channel == "sasl" {
        return Some(frame(Frame::Sasl(sasl(&Fields::read(text)?.0)?)));
    }
    let channel = Channel::new(channel.parse().ok()?);
    if text == "empty" {
        return Some(frame(Frame::Empty { channel }));
    }
    let (fields, rest) = Fields::read(text)?;
    let payload = match rest.strip_prefix(" + ") {
        Some(count) => count.strip_suffix(" octets")?.parse().ok()?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    let performative = performative(&fields)?;
    Some(What::Frame(Box::new(Frame::Amqp { channel, performative, payload: Bytes::new() }), payload))
}

/// Reads a header in the form `Amqp 1.0.0`.
fn header_of(text: &str) -> Option<ProtocolHeader> {
    let (name, version) = text.split_once(' ')?;
    let id = match name {
        "Amqp" => ProtocolId::Amqp,
        "Tls" => ProtocolId::Tls,
        "Sasl" => ProtocolId::Sasl,
        other => ProtocolId::Other(other.strip_prefix("Other(")?.strip_suffix(')')?.parse().ok()?),
    };
    let mut numbers = version.split('.').map(str::parse);
    let mut number = || numbers.next()?.ok();
    Some(ProtocolHeader { id, major: number()?, minor: number()?, revision: number()? })
}

fn sasl(fields: &Fields<'_>) -> Option<SaslBody> {
    Some(match fields.name {
        "sasl-mechanisms" => {
            let names = fields.text("sasl_server_mechanisms")?;
            let names = names.trim_matches(['[', ']']).split(", ");
            let names = names.map(|name| Symbol::new(name.strip_prefix(':')?.to_owned()).ok());
            SaslMechanisms::new(names.collect::<Option<Vec<_>>>()?.into_iter().collect()).into()
        }
        "sasl-init" => {
            let mechanism = fields.text("mechanism")?.strip_prefix(':')?;
            SaslInit::new(Symbol::new(mechanism.to_owned()).ok()?).into()
        }
        "sasl-challenge" => SaslChallenge::new(Secret::default()).into(),
        "sasl-response" => SaslResponse::new(Secret::default()).into(),
        "sasl-outcome" => SaslOutcome::new(match fields.text("code")? {
            "Ok" => SaslCode::Ok,
            "Auth" => SaslCode::Auth,
            "Sys" => SaslCode::Sys,
            "SysPerm" => SaslCode::SysPerm,
            "SysTemp" => SaslCode::SysTemp,
            _ => return None,
        })
        .into(),
        _ => return None,
    })
}

fn performative(fields: &Fields<'_>) -> Option<Performative> {
    let handle = || fields.number("handle").map(Handle::new);
    let error = || fields.inner("error").and_then(|error| error_of(&error));
    Some(match fields.name {
        "open" => open(fields)?.into(),
        "begin" => begin(fields)?.into(),
        "attach" => attach(fields)?.into(),
        "flow" => flow(fields)?.into(),
        "transfer" => transfer(fields)?.into(),
        "disposition" => disposition(fields)?.into(),
        "detach" => {
            Detach { closed: fields.is_true("closed"), error: error(), ..Detach::new(handle()?) }.into()
        }
        "end" => End { error: error() }.into(),
        "close" => Close { error: error() }.into(),
        _ => return None,
    })
}

fn open(fields: &Fields<'_>) -> Option<Open> {
    let mut open = Open::new(fields.string("container_id")?.into());
    open.hostname = fields.string("hostname").map(Into::into);
    open.max_frame_size = fields.number("max_frame_size").unwrap_or(open.max_frame_size);
    open.channel_max = fields.number("channel_max").unwrap_or(open.channel_max);
    open.idle_time_out = fields.number("idle_time_out");
    Some(open)
}

fn begin(fields: &Fields<'_>) -> Option<Begin> {
    let mut begin = Begin::new(
        TransferNumber::new(fields.number("next_outgoing_id")?),
        fields.number("incoming_window")?,
        fields.number("outgoing_window")?,
    );
    begin.remote_channel = fields.number("remote_channel");
    Some(begin)
}

fn attach(fields: &Fields<'_>) -> Option<Attach> {
    let role = role(fields)?;
    let mut attach = Attach::new(fields.string("name")?.into(), Handle::new(fields.number("handle")?), role);
    attach.snd_settle_mode = match fields.text("snd_settle_mode") {
        Some("Unsettled") => SenderSettleMode::Unsettled,
        Some("Settled") => SenderSettleMode::Settled,
        _ => SenderSettleMode::Mixed,
    };
    attach.rcv_settle_mode = match fields.text("rcv_settle_mode") {
        Some("Second") => ReceiverSettleMode::Second,
        _ => ReceiverSettleMode::First,
    };
    attach.source = fields.inner("source").map(|source| {
        let dynamic = source.is_true("dynamic");
        let address = source.string("address").map(Into::into);
        Box::new(Source { address, dynamic, ..Source::default() })
    });
    attach.target = fields.inner("target").map(|target| {
        Box::new(match target.name {
            "coordinator" => Terminus::Coordinator(Coordinator::default()),
            _ => {
                let address = target.string("address").map(Into::into);
                Terminus::Target(Target { address, dynamic: target.is_true("dynamic"), ..Target::default() })
            }
        })
    });
    attach.initial_delivery_count = fields.number("initial_delivery_count").map(SequenceNo::new);
    Some(attach)
}

fn role(fields: &Fields<'_>) -> Option<Role> {
    match fields.text("role")? {
        "Sender" => Some(Role::Sender),
        "Receiver" => Some(Role::Receiver),
        _ => None,
    }
}

fn flow(fields: &Fields<'_>) -> Option<Flow> {
    let mut flow = Flow::new(
        fields.number("incoming_window")?,
        TransferNumber::new(fields.number("next_outgoing_id")?),
        fields.number("outgoing_window")?,
    );
    flow.next_incoming_id = fields.number("next_incoming_id").map(TransferNumber::new);
    flow.handle = fields.number("handle").map(Handle::new);
    flow.delivery_count = fields.number("delivery_count").map(SequenceNo::new);
    flow.link_credit = fields.number("link_credit");
    flow.available = fields.number("available");
    flow.drain = fields.is_true("drain");
    flow.echo = fields.is_true("echo");
    Some(flow)
}

fn transfer(fields: &Fields<'_>) -> Option<Transfer> {
    let mut transfer = Transfer::new(Handle::new(fields.number("handle")?));
    transfer.delivery_id = fields.number("delivery_id").map(DeliveryNumber::new);
    transfer.delivery_tag = fields.octets("delivery_tag").and_then(|tag| DeliveryTag::new(&tag).ok());
    transfer.message_format = fields.number("message_format");
    transfer.settled = fields.text("settled").map(|settled| settled == "true");
    transfer.more = fields.is_true("more");
    transfer.state = fields.inner("state").and_then(|state| state_of(&state));
    transfer.resume = fields.is_true("resume");
    transfer.aborted = fields.is_true("aborted");
    Some(transfer)
}

fn disposition(fields: &Fields<'_>) -> Option<Disposition> {
    let first = DeliveryNumber::new(fields.number("first")?);
    let mut disposition = Disposition::new(role(fields)?, first);
    disposition.last = fields.number("last").map(DeliveryNumber::new);
    disposition.settled = fields.is_true("settled");
    disposition.state = fields.inner("state").and_then(|state| state_of(&state));
    Some(disposition)
}

fn state_of(fields: &Fields<'_>) -> Option<DeliveryState> {
    let transaction = || TransactionId::received(&fields.octets("txn_id")?).ok();
    Some(match fields.name {
        "received" => DeliveryState::Received(Received::new(
            fields.number("section_number")?,
            fields.number("section_offset")?,
        )),
        "transactional-state" => {
            let mut state = TransactionalState::new(transaction()?);
            state.outcome = fields.inner("outcome").and_then(|outcome| outcome_of(&outcome));
            DeliveryState::Transactional(Box::new(state))
        }
        "declared" => Outcome::from(Declared::new(transaction()?)).into(),
        _ => outcome_of(fields)?.into(),
    })
}

fn outcome_of(fields: &Fields<'_>) -> Option<Outcome> {
    Some(match fields.name {
        "accepted" => Outcome::Accepted,
        "released" => Outcome::Released,
        "rejected" => {
            let error = fields.inner("error").and_then(|error| error_of(&error));
            Rejected { error: error.map(Box::new) }.into()
        }
        "modified" => Modified {
            delivery_failed: fields.text("delivery_failed").map(|failed| failed == "true"),
            undeliverable_here: fields.text("undeliverable_here").map(|here| here == "true"),
            ..Modified::default()
        }
        .into(),
        _ => return None,
    })
}

fn error_of(fields: &Fields<'_>) -> Option<AmqpError> {
    let condition = Condition::from(Symbol::new(fields.text("condition")?.to_owned()).ok()?);
    let error = AmqpError::new(condition);
    Some(match fields.string("description") {
        Some(description) => error.with_description(description),
        None => error,
    })
}
