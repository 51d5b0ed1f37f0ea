//! [`print_diagram`]: a connection as a sequence diagram in text.

use std::io::{self, Write};

use super::conversation::Conversation;
use super::label::{cut, millis, short};
use super::ledger::{Entry, Ledger};
use super::step::{Place, Side, Step, What};

/// The number of characters between the two lifelines.
const WIDTH: usize = 68;
/// The number of characters of the column of times.
const MARGIN: usize = 12;

/// Prints the steps that `is_shown` selects, one a line.
pub(crate) fn print_diagram(
    conversation: &Conversation,
    ledger: &Ledger,
    is_shown: impl Fn(usize) -> bool,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", title(conversation, ledger))?;
    writeln!(out)?;
    let unit = match conversation.steps.first().map(|step| step.place) {
        Some(Place::Line(_)) => "line",
        _ => "ms",
    };
    let width = WIDTH - "client".len() - "server".len() + 2;
    writeln!(out, "{unit:>MARGIN$}  client{:width$}server", "")?;
    let steps = conversation.steps.iter().zip(&ledger.entries).enumerate();
    for (_, (step, entry)) in steps.filter(|(at, _)| is_shown(*at)) {
        print_step(step, entry, ledger, out)?;
    }
    Ok(())
}

/// Returns the line that names both ends.
pub(crate) fn title(conversation: &Conversation, ledger: &Ledger) -> String {
    let name = |side| {
        let container = ledger.containers.of(side).as_deref();
        let container = container.map(|id| format!(" \"{}\"", short(id))).unwrap_or_default();
        format!("{}{container}", conversation.names.of(side))
    };
    let (client, server) = (name(Side::Client), name(Side::Server));
    format!("connection {}: client {client}, server {server}", conversation.number)
}

/// Returns the time of a step in milliseconds, or its place if there are no times.
pub(crate) fn time(step: &Step) -> String {
    match (step.at, step.place) {
        (Some(at), _) => millis(at),
        (None, Place::Line(number)) => number.to_string(),
        (None, Place::Packet { .. }) => "-".into(),
    }
}

/// Returns what stands beside an arrow: the link or session, and its state.
pub(crate) fn beside(entry: &Entry, ledger: &Ledger) -> String {
    let of = match (entry.link.and_then(|link| ledger.links.get(link)), entry.session) {
        (Some(link), _) => link.title(),
        (None, Some(session)) => format!("session {session}"),
        _ => return entry.notes.join(", "),
    };
    if entry.notes.is_empty() { of } else { format!("{of}: {}", entry.notes.join(", ")) }
}

fn print_step(step: &Step, entry: &Entry, ledger: &Ledger, out: &mut impl Write) -> io::Result<()> {
    let fault = entry.fault.as_deref();
    let label = cut(&entry.label, WIDTH - 6);
    let between = match (&step.what, step.from) {
        (What::Remark(words), from) => {
            let side = if from == Side::Client { "client" } else { "server" };
            let words = format!("{side} {words}");
            // A remark has no notes beside it, so it may be long.
            return writeln!(out, "{:>MARGIN$}   * {words}", time(step));
        }
        (_, Side::Client) => format!("-- {label} {:->width$}>", "", width = WIDTH - 5 - count(&label)),
        (_, Side::Server) => format!("<{:-<width$} {label} --", "", width = WIDTH - 5 - count(&label)),
    };
    let mark = if fault.is_some() { '!' } else { ' ' };
    let line = format!("{:>MARGIN$} {mark}|{between}|  {}", time(step), beside(entry, ledger));
    writeln!(out, "{}", line.trim_end())?;
    if let Some(wait) = &entry.wait {
        writeln!(out, "{:>MARGIN$}   * {wait}", "")?;
    }
    match fault {
        // The label of undecodable octets is the fault itself.
        Some(fault) => writeln!(out, "{:>MARGIN$} !  fault at {}: {fault}", "", step.place),
        None => Ok(()),
    }
}

fn count(text: &str) -> usize {
    text.chars().count()
}
