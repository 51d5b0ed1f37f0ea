//! Values survive encoding and decoding, in every form.

use amqp_proto::codec::{Entries, ValueRef};
use amqp_proto::testing::strategies::{value, value_of};
use amqp_proto::types::{Kind, Value};
use amqp_proto::wire::ProtocolHeader;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::messages::read_message;
use crate::octets::{octets, spoiled, spoiling};
use crate::streams::read_stream;
use crate::wide::wide;
use crate::{decode, encode, taking};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    /// E-ENC-06, E-ENC-12, E-ENC-13: a value survives to the bit, and has the announced length.
    #[test]
    fn values_come_back(value in value()) {
        let octets = encode(&value);
        let back = decode(octets.clone()).unwrap();
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(encode(&back), octets);
    }

    /// E-ENC-05, E-ENC-06: the widest forms decode to the same value and are not kept.
    #[test]
    fn e_enc_05_wide_forms_read_the_same(value in value()) {
        let wide = wide(&value);
        let back = decode(wide.clone()).unwrap();
        prop_assert_eq!(&back, &value);
        let octets = encode(&back);
        prop_assert!(octets.len() <= wide.len());
        prop_assert_eq!(octets, encode(&value));
    }

    /// F-LAY-11: a truncated value never decodes to another, and no octets are taken.
    #[test]
    fn values_cut_short_are_refused(value in value(), cut: Index) {
        let octets = encode(&value);
        prop_assert!(decode(octets.slice(..cut.index(octets.len()))).is_err());
    }

    #[test]
    fn values_are_read_off_the_front(value in value(), behind in octets()) {
        let mut octets = Bytes::from([&encode(&value), &*behind].concat());
        prop_assert_eq!(taking(&mut octets, Value::decode).unwrap(), value);
        prop_assert_eq!(octets, behind);
    }

    #[test]
    fn spoiled_values_do_no_harm(value in value(), spoiling in spoiling()) {
        let octets = spoiled(&encode(&value), &spoiling);
        if let Ok(value) = taking(&mut octets.clone(), Value::decode) {
            prop_assert_eq!(decode(encode(&value)).unwrap(), value);
        }
        look_into(&octets);
    }

    #[test]
    fn any_octets_do_no_harm(octets in octets()) {
        let octets = Bytes::from(octets);
        let _ = taking(&mut octets.clone(), Value::decode);
        look_into(&octets);
        let _ = ProtocolHeader::decode(&octets);
        read_stream([&octets[..]]);
        read_message(octets.into());
    }

    /// A peer's text is safe in a log: one line, without terminal controls.
    #[test]
    fn values_print_on_one_line(value in value()) {
        let text = value.to_string();
        prop_assert!(!text.is_empty() && !text.chars().any(|c| c.is_control() || c == '\u{2028}'), "{:?}", text);
        prop_assert_eq!(format!("{value:?}"), text);
    }

    #[test]
    fn values_in_place_agree(value in value()) {
        let octets = encode(&value);
        let there = ValueRef::decode(&octets).unwrap();
        match &value {
            Value::String(text) => prop_assert_eq!(there.as_str(), Some(text.as_str())),
            Value::Binary(binary) => prop_assert_eq!(there, ValueRef::Binary(binary)),
            Value::Uint(n) => prop_assert_eq!(there, ValueRef::Uint(*n)),
            Value::Long(n) => prop_assert_eq!(there, ValueRef::Long(*n)),
            Value::Map(map) => {
                prop_assert_eq!(there, ValueRef::Encoded(&octets));
                let pairs = Entries::new(&octets).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
                prop_assert_eq!(pairs.len(), map.len());
            }
            _ => {}
        }
    }
}

proptest! {
    /// Values made for fuzzers are as legal as those of strategies.
    #[test]
    fn values_out_of_octets_come_back(octets in proptest::collection::vec(any::<u8>(), 0..512)) {
        let value = <Value as arbitrary::Arbitrary>::arbitrary(&mut arbitrary::Unstructured::new(&octets)).unwrap();
        prop_assert_eq!(decode(encode(&value)).unwrap(), value.clone());
        prop_assert_eq!(decode(wide(&value)).unwrap(), value);
    }
}

/// Reads octets in place as far as possible.
pub(crate) fn look_into(octets: &[u8]) {
    if let Ok(value) = ValueRef::decode(octets) {
        assert!(!format!("{value:?}").is_empty());
    }
    if let Ok(entries) = Entries::new(octets) {
        assert!(entries.count() <= octets.len());
    }
}

/// E-ENC-05: every kind, with the same number of cases each.
#[test]
fn values_of_every_kind_come_back() {
    for kind in Kind::ALL {
        proptest!(|(value in value_of(kind))| {
            prop_assert_eq!(value.kind(), Some(kind));
            prop_assert_eq!(decode(encode(&value)).unwrap(), value.clone());
            prop_assert_eq!(decode(wide(&value)).unwrap(), value);
        });
    }
}
