//! Hostile messages D40 to D42, and randomly broken messages: bounded work, and the same result in any pieces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/message.rs"]
mod seen;

use amqp_proto::codec::{DecodeError, DecodeErrorKind, LimitKind};
use amqp_proto::message::{Body, MessageView, Payload, Rewrite, Sections};
use amqp_proto::types::{Limits, Value};
use amqp_proto::wire::SectionKind;
use bytes::Bytes;
use common::{data, octets, text};
use seen::{cut, look, look_at_all_cuts, transfers, wrong};

/// The payload of a hostile stream.
fn carried(id: &str) -> Bytes {
    let all = data("threats.json");
    let row = all.as_array().unwrap().iter().find(|row| text(row, "id") == id).unwrap();
    let [(_, payload)] = &transfers(&octets(text(row, "stream_hex")))[..] else { panic!("{id}") };
    payload.clone()
}

/// `count` application-properties with keys of 10 octets that share 6.
fn many_properties(count: u32, key: impl Fn(u32) -> u32) -> String {
    let pairs: String =
        (0..count).map(|at| format!("a10a616161616161{:08x}41", key(at) & 0x7f7f_7f7f)).collect();
    format!("005374 d1{:08x}{:08x}{pairs} 00537740", pairs.len() / 2 + 4, count * 2)
}

/// D40: keys are compared and not hashed, so there are no collisions; the number of elements bounds the cost.
#[test]
fn d40_many_properties_are_read_lazily_in_order_and_within_limits() {
    let octets = carried("D40");
    let view = MessageView::new(octets, &Limits::DEFAULT).unwrap();
    let properties = view.application_properties().unwrap();
    let keys: Vec<&str> = properties.iter().map(|(key, _)| key.as_str().unwrap()).collect();
    assert_eq!(keys, (0..120).map(|at| format!("k{at}")).collect::<Vec<_>>());

    // The numbers spread over the octets, all different and falling.
    let spread = |at: u32| (at & 0x7f) | (at & 0x3f80) << 1 | (at & 0x1f_c000) << 2;
    let most = seen::view(&many_properties(32_768, |at| spread(32_767 - at)));
    assert_eq!(most.application_properties().unwrap().len(), 32_768);
    let more = seen::view(&many_properties(32_769, spread));
    let error = more.application_properties().unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::Limit(LimitKind::Elements));
    assert_eq!(more.body(), Ok(Body::Value(Value::Null)));
    let twice = seen::view(&many_properties(32_768, |at| if at == 32_767 { 0 } else { spread(at) }));
    assert_eq!(twice.application_properties().unwrap_err().kind(), DecodeErrorKind::DuplicateKey);
}

/// D41
#[test]
fn d41_sections_are_limited() {
    let octets = carried("D41");
    assert_eq!(octets.len(), 600 * 5);
    let view = MessageView::new(octets.clone(), &Limits::DEFAULT).unwrap();
    let Body::Data(data) = view.body().unwrap() else { panic!("{view:?}") };
    assert_eq!(data.len(), 600);
    for chunks in [vec![octets.clone()], octets.chunks(7).map(Bytes::copy_from_slice).collect()] {
        let payload: Payload = chunks.into_iter().collect();
        assert!(MessageView::new(payload.clone(), &Limits::default().with_sections(600)).is_ok());
        let error = MessageView::new(payload, &Limits::default().with_sections(599)).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (DecodeErrorKind::Limit(LimitKind::Sections), 599 * 5));
    }
    let none = Limits::default().with_sections(0);
    assert!(MessageView::new(Bytes::new(), &none).is_ok());
    assert!(MessageView::new(octets.slice(..5), &none).is_err());
}

