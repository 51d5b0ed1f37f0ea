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
    /// Sizes of the portions in which octets move, used in turn. If empty, all octets move at once.
    portions: Vec<usize>,
    turn: usize,
    delay: u64,
    way: VecDeque<(Moment, Bytes)>,
    /// Octets still to be delivered before the line is cut.
    left: Option<u64>,
    is_stalled: bool,
    /// True once the reader has been told that no more octets come.
    is_ended: bool,
    /// Splits the octets of the writer into frames, for the trace.
    frames: Deframer,
}

impl Line {
    /// Sets the sizes of the portions in which octets move; they are used in turn. With no sizes, all octets move at
    /// once.
    pub fn set_portions(&mut self, portions: &[usize]) {
        self.portions = portions.iter().map(|octets| (*octets).max(1)).collect();
        self.turn = 0;
    }

    /// Sets the delay of octets in milliseconds. Octets that are already on the way keep their delay.
    pub fn set_delay(&mut self, millis: u64) {
        self.delay = millis;
    }

    /// Stops delivery to the reader, so that the output of the writer piles up.
    pub fn stall(&mut self) {
        self.is_stalled = true;
    }

    /// Resumes delivery to the reader.
    pub fn resume(&mut self) {
        self.is_stalled = false;
    }

    /// Delivers this number of octets more, then reports the end of input to the reader.
    pub fn cut_after(&mut self, octets: u64) {
        self.left = Some(octets);
    }

    /// Returns the number of octets on the way.
    pub fn len(&self) -> usize {
        self.way.iter().map(|(_, octets)| octets.len()).sum()
    }

    /// Returns whether no octets are on the way.
    pub fn is_empty(&self) -> bool {
        self.way.is_empty()
    }

    /// Takes the output of one end and delivers octets that are due to the other end. Returns whether anything moved.
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
        // Space in the output can make a sender sendable.
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

    /// Returns the time of the next delivery, if the reader takes input.
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
            octets = rest;
            to.received(now);
            to.poll();
        }
    }
}

/// The frames sent by both ends, in order.
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
