//! The layers before AMQP: protocol headers, and SASL if it is configured [2.2] [5.3].

use alloc::boxed::Box;
use core::fmt;

use crate::codec::EncodeError;
use crate::machine::effects::Effects;
use crate::machine::reason::Reason;
use crate::sasl::{ClientDialogue, Identity, Next, SaslFailure, ServerDialogue};
use crate::types::{Limits, Str};
use crate::wire::{FrameKind, ProtocolHeader, RawFrame, SaslBody};

/// The role of this end, and its SASL layer, if it has one.
#[derive(Debug)]
pub(crate) enum Security {
    Client(Option<Box<dyn SaslLayer>>),
    Server(Option<Box<dyn SaslLayer>>),
}

/// The SASL layer of this end. The types of layers are named by the calls that make a connection with one, so a program is
/// linked with those that it uses.
pub(crate) trait SaslLayer: Send {
    /// Returns `true` if clients may skip SASL.
    fn is_optional(&self) -> bool;

    /// Begins the dialogue, once both headers are known. A server sends its mechanisms.
    fn begin(&mut self, hostname: Option<&Str>, rounds: u32, fx: &mut Effects) -> Result<(), SaslFailure>;

    /// Handles a frame of the peer.
    fn on_frame(&mut self, frame: RawFrame, limits: &Limits, fx: &mut Effects) -> SaslStep;
}

// Not a supertrait: every program with the trait would be linked with the formatting of all that is in there.
impl fmt::Debug for dyn SaslLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SaslLayer")
    }
}

/// The result of a SASL frame.
pub(crate) enum SaslStep {
    /// The dialogue continues.
    Wait,
    /// The headers of AMQP follow.
    Done(Identity),
    Failed(SaslFailure),
    /// The frame is none of SASL.
    Broken(Box<Reason>),
}

/// The state of the layers before AMQP.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// This end, the client, has sent a header and waits for the server's.
    Answer { sent: ProtocolHeader, sasl: Option<Box<dyn SaslLayer>> },
    /// This end, the server, waits for the client's header.
    Wait { sasl: Option<Box<dyn SaslLayer>> },
    /// SASL frames follow.
    Sasl { layer: Box<dyn SaslLayer>, is_client: bool },
    /// AMQP frames follow.
    Amqp,
}

/// The result of a header or a SASL frame.
pub(crate) enum HandshakeStep {
    /// The handshake continues.
    Wait,
    /// AMQP begins. A client's open follows its header.
    Amqp,
    /// The peer speaks another protocol.
    Mismatch(ProtocolHeader),
    Failed(SaslFailure),
    /// The peer breaks the rules of the layer.
    Broken(Box<Reason>),
}

impl Handshake {
    pub(crate) fn new(security: Security, fx: &mut Effects) -> Self {
        match security {
            Security::Client(None) => Self::answer(ProtocolHeader::AMQP, None, fx),
            Security::Client(sasl) => Self::answer(ProtocolHeader::SASL, sasl, fx),
            Security::Server(sasl) => Self::Wait { sasl },
        }
    }

    fn answer(sent: ProtocolHeader, sasl: Option<Box<dyn SaslLayer>>, fx: &mut Effects) -> Self {
        fx.header(sent);
        Self::Answer { sent, sasl }
    }

    /// Returns `true` if a protocol header comes next, `false` for a frame.
    pub(crate) fn wants_header(&self) -> bool {
        matches!(self, Self::Answer { .. } | Self::Wait { .. })
    }

    /// Returns `true` if this end has sent a header and the peer has not answered.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }

    /// Returns the header that announces this end's protocol to a peer with another one.
    pub(crate) fn own_header(&self) -> Option<ProtocolHeader> {
        match self {
            Self::Wait { sasl: Some(_) } => Some(ProtocolHeader::SASL),
            Self::Wait { sasl: None } => Some(ProtocolHeader::AMQP),
            // The header was sent already.
            Self::Answer { .. } | Self::Sasl { .. } | Self::Amqp => None,
        }
    }

    /// Handles a protocol header of the peer.
    pub(crate) fn on_header(
        &mut self,
        header: ProtocolHeader,
        hostname: Option<&Str>,
        rounds: u32,
        fx: &mut Effects,
    ) -> HandshakeStep {
        let (mut layer, is_client) = match core::mem::replace(self, Self::Amqp) {
            Self::Answer { sent, sasl } if sent == header => match sasl {
                Some(sasl) => (sasl, true),
                None => return HandshakeStep::Amqp,
            },
            Self::Wait { sasl: Some(sasl) } if header == ProtocolHeader::SASL => {
                fx.header(ProtocolHeader::SASL);
                (sasl, false)
            }
            Self::Wait { sasl }
                if header == ProtocolHeader::AMQP && sasl.as_deref().is_none_or(SaslLayer::is_optional) =>
            {
                fx.header(ProtocolHeader::AMQP);
                return HandshakeStep::Amqp;
            }
            waiting => {
                *self = waiting;
                return HandshakeStep::Mismatch(header);
            }
        };
        if let Err(failure) = layer.begin(hostname, rounds, fx) {
            return HandshakeStep::Failed(failure);
        }
        *self = Self::Sasl { layer, is_client };
        HandshakeStep::Wait
    }