/// D41: the work is linear in the octets; otherwise this test would take hours.
#[test]
fn d41_ten_thousand_sections_in_as_many_chunks_and_more() {
    let section = [0x00, 0x53, 0x75, 0xa0, 3, b'a', b'b', b'c'];
    let octets = Bytes::from(section.repeat(10_000));
    for step in [section.len(), section.len() + 1, 1] {
        let payload: Payload = octets.chunks(step).map(Bytes::copy_from_slice).collect();
        let view = MessageView::new(payload, &Limits::DEFAULT).unwrap();
        assert_eq!(view.data().unwrap().unwrap().len(), 30_000);
        let message = view.to_message().unwrap();
        let Body::Data(data) = message.body() else { panic!("{message:?}") };
        assert!(data.len() == 10_000 && data.iter().all(|part| part == "abc"));
        assert_eq!(view.section(SectionKind::Data).unwrap(), octets.slice(3..8));
        assert_eq!(view.bare_message().len(), octets.len());
        assert_eq!(view.rewrite(&Rewrite::default()).unwrap().len(), octets.len());
        assert_eq!(message.to_payload().unwrap().to_bytes(), octets);
        let one_more: Payload = view.payload().chunks().iter().cloned().chain([octets.slice(..8)]).collect();
        let error = MessageView::new(one_more, &Limits::DEFAULT).unwrap_err();
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::Limit(LimitKind::Sections), octets.len())
        );
    }
}

/// D41: a section with a huge descriptor, and a section cut into single octets.
#[test]
fn d41_one_section_in_very_many_chunks() {
    let mut descriptors = b"\x00\x53\x77".to_vec();
    descriptors.extend([0; 50_000]);
    descriptors.extend([0x40; 50_001]);
    let list = [&b"\x00\x53\x76\xd0\x00\x00\xea\x64\x00\x00\xea\x60"[..], &[0x40; 60_000]].concat();
    for (octets, fault) in [(descriptors, Some(DecodeErrorKind::Limit(LimitKind::Depth))), (list, None)] {
        let whole = look(Bytes::from(octets.clone())).unwrap();
        assert_eq!(whole.body.as_ref().err().map(DecodeError::kind), fault);
        let payload: Payload = octets.chunks(1).map(Bytes::copy_from_slice).collect();
        assert_eq!(look(payload), Ok(whole));
    }
}

/// D42
#[test]
fn d42_sections_out_of_order_are_refused() {
    let octets = carried("D42");
    let error = look_at_all_cuts(&octets).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (DecodeErrorKind::SectionOrder, 4));
    assert_eq!(wrong("00537740 00537740"), (DecodeErrorKind::BodyMix, 4));
    assert_eq!(wrong("005375a000 00537740"), (DecodeErrorKind::BodyMix, 5));
    let control = [octets.slice(4..), octets.slice(..4)].concat();
    assert!(look_at_all_cuts(&Bytes::from(control)).is_ok());
}

/// A broken message reads the same in any pieces, and nothing panics.
#[test]
fn broken_messages_look_the_same_in_any_pieces() {
    let whole = octets(
        "005370 c00402 41 5009 00a31d616d71703a64656c69766572792d616e6e6f746174696f6e733a6d6170 c10502 a3016441
         0080 0000000000000072 d10000000800000002 a3016d41 005373 c00602 5307 a00175 005374 c10702 a1016b a10176
         005375 a00161 005375 b00000000162 005378 c10502 a3016641",
    );
    look(whole.clone()).unwrap().message.unwrap();
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut read = 0;
    for _ in 0..4_000 {
        let mut broken = whole.to_vec();
        for _ in 0..=random(2) {
            let (at, octet) = (random(broken.len()), u8::try_from(random(256)).unwrap());
            match random(4) {
                0 => drop(broken.remove(at)),
                1 => broken.insert(at, octet),
                _ => broken[at] = octet,
            }
        }
        let seen = look(Bytes::from(broken.clone()));
        read += usize::from(seen.as_ref().is_ok_and(|seen| seen.message.is_ok()));
        let mut ends: Vec<usize> = (0..random(9)).map(|_| random(broken.len())).collect();
        ends.sort_unstable();
        for ends in [ends, (1..broken.len()).collect()] {
            assert_eq!(look(cut(&broken, &ends)), seen, "{} cut at {ends:?}", common::hex(&broken));
        }
        // Reading in place finds the same sections and faults, in another order.
        let in_place = Sections::new(&broken).try_for_each(|section| section.map(|_| ()));
        let seen = seen.err();
        if !seen.as_ref().is_some_and(is_about_order) {
            let kinds = (in_place.err().map(|error| error.kind()), seen.map(|error| error.kind()));
            assert_eq!(kinds.0, kinds.1, "{}", common::hex(&broken));
        }
    }
    assert!((20..2_000).contains(&read), "{read} of 4000 can be read");
}

fn is_about_order(error: &DecodeError) -> bool {
    matches!(error.kind(), DecodeErrorKind::SectionOrder | DecodeErrorKind::BodyMix)
}
