//! Streams of headers and frames, cut anywhere [2.2-2.3].

use amqp_proto::codec::DecodeError;
use amqp_proto::testing::strategies::{frame, protocol_header};
use amqp_proto::wire::{Deframer, Frame, ProtocolHeader};
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::LIMITS;
use crate::octets::{cut, spoiled, spoiling};

/// Returns the frames of a stream that arrives in these pieces, up to the first frame with a wrong size.
pub(crate) fn read_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Frame, DecodeError>> {
    let mut deframer = Deframer::new();
    let mut frames = Vec::new();
    for piece in pieces {
        deframer.input().extend_from_slice(piece);
        loop {
            let (before, waiting) = (deframer.position(), deframer.remaining().len());
            match deframer.next_frame(u32::MAX) {
                Ok(Some(raw)) => {
                    assert_eq!(deframer.position() - before, u64::from(raw.header.size));
                    frames.push(raw.decode(LIMITS));
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!((deframer.position(), deframer.remaining().len()), (before, waiting));
                    frames.push(Err(error));
                    return frames;
                }
            }
        }
    }
    frames
}

fn stream(frames: &[Frame]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| frame.encode(u32::MAX, &mut out).unwrap());
    out.into()
}

proptest! {
    /// F-LAY-01, F-LAY-11, F-LAY-12: a stream has the same frames whole, octet by octet and in any pieces.
    #[test]
    fn f_lay_11_streams_may_be_cut_anywhere(
        frames in vec(frame(), 1..5),
        sizes in vec(1..64_usize, 1..8),
    ) {
        let octets = stream(&frames);
        let expected: Vec<_> = frames.into_iter().map(Ok).collect();
        prop_assert_eq!(&read_stream([&octets[..]]), &expected);
        prop_assert_eq!(&read_stream(octets.chunks(1)), &expected);
        prop_assert_eq!(&read_stream(cut(&octets, &sizes)), &expected);
    }

    #[test]
    fn spoiled_streams_fail_alike_however_cut(
        frames in vec(frame(), 1..3),
        sizes in vec(1..64_usize, 1..8),
        spoiling in spoiling(),
    ) {
        let octets = spoiled(&stream(&frames), &spoiling);
        prop_assert_eq!(read_stream([&octets[..]]), read_stream(cut(&octets, &sizes)));
    }

    /// F-LAY-01, F-MAX-02, F-MAX-03: a frame has its encoded size, and both directions keep the limit on it.
    #[test]
    fn f_max_02_frames_obey_the_limit(frame in frame()) {
        let octets = stream(std::slice::from_ref(&frame));
        let size = u32::try_from(octets.len()).unwrap();
        prop_assert_eq!(&octets[..4], size.to_be_bytes());

        let mut out = BytesMut::new();
        // An empty frame fits every limit.
        let fits = frame.encode(size - 1, &mut out).is_ok();
        prop_assert_eq!(fits, octets.len() == 8);
        prop_assert!(fits || out.is_empty());
        let mut deframer = Deframer::new();
        deframer.input().extend_from_slice(&octets[..4]);
        prop_assert!(deframer.next_frame(size - 1).is_err());
        prop_assert!(deframer.next_frame(size).unwrap().is_none());
    }

    #[test]
    fn h_hdr_11_headers_may_be_cut_anywhere(header in protocol_header()) {
        let octets = header.to_bytes();
        for end in 0..octets.len() {
            prop_assert_eq!(ProtocolHeader::decode(&octets[..end]).unwrap(), None);
        }
        prop_assert_eq!(ProtocolHeader::decode(&octets).unwrap(), Some(header));
    }
}
