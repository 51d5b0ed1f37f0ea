//! [`Line`]: one direction of the way between two ends.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::BufMut;
use bytes::{Buf, Bytes};

use super::end::End;
use crate::machine::{Direction, Reading, TracedFrame};
use crate::types::Moment;
use crate::wire::Deframer;

/// One direction of a [`Pair`](super::Pair): octets that have left one end and not reached the other.
#[derive(Debug, Default)]
pub struct Line {
    /// In portions of how many octets they move, in turn; all at once, if there are none.
    portions: Vec<usize>,
    turn: usize,
    delay: u64,
    way: VecDeque<(Moment, Bytes)>,
    /// How many octets are delivered before it is cut.
    left: Option<u64>,
    is_stalled: bool,
    /// Whether the reader was told that no more comes.
    is_ended: bool,
    /// Where the frames in what is taken are found.
    frames: Deframer,
}

impl Line {
    /// Has octets moved in portions of so many, over and over; in one portion, if none are named.
    pub fn set_portions(&mut self, portions: &[usize]) {
        self.portions = portions.iter().map(|octets| (*octets).max(1)).collect();
        self.turn = 0;
    }

    /// Has octets take so many milliseconds. Those on the way arrive when they were to.
    pub fn set_delay(&mut self, millis: u64) {
        self.delay = millis;
    }

    /// The reader takes nothing any more, and so the writer's output piles up.
    pub fn stall(&mut self) {
        self.is_stalled = true;
    }

    /// The reader reads again.
    pub fn resume(&mut self) {
        self.is_stalled = false;
    }

    /// Delivers so many octets more, then tells the reader that no more come.
    pub fn cut_after(&mut self, octets: u64) {
        self.left = Some(octets);
    }

    /// Returns how many octets are on the way.
    pub fn len(&self) -> usize {
        self.way.iter().map(|(_, octets)| octets.len()).sum()
    }

    /// Returns whether nothing is on the way.
    pub fn is_empty(&self) -> bool {
        self.way.is_empty()
    }

    /// Takes what one end wants written, and delivers what is due to the other; whether anything moved.
    pub(super) fn carry(
        &mut self,
        from: &mut End,
        to: &mut End,
        now: Moment,
        most: usize,
        seen: &mut Seen,
    ) -> bool {
        if self.is_stalled && self.left != Some(0) {
            return false;
        }
        let mut moves = self.take(from, now, most, seen);
        // Room in the output may be news to a sender.
        moves |= from.poll();
        if self.left == Some(0) {
            self.way.clear();
        }
        while self.is_due(now) && to.takes_input() {
            let Some((_, octets)) = self.way.pop_front() else { break };
            self.deliver(&octets, to, now);
            moves = true;
        }
        let is_cut =
            self.left == Some(0) || (from.is_over() && self.way.is_empty() && !from.output().has_remaining());
        if is_cut && !self.is_ended {
            self.is_ended = true;
            to.end_of_input();
            to.poll();
            moves = true;
        }
        moves
    }

    /// When something arrives that the reader takes.
    pub(super) fn next_arrival(&self, to: &End) -> Option<Moment> {
        self.way.front().map(|(at, _)| *at).filter(|_| !self.is_stalled && to.takes_input())
    }

    fn is_due(&self, now: Moment) -> bool {
        self.way.front().is_some_and(|(at, _)| *at <= now)
    }

    fn take(&mut self, from: &mut End, now: Moment, most: usize, seen: &mut Seen) -> bool {
        let mut output = from.output();
        let mut left = most;
        while output.has_remaining() && left > 0 {
            let portion = self.portions.get(self.turn).copied().unwrap_or(usize::MAX);
            self.turn = (self.turn + 1).checked_rem(self.portions.len()).unwrap_or(0);
            let octets = output.copy_to_bytes(portion.min(output.remaining()).min(left));
            left -= octets.len();
            if seen.is_on {
                self.frames.input().extend_from_slice(&octets);
            }
            self.way.push_back((now.after(self.delay), octets));
        }
        seen.look(&mut self.frames, from.name());
        let is_taken = !from.output().has_remaining();
        assert!(
            !(is_taken && from.has_output()),
            "the {} says that it has output, and has none",
            from.name()
        );
        left < most
    }

    fn deliver(&mut self, octets: &[u8], to: &mut End, now: Moment) {
        let most = self.left.map_or(octets.len(), |left| usize::try_from(left).unwrap_or(usize::MAX));
        let mut octets = octets.get(..most).unwrap_or(octets);
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(octets.len() as u64);
        }
        while !octets.is_empty() && to.reading() != Reading::Over {
            let mut room = to.input();
            let count = room.remaining_mut().min(octets.len());
            let (now_in, rest) = octets.split_at(count);
            room.put_slice(now_in);
            drop(room);
            octets = rest;
            to.received(now);
            to.poll();
        }
    }
}

/// The frames that both ends have sent, in order.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) is_on: bool,
    frames: Vec<(&'static str, Bytes)>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { is_on: true, frames: Vec::new() }
    }

    fn look(&mut self, frames: &mut Deframer, from: &'static str) {
        loop {
            let octets = if frames.remaining().starts_with(b"AMQP") {
                frames.next_header().ok().flatten().map(|header| Bytes::copy_from_slice(&header.to_bytes()))
            } else {
                frames.next_frame(u32::MAX).ok().flatten().map(|frame| frame.octets)
            };
            match octets {
                Some(octets) => self.frames.push((from, octets)),
                None => return,
            }
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(from, octets): &(&str, Bytes)| {
            format!("{from} {}", TracedFrame::new(Direction::Out, octets, 0))
        };
        self.frames.iter().map(line).collect()
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
    }
}
