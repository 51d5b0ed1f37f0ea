//! [`label`]: a header or frame in a few words.

use amqp_proto::types::{DeliveryTag, Str};
use amqp_proto::wire::{
    AmqpError, Attach, Begin, DeliveryState, Disposition, Flow, Frame, Open, Outcome, Performative,
    ProtocolHeader, ProtocolId, Role, SaslBody, SenderSettleMode, Terminus, Transfer,
};

use super::step::What;

/// The most characters of a name or text that a peer chose.
const MOST: usize = 40;

/// Returns a few words for what an end sends.
pub(crate) fn label(what: &What) -> String {
    match what {
        What::Header(header) => header_label(*header),
        What::Frame(frame, payload) => match &**frame {
            Frame::Amqp { performative, .. } => performative_label(performative, *payload),
            Frame::Empty { .. } => "heartbeat".into(),
            Frame::Sasl(body) => sasl(body),
            other => format!("{other}"),
        },
        What::Remark(words) => words.clone(),
        What::Fault(reason) => format!("fault: {reason}"),
    }
}

/// Returns a text that a peer chose, shortened and without control characters.
pub(crate) fn short(text: &str) -> String {
    let is_long = text.chars().count() > MOST;
    let kept: String = text.chars().take(if is_long { MOST - 3 } else { MOST }).collect();
    let kept = kept.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
    if is_long { kept + "..." } else { kept }
}

/// Returns nanoseconds as milliseconds.
pub(crate) fn millis(nanos: u64) -> String {
    let micros = nanos / 1_000;
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

/// Returns a number of things.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Returns the text, cut to this number of characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(3)).chain("...".chars()).collect()
}

/// Returns a tag as text if it is printable, or else its octets.
pub(crate) fn tag(tag: &DeliveryTag) -> String {
    match std::str::from_utf8(tag) {
        Ok(text) if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic()) => {
            format!("\"{text}\"")
        }
        _ => format!("{tag:?}"),
    }
}

fn header_label(header: ProtocolHeader) -> String {
    let ProtocolHeader { id, major, minor, revision } = header;
    let name = match id {
        ProtocolId::Amqp => "AMQP".to_owned(),
        ProtocolId::Tls => "TLS".to_owned(),
        ProtocolId::Sasl => "SASL".to_owned(),
        ProtocolId::Other(number) => format!("protocol {number}"),
    };
    format!("header {name} {major}.{minor}.{revision}")
}

fn sasl(body: &SaslBody) -> String {
    match body {
        SaslBody::Mechanisms(mechanisms) => {
            let names: Vec<&str> =
                mechanisms.sasl_server_mechanisms.iter().map(|name| name.as_str()).collect();
            format!("sasl-mechanisms {}", short(&names.join(" ")))
        }
        SaslBody::Init(init) => format!("sasl-init {}", short(init.mechanism.as_str())),
        SaslBody::Challenge(_) => "sasl-challenge".into(),
        SaslBody::Response(_) => "sasl-response".into(),
        SaslBody::Outcome(outcome) => format!("sasl-outcome {:?}", outcome.code).to_lowercase(),
    }
}

fn performative_label(performative: &Performative, payload: usize) -> String {
    match performative {
        Performative::Open(open) => open_label(open),
        Performative::Begin(begin) => begin_label(begin),
        Performative::Attach(attach) => attach_label(attach),
        Performative::Flow(flow) => flow_label(flow),
        Performative::Transfer(transfer) => transfer_label(transfer, payload),
        Performative::Disposition(disposition) => disposition_label(disposition),
        Performative::Detach(detach) => {
            let words = if detach.closed { "detach, closed" } else { "detach" };
            with_error(words, detach.error.as_ref())
        }
        Performative::End(end) => with_error("end", end.error.as_ref()),
        Performative::Close(close) => with_error("close", close.error.as_ref()),
    }
}

fn open_label(open: &Open) -> String {
    let mut words = format!("open \"{}\"", short(&open.container_id));
    if let Some(host) = &open.hostname {
        words += &format!(" to {}", short(host));
    }
    if open.max_frame_size != u32::MAX {
        words += &format!(", frames of {}", open.max_frame_size);
    }
    match open.idle_time_out {
        Some(millis) if millis > 0 => words + &format!(", idle after {millis} ms"),
        _ => words,
    }
}

