//! [`Dissector`]: splits one direction of a connection into steps, over gaps and faults.

use amqp_proto::types::Limits;
use amqp_proto::wire::{Frame, FrameHeader, ProtocolHeader, ProtocolId, RawFrame};
use bytes::{Buf, Bytes, BytesMut};

use super::MOST;
use super::reassembly::{Portion, Stamp};
use super::step::{Place, Side, Step, What};
use super::stop::reason;

/// The length of a frame's header.
const HEADER: usize = 8;
/// The length of a body's first octets: the descriptor of a performative or SASL body in its usual form.
const DESCRIPTOR: usize = 3;

/// The knowledge of where frames begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// A header or frame begins here.
    Known,
    /// The next frame is looked for. This many octets have been passed over.
    Lost(u64),
    /// The rest is not AMQP.
    Over,
}

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Dissector {
    from: Side,
    buffer: BytesMut,
    /// The offset of the buffer in the direction.
    position: u64,
    /// Octets of a frame that cannot be shown, still to come.
    skip: u64,
    sync: Sync,
    /// The packet that brought the last octets.
    stamp: Stamp,
    /// Words for a stream that is not AMQP.
    foreign: Option<String>,
}

impl Dissector {
    /// Returns a dissector of what this side sends. If the stream is not known from its start, the first frame is looked
    /// for.
    pub(crate) fn new(from: Side, is_whole: bool) -> Self {
        Self {
            from,
            buffer: BytesMut::new(),
            position: 0,
            skip: 0,
            sync: if is_whole { Sync::Known } else { Sync::Lost(0) },
            stamp: Stamp { packet: 0, at: None },
            foreign: None,
        }
    }

    /// Returns words for the part of the stream that is not AMQP.
    pub(crate) fn foreign(&self) -> Option<&str> {
        self.foreign.as_deref()
    }

    /// Takes the next octets, and appends the steps that they complete.
    pub(crate) fn add(&mut self, stamp: Stamp, portion: Portion<'_>, out: &mut Vec<Step>) {
        self.stamp = stamp;
        match portion {
            Portion::Octets(octets) => {
                let skipped = octets.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= skipped as u64;
                self.position += skipped as u64;
                self.buffer.extend_from_slice(octets.get(skipped..).unwrap_or_default());
                while self.step(out) {}
            }
            Portion::Gap(count, why) => self.gap(count, why, out),
        }
    }

    /// Ends the stream.
    pub(crate) fn finish(&mut self, out: &mut Vec<Step>) {
        match self.sync {
            Sync::Over => {}
            Sync::Lost(passed) => self.passed_over(passed + self.buffer.len() as u64, out),
            Sync::Known if self.skip > 0 || self.buffer.is_empty() => {}
            Sync::Known => {
                let left = self.buffer.len();
                self.remark(format!("{left} octets of an incomplete frame at the end"), out);
            }
        }
    }

    fn gap(&mut self, count: u64, why: &str, out: &mut Vec<Step>) {
        if self.sync == Sync::Over {
            return;
        }
        let words = format!("{count} octets are missing: {why}");
        let held = self.buffer.len() as u64;
        let frame =
            FrameHeader::decode(&self.buffer, MOST).ok().flatten().map(|header| u64::from(header.size));
        let left = frame.map_or(self.skip, |size| size.saturating_sub(held));
        match self.sync {
            Sync::Known if left >= count => {
                match frame {
                    Some(size) => self.remark(format!("{words}; a frame of {size} octets is not shown"), out),
                    None => self.remark(words, out),
                }
                self.skip = left - count;
            }
            Sync::Lost(passed) => {
                self.remark(words, out);
                self.sync = Sync::Lost(passed + held);
            }
            _ => {
                self.remark(words, out);
                self.skip = 0;
                self.sync = Sync::Lost(held);
            }
        }
        self.position += held + count;
        self.buffer.clear();
    }

    /// Takes one header or frame from the buffer. Returns false if more octets are needed.
    fn step(&mut self, out: &mut Vec<Step>) -> bool {
        match self.sync {
            Sync::Over => {
                self.advance(self.buffer.len());
                false
            }
            Sync::Lost(passed) => self.search(passed, out),
            Sync::Known if self.buffer.first() == Some(&b'A') => self.header(out),
            Sync::Known => self.frame(out),
        }
    }

