//! [`Ledger`]: the unsettled deliveries of a session in one direction, found by delivery-id.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::record::{NONE, Record};
use crate::types::DeliveryNumber;

/// How many deliveries with neighbouring numbers share a page.
const PAGE: usize = 16;
const PAGE_SHIFT: u32 = 4;
/// How many empty pages are kept for the next deliveries.
const SPARE: usize = 8;

/// Unsettled deliveries by number: the delivery-id, counted on where that wraps.
///
/// Records lie in pages of sixteen, in the order of their numbers. While deliveries are settled roughly in the order
/// they came in, a page is found by arithmetic; where pages in between are gone, by halving. Settling the youngest
/// while an old one stays costs no more than that (the memory goes with the unsettled, not with their span).
#[derive(Debug)]
pub(crate) struct Ledger {
    pages: VecDeque<Page>,
    #[allow(clippy::vec_box)] // they move between here and the pages
    spare: Vec<Box<Records>>,
    /// The number of the next delivery.
    next: u64,
    live: u32,
    /// How many pages have no record and are still in the row.
    empty: usize,
}

type Records = [Record; PAGE];

#[derive(Debug)]
struct Page {
    /// The number of its first record, divided by the size of a page.
    number: u64,
    /// Which of its records are there, a bit each.
    used: u16,
    /// There while any record is.
    records: Option<Box<Records>>,
}

/// The unsettled deliveries of one link, the oldest first; the records are the chain's links.
#[derive(Debug)]
pub(crate) struct Chain {
    first: u64,
    last: u64,
    len: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0 }
    }
}

impl Chain {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The oldest.
    pub(crate) fn first(&self) -> Option<u64> {
        (self.first != NONE).then_some(self.first)
    }
}

impl Ledger {
    /// What it keeps for the next deliveries.
    pub(crate) const SPARE_OCTETS: usize = SPARE * size_of::<Records>();
    /// What an unsettled delivery costs at most: a page of its own, and the place of it twice, as rows grow.
    pub(crate) const OCTETS_PER_DELIVERY: usize = size_of::<Records>() + 2 * size_of::<Page>();

    /// The first delivery will have this id.
    pub(crate) fn new(first: DeliveryNumber) -> Self {
        // One turn of the wheel ahead, so that ids before the first have numbers too.
        let next = (1 << 32) | u64::from(first.get());
        Self { pages: VecDeque::new(), spare: Vec::new(), next, live: 0, empty: 0 }
    }

    /// How many deliveries are unsettled.
    #[inline]
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// The number of the next delivery.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The id of the next delivery.
    #[inline]
    pub(crate) fn next_id(&self) -> DeliveryNumber {
        id(self.next)
    }

    /// The number that an id stands for: that which is closest to the deliveries of now.
    #[inline]
    pub(crate) fn number(&self, id: DeliveryNumber) -> u64 {
        let steps = self.next_id().distance(id);
        self.next.wrapping_add_signed(i64::from(steps))
    }

    /// Gives the next delivery its number, and keeps nothing of it.
    #[inline]
    pub(crate) fn pass(&mut self, number: u64) {
        self.next = number + 1;
    }

    /// Keeps a delivery under a number not below the next one.
    #[inline]
    pub(crate) fn insert(&mut self, number: u64, mut record: Record, chain: &mut Chain) {
        record.before = chain.last;
        match self.get_mut(chain.last) {
            Some(last) => last.after = number,
            None => chain.first = number,
        }
        chain.last = number;
        chain.len += 1;
        self.next = number + 1;
        self.live += 1;
        let (page, bit) = place(number);
        if self.pages.back().is_none_or(|last| last.number != page) {
            self.pages.push_back(Page { number: page, used: 0, records: None });
            self.empty += 1;
        }
        let Some(last) = self.pages.back_mut() else { return };
        let records = match &mut last.records {
            Some(records) => records,
            None => {
                self.empty -= 1;
                let fresh = self.spare.pop().unwrap_or_else(|| Box::new([const { Record::EMPTY }; PAGE]));
                last.records.insert(fresh)
            }
        };
        last.used |= 1 << bit;
        if let Some(place) = records.get_mut(bit) {
            *place = record;
        }
    }

