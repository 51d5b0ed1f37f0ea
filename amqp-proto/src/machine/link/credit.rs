//! Link credit: how many deliveries may be sent, kept at both ends of a link [2.6.7].

use crate::types::SequenceNo;
use crate::wire::Flow;

/// The most credit there can be: half of the numbers lie ahead, and more could not be told from less [2.8.10].
const MOST: u32 = u32::MAX >> 1;

/// The sender's end.
#[derive(Debug)]
pub(crate) struct SenderCredit {
    first: SequenceNo,
    /// How many deliveries have been sent; only this end moves it [2.6.7].
    count: SequenceNo,
    credit: u32,
    drain: bool,
    /// How many messages wait at the application, as far as it has said [2.6.7].
    available: u32,
    /// Whether the application has said so.
    is_available_known: bool,
}

impl SenderCredit {
    pub(crate) fn new(first: SequenceNo) -> Self {
        Self { first, count: first, credit: 0, drain: false, available: 0, is_available_known: false }
    }

    /// The application says how many messages wait for credit.
    pub(crate) fn set_available(&mut self, messages: u32) {
        self.available = messages;
        self.is_available_known = true;
    }

    /// Returns how many messages wait for credit; `None` while the application has not said.
    pub(crate) fn available(&self) -> Option<u32> {
        self.is_available_known.then_some(self.available)
    }

    pub(crate) fn count(&self) -> SequenceNo {
        self.count
    }

    #[inline]
    pub(crate) fn credit(&self) -> u32 {
        self.credit
    }

    /// Returns whether credit that cannot be used is to be given back.
    #[inline]
    pub(crate) fn drain(&self) -> bool {
        self.drain
    }

    /// A delivery begins [2.6.7].
    #[inline]
    pub(crate) fn send(&mut self) {
        self.count = self.count.next();
        self.credit = self.credit.saturating_sub(1);
        self.available = self.available.saturating_sub(1);
    }

    /// The receiver says how many it takes, counted from what it had seen [2.6.7].
    pub(crate) fn on_flow(&mut self, flow: &Flow) {
        if let Some(credit) = flow.link_credit {
            let seen = flow.delivery_count.unwrap_or(self.first);
            // A peer that has seen more than was sent is wrong, but does no harm.
            let on_the_way = u32::try_from(seen.distance(self.count)).unwrap_or(0);
            self.credit = credit.min(MOST).saturating_sub(on_the_way);
        }
        self.drain = flow.drain;
    }

    /// The same for a receiver that knows nothing of this end yet: it counts from where this end will start.
    pub(crate) fn on_early_flow(&mut self, flow: &Flow) {
        self.on_flow(&Flow { delivery_count: Some(self.count), ..flow.clone() });
    }

    /// Takes over what was granted before this end had said where it starts.
    pub(super) fn adopt(&mut self, early: &Self) {
        self.credit = early.credit;
        self.drain = early.drain;
    }

    /// Gives back what cannot be used [2.6.7].
    pub(crate) fn give_back(&mut self) {
        self.count = self.count.add(self.credit);
        self.credit = 0;
    }

    /// The link is detached: credit ends with it.
    pub(crate) fn end(&mut self) {
        self.credit = 0;
        self.drain = false;
    }
}

/// The receiver's end.
#[derive(Debug)]
pub(crate) struct ReceiverCredit {
    /// The sender's delivery-count, as far as known; nothing before its attach.
    count: Option<SequenceNo>,
    credit: u32,
    /// The delivery-count up to which credit was ever given: what is on the way when credit is taken back still
    /// comes [2.6.7].
    given: SequenceNo,
    /// How many more are taken beyond that, where the options are lenient. Some senders, RabbitMQ up to 3.13 among them,
    /// count credit that is renewed from what they have sent, and not from what the flow says: then what was on the way
    /// comes on top, at each renewal. The session's window bounds it all.
    spare: u32,
    is_lenient: bool,
    drain: bool,
    available: u32,
}

