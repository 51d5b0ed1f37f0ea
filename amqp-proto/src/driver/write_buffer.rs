//! [`WriteBuffer`]: output on its way from an engine to a transport.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::connection::Connection as Engine;

/// How many pieces of output are given to the operating system at a time.
pub const PIECES: usize = 64;

/// Output that was taken from an engine and is not with the operating system yet.
///
/// Whoever writes holds the write buffer meanwhile. So one writes at a time, in the order of the output, and the state is not
/// locked while the operating system works.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    pieces: VecDeque<Bytes>,
    needs_flush: bool,
}

impl WriteBuffer {
    /// Returns whether all that was taken is written and flushed.
    pub fn is_done(&self) -> bool {
        self.pieces.is_empty() && !self.needs_flush
    }

    /// Returns whether all that was taken is written.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes the output that an engine has, which ends with a frame.
    pub fn fill(&mut self, engine: &mut Engine) {
        let mut output = engine.output();
        // Where that makes room, more may be added meanwhile.
        let mut left = output.remaining();
        while left > 0 {
            let octets = output.chunk().len().min(left);
            self.pieces.push_back(output.copy_to_bytes(octets));
            left -= octets;
        }
    }

    /// Adds an empty frame, behind whole frames only [2.4.5].
    pub fn beat(&mut self) {
        self.pieces.push_back(Bytes::from_static(&Engine::HEARTBEAT));
    }

    /// Lays the pieces out for a vectored write.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pairs = slices.iter_mut().zip(&self.pieces);
        pairs.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    /// Notes that so many octets are written.
    pub fn written(&mut self, mut octets: usize) {
        self.needs_flush |= octets > 0;
        while let Some(piece) = self.pieces.front_mut() {
            if octets < piece.len() {
                piece.advance(octets);
                return;
            }
            octets -= piece.len();
            self.pieces.pop_front();
        }
    }

    /// Notes that the transport has flushed what was written.
    pub fn flushed(&mut self) {
        self.needs_flush = false;
    }

    /// Drops what was taken: it cannot be written any more.
    pub fn discard(&mut self) {
        *self = Self::default();
    }
}

/// Drops all output of an engine.
pub(super) fn discard(engine: &mut Engine) {
    let mut output = engine.output();
    while output.has_remaining() {
        let octets = output.remaining();
        output.advance(octets);
    }
}
