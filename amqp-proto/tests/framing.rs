//! Protocol headers and frames read from a stream: layout, limits, and every way to cut it [2.2, 2.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::{DecodeError, DecodeErrorKind, EncodeError};
use amqp_proto::symbol;
use amqp_proto::types::{Channel, Limits};
use amqp_proto::wire::{
    Begin, Close, Condition, Deframer, Detach, End, Flow, Frame, FrameKind, Open, Performative,
    ProtocolHeader, ProtocolId, RawFrame, SaslBody, SaslCode, SaslInit, SaslOutcome, Transfer,
};
use bytes::{Bytes, BytesMut};
use common::{data, hex, octets, text};

/// Reads frames from a stream in pieces with a deframer.
fn raw_frames<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limit: u32,
) -> Result<Vec<RawFrame>, DecodeError> {
    let mut deframer = Deframer::new();
    let mut frames = Vec::new();
    for piece in pieces {
        deframer.input().extend_from_slice(piece);
        while let Some(raw) = deframer.next_frame(limit)? {
            frames.push(raw);
        }
    }
    assert!(deframer.remaining().is_empty(), "{} octets are left", deframer.remaining().len());
    Ok(frames)
}

/// Decodes the one frame in these octets.
fn frame(hex: &str) -> Result<Frame, DecodeError> {
    let mut frames = raw_frames([&octets(hex)[..]], u32::MAX)?;
    assert_eq!(frames.len(), 1);
    frames.remove(0).decode(&Limits::DEFAULT)
}

fn wrong(hex: &str) -> (DecodeErrorKind, usize) {
    let error = frame(hex).unwrap_err();
    (error.kind(), error.offset())
}

fn encode(frame: &Frame) -> String {
    let mut out = BytesMut::new();
    frame.encode(u32::MAX, &mut out).unwrap();
    hex(&out)
}

/// F-LAY-01
#[test]
fn f_lay_01_the_size_counts_the_whole_frame() {
    assert_eq!(encode(&Frame::new(Channel::new(0), Close::default())), "0000000c0200000000531845");
    let open = Frame::new(Channel::new(0), Open::new("c".into()));
    assert_eq!(encode(&open), "0000001102000000005310c00401a10163");
    let payload = Bytes::from_static(&[1, 2, 3]);
    let performative = Transfer::new(0.into()).into();
    let transfer = Frame::Amqp { channel: Channel::new(0), performative, payload };
    assert_eq!(encode(&transfer), "0000001202000000005314c0020143010203");
    let outcome = Frame::Sasl(SaslOutcome::new(SaslCode::Ok).into());
    assert_eq!(encode(&outcome), "0000001002010000005344c003015000");
}

/// F-LAY-02
#[test]
fn f_lay_02_sizes_below_8_are_refused() {
    for size in 0..8 {
        let head = format!("{size:08x}02000000");
        assert_eq!(wrong(&head), (DecodeErrorKind::FrameSize(size), 0));
        assert_eq!(frame(&head).unwrap_err().condition(), Condition::FramingError);
    }
    assert_eq!(frame("0000000802000000"), Ok(Frame::Empty { channel: Channel::new(0) }));
}

/// F-LAY-03
#[test]
fn f_lay_03_data_offsets_below_2_are_refused() {
    for words in [0, 1] {
        let head = format!("0000000c{words:02x}00000000531845");
        assert_eq!(wrong(&head), (DecodeErrorKind::DataOffset(words), 4));
        assert_eq!(frame(&head).unwrap_err().condition(), Condition::FramingError);
    }
    assert!(frame("0000000c0200000000531845").is_ok());
}

/// F-LAY-04
#[test]
fn f_lay_04_data_offsets_beyond_the_frame_are_refused() {
    assert_eq!(wrong("0000000803000000"), (DecodeErrorKind::DataOffset(3), 4));
    assert_eq!(wrong("0000000b0300000000000000").0, DecodeErrorKind::DataOffset(3));
    assert_eq!(wrong("0000000cff00000000531845").0, DecodeErrorKind::DataOffset(255));
    assert_eq!(frame("0000000c0300000100000000"), Ok(Frame::Empty { channel: Channel::new(1) }));
    let longest = format!("00000400ff000000{}00531845", "ee".repeat(255 * 4 - 8));
    assert_eq!(frame(&longest), frame("0000000c0200000000531845"));
}

