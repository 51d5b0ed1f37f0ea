//! [`Line`]: waiters for the same thing, in the order of their arrival.

use std::collections::VecDeque;

use super::wake::Wake;

/// A place in a line, which a waiter holds until it leaves.
pub(crate) type Ticket = u64;

/// A line of waiters. A woken waiter keeps its place until it leaves.
#[derive(Debug)]
pub(crate) struct Line<W> {
    next: Ticket,
    /// The places in order; `None` for a waiter that was woken and has not returned yet.
    places: VecDeque<(Ticket, Option<W>)>,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Self { next: 0, places: VecDeque::new() }
    }
}

impl<W: Wake> Line<W> {
    /// Registers a waiter, in the place of `ticket` or in a new place at the end.
    ///
    /// Returns the replaced waiter, which the caller drops after the lock is released.
    #[must_use]
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, waiter: &W) -> Option<W> {
        let at = ticket.and_then(|ticket| self.position(ticket));
        match at.and_then(|at| self.places.get_mut(at)) {
            Some((_, Some(old))) if old.will_wake(waiter) => None,
            Some((_, place)) => place.replace(waiter.clone()),
            None => {
                *ticket = Some(self.next);
                self.places.push_back((self.next, Some(waiter.clone())));
                self.next += 1;
                None
            }
        }
    }

    /// Removes a place. Returns its waiter, if it was not woken.
    #[must_use]
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<W> {
        let at = self.position(ticket)?;
        self.places.remove(at)?.1
    }

    /// Returns the waiter of a place, to be woken. The place is kept.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<W> {
        let at = self.position(ticket)?;
        self.places.get_mut(at)?.1.take()
    }

    /// Returns `true` if the place of `ticket`, or a new place, is the first.
    pub(crate) fn is_first(&self, ticket: Option<Ticket>) -> bool {
        self.places.front().map(|(first, _)| *first) == ticket
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Wakes all waiters.
    pub(crate) fn wake_all(&mut self, wakes: &mut impl Extend<W>) {
        wakes.extend(self.places.iter_mut().filter_map(|(_, waiter)| waiter.take()));
    }

    /// Wakes the waiter in the first place, for work that is done strictly in turn.
    pub(crate) fn wake_first(&mut self, wakes: &mut impl Extend<W>) {
        wakes.extend(self.places.front_mut().and_then(|(_, waiter)| waiter.take()));
    }

    /// Wakes the first waiter that was not woken yet, for items that one waiter each takes.
    pub(crate) fn wake_next(&mut self, wakes: &mut impl Extend<W>) {
        wakes.extend(self.places.iter_mut().find_map(|(_, waiter)| waiter.take()));
    }

    /// Returns the index of a place. Tickets ascend.
    fn position(&self, ticket: Ticket) -> Option<usize> {
        self.places.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Line;
    use core::task::Waker;
    use std::sync::Arc;
    use std::task::Wake;

    #[test]
    fn places_are_kept_in_order_until_they_are_given_up() {
        let (mut line, waiter) = (Line::default(), Waker::noop());
        let mut tickets = [None; 3];
        assert!(line.is_first(None));
        for ticket in &mut tickets {
            assert!(line.wait(ticket, waiter).is_none());
        }
        assert!(line.is_first(tickets[0]) && !line.is_first(None));
        let mut wakes = Vec::new();
        line.wake_first(&mut wakes);
        line.wake_all(&mut wakes);
        line.wake_all(&mut wakes);
        assert_eq!(wakes.len(), 3);
        assert!(line.leave(tickets[1].unwrap()).is_none());
        assert!(line.wait(&mut tickets[0], waiter).is_none());
        assert!(line.is_first(tickets[0]));
        assert!(line.leave(tickets[0].unwrap()).is_some());
        assert!(line.is_first(tickets[2]));
        assert!(line.leave(tickets[2].unwrap()).is_none() && line.is_empty());
    }

    /// A task that polls again from elsewhere, as a future that was moved to another task does, is woken there.
    #[test]
    fn the_last_waiter_of_a_place_is_woken() {
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let [before, now] = [(); 2].map(|()| Waker::from(Arc::new(Task)));
        let (mut line, mut ticket) = (Line::default(), None);
        assert!(line.wait(&mut ticket, &before).is_none());
        assert!(line.wait(&mut ticket, &now).is_some_and(|old| old.will_wake(&before)));
        let mut wakes = Vec::new();
        line.wake_first(&mut wakes);
        assert!(wakes.len() == 1 && wakes[0].will_wake(&now));
    }

    #[test]
    fn each_of_several_things_wakes_another_waiter() {
        let (mut line, waiter) = (Line::default(), Waker::noop());
        let mut tickets = [None; 2];
        for ticket in &mut tickets {
            assert!(line.wait(ticket, waiter).is_none());
        }
        let mut wakes = Vec::new();
        line.wake_next(&mut wakes);
        assert!(line.leave(tickets[0].unwrap()).is_none(), "the first was woken");
        line.wake_next(&mut wakes);
        assert!(line.leave(tickets[1].unwrap()).is_none(), "then the second");
        line.wake_next(&mut wakes);
        assert_eq!(wakes.len(), 2);
    }
}
