//! [`WriteBuffer`]: output between an engine and a transport.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf, Bytes};

use super::write_here::WriteHere;
use crate::connection::Connection as Engine;

/// The greatest number of pieces in one vectored write.
const PIECES: usize = 64;

/// Output that was taken from an engine and is not yet written.
///
/// A thread that writes holds the buffer meanwhile. So one thread writes at a time, in the order of the
/// output, and the state is not locked during a system call.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    pieces: VecDeque<Bytes>,
    needs_flush: bool,
    /// The way in which a waiter writes.
    here: Option<WriteHere>,
    /// The number of the transport.
    transport: u32,
}

impl WriteBuffer {
    pub(super) fn new(here: Option<WriteHere>, transport: u32) -> Self {
        Self { here, transport, ..Self::default() }
    }

    pub(super) fn here(&self) -> Option<&WriteHere> {
        self.here.as_ref()
    }

    /// Returns `true` if the buffer is for the transport with this number.
    pub(super) fn is_for(&self, transport: u32) -> bool {
        self.transport == transport
    }

    /// Writes as much as possible at once, for a waiter.
    pub(super) fn write_here(&mut self) -> io::Result<()> {
        let Some(here) = self.here.take() else { return Ok(()) };
        let written = here.write(self);
        self.here = Some(here);
        written
    }

    /// Returns `true` if the buffer is empty and the transport is flushed.
    pub fn is_done(&self) -> bool {
        self.pieces.is_empty() && !self.needs_flush
    }

    /// Returns `true` if the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes the engine's output, which ends with a whole frame.
    pub fn fill(&mut self, engine: &mut Engine) {
        let mut output = engine.output();
        // Taking output makes room, so the engine may add more meanwhile.
        let mut left = output.remaining();
        while left > 0 {
            let octets = output.chunk().len().min(left);
            self.pieces.push_back(output.copy_to_bytes(octets));
            left -= octets;
        }
    }

    /// Adds an empty frame. The buffer must end with a whole frame [2.4.5].
    pub fn beat(&mut self) {
        self.pieces.push_back(Bytes::from_static(&Engine::HEARTBEAT));
    }

    /// Writes all octets with a function that writes slices and returns the number of written octets. The function is
    /// called again if it is interrupted.
    ///
    /// # Errors
    ///
    /// The function's first error. The octets that are not written stay in the buffer.
    pub fn write_with(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let pairs = slices.iter_mut().zip(&self.pieces);
            let count = pairs.map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
            match write(slices.get(..count).unwrap_or_default()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(octets) => self.written(octets),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes written octets.
    fn written(&mut self, mut octets: usize) {
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

    /// Records that the transport has flushed its output.
    pub fn flushed(&mut self) {
        self.needs_flush = false;
    }

    /// Drops the octets, which cannot be written.
    pub fn discard(&mut self) {
        self.pieces.clear();
        self.needs_flush = false;
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
