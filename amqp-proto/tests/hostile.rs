//! The hostile streams B01 to B14: each is refused in time, with the right reason; next to it, a similar stream is
//! accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::{DecodeError, DecodeErrorKind};
use amqp_proto::types::Limits;
use amqp_proto::wire::{Condition, Deframer, Frame, FrameKind, ProtocolHeader};
use bytes::Bytes;
use common::{data, octets, text};

/// This end's max-frame-size.
const LIMIT: u32 = 65_536;

fn stream(id: &str) -> Bytes {
    let all = data("threats.json");
    let threat = all.as_array().unwrap().iter().find(|threat| text(threat, "id") == id).expect(id);
    octets(text(threat, "stream_hex"))
}

/// Returns the frames of a stream up to its end or its first fault, and the fault.
fn read(stream: &[u8]) -> (Vec<Frame>, Option<DecodeError>) {
    let whole = read_in(stream.len(), stream);
    assert_eq!(read_in(1, stream), whole, "octet by octet");
    whole
}

fn read_in(size: usize, stream: &[u8]) -> (Vec<Frame>, Option<DecodeError>) {
    let mut deframer = Deframer::new();
    let (mut header, mut frames) = (None, Vec::new());
    for piece in stream.chunks(size) {
        deframer.input().extend_from_slice(piece);
        if header.is_none() {
            header = deframer.next_header().unwrap();
        }
        while header.is_some() {
            match deframer
                .next_frame(LIMIT)
                .and_then(|raw| raw.map(|raw| raw.decode(&Limits::DEFAULT)).transpose())
            {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    assert_eq!(header, Some(ProtocolHeader::AMQP));
    (frames, None)
}

/// Returns the stream with the hostile octets at `at` replaced by right ones.
fn mended(stream: &Bytes, at: usize, right: &str) -> Vec<u8> {
    let (mut mended, right) = (stream.to_vec(), octets(right));
    mended[at..at + right.len()].copy_from_slice(&right);
    assert_ne!(mended, stream[..]);
    mended
}

/// Checks that the stream is refused after this number of frames, with this fault and condition.
fn refused(id: &str, after: usize, kind: DecodeErrorKind, condition: Condition) -> Bytes {
    let stream = stream(id);
    let (frames, error) = read(&stream);
    let error = error.expect(id);
    assert_eq!((frames.len(), error.kind(), error.condition()), (after, kind, condition));
    stream
}

fn accepted(stream: &[u8]) -> Vec<Frame> {
    let (frames, error) = read(stream);
    assert_eq!(error, None);
    frames
}

/// Returns whether the frame is an open of container `e`.
fn is_open(frame: &Frame) -> bool {
    frame.to_string() == r#"[0] open { container_id: "e" }"#
}

/// B01
#[test]
fn b01_a_frame_of_size_0_is_refused() {
    let stream = refused("B01", 0, DecodeErrorKind::FrameSize(0), Condition::FramingError);
    assert_eq!(accepted(&mended(&stream, 8, "00000008")).len(), 1);
}

/// B02
#[test]
fn b02_a_frame_of_size_7_is_refused() {
    let stream = refused("B02", 0, DecodeErrorKind::FrameSize(7), Condition::FramingError);
    assert_eq!(accepted(&mended(&stream, 8, "00000008")).len(), 1);
}

/// B03
#[test]
fn b03_a_frame_of_4_gib_is_refused_by_its_size() {
    let size = u32::MAX;
    let kind = DecodeErrorKind::FrameTooLarge { size, limit: LIMIT };
    let stream = refused("B03", 0, kind, Condition::FramingError);
    assert_eq!(read(&stream[..12]).1.map(|error| error.kind()), Some(kind), "by its size alone");
    assert_eq!(accepted(&mended(&stream, 8, "00010000")).len(), 0, "waited for");
}

/// B04
#[test]
fn b04_a_frame_of_one_octet_more_than_announced_is_refused() {
    let kind = DecodeErrorKind::FrameTooLarge { size: LIMIT + 1, limit: LIMIT };
    let stream = refused("B04", 1, kind, Condition::FramingError);
    assert_eq!(accepted(&mended(&stream, 8 + 0x20, "00010000")).len(), 1, "the second is waited for");
}

/// B05
#[test]
fn b05_a_data_offset_of_1_is_refused() {
    let stream = refused("B05", 0, DecodeErrorKind::DataOffset(1), Condition::FramingError);
    assert!(is_open(&accepted(&mended(&stream, 12, "02"))[0]));
}

/// B06
#[test]
fn b06_a_data_offset_of_0_is_refused() {
    let stream = refused("B06", 0, DecodeErrorKind::DataOffset(0), Condition::FramingError);
    assert!(is_open(&accepted(&mended(&stream, 12, "02"))[0]));
}

/// B07
#[test]
fn b07_a_data_offset_beyond_the_frame_is_refused() {
    let stream = refused("B07", 0, DecodeErrorKind::DataOffset(255), Condition::FramingError);
    assert!(is_open(&accepted(&mended(&stream, 12, "02"))[0]));
}

/// B08
#[test]
fn b08_an_extended_header_is_ignored() {
    let stream = stream("B08");
    assert!(is_open(&accepted(&stream)[0]));
    assert!(is_open(&accepted(&mended(&stream, 16, "00531845"))[0]));
}

/// B09
#[test]
fn b09_a_frame_of_type_2_is_refused() {
    let stream = refused("B09", 0, DecodeErrorKind::FrameType(2), Condition::FramingError);
    assert!(is_open(&accepted(&mended(&stream, 13, "00"))[0]));
}

/// B10: the deframer reports that the frame is one of SASL; the connection decides whether that is allowed.
#[test]
fn b10_a_sasl_frame_after_open_is_recognised() {
    let stream = stream("B10");
    assert!(matches!(accepted(&stream)[..], [Frame::Amqp { .. }, Frame::Sasl(_)]));
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(&stream[8..]);
    let kinds = [(); 2].map(|()| deframer.next_frame(LIMIT).unwrap().unwrap().header.kind);
    assert_eq!(kinds, [FrameKind::Amqp, FrameKind::Sasl]);
    // The same body in an AMQP frame is no performative.
    let (frames, error) = read(&mended(&stream, 8 + 0x20 + 5, "00"));
    assert_eq!((frames.len(), error.unwrap().kind()), (1, DecodeErrorKind::Descriptor));
}

/// B11
#[test]
fn b11_octets_behind_a_performative_are_refused() {
    let stream = refused("B11", 0, DecodeErrorKind::Trailing, Condition::DecodeError);
    let without = mended(&stream, 8, "00000011");
    assert!(is_open(&accepted(&without[..8 + 0x11])[0]));
}

/// B12
#[test]
fn b12_a_body_that_is_null_is_refused() {
    let stream = refused("B12", 0, DecodeErrorKind::Expected("performative"), Condition::DecodeError);
    assert_eq!(accepted(&mended(&stream, 8, "00000008")[..16]).len(), 1);
}

/// B13
#[test]
fn b13_a_body_of_an_unknown_type_is_refused() {
    let stream = refused("B13", 0, DecodeErrorKind::Descriptor, Condition::DecodeError);
    assert_eq!(accepted(&mended(&stream, 18, "18"))[0].to_string(), "[0] close");
}

/// B14
#[test]
fn b14_a_list_of_more_fields_than_the_type_has_is_refused() {
    let stream = refused("B14", 0, DecodeErrorKind::TooManyFields, Condition::DecodeError);
    // A list of ten fields without the octets of the others.
    let mut right = mended(&stream, 19, "c00d0a");
    right[11] = 8 + 3 + 2 + 0x0d;
    assert!(is_open(&accepted(&right[..8 + 26])[0]));
}
