//! [`Direction`]: the octets that one end of a TCP connection sends, put in order.

use std::collections::BTreeMap;

use super::segment::Segment;

/// The packet that brought octets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) packet: u64,
    pub(crate) at: Option<u64>,
}

/// The next octets of a direction, or the lack of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Portion<'a> {
    Octets(&'a [u8]),
    /// This many octets that the capture does not have, and why.
    Gap(u64, &'static str),
}

const LOST: &str = "the capture has no segment with them";
const CUT: &str = "the capture keeps only the front of packets";

/// A segment that waits for those before it.
#[derive(Debug, Clone, Copy)]
struct Waiting<'a> {
    stamp: Stamp,
    octets: &'a [u8],
    missing: u32,
}

/// One direction of a TCP connection.
#[derive(Debug, Default)]
pub(crate) struct Direction<'a> {
    /// The position of the next octet, counted from the sequence number [`first`](Self::first).
    next: u64,
    first: Option<u32>,
    waiting: BTreeMap<u64, Waiting<'a>>,
    /// True if the first octet is known from a SYN.
    is_whole: bool,
    /// The number of segments that brought nothing new.
    repeated: u64,
    /// The number of segments that came before those that they follow.
    early: u64,
    /// The last packet that made octets readable.
    last: Option<Stamp>,
}

impl<'a> Direction<'a> {
    /// Returns whether the direction is known from its first octet on.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns whether any segment came.
    pub(crate) fn is_begun(&self) -> bool {
        self.first.is_some()
    }

    /// Returns the number of segments that repeat others.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Returns the number of segments that came out of order.
    pub(crate) fn early(&self) -> u64 {
        self.early
    }

    /// Takes a segment. Tells `told` the octets that follow those before, with the packet that brought them.
    pub(crate) fn add(
        &mut self,
        segment: &Segment<'a>,
        stamp: Stamp,
        mut told: impl FnMut(Stamp, Portion<'a>),
    ) {
        if segment.is_syn {
            // The SYN takes a number of its own.
            if self.first.is_none() {
                self.first = Some(segment.number.wrapping_add(1));
                self.is_whole = true;
            }
            return;
        }
        if segment.payload.is_empty() && segment.missing == 0 {
            return;
        }
        let first = *self.first.get_or_insert(segment.number);
        let Some(position) = self.position(segment.number.wrapping_sub(first)) else {
            self.repeated += 1;
            return;
        };
        let length = segment.payload.len() as u64 + u64::from(segment.missing);
        if position + length <= self.next
            || self.waiting.get(&position).is_some_and(|old| old.len() >= length)
        {
            self.repeated += 1;
            return;
        }
        self.waiting.insert(position, Waiting { stamp, octets: segment.payload, missing: segment.missing });
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= self.next) {
            let (position, waiting) = entry.remove_entry();
            self.early += u64::from(waiting.stamp.packet < stamp.packet);
            self.tell(position, Waiting { stamp, ..waiting }, &mut told);
        }
    }

    /// Tells `told` what still waits, with the gaps between.
    pub(crate) fn finish(&mut self, mut told: impl FnMut(Stamp, Portion<'a>)) {
        while let Some((position, waiting)) = self.waiting.pop_first() {
            // What comes later in the stream became readable later.
            let stamp = self.last.filter(|last| last.packet > waiting.stamp.packet).unwrap_or(waiting.stamp);
            let waiting = Waiting { stamp, ..waiting };
            if position > self.next {
                told(waiting.stamp, Portion::Gap(position - self.next, LOST));
                self.next = position;
            }
            self.tell(position, waiting, &mut told);
        }
    }

    /// Returns the position of a sequence number, given as the distance from the first. It is the position nearest to the
    /// next one; numbers begin again after 4 GiB. Returns `None` before the first octet.
    fn position(&self, distance: u32) -> Option<u64> {
        let expected = u32::try_from(self.next & u64::from(u32::MAX)).ok()?;
        self.next.checked_add_signed(i64::from(distance.wrapping_sub(expected).cast_signed()))
    }

    fn tell(&mut self, position: u64, waiting: Waiting<'a>, told: &mut impl FnMut(Stamp, Portion<'a>)) {
        self.last = Some(waiting.stamp);
        let known = usize::try_from(self.next - position).unwrap_or(usize::MAX);
        if let Some(new) = waiting.octets.get(known..).filter(|new| !new.is_empty()) {
            told(waiting.stamp, Portion::Octets(new));
            self.next += new.len() as u64;
        }
        let end = position + waiting.len();
        if end > self.next {
            // A whole copy of the same octets may have come later.
            match self.waiting.first_key_value() {
                Some((later, _)) if *later <= self.next => {}
                _ => {
                    told(waiting.stamp, Portion::Gap(end - self.next, CUT));
                    self.next = end;
                }
            }
        }
    }
}

impl Waiting<'_> {
    fn len(&self) -> u64 {
        self.octets.len() as u64 + u64::from(self.missing)
    }
}
