//! [`Search`]: the progress of a consumer that does not want all messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::stored::{Place, Stored};

/// The messages of a queue that a consumer has looked at, and so does not look at again.
///
/// The messages of a queue lie in the order of their places. A consumer looks at those of each rank in this order.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// For each rank, the number of the last message that was looked at.
    looked: BTreeMap<u8, u64>,
    /// Messages before those that have come back to the queue since.
    returned: BTreeSet<Place>,
}

impl Search {
    /// Returns the index of the first message to look at.
    pub(super) fn next(&mut self, messages: &VecDeque<Stored>) -> Option<usize> {
        let fresh = self.unseen(messages).next().map(|(begin, _)| begin);
        while let Some(place) = self.returned.first() {
            match find(messages, *place) {
                Some(at) => return Some(fresh.map_or(at, |fresh| fresh.min(at))),
                // Another consumer has taken it again.
                None => {
                    self.returned.pop_first();
                }
            }
        }
        fresh
    }

    /// Records that the consumer has looked at a message that [`next`](Self::next) has returned.
    pub(super) fn look(&mut self, place: Place) {
        if !self.returned.remove(&place) {
            self.looked.insert(place.rank, place.number);
        }
    }

    /// Records that a message has come back to the queue.
    pub(super) fn came_back(&mut self, place: Place, messages: &VecDeque<Stored>) {
        if self.looked.get(&place.rank).is_none_or(|last| *last < place.number) {
            return;
        }
        self.returned.insert(place);
        // A consumer that does not look forgets what is gone.
        if self.returned.len() / 2 > messages.len() {
            self.returned.retain(|place| find(messages, *place).is_some());
        }
    }

    /// Returns the number of messages to look at.
    pub(super) fn left(&self, messages: &VecDeque<Stored>) -> usize {
        let returned = self.returned.iter().filter(|place| find(messages, **place).is_some()).count();
        returned + self.unseen(messages).map(|(begin, end)| end - begin).sum::<usize>()
    }

    /// Returns the indexes of the messages that never were looked at, rank by rank.
    fn unseen(&self, messages: &VecDeque<Stored>) -> impl Iterator<Item = (usize, usize)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let rank = messages.get(at)?.place.rank;
            let begin = match self.looked.get(&rank) {
                Some(last) => {
                    let last = Place { rank, number: *last };
                    messages.partition_point(|stored| stored.place <= last)
                }
                None => at,
            };
            at = messages.partition_point(|stored| stored.place.rank <= rank);
            Some((begin, at))
        })
        .filter(|(begin, end)| begin < end)
    }
}

/// Returns the index of the message at this place.
fn find(messages: &VecDeque<Stored>, place: Place) -> Option<usize> {
    messages.binary_search_by_key(&place, |stored| stored.place).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use amqp_proto::message::Payload;
    use amqp_proto::types::Str;

    use super::{Place, Search, Stored};

    fn stored(place: Place) -> Stored {
        let mut stored = Stored::new(Payload::new(), Str::EMPTY, 0);
        stored.place = place;
        stored
    }

    fn insert(messages: &mut VecDeque<Stored>, place: Place) {
        let at = messages.partition_point(|other| other.place < place);
        messages.insert(at, stored(place));
    }

    /// Whatever comes, goes and comes back: the next message is the first one in the queue that was not looked at since it
    /// came.
    #[test]
    fn each_message_is_looked_at_once_each_time_it_comes() {
        let mut random = 7_u64;
        let mut draw = move |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..200 {
            let (mut search, mut messages) = (Search::default(), VecDeque::new());
            let (mut fresh, mut taken) = (BTreeSet::new(), Vec::new());
            for number in 0..200 {
                match draw(5) {
                    0 | 1 => {
                        let place = Place { rank: u8::try_from(draw(3)).unwrap(), number };
                        insert(&mut messages, place);
                        fresh.insert(place);
                    }
                    2 if !messages.is_empty() => {
                        let at = usize::try_from(draw(messages.len() as u64)).unwrap();
                        let place = messages.remove(at).unwrap().place;
                        fresh.remove(&place);
                        taken.push(place);
                    }
                    3 if !taken.is_empty() => {
                        let place = taken.swap_remove(usize::try_from(draw(taken.len() as u64)).unwrap());
                        insert(&mut messages, place);
                        search.came_back(place, &messages);
                        fresh.insert(place);
                    }
                    _ => {
                        assert_eq!(search.left(&messages), fresh.len());
                        let next = search.next(&messages).map(|at| messages[at].place);
                        assert_eq!(next, fresh.pop_first());
                        next.into_iter().for_each(|place| search.look(place));
                    }
                }
            }
        }
    }

    /// A consumer that never looks remembers no more returns than there are messages.
    #[test]
    fn returns_are_bounded() {
        let (mut search, mut messages) = (Search::default(), VecDeque::new());
        for number in 0..1_000 {
            let place = Place { rank: 0, number };
            insert(&mut messages, place);
            assert_eq!(search.next(&messages), Some(0));
            search.look(place);
            // It is taken, comes back, and is taken for good.
            search.came_back(place, &messages);
            messages.clear();
        }
        assert!(search.returned.len() <= 4, "{}", search.returned.len());
        assert_eq!((search.next(&messages), search.left(&messages)), (None, 0));
    }
}
