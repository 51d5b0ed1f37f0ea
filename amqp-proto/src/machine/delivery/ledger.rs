//! [`Ledger`]: the unsettled deliveries of a session in one direction, found by delivery-id.

use alloc::vec::Vec;

use super::record::Record;
use crate::types::{DeliveryNumber, LinkIx, Tree};

/// The least number of places in a ring, and the greatest number that a ring keeps for few deliveries.
const FEWEST: usize = 16;
const KEPT: usize = 1024;

/// Unsettled deliveries by number: the delivery-id, continued beyond the wrap.
///
/// The newest lie in a ring with a place for every number, so finding one needs no search. The ring grows
/// while half of it is unsettled. Otherwise, when a new number meets an unsettled delivery in its place, that
/// delivery moves to a tree. So a delivery that stays unsettled for long costs the others neither memory nor
/// time.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The ring: a power of two of places, or none, for the last numbers before `next`.
    ring: Vec<Record>,
    old: Tree<u64, Record>,
    /// The number of the next delivery.
    next: u64,
    /// The number of the first delivery.
    first: u64,
    live: u32,
}

/// The unsettled deliveries of one link, oldest first. The records are the elements of the chain.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    first: u64,
    last: u64,
    len: u32,
}

impl Chain {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Returns the oldest delivery.
    pub(crate) fn first(&self) -> Option<u64> {
        (self.len > 0).then_some(self.first)
    }
}

impl Ledger {
    /// The number of places that one step examines.
    pub(crate) const LOOKS: u32 = 1_024;

    /// The memory of an unsettled delivery, usually: half of the places in a ring are vacant.
    pub(crate) const OCTETS_PER_RECORD: u64 = 2 * size_of::<Record>() as u64;

    /// Returns an empty ledger whose first delivery has the id `first`.
    pub(crate) fn new(first: DeliveryNumber) -> Self {
        // One turn ahead, so that ids before the first have numbers, too.
        let next = (1 << 32) | u64::from(first.get());
        Self { ring: Vec::new(), old: Tree::default(), next, first: next, live: 0 }
    }

    /// Returns the number of unsettled deliveries.
    #[inline]
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// Returns the memory of the ledger, in octets, without the states.
    pub(crate) fn octets(&self) -> u64 {
        (self.ring.capacity() * size_of::<Record>() + Tree::<u64, Record>::octets_of(self.old.len())) as u64
    }