fn begin_label(begin: &Begin) -> String {
    let answer = begin.remote_channel.map(|channel| format!(" for channel {channel}")).unwrap_or_default();
    format!("begin{answer}, window {}", begin.incoming_window)
}

fn attach_label(attach: &Attach) -> String {
    let role = if attach.role == Role::Sender { "sender" } else { "receiver" };
    let mut words = format!("attach {role} \"{}\"", short(&attach.name));
    if attach.source.is_none() && attach.target.is_none() {
        words += ", refused";
    }
    match attach.snd_settle_mode {
        SenderSettleMode::Settled => words + ", settled",
        SenderSettleMode::Unsettled => words + ", unsettled",
        _ => words,
    }
}

/// Returns the address of the target.
pub(crate) fn target_address(attach: &Attach) -> Option<String> {
    match attach.target.as_deref()? {
        Terminus::Coordinator(_) => Some("coordinator".into()),
        Terminus::Target(target) => address(target.address.as_ref(), target.dynamic),
        _ => None,
    }
}

/// Returns the address of the source.
pub(crate) fn source_address(attach: &Attach) -> Option<String> {
    let source = attach.source.as_deref()?;
    address(source.address.as_ref(), source.dynamic)
}

fn address(address: Option<&Str>, is_dynamic: bool) -> Option<String> {
    let known = address.filter(|address| !address.is_empty()).map(|address| short(address));
    known.or_else(|| is_dynamic.then(|| "dynamic node".into()))
}

fn flow_label(flow: &Flow) -> String {
    let mut words = "flow".to_owned();
    if let Some(credit) = flow.link_credit.filter(|_| flow.handle.is_some()) {
        words += &format!(" credit {credit}");
    }
    if flow.handle.is_none() {
        words += " of the session";
    }
    if let Some(available) = flow.available.filter(|available| *available > 0) {
        words += &format!(", {available} available");
    }
    if flow.drain {
        words += ", drain";
    }
    if flow.echo {
        words += ", echo";
    }
    words
}

fn transfer_label(transfer: &Transfer, payload: usize) -> String {
    let mut words = match (transfer.delivery_id, &transfer.delivery_tag) {
        (Some(id), Some(delivery_tag)) => format!("transfer #{id} {}", tag(delivery_tag)),
        (Some(id), None) => format!("transfer #{id}"),
        (None, _) => "transfer, continued".to_owned(),
    };
    words += &format!(", {payload} octets");
    for (is_set, word) in [
        (transfer.more, ", more"),
        (transfer.settled == Some(true), ", settled"),
        (transfer.resume, ", resume"),
        (transfer.aborted, ", aborted"),
    ] {
        words += if is_set { word } else { "" };
    }
    match &transfer.state {
        Some(state) => words + ", " + &state_label(state),
        None => words,
    }
}

fn disposition_label(disposition: &Disposition) -> String {
    let first = disposition.first;
    let mut words = match disposition.last.filter(|last| *last != first) {
        Some(last) => format!("disposition #{first} to #{last}"),
        None => format!("disposition #{first}"),
    };
    if let Some(state) = &disposition.state {
        words += ", ";
        words += &state_label(state);
    }
    words + if disposition.settled { ", settled" } else { "" }
}

/// Returns the name of a state, and the condition of a rejection.
pub(crate) fn state_label(state: &DeliveryState) -> String {
    match state {
        DeliveryState::Received(received) => {
            format!("received {} octets of section {}", received.section_offset, received.section_number)
        }
        DeliveryState::Outcome(outcome) => outcome_label(outcome),
        DeliveryState::Transactional(state) => match &state.outcome {
            Some(outcome) => format!("{} in transaction {:?}", outcome_label(outcome), state.txn_id),
            None => format!("in transaction {:?}", state.txn_id),
        },
        other => format!("{other:?}"),
    }
}

/// Returns the name of an outcome, and the condition of a rejection.
fn outcome_label(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted => "accepted".into(),
        Outcome::Released => "released".into(),
        Outcome::Modified(_) => "modified".into(),
        Outcome::Rejected(rejected) => match &rejected.error {
            Some(error) => format!("rejected ({})", error.condition),
            None => "rejected".into(),
        },
        Outcome::Declared(declared) => format!("declared {:?}", declared.txn_id),
        other => short(&format!("{other:?}")),
    }
}

fn with_error(words: &str, error: Option<&AmqpError>) -> String {
    match error {
        Some(error) => format!("{words}: {}", error.condition),
        None => words.to_owned(),
    }
}
