//! [`Waiters`]: tasks that wait for the same thing, in the order in which they came.

use std::collections::VecDeque;
use std::task::Waker;

/// A place in a line: what a future holds of one, until it leaves.
pub(crate) type Ticket = u64;

/// A line of tasks. Those that were woken keep their places until they leave.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    next: Ticket,
    line: VecDeque<(Ticket, Option<Waker>)>,
}

impl Waiters {
    /// Waits to be woken, in a new place if there is none yet. Gives a waker that is not needed any more: who holds a
    /// lock does not drop it under that.
    #[must_use]
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) -> Option<Waker> {
        let at = ticket.and_then(|ticket| self.place(ticket));
        match at.and_then(|at| self.line.get_mut(at)) {
            Some((_, Some(old))) if old.will_wake(waker) => None,
            Some((_, place)) => place.replace(waker.clone()),
            None => {
                *ticket = Some(self.next);
                self.line.push_back((self.next, Some(waker.clone())));
                self.next += 1;
                None
            }
        }
    }

    /// Gives a place up.
    #[must_use]
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        let at = self.place(ticket)?;
        self.line.remove(at)?.1
    }

    /// Whether a place, or one that would be taken now, is the first.
    pub(crate) fn is_first(&self, ticket: Option<Ticket>) -> bool {
        self.line.front().map(|(first, _)| *first) == ticket
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Wakes all.
    pub(crate) fn wake_all(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(self.line.iter_mut().filter_map(|(_, waker)| waker.take()));
    }

    /// Wakes the first.
    pub(crate) fn wake_first(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(self.line.front_mut().and_then(|(_, waker)| waker.take()));
    }

    /// Tickets are given out in order.
    fn place(&self, ticket: Ticket) -> Option<usize> {
        self.line.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Waiters;
    use std::task::Waker;

    #[test]
    fn places_are_kept_in_order_until_they_are_given_up() {
        let (mut waiters, waker) = (Waiters::default(), Waker::noop());
        let mut tickets = [None; 3];
        assert!(waiters.is_first(None));
        for ticket in &mut tickets {
            assert!(waiters.wait(ticket, waker).is_none());
        }
        assert!(waiters.is_first(tickets[0]) && !waiters.is_first(None));
        let mut wakes = Vec::new();
        waiters.wake_first(&mut wakes);
        waiters.wake_all(&mut wakes);
        waiters.wake_all(&mut wakes);
        assert_eq!(wakes.len(), 3);
        assert!(waiters.leave(tickets[1].unwrap()).is_none());
        assert!(waiters.wait(&mut tickets[0], waker).is_none());
        assert!(waiters.is_first(tickets[0]));
        assert!(waiters.leave(tickets[0].unwrap()).is_some());
        assert!(waiters.is_first(tickets[2]));
        assert!(waiters.leave(tickets[2].unwrap()).is_none() && waiters.is_empty());
    }
}