    /// Handles a frame of the SASL layer. Returns the client's identity once it is known.
    pub(crate) fn on_frame(
        &mut self,
        frame: RawFrame,
        limits: &Limits,
        fx: &mut Effects,
    ) -> (HandshakeStep, Option<Identity>) {
        let Self::Sasl { layer, is_client } = self else { return (HandshakeStep::Wait, None) };
        let is_client = *is_client;
        match layer.on_frame(frame, limits, fx) {
            SaslStep::Wait => (HandshakeStep::Wait, None),
            SaslStep::Done(_) if is_client => {
                *self = Self::answer(ProtocolHeader::AMQP, None, fx);
                (HandshakeStep::Wait, None)
            }
            SaslStep::Done(identity) => {
                *self = Self::Wait { sasl: None };
                (HandshakeStep::Wait, Some(identity))
            }
            SaslStep::Failed(failure) => (HandshakeStep::Failed(failure), None),
            SaslStep::Broken(reason) => (HandshakeStep::Broken(reason), None),
        }
    }
}

impl SaslLayer for ClientDialogue {
    fn is_optional(&self) -> bool {
        false
    }

    fn begin(&mut self, hostname: Option<&Str>, rounds: u32, _: &mut Effects) -> Result<(), SaslFailure> {
        self.begin(hostname.cloned(), rounds);
        Ok(())
    }

    fn on_frame(&mut self, frame: RawFrame, limits: &Limits, fx: &mut Effects) -> SaslStep {
        match read(frame, limits) {
            Ok(body) => match self.on_frame(body) {
                // A client's next frame is a response, which may be too large.
                Next::Send(body) => match sent(&body, fx) {
                    Err(error) => SaslStep::Failed(unsent(&error, || self.unsendable())),
                    Ok(()) => SaslStep::Wait,
                },
                next => go_on(next, fx),
            },
            Err(reason) => SaslStep::Broken(reason),
        }
    }
}

impl SaslLayer for ServerDialogue {
    fn is_optional(&self) -> bool {
        self.is_optional()
    }

    fn begin(&mut self, _: Option<&Str>, rounds: u32, fx: &mut Effects) -> Result<(), SaslFailure> {
        // Without a mechanism, all that are configured need an encrypted transport.
        fx.send_sasl(&self.begin(rounds)).map_err(|_| SaslFailure::NothingToOffer)
    }

    fn on_frame(&mut self, frame: RawFrame, limits: &Limits, fx: &mut Effects) -> SaslStep {
        match read(frame, limits) {
            Ok(body) => go_on(self.on_frame(body), fx),
            Err(reason) => SaslStep::Broken(reason),
        }
    }
}

/// Reads the body of a SASL frame. A fault ends the connection without an AMQP error, since AMQP has not begun.
fn read(frame: RawFrame, limits: &Limits) -> Result<SaslBody, Box<Reason>> {
    if frame.header.kind != FrameKind::Sasl {
        return Err(Box::new(Reason::not_amqp("an AMQP frame inside the security layer")));
    }
    frame.decode_sasl(limits).map_err(|error| Box::new(Reason::not_amqp(Str::told(format_args!("{error}")))))
}

/// Sends the frame that follows.
fn go_on(next: Next, fx: &mut Effects) -> SaslStep {
    match next {
        Next::Send(body) => match sent(&body, fx) {
            Err(error) => SaslStep::Failed(unsent(&error, || SaslFailure::NothingToOffer)),
            Ok(()) => SaslStep::Wait,
        },
        Next::Done(body, identity) => {
            let _ = body.map(|body| sent(&body, fx));
            SaslStep::Done(identity)
        }
        Next::Failed(body, failure) => {
            let _ = body.map(|body| sent(&body, fx));
            SaslStep::Failed(failure)
        }
    }
}

/// Returns the failure of a frame that cannot be sent.
fn unsent(error: &EncodeError, unsendable: impl FnOnce() -> SaslFailure) -> SaslFailure {
    match error {
        EncodeError::TooLarge { octets, limit } => SaslFailure::OwnFrame { octets: *octets, limit: *limit },
        _ => unsendable(),
    }
}

/// Sends a SASL frame, which must not exceed the smallest frame size unless the options allow more [5.3.1].
fn sent(body: &SaslBody, fx: &mut Effects) -> Result<(), EncodeError> {
    match body {
        SaslBody::Mechanisms(body) => fx.send_sasl(body),
        SaslBody::Init(body) => fx.send_sasl(body),
        SaslBody::Challenge(body) => fx.send_sasl(body),
        SaslBody::Response(body) => fx.send_sasl(body),
        SaslBody::Outcome(body) => fx.send_sasl(body),
    }
}
