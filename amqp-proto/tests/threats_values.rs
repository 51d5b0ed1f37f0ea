//! Hostile values A01 to A24 at a connection, in four places that take any value: the peer's open, an attach, a
//! delivery state, and the body of a message. In frames they close the connection; in a message the application
//! rejects them. Next to each, a value that differs in one detail is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use amqp_proto::testing::{HEADER, attach_sender, disposition, open, transfer};
use amqp_proto::wire::Condition;
use bytes::Bytes;
use common::{data, octets, text};
use endpoint::*;

/// A list or map with 32-bit size and count and any octets.
fn wide(code: u8, count: u32, octets: &[u8]) -> Vec<u8> {
    let size = u32::try_from(octets.len() + 4).unwrap();
    [&[code][..], &size.to_be_bytes(), &count.to_be_bytes(), octets].concat()
}

/// A map with the value under a key.
fn fields(value: &[u8]) -> Vec<u8> {
    wide(0xd1, 2, &[b"\xa3\x01k", value].concat())
}

/// The value in the properties of the open, before anything else of the peer.
fn in_open(value: &[u8]) -> Vec<u8> {
    [&HEADER[..], &open("evil").nulls(8).encoded(&fields(value)).to_octets()].concat()
}

/// The value in the properties of an attach.
fn in_attach(value: &[u8]) -> Vec<u8> {
    let frame = attach_sender("l", 0, "q", "q").nulls(3).encoded(&fields(value));
    with(session(), &[frame])
}

/// The value in the annotations of a modified outcome.
fn in_state(value: &[u8]) -> Vec<u8> {
    let modified = wide(0xd0, 3, &[b"\x40\x40", &fields(value)[..]].concat());
    let state = [b"\x00\x53\x27", &modified[..]].concat();
    with(sending(), &[disposition(true, 0, None).boolean(true).encoded(&state)])
}

/// The value as the body of a message.
fn in_message(value: &[u8]) -> Vec<u8> {
    with(receiving(), &[transfer(0, 0, b"t").payload([b"\x00\x53\x77", value].concat())])
}

fn value_of(id: &str) -> Bytes {
    let all = data("threats.json");
    let row = all.as_array().unwrap().iter().find(|row| text(row, "id") == id).unwrap();
    octets(text(row, "value_hex"))
}

#[track_caller]
fn refused_everywhere(value: &[u8]) {
    let endpoint = closes(&in_open(value), Condition::DecodeError);
    assert_eq!(endpoint.events.len(), 1, "the connection was never open");
    for stream in [in_attach(value), in_state(value)] {
        closes(&stream, Condition::DecodeError);
    }
    let endpoint = accepts(&in_message(value));
    assert!(endpoint.events.last().unwrap().starts_with("Err"), "{:?}", endpoint.events);
    let wrote = endpoint.wrote().frames.iter().map(ToString::to_string).collect::<String>();
    assert!(wrote.contains("rejected") && wrote.contains("decode-error"), "{wrote}");
}

#[track_caller]
fn accepted_everywhere(value: &[u8]) {
    // As many elements as the limits allow, of 40 octets each, in the application's copies.
    let accepts = |stream: Vec<u8>| {
        let endpoint = attack_within(Endpoint::server, &stream, 512 * 1024);
        assert_eq!(endpoint.wrote().errors(), []);
        assert!(endpoint.connection.is_open());
        endpoint
    };
    for stream in [in_open(value), in_attach(value), in_state(value)] {
        accepts(stream);
    }
    let endpoint = accepts(in_message(value));
    assert!(endpoint.events.last().unwrap().starts_with("Ok"), "{:?}", endpoint.events);
}

/// A hostile value by its id, and a harmless one.
macro_rules! values {
    ($($test:ident $id:literal, control $control:expr;)*) => {$(
        #[test]
        fn $test() {
            // The stream of the data file, and the same value in the streams made here.
            closes(&threat($id).stream, Condition::DecodeError);
            refused_everywhere(&value_of($id));
            accepted_everywhere(&$control);
        }
    )*};
}

values! {
    a01_nulls_of_no_octets "A01", control octets("f000000005 00000100 40");
    a02_lists_of_no_octets "A02", control octets("f000000005 00000100 45");
    a03_many_small_arrays "A03", control wide(0xd0, 16, &b"\xe0\x02\xff\x41".repeat(16));
    a04_list_of_4_gi_items "A04", control octets("d000000004 00000000");
    a05_list_of_4_gib "A05", control octets("d000000005 00000001 40");
    a06_list_without_a_count "A06", control octets("c00100");
    a07_list_that_ends_early "A07", control octets("c00403 404040");
    a08_list_that_ends_late "A08", control octets("c00601 7000000001");
    a09_map_with_an_odd_count "A09", control octets("c10302 4340");
    a10_map_with_a_key_twice "A10", control octets("c10904 a3016b40 a3016c41");
    a11_binary_of_4_gib "A11", control octets("b000000001 00");
    a12_string_that_is_not_utf_8 "A12", control octets("a102 c280");
    a13_symbol_that_is_not_ascii "A13", control octets("a302 4369");
    a14_char_above_the_last "A14", control octets("73 0010ffff");
    a15_boolean_of_2 "A15", control octets("56 01");
    a16_descriptors_in_one_another "A16", control [&[0; 20][..], &[0x43; 20], &[0x40]].concat();
    a17_described_in_one_another "A17", control [&b"\x00\x53\x01".repeat(20)[..], b"\x40"].concat();
    a18_lists_in_one_another "A18", control (0..20).fold(vec![0x40], |inner, _| wide(0xd0, 1, &inner));
    a19_maps_in_one_another "A19", control (0..20).fold(vec![0x40], |inner, _| {
        wide(0xd1, 2, &[b"\x43", &inner[..]].concat())
    });
    a20_arrays_in_one_another "A20", control {
        let arrays = (0..20).fold(octets("00000005 00000000 40").to_vec(), |inner, _| {
            wide(0xf0, 1, &[b"\xf0", &inner[..]].concat()).split_off(1)
        });
        [b"\xf0", &arrays[..]].concat()
    };
    a21_unassigned_constructor "A21", control octets("50 00");
    a22_descriptor_cut_off "A22", control octets("e00701 00a30178 5007");
    a23_array_of_size_0 "A23", control octets("f000000005 00000000 40");
}

/// A24: each symbol has one octet in the input, and no table of symbols grows.
#[test]
fn a24_many_symbols() {
    accepts(&threat("A24").stream);
    accepted_everywhere(&value_of("A24"));
    let mut cut_off = value_of("A24").to_vec();
    *cut_off.last_mut().unwrap() = 1;
    refused_everywhere(&cut_off);
    let cost = allocation_counter::measure(|| {
        for peer in 0..100 {
            let unique: Vec<u8> =
                (0..2_000).flat_map(|at| format!("\x09{peer:04}k{at:04}").into_bytes()).collect();
            let value = wide(0xf0, 2_000, &[b"\xa3", &unique[..]].concat());
            let mut endpoint = Endpoint::server().counting();
            endpoint.read(&in_open(&value));
            assert!(endpoint.connection.is_open());
        }
    });
    assert_eq!(cost.bytes_current, 0);
}
