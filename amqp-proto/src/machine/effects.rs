//! [`Effects`]: the frames to send and the events to report.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::event::Event;
use super::frame_trace::{Direction, FrameTrace};
use super::output::Outbox;
use crate::codec::{Composite, Encode, EncodeError, to_usize};
use crate::types::Channel;
use crate::wire::{AmqpError, FrameKind, ProtocolHeader, write_frame};

/// The size of the largest frame before the peer has announced its maximum [2.4.1].
pub(crate) const MIN_MAX_FRAME_SIZE: u32 = 512;

/// An empty frame [2.4.5].
pub(crate) const EMPTY_FRAME: [u8; 8] = [0, 0, 0, 8, 2, 0, 0, 0];

/// Frames to write and events to poll.
#[derive(Debug)]
pub(crate) struct Effects {
    pub(crate) out: Outbox,
    pub(crate) events: VecDeque<Event>,
    pub(crate) trace: FrameTrace,
    /// The size of the largest frame that the peer accepts.
    pub(crate) max_frame_size: u32,
    /// The size of the largest SASL frame that this end sends.
    pub(crate) sasl_frame_size: u32,
    /// The number of written frames, to see whether one was written since the last check.
    pub(crate) frames: u64,
    /// `true` after the close, the last frame [2.4.3].
    pub(crate) is_mute: bool,
    /// A buffer to encode messages of unknown size; empty between uses.
    pub(crate) scratch: BytesMut,
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            out: Outbox::default(),
            events: VecDeque::new(),
            trace: FrameTrace::default(),
            max_frame_size: MIN_MAX_FRAME_SIZE,
            sasl_frame_size: MIN_MAX_FRAME_SIZE,
            frames: 0,
            is_mute: false,
            scratch: BytesMut::new(),
        }
    }
}

impl Effects {
    #[inline]
    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Reports an event, if there is one.
    pub(crate) fn tell_any(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.tell(event);
        }
    }

    /// Writes a protocol header.
    pub(crate) fn header(&mut self, header: ProtocolHeader) {
        let octets = header.to_bytes();
        self.out.tail().extend_from_slice(&octets);
        if self.trace.is_set() {
            self.trace.show(Direction::Out, &octets, 0);
        }
    }

    /// Writes a frame without payload. Writes nothing on error.
    pub(crate) fn send<T: Composite + Encode>(&mut self, channel: u16, body: &T) -> Result<(), EncodeError> {
        self.write(FrameKind::Amqp, channel, body, 0)
    }

    /// Writes a SASL frame, which may be larger than the largest AMQP frame.
    pub(crate) fn send_sasl<T: Composite + Encode>(&mut self, body: &T) -> Result<(), EncodeError> {
        let max_frame_size = core::mem::replace(&mut self.max_frame_size, self.sasl_frame_size);
        let written = self.write(FrameKind::Sasl, 0, body, 0);
        self.max_frame_size = max_frame_size;
        written
    }

    /// Writes a frame with an error, shortened if it exceeds the peer's maximum.
    pub(crate) fn send_error<T: Composite + Encode>(
        &mut self,
        channel: u16,
        error: Option<&AmqpError>,
        body: impl Fn(Option<AmqpError>) -> T,
    ) {
        self.try_errors(error, &|effects, error| effects.send(channel, &body(error)).is_ok());
    }

    /// Calls a function with an error, and with less and less of it until the function returns `true`. It stands once for
    /// all frames with errors.
    fn try_errors(&mut self, error: Option<&AmqpError>, send: &dyn Fn(&mut Self, Option<AmqpError>) -> bool) {
        let bare = error.map(|error| AmqpError::new(error.condition.clone()));
        let brief = error.cloned().map(|error| error.with_info(crate::types::Fields::new()));
        // Without an error if the application's condition is longer than a frame.
        let _ = [error.cloned(), brief, bare, None].into_iter().any(|error| send(self, error));
    }

    /// Writes a transfer frame up to its payload, which the caller adds.
    #[inline]
    pub(crate) fn send_transfer<T: Composite + Encode>(
        &mut self,
        channel: u16,
        transfer: &T,
        payload: usize,
    ) -> Result<(), EncodeError> {
        self.write(FrameKind::Amqp, channel, transfer, payload)
    }

    /// Writes an empty frame [2.4.5].
    pub(crate) fn send_empty(&mut self) {
        self.frames += 1;
        self.out.tail().extend_from_slice(&EMPTY_FRAME);
        if self.trace.is_set() {
            self.trace.show(Direction::Out, &EMPTY_FRAME, 0);
        }
    }

    #[inline]
    fn write<T: Composite + Encode>(
        &mut self,
        kind: FrameKind,
        channel: u16,
        body: &T,
        payload: usize,
    ) -> Result<(), EncodeError> {
        if self.is_mute {
            return Ok(());
        }
        let start = self.out.tail().len();
        write_frame(kind, Channel::new(channel), body, payload, self.max_frame_size, self.out.tail())?;
        self.frames += 1;
        if self.trace.is_set() {
            self.show_written(start, payload);
        }
        Ok(())
    }

    #[cold]
    fn show_written(&mut self, start: usize, payload: usize) {
        let octets = self.out.tail().get(start..).unwrap_or_default();
        let octets = Bytes::copy_from_slice(octets);
        self.trace.show(Direction::Out, &octets, payload);
    }

    /// Shows the trace the first frames of a new client, if they are not yet written.
    pub(crate) fn show_first(&mut self) {
        let mut rest = Bytes::copy_from_slice(self.out.chunk());
        if !rest.starts_with(b"AMQP") {
            return;
        }
        let mut size = ProtocolHeader::LEN;
        while size >= ProtocolHeader::LEN && size <= rest.len() {
            self.trace.show(Direction::Out, &rest.split_to(size), 0);
            let Some(next) = rest.first_chunk() else { return };
            size = to_usize(u32::from_be_bytes(*next));
        }
    }
}
