//! What a driver does: octets in, octets out, and the time.

use alloc::sync::Arc;
use std::io;

use bytes::BufMut;

use super::state::State;
use super::wake::Wake;
use super::write_buffer::{self, WriteBuffer};
use crate::machine::Reading;
use crate::types::Moment;

impl<W: Wake> State<W> {
    /// Does what is due by the clock, and looks at what has happened.
    pub fn run(&mut self) {
        let now = self.now();
        self.writer.set_awake();
        self.engine.handle_deadline(now);
        self.ring(now);
        self.dispatch();
        self.writer.knows = self.end_so_far();
    }

    /// Returns whether input is wanted.
    pub fn reading(&self) -> Reading {
        self.engine.reading()
    }

    /// Returns spare buffer space to read into; never empty. [`received`](Self::received) tells that something was read.
    pub fn input(&mut self) -> impl BufMut + '_ {
        self.engine.input()
    }

    /// Takes what was read into [`input`](Self::input).
    pub fn received(&mut self) {
        let now = self.now();
        self.engine.received(now);
        self.dispatch();
    }

    /// Takes octets that were read elsewhere, by copying.
    pub fn receive(&mut self, octets: &[u8]) {
        let now = self.now();
        self.engine.receive(now, octets);
        self.dispatch();
    }

    /// Notes that no more will be read, and why if the transport broke.
    pub fn end_of_input(&mut self, failure: Option<io::Error>) {
        self.broke(failure);
        self.engine.end_of_input();
        self.dispatch();
    }

    /// Notes what the operating system said when the transport broke. The first words count.
    fn broke(&mut self, failure: Option<io::Error>) {
        if let Some(failure) = failure {
            self.io.get_or_insert_with(|| Arc::new(failure));
        }
    }

    /// Returns whether the connection is over: what is left of the output is still to be written.
    pub fn is_over(&self) -> bool {
        self.engine.is_over()
    }

    /// Returns whether there is output that nobody writes yet.
    pub fn has_output(&self) -> bool {
        self.write_buffer
            .as_ref()
            .is_some_and(|write_buffer| !write_buffer.is_done() || self.engine.has_output())
    }

    /// Returns how many octets of output there are, without what waits to be merged.
    pub fn output_len(&self) -> usize {
        self.engine.output_len()
    }

    /// Returns how often handles have used the state.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Returns whether this turn has woken a waiter.
    pub fn has_woken(&self) -> bool {
        !self.wakes.is_empty()
    }

    /// Takes output to be written, unless somebody else writes or there is none. Whoever takes it brings the write buffer
    /// back.
    pub fn take_outlet(&mut self) -> Option<WriteBuffer> {
        let mut write_buffer = self.write_buffer.take()?;
        if write_buffer.is_empty() {
            write_buffer.fill(&mut self.engine);
            // Room in the output may be what a sender waits for.
            self.dispatch();
            self.wake_unwritten();
        }
        if write_buffer.is_done() {
            self.write_buffer = Some(write_buffer);
            return None;
        }
        Some(write_buffer)
    }

    /// Brings the write buffer back: written, or with what could not be written yet. After a failure nothing more can be
    /// written, and what it holds is dropped.
    pub fn put_back(&mut self, mut write_buffer: WriteBuffer, failure: Option<io::Error>) {
        if failure.is_some() {
            write_buffer.discard();
            (self.is_broken, self.is_cut) = (true, true);
            self.broke(failure);
        }
        self.write_buffer = Some(write_buffer);
        self.line.wake_all(&mut self.wakes);
    }

    /// Notes that there was output that could not be written.
    pub fn set_cut(&mut self) {
        self.is_cut = true;
    }

    /// Returns whether all that was accepted is written, the close included, or cannot be.
    pub(super) fn is_out(&self) -> bool {
        self.is_broken || (!self.engine.is_closing() && self.is_written())
    }

    /// Returns whether the write buffer holds what could not be written for now.
    pub fn is_stuck(&self) -> bool {
        self.write_buffer.as_ref().is_some_and(|write_buffer| !write_buffer.is_done())
    }

    /// Gives writing up: what could not be written for now is not going to be.
    pub fn give_up(&mut self) {
        if let Some(write_buffer) = self.write_buffer.take() {
            self.put_back(write_buffer, Some(io::ErrorKind::TimedOut.into()));
        }
    }

    /// Returns whether nothing more can or need be written.
    pub fn is_through(&self) -> bool {
        self.is_broken || (self.engine.is_over() && self.is_written())
    }

    /// Returns whether the driver has something to do at once, beside reading.
    pub fn has_work(&self) -> bool {
        self.has_output() || self.engine.reading() == Reading::Events
    }

    /// Returns whether the write buffer is there and has nothing left to write, and there is no more output.
    pub fn is_written(&self) -> bool {
        self.write_buffer.as_ref().is_some_and(WriteBuffer::is_done) && !self.engine.has_output()
    }

    /// Drops all output, which cannot be written any more, and looks at what had to wait for it.
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

    /// Wakes those who wait until their messages are written.
    fn wake_unwritten(&mut self) {
        for slot in core::mem::take(&mut self.unwritten) {
            if let Some(link) = self.links.get_mut(slot) {
                link.line.wake_all(&mut self.wakes);
                link.turns.wake_first(&mut self.wakes);
            }
        }
    }

    /// Notes that the driver sleeps until it is called or, by itself, until the alarm.
    pub fn sleep(&mut self, driver: &W, alarm: Option<Moment>) {
        let spent = self.writer.sleep(driver, alarm);
        self.spent.extend(spent);
    }

    /// Notes that a thread that only reads sleeps until output was taken.
    pub fn sleep_reading(&mut self, reader: &W) {
        let spent = self.reader.sleep(reader, None);
        self.spent.extend(spent);
    }

    /// Notes that the transport is done with: all that could be written is.
    pub fn set_done(&mut self) {
        self.is_done = true;
        self.line.wake_all(&mut self.wakes);
    }

    /// Returns whether the connection is over, and whether the transport takes no more output.
    fn end_so_far(&self) -> (bool, bool) {
        (self.engine.is_over(), self.is_broken)
    }

    /// Returns whether the driver is to be woken: it sleeps, and has something to do.
    pub(super) fn calls_writer(&self) -> bool {
        self.writer.is_asleep()
            && (self.has_work()
                || self.end_so_far() != self.writer.knows
                || self.next_deadline().is_some_and(|by| self.writer.sleeps_beyond(by)))
    }

    /// Returns whether the thread that only reads is to be woken: it sleeps, and input is wanted again.
    pub(super) fn calls_reader(&self) -> bool {
        self.reader.is_asleep() && self.engine.reading() != Reading::Output
    }
}
