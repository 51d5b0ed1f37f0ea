//! Version negotiation [2.2].

use super::super::case::{Case, Played, defined, deviates, holds, must, should};
use super::super::peer::{Input, Peer};
use super::super::wire::{AMQP, SASL};

pub(super) const CASES: [Case; 7] = [
    must("H-HDR-04", "2.2", "answers a supported version with the same header", same_version),
    must(
        "H-HDR-05",
        "2.2",
        "answers a version it does not support with a header, and closes",
        unknown_version,
    ),
    should("H-HDR-06", "2.2", "answers version 2.0.0 with the highest version it supports", highest_version),
    must("H-HDR-07", "2.2", "answers what is no header with a header, and closes", no_header),
    must("H-HDR-09", "2.2", "answers an unknown protocol id with a header, and closes", unknown_id),
    must(
        "H-HDR-09",
        "5.2",
        "answers a request for TLS with TLS, or with another header, and closes",
        asked_for_tls,
    ),
    defined("H-HDR-11", "2.2", "reads a header that comes octet by octet", in_pieces),
];

/// The first header of a connection with this peer.
fn first_header(peer: &Peer<'_>) -> [u8; 8] {
    if peer.target.sasl { SASL } else { AMQP }
}

fn answers(peer: &mut Peer<'_>, wanted: [u8; 8]) -> Played {
    let expected = Input::Header(wanted).to_string();
    match peer.header() {
        Ok(header) => holds(header == wanted, &expected, || Input::Header(header).to_string()),
        Err(came) => deviates(expected, came),
    }
}

/// Expects a header of any version, and the end of the stream.
fn refuses(peer: &mut Peer<'_>) -> Result<[u8; 8], super::super::case::Stop> {
    let header = peer.header().or_else(|came| deviates("a header", came))?;
    peer.expects_end("the end of the stream behind the header")?;
    Ok(header)
}

fn same_version(peer: &mut Peer<'_>) -> Played {
    let header = first_header(peer);
    peer.write("header", &header);
    answers(peer, header)
}

fn unknown_version(peer: &mut Peer<'_>) -> Played {
    peer.write("header AMQP 0 1.1.0", b"AMQP\x00\x01\x01\x00");
    refuses(peer).map(drop)
}

fn highest_version(peer: &mut Peer<'_>) -> Played {
    let [.., id, _, _, _] = first_header(peer);
    peer.write("header with version 2.0.0", &[b'A', b'M', b'Q', b'P', id, 2, 0, 0]);
    let expected = "a header with version 1.0.0";
    let header = peer.header().or_else(|came| deviates(expected, came))?;
    holds(header.ends_with(&[1, 0, 0]), expected, || Input::Header(header).to_string())
}

fn no_header(peer: &mut Peer<'_>) -> Played {
    peer.write("a request of HTTP", b"GET / HTTP/1.1\r\nHost: conformance\r\n\r\n");
    refuses(peer).map(drop)
}

fn unknown_id(peer: &mut Peer<'_>) -> Played {
    peer.write("header AMQP 9 1.0.0", b"AMQP\x09\x01\x00\x00");
    let header = refuses(peer)?;
    holds(header[4] != 9, "an acceptable protocol id", || Input::Header(header).to_string())
}

fn asked_for_tls(peer: &mut Peer<'_>) -> Played {
    let header = *b"AMQP\x02\x01\x00\x00";
    peer.write("TLS header", &header);
    let came = peer.header().or_else(|came| deviates("a header", came))?;
    if came == header { Ok(()) } else { peer.expects_end("the end of the stream behind the other header") }
}

fn in_pieces(peer: &mut Peer<'_>) -> Played {
    let header = first_header(peer);
    for octet in header {
        peer.write("an octet of the header", &[octet]);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    answers(peer, header)
}
