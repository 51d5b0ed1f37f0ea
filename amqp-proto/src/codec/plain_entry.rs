//! [`plain_entry`]: a short way to one value of a map in the forms that most writers use.

use super::code::{Code, Width};
use super::decode::Decoder;
use crate::types::Value;

/// Returns the value whose key is the text `name`, a string or a symbol; `Some(None)` if the map has none.
///
/// Returns `None` if an octet up to the value is of a rare form, or at fault. [`find_entry`](super::find_entry) handles
/// that.
pub(crate) fn plain_entry<'a>(map: &'a [u8], name: &str, decoder: &Decoder<'a>) -> Option<Option<Value>> {
    let &[Code::MAP8, size, count, ref entries @ ..] = map else { return None };
    if usize::from(size) != entries.len() + 1 || count % 2 != 0 {
        return None;
    }
    let mut rest = entries;
    for _ in 0..count / 2 {
        let [Code::STRING8 | Code::SYMBOL8, len, octets @ ..] = rest else { return None };
        let (key, value) = octets.split_at_checked(usize::from(*len))?;
        if key == name.as_bytes() {
            return plain_value(value, decoder).map(Some);
        }
        let (code, octets) = value.split_first()?;
        rest = match (Code::width(*code), octets) {
            (Width::Sized8, [len, octets @ ..]) => octets.get(usize::from(*len)..)?,
            (Width::Fixed(width), octets) => octets.get(usize::from(width)..)?,
            _ => return None,
        };
    }
    rest.is_empty().then_some(None)
}

/// Reads a value of the most frequent types.
#[inline]
fn plain_value<'a>(octets: &'a [u8], decoder: &Decoder<'a>) -> Option<Value> {
    Some(match octets {
        [Code::STRING8, octets @ ..] => decoder.text(Code::STRING8, octets).ok()?.1.into(),
        [Code::TRUE, ..] => true.into(),
        [Code::FALSE, ..] => false.into(),
        [Code::SMALL_INT, n, ..] => i32::from(n.cast_signed()).into(),
        [Code::SMALL_LONG, n, ..] => i64::from(n.cast_signed()).into(),
        [Code::INT, rest @ ..] => i32::from_be_bytes(*rest.first_chunk()?).into(),
        [Code::LONG, rest @ ..] => i64::from_be_bytes(*rest.first_chunk()?).into(),
        [Code::TIMESTAMP, rest @ ..] => {
            crate::types::Timestamp::from_millis(i64::from_be_bytes(*rest.first_chunk()?)).into()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::plain_entry;
    use crate::codec::{Decoder, find_entry, octet};
    use crate::types::{Limits, Map, Value};
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    /// Finds a value the general way.
    fn found(name: &str, map: &Bytes) -> Option<Option<Value>> {
        let mut decoder = Decoder::new(map, &Limits::DEFAULT);
        let Some(octets) = find_entry(name, map).ok()? else { return Some(None) };
        let (rest, code) = octet(octets).ok()?;
        Value::decode_from(&mut decoder, code, rest).ok().map(|(_, value)| Some(value))
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-200_i64..200).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            Just(Value::Null),
        ]
    }

    proptest! {
        /// A value that is found the short way equals one that is found the general way, in whatever octets.
        #[test]
        fn the_short_way_finds_what_the_general_way_finds(
            pairs in prop::collection::vec(("[a-c]{0,2}", value()), 0..6),
            name in "[a-c]{0,2}",
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut octets = BytesMut::new();
            let map: Map = pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
            Value::from(map).encode(&mut octets).unwrap();
            if let Some((at, octet)) = damage {
                let at = at.index(octets.len());
                octets[at] = octet;
            }
            let octets = octets.freeze();
            let decoder = Decoder::new(&octets, &Limits::DEFAULT);
            if let Some(value) = plain_entry(&octets, &name, &decoder) {
                prop_assert_eq!(Some(value), found(&name, &octets));
            }
        }
    }
}
