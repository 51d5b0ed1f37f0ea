//! Helpers for tests of messages: reading a message in any pieces, and the transfers of a stream.
#![allow(dead_code)] // no test file uses all of it

use amqp_proto::codec::{DecodeError, DecodeErrorKind};
use amqp_proto::message::{Body, Message, MessageView, Payload};
use amqp_proto::types::Limits;
use amqp_proto::wire::{Deframer, Frame, Performative, SectionKind, Transfer};
use bytes::Bytes;

use crate::common::{hex, octets};

/// Everything that a view reads from a message.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) sections: Vec<Option<Bytes>>,
    pub(crate) body_kind: Option<SectionKind>,
    pub(crate) body: Result<Body, DecodeError>,
    pub(crate) data: Result<Option<Payload>, DecodeError>,
    pub(crate) bare: Payload,
    pub(crate) message: Result<Message, DecodeError>,
}

pub(crate) fn look(payload: impl Into<Payload>) -> Result<Seen, DecodeError> {
    let view = MessageView::new(payload, &Limits::DEFAULT)?;
    Ok(Seen {
        sections: SectionKind::ALL.into_iter().map(|kind| view.section(kind)).collect(),
        body_kind: view.body_kind(),
        body: view.body(),
        data: view.data(),
        bare: view.bare_message(),
        message: view.to_message(),
    })
}

pub(crate) fn view(hex: &str) -> MessageView {
    MessageView::new(octets(hex), &Limits::DEFAULT).expect(hex)
}

/// Returns the kind and offset of the fault that `MessageView::new` finds.
pub(crate) fn wrong(hex: &str) -> (DecodeErrorKind, usize) {
    let error = MessageView::new(octets(hex), &Limits::DEFAULT).expect_err(hex);
    (error.kind(), error.offset())
}

/// Splits octets into chunks that end at these offsets, each with its own buffer.
pub(crate) fn cut(octets: &[u8], ends: &[usize]) -> Payload {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let ends = ends.iter().copied().chain([octets.len()]);
    starts.zip(ends).map(|(start, end)| Bytes::copy_from_slice(&octets[start..end])).collect()
}

/// Reads a message in one piece, and checks that it reads the same in all other pieces (T-XFER-24).
pub(crate) fn look_at_all_cuts(octets: &Bytes) -> Result<Seen, DecodeError> {
    let whole = look(octets.clone());
    let bytewise: Vec<usize> = (1..octets.len()).collect();
    assert_eq!(look(cut(octets, &bytewise)), whole, "{} octet by octet", hex(octets));
    for first in 1..octets.len() {
        assert_eq!(look(cut(octets, &[first])), whole, "{} cut at {first}", hex(octets));
        for second in first + 1..octets.len() {
            // All pairs of cuts of a short message; for a long one, pairs near one place, and some further apart.
            if octets.len() <= 64 || second < first + 6 || (second - first) % 29 == 0 {
                let cuts = [first, second];
                assert_eq!(look(cut(octets, &cuts)), whole, "{} cut at {cuts:?}", hex(octets));
            }
        }
    }
    whole
}

/// Returns the transfers of a stream, with or without protocol header.
pub(crate) fn transfers(octets: &[u8]) -> Vec<(Transfer, Bytes)> {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(octets);
    if octets.starts_with(b"AMQP") {
        deframer.next_header().unwrap();
    }
    let frames = std::iter::from_fn(|| deframer.next_frame(u32::MAX).unwrap());
    let frames = frames.map(|frame| frame.decode(&Limits::DEFAULT).unwrap());
    let transfers = frames.filter_map(|frame| match frame {
        Frame::Amqp { performative: Performative::Transfer(transfer), payload, .. } => {
            Some((transfer, payload))
        }
        _ => None,
    });
    transfers.collect()
}