    fn header(&mut self, out: &mut Vec<Step>) -> bool {
        match ProtocolHeader::decode(&self.buffer) {
            Ok(None) => false,
            Ok(Some(header)) => {
                self.push(What::Header(header), Bytes::copy_from_slice(&header.to_bytes()), out);
                self.advance(ProtocolHeader::LEN);
                true
            }
            Err(error) => self.lose(reason(&error), out),
        }
    }

    fn frame(&mut self, out: &mut Vec<Step>) -> bool {
        if let Some(foreign) = self.other_protocol() {
            self.foreign = Some(foreign);
            self.sync = Sync::Over;
            return true;
        }
        let header = match FrameHeader::decode(&self.buffer, MOST) {
            Ok(Some(header)) => header,
            Ok(None) => return false,
            Err(error) => return self.lose(reason(&error), out),
        };
        let Some(size) = usize::try_from(header.size).ok().filter(|size| *size <= self.buffer.len()) else {
            return false;
        };
        let octets = self.buffer.split_to(size).freeze();
        let what = match (RawFrame { header, octets: octets.clone() }).decode(&Limits::DEFAULT) {
            Ok(frame) => {
                let payload = if let Frame::Amqp { payload, .. } = &frame { payload.len() } else { 0 };
                What::Frame(Box::new(frame), payload)
            }
            Err(error) => What::Fault(format!("octet {} of the frame: {}", error.offset(), reason(&error))),
        };
        self.push(what, octets, out);
        self.position += size as u64;
        true
    }

    /// Recognises a stream of another protocol by its first octets, before the octets are taken for a frame.
    fn other_protocol(&self) -> Option<String> {
        let is_first = self.position == 0;
        match self.buffer.chunk() {
            [0x16, 3, ..] => Some("TLS. Its frames are not shown, as dump cannot decrypt".to_owned()),
            [b'G', b'E', b'T', b' ', ..] | [b'H', b'T', b'T', b'P', ..] if is_first => {
                Some("HTTP. Frames in a WebSocket are not shown".to_owned())
            }
            [a, b, c, d, ..] if is_first && *a > 0 => {
                Some(format!("no AMQP: it begins with 0x{a:02x}{b:02x}{c:02x}{d:02x}"))
            }
            _ => None,
        }
    }

    fn lose(&mut self, reason: String, out: &mut Vec<Step>) -> bool {
        self.push(What::Fault(reason), Bytes::new(), out);
        self.advance(1);
        self.sync = Sync::Lost(1);
        true
    }

    /// Looks for a header or frame in the buffer.
    fn search(&mut self, passed: u64, out: &mut Vec<Step>) -> bool {
        let found = (0..self.buffer.len()).find(|at| self.buffer.get(*at..).is_some_and(is_start));
        // The last octets may be the front of a frame.
        let free = found.unwrap_or(self.buffer.len().saturating_sub(HEADER + DESCRIPTOR));
        self.advance(free);
        let passed = passed + free as u64;
        if found.is_none() {
            self.sync = Sync::Lost(passed);
            return false;
        }
        self.passed_over(passed, out);
        self.sync = Sync::Known;
        true
    }

    fn passed_over(&mut self, octets: u64, out: &mut Vec<Step>) {
        if octets > 0 {
            self.remark(format!("{octets} octets in which no frame could be found"), out);
        }
    }

    fn advance(&mut self, octets: usize) {
        self.buffer.advance(octets);
        self.position += octets as u64;
    }

    fn remark(&self, words: String, out: &mut Vec<Step>) {
        self.push(What::Remark(words), Bytes::new(), out);
    }

    fn push(&self, what: What, octets: Bytes, out: &mut Vec<Step>) {
        let place = Place::Packet { number: self.stamp.packet, offset: self.position };
        out.push(Step { from: self.from, at: self.stamp.at, place, what, octets });
    }
}

/// Returns whether a header or frame seems to begin here: one in the form that all known writers use.
fn is_start(octets: &[u8]) -> bool {
    if let Ok(Some(header)) = ProtocolHeader::decode(octets) {
        return header.id != ProtocolId::Other(0) && header.major == 1;
    }
    let Ok(Some(header)) = FrameHeader::decode(octets, MOST) else { return false };
    let body = octets.get(HEADER..HEADER + DESCRIPTOR);
    header.data_offset == 2 && matches!(body, Some([0, 0x53, 0x10..=0x18 | 0x40..=0x44]))
}
