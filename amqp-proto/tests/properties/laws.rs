//! Laws of values: equality, order and copies.

use std::cmp::Ordering;

use amqp_proto::types::{Array, Described, Kind, List, Map, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::encode;

/// The number of different leaves.
const LEAVES: usize = 3;

/// Values in which numbers below [`LEAVES`] are placeholders of leaves.
fn shape() -> impl Strategy<Value = Value> {
    (0..LEAVES).prop_map(|n| Value::from(n as u64)).prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| List::from(items).into()),
            vec((inner.clone(), inner.clone()), 0..2).prop_map(|pairs| Map::from_iter(pairs).into()),
            (inner.clone(), inner.clone()).prop_map(|(of, value)| Described::new(of, value).into()),
            (vec(0..2_u32, 0..3), vec(inner, 0..2)).prop_map(|(elements, of)| {
                let mut array = Array::described(of, Kind::Uint);
                elements.into_iter().for_each(|n| array.push(n).unwrap());
                array.into()
            }),
        ]
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (0..2_u32).prop_map(Value::from),
        prop_oneof![Just(-0.0), Just(0.0), Just(f32::NAN), Just(-f32::NAN)].prop_map(Value::from),
        prop_oneof![Just(0.0), Just(1.0), Just(f64::NAN)].prop_map(Value::from),
        "a?".prop_map(Value::from),
        Just(List::new().into()),
    ]
}

fn grown(shape: &Value, leaves: &[Value; LEAVES]) -> Value {
    let grown = |value: &Value| grown(value, leaves);
    match shape {
        Value::Ulong(n) => leaves[usize::try_from(*n).unwrap()].clone(),
        Value::List(list) => list.iter().map(grown).collect::<List>().into(),
        Value::Map(map) => map.iter().map(|(key, value)| (grown(key), grown(value))).collect::<Map>().into(),
        Value::Described(it) => Described::new(grown(it.descriptor()), grown(it.value())).into(),
        Value::Array(array) => {
            let mut other = Array::described(array.descriptors().iter().map(grown), array.kind());
            array.elements().iter().for_each(|element| other.push(element.clone()).unwrap());
            other.into()
        }
        other => other.clone(),
    }
}

/// The value without its last item.
fn shorter(value: Value) -> Value {
    match value {
        Value::List(list) => list.iter().take(list.len().saturating_sub(1)).cloned().collect::<List>().into(),
        Value::Map(map) => {
            let rest = map.len().saturating_sub(1);
            map.iter().take(rest).map(|(key, value)| (key.clone(), value.clone())).collect::<Map>().into()
        }
        other => other,
    }
}

/// Three values that are often equal or nearly so: they differ in one leaf, in all leaves, in length, or altogether.
fn alike() -> impl Strategy<Value = [Value; 3]> {
    let leaves = || proptest::array::uniform3(leaf());
    (shape(), 0..3, shape(), leaves(), leaves()).prop_map(|(shape, which, other, a, b)| {
        let mut nearly = a.clone();
        nearly[0] = b[0].clone();
        let third = match which {
            0 => grown(&shape, &b),
            1 => shorter(grown(&shape, &a)),
            _ => grown(&other, &a),
        };
        [grown(&shape, &a), grown(&shape, &nearly), third]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn order_is_total([a, b, c] in alike()) {
        prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.partial_cmp(&b), Some(a.cmp(&b)));
        let mut sorted = [&a, &b, &c];
        sorted.sort();
        let [low, middle, high] = sorted;
        prop_assert!(low <= middle && middle <= high && low <= high);
    }

    /// Values are equal exactly if their octets are.
    #[test]
    fn equality_is_that_of_octets([a, b, c] in alike()) {
        prop_assert_eq!(a == b, encode(&a) == encode(&b));
        prop_assert_eq!(a == c, encode(&a) == encode(&c));
    }

    #[test]
    fn clones_are_equal([a, ..] in alike()) {
        prop_assert_eq!(encode(&a.clone()), encode(&a));
        prop_assert_eq!(a.clone(), a);
    }
}