/// F-LAY-05
#[test]
fn f_lay_05_the_extended_header_is_ignored() {
    let plain = frame("0000001102000007005310c00401a10163").unwrap();
    assert_eq!(frame("0000001904000007ffffffff00531845005310c00401a10163"), Ok(plain.clone()));
    assert_eq!(encode(&plain), "0000001102000007005310c00401a10163");
    let transfer = frame("0000001603000000deadbeef005314c0020143010203").unwrap();
    assert!(matches!(transfer, Frame::Amqp { payload, .. } if payload[..] == [1, 2, 3]));
}

/// F-LAY-06
#[test]
fn f_lay_06_frame_types_other_than_amqp_and_sasl_are_refused() {
    for kind in 2..=255u8 {
        let head = format!("0000000802{kind:02x}0000");
        assert_eq!(wrong(&head), (DecodeErrorKind::FrameType(kind), 5));
        assert_eq!(frame(&head).unwrap_err().condition(), Condition::FramingError);
    }
    let raw = raw_frames([&octets("0000000802000000 0000001002010000005344c003015000")[..]], 512).unwrap();
    assert_eq!([raw[0].header.kind, raw[1].header.kind], [FrameKind::Amqp, FrameKind::Sasl]);
}

/// F-LAY-07
#[test]
fn f_lay_07_the_channel_is_in_network_order() {
    let expected = Frame::new(Channel::new(0x0102), End::default());
    assert_eq!(frame("0000000c0200010200531745"), Ok(expected.clone()));
    assert_eq!(encode(&expected), "0000000c0200010200531745");
    assert_eq!(frame("000000080200ffff"), Ok(Frame::Empty { channel: Channel::new(u16::MAX) }));
}

/// A frame on channel 0 with this body.
fn amqp(body: &str) -> String {
    let body = body.replace(' ', "");
    format!("{:08x}02000000{body}", body.len() / 2 + 8)
}

fn sasl(body: &str) -> String {
    amqp(body).replacen("02000000", "02010000", 1)
}

/// F-LAY-08, E-DESC-02
#[test]
fn f_lay_08_a_body_begins_with_a_performative() {
    for (body, kind) in [
        ("40", DecodeErrorKind::Expected("performative")),
        ("45", DecodeErrorKind::Expected("performative")),
        ("c0020140", DecodeErrorKind::Expected("performative")),
        ("00537f45", DecodeErrorKind::Descriptor),
        ("00531945", DecodeErrorKind::Descriptor),
        ("00537045", DecodeErrorKind::Descriptor),
        ("00534445", DecodeErrorKind::Descriptor),
        ("00521045", DecodeErrorKind::Descriptor),
        ("00a10f616d71703a636c6f73653a6c69737445", DecodeErrorKind::Descriptor),
        ("0044 45", DecodeErrorKind::Descriptor),
        ("00531840", DecodeErrorKind::Expected("list")),
        ("0053", DecodeErrorKind::Truncated),
        ("00", DecodeErrorKind::Truncated),
        ("005318", DecodeErrorKind::Truncated),
    ] {
        let error = frame(&amqp(body)).unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert_eq!(error.condition(), Condition::DecodeError);
    }
    for body in ["00531845", "0080000000000000001845", "00a30f616d71703a636c6f73653a6c69737445"] {
        assert_eq!(frame(&amqp(body)), Ok(Frame::new(Channel::new(0), Close::default())), "{body}");
    }
}

/// F-LAY-09
#[test]
fn f_lay_09_only_transfers_have_a_payload() {
    let bodies = [
        "005310c00401a10163",
        "005311c0050440434343",
        "005312c00603a1016c4342",
        "005313c0050440434343",
        "005315c003024143",
        "005316c0020143",
        "00531745",
        "00531845",
    ];
    for body in bodies {
        assert!(frame(&amqp(body)).is_ok(), "{body}");
        let error = frame(&amqp(&format!("{body}40"))).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (DecodeErrorKind::Trailing, 8 + body.len() / 2));
        assert_eq!(error.condition(), Condition::DecodeError);
    }
    let Ok(Frame::Amqp { performative, payload, .. }) = frame(&amqp("005314c0020143 40")) else {
        panic!("a transfer")
    };
    assert_eq!((performative.name(), &payload[..]), ("transfer", &[0x40][..]));
}

