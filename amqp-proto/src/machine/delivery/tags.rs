//! [`Tags`]: ensures that the unsettled deliveries of a link have different tags [2.6.12].

use alloc::boxed::Box;

use crate::types::{DeliveryTag, TreeSet};

/// The tags in use. Costs nothing while tags only grow, as counters do.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    /// The largest tag so far, as length and number.
    largest: (u8, u64),
    /// All tags in use, after a tag that was not larger than all before, or too long for a number.
    set: Option<Box<TreeSet<DeliveryTag>>>,
}

impl Tags {
    /// Returns tags that are all counted from the start.
    pub(crate) fn counted(tags: TreeSet<DeliveryTag>) -> Self {
        Self { set: Some(Box::new(tags)), ..Self::default() }
    }

    /// Adds a tag. Returns `false` without any change if the tag is in use; `live` returns the tags in use.
    #[cfg_attr(not(feature = "small"), inline(always))]
    #[cfg_attr(feature = "small", inline(never))]
    pub(crate) fn insert(
        &mut self,
        number: TagNumber,
        tag: impl FnOnce() -> DeliveryTag,
        live: impl FnOnce() -> TreeSet<DeliveryTag>,
    ) -> bool {
        if self.is_larger(number) {
            self.add_larger(number);
            return true;
        }
        self.insert_in_set(tag, live)
    }

    /// Returns `true` if a tag is not in use, since it is larger than all before.
    #[inline]
    pub(crate) fn is_larger(&self, number: TagNumber) -> bool {
        self.set.is_none() && number.is_some_and(|number| number > self.largest)
    }

    /// Adds a tag that [`is_larger`](Self::is_larger).
    #[inline]
    pub(crate) fn add_larger(&mut self, number: TagNumber) {
        self.largest = number.unwrap_or(self.largest);
    }

    #[cold]
    fn insert_in_set(
        &mut self,
        tag: impl FnOnce() -> DeliveryTag,
        live: impl FnOnce() -> TreeSet<DeliveryTag>,
    ) -> bool {
        self.set.get_or_insert_with(|| Box::new(live())).insert(tag())
    }

    /// Returns `true` if unused tags must be removed.
    #[inline]
    pub(crate) fn is_counted(&self) -> bool {
        self.set.is_some()
    }

    /// Removes an unused tag; `is_last` if no tag is left in use.
    #[cold]
    pub(crate) fn remove(&mut self, tag: &DeliveryTag, is_last: bool) {
        if is_last {
            *self = Self::default();
        } else if let Some(set) = &mut self.set {
            set.remove(tag);
        }
    }
}

/// A short tag as a comparable value, its length and its octets: a shorter tag is smaller. `None` for an empty tag
/// and for a long one.
pub(crate) type TagNumber = Option<(u8, u64)>;

/// Returns the number of a tag.
#[inline]
pub(super) fn number(tag: &DeliveryTag) -> TagNumber {
    let (octets, len) = tag.padded();
    let first = octets.first_chunk().copied().unwrap_or_default();
    (1..=8).contains(&len).then(|| (len, u64::from_be_bytes(first)))
}

#[cfg(test)]
mod tests {
    use super::{Tags, number};
    use crate::types::{DeliveryTag, TreeSet};

    // T-XFER-06: a live tag is found, however tags come and go.
    #[test]
    fn t_xfer_06_a_live_tag_is_refused() {
        let mut tags = Tags::default();
        let mut live: TreeSet<DeliveryTag> = TreeSet::default();
        let mut state = 1_u32;
        for step in 0..5_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let tag = match step {
                0..1_000 => DeliveryTag::from(step),
                _ => DeliveryTag::new(&state.to_be_bytes()[..(state >> 8) as usize % 3]).unwrap(),
            };
            if state.is_multiple_of(3) && live.remove(&tag) {
                if tags.is_counted() {
                    tags.remove(&tag, live.is_empty());
                }
            } else {
                let fresh = !live.contains(&tag);
                assert_eq!(tags.insert(number(&tag), || tag, || live.clone()), fresh, "{tag:?} at {step}");
                live.insert(tag);
            }
        }
        assert!(tags.set.is_some());
        for tag in live.clone() {
            live.remove(&tag);
            tags.remove(&tag, live.is_empty());
        }
        assert!(tags.set.is_none());
    }
}
