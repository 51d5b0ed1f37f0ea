//! The endpoint under attack, its events and output, and the checks of every attack.
//!
//! The endpoint's max-frame-size is 65,536 and its channel-max 255. It accepts sessions and links, grants 100
//! credits, accepts every message, and refuses a link with neither source nor target.
#![allow(dead_code)] // no test file uses all of it

use allocation_counter::measure;
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Alike, HEADER, Literal, open, transfer};
use amqp_proto::types::{LinkKey, Moment, ReceiverKey, SenderKey, SessionKey};
use amqp_proto::wire::{AmqpError, Condition, Deframer, Frame, Performative, ProtocolHeader};
use amqp_proto::{Connection, Event, Reading};
use bytes::{Buf, Bytes};

use crate::common::{data, hex, octets, text};

/// The memory bound while the endpoint reads a stream of a few frames, and the memory for each octet: a value of one
/// octet takes 40 octets while it is decoded, for a moment twice that, and kept values stay encoded.
const LIVE: usize = 64 * 1024;
const LIVE_PER_OCTET: usize = 80;

/// The number of random ways in which a stream is cut, beside whole and octet by octet.
const RANDOM: u64 = 8;

/// An attack: octets to read first, and octets to repeat after them.
pub(crate) struct Threat {
    pub(crate) stream: Bytes,
    pub(crate) repeated: Bytes,
    pub(crate) times: usize,
}

/// Loads the attack of this id.
pub(crate) fn threat(id: &str) -> Threat {
    let all = data("threats.json");
    let threat = all.as_array().unwrap().iter().find(|threat| text(threat, "id") == id).expect(id);
    Threat {
        stream: octets(text(threat, "stream_hex")),
        repeated: threat["then_repeat_hex"].as_str().map(octets).unwrap_or_default(),
        times: usize::try_from(threat["times"].as_u64().unwrap_or(0)).unwrap(),
    }
}

/// An endpoint with its output and events.
pub(crate) struct Endpoint {
    pub(crate) connection: Connection,
    pub(crate) sessions: Vec<SessionKey>,
    pub(crate) senders: Vec<SenderKey>,
    pub(crate) receivers: Vec<ReceiverKey>,
    pub(crate) options: ReceiverOptions,
    /// The events and the contents of messages, as text; empty if they are only counted.
    pub(crate) events: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) written: Vec<u8>,
    records: bool,
}

/// The number of events of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) events: usize,
    pub(crate) messages: usize,
    pub(crate) sessions: usize,
    pub(crate) links: usize,
    pub(crate) octets_written: usize,
}

impl Endpoint {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            sessions: Vec::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            options: ReceiverOptions::new().with_prefetch(100),
            events: Vec::new(),
            counts: Counts::default(),
            written: Vec::new(),
            records: true,
        }
    }

    /// Returns a server.
    pub(crate) fn server() -> Self {
        Self::new(Connection::server(Options::new("endpoint"), Moment::START))
    }

    /// Grants only this credit.
    pub(crate) fn with_credit(mut self, credit: u32) -> Self {
        self.options = self.options.with_prefetch(credit);
        self
    }

    /// Counts events without keeping them.
    pub(crate) fn counting(mut self) -> Self {
        self.records = false;
        self
    }

    /// Feeds octets to the endpoint and handles its events.
    pub(crate) fn read(&mut self, octets: &[u8]) {
        self.connection.receive(Moment::START, octets);
        self.poll();
    }

    pub(crate) fn poll(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            self.counts.events += 1;
            if self.records {
                self.events.push(format!("{event:?}"));
            }
            self.on(event);
        }
    }

    /// Takes the output.
    pub(crate) fn write(&mut self) {
        let mut output = self.connection.output();
        let length = output.remaining();
        self.counts.octets_written += length;
        if self.records {
            let octets = output.copy_to_bytes(length);
            self.written.extend_from_slice(&octets);
        } else {
            output.advance(length);
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::SessionOffered(session) => {
                self.counts.sessions += 1;
                self.keep(|endpoint| endpoint.sessions.push(session));
                self.connection.session(session).unwrap().accept(SessionOptions::new()).unwrap();
            }
            Event::LinkOffered(link) => self.on_link(link),
            Event::Message { receiver, .. } => {
                self.counts.messages += 1;
                self.on_message(receiver);
            }
            _ => {}
        }
    }

    fn on_link(&mut self, link: LinkKey) {
        self.counts.links += 1;
        match link {
            LinkKey::Receiver(key) => {
                self.keep(|endpoint| endpoint.receivers.push(key));
                let mut receiver = self.connection.receiver(key).unwrap();
                let attach = receiver.peer_attach().unwrap();
                if attach.source.is_none() && attach.target.is_none() {
                    receiver.refuse_link(AmqpError::new(Condition::InvalidField)).unwrap();
                } else {
                    receiver.accept_link(self.options.clone()).unwrap();
                }
            }
            LinkKey::Sender(key) => {
                self.keep(|endpoint| endpoint.senders.push(key));
                self.connection.sender(key).unwrap().accept_link(SenderOptions::new()).unwrap();
            }
        }
    }

    /// Accepts a message, or rejects one that cannot be decoded.
    fn on_message(&mut self, receiver: ReceiverKey) {
        let mut receiver = self.connection.receiver(receiver).unwrap();
        let delivery = receiver.receive().expect("the event says so");
        let body = delivery.message().and_then(|message| message.body().map(|body| format!("{body:?}")));
        match &body {
            Ok(_) => receiver.accept(delivery.key()),
            Err(_) => receiver.reject(delivery.key(), AmqpError::new(Condition::DecodeError)),
        }
        .expect("it is not settled");
        if self.records {
            self.events.push(format!("{body:?}"));
        }
    }

    fn keep(&mut self, keep: impl FnOnce(&mut Self)) {
        if self.records {
            keep(self);
        }
    }

    /// Decodes the output so far.
    pub(crate) fn wrote(&self) -> Written {
        Written::new(&self.written)
    }
}

