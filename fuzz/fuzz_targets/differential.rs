//! Fuzzes the codec of values against that of another library, `ramqp-core`.
//!
//! Both read the same octets. If both accept them, they read the same value, and each reads what the other writes. If
//! one refuses them, it has one of the known reasons, which is looked for in the octets or in the value.
#![no_main]

use amqp_proto::codec::{DecodeError, DecodeErrorKind, LimitKind};
use amqp_proto::types::{Array, Limits, Value};
use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use ramqp_core::codec::{Decode, Value as Other, to_vec};

/// The other library allows 64 levels, and 1,024 elements without octets in each array.
const LIMITS: Limits = Limits::DEFAULT.with_zero_width_elements(1024);

fuzz_target!(|octets: &[u8]| {
    compare(octets);
    if let Ok(value) = Value::arbitrary(&mut Unstructured::new(octets)) {
        compare(&written(&value));
    }
});

fn compare(octets: &[u8]) {
    let (mut ours_left, mut theirs_left) = (Bytes::copy_from_slice(octets), Bytes::copy_from_slice(octets));
    let ours = Value::decode(&mut ours_left, &LIMITS);
    let theirs = Other::decode(&mut theirs_left);
    match (ours, theirs) {
        (Ok(ours), _) if has_several_descriptors(&ours) => {}
        (Ok(ours), Ok(theirs)) => {
            assert!(is_same(&ours, &theirs), "{ours:?} is read as {theirs:?}");
            assert_eq!(ours_left.len(), theirs_left.len(), "the ends of {ours:?} differ");
            exchange(&ours, &theirs);
        }
        (Ok(ours), Err(error)) => panic!("{ours:?} is refused: {error}"),
        (Err(error), Ok(theirs)) => {
            assert!(is_known(&error, octets, &theirs), "{theirs:?} is refused: {error}");
        }
        (Err(_), Err(_)) => {}
    }
}

/// Checks that each reads what the other writes.
fn exchange(ours: &Value, theirs: &Other) {
    let read = Other::decode(&mut Bytes::from(written(ours)));
    let is_read = read.as_ref().is_ok_and(|read| is_same(ours, read));
    assert!(is_read, "{ours:?} is written, and read as {read:?}");
    // The other library writes described elements in several forms, of which the array tells the first, and arrays
    // without elements without a type, so that two keys may become the same.
    if !any(theirs, &|one| has_described_elements(one) || has_duplicate_keys(one)) {
        // It also writes a list without items with a size, which is one more level here.
        let read = Value::decode(&mut Bytes::from(to_vec(theirs)), &LIMITS.with_depth(LIMITS.depth() + 1));
        let is_read = read.as_ref().is_ok_and(|read| is_same(read, theirs));
        assert!(is_read, "{theirs:?} is written, and read as {read:?}");
    }
}

fn written(value: &Value) -> Vec<u8> {
    let mut out = BytesMut::new();
    value.encode(&mut out).expect("it is small enough");
    out.to_vec()
}

/// Returns `true` if the octets that this library refuses have the fault that it tells, which the other one lets pass.
fn is_known(error: &DecodeError, octets: &[u8], theirs: &Other) -> bool {
    if any(theirs, &has_nested_descriptors) {
        return true;
    }
    let at = error.offset();
    let is_told = match error.kind() {
        // The limits of both libraries differ.
        DecodeErrorKind::Limit(LimitKind::Depth) => depth(theirs) > LIMITS.depth().into(),
        // This end's limit is for all arrays together.
        DecodeErrorKind::Limit(LimitKind::ZeroWidthElements) => elements(theirs) > 1024,
        // [1.6.23]: no two keys of a map are equal.
        DecodeErrorKind::DuplicateKey => any(theirs, &has_duplicate_keys),
        // [1.6.21]: a symbol is ASCII.
        DecodeErrorKind::Ascii => {
            any(theirs, &|one| matches!(one, Other::Symbol(symbol) if !symbol.as_str().is_ascii()))
        }
        // [1.2.3]: the size of a compound is that of its items.
        DecodeErrorKind::Count => (at..octets.len()).any(|at| is_ignored(octets, at, theirs)),
        _ => false,
    };
    // The other library passes over octets after the last item of a compound, and over the constructor of an array
    // without elements.
    is_told || (at.saturating_sub(1)..=at).any(|at| is_ignored(octets, at, theirs))
}

/// Returns `true` if the other library reads the same value when an octet is another one.
fn is_ignored(octets: &[u8], at: usize, theirs: &Other) -> bool {
    [0xff, 0x01].into_iter().any(|change| {
        let mut octets = octets.to_vec();
        octets.get_mut(at).map(|octet| *octet ^= change).is_some()
            && Other::decode(&mut Bytes::from(octets)).is_ok_and(|read| read == *theirs)
    })
}

