//! Channels and handles: [`Directory`] maps the peer's numbers, [`Numbers`] assigns this end's.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::marker::PhantomData;

use crate::types::{Index, Tree};

/// A map from numbers that a peer chooses to indexes of a table. `I` is the type of the indexes.
#[derive(Debug)]
pub(crate) struct Directory<I> {
    numbers: Numbered,
    index: PhantomData<I>,
}

impl<I> Default for Directory<I> {
    fn default() -> Self {
        Self { numbers: Numbered::default(), index: PhantomData }
    }
}

impl<I: Index> Directory<I> {
    #[cfg_attr(not(feature = "small"), inline(always))] // for each transfer
    #[cfg_attr(feature = "small", inline(never))]
    pub(crate) fn get(&self, number: u32) -> Option<I> {
        self.numbers.get(number).map(I::new)
    }

    /// Adds a number that has no entry yet.
    pub(crate) fn insert(&mut self, number: u32, index: I) {
        self.numbers.insert(number, index.get());
    }

    pub(crate) fn remove(&mut self, number: u32) {
        self.numbers.remove(number);
    }
}

/// The entries of a [`Directory`], with the code for indexes of all types.
///
/// The numbers are usually small and close together, and lie in an array. Numbers far apart lie in a tree, so
/// the memory depends on their count, not on their size.
#[derive(Debug, Default)]
struct Numbered {
    near: Vec<u32>,
    far: Tree<u32, u32>,
    len: u32,
}

impl Numbered {
    #[inline]
    fn get(&self, number: u32) -> Option<u32> {
        match self.near.get(number as usize) {
            Some(&index) => (index != u32::NONE).then_some(index),
            None => self.get_far(number),
        }
    }

    #[inline(never)]
    fn get_far(&self, number: u32) -> Option<u32> {
        self.far.get(&number).copied()
    }

    fn insert(&mut self, number: u32, index: u32) {
        let at = number as usize;
        self.len += 1;
        if at < self.near.len() || number <= self.len.saturating_mul(2).saturating_add(16) {
            if at >= self.near.len() {
                self.reach(at + 1);
            }
            if let Some(place) = self.near.get_mut(at) {
                *place = index;
            }
        } else {
            self.far.insert(number, index);
        }
    }

    /// Extends the array to this length, and moves entries of the tree into it.
    fn reach(&mut self, len: usize) {
        self.near.resize(len, u32::NONE);
        while self.far.first().is_some_and(|(number, _)| (*number as usize) < len)
            && let Some((number, index)) = self.far.pop_first()
        {
            if let Some(place) = self.near.get_mut(number as usize) {
                *place = index;
            }
        }
    }

    fn remove(&mut self, number: u32) {
        let found = match self.near.get_mut(number as usize) {
            Some(place) => core::mem::replace(place, u32::NONE) != u32::NONE,
            None => self.far.remove(&number).is_some(),
        };
        self.len -= u32::from(found);
        if self.len == 0 {
            self.near.clear();
        }
    }
}

/// Assigns numbers, always the lowest free one [2.5.1] [2.7.3].
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    next: u32,
    free: BinaryHeap<Reverse<u32>>,
}

impl Numbers {
    /// Returns the lowest free number, if it is no higher than `max`.
    pub(crate) fn take(&mut self, max: u32) -> Option<u32> {
        if let Some(Reverse(number)) = self.free.pop() {
            if number <= max {
                return Some(number);
            }
            self.free.push(Reverse(number));
            return None;
        }
        let number = self.next;
        if number > max || number == u32::MAX {
            return None;
        }
        self.next += 1;
        Some(number)
    }

    /// Frees a number.
    pub(crate) fn give_back(&mut self, number: u32) {
        self.free.push(Reverse(number));
        if self.free.len() == self.next as usize {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbered, Numbers};

    #[test]
    fn a_directory_finds_near_and_far_numbers_in_the_memory_of_its_entries() {
        let mut directory = Numbered::default();
        for (number, index) in [(0, 7), (u32::MAX, 8), (1_000, 9), (3, 10)] {
            directory.insert(number, index);
        }
        assert_eq!([0, 3, 1_000, u32::MAX].map(|number| directory.get(number)), [7, 10, 9, 8].map(Some));
        assert_eq!([1, 4, 999, 1_001].map(|number| directory.get(number)), [None; 4]);
        assert!(directory.near.len() < 64);
        for number in 4..1_000 {
            directory.insert(number, number);
        }
        assert_eq!((directory.get(1_000), directory.get(999)), (Some(9), Some(999)));
        for number in (0..=1_000).chain([u32::MAX]) {
            directory.remove(number);
        }
        assert_eq!((directory.len, directory.near.len(), directory.far.len()), (0, 0, 0));
    }

    // S-BEG-03, L-HAND-03: the lowest free number, up to the peer's highest.
    #[test]
    fn numbers_are_the_lowest_that_are_free() {
        let mut numbers = Numbers::default();
        assert_eq!(
            [numbers.take(2), numbers.take(2), numbers.take(2), numbers.take(2)],
            [Some(0), Some(1), Some(2), None]
        );
        numbers.give_back(2);
        numbers.give_back(0);
        assert_eq!([numbers.take(2), numbers.take(1), numbers.take(2)], [Some(0), None, Some(2)]);
        (0..3).for_each(|number| numbers.give_back(number));
        assert_eq!(numbers.free.len(), 0);
    }
}
