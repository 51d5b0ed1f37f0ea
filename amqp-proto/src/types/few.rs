//! [`Few`]: a vector that is short in most cases, and then takes no memory from the heap.

/// A vector with room for the items of the array `A` in place. With the feature `small` it has none, and takes less code.
#[cfg(not(feature = "small"))]
pub(crate) type Few<A> = smallvec::SmallVec<A>;
#[cfg(feature = "small")]
pub(crate) type Few<A> = alloc::vec::Vec<<A as smallvec::Array>::Item>;
