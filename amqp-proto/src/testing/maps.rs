//! Samples of maps and sequences that the standard restricts.

use alloc::vec::Vec;

use super::sample::*;
use crate::types::{
    AnnotationKey, Annotations, ApplicationProperties, DeliveryTag, Described, Fields, List, Many, Map,
    SimpleValue, Str, Symbol, Value,
};
use crate::wire::{Accepted, LifetimePolicy, Received, Released, SCHEMAS};

one_of! {
    Fields { Vec<(Symbol, Value)> => Fields::from_iter, }
    AnnotationKey { Symbol => AnnotationKey::Symbol, u64 => AnnotationKey::Ulong, }
    Annotations { Vec<(AnnotationKey, Value)> => Annotations::from_iter, }
    ApplicationProperties { Vec<(Str, SimpleValue)> => ApplicationProperties::from_iter, }
    Many<Symbol> { Vec<Symbol> => Many::from_iter, }
}

choices! { LifetimePolicy }

public! { Fields AnnotationKey Annotations SimpleValue ApplicationProperties Many<Symbol> LifetimePolicy }

impl Sample for SimpleValue {
    #[cfg(feature = "proptest")]
    fn strategy() -> BoxedStrategy<Self> {
        super::value::scalar().prop_map(simple).boxed()
    }

    #[cfg(feature = "arbitrary")]
    fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        super::value::scalar_octets(octets).map(simple)
    }
}

fn simple(scalar: Value) -> SimpleValue {
    scalar.try_into().unwrap_or_default()
}

/// A described value that the standard does not define. It may stand where the standard defines a value.
#[derive(Debug, Clone)]
pub(super) struct Unknown(Described);

/// At least one symbol.
#[derive(Debug, Clone)]
pub(super) struct SomeSymbols(Many<Symbol>);

/// Names with described filters [3.5.8].
#[derive(Debug, Clone)]
pub(super) struct FilterSet(Fields);

/// Properties of a dynamic node, with or without a lifetime policy [3.5.9].
#[derive(Debug, Clone)]
pub(super) struct NodeProperties(Fields);

/// Delivery tags with delivery states [2.7.3].
#[derive(Debug, Clone)]
pub(super) struct Unsettled(Option<Map>);

/// A delivery state as a plain value; null if the state is not known.
#[derive(Debug, Clone)]
struct State(Value);

one_of! {
    Unknown { (Value, Value) => |(descriptor, value)| Unknown(Described::new(unknown(descriptor), value)), }
    SomeSymbols {
        (Symbol, Vec<Symbol>) => |(first, others)| SomeSymbols(core::iter::once(first).chain(others).collect()),
    }
    FilterSet {
        Vec<(Symbol, (Symbol, Value))> => |filters| {
            let describe = |(name, (of, value))| (name, Described::new(Value::Symbol(of), value));
            FilterSet(filters.into_iter().map(describe).collect())
        },
    }
    NodeProperties {
        (Option<LifetimePolicy>, Fields) => |(policy, mut properties)| {
            properties.extend(policy.map(|policy| (LifetimePolicy::KEY, policy)));
            NodeProperties(properties)
        },
    }
    Unsettled {
        Option<Vec<(DeliveryTag, State)>> => |deliveries| {
            let pair = |(tag, state): (DeliveryTag, State)| (tag.to_vec(), state.0);
            Unsettled(deliveries.map(|deliveries| deliveries.into_iter().map(pair).collect()))
        },
    }
    State {
        () => |()| State(Value::Null),
        (u32, u64) => |(number, offset)| {
            let place = List::from(alloc::vec![number.into(), offset.into()]);
            State(Described::new(Received::SCHEMA.code, place).into())
        },
        () => |()| State(Described::new(Accepted::SCHEMA.code, List::new()).into()),
        () => |()| State(Described::new(Value::Symbol(Symbol::known(Released::SCHEMA.symbol)), List::new()).into()),
        Unknown => |state| State(state.0.into()),
    }
}

/// Returns the nearest descriptor that the standard does not define.
fn unknown(descriptor: Value) -> Value {
    match descriptor {
        // The descriptors of the standard are in domain 0.
        Value::Ulong(code) => Value::Ulong(code | 1 << 32),
        Value::Symbol(name) if SCHEMAS.iter().any(|schema| name == *schema.symbol) => {
            Symbol::default().into()
        }
        other => other,
    }
}

macro_rules! into {
    ($($from:ty => $to:ty;)*) => {$(
        impl From<$from> for $to {
            fn from(restricted: $from) -> Self {
                restricted.0
            }
        }
    )*};
}

into! {
    Unknown => Described;
    SomeSymbols => Many<Symbol>;
    FilterSet => Fields;
    NodeProperties => Fields;
    Unsettled => Option<Map>;
}
