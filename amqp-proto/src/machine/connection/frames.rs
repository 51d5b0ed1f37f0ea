//! Received headers and frames, and their dispatch to the session or layer that they belong to.

use super::lenient_close::{is_close, read_leniently};
use super::security::{Handshake, HandshakeStep};
use super::{Machine, Step};
use crate::machine::delivery::{Arrived, UsualTransfer};
use crate::machine::endpoints::Endpoints;
use crate::machine::fault::ConnectionFault;
use crate::machine::frame_trace::Direction;
use crate::machine::halves::Half;
use crate::machine::input::PlainFrame;
use crate::wire::{Frame, FrameKind, Performative, ProtocolHeader, ProtocolId, RawFrame};

impl Machine {
    pub(super) fn step_header(&mut self) -> Step {
        match self.input.header() {
            Ok(Some(header)) => {
                self.timers.hear();
                if self.endpoints.fx.trace.is_set() {
                    self.endpoints.fx.trace.show(Direction::In, &header.to_bytes(), 0);
                }
                self.on_header(header);
                Step::Done
            }
            Ok(None) => self.step_end(),
            Err(_) => {
                let is_client = self.handshake.own_header().is_none();
                self.mismatch(format_args!("{}", stranger(self.input.first(), is_client)));
                Step::Done
            }
        }
    }

    fn on_header(&mut self, header: ProtocolHeader) {
        let hostname = self.options.hostname.clone();
        let rounds = self.options.limits.sasl_rounds();
        let outcome = self.handshake.on_header(header, hostname.as_ref(), rounds, &mut self.endpoints.fx);
        self.after_layer(outcome);
    }

    fn after_layer(&mut self, step: HandshakeStep) {
        match step {
            HandshakeStep::Wait | HandshakeStep::Amqp => {
                // A client's open follows its header at once.
                if let Handshake::Answer { sent: ProtocolHeader::AMQP, .. } = self.handshake {
                    self.send_open();
                }
            }
            HandshakeStep::Mismatch(header) => {
                let is_client = self.handshake.own_header().is_none();
                let hint = if is_client { mismatch_hint(header) } else { "" };
                self.mismatch(format_args!("the peer speaks {header}{hint}"));
            }
            HandshakeStep::Failed(failure) => self.unauthenticated(failure),
            HandshakeStep::Broken(reason) => self.finish(*reason),
        }
    }

    /// Handles a frame after the protocol header of AMQP.
    pub(super) fn on_frame(&mut self, frame: RawFrame) -> Step {
        self.timers.hear();
        self.show(&frame);
        let channel = frame.header.channel.get();
        if self.remote == Half::Open
            && channel <= self.endpoints.limits.channel_max()
            && let Some(list) = frame.transfer_list()
        {
            return match self.on_transfer(channel, frame, list) {
                Ok(Some(arrived)) => Step::Told(arrived),
                Ok(None) => Step::Done,
                Err(fault) => self.on_fault(&fault),
            };
        }
        match self.on_any_frame(channel, frame) {
            Ok(()) => Step::Done,
            Err(fault) => self.on_fault(&fault),
        }
    }

    /// Handles a transfer in the short way, if the next frame is one and is usual, or the end of the input within a
    /// frame. Otherwise changes nothing.
    #[inline(always)] // called in one place
    pub(super) fn take_usual(&mut self) -> Option<Step> {
        if cfg!(feature = "small") {
            return None;
        }
        let PlainFrame { channel, body } = self.input.plain_frame(self.frame_size)?;
        let Some(body) = body else { return Some(self.step_end()) };
        let (transfer, offset) = UsualTransfer::read(body)?;
        if self.remote != Half::Open || self.endpoints.fx.trace.is_set() {
            return None;
        }
        let octets = body.len() - offset;
        let head = PlainFrame::HEADER_LEN + offset;
        let arrived = self.endpoints.take_usual(channel, transfer, (head, octets), &mut self.input)?;
        self.timers.hear();
        Some(Step::Told(arrived))
    }

