//! The protocol headers before TLS [5.2], in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{self, ErrorKind};

use amqp_proto::client::TlsHeaders;

const TLS: &[u8; 8] = b"AMQP\x02\x01\x00\x00";
/// The beginning of a record of TLS, and of a client's hello in it.
const HELLO: &[u8; 8] = &[22, 3, 1, 2, 0, 1, 0, 1];

/// Passes octets to an end, at most `step` at a time, until it is done. Returns the number of octets that it took.
fn pass(headers: &mut TlsHeaders, octets: &[u8], step: usize) -> io::Result<usize> {
    let mut taken = 0;
    while !headers.is_done() {
        let space = headers.input();
        let count = space.len().min(step).min(octets.len() - taken);
        space[..count].copy_from_slice(&octets[taken..][..count]);
        headers.received(count)?;
        taken += count;
    }
    Ok(taken)
}

/// A-TLS-01: both ends send a header; nothing behind it is taken, however it comes in.
#[test]
fn a_tls_01_tls_begins_after_a_header_of_each_end() {
    for step in 1..=16 {
        let mut client = TlsHeaders::client();
        assert_eq!(client.take_output().as_ref(), Some(TLS));
        assert_eq!(client.take_output(), None);
        assert_eq!(pass(&mut client, &[&TLS[..], HELLO].concat(), step).unwrap(), 8);
        assert_eq!((client.take_output(), client.early()), (None, &[][..]));

        let mut server = TlsHeaders::server();
        assert_eq!(server.take_output(), None);
        assert_eq!(pass(&mut server, &[&TLS[..], HELLO].concat(), step).unwrap(), 8);
        assert_eq!((server.take_output().as_ref(), server.early()), (Some(TLS), &[][..]));
    }
}

/// A server takes TLS from the first octet, too [5.2.1], and keeps what it has read of it.
#[test]
fn a_server_takes_tls_without_a_header() {
    for step in 1..=8 {
        let mut server = TlsHeaders::server();
        let taken = pass(&mut server, HELLO, step).unwrap();
        assert_eq!((taken, server.early()), (step, &HELLO[..step]));
        assert_eq!(server.take_output(), None);
    }
    assert!(TlsHeaders::none().is_done());
    assert_eq!((TlsHeaders::none().take_output(), TlsHeaders::none().early()), (None, &[][..]));
}

/// Each end refuses other headers and other octets. A server answers with the header that it requires [2.2].
#[test]
fn other_octets_are_refused() {
    let refused: [(&[u8], &str, &str); 10] = [
        (b"AMQP\x00\x01\x00\x00", "the header of AMQP 1.0.0", "the peer speaks AMQP 1.0.0"),
        (b"AMQP\x03\x01\x00\x00", "the header of SASL 1.0.0", "the peer speaks SASL 1.0.0"),
        (b"AMQP\x02\x01\x00\x01", "the header of TLS 1.0.1", "the peer speaks TLS 1.0.1"),
        (b"AMQP\x02\x02\x00\x00", "the header of TLS 2.0.0", "the peer speaks TLS 2.0.0"),
        (b"AMQP\x01\x01\x00\x09", "the header of protocol 1", "the peer speaks protocol 1"),
        (b"AMQX", "does not speak AMQP", "does not speak TLS"),
        (b"GET / HTTP/1.1", "does not speak AMQP", "does not speak TLS"),
        (&[0; 8], "does not speak AMQP", "does not speak TLS"),
        (&[21, 3, 3, 0, 2, 2, 40], "speaks TLS from the first octet", "does not speak TLS"),
        (&[0xff], "does not speak AMQP", "does not speak TLS"),
    ];
    for (octets, at_client, at_server) in refused {
        for step in 1..=8 {
            for (mut headers, words) in [(TlsHeaders::client(), at_client), (TlsHeaders::server(), at_server)]
            {
                let is_client = headers.take_output().is_some();
                let error = pass(&mut headers, octets, step).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
                assert!(error.to_string().contains(words), "{error}, not {words}");
                assert_eq!(headers.take_output().as_ref(), (!is_client).then_some(TLS), "{octets:?}");
                assert!(!headers.is_done());
            }
        }
    }
    let mut client = TlsHeaders::client();
    let error = pass(&mut client, HELLO, 8).unwrap_err();
    assert!(error.to_string().contains("speaks TLS from the first octet"), "{error}");
}

/// The end of the stream inside a header is an error at both ends.
#[test]
fn a_stream_that_ends_early_is_an_error() {
    for octets in 0..8 {
        for mut headers in [TlsHeaders::client(), TlsHeaders::server()] {
            let error = pass(&mut headers, &TLS[..octets], 8).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }
}

/// A driver that tells more than it had room for breaks nothing.
#[test]
fn a_count_beyond_the_space_is_none() {
    let mut server = TlsHeaders::server();
    server.input().copy_from_slice(TLS);
    server.received(usize::MAX).unwrap();
    assert!(server.is_done());
}