/// The decoded output of an endpoint.
#[derive(Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) headers: Vec<ProtocolHeader>,
    pub(crate) frames: Vec<Frame>,
}

impl Written {
    fn new(written: &[u8]) -> Self {
        let mut deframer = Deframer::new();
        deframer.input().extend_from_slice(written);
        let (mut headers, mut frames) = (Vec::new(), Vec::new());
        while !deframer.remaining().is_empty() {
            if deframer.remaining().starts_with(b"AMQP") {
                headers.push(deframer.next_header().unwrap().unwrap());
                continue;
            }
            let frame = deframer.next_frame(u32::MAX).unwrap().expect("whole frames are written");
            frames.push(frame.decode(&Default::default()).unwrap());
        }
        Self { headers, frames }
    }

    /// Returns the names of the performatives, in order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.frames
            .iter()
            .map(|frame| match frame {
                Frame::Amqp { performative, .. } => performative.name(),
                Frame::Sasl(_) => "sasl",
                _ => "empty",
            })
            .collect()
    }

    /// Returns the closes, ends and detaches with an error.
    pub(crate) fn errors(&self) -> Vec<(&'static str, Condition)> {
        let error = |frame: &Frame| {
            let Frame::Amqp { performative, .. } = frame else { return None };
            let error = match performative {
                Performative::Close(close) => close.error.clone(),
                Performative::End(end) => end.error.clone(),
                Performative::Detach(detach) => detach.error.clone(),
                _ => None,
            };
            Some((performative.name(), error?.condition))
        };
        self.frames.iter().filter_map(error).collect()
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.names().iter().filter(|written| **written == name).count()
    }
}

/// Cuts a stream into random pieces.
fn pieces(stream: &[u8], seed: u64) -> Vec<&[u8]> {
    let (mut rest, mut pieces, mut state) = (stream, Vec::new(), seed);
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from(state >> 40).unwrap() % (1 << (seed + 3)) + 1;
        let (piece, left) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}

/// Feeds a stream to endpoints, whole and cut in every other way, and returns one of them. All of them must have the
/// same events and output, and be equally over (F-LAY-11).
pub(crate) fn attack(make: impl Fn() -> Endpoint, stream: &[u8]) -> Endpoint {
    attack_within(make, stream, LIVE + LIVE_PER_OCTET * stream.len())
}

/// Does the same as [`attack`] with another memory bound.
pub(crate) fn attack_within(make: impl Fn() -> Endpoint, stream: &[u8], most: usize) -> Endpoint {
    let mut whole = make();
    let live = measure(|| {
        whole.read(stream);
        whole.write();
    });
    let live = usize::try_from(live.bytes_max).unwrap();
    assert!(live <= most, "{live} octets lived for {}", stream.len());
    let wrote = whole.wrote();
    let mut cuts: Vec<Vec<&[u8]>> = (1..=RANDOM).map(|seed| pieces(stream, seed)).collect();
    cuts.push(stream.chunks(1).collect());
    for cut in cuts {
        // Output taken on the way has other flows and dispositions, but the conversation is the same.
        for takes_output in [false, true] {
            let mut endpoint = make();
            for piece in &cut {
                endpoint.read(piece);
                if takes_output {
                    endpoint.write();
                }
            }
            endpoint.write();
            assert_eq!(Alike::of(&endpoint.events), Alike::of(&whole.events), "cut in {}", cut.len());
            assert_eq!(endpoint.connection.is_over(), whole.connection.is_over());
            if takes_output {
                assert_eq!(endpoint.wrote().errors(), wrote.errors(), "cut in {}", cut.len());
            } else {
                assert_eq!(hex(&endpoint.written), hex(&whole.written), "cut in {}", cut.len());
            }
        }
    }
    whole
}

/// Attacks a server. Its connection must be unchanged by valid frames before the fault.
pub(crate) fn attack_server(stream: &[u8]) -> Endpoint {
    attack(Endpoint::server, stream)
}