fn is_same(ours: &Value, theirs: &Other) -> bool {
    match (ours, theirs) {
        (Value::Null, Other::Null) => true,
        (Value::Boolean(ours), Other::Bool(theirs)) => ours == theirs,
        (Value::Ubyte(ours), Other::Ubyte(theirs)) => ours == theirs,
        (Value::Ushort(ours), Other::Ushort(theirs)) => ours == theirs,
        (Value::Uint(ours), Other::Uint(theirs)) => ours == theirs,
        (Value::Ulong(ours), Other::Ulong(theirs)) => ours == theirs,
        (Value::Byte(ours), Other::Byte(theirs)) => ours == theirs,
        (Value::Short(ours), Other::Short(theirs)) => ours == theirs,
        (Value::Int(ours), Other::Int(theirs)) => ours == theirs,
        (Value::Long(ours), Other::Long(theirs)) => ours == theirs,
        (Value::Float(ours), Other::Float(theirs)) => ours.to_bits() == theirs.0.to_bits(),
        (Value::Double(ours), Other::Double(theirs)) => ours.to_bits() == theirs.0.to_bits(),
        (Value::Decimal32(ours), Other::Decimal32(theirs)) => ours.to_be_bytes() == *theirs,
        (Value::Decimal64(ours), Other::Decimal64(theirs)) => ours.to_be_bytes() == *theirs,
        (Value::Decimal128(ours), Other::Decimal128(theirs)) => ours.to_be_bytes() == *theirs,
        (Value::Char(ours), Other::Char(theirs)) => ours == theirs,
        (Value::Timestamp(ours), Other::Timestamp(theirs)) => ours.as_millis() == *theirs,
        (Value::Uuid(ours), Other::Uuid(theirs)) => ours.as_bytes() == theirs.as_bytes(),
        (Value::Binary(ours), Other::Binary(theirs)) => ours == theirs,
        (Value::String(ours), Other::String(theirs)) => **ours == **theirs,
        (Value::Symbol(ours), Other::Symbol(theirs)) => ours.as_str() == theirs.as_str(),
        (Value::List(ours), Other::List(theirs)) => are_same(ours, theirs),
        (Value::Array(ours), Other::Array(theirs)) => is_same_array(ours, theirs),
        (Value::Map(ours), Other::Map(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs.iter()).all(|((key, value), (their_key, their_value))| {
                    is_same(key, their_key) && is_same(value, their_value)
                })
        }
        (Value::Described(ours), Other::Described(descriptor, value)) => {
            is_same(ours.descriptor(), descriptor) && is_same(ours.value(), value)
        }
        _ => false,
    }
}

/// The other library repeats the descriptor of an array's elements in each.
fn is_same_array(ours: &Array, theirs: &[Other]) -> bool {
    let [descriptor] = ours.descriptors() else { return are_same(ours.elements(), theirs) };
    ours.len() == theirs.len()
        && ours.elements().iter().zip(theirs).all(|(ours, theirs)| {
            matches!(theirs, Other::Described(other, theirs)
                if is_same(descriptor, other) && is_same(ours, theirs))
        })
}

fn are_same(ours: &[Value], theirs: &[Other]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same(ours, theirs))
}

/// Returns the values in a value.
fn parts(theirs: &Other) -> Vec<&Other> {
    match theirs {
        Other::List(items) | Other::Array(items) => items.iter().collect(),
        Other::Map(map) => map.iter().flat_map(|(key, value)| [key, value]).collect(),
        Other::Described(descriptor, value) => vec![descriptor, value],
        _ => Vec::new(),
    }
}

/// Returns `true` if a value, or one in it, is as asked for.
fn any(theirs: &Other, is_wanted: &impl Fn(&Other) -> bool) -> bool {
    is_wanted(theirs) || parts(theirs).into_iter().any(|part| any(part, is_wanted))
}

fn depth(theirs: &Other) -> usize {
    let is_level = matches!(theirs, Other::List(_) | Other::Array(_) | Other::Map(_) | Other::Described(..));
    usize::from(is_level) + parts(theirs).into_iter().map(depth).max().unwrap_or(0)
}

/// Returns the number of elements of arrays.
fn elements(theirs: &Other) -> usize {
    let own = if let Other::Array(items) = theirs { items.len() } else { 0 };
    own + parts(theirs).into_iter().map(elements).sum::<usize>()
}

fn has_duplicate_keys(theirs: &Other) -> bool {
    let Other::Map(map) = theirs else { return false };
    map.iter().enumerate().any(|(at, (key, _))| map.iter().skip(at + 1).any(|(other, _)| key == other))
}

/// Returns `true` for an array whose elements have a descriptor.
fn has_described_elements(theirs: &Other) -> bool {
    matches!(theirs, Other::Array(items) if matches!(items[..], [Other::Described(..), ..]))
}

/// Returns `true` if the elements of an array in a value have several descriptors. The other library reads one.
fn has_several_descriptors(ours: &Value) -> bool {
    match ours {
        Value::List(items) => items.iter().any(has_several_descriptors),
        Value::Map(map) => {
            map.iter().any(|(key, value)| has_several_descriptors(key) || has_several_descriptors(value))
        }
        Value::Array(array) => {
            let all = array.descriptors().iter().chain(array.elements());
            array.descriptors().len() > 1 || all.into_iter().any(has_several_descriptors)
        }
        Value::Described(one) => {
            has_several_descriptors(one.descriptor()) || has_several_descriptors(one.value())
        }
        _ => false,
    }
}

/// Returns `true` for an array that the other library has read so.
fn has_nested_descriptors(theirs: &Other) -> bool {
    let Other::Array(items) = theirs else { return false };
    matches!(items.first(), Some(Other::Described(_, value)) if matches!(**value, Other::Described(..)))
}
