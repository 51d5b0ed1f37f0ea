//! The driver's side of the state: input, output, and time.

use alloc::sync::Arc;
use std::io;

use super::state::State;
use super::wake::Wake;
use super::write_buffer::{self, WriteBuffer};
use crate::connection::Input;
use crate::machine::Reading;
use crate::types::Moment;

impl<W: Wake> State<W> {
    /// Does what is due by the clock, and handles events.
    pub fn run(&mut self) {
        let now = self.now();
        self.writer.set_awake();
        self.engine.handle_deadline(now);
        self.ring(now);
        self.dispatch();
        self.writer.knows = self.end_so_far();
    }

    /// Returns whether the engine wants input and, if not, what must happen first.
    pub fn reading(&self) -> Reading {
        self.engine.reading()
    }

    /// Returns spare buffer space to read into; never empty. [`received`](Self::received) reports a read.
    pub fn input(&mut self) -> Input<'_> {
        self.engine.input()
    }

    /// Reports that octets were read into [`input`](Self::input).
    pub fn received(&mut self) {
        let now = self.now();
        self.engine.received(now);
        self.dispatch();
    }

    /// Takes a copy of octets that were read elsewhere.
    pub fn receive(&mut self, octets: &[u8]) {
        let now = self.now();
        self.engine.receive(now, octets);
        self.dispatch();
    }

    /// Reports the end of the input, with the transport's error if it has failed.
    pub fn end_of_input(&mut self, failure: Option<io::Error>) {
        self.broke(failure);
        self.engine.end_of_input();
        self.dispatch();
    }

    /// Records the transport's error. The first one counts.
    fn broke(&mut self, failure: Option<io::Error>) {
        if let Some(failure) = failure {
            self.io.get_or_insert_with(|| Arc::new(failure));
        }
    }

    /// Returns `true` if the connection is over; the rest of the output should still be written.
    pub fn is_over(&self) -> bool {
        self.engine.is_over()
    }

    /// Returns `true` if there is output that no thread writes yet.
    pub fn has_output(&self) -> bool {
        self.write_buffer
            .as_ref()
            .is_some_and(|write_buffer| !write_buffer.is_done() || self.engine.has_output())
    }

    /// Returns the number of octets to write, without dispositions and flows that wait to be merged.
    pub fn output_len(&self) -> usize {
        self.engine.output_len()
    }

    /// Returns the number of times that handles have used the state.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Returns the number of waiters that this turn wakes.
    pub fn woken(&self) -> usize {
        self.wakes.len()
    }

    /// Takes the write buffer with output to write, unless another thread has it or there is no output.
    ///
    /// The caller returns the buffer with [`put_back`](Self::put_back).
    pub fn take_outlet(&mut self) -> Option<WriteBuffer> {
        let mut write_buffer = self.write_buffer.take()?;
        if write_buffer.is_empty() {
            write_buffer.fill(&mut self.engine);
            // A sender may wait for room in the output.
            self.dispatch();
            self.wake_unwritten();
        }
        if write_buffer.is_done() {
            self.write_buffer = Some(write_buffer);
            return None;
        }
        Some(write_buffer)
    }

    /// Takes the write buffer for a waiter, if it may write now. Otherwise the driver writes.
    pub(super) fn take_for_waiter(&mut self) -> Option<WriteBuffer> {
        let here = self.write_buffer.as_ref()?.here()?;
        let is_free = here.writes_beside_driver()
            || (self.writer.is_asleep() && !self.is_done && self.engine.reading() != Reading::Events);
        if is_free && !self.is_broken && !self.is_stuck() { self.take_outlet() } else { None }
    }

    /// Returns the write buffer, with the octets that could not be written at once. After a failure the
    /// octets are dropped, and nothing more is written.
    pub fn put_back(&mut self, mut write_buffer: WriteBuffer, failure: Option<io::Error>) {
        if !write_buffer.is_for(self.transport) {
            // That transport was replaced meanwhile.
            return;
        }
        if failure.is_some() {
            write_buffer.discard();
            (self.is_broken, self.is_cut) = (true, true);
            self.broke(failure);
        }
        self.write_buffer = Some(write_buffer);
        if !self.engine.is_open() {
            // Handles wait until the close is written.
            self.line.wake_all(&mut self.wakes);
        }
    }

    /// Records that output was lost.
    pub fn set_cut(&mut self) {
        self.is_cut = true;
    }

    /// Returns `true` if the transport accepts no more output.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Returns `true` if all output, the close included, is written or cannot be written.
    pub(super) fn is_out(&self) -> bool {
        self.is_broken || (!self.engine.is_closing() && self.is_written())
    }

    /// Returns `true` if the write buffer holds octets that could not be written at once.
    pub fn is_stuck(&self) -> bool {
        self.write_buffer.as_ref().is_some_and(|write_buffer| !write_buffer.is_done())
    }

    /// Gives up writing: drops the octets that could not be written at once.
    pub fn give_up(&mut self) {
        if let Some(write_buffer) = self.write_buffer.take() {
            self.put_back(write_buffer, Some(io::ErrorKind::TimedOut.into()));
        }
    }

    /// Returns `true` if nothing more can or must be written.
    pub fn is_through(&self) -> bool {
        self.is_broken || (self.engine.is_over() && self.is_written())
    }

    /// Returns `true` if the driver has work other than reading.
    pub fn has_work(&self) -> bool {
        self.has_output() || self.engine.reading() == Reading::Events
    }

    /// Returns `true` if the write buffer is empty and not taken, and there is no more output.
    pub fn is_written(&self) -> bool {
        self.write_buffer.as_ref().is_some_and(WriteBuffer::is_done) && !self.engine.has_output()
    }

    /// Drops all output, which cannot be written, and handles the events that waited for it.
    pub fn discard_output(&mut self) {
        if let Some(write_buffer) = &mut self.write_buffer {
            write_buffer.discard();
        }
        loop {
            write_buffer::discard(&mut self.engine);
            self.dispatch();
            if !self.engine.has_output() || self.engine.reading() == Reading::Events {
                break;
            }
        }
        self.wake_unwritten();
    }

    /// Wakes the waiters for the writing of messages.
    pub(super) fn wake_unwritten(&mut self) {
        for slot in core::mem::take(&mut self.unwritten) {
            if let Some(link) = self.links.get_mut(slot) {
                link.line.wake_all(&mut self.wakes);
                link.turns.wake_first(&mut self.wakes);
            }
        }
    }

    /// Records that the driver sleeps until it is woken, or until `alarm`.
    pub fn sleep(&mut self, driver: &W, alarm: Option<Moment>) {
        let spent = self.writer.sleep(driver, alarm);
        self.spent.extend(spent);
    }

    /// Records that a thread that only reads sleeps until output was taken.
    pub fn sleep_reading(&mut self, reader: &W) {
        let spent = self.reader.sleep(reader, None);
        self.spent.extend(spent);
    }

    /// Records that the transport is closed.
    pub fn set_done(&mut self) {
        self.is_done = true;
        self.line.wake_all(&mut self.wakes);
    }

    /// Returns whether the connection is over, and whether the transport accepts no more output.
    fn end_so_far(&self) -> (bool, bool) {
        (self.engine.is_over(), self.is_broken)
    }

    /// Returns `true` if the driver sleeps and has work.
    pub(super) fn calls_writer(&self) -> bool {
        self.writer.is_asleep()
            && (self.has_work()
                || self.end_so_far() != self.writer.knows
                || self.next_deadline().is_some_and(|by| self.writer.sleeps_beyond(by)))
    }

    /// Returns `true` if the thread that only reads sleeps and input is wanted again.
    pub(super) fn calls_reader(&self) -> bool {
        self.reader.is_asleep() && self.engine.reading() != Reading::Output
    }
}
