//! Wrong octets, and octets in pieces.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Changes a few octets and truncates the rest, or does nothing.
pub(crate) type Spoiling = (Vec<(Index, u8)>, Option<Index>);

pub(crate) fn spoiling() -> impl Strategy<Value = Spoiling> {
    (vec(any::<(Index, u8)>(), 0..4), proptest::option::weighted(0.3, any::<Index>()))
}

pub(crate) fn spoiled(octets: &[u8], (changes, cut): &Spoiling) -> Bytes {
    let mut octets = octets.to_vec();
    for (at, octet) in changes {
        *at.get_mut(&mut octets) = *octet;
    }
    octets.truncate(cut.map_or(octets.len(), |cut| cut.index(octets.len())));
    octets.into()
}

/// Random octets, most of them with a meaning in AMQP.
pub(crate) fn octets() -> impl Strategy<Value = Vec<u8>> {
    let codes = proptest::sample::select(
        &b"\x00\x40\x41\x43\x45\x50\x53\x56\x70\x80\xa0\xa1\xa3\xb1\xc0\xc1\xd0\xd1\xe0\xf0\x10\x14\x24\x70\x73\x77"[..],
    );
    vec(prop_oneof![codes, 0..8_u8, any::<u8>()], 0..64)
}

/// Cuts octets into pieces of these sizes, in turn.
pub(crate) fn cut<'a>(mut octets: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        let (piece, rest) = octets.split_at(octets.len().min(*size));
        pieces.push(piece);
        octets = rest;
        if octets.is_empty() {
            break;
        }
    }
    pieces
}
