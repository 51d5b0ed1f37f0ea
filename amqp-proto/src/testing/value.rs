//! Samples of values of every kind, nested a few levels deep.

use alloc::vec::Vec;
use bytes::Bytes;

use super::sample::*;
use crate::types::{
    Array, Decimal32, Decimal64, Decimal128, Described, Kind, List, Map, Str, Symbol, Timestamp, Uuid, Value,
};

/// The depth of nested values; an array's descriptors may nest one level more.
pub(super) const LEVELS: u32 = 4;

/// Lists the scalar kinds and the type of each.
macro_rules! scalars {
    ($($kind:ident: $type:ty,)*) => {
        #[cfg(feature = "proptest")]
        const SCALARS: &[Kind] = &[$(Kind::$kind),*];

        #[cfg(feature = "proptest")]
        fn scalar_of(kind: Kind) -> BoxedStrategy<Value> {
            match kind {
                $(Kind::$kind => <$type>::strategy().prop_map(Value::from).boxed(),)*
                Kind::Null | Kind::List | Kind::Map | Kind::Array => Just(Value::Null).boxed(),
            }
        }

        #[cfg(feature = "arbitrary")]
        fn scalar_from(kind: Kind, octets: &mut Unstructured<'_>) -> arbitrary::Result<Value> {
            match kind {
                $(Kind::$kind => <$type>::from_octets(octets).map(Value::from),)*
                Kind::Null | Kind::List | Kind::Map | Kind::Array => Ok(Value::Null),
            }
        }
    };
}

scalars! {
    Boolean: bool,
    Ubyte: u8,
    Ushort: u16,
    Uint: u32,
    Ulong: u64,
    Byte: i8,
    Short: i16,
    Int: i32,
    Long: i64,
    Float: f32,
    Double: f64,
    Decimal32: Decimal32,
    Decimal64: Decimal64,
    Decimal128: Decimal128,
    Char: char,
    Timestamp: Timestamp,
    Uuid: Uuid,
    Binary: Bytes,
    String: Str,
    Symbol: Symbol,
}

/// Returns an array of values of its kind.
fn array(kind: Kind, descriptors: Vec<Value>, elements: Vec<Value>) -> Value {
    let mut array = Array::described(descriptors, kind);
    for element in elements {
        let fits = array.push(element).is_ok();
        debug_assert!(fits, "elements are made of the array's kind");
    }
    array.into()
}

#[cfg(feature = "proptest")]
mod strategy {
    use super::*;

    /// Returns a strategy of null and all scalars.
    pub(in crate::testing) fn scalar() -> BoxedStrategy<Value> {
        let scalars = SCALARS.iter().map(|kind| scalar_of(*kind));
        Union::new(core::iter::once(Just(Value::Null).boxed()).chain(scalars)).boxed()
    }

    /// Returns a strategy of values of one kind. Compounds hold values of `inner`.
    pub(in crate::testing) fn of_kind(kind: Kind, inner: &BoxedStrategy<Value>) -> BoxedStrategy<Value> {
        match kind {
            Kind::List => items(inner.clone()).prop_map(|items| List::from(items).into()).boxed(),
            Kind::Map => {
                let pairs = items((inner.clone(), inner.clone()).boxed());
                pairs.prop_map(|pairs| Map::from_iter(pairs).into()).boxed()
            }
            Kind::Array => {
                let flat = arrays(inner);
                let nested = (descriptors(inner), items(flat.clone()));
                let nested = nested.prop_map(|(of, elements)| array(Kind::Array, of, elements));
                Union::new([flat, nested.boxed()]).boxed()
            }
            scalar => scalar_of(scalar),
        }
    }

    /// Returns a strategy of values with a descriptor of any type.
    pub(in crate::testing) fn described(inner: &BoxedStrategy<Value>) -> BoxedStrategy<Value> {
        (descriptor(inner), inner.clone()).prop_map(|(of, value)| Described::new(of, value).into()).boxed()
    }

    /// Returns a strategy of arrays of every kind but arrays: of different elements, or of one element many times,
    /// which may have no octets at all.
    fn arrays(inner: &BoxedStrategy<Value>) -> BoxedStrategy<Value> {
        let kinds = SCALARS.iter().chain(&[Kind::Null, Kind::List, Kind::Map]);
        let of = kinds.map(|kind| {
            let element = of_kind(*kind, inner);
            let same = (element.clone(), 0..=ITEMS).prop_map(|(element, n)| alloc::vec![element; n]);
            let elements = Union::new([items(element), same.boxed()]);
            let kind = *kind;
            (descriptors(inner), elements).prop_map(move |(of, elements)| array(kind, of, elements)).boxed()
        });
        Union::new(of).boxed()
    }