impl ReceiverCredit {
    pub(crate) fn new(is_lenient: bool) -> Self {
        let given = SequenceNo::new(0);
        Self { count: None, credit: 0, given, spare: 0, is_lenient, drain: false, available: 0 }
    }

    /// The sender's attach says where its delivery-count starts.
    pub(crate) fn start(&mut self, first: SequenceNo) {
        self.count = Some(first);
        self.given = first.add(self.credit);
    }

    pub(crate) fn count(&self) -> Option<SequenceNo> {
        self.count
    }

    #[inline]
    pub(crate) fn credit(&self) -> u32 {
        self.credit
    }

    pub(crate) fn drain(&self) -> bool {
        self.drain
    }

    pub(crate) fn available(&self) -> u32 {
        self.available
    }

    /// Grants so much in all [2.6.7], draining it or not.
    pub(crate) fn set(&mut self, credit: u32, drain: bool) {
        self.credit = credit.min(MOST);
        self.drain = drain;
        if let Some(count) = self.count {
            let limit = count.add(self.credit);
            if self.given.precedes(limit) || self.given.precedes(count) {
                if self.is_lenient {
                    let on_the_way = u32::try_from(count.distance(self.given)).unwrap_or(0);
                    self.spare = self.spare.saturating_add(on_the_way).min(MOST);
                }
                self.given = limit;
            }
        }
    }

    /// A delivery begins; false if there was never credit for it [2.8.18].
    #[inline]
    pub(crate) fn receive(&mut self) -> bool {
        let Some(count) = self.count else { return false };
        if !count.precedes(self.given) && !self.spend() {
            return false;
        }
        self.count = Some(count.next());
        self.credit = self.credit.saturating_sub(1);
        self.available = self.available.saturating_sub(1);
        true
    }

    /// Returns whether more deliveries may come than there is credit for: some was taken back, which the sender
    /// may have used before it heard of that [2.6.7].
    pub(crate) fn was_reduced(&self) -> bool {
        self.count.is_some_and(|count| count.add(self.credit).precedes(self.given))
    }

    /// A delivery comes that is one more than was given.
    #[cold]
    fn spend(&mut self) -> bool {
        let is_spared = self.spare > 0;
        if is_spared {
            self.spare -= 1;
            self.given = self.given.next();
        }
        is_spared
    }

    /// The sender tells its state: what its count has passed over is given back [2.6.7] [2.7.4].
    pub(crate) fn on_flow(&mut self, flow: &Flow) {
        self.available = flow.available.unwrap_or(0);
        let Some((ours, theirs)) = self.count.zip(flow.delivery_count) else { return };
        let given_back = u32::try_from(ours.distance(theirs)).unwrap_or(0);
        self.count = Some(ours.add(given_back));
        self.credit = self.credit.saturating_sub(given_back);
    }

    /// The link is detached: credit ends with it.
    pub(crate) fn end(&mut self) {
        *self = Self::new(self.is_lenient);
    }
}

#[cfg(test)]
mod tests {
    use super::{ReceiverCredit, SenderCredit};
    use crate::types::{SequenceNo, TransferNumber};
    use crate::wire::Flow;

    fn flow(count: Option<u32>, credit: Option<u32>) -> Flow {
        let mut flow = Flow::new(0, TransferNumber::new(0), 0);
        flow.delivery_count = count.map(SequenceNo::new);
        flow.link_credit = credit;
        flow
    }

    /// T-CREDIT-03, -04, -05, -07, -16: what is on the way counts, across the wrap.
    #[test]
    fn t_credit_03_what_is_on_the_way_counts() {
        let mut credit = SenderCredit::new(SequenceNo::new(u32::MAX));
        credit.on_flow(&flow(None, Some(10)));
        (0..3).for_each(|_| credit.send());
        assert_eq!((credit.credit(), credit.count().get()), (7, 2));
        for (flow, left) in [
            (flow(Some(u32::MAX), Some(10)), 7),
            (flow(Some(u32::MAX), Some(10)), 7),
            (flow(Some(2), Some(10)), 10),
            (flow(Some(u32::MAX), Some(1)), 0),
            (flow(Some(u32::MAX - 13), Some(u32::MAX)), (u32::MAX >> 1) - 16),
            (flow(Some(5), Some(3)), 3),
            (flow(Some(1), None), 3),
        ] {
            credit.on_flow(&flow);
            assert_eq!(credit.credit(), left);
        }
    }