/// F-LAY-10
#[test]
fn f_lay_10_an_amqp_frame_may_be_empty() {
    for channel in [0, 3, u16::MAX] {
        let empty = Frame::Empty { channel: Channel::new(channel) };
        let form = format!("000000080200{channel:04x}");
        assert_eq!(frame(&form), Ok(empty.clone()));
        assert_eq!(encode(&empty), form);
    }
}

/// All golden frames in one stream, and each by itself.
fn conversation() -> (Vec<u8>, Vec<RawFrame>) {
    let all = data("wire-examples.json");
    let frames = all["examples"].as_array().unwrap().iter().filter(|e| text(e, "kind") == "frame");
    let each: Vec<Bytes> = frames.map(|e| octets(text(e, "hex"))).collect();
    let alone = |octets: &Bytes| raw_frames([&octets[..]], u32::MAX).unwrap().remove(0);
    assert_eq!(each.len(), 80);
    (each.concat(), each.iter().map(alone).collect())
}

/// F-LAY-11, F-LAY-12
#[test]
fn f_lay_11_a_stream_may_be_cut_anywhere() {
    let (stream, frames) = conversation();
    let check = |pieces: Vec<&[u8]>| assert!(raw_frames(pieces, u32::MAX).as_ref() == Ok(&frames));
    check(vec![&stream]);
    check(stream.chunks(1).collect());
    for at in 1..stream.len() {
        let (head, tail) = stream.split_at(at);
        check(vec![head, tail]);
    }
    for size in [2, 3, 7, 8, 9, 64, 1000] {
        check(stream.chunks(size).collect());
    }
}

/// F-LAY-11: pieces of any lengths, also empty ones.
#[test]
fn f_lay_11_a_stream_may_come_in_pieces_of_any_length() {
    let (stream, frames) = conversation();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    for _ in 0..500 {
        let (mut rest, mut pieces) = (&stream[..], Vec::new());
        while !rest.is_empty() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let length = [1, 2, 9, 40, 700][usize::try_from(state >> 61).unwrap() % 5];
            let (piece, tail) =
                rest.split_at(usize::try_from(state >> 33).unwrap() % (length + 1).min(rest.len() + 1));
            pieces.push(piece);
            rest = tail;
        }
        assert!(raw_frames(pieces, u32::MAX).as_ref() == Ok(&frames));
    }
}

/// F-LAY-12: a header and frames in one piece; the position counts all octets.
#[test]
fn f_lay_12_headers_and_frames_may_arrive_at_once() {
    let (stream, frames) = conversation();
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(b"AMQP\x00\x01\x00\x00");
    deframer.input().extend_from_slice(&stream);
    assert_eq!(deframer.next_header(), Ok(Some(ProtocolHeader::AMQP)));
    assert_eq!(deframer.position(), 8);
    let mut position = 8;
    for expected in frames {
        let raw = deframer.next_frame(u32::MAX).unwrap().unwrap();
        assert!(raw == expected);
        position += u64::from(raw.header.size);
        assert_eq!(deframer.position(), position);
    }
    assert_eq!(deframer.next_frame(u32::MAX), Ok(None));
    assert_eq!(position, 8 + stream.len() as u64);
}

/// F-LAY-11: frames share the stream's buffer and do not change with it.
#[test]
fn f_lay_11_frames_do_not_change_as_the_stream_goes_on() {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(&octets("0000001202000000005314c0020143010203 00000008"));
    let first = deframer.next_frame(512).unwrap().unwrap().decode(&Limits::DEFAULT).unwrap();
    deframer.input().extend_from_slice(&octets("02000005"));
    let second = deframer.next_frame(512).unwrap().unwrap().decode(&Limits::DEFAULT).unwrap();
    assert!(matches!(first, Frame::Amqp { payload, .. } if payload[..] == [1, 2, 3]));
    assert_eq!(second, Frame::Empty { channel: Channel::new(5) });
}

