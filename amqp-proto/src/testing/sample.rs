//! [`Sample`]: one description of legal values for both kinds of tester.

use core::fmt::Debug;

use alloc::boxed::Box;
use alloc::vec::Vec;

#[cfg(feature = "arbitrary")]
pub(super) use arbitrary::Unstructured;
#[cfg(feature = "proptest")]
pub(super) use proptest::{
    collection,
    sample::select,
    strategy::{BoxedStrategy, Just, Strategy, Union},
};

/// The largest number of items of a random collection.
pub(super) const ITEMS: usize = 5;

/// A type with random legal values.
///
/// Tables made with [`edges!`], [`one_of!`] and [`structs!`] list the values once; both methods follow from them.
pub(super) trait Sample: Clone + Debug + Sized + 'static {
    /// Returns a strategy that makes and shrinks values.
    #[cfg(feature = "proptest")]
    fn strategy() -> BoxedStrategy<Self>;

    /// Makes a value from a fuzzer's octets.
    #[cfg(feature = "arbitrary")]
    fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self>;
}

/// Implements [`Sample`] for scalars: some on the borders between encodings, and any others.
macro_rules! edges {
    ($($type:ty: $any:ty => $make:expr, [$($edge:expr),* $(,)?];)*) => {$(
        impl Sample for $type {
            #[cfg(feature = "proptest")]
            fn strategy() -> BoxedStrategy<Self> {
                const EDGES: &[$type] = &[$($edge),*];
                let any = proptest::arbitrary::any::<$any>().prop_map($make);
                Union::new([select(EDGES).boxed(), any.boxed()]).boxed()
            }

            #[cfg(feature = "arbitrary")]
            fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
                const EDGES: &[$type] = &[$($edge),*];
                if octets.arbitrary()? {
                    octets.arbitrary::<$any>().map($make)
                } else {
                    octets.choose(EDGES).cloned()
                }
            }
        }
    )*};
}

/// Implements [`Sample`] for types of several forms, the simplest first: the parts of each form and its constructor.
macro_rules! one_of {
    ($($type:ty { $($from:ty => $make:expr,)* })*) => {$(
        impl Sample for $type {
            #[cfg(feature = "proptest")]
            fn strategy() -> BoxedStrategy<Self> {
                Union::new([$(<$from>::strategy().prop_map($make).boxed()),*]).boxed()
            }

            #[cfg(feature = "arbitrary")]
            fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
                type Form = fn(&mut Unstructured<'_>) -> arbitrary::Result<$type>;
                const FORMS: &[Form] = &[$(|octets| <$from>::from_octets(octets).map($make)),*];
                octets.choose(FORMS)?(octets)
            }
        }
    )*};
}

/// Implements [`Sample`] for enumerations that list their choices.
macro_rules! choices {
    ($($type:ty)*) => {$(
        impl Sample for $type {
            #[cfg(feature = "proptest")]
            fn strategy() -> BoxedStrategy<Self> {
                select(Self::ALL.to_vec()).boxed()
            }

            #[cfg(feature = "arbitrary")]
            fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
                octets.choose(&Self::ALL.to_vec()).copied()
            }
        }
    )*};
}

/// Implements [`Sample`] for structs: each field takes a value of its type, or of `Other` where `field: Other`
/// narrows it.
macro_rules! structs {
    ($($type:ident { $($field:ident $(: $from:ty)?),* $(,)? })*) => {$(
        impl Sample for $type {
            #[cfg(feature = "proptest")]
            fn strategy() -> BoxedStrategy<Self> {
                structs!(@strategies $type $($field $(: $from)?,)*)
                    .prop_map(|structs!(@pattern $($field)*)| Self { $($field),* })
                    .boxed()
            }

            #[cfg(feature = "arbitrary")]
            #[allow(unused_variables)] // some have no fields
            fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
                Ok(Self { $($field: structs!(@from octets $($from)?),)* })
            }
        }
    )*};

    (@strategies $type:ident) => { Just(()) };
    (@strategies $type:ident $field:ident, $($rest:tt)*) => {
        (
            $crate::testing::sample::field(|whole: &$type| &whole.$field),
            structs!(@strategies $type $($rest)*),
        )
    };
    (@strategies $type:ident $field:ident: $from:ty, $($rest:tt)*) => {
        (
            $crate::testing::sample::field_from::<_, _, $from>(|whole: &$type| &whole.$field),
            structs!(@strategies $type $($rest)*),
        )
    };

    (@pattern) => { () };
    (@pattern $field:ident $($rest:ident)*) => { ($field, structs!(@pattern $($rest)*)) };

    (@from $octets:ident) => { Sample::from_octets($octets)? };
    (@from $octets:ident $from:ty) => { <$from>::from_octets($octets)?.into() };
}

/// Implements the public traits of `proptest` and `arbitrary` for types with samples.
macro_rules! public {
    ($($type:ty)*) => {$(
        #[cfg(feature = "proptest")]
        impl proptest::arbitrary::Arbitrary for $type {
            type Parameters = ();
            type Strategy = BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                Sample::strategy()
            }
        }

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $type {
            fn arbitrary(octets: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
                Sample::from_octets(octets)
            }
        }
    )*};
}

pub(super) use {choices, edges, one_of, public, structs};

/// Returns the strategy of a field, by its type.
#[cfg(feature = "proptest")]
pub(super) fn field<S, T: Sample>(_: fn(&S) -> &T) -> BoxedStrategy<T> {
    T::strategy()
}

/// Returns the strategy of a field that takes fewer values than its type.
#[cfg(feature = "proptest")]
pub(super) fn field_from<S, T: Debug + 'static, F: Sample + Into<T>>(_: fn(&S) -> &T) -> BoxedStrategy<T> {
    F::strategy().prop_map(Into::into).boxed()
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<$($part: Sample),*> Sample for ($($part,)*) {
            #[cfg(feature = "proptest")]
            fn strategy() -> BoxedStrategy<Self> {
                ($($part::strategy(),)*).boxed()
            }

            #[cfg(feature = "arbitrary")]
            fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
                Ok(($($part::from_octets(octets)?,)*))
            }
        }
    )*};
}

tuples! { (A B) (A B C) (A B C D) }

impl Sample for () {
    #[cfg(feature = "proptest")]
    fn strategy() -> BoxedStrategy<Self> {
        Just(()).boxed()
    }

    #[cfg(feature = "arbitrary")]
    fn from_octets(_: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        Ok(())
    }
}

impl<T: Sample> Sample for Option<T> {
    #[cfg(feature = "proptest")]
    fn strategy() -> BoxedStrategy<Self> {
        proptest::option::of(T::strategy()).boxed()
    }

    #[cfg(feature = "arbitrary")]
    fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        octets.arbitrary::<bool>()?.then(|| T::from_octets(octets)).transpose()
    }
}

impl<T: Sample> Sample for Box<T> {
    #[cfg(feature = "proptest")]
    fn strategy() -> BoxedStrategy<Self> {
        T::strategy().prop_map(Self::new).boxed()
    }

    #[cfg(feature = "arbitrary")]
    fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        T::from_octets(octets).map(Self::new)
    }
}

impl<T: Sample> Sample for Vec<T> {
    #[cfg(feature = "proptest")]
    fn strategy() -> BoxedStrategy<Self> {
        collection::vec(T::strategy(), 0..=ITEMS).boxed()
    }

    #[cfg(feature = "arbitrary")]
    fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let items = octets.int_in_range(0..=ITEMS)?;
        (0..items).map(|_| T::from_octets(octets)).collect()
    }
}