    /// Handles a transfer.
    fn on_transfer(
        &mut self,
        channel: u16,
        frame: RawFrame,
        list: usize,
    ) -> Result<Option<Arrived>, ConnectionFault> {
        match frame.decode_transfer(list, &self.endpoints.limits) {
            Ok((transfer, payload)) => match self.endpoints.resumption.filter(|_| transfer.resume) {
                Some(hooks) => (hooks.on_resuming_frame)(&mut self.endpoints, channel, &transfer, payload),
                None => self.endpoints.on_transfer_frame(channel, &transfer, payload),
            },
            Err(error) => Err(ConnectionFault::Octets(error)),
        }
    }

    fn show(&mut self, frame: &RawFrame) {
        if self.endpoints.fx.trace.is_set() {
            self.endpoints.fx.trace.show(Direction::In, &frame.octets, 0);
        }
    }

    fn on_any_frame(&mut self, channel: u16, frame: RawFrame) -> Result<(), ConnectionFault> {
        if frame.header.kind == FrameKind::Sasl {
            return Err(ConnectionFault::SaslFrame);
        }
        if channel > self.endpoints.limits.channel_max() {
            return Err(ConnectionFault::ChannelMax(channel));
        }
        let odd = is_close(&frame).then(|| frame.clone());
        let frame = match frame.decode_amqp(&self.endpoints.limits) {
            Ok(frame) => frame,
            Err(error) => {
                let close = odd.filter(|_| self.remote == Half::Open);
                let close = close.and_then(|frame| read_leniently(frame, &self.endpoints.limits));
                self.on_close(close.ok_or(ConnectionFault::Octets(error))?);
                return Ok(());
            }
        };
        match frame {
            Frame::Amqp { performative, payload, .. } if self.remote == Half::Open => match performative {
                Performative::Open(_) => Err(ConnectionFault::SecondOpen),
                Performative::Close(close) => {
                    self.on_close(close);
                    Ok(())
                }
                performative => self.endpoints.on_frame(channel, performative, payload),
            },
            Frame::Amqp { performative: Performative::Open(open), .. } => self.on_open(channel, &open),
            Frame::Amqp { performative, .. } => Err(ConnectionFault::NotOpen(performative.name())),
            Frame::Empty { .. } if self.remote == Half::Unopened => {
                Err(ConnectionFault::NotOpen("empty frame"))
            }
            Frame::Empty { .. } => Ok(()),
            Frame::Sasl(_) => Err(ConnectionFault::SaslFrame),
        }
    }

    /// Handles a frame of the SASL layer.
    pub(super) fn on_sasl_frame(&mut self, frame: RawFrame) {
        self.timers.hear();
        self.show(&frame);
        let Endpoints { fx, limits, .. } = &mut self.endpoints;
        let (outcome, identity) = self.handshake.on_frame(frame, limits, fx);
        self.identity = identity.or(self.identity.take());
        self.after_layer(outcome);
    }
}

/// Returns advice for a client whose server answers with another protocol.
fn mismatch_hint(header: ProtocolHeader) -> &'static str {
    match header {
        ProtocolHeader::AMQP => " without SASL: connect without it, too",
        ProtocolHeader::SASL => ": it wants this client to authenticate",
        ProtocolHeader { id: ProtocolId::Tls, .. } => ": connect by amqps://",
        ProtocolHeader { id: ProtocolId::Amqp, .. } => {
            ", and this is AMQP 1.0.0: is that switched on at the server?"
        }
        _ => "",
    }
}

/// Guesses the peer's protocol from its first octet, for the error message. The first octet of TLS is the
/// type of a record: alert (21) or handshake (22).
fn stranger(first: Option<u8>, is_client: bool) -> &'static str {
    match first {
        Some(21 | 22) if is_client => {
            "the peer does not speak AMQP, it seems to speak TLS: connect by amqps://"
        }
        Some(21 | 22) => "the peer does not speak AMQP, it seems to speak TLS",
        Some(b'H') if is_client => {
            "the peer does not speak AMQP, it seems to speak HTTP: AMQP has a port of its own, mostly 5672"
        }
        Some(b'H') => "the peer does not speak AMQP, it seems to speak HTTP",
        _ => "the peer does not speak AMQP",
    }
}
