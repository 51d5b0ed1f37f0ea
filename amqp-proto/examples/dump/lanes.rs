//! [`Lanes`]: the bars of sessions and links beside the lifelines of a picture.

use super::ledger::Ledger;
use super::step::Side;

/// The most lanes. Further bars share the last one.
const MOST: usize = 10;
/// The colours of links. Red is kept for faults.
const LINKS: [&str; 8] =
    ["#1f6fb2", "#2a8f5b", "#8a4fbf", "#a86f00", "#00838f", "#7a5236", "#4d5bb0", "#5f7f1a"];
/// The colours of sessions.
const SESSIONS: [&str; 2] = ["#7d8a97", "#a9b4bf"];
/// The colour of what belongs to the connection as a whole.
const CONNECTION: &str = "#333333";

/// The bar of a session or link.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) lane: usize,
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) colour: &'static str,
    pub(crate) name: String,
}

/// The bars of a connection.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    pub(crate) bars: Vec<Bar>,
    /// The number of lanes.
    pub(crate) count: usize,
}

/// Returns the colour of a link.
pub(crate) fn link_colour(link: usize) -> &'static str {
    LINKS.get(link % LINKS.len()).unwrap_or(&CONNECTION)
}

/// Returns the colour of a session.
pub(crate) fn session_colour(session: usize) -> &'static str {
    SESSIONS.get(session % SESSIONS.len()).unwrap_or(&CONNECTION)
}

/// Returns the colour of a step on this link or session.
pub(crate) fn colour(session: Option<usize>, link: Option<usize>) -> &'static str {
    match (link, session) {
        (Some(link), _) => link_colour(link),
        (None, Some(_)) => "#5a6673",
        _ => CONNECTION,
    }
}

impl Lanes {
    pub(crate) fn new(ledger: &Ledger) -> Self {
        let end = ledger.entries.len().saturating_sub(1);
        let sessions = ledger.sessions.iter().enumerate().map(|(at, session)| {
            (session.first, session.last.unwrap_or(end), session_colour(at), format!("session {at}"))
        });
        let links = ledger.links.iter().enumerate().map(|(at, link)| {
            let (from, to) =
                if link.sender == Side::Client { ("client", "server") } else { ("server", "client") };
            let name = format!("{}, {from} to {to}", link.title());
            (link.first, link.last.unwrap_or(end), link_colour(at), name)
        });
        let mut lanes = Self::default();
        // The step up to which each lane is taken.
        let mut taken: Vec<usize> = Vec::new();
        for (first, last, colour, name) in sessions.chain(links) {
            let free = taken.iter().position(|until| *until < first);
            let lane = free.unwrap_or_else(|| taken.len().min(MOST - 1));
            match taken.get_mut(lane) {
                Some(until) => *until = (*until).max(last),
                None => taken.push(last),
            }
            lanes.bars.push(Bar { lane, first, last, colour, name });
        }
        lanes.count = taken.len();
        lanes
    }
}