    /// T-DRAIN-01, T-CREDIT-02: the count passes over what is given back.
    #[test]
    fn t_drain_01_credit_is_given_back() {
        let mut credit = SenderCredit::new(SequenceNo::new(u32::MAX - 1));
        credit.on_flow(&Flow { drain: true, ..flow(None, Some(5)) });
        credit.give_back();
        assert_eq!((credit.count().get(), credit.credit(), credit.drain()), (3, 0, true));
    }

    /// T-CREDIT-08, T-CREDIT-09: what was once granted may come, and nothing more.
    #[test]
    fn t_credit_09_never_more_than_was_granted() {
        let mut credit = ReceiverCredit::new(false);
        credit.set(2, false);
        assert!(!credit.receive());
        credit.start(SequenceNo::new(u32::MAX));
        assert!(credit.receive());
        credit.set(0, false);
        assert!(credit.receive() && !credit.receive());
        assert_eq!((credit.credit(), credit.count().unwrap().get()), (0, 1));
        credit.set(1, false);
        assert!(credit.receive() && !credit.receive());
    }

    /// T-CREDIT-09 [2.6.7]: 10 are granted, 5 come, 10 are granted: 15 are taken, and no more.
    #[test]
    fn t_credit_09_renewed_credit_is_not_added() {
        let mut credit = ReceiverCredit::new(false);
        credit.start(SequenceNo::new(u32::MAX - 2));
        credit.set(10, false);
        (0..5).for_each(|_| assert!(credit.receive()));
        credit.set(10, false);
        (0..10).for_each(|_| assert!(credit.receive()));
        assert!(!credit.receive());
    }

    /// T-CREDIT-03: where the options are lenient a sender may be wrong about it, and count what was on the way on top of
    /// credit that is renewed, each time anew.
    #[test]
    fn t_credit_03_what_was_on_the_way_may_come_on_top() {
        let mut credit = ReceiverCredit::new(true);
        credit.start(SequenceNo::new(u32::MAX - 2));
        credit.set(10, false);
        (0..6).for_each(|_| assert!(credit.receive()));
        credit.set(10, false);
        (0..14).for_each(|_| assert!(credit.receive()));
        assert!(!credit.receive());
        assert_eq!((credit.credit(), credit.count().unwrap().get()), (0, 17));
        credit.set(10, false);
        (0..10).for_each(|_| assert!(credit.receive()));
        assert!(!credit.receive(), "nothing was on the way");
        for _ in 0..100 {
            credit.set(10, false);
            (0..5).for_each(|_| assert!(credit.receive()));
        }
        // It has been ahead by 5 more at each of 99 renewals.
        (0..5 + 99 * 5).for_each(|_| assert!(credit.receive()));
        assert!(!credit.receive());
        credit.set(5, false);
        credit.set(5, true);
        credit.set(3, false);
        (0..5).for_each(|_| assert!(credit.receive()));
        assert!(!credit.receive(), "it was not renewed");
    }

    /// T-DRAIN-03, T-CREDIT-14, T-AVAIL-02: the sender's count moves this end's credit, its credit does not.
    #[test]
    fn t_drain_03_the_senders_count_gives_credit_back() {
        let mut credit = ReceiverCredit::new(false);
        credit.start(SequenceNo::new(0));
        credit.set(5, true);
        credit.on_flow(&Flow { available: Some(1), ..flow(Some(0), Some(99)) });
        assert_eq!(credit.credit(), 5);
        assert!(credit.receive());
        assert_eq!((credit.credit(), credit.available()), (4, 0));
        credit.on_flow(&flow(Some(5), Some(0)));
        assert_eq!((credit.credit(), credit.count().unwrap().get()), (0, 5));
        assert!(!credit.receive());
        credit.set(1, false);
        assert!(credit.receive());
    }
}
