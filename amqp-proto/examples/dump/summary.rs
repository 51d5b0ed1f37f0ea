//! [`summary`]: a connection in figures.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::conversation::Conversation;
use super::deliveries::Delivery;
use super::diagram::title;
use super::label::{counted, millis};
use super::ledger::Ledger;
use super::stalls::Stall;
use super::step::Side;

/// The most stalls and faults that are listed.
const MOST: usize = 20;

/// Returns names and values, both for people.
pub(crate) fn summary(conversation: &Conversation, ledger: &Ledger) -> Vec<(String, String)> {
    let mut rows = vec![
        ("messages".to_owned(), messages(ledger)),
        ("outcomes".to_owned(), outcomes(ledger)),
        ("latency".to_owned(), latency(conversation, ledger)),
    ];
    for (at, link) in ledger.links.iter().enumerate() {
        let (from, to) = sides(link.sender);
        let of: Vec<&Delivery> = ledger.deliveries.iter().filter(|delivery| delivery.link == at).collect();
        let settled = of.iter().filter(|delivery| delivery.settled.is_some()).count();
        let credit = link.credit().map(|credit| format!(", credit {credit} at the end")).unwrap_or_default();
        let counts = format!("{}, {settled} settled{credit}", counted(of.len() as u64, "message"));
        rows.push((format!("link {}", link.title()), format!("{from} to {to}: {counts}")));
    }
    let stalls =
        ledger.stalls.iter().take(MOST).map(|stall| ("stall".to_owned(), stall_words(stall, ledger)));
    rows.extend(stalls);
    if ledger.stalls.len() > MOST {
        rows.push(("stall".into(), format!("and {} more", ledger.stalls.len() - MOST)));
    }
    let steps = conversation.steps.iter().zip(&ledger.entries);
    let faults: Vec<String> = steps
        .filter_map(|(step, entry)| Some(format!("{}: {}", step.place, entry.fault.as_ref()?)))
        .collect();
    rows.extend(faults.iter().take(MOST).map(|fault| ("fault".to_owned(), fault.clone())));
    if faults.len() > MOST {
        rows.push(("fault".into(), format!("and {} more", faults.len() - MOST)));
    }
    rows
}

/// Prints the summary of a connection.
pub(crate) fn print_summary(
    conversation: &Conversation,
    ledger: &Ledger,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", title(conversation, ledger))?;
    writeln!(out)?;
    let rows = summary(conversation, ledger);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().try_for_each(|(name, value)| writeln!(out, "  {name:width$}  {value}"))
}

/// Returns words for a stall.
pub(crate) fn stall_words(stall: &Stall, ledger: &Ledger) -> String {
    let end = if stall.is_open { ", to the end" } else { "" };
    let (time, from) = (millis(stall.to.saturating_sub(stall.from)), millis(stall.from));
    format!("{time} ms from {from} ms on{end}: {}", ledger.why(&stall.cause))
}

fn sides(from: Side) -> (&'static str, &'static str) {
    match from {
        Side::Client => ("client", "server"),
        Side::Server => ("server", "client"),
    }
}

fn messages(ledger: &Ledger) -> String {
    let of = |side| {
        let from = ledger.deliveries.iter().filter(|delivery| delivery.from == side);
        from.fold((0_u64, 0_u64), |(count, octets), delivery| (count + 1, octets + delivery.octets))
    };
    let ((client, there), (server, back)) = (of(Side::Client), of(Side::Server));
    format!("client to server {client} ({there} octets), server to client {server} ({back} octets)")
}

/// Returns what became of a delivery.
pub(crate) fn fate(delivery: &Delivery) -> &str {
    match (&delivery.state, delivery.decided, delivery.settled) {
        _ if delivery.is_aborted => "aborted",
        (Some(state), Some(_), _) => state,
        (_, None, Some(_)) => "settled without an outcome",
        _ if delivery.is_left => "left unsettled",
        _ => "no outcome yet",
    }
}

fn outcomes(ledger: &Ledger) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for delivery in ledger.deliveries.iter() {
        *counts.entry(fate(delivery)).or_default() += 1;
    }
    let words: Vec<String> = counts.iter().map(|(fate, count)| format!("{count} {fate}")).collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

fn latency(conversation: &Conversation, ledger: &Ledger) -> String {
    let at = |step: usize| conversation.steps.get(step).and_then(|step| step.at);
    let taken =
        |delivery: &Delivery| Some(at(delivery.decided?)?.saturating_sub(at(*delivery.steps.first()?)?));
    let mut times: Vec<u64> = ledger.deliveries.iter().filter_map(taken).collect();
    times.sort_unstable();
    let (Some(least), Some(most)) = (times.first(), times.last()) else {
        let has_times = conversation.steps.iter().any(|step| step.at.is_some());
        return if has_times { "no delivery has an outcome" } else { "unknown, as there are no times" }
            .into();
    };
    // The nearest rank: the least time that this share of the deliveries did not exceed.
    let part = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    };
    format!(
        "from transfer to disposition: least {} ms, median {} ms, 99 % {} ms, most {} ms",
        millis(*least),
        millis(part(50)),
        millis(part(99)),
        millis(*most)
    )
}
