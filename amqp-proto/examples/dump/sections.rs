//! [`print_sections`]: the sections of a message.

use std::fmt::Debug;
use std::io::Write;

use amqp_proto::codec::DecodeError;
use amqp_proto::message::{Body, MessageView};
use amqp_proto::types::{Limits, Value};
use amqp_proto::wire::SectionKind;
use bytes::{Bytes, BytesMut};

use super::MOST;
use super::input::Input;
use super::stop::Stop;

/// Prints the sections of one message.
pub(crate) fn print_message(input: &mut Input, out: &mut impl Write) -> Result<(), Stop> {
    let mut octets = BytesMut::new();
    while input.read(&mut octets)? {
        if octets.len() > MOST as usize {
            return Err(Stop::Fault(u64::from(MOST), "message of more than 16 MiB".into()));
        }
    }
    print_sections(octets.freeze(), "", out)
}

/// Prints each section on a line behind `indent`. Offsets of faults count from the start of the message.
pub(crate) fn print_sections(message: Bytes, indent: &str, out: &mut impl Write) -> Result<(), Stop> {
    let fault = |error| Stop::decode(0, &error);
    let view = MessageView::new(message, &Limits::DEFAULT).map_err(fault)?;
    for kind in SectionKind::ALL.into_iter().filter(|kind| view.section(*kind).is_some()) {
        let lines = section(&view, kind).map_err(fault)?;
        lines.iter().try_for_each(|line| writeln!(out, "{indent}{line}"))?;
    }
    Ok(())
}

/// Formats the sections of one kind, one line for each.
fn section(view: &MessageView, kind: SectionKind) -> Result<Vec<String>, DecodeError> {
    let named = |value: &dyn Debug| format!("{} {value:?}", kind.schema().name);
    Ok(match kind {
        SectionKind::Header => vec![format!("{:?}", view.header()?)],
        SectionKind::DeliveryAnnotations => vec![named(&view.delivery_annotations()?)],
        SectionKind::MessageAnnotations => vec![named(&view.message_annotations()?)],
        SectionKind::Properties => vec![format!("{:?}", view.properties()?)],
        SectionKind::ApplicationProperties => vec![named(&view.application_properties()?)],
        SectionKind::Footer => vec![named(&view.footer()?)],
        SectionKind::Data | SectionKind::AmqpSequence | SectionKind::AmqpValue => match view.body()? {
            Body::Empty => Vec::new(),
            Body::Data(parts) => parts.into_iter().map(|octets| named(&Value::from(octets))).collect(),
            Body::Sequence(lists) => lists.iter().map(|list| named(list)).collect(),
            Body::Value(value) => vec![named(&value)],
        },
    })
}
