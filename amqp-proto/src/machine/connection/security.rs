//! What comes before AMQP: protocol headers, and SASL if it is wanted [2.2] [5.3].

use alloc::boxed::Box;

use crate::codec::EncodeError;
use crate::machine::effects::Effects;
use crate::sasl::{ClientDialogue, ClientSasl, Identity, Next, SaslFailure, ServerDialogue, ServerSasl};
use crate::types::Str;
use crate::wire::{ProtocolHeader, SaslBody};

/// Who speaks first, and how the peer is to be known.
#[derive(Debug)]
pub(crate) enum Security {
    /// The client, without a security layer.
    Client,
    ClientSasl(Box<ClientSasl>),
    /// The server, without a security layer.
    Server,
    ServerSasl(Box<ServerSasl>),
}

/// How far the layers below AMQP are.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// The server has to answer the header that this end, the client, has sent.
    Answer {
        sent: ProtocolHeader,
        sasl: Option<Box<ClientSasl>>,
    },
    /// The client has to send a header: this end, the server, waits for it.
    Wait {
        sasl: Option<Box<ServerSasl>>,
    },
    /// SASL frames are to come.
    Client(Box<ClientDialogue>),
    Server(Box<ServerDialogue>),
    /// AMQP frames are to come.
    Amqp,
}

/// What has come of a header or a SASL frame.
pub(crate) enum Outcome {
    /// Nothing yet.
    Wait,
    /// AMQP begins; a client's open follows its header.
    Amqp,
    /// The peer speaks something else.
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

    /// Returns whether a protocol header is to come, and not a frame.
    pub(crate) fn wants_header(&self) -> bool {
        matches!(self, Self::Answer { .. } | Self::Wait { .. })
    }

    /// Returns whether this end has spoken first, and the peer has not answered.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }

    /// Returns the header with which this end says what it speaks, to a peer that speaks something else.
    pub(crate) fn own_header(&self) -> Option<ProtocolHeader> {
        match self {
            Self::Wait { sasl: Some(_) } => Some(ProtocolHeader::SASL),
            Self::Wait { sasl: None } => Some(ProtocolHeader::AMQP),
            // It was said already.
            Self::Answer { .. } | Self::Client(_) | Self::Server(_) | Self::Amqp => None,
        }
    }

    /// The peer has sent a header.
    pub(crate) fn on_header(
        &mut self,
        header: ProtocolHeader,
        hostname: Option<&Str>,
        rounds: u32,
        fx: &mut Effects,
    ) -> Outcome {
        match core::mem::replace(self, Self::Amqp) {
            Self::Answer { sent, sasl } if sent == header => match sasl {
                Some(sasl) => {
                    *self = Self::Client(Box::new(ClientDialogue::new(sasl, hostname.cloned(), rounds)));
                    Outcome::Wait
                }
                None => Outcome::Amqp,
            },
            Self::Wait { sasl: Some(sasl) } if header == ProtocolHeader::SASL => {
                let (dialogue, offer) = ServerDialogue::new(*sasl, rounds);
                fx.header(ProtocolHeader::SASL);
                if fx.send_sasl(&offer).is_err() {
                    // There is nothing to offer, as all that was is for encrypted links.
                    return Outcome::Failed(SaslFailure::NothingToOffer);
                }
                *self = Self::Server(Box::new(dialogue));
                Outcome::Wait
            }
            Self::Wait { sasl }
                if header == ProtocolHeader::AMQP && sasl.as_deref().is_none_or(ServerSasl::is_optional) =>
            {
                fx.header(ProtocolHeader::AMQP);
                Outcome::Amqp
            }
            waiting => {
                *self = waiting;
                Outcome::Mismatch(header)
            }
        }
    }

    /// Returns a SASL frame of this end is larger than a frame may be.
    fn unsendable(&self) -> SaslFailure {
        match self {
            Self::Client(dialogue) => dialogue.unsendable(),
            Self::Answer { .. } | Self::Wait { .. } | Self::Server(_) | Self::Amqp => {
                SaslFailure::NothingToOffer
            }
        }
    }

    /// The peer has sent a SASL frame; tells who it is, once that is known.
    pub(crate) fn on_frame(&mut self, body: SaslBody, fx: &mut Effects) -> (Outcome, Option<Identity>) {
        let (next, is_client) = match self {
            Self::Client(dialogue) => (dialogue.on_frame(body), true),
            Self::Server(dialogue) => (dialogue.on_frame(body), false),
            Self::Answer { .. } | Self::Wait { .. } | Self::Amqp => return (Outcome::Wait, None),
        };
        match next {
            Next::Send(body) => match sent(&body, fx) {
                Ok(()) => (Outcome::Wait, None),
                Err(EncodeError::TooLarge { octets, limit }) => {
                    (Outcome::Failed(SaslFailure::OwnFrame { octets, limit }), None)
                }
                Err(_) => (Outcome::Failed(self.unsendable()), None),
            },
            Next::Done(body, identity) => {
                if let Some(body) = body {
                    let _ = sent(&body, fx);
                }
                if is_client {
                    *self = Self::answer(ProtocolHeader::AMQP, None, fx);
                    (Outcome::Wait, None)
                } else {
                    *self = Self::Wait { sasl: None };
                    (Outcome::Wait, Some(identity))
                }
            }
            Next::Failed(body, failure) => {
                if let Some(body) = body {
                    let _ = sent(&body, fx);
                }
                (Outcome::Failed(failure), None)
            }
        }
    }
}

/// Writes a SASL frame, which has to fit the smallest frame there is unless the options allow a larger one
/// [5.3.1].
fn sent(body: &SaslBody, fx: &mut Effects) -> Result<(), EncodeError> {
    match body {
        SaslBody::Mechanisms(body) => fx.send_sasl(body),
        SaslBody::Init(body) => fx.send_sasl(body),
        SaslBody::Challenge(body) => fx.send_sasl(body),
        SaslBody::Response(body) => fx.send_sasl(body),
        SaslBody::Outcome(body) => fx.send_sasl(body),
    }
}