    fn items<T: core::fmt::Debug + 'static>(item: BoxedStrategy<T>) -> BoxedStrategy<Vec<T>> {
        collection::vec(item, 0..=ITEMS).boxed()
    }

    fn descriptors(inner: &BoxedStrategy<Value>) -> BoxedStrategy<Vec<Value>> {
        let some = collection::vec(descriptor(inner), 1..=2).boxed();
        Union::new_weighted(alloc::vec![(3, Just(Vec::new()).boxed()), (1, some)]).boxed()
    }

    fn descriptor(inner: &BoxedStrategy<Value>) -> BoxedStrategy<Value> {
        Union::new([scalar_of(Kind::Ulong), scalar_of(Kind::Symbol), inner.clone()]).boxed()
    }

    /// Returns a strategy of all values. It builds the levels once, as `prop_recursive` would build them for each
    /// value.
    pub(super) fn any() -> BoxedStrategy<Value> {
        (0..LEVELS).fold(scalar(), |inner, _| {
            let compounds = [Kind::List, Kind::Map, Kind::Array].map(|kind| of_kind(kind, &inner));
            let compounds = Union::new(compounds.into_iter().chain([described(&inner)]));
            Union::new_weighted(alloc::vec![(2, scalar()), (1, compounds.boxed())]).boxed()
        })
    }
}

#[cfg(feature = "proptest")]
pub(super) use strategy::{described, of_kind, scalar};

#[cfg(feature = "arbitrary")]
mod octets {
    use super::*;
    use arbitrary::Result;

    /// Makes any value; at level 0 compounds are empty.
    pub(super) fn any(levels: u32, octets: &mut Unstructured<'_>) -> Result<Value> {
        let pick = octets.choose_index(Kind::ALL.len() + 1)?;
        match Kind::ALL.get(pick) {
            Some(kind) => of_kind(*kind, levels, octets),
            None => {
                let inner = levels.saturating_sub(1);
                let descriptor = descriptor(inner, octets)?;
                let value = if levels == 0 { Value::Null } else { any(inner, octets)? };
                Ok(Described::new(descriptor, value).into())
            }
        }
    }

    /// Makes a value of one kind.
    pub(super) fn of_kind(kind: Kind, levels: u32, octets: &mut Unstructured<'_>) -> Result<Value> {
        let count = |octets: &mut Unstructured<'_>| {
            if levels == 0 { Ok(0) } else { octets.int_in_range(0..=ITEMS) }
        };
        let inner = levels.saturating_sub(1);
        match kind {
            Kind::List => {
                let items = (0..count(octets)?).map(|_| any(inner, octets));
                Ok(List::from(items.collect::<Result<Vec<_>>>()?).into())
            }
            Kind::Map => {
                let pairs = (0..count(octets)?).map(|_| Ok((any(inner, octets)?, any(inner, octets)?)));
                Ok(Map::from_iter(pairs.collect::<Result<Vec<_>>>()?).into())
            }
            Kind::Array => {
                let kind = *octets.choose(&Kind::ALL)?;
                let descriptors = if octets.ratio(1, 4)? { count(octets)? } else { 0 };
                let descriptors = (0..descriptors).map(|_| descriptor(inner, octets));
                let descriptors = descriptors.collect::<Result<Vec<_>>>()?;
                let elements = (0..count(octets)?).map(|_| of_kind(kind, inner, octets));
                Ok(array(kind, descriptors, elements.collect::<Result<Vec<_>>>()?))
            }
            scalar => scalar_from(scalar, octets),
        }
    }

    fn descriptor(levels: u32, octets: &mut Unstructured<'_>) -> Result<Value> {
        match octets.int_in_range(0..=2)? {
            0 => scalar_from(Kind::Ulong, octets),
            1 => scalar_from(Kind::Symbol, octets),
            _ if levels == 0 => Ok(Value::Null),
            _ => any(levels - 1, octets),
        }
    }
}

/// Makes null or a scalar.
#[cfg(feature = "arbitrary")]
pub(super) fn scalar_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Value> {
    let kind = *octets.choose(&Kind::ALL)?;
    scalar_from(kind, octets)
}

impl Sample for Value {
    #[cfg(feature = "proptest")]
    fn strategy() -> BoxedStrategy<Self> {
        strategy::any()
    }

    #[cfg(feature = "arbitrary")]
    fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        octets::any(LEVELS, octets)
    }
}

one_of! {
    List { Vec<Value> => List::from, }
    Map { Vec<(Value, Value)> => Map::from_iter, }
    Described { (Value, Value) => |(descriptor, value)| Described::new(descriptor, value), }
}

impl Sample for Array {
    #[cfg(feature = "proptest")]
    fn strategy() -> BoxedStrategy<Self> {
        of_kind(Kind::Array, &scalar()).prop_map(into_array).boxed()
    }

    #[cfg(feature = "arbitrary")]
    fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        octets::of_kind(Kind::Array, LEVELS, octets).map(into_array)
    }
}

fn into_array(value: Value) -> Array {
    match value {
        Value::Array(array) => array,
        _ => Array::new(Kind::Null),
    }
}

public! { Value List Map Array Described }