/// Checks that the stream closes the connection with one error, and that later input has no effect.
#[track_caller]
pub(crate) fn closes(stream: &[u8], condition: Condition) -> Endpoint {
    let mut endpoint = attack_server(stream);
    let wrote = endpoint.wrote();
    assert_eq!(wrote.errors(), [("close", condition)]);
    assert_eq!((wrote.count("open"), wrote.count("close")), (1, 1));
    assert_eq!(wrote.names().last(), Some(&"close"));
    assert!(endpoint.connection.is_over());
    silent(&mut endpoint);
    endpoint
}

/// Checks that a closed endpoint ignores all input.
#[track_caller]
pub(crate) fn silent(endpoint: &mut Endpoint) {
    let (events, written) = (endpoint.events.len(), endpoint.written.len());
    for octets in [&HEADER[..], &open("again").to_octets(), b"\0\0\0\0", &[0xff; 100]] {
        endpoint.read(octets);
        endpoint.write();
    }
    endpoint.connection.end_of_input();
    endpoint.poll();
    endpoint.write();
    assert_eq!((endpoint.events.len(), endpoint.written.len()), (events, written));
    assert_eq!(endpoint.connection.reading(), Reading::Over);
}

/// Checks that the stream causes one error inside the connection, which stays open.
#[track_caller]
pub(crate) fn refuses(stream: &[u8], name: &'static str, condition: Condition) -> Endpoint {
    let endpoint = attack_server(stream);
    assert_eq!(endpoint.wrote().errors(), [(name, condition)]);
    assert!(endpoint.connection.is_open());
    endpoint
}

/// Checks that the stream causes no error, and that the connection stays open.
#[track_caller]
pub(crate) fn accepts(stream: &[u8]) -> Endpoint {
    let endpoint = attack_server(stream);
    assert_eq!(endpoint.wrote().errors(), []);
    assert!(endpoint.connection.is_open());
    endpoint
}

/// The cost of a flood.
#[derive(Debug)]
pub(crate) struct Flood {
    /// The octets that the endpoint read before it asked for no more.
    pub(crate) read: usize,
    /// The largest number of live octets.
    pub(crate) live: usize,
    /// The octets still allocated after the flood.
    pub(crate) left: i64,
}

/// Feeds an attack to an endpoint in blocks of 4 KiB, as long as it asks for input. A listening peer takes the output
/// after each block.
pub(crate) fn flood(endpoint: &mut Endpoint, threat: &Threat, listens: bool) -> Flood {
    let block = threat.repeated.repeat((4096 / threat.repeated.len()).max(1));
    let blocks = (threat.times * threat.repeated.len()).div_ceil(block.len());
    flood_with(endpoint, &threat.stream, (0..blocks).map(|_| block.clone()), listens)
}

/// Does the same as [`flood`] with blocks that differ.
pub(crate) fn flood_with(
    endpoint: &mut Endpoint,
    first: &[u8],
    blocks: impl Iterator<Item = Vec<u8>>,
    listens: bool,
) -> Flood {
    let (mut read, mut first) = (0, Some(first.to_vec()));
    let mut blocks = blocks;
    let info = measure(|| {
        while endpoint.connection.reading() == Reading::Wanted {
            let Some(block) = first.take().or_else(|| blocks.next()) else { break };
            endpoint.read(&block);
            read += block.len();
            if listens {
                endpoint.write();
            }
        }
    });
    Flood { read, live: usize::try_from(info.bytes_max).unwrap(), left: info.bytes_current }
}

/// A message whose body is null.
pub(crate) const NOTHING: [u8; 4] = [0x00, 0x53, 0x77, 0x40];
/// The outcome accepted.
pub(crate) const ACCEPTED: &str = "00532445";

/// A header and an open.
pub(crate) fn up() -> Vec<u8> {
    threat("D03").stream.to_vec()
}

/// A header, an open and a session.
pub(crate) fn session() -> Vec<u8> {
    threat("D08").stream.to_vec()
}

/// A session with a link on which the endpoint receives.
pub(crate) fn receiving() -> Vec<u8> {
    threat("D13").stream.to_vec()
}

/// A session with a link on which the endpoint sends.
pub(crate) fn sending() -> Vec<u8> {
    threat("D25").stream.to_vec()
}

/// Appends these frames to the stream.
pub(crate) fn with(prefix: Vec<u8>, frames: &[Literal]) -> Vec<u8> {
    frames.iter().fold(prefix, |stream, frame| [stream, frame.to_octets()].concat())
}

/// A message of one transfer.
pub(crate) fn message(id: u32, tag: &[u8]) -> Literal {
    transfer(0, id, tag).payload(NOTHING)
}

/// A transfer that is not the last of its delivery.
pub(crate) fn part(id: u32, tag: &[u8], octets: &[u8]) -> Literal {
    transfer(0, id, tag).null().boolean(true).payload(octets)
}

/// Makes the endpoint send a message.
pub(crate) fn sent(endpoint: &mut Endpoint) {
    let sender = endpoint.senders[0];
    endpoint.connection.sender(sender).unwrap().send("x").unwrap();
    endpoint.poll();
    endpoint.write();
}
