//! Samples of protocol headers, performatives and frames.

use alloc::boxed::Box;
use bytes::Bytes;

use super::sample::*;
use crate::types::Channel;
use crate::wire::{
    Attach, Begin, Close, Detach, Disposition, End, Flow, Frame, Open, Performative, ProtocolHeader,
    ProtocolId, SaslBody, SaslChallenge, SaslInit, SaslMechanisms, SaslOutcome, SaslResponse, Transfer,
};

structs! {
    ProtocolHeader { id, major, minor, revision }
}

one_of! {
    ProtocolId {
        () => |()| ProtocolId::Amqp,
        () => |()| ProtocolId::Tls,
        () => |()| ProtocolId::Sasl,
        u8 => ProtocolId::from,
    }
    Performative {
        End => Performative::End,
        Close => Performative::Close,
        Detach => Performative::Detach,
        Disposition => Performative::Disposition,
        Transfer => Performative::Transfer,
        Flow => Performative::Flow,
        Box<Begin> => Performative::Begin,
        Box<Open> => Performative::Open,
        Box<Attach> => Performative::Attach,
    }
    SaslBody {
        SaslOutcome => SaslBody::Outcome,
        SaslChallenge => SaslBody::Challenge,
        SaslResponse => SaslBody::Response,
        SaslInit => SaslBody::Init,
        SaslMechanisms => SaslBody::Mechanisms,
    }
    Frame {
        Channel => |channel| Frame::Empty { channel },
        (Channel, Performative) => |(channel, performative)| Frame::new(channel, performative),
        // Only a transfer has a payload (F-LAY-09).
        (Channel, Transfer, Bytes) => |(channel, transfer, payload)| {
            Frame::Amqp { channel, performative: transfer.into(), payload }
        },
        SaslBody => Frame::Sasl,
    }
}

public! { ProtocolId ProtocolHeader Performative SaslBody Frame }