    /// Returns all unsettled deliveries.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.ring.iter().filter(|record| record.is_live()).chain(self.old.values())
    }

    /// Returns all unsettled deliveries, to change them.
    pub(crate) fn records_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.ring.iter_mut().filter(|record| record.is_live()).chain(self.old.values_mut())
    }

    /// Returns the number of deliveries that there were.
    pub(crate) fn begun(&self) -> u64 {
        self.next - self.first
    }

    /// Returns the number of the next delivery.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Returns the id of the next delivery.
    #[inline]
    pub(crate) fn next_id(&self) -> DeliveryNumber {
        id(self.next)
    }

    /// Returns the number of an id: the one closest to the current deliveries.
    #[inline]
    pub(crate) fn number(&self, id: DeliveryNumber) -> u64 {
        let steps = self.next_id().distance(id);
        self.next.wrapping_add_signed(i64::from(steps))
    }

    /// Assigns a number, which must not be below the next one, to a delivery that is not kept.
    #[inline]
    pub(crate) fn pass(&mut self, number: u64) {
        self.make_way(number);
        self.next = number + 1;
    }

    /// Adds a delivery with a number, which must not be below the next one.
    #[inline(never)]
    pub(crate) fn insert(&mut self, number: u64, record: Record, chain: &mut Chain) {
        self.insert_inlined(number, record, chain);
    }

    /// Adds a delivery as [`insert`](Self::insert), in the shortcuts for the usual message.
    #[inline(always)]
    pub(super) fn insert_inlined(&mut self, number: u64, mut record: Record, chain: &mut Chain) {
        if self.ring.is_empty() {
            self.ring.resize_with(FEWEST, || Record::EMPTY);
        }
        self.make_way(number);
        let own = id(number).get();
        (record.before, record.after) = (own, own);
        if chain.len == 0 {
            chain.first = number;
        } else {
            record.before = id(chain.last).get();
            let (at, is_young) = (self.place(chain.last), self.is_young(chain.last));
            match self.ring.get_mut(at) {
                Some(last) if is_young && last.is_live() => last.after = own,
                _ => {
                    if let Some(last) = self.old.get_mut(&chain.last) {
                        last.after = own;
                    }
                }
            }
        }
        chain.last = number;
        chain.len += 1;
        self.live += 1;
        self.next = number + 1;
        let at = self.place(number);
        if let Some(place) = self.ring.get_mut(at) {
            // A vacant record needs no drop.
            core::mem::forget(core::mem::replace(place, record));
        }
    }

    #[inline]
    pub(crate) fn get(&self, number: u64) -> Option<&Record> {
        self.young(number).or_else(|| self.old.get(&number))
    }

    /// Returns an unsettled delivery that has its place in the ring.
    #[inline]
    pub(super) fn young(&self, number: u64) -> Option<&Record> {
        self.ring.get(self.place(number)).filter(|record| record.is_live() && self.is_young(number))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Record> {
        let (at, is_young) = (self.place(number), self.is_young(number));
        match self.ring.get_mut(at) {
            Some(record) if is_young && record.is_live() => Some(record),
            _ => self.old.get_mut(&number),
        }
    }

    /// Removes a settled delivery. Returns `true` if it was present.
    #[inline(never)]
    pub(crate) fn remove(&mut self, number: u64, chain: &mut Chain) -> bool {
        self.remove_inlined(number, chain)
    }

    /// Removes a delivery as [`remove`](Self::remove), in the shortcuts for the usual message.
    #[inline(always)]
    pub(super) fn remove_inlined(&mut self, number: u64, chain: &mut Chain) -> bool {
        let (at, is_young) = (self.place(number), self.is_young(number));
        let (before, after) = match self.ring.get_mut(at) {
            Some(place) if is_young && place.is_live() => {
                let neighbours = (place.before, place.after);
                place.vacate();
                neighbours
            }
            _ => match self.old.remove(&number) {
                Some(record) => (record.before, record.after),
                None => return false,
            },
        };
        self.live -= 1;
        self.unchain(number, before, after, chain);
        self.look_at_size();
        true
    }

    /// Returns the first unsettled delivery from `next` to `last` and its link, and moves `next` behind it.
    ///
    /// Without one, moves `next` to the end of the examined places. Examines at most `looks` places, and
    /// subtracts them.
    #[inline]
    pub(crate) fn look(&self, next: &mut u64, last: u64, looks: &mut u32) -> Option<(u64, LinkIx)> {
        let number = *next;
        if number <= last
            && let Some(record) = self.get(number)
        {
            *next = number + 1;
            return Some((number, record.link));
        }
        let number = self.look_behind(next, last, looks)?;
        self.get(number).map(|record| (number, record.link))
    }

    #[cold]
    fn look_behind(&self, next: &mut u64, last: u64, looks: &mut u32) -> Option<u64> {
        if *next > last {
            return None;
        }
        // Only the tree has deliveries below the ring, and needs no search.
        let young = (*next).max(self.next - self.ring.len() as u64);
        let end = last.min(young.saturating_add(u64::from(*looks)).saturating_sub(1));
        let in_ring = (young..=end.min(self.next - 1))
            .find(|number| self.ring.get(self.place(*number)).is_some_and(Record::is_live));
        let old =
            self.old.first_from(next).map(|(number, _)| *number).filter(|number| *number <= end.max(*next));
        let found = old.into_iter().chain(in_ring).min().filter(|number| *number <= last);
        let at = found.unwrap_or(end);
        let looked = (at + 1).saturating_sub(young).max(1);
        *looks = looks.saturating_sub(u32::try_from(looked).unwrap_or(u32::MAX));
        *next = at + 1;
        found
    }

    /// Returns the next unsettled delivery of the same link.
    pub(crate) fn after(&self, number: u64) -> Option<u64> {
        let steps = self.get(number)?.after.wrapping_sub(id(number).get());
        (steps != 0).then(|| number + u64::from(steps))
    }

    /// Returns the place of a number in the ring.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the high bits do not count
    fn place(&self, number: u64) -> usize {
        number as usize & self.ring.len().wrapping_sub(1)
    }

    /// Returns `true` if a number has a place in the ring.
    #[inline]
    fn is_young(&self, number: u64) -> bool {
        self.next.wrapping_sub(number).wrapping_sub(1) < self.ring.len() as u64
    }

    /// Removes a record from the chain of its link.
    #[cfg_attr(not(feature = "small"), inline(always))]
    #[cfg_attr(feature = "small", inline(never))]
    fn unchain(&mut self, number: u64, before_id: u32, after_id: u32, chain: &mut Chain) {
        let own = id(number).get();
        let (back, ahead) = (own.wrapping_sub(before_id), after_id.wrapping_sub(own));
        let (is_first, is_last) = (number == chain.first, number == chain.last);
        chain.len -= 1;
        if is_first {
            // Deliveries are mostly settled in order, so the next one is left alone: what is before the first in a
            // chain does not count.
            chain.first = number + u64::from(ahead);
        } else if let Some(before) = self.get_mut(number - u64::from(back)) {
            before.after = if is_last { before_id } else { after_id };
        }
        if is_last {
            chain.last = number - u64::from(back);
        } else if !is_first && let Some(after) = self.get_mut(number + u64::from(ahead)) {
            after.before = before_id;
        }
    }

    /// Vacates the places of a number and of the skipped numbers before it.
    #[cfg_attr(not(feature = "small"), inline(always))]
    #[cfg_attr(feature = "small", inline(never))]
    fn make_way(&mut self, number: u64) {
        let at = self.place(number);
        let is_free = self.ring.get(at).is_none_or(|record| !record.is_live());
        if number != self.next || !is_free {
            self.make_way_slowly(number);
        }
    }

    #[cold]
    fn make_way_slowly(&mut self, number: u64) {
        if number == self.next && self.young_len() >= self.ring.len() / 2 {
            self.resize(self.ring.len() * 2);
            return;
        }
        // A ring that is much too large shrinks; otherwise a peer that skips ids could have it walked for
        // each transfer.
        let mut len = 0;
        while len != self.ring.len() {
            len = self.ring.len();
            self.empty_to(number);
            self.look_at_size();
        }
    }

    /// Moves unsettled deliveries from the places between the next number and this one to the tree.
    fn empty_to(&mut self, number: u64) {
        let len = self.ring.len() as u64;
        for number in self.next..=number.min(self.next + len) {
            let at = self.place(number);
            if let Some(place) = self.ring.get_mut(at).filter(|place| place.is_live()) {
                self.old.insert(number - len, core::mem::replace(place, Record::EMPTY));
            }
        }
    }

    /// Returns the number of deliveries in the ring.
    #[inline]
    fn young_len(&self) -> usize {
        (self.live as usize).saturating_sub(self.old.len())
    }

    /// Shrinks a large ring with few unsettled deliveries.
    #[inline]
    fn look_at_size(&mut self) {
        if self.ring.len() > KEPT && self.young_len() < self.ring.len() / 8 {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        self.resize(self.ring.len() / 4);
    }

    /// Resizes the ring. Deliveries without a place in it move to the tree.
    fn resize(&mut self, len: usize) {
        let fresh = core::iter::repeat_with(|| Record::EMPTY).take(len).collect();
        let ring: Vec<Record> = core::mem::replace(&mut self.ring, fresh);
        let oldest = self.next - ring.len() as u64;
        let mask = (ring.len() as u64).wrapping_sub(1);
        for (at, record) in (0..).zip(ring) {
            if !record.is_live() {
                continue;
            }
            // The one number in the ring's range that had this place.
            let number = oldest + (u64::wrapping_sub(at, oldest) & mask);
            let (at, is_young) = (self.place(number), self.is_young(number));
            match self.ring.get_mut(at) {
                Some(place) if is_young => *place = record,
                _ => {
                    self.old.insert(number, record);
                }
            }
        }
    }
}

/// Returns the delivery-id of a number.
#[inline]
pub(crate) fn id(number: u64) -> DeliveryNumber {
    let [.., a, b, c, d] = number.to_be_bytes();
    DeliveryNumber::new(u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::super::Tag;
    use super::{Chain, Ledger, Record, id};
    use crate::types::{DeliveryNumber, Index, LinkIx};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Returns the first unsettled delivery from a number on, searched in strides of any length.
    fn from(ledger: &Ledger, number: u64, stride: u32) -> Option<u64> {
        let (mut next, last) = (number, ledger.next() - 1);
        while next <= last {
            let mut looks = stride;
            let before = next;
            let found = ledger.look(&mut next, last, &mut looks).map(|(number, _)| number);
            assert!(next > before && next <= last + 1 && (found.is_some() || looks == 0 || next > last));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    // T-DISP-03: ids of both sides of the wrap stand for numbers that follow each other.
    #[test]
    fn t_disp_03_numbers_go_on_where_ids_wrap() {
        let mut ledger = Ledger::new(DeliveryNumber::new(u32::MAX));
        let first = ledger.next();
        ledger.insert(first, Record::new(Tag::EMPTY, LinkIx::new(0)), &mut Chain::default());
        assert_eq!(ledger.next_id().get(), 0);
        assert_eq!(ledger.number(DeliveryNumber::new(u32::MAX)), first);
        assert_eq!(ledger.number(DeliveryNumber::new(3)), first + 4);
        assert_eq!(id(first + 4).get(), 3);
    }

    /// One delivery that stays unsettled costs the others neither memory nor time (rhea's issue 452).
    #[test]
    fn one_that_stays_costs_nothing() {
        let mut ledger = Ledger::new(DeliveryNumber::new(5));
        let (mut stuck, mut chain) = (Chain::default(), Chain::default());
        let old = ledger.next();
        ledger.insert(old, Record::new(Tag::EMPTY, LinkIx::new(1)), &mut stuck);
        for _ in 0..100_000 {
            let number = ledger.next();
            ledger.insert(number, Record::new(Tag::EMPTY, LinkIx::new(0)), &mut chain);
            assert!(ledger.remove(number, &mut chain));
            assert_eq!((ledger.ring.len(), ledger.old.len() < 2), (super::FEWEST, true));
        }
        assert_eq!((ledger.live(), ledger.get(old).unwrap().link), (1, LinkIx::new(1)));
        assert_eq!(from(&ledger, 0, 1), Some(old));
        let (mut next, mut looks) = (old + 1, Ledger::LOOKS);
        assert_eq!(ledger.look(&mut next, ledger.next() - 1, &mut looks), None);
        assert_eq!(next, ledger.next(), "what lies between costs nothing");
    }

    // T-XFER-05: ids that are left out cost no more than the deliveries that were there: the ring is walked
    // once.
    #[test]
    fn ids_that_are_left_out_cost_little() {
        let (mut ledger, mut chain) = (Ledger::new(DeliveryNumber::new(0)), Chain::default());
        for _ in 0..20_000 {
            ledger.insert(ledger.next(), Record::new(Tag::EMPTY, LinkIx::new(0)), &mut chain);
        }
        assert!(ledger.ring.len() >= 20_000);
        for skipped in 1..10_u64 {
            let ring = ledger.ring.len() as u64;
            ledger.insert(ledger.next() + ring - 1, Record::new(Tag::EMPTY, LinkIx::new(0)), &mut chain);
            assert!(skipped < 5 || ring <= super::KEPT as u64, "{ring} after {skipped}");
        }
        assert_eq!((ledger.live(), chain.len()), (20_009, 20_009));
        assert_eq!(std::iter::successors(chain.first(), |n| ledger.after(*n)).count(), 20_009);
    }

    proptest! {
        /// The ledger agrees with a map: after any insertions and removals, the rest is found, in order, and
        /// by link.
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec((0_u8..5, 0_u32..3, any::<prop::sample::Index>()), 0..400), stride in 1_u32..50) {
            let mut ledger = Ledger::new(DeliveryNumber::new(u32::MAX - 20));
            let mut chains = [Chain::default(), Chain::default(), Chain::default()];
            let mut model = BTreeMap::new();
            for (step, link, pick) in steps {
                match step {
                    0 | 1 => {
                        let number = ledger.next() + u64::from(step) * 40 * u64::from(link);
                        ledger.insert(number, Record::new(Tag::EMPTY, LinkIx::new(link)), &mut chains[link as usize]);
                        model.insert(number, link);
                    }
                    2 | 3 if !model.is_empty() => {
                        let number = *model.keys().nth(pick.index(model.len())).unwrap();
                        let link = model.remove(&number).unwrap();
                        prop_assert_eq!(ledger.get(number).unwrap().link, LinkIx::new(link));
                        prop_assert!(ledger.remove(number, &mut chains[link as usize]));
                    }
                    _ => {
                        let number = ledger.next() + u64::from(link) * 17;
                        ledger.pass(number);
                        prop_assert!(!ledger.remove(number, &mut chains[0]));
                    }
                }
            }
            prop_assert_eq!(ledger.live() as usize, model.len());
            let mut at = 0;
            for (number, link) in &model {
                prop_assert_eq!(from(&ledger, at, stride), Some(*number));
                prop_assert_eq!(ledger.get(*number).unwrap().link, LinkIx::new(*link));
                at = number + 1;
            }
            prop_assert_eq!(from(&ledger, at, stride), None);
            for (link, chain) in (0..).zip(&chains) {
                let of_link: Vec<u64> = model.iter().filter(|(_, l)| **l == link).map(|(n, _)| *n).collect();
                let chained: Vec<u64> = std::iter::successors(chain.first(), |n| ledger.after(*n)).collect();
                prop_assert_eq!(chained.len(), chain.len() as usize);
                prop_assert_eq!(chained, of_link);
            }
            prop_assert!(ledger.ring.len() <= super::KEPT);
        }
    }
}
