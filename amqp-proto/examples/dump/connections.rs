//! [`read_capture`]: the AMQP connections of a capture.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use bytes::Bytes;

use super::capture;
use super::conversation::{Conversation, Recording};
use super::dissector::Dissector;
use super::label::counted;
use super::reassembly::{Direction, Stamp};
use super::segment::{NoSegment, Segment};
use super::step::{Both, Place, Side, Step, What};

/// The ports of AMQP, with and without TLS.
const PORTS: [u16; 2] = [5672, 5671];

/// A TCP connection of the capture.
#[derive(Debug)]
struct Connection<'a> {
    addresses: Both<SocketAddr>,
    directions: Both<Direction<'a>>,
    /// The portions of both directions, in the order in which they became readable.
    portions: Vec<(Side, Stamp, Portion<'a>)>,
    /// The ends of the directions, by FIN or RST.
    ends: Vec<Step>,
    is_over: Both<bool>,
}

type Portion<'a> = super::reassembly::Portion<'a>;

impl<'a> Connection<'a> {
    /// Returns a connection that is first seen with this segment.
    fn new(segment: &Segment<'_>) -> Self {
        // The client sends the first SYN. Of a connection that was open before, the server has the known port, or the
        // lower one.
        let is_from_server = if segment.is_syn {
            segment.is_ack
        } else {
            let (from, to) = (segment.from.port(), segment.to.port());
            PORTS.contains(&from) || (!PORTS.contains(&to) && from < to)
        };
        let (client, server) =
            if is_from_server { (segment.to, segment.from) } else { (segment.from, segment.to) };
        Self {
            addresses: Both { client, server },
            directions: Both::default(),
            portions: Vec::new(),
            ends: Vec::new(),
            is_over: Both::default(),
        }
    }

    fn add(&mut self, segment: &Segment<'a>, stamp: Stamp) {
        let side = if segment.from == self.addresses.client { Side::Client } else { Side::Server };
        let portions = &mut self.portions;
        self.directions
            .of_mut(side)
            .add(segment, stamp, |stamp, portion| portions.push((side, stamp, portion)));
        let words = match (segment.is_fin, segment.is_reset) {
            (_, true) => "resets the connection",
            (true, _) => "sends no more octets",
            _ => return,
        };
        if !std::mem::replace(self.is_over.of_mut(side), true) {
            let place = Place::Packet { number: stamp.packet, offset: 0 };
            let what = What::Remark(words.to_owned());
            self.ends.push(Step { from: side, at: stamp.at, place, what, octets: Bytes::new() });
        }
    }

    /// Returns whether this segment opens another connection between the same addresses.
    fn is_replaced_by(&self, segment: &Segment<'_>) -> bool {
        let is_sent = self.directions.client.is_begun() && self.directions.server.is_begun();
        segment.is_syn && !segment.is_ack && (is_sent || segment.from != self.addresses.client)
    }

    /// Returns the steps, or words about a connection without AMQP.
    fn finish(mut self, number: usize) -> Result<Conversation, String> {
        let names =
            Both { client: self.addresses.client.to_string(), server: self.addresses.server.to_string() };
        for side in [Side::Client, Side::Server] {
            let portions = &mut self.portions;
            self.directions.of_mut(side).finish(|stamp, portion| portions.push((side, stamp, portion)));
        }
        let dissector = |side| Dissector::new(side, self.directions.of(side).is_whole());
        let mut dissectors = Both { client: dissector(Side::Client), server: dissector(Side::Server) };
        let mut steps = self.ends;
        for (side, stamp, portion) in self.portions {
            dissectors.of_mut(side).add(stamp, portion, &mut steps);
        }
        dissectors.client.finish(&mut steps);
        dissectors.server.finish(&mut steps);
        let foreign = dissectors.client.foreign().or(dissectors.server.foreign());
        if !steps.iter().any(|step| matches!(step.what, What::Header(_) | What::Frame(..))) {
            let reason = foreign.unwrap_or("no AMQP frame in it");
            return Err(format!("connection {} to {}: {reason}.", names.client, names.server));
        }
        // The sort is stable: what came in one packet stays in order.
        steps.sort_by_key(|step| if let Place::Packet { number, .. } = step.place { number } else { 0 });
        for side in [Side::Client, Side::Server] {
            add_remarks(&mut steps, side, self.directions.of(side), dissectors.of(side));
        }
        let is_whole = self.directions.client.is_whole() && self.directions.server.is_whole();
        Ok(Conversation { number, names, steps, is_whole })
    }
}

/// Adds what is to be said of a direction as a whole.
fn add_remarks(steps: &mut Vec<Step>, side: Side, direction: &Direction<'_>, dissector: &Dissector) {
    let Some(last) = steps.last().cloned() else { return };
    let mut say = |words: String| {
        steps.push(Step { from: side, what: What::Remark(words), octets: Bytes::new(), ..last.clone() })
    };
    if let Some(foreign) = dissector.foreign() {
        say(format!("goes on with {foreign}"));
    }
    if direction.repeated() > 0 {
        say(format!("sent {} again, which is left out", counted(direction.repeated(), "TCP segment")));
    }
    if direction.early() > 0 {
        say(format!(
            "sent {} out of order, which is put in order",
            counted(direction.early(), "TCP segment")
        ));
    }
}

/// Returns the connections of a capture that speak AMQP, and remarks on the rest.
pub(crate) fn read_capture(octets: &[u8]) -> Recording {
    let (packets, fault) = capture::read(octets);
    let start = packets.iter().find_map(|packet| packet.at).unwrap_or(0);
    let mut connections: Vec<Connection<'_>> = Vec::new();
    let mut known: HashMap<(SocketAddr, SocketAddr), usize> = HashMap::new();
    let mut others: BTreeMap<NoSegment, u64> = BTreeMap::new();
    for packet in &packets {
        let segment = match Segment::of(packet) {
            Ok(segment) => segment,
            Err(other) => {
                *others.entry(other).or_default() += 1;
                continue;
            }
        };
        let key = (segment.from.min(segment.to), segment.from.max(segment.to));
        let old = known.get(&key).copied();
        let at = old.filter(|at| connections.get(*at).is_some_and(|old| !old.is_replaced_by(&segment)));
        let at = at.unwrap_or_else(|| {
            connections.push(Connection::new(&segment));
            connections.len() - 1
        });
        known.insert(key, at);
        let stamp = Stamp { packet: packet.number, at: packet.at.map(|at| at.saturating_sub(start)) };
        if let Some(connection) = connections.get_mut(at) {
            connection.add(&segment, stamp);
        }
    }
    let mut recording = Recording::default();
    for connection in connections {
        match connection.finish(recording.conversations.len() + 1) {
            Ok(conversation) => recording.conversations.push(conversation),
            Err(reason) => recording.remarks.push(reason),
        }
    }
    recording.remarks.extend(others.into_iter().filter_map(|(other, count)| words(other, count)));
    recording.remarks.extend(fault);
    recording
}

/// Returns words for packets that were not read. Those of other protocols need none.
fn words(other: NoSegment, count: u64) -> Option<String> {
    match other {
        NoSegment::Other => None,
        NoSegment::Fragment => Some(format!("{} of IP packets left out.", counted(count, "fragment"))),
        NoSegment::Cut => Some(format!("{} left out, cut inside their headers.", counted(count, "packet"))),
        NoSegment::Link(kind) => Some(format!(
            "{} left out, of the link layer {kind}, which is not known.",
            counted(count, "packet")
        )),
    }
}
