//! Link credit at both ends: the number of deliveries that may be sent [2.6.7].

use crate::types::SequenceNo;
use crate::wire::Flow;

/// The greatest credit: half of the serial numbers. More could not be distinguished from less [2.8.10].
const MOST: u32 = u32::MAX >> 1;

/// The credit at the sender's end.
#[derive(Debug)]
pub(crate) struct SenderCredit {
    first: SequenceNo,
    /// The number of deliveries sent, which only this end changes [2.6.7].
    count: SequenceNo,
    credit: u32,
    drain: bool,
    /// The number of messages ready at the application, as last announced [2.6.7].
    available: u32,
    /// `true` if the application has announced that number.
    is_available_known: bool,
}

impl SenderCredit {
    pub(crate) fn new(first: SequenceNo) -> Self {
        Self { first, count: first, credit: 0, drain: false, available: 0, is_available_known: false }
    }

    /// Sets the number of messages that wait for credit.
    pub(crate) fn set_available(&mut self, messages: u32) {
        self.available = messages;
        self.is_available_known = true;
    }

    /// Returns the number of messages that wait for credit; `None` if the application has not announced it.
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

    /// Returns `true` if unused credit is to be returned.
    #[inline]
    pub(crate) fn drain(&self) -> bool {
        self.drain
    }

    /// Records the begin of a delivery [2.6.7].
    #[inline]
    pub(crate) fn send(&mut self) {
        self.count = self.count.next();
        self.credit = self.credit.saturating_sub(1);
        self.available = self.available.saturating_sub(1);
    }

    /// Applies the receiver's credit, which counts from the deliveries that the receiver had seen [2.6.7].
    pub(crate) fn on_flow(&mut self, flow: &Flow) {
        if let Some(credit) = flow.link_credit {
            let seen = flow.delivery_count.unwrap_or(self.first);
            // A peer that has seen more than was sent is wrong, but causes no harm.
            let on_the_way = u32::try_from(seen.distance(self.count)).unwrap_or(0);
            self.credit = credit.min(MOST).saturating_sub(on_the_way);
        }
        self.drain = flow.drain;
    }

    /// Applies the credit of a receiver that does not know this end's delivery-count: it counts from this
    /// end's first.
    pub(crate) fn on_early_flow(&mut self, flow: &Flow) {
        self.on_flow(&Flow { delivery_count: Some(self.count), ..flow.clone() });
    }

    /// Copies credit that was granted before this end's attach.
    pub(super) fn adopt(&mut self, early: &Self) {
        self.credit = early.credit;
        self.drain = early.drain;
    }

    /// Returns the unused credit [2.6.7].
    pub(crate) fn give_back(&mut self) {
        self.count = self.count.add(self.credit);
        self.credit = 0;
    }

    /// Ends the credit with the link's detach.
    pub(crate) fn end(&mut self) {
        self.credit = 0;
        self.drain = false;
    }
}

/// The credit at the receiver's end.
#[derive(Debug)]
pub(crate) struct ReceiverCredit {
    /// The sender's delivery-count, as last known; `None` before its attach.
    count: Option<SequenceNo>,
    credit: u32,
    /// The delivery-count up to which credit was ever granted: deliveries on the way may arrive after credit
    /// was withdrawn [2.6.7].
    given: SequenceNo,
    /// The number of further deliveries that lenient options accept.
    ///
    /// Some senders, RabbitMQ up to 3.13 among them, add renewed credit to what they have, not to the count
    /// in the flow. Then deliveries on the way come in addition, at each renewal. The session's window still
    /// bounds them.
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

    /// Sets the first delivery-count, from the sender's attach.
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

    /// Sets the credit [2.6.7], with or without a drain.
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

    /// Records the begin of a delivery. Returns `false` if there was never credit for it [2.8.18].
    pub(crate) fn receive(&mut self) -> bool {
        let is_permitted = self.permits() || (self.count.is_some() && self.spend());
        if is_permitted {
            self.take();
        }
        is_permitted
    }

    /// Returns `true` if the sender has credit for one more delivery, or had it.
    #[inline]
    pub(crate) fn permits(&self) -> bool {
        self.count.is_some_and(|count| count.precedes(self.given))
    }

    /// Records the begin of a delivery that is permitted.
    #[inline]
    pub(crate) fn take(&mut self) {
        self.count = self.count.map(SequenceNo::next);
        self.credit = self.credit.saturating_sub(1);
        self.available = self.available.saturating_sub(1);
    }

    /// Returns `true` if more deliveries may arrive than there is credit: some was withdrawn, which the
    /// sender may have used before it knew [2.6.7].
    pub(crate) fn was_reduced(&self) -> bool {
        self.count.is_some_and(|count| count.add(self.credit).precedes(self.given))
    }

    /// Accepts a delivery beyond the granted credit, if lenient.
    #[cold]
    fn spend(&mut self) -> bool {
        let is_spared = self.spare > 0;
        if is_spared {
            self.spare -= 1;
            self.given = self.given.next();
        }
        is_spared
    }

    /// Applies the sender's state: the deliveries that its count has skipped are returned credit [2.6.7]
    /// [2.7.4].
    pub(crate) fn on_flow(&mut self, flow: &Flow) {
        self.available = flow.available.unwrap_or(0);
        let Some((ours, theirs)) = self.count.zip(flow.delivery_count) else { return };
        let given_back = u32::try_from(ours.distance(theirs)).unwrap_or(0);
        self.count = Some(ours.add(given_back));
        self.credit = self.credit.saturating_sub(given_back);
    }

    /// Ends the credit with the link's detach.
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

    // T-CREDIT-03, -04, -05, -07, -16: deliveries on the way count, across the wrap.
    #[test]
    fn t_credit_03_messages_on_the_way_count() {
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

    // T-DRAIN-01, T-CREDIT-02: the count passes over returned credit.
    #[test]
    fn t_drain_01_credit_is_given_back() {
        let mut credit = SenderCredit::new(SequenceNo::new(u32::MAX - 1));
        credit.on_flow(&Flow { drain: true, ..flow(None, Some(5)) });
        credit.give_back();
        assert_eq!((credit.count().get(), credit.credit(), credit.drain()), (3, 0, true));
    }

    // T-CREDIT-08, T-CREDIT-09: deliveries that were once granted may arrive, and no more.
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

    // T-CREDIT-09 [2.6.7]: 10 are granted, 5 arrive, 10 are granted: 15 are accepted, and no more.
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

    // T-CREDIT-03: with lenient options a sender may add renewed credit to what it had, at each renewal.
    #[test]
    fn t_credit_03_messages_on_the_way_may_arrive_in_addition() {
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
        // At each of 99 renewals the sender was ahead by 5 more.
        (0..5 + 99 * 5).for_each(|_| assert!(credit.receive()));
        assert!(!credit.receive());
        credit.set(5, false);
        credit.set(5, true);
        credit.set(3, false);
        (0..5).for_each(|_| assert!(credit.receive()));
        assert!(!credit.receive(), "it was not renewed");
    }

    // T-DRAIN-03, T-CREDIT-14, T-AVAIL-02: the sender's count changes this end's credit, its credit does not.
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
