//! The layers before AMQP: protocol headers, and SASL if it is configured [2.2] [5.3].

use alloc::boxed::Box;

use crate::codec::EncodeError;
use crate::machine::effects::Effects;
use crate::sasl::{ClientDialogue, ClientSasl, Identity, Next, SaslFailure, ServerDialogue, ServerSasl};
use crate::types::Str;
use crate::wire::{ProtocolHeader, SaslBody};

/// The role of this end, and its security layer.
#[derive(Debug)]
pub(crate) enum Security {
    /// A client without SASL.
    Client,
    ClientSasl(Box<ClientSasl>),
    /// A server without SASL.
    Server,
    ServerSasl(Box<ServerSasl>),
}

/// The state of the layers before AMQP.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// This end, the client, has sent a header and waits for the server's.
    Answer {
        sent: ProtocolHeader,
        sasl: Option<Box<ClientSasl>>,
    },
    /// This end, the server, waits for the client's header.
    Wait {
        sasl: Option<Box<ServerSasl>>,
    },
    /// SASL frames follow.
    Client(Box<ClientDialogue>),
    Server(Box<ServerDialogue>),
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
}

impl Handshake {
    pub(crate) fn new(security: Security, fx: &mut Effects) -> Self {
        match security {
            Security::Client => Self::answer(ProtocolHeader::AMQP, None, fx),
            Security::ClientSasl(sasl) => Self::answer(ProtocolHeader::SASL, Some(sasl), fx),
            Security::Server => Self::Wait { sasl: None },
            Security::ServerSasl(sasl) => Self::Wait { sasl: Some(sasl) },
        }
    }

    fn answer(sent: ProtocolHeader, sasl: Option<Box<ClientSasl>>, fx: &mut Effects) -> Self {
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
            Self::Answer { .. } | Self::Client(_) | Self::Server(_) | Self::Amqp => None,
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
        match core::mem::replace(self, Self::Amqp) {
            Self::Answer { sent, sasl } if sent == header => match sasl {
                Some(sasl) => {
                    *self = Self::Client(Box::new(ClientDialogue::new(sasl, hostname.cloned(), rounds)));
                    HandshakeStep::Wait
                }
                None => HandshakeStep::Amqp,
            },
            Self::Wait { sasl: Some(sasl) } if header == ProtocolHeader::SASL => {
                let (dialogue, offer) = ServerDialogue::new(*sasl, rounds);
                fx.header(ProtocolHeader::SASL);
                if fx.send_sasl(&offer).is_err() {
                    // All configured mechanisms need an encrypted transport.
                    return HandshakeStep::Failed(SaslFailure::NothingToOffer);
                }
                *self = Self::Server(Box::new(dialogue));
                HandshakeStep::Wait
            }
            Self::Wait { sasl }
                if header == ProtocolHeader::AMQP && sasl.as_deref().is_none_or(ServerSasl::is_optional) =>
            {
                fx.header(ProtocolHeader::AMQP);
                HandshakeStep::Amqp
            }
            waiting => {
                *self = waiting;
                HandshakeStep::Mismatch(header)
            }
        }
    }

    /// Returns the failure of a SASL frame of this end that is too large.
    fn unsendable(&self) -> SaslFailure {
        match self {
            Self::Client(dialogue) => dialogue.unsendable(),
            Self::Answer { .. } | Self::Wait { .. } | Self::Server(_) | Self::Amqp => {
                SaslFailure::NothingToOffer
            }
        }
    }

    /// Handles a SASL frame of the peer. Returns the client's identity once it is known.
    pub(crate) fn on_frame(&mut self, body: SaslBody, fx: &mut Effects) -> (HandshakeStep, Option<Identity>) {
        let (next, is_client) = match self {
            Self::Client(dialogue) => (dialogue.on_frame(body), true),
            Self::Server(dialogue) => (dialogue.on_frame(body), false),
            Self::Answer { .. } | Self::Wait { .. } | Self::Amqp => return (HandshakeStep::Wait, None),
        };
        match next {
            Next::Send(body) => match sent(&body, fx) {
                Ok(()) => (HandshakeStep::Wait, None),
                Err(EncodeError::TooLarge { octets, limit }) => {
                    (HandshakeStep::Failed(SaslFailure::OwnFrame { octets, limit }), None)
                }
                Err(_) => (HandshakeStep::Failed(self.unsendable()), None),
            },
            Next::Done(body, identity) => {
                if let Some(body) = body {
                    let _ = sent(&body, fx);
                }
                if is_client {
                    *self = Self::answer(ProtocolHeader::AMQP, None, fx);
                    (HandshakeStep::Wait, None)
                } else {
                    *self = Self::Wait { sasl: None };
                    (HandshakeStep::Wait, Some(identity))
                }
            }
            Next::Failed(body, failure) => {
                if let Some(body) = body {
                    let _ = sent(&body, fx);
                }
                (HandshakeStep::Failed(failure), None)
            }
        }
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
