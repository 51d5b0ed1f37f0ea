//! [`DispositionQueue`]: dispositions that wait to be written, merged with their neighbours [2.6.12].

use smallvec::SmallVec;

use crate::types::DeliveryNumber;
use crate::wire::{DeliveryState, Disposition, Outcome, Role};

/// The greatest number of ranges that wait.
const MOST: usize = 16;

/// The dispositions to write, in ranges as long as possible.
#[derive(Debug)]
pub(crate) struct DispositionQueue {
    role: Role,
    ranges: SmallVec<[Range; 2]>,
}

/// Consecutive deliveries with the same new state.
#[derive(Debug, Clone)]
struct Range {
    first: DeliveryNumber,
    last: DeliveryNumber,
    settled: bool,
    state: Option<DeliveryState>,
}

impl Range {
    #[inline]
    fn tells(&self, settled: bool, state: Option<&DeliveryState>) -> bool {
        let same = match (&self.state, state) {
            (
                Some(DeliveryState::Outcome(Outcome::Accepted)),
                Some(DeliveryState::Outcome(Outcome::Accepted)),
            ) => true,
            (ours, theirs) => ours.as_ref() == theirs,
        };
        self.settled == settled && same
    }
}

impl DispositionQueue {
    pub(crate) fn new(role: Role) -> Self {
        Self { role, ranges: SmallVec::new() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Adds a delivery. Returns `false` if the queue is full and must be written first.
    #[cfg_attr(not(feature = "small"), inline(always))]
    #[cfg_attr(feature = "small", inline(never))]
    pub(crate) fn add(&mut self, id: DeliveryNumber, settled: bool, state: Option<&DeliveryState>) -> bool {
        if let Some(last) = self.ranges.last_mut()
            && last.last.next() == id
            && last.tells(settled, state)
        {
            last.last = id;
            if self.ranges.len() == 1 {
                return true;
            }
            let at = self.ranges.len() - 1;
            self.join(at);
            return true;
        }
        self.add_apart(id, settled, state)
    }

    /// Adds a delivery that is accepted and settled, if it follows those of the only range. Otherwise changes nothing
    /// and returns `false`.
    #[inline]
    pub(crate) fn accept_next(&mut self, id: DeliveryNumber) -> bool {
        let [range] = &mut *self.ranges else { return false };
        let is_accepted = matches!(range.state, Some(DeliveryState::Outcome(Outcome::Accepted)));
        let is_next = range.last.next() == id && range.settled && is_accepted;
        if is_next {
            range.last = id;
        }
        is_next
    }

    /// Adds a delivery that does not follow the last one.
    fn add_apart(&mut self, id: DeliveryNumber, settled: bool, state: Option<&DeliveryState>) -> bool {
        let neighbour = self.ranges.iter().position(|range| {
            range.tells(settled, state) && (range.last.next() == id || id.next() == range.first)
        });
        let Some(at) = neighbour else {
            let room = self.ranges.len() < MOST;
            if room {
                self.ranges.push(Range { first: id, last: id, settled, state: state.cloned() });
            }
            return room;
        };
        if let Some(range) = self.ranges.get_mut(at) {
            if range.last.next() == id {
                range.last = id;
            } else {
                range.first = id;
            }
        }
        self.join(at);
        true
    }

    /// Joins a range that has grown with an adjacent one.
    fn join(&mut self, at: usize) {
        let Some(grown) = self.ranges.get(at) else { return };
        let other = self.ranges.iter().position(|range| {
            (range.last.next() == grown.first || grown.last.next() == range.first)
                && range.tells(grown.settled, grown.state.as_ref())
        });
        let Some(other) = other.filter(|other| *other != at) else { return };
        let (low, high) = (at.min(other), at.max(other));
        let removed = self.ranges.remove(high);
        if let Some(range) = self.ranges.get_mut(low) {
            if range.last.next() == removed.first {
                range.last = removed.last;
            } else {
                range.first = removed.first;
            }
        }
    }

    /// Takes all ranges, as the frames to write.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Disposition> + use<> {
        let role = self.role;
        core::mem::take(&mut self.ranges).into_iter().map(move |range| {
            let mut disposition = Disposition::new(role, range.first);
            disposition.last = (range.last != range.first).then_some(range.last);
            disposition.settled = range.settled;
            disposition.state = range.state;
            disposition
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{DispositionQueue, MOST};
    use crate::types::DeliveryNumber;
    use crate::wire::{Outcome, Role};

    fn ranges(pending: &mut DispositionQueue) -> Vec<(u32, u32)> {
        pending.take().map(|frame| (frame.first.get(), frame.last.unwrap_or(frame.first).get())).collect()
    }

    // T-DISP-20: neighbours with the same news become one range, in whichever order they come; T-DISP-03:
    // across the wrap.
    #[test]
    fn t_disp_20_neighbours_are_merged() {
        let accepted = Some(Outcome::Accepted.into());
        let released = Some(Outcome::Released.into());
        let mut pending = DispositionQueue::new(Role::Receiver);
        for id in [u32::MAX, 1, 3, 2, 0] {
            assert!(pending.add(DeliveryNumber::new(id), true, accepted.as_ref()));
        }
        assert_eq!(ranges(&mut pending), [(u32::MAX, 3)]);
        for (id, state, settled) in [(0, &accepted, true), (1, &released, true), (2, &released, false)] {
            assert!(pending.add(DeliveryNumber::new(id), settled, state.as_ref()));
        }
        assert_eq!(ranges(&mut pending), [(0, 0), (1, 1), (2, 2)]);
    }

    #[test]
    fn so_many_ranges_wait_and_no_more() {
        let mut pending = DispositionQueue::new(Role::Sender);
        let all =
            (0..=u32::try_from(MOST).unwrap()).map(|n| pending.add(DeliveryNumber::new(2 * n), true, None));
        assert_eq!(all.filter(|added| *added).count(), MOST);
        assert_eq!(ranges(&mut pending).len(), MOST);
        assert!(pending.is_empty());
    }
}