/// F-MAX-03
#[test]
fn f_max_03_a_frame_that_is_too_large_is_refused_by_its_size_alone() {
    for limit in [8, 512, 65_536] {
        let too_large = octets(&format!("{:08x}02000000", limit + 1));
        for seen in 4..=8 {
            let mut deframer = Deframer::new();
            deframer.input().extend_from_slice(&too_large[..seen]);
            let error = deframer.next_frame(limit).unwrap_err();
            assert_eq!(error.kind(), DecodeErrorKind::FrameTooLarge { size: limit + 1, limit });
            assert_eq!((error.condition(), error.offset()), (Condition::FramingError, 0));
            assert_eq!(deframer.remaining(), &too_large[..seen], "nothing is taken");
        }
        let mut deframer = Deframer::new();
        deframer.input().extend_from_slice(&too_large[..3]);
        assert_eq!(deframer.next_frame(limit), Ok(None));
        deframer.input().clear();
        deframer.input().extend_from_slice(&octets(&format!("{limit:08x}02000000")));
        assert_eq!(deframer.next_frame(limit).unwrap().is_some(), limit == 8, "the limit itself is taken");
    }
}

/// F-MAX-05
#[test]
fn f_max_05_there_may_be_no_limit() {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(&octets("ffffffff02000000"));
    assert_eq!(deframer.next_frame(u32::MAX), Ok(None), "the rest is waited for");
    assert!(deframer.input().capacity() < 65_536, "and no room made for it");
}

/// F-MAX-02
#[test]
fn f_max_02_no_frame_is_written_that_exceeds_the_limit() {
    let payload = Bytes::from(vec![0; 100]);
    let transfer =
        Frame::Amqp { channel: Channel::new(0), performative: Transfer::new(0.into()).into(), payload };
    let init = Frame::Sasl(SaslInit::new(symbol!("PLAIN")).into());
    let open = Frame::new(Channel::new(0), Open::new("c".into()));
    for frame in [transfer, init, open] {
        let size = encode(&frame).len() / 2;
        let limit = u32::try_from(size).unwrap();
        let mut out = BytesMut::from(&b"before"[..]);
        let too_large = EncodeError::TooLarge { octets: size, limit: size - 1 };
        assert_eq!(frame.encode(limit - 1, &mut out), Err(too_large));
        assert_eq!(out, &b"before"[..]);
        assert_eq!(frame.encode(limit, &mut out), Ok(()));
        assert_eq!(out.len(), 6 + size);
    }
}

/// H-HDR-01
#[test]
fn h_hdr_01_headers_are_eight_octets() {
    for (header, id, form) in [
        (ProtocolHeader::AMQP, ProtocolId::Amqp, "414d515000010000"),
        (ProtocolHeader::TLS, ProtocolId::Tls, "414d515002010000"),
        (ProtocolHeader::SASL, ProtocolId::Sasl, "414d515003010000"),
    ] {
        assert_eq!(hex(&header.to_bytes()), form);
        assert_eq!((header.id, header.major, header.minor, header.revision), (id, 1, 0, 0));
        assert_eq!(ProtocolHeader::decode(&octets(form)), Ok(Some(header)));
    }
    let odd = ProtocolHeader::decode(&octets("414d515001000901 ff")).unwrap().unwrap();
    assert_eq!((odd.id, odd.major, odd.minor, odd.revision), (ProtocolId::Other(1), 0, 9, 1));
    assert_eq!(hex(&odd.to_bytes()), "414d515001000901");
}

/// H-HDR-11
#[test]
fn h_hdr_11_a_header_is_decided_by_its_first_wrong_octet() {
    let right = b"AMQP\x00\x01\x00\x00";
    for len in 0..8 {
        assert_eq!(ProtocolHeader::decode(&right[..len]), Ok(None));
    }
    for at in 0..4 {
        for after in [0, 1, 12] {
            let mut bad = right[..at].to_vec();
            bad.push(b'!');
            bad.resize(bad.len() + after, b'A');
            let error = ProtocolHeader::decode(&bad).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (DecodeErrorKind::ProtocolHeader, at));
            let mut deframer = Deframer::new();
            deframer.input().extend_from_slice(&bad);
            assert_eq!(deframer.next_header(), Err(error));
            assert_eq!((deframer.remaining(), deframer.position()), (&bad[..], 0));
        }
    }
    assert_eq!(ProtocolHeader::decode(b"GET / HT").unwrap_err().condition(), Condition::FramingError);
}