    #[inline]
    pub(crate) fn get(&self, number: u64) -> Option<&Record> {
        let (page, bit) = place(number);
        let page = self.pages.get(self.find(page)?)?;
        if page.used & 1 << bit == 0 { None } else { page.records.as_ref()?.get(bit) }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Record> {
        let (page, bit) = place(number);
        let at = self.find(page)?;
        let page = self.pages.get_mut(at)?;
        if page.used & 1 << bit == 0 { None } else { page.records.as_mut()?.get_mut(bit) }
    }

    /// Forgets a delivery: it is settled.
    #[inline]
    pub(crate) fn remove(&mut self, number: u64, chain: &mut Chain) -> Option<Record> {
        let (page, bit) = place(number);
        let at = self.find(page)?;
        let page = self.pages.get_mut(at)?;
        if page.used & 1 << bit == 0 {
            return None;
        }
        let record = core::mem::replace(page.records.as_mut()?.get_mut(bit)?, Record::EMPTY);
        page.used &= !(1 << bit);
        if page.used == 0 {
            self.release(at);
        }
        self.live -= 1;
        chain.len -= 1;
        match self.get_mut(record.before) {
            Some(before) => before.after = record.after,
            None => chain.first = record.after,
        }
        match self.get_mut(record.after) {
            Some(after) => after.before = record.before,
            None => chain.last = record.before,
        }
        Some(record)
    }

    /// The first unsettled delivery from this number on.
    pub(crate) fn from(&self, number: u64) -> Option<u64> {
        let (page, bit) = place(number);
        let at = self.find(page).unwrap_or_else(|| self.pages.partition_point(|p| p.number < page));
        self.pages.range(at..).find_map(|p| {
            let used = if p.number == page { p.used & (u16::MAX << bit) } else { p.used };
            (used != 0).then(|| (p.number << PAGE_SHIFT) + u64::from(used.trailing_zeros()))
        })
    }

    /// The unsettled delivery of the same link that comes after this one.
    pub(crate) fn after(&self, number: u64) -> Option<u64> {
        self.get(number).map(|record| record.after).filter(|after| *after != NONE)
    }

    /// Where a page is.
    #[inline]
    fn find(&self, page: u64) -> Option<usize> {
        let ahead = usize::try_from(page.wrapping_sub(self.pages.front()?.number)).ok()?;
        match self.pages.get(ahead) {
            Some(found) if found.number == page => Some(ahead),
            _ => self.search(page),
        }
    }

    #[inline(never)]
    fn search(&self, page: u64) -> Option<usize> {
        self.pages.binary_search_by_key(&page, |p| p.number).ok()
    }

    /// A page has lost its last record.
    fn release(&mut self, at: usize) {
        if let Some(records) = self.pages.get_mut(at).and_then(|page| page.records.take())
            && self.spare.len() < SPARE
        {
            self.spare.push(records);
        }
        self.empty += 1;
        while self.pages.front().is_some_and(|page| page.used == 0) {
            self.pages.pop_front();
            self.empty -= 1;
        }
        // Each page that stays pays for one that goes.
        if self.empty > PAGE && self.empty * 2 > self.pages.len() {
            self.pages.retain(|page| page.used != 0);
            self.empty = 0;
        }
    }
}

#[inline]
fn place(number: u64) -> (u64, usize) {
    let bit = number & (PAGE as u64 - 1);
    (number >> PAGE_SHIFT, usize::try_from(bit).unwrap_or_default())
}

/// The delivery-id of a number.
#[inline]
pub(crate) fn id(number: u64) -> DeliveryNumber {
    let [.., a, b, c, d] = number.to_be_bytes();
    DeliveryNumber::new(u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::super::Tag;
    use super::{Chain, Ledger, Record, id};
    use crate::types::DeliveryNumber;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// T-DISP-03: ids of both sides of the wrap stand for numbers that follow each other.
    #[test]
    fn t_disp_03_numbers_go_on_where_ids_wrap() {
        let mut ledger = Ledger::new(DeliveryNumber::new(u32::MAX));
        let first = ledger.next();
        ledger.insert(first, Record::new(Tag::EMPTY, 0), &mut Chain::default());
        assert_eq!(ledger.next_id().get(), 0);
        assert_eq!(ledger.number(DeliveryNumber::new(u32::MAX)), first);
        assert_eq!(ledger.number(DeliveryNumber::new(3)), first + 4);
        assert_eq!(id(first + 4).get(), 3);
    }

    /// Lesson of rhea 452: one delivery that stays unsettled costs the others neither memory nor time.
    #[test]
    fn one_that_stays_costs_nothing() {
        let mut ledger = Ledger::new(DeliveryNumber::new(5));
        let (mut stuck, mut chain) = (Chain::default(), Chain::default());
        let old = ledger.next();
        ledger.insert(old, Record::new(Tag::EMPTY, 1), &mut stuck);
        for _ in 0..100_000 {
            let number = ledger.next();
            ledger.insert(number, Record::new(Tag::EMPTY, 0), &mut chain);
            assert!(ledger.remove(number, &mut chain).is_some());
            assert!(ledger.pages.len() < 64);
        }
        assert_eq!((ledger.live(), ledger.get(old).unwrap().link), (1, 1));
        assert_eq!(ledger.from(0), Some(old));
    }

    proptest! {
        /// Against a map: whatever comes and goes, what is left is found, in order, and by its link.
        #[test]
        fn does_what_a_map_does(steps in prop::collection::vec((0_u8..4, 0_u32..3, any::<prop::sample::Index>()), 0..400)) {
            let mut ledger = Ledger::new(DeliveryNumber::new(u32::MAX - 20));
            let mut chains = [Chain::default(), Chain::default(), Chain::default()];
            let mut model = BTreeMap::new();
            for (step, link, pick) in steps {
                match step {
                    0 | 1 => {
                        let number = ledger.next() + u64::from(step) * 40 * u64::from(link);
                        ledger.insert(number, Record::new(Tag::EMPTY, link), &mut chains[link as usize]);
                        model.insert(number, link);
                    }
                    2 if !model.is_empty() => {
                        let number = *model.keys().nth(pick.index(model.len())).unwrap();
                        let link = model.remove(&number).unwrap();
                        prop_assert_eq!(ledger.remove(number, &mut chains[link as usize]).unwrap().link, link);
                    }
                    _ => {
                        let number = ledger.next();
                        ledger.pass(number);
                        prop_assert!(ledger.remove(number, &mut chains[0]).is_none());
                    }
                }
            }
            prop_assert_eq!(ledger.live() as usize, model.len());
            let mut at = 0;
            for (number, link) in &model {
                prop_assert_eq!(ledger.from(at), Some(*number));
                prop_assert_eq!(ledger.get(*number).unwrap().link, *link);
                at = number + 1;
            }
            prop_assert_eq!(ledger.from(at), None);
            for (link, chain) in (0..).zip(&chains) {
                let of_link: Vec<u64> = model.iter().filter(|(_, l)| **l == link).map(|(n, _)| *n).collect();
                let chained: Vec<u64> = std::iter::successors(chain.first(), |n| ledger.after(*n)).collect();
                prop_assert_eq!(chained.len(), chain.len() as usize);
                prop_assert_eq!(chained, of_link);
            }
            prop_assert!(ledger.pages.len() <= 2 * model.len() + 18);
        }
    }
}
