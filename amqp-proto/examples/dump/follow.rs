//! [`print_delivery`]: one delivery, from its first transfer to its settlement.

use std::io::{self, Write};

use amqp_proto::wire::Frame;
use bytes::BytesMut;

use super::conversation::Conversation;
use super::deliveries::Delivery;
use super::diagram::print_diagram;
use super::fields::octets;
use super::label::{counted, millis, tag};
use super::ledger::Ledger;
use super::sections::print_sections;
use super::step::{Side, What};
use super::stop::Stop;
use super::summary::fate;

/// Prints the deliveries with this tag, in text or as `0x6a6f62`. Returns their number.
pub(crate) fn print_delivery(
    conversation: &Conversation,
    ledger: &Ledger,
    wanted: &str,
    out: &mut impl Write,
) -> Result<usize, Stop> {
    let wanted = octets(wanted).unwrap_or_else(|| wanted.as_bytes().to_vec());
    let mut count = 0;
    for delivery in ledger.deliveries.iter().filter(|delivery| *delivery.tag == *wanted) {
        if count > 0 {
            writeln!(out)?;
        }
        count += 1;
        print_diagram(conversation, ledger, |step| delivery.steps.contains(&step), out)?;
        writeln!(out)?;
        for line in story(conversation, ledger, delivery) {
            writeln!(out, "{line}")?;
        }
        print_message(conversation, delivery, out)?;
    }
    Ok(count)
}

fn story(conversation: &Conversation, ledger: &Ledger, delivery: &Delivery) -> Vec<String> {
    let place = |step: usize| match conversation.steps.get(step) {
        Some(step) => match step.at {
            Some(at) => format!("{} ms, {}", millis(at), step.place),
            None => step.place.to_string(),
        },
        None => String::new(),
    };
    let (from, to) = if delivery.from == Side::Client { ("client", "server") } else { ("server", "client") };
    let link = ledger.links.get(delivery.link).map(|link| link.title()).unwrap_or_default();
    let first = delivery.steps.first().copied().unwrap_or_default();
    let mut lines = vec![
        format!("delivery {} is #{} on {link}, from the {from} to the {to}", tag(&delivery.tag), delivery.id),
        format!(
            "  sent      {}: {} octets in {}",
            place(first),
            delivery.octets,
            counted(u64::from(delivery.transfers), "transfer")
        ),
    ];
    match delivery.complete {
        Some(step) if step != first => lines.push(format!("  complete  {}", place(step))),
        Some(_) => {}
        None => lines.push("  complete  never: more transfers should follow".into()),
    }
    let decided = delivery.decided.map_or_else(|| "never".into(), place);
    lines.push(format!("  outcome   {decided}: {}", fate(delivery)));
    let at = |step: usize| conversation.steps.get(step).and_then(|step| step.at);
    if let Some((first, decided)) = at(first).zip(delivery.decided.and_then(at)) {
        lines.push(format!(
            "  latency   {} ms from transfer to disposition",
            millis(decided.saturating_sub(first))
        ));
    }
    lines.push(format!("  settled   {}", delivery.settled.map_or_else(|| "never".into(), place)));
    lines
}

/// Prints the sections, if all transfers are there with their payloads.
fn print_message(conversation: &Conversation, delivery: &Delivery, out: &mut impl Write) -> io::Result<()> {
    let mut message = BytesMut::new();
    for step in delivery.steps.iter().filter_map(|at| conversation.steps.get(*at)) {
        if let What::Frame(frame, _) = &step.what
            && let Frame::Amqp { payload, .. } = &**frame
        {
            message.extend_from_slice(payload);
        }
    }
    if delivery.complete.is_none() || delivery.is_aborted || message.len() as u64 != delivery.octets {
        return Ok(());
    }
    match print_sections(message.freeze(), "  ", out) {
        Err(Stop::Fault(at, reason)) => writeln!(out, "  ! octet {at} of the message: {reason}"),
        Err(Stop::Io(error)) => Err(error),
        _ => Ok(()),
    }
}