/// H-HDR-12, A-SASL-18: several layers on one stream, in any pieces.
#[test]
fn h_hdr_12_each_layer_begins_with_a_header() {
    let stream =
        octets("414d515003010000 0000001002010000005344c003015000 414d515000010000 0000000c0200000000531845");
    for size in 1..=stream.len() {
        let mut deframer = Deframer::new();
        let mut seen = Vec::new();
        for piece in stream.chunks(size) {
            deframer.input().extend_from_slice(piece);
            loop {
                let next = match seen.len() {
                    0 | 2 => deframer.next_header().unwrap().map(|header| format!("{header:?}")),
                    _ => deframer
                        .next_frame(512)
                        .unwrap()
                        .map(|f| f.decode(&Limits::DEFAULT).unwrap().to_string()),
                };
                let Some(next) = next else { break };
                seen.push(next);
            }
        }
        let layers =
            ["header Sasl 1.0.0", "[sasl] sasl-outcome { code: Ok }", "header Amqp 1.0.0", "[0] close"];
        assert_eq!(seen, layers);
    }
}

/// A-SASL-02
#[test]
fn a_sasl_02_channel_and_extended_header_of_a_sasl_frame_are_ignored() {
    let outcome = Frame::Sasl(SaslOutcome::new(SaslCode::Ok).into());
    for form in [
        "0000001002010000005344c003015000",
        "000000100201abcd005344c003015000",
        "0000001403010000deadbeef005344c003015000",
    ] {
        assert_eq!(frame(form), Ok(outcome.clone()));
    }
    assert_eq!(encode(&outcome), "0000001002010000005344c003015000");
}

/// A-SASL-03: the caller chooses the limit.
#[test]
fn a_sasl_03_the_limit_of_512_holds_for_sasl_frames() {
    let init = |token: usize| {
        let init = SaslInit { hostname: Some("z".repeat(token).into()), ..SaslInit::new(symbol!("X")) };
        octets(&encode(&Frame::Sasl(init.into())))
    };
    let (fits, exceeds) = (init(483), init(484));
    assert_eq!((fits.len(), exceeds.len()), (512, 513));
    assert!(raw_frames([&fits[..]], 512).is_ok());
    let error = raw_frames([&exceeds[..]], 512).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::FrameTooLarge { size: 513, limit: 512 });
    assert!(raw_frames([&exceeds[..]], 4096).is_ok());
}

/// A-SASL-04
#[test]
fn a_sasl_04_a_sasl_frame_holds_one_body_and_nothing_else() {
    let body = "005344c003015000";
    assert!(matches!(frame(&sasl(body)), Ok(Frame::Sasl(SaslBody::Outcome(_)))));
    assert_eq!(wrong(&sasl(&format!("{body}40"))), (DecodeErrorKind::Trailing, 16));
    assert_eq!(wrong(&sasl(&format!("{body}{body}"))).0, DecodeErrorKind::Trailing);
    assert_eq!(wrong(&sasl("40")).0, DecodeErrorKind::Expected("sasl-frame"));
    assert_eq!(wrong(&sasl("00531845")).0, DecodeErrorKind::Descriptor);
    assert_eq!(wrong(&sasl("00537f45")).0, DecodeErrorKind::Descriptor);
    // No other type of frame may hold it.
    assert_eq!(wrong(&amqp(body)).0, DecodeErrorKind::Descriptor);
}

/// A-SASL-05
#[test]
fn a_sasl_05_an_empty_sasl_frame_is_refused() {
    for form in ["0000000802010000", "0000000c0301000000000000"] {
        let error = frame(form).unwrap_err();
        assert_eq!(
            (error.kind(), error.condition()),
            (DecodeErrorKind::EmptySaslFrame, Condition::FramingError)
        );
    }
}

#[test]
fn every_performative_has_its_name() {
    let names: Vec<&str> = [
        Performative::from(Open::new("c".into())),
        Begin::new(0.into(), 0, 0).into(),
        Flow::new(0, 0.into(), 0).into(),
        Transfer::new(0.into()).into(),
        Detach::new(0.into()).into(),
        End::default().into(),
        Close::default().into(),
    ]
    .iter()
    .map(Performative::name)
    .collect();
    assert_eq!(names, ["open", "begin", "flow", "transfer", "detach", "end", "close"]);
}
