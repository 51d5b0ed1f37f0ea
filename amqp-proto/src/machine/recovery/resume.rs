//! [`decide`]: the fate of a delivery that was unsettled when its link was suspended [2.6.13] [3.4.6].

use crate::wire::{DeliveryState, Outcome, Received};

/// A delivery in the sender's unsettled map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ours {
    /// The sender can resume the delivery from this point on, and from all later ones; null in the map means
    /// the start of the message.
    From(Received),
    /// The delivery has this outcome at the sender.
    Outcome(Outcome),
}

impl Ours {
    /// The whole message can be sent.
    pub(crate) const WHOLE: Self = Self::From(START);
}

/// A delivery in the receiver's unsettled map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Theirs {
    /// The map does not contain the delivery.
    Absent,
    /// The receiver lacks the message from this point on; null in the map means from its start.
    Upto(Received),
    /// The receiver has decided on this outcome.
    Outcome(Outcome),
}

impl Theirs {
    /// Returns the meaning of a state in the receiver's map.
    pub(crate) fn of(state: Option<DeliveryState>) -> Self {
        match state {
            Some(DeliveryState::Outcome(outcome)) => Self::Outcome(outcome),
            Some(DeliveryState::Received(received)) => Self::Upto(received),
            // A transaction ends with its coordinator's link [4.2], so its deliveries are as if undecided.
            Some(DeliveryState::Transactional(_)) | None => Self::Upto(START),
        }
    }
}

/// The step of the sender that ends the doubt about a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send the message again, as a new delivery, or report its loss if the octets are not there any more.
    SendAnew,
    /// Resume the delivery from this point on.
    Resume(Received),
    /// Apply the receiver's outcome, and settle the delivery.
    Settle(Outcome),
    /// Restate the sender's outcome, which counts; the receiver settles.
    Restate(Outcome),
    /// Abort the delivery, and then send the message again, as a new delivery, or report its loss.
    AbortAndSendAnew,
    /// Abort the delivery, which has an outcome at the sender.
    Abort,
    /// Forget the delivery, which has an outcome at the sender and none to report.
    Forget,
}

/// The start of a message.
pub(crate) const START: Received = Received { section_number: 0, section_offset: 0 };

/// Compares the two ends' views of a delivery, and returns the step of the sender.
pub(crate) fn decide(ours: &Ours, theirs: &Theirs) -> Action {
    match (ours, theirs) {
        (Ours::From(_), Theirs::Absent) => Action::SendAnew,
        (Ours::From(from), Theirs::Upto(upto)) if place(upto) >= place(from) => Action::Resume(upto.clone()),
        (Ours::From(_), Theirs::Upto(_)) => Action::AbortAndSendAnew,
        (Ours::From(_), Theirs::Outcome(outcome)) => Action::Settle(outcome.clone()),
        (Ours::Outcome(_), Theirs::Absent) => Action::Forget,
        (Ours::Outcome(_), Theirs::Upto(_)) => Action::Abort,
        (Ours::Outcome(ours), Theirs::Outcome(theirs)) if ours == theirs => Action::Settle(ours.clone()),
        (Ours::Outcome(ours), Theirs::Outcome(_)) => Action::Restate(ours.clone()),
    }
}

fn place(received: &Received) -> (u32, u64) {
    (received.section_number, received.section_offset)
}

#[cfg(test)]
mod tests {
    use super::{Action, Ours, START, Theirs, decide};
    use crate::wire::{DeliveryState, Outcome, Received, TransactionalState};

    // T-RES-05, T-RES-06, T-RES-08, T-RES-18, T-RES-19, T-RES-20, T-RES-21: the 14 deliveries of the standard's
    // example, by their tags [3.4.6].
    #[test]
    fn t_res_05_the_fourteen_deliveries_of_the_standard() {
        use Outcome::{Accepted, Released};
        let from = |section, offset| Ours::From(Received::new(section, offset));
        let upto = |section, offset| Theirs::Upto(Received::new(section, offset));
        let resume = |section, offset| Action::Resume(Received::new(section, offset));
        let null = || Theirs::of(None);
        let ours = || Ours::Outcome(Accepted);
        let rows = [
            (1, Ours::WHOLE, Theirs::Absent, Action::SendAnew),
            (2, Ours::WHOLE, upto(3, 0), resume(3, 0)),
            (3, Ours::WHOLE, Theirs::Outcome(Accepted), Action::Settle(Accepted)),
            (4, Ours::WHOLE, null(), resume(0, 0)),
            (5, from(0, 200), Theirs::Absent, Action::SendAnew),
            (6, from(1, 150), upto(2, 0), resume(2, 0)),
            (7, from(0, 500), upto(0, 100), Action::AbortAndSendAnew),
            (8, from(3, 5), Theirs::Outcome(Accepted), Action::Settle(Accepted)),
            (9, from(2, 0), null(), Action::AbortAndSendAnew),
            (10, ours(), Theirs::Absent, Action::Forget),
            (11, ours(), upto(1, 2000), Action::Abort),
            (12, ours(), Theirs::Outcome(Accepted), Action::Settle(Accepted)),
            (13, ours(), Theirs::Outcome(Released), Action::Restate(Accepted)),
            (14, ours(), null(), Action::Abort),
        ];
        for (tag, ours, theirs, action) in rows {
            assert_eq!(decide(&ours, &theirs), action, "tag {tag}");
        }
        assert_eq!(Theirs::of(None), Theirs::Upto(START));
    }

    #[test]
    fn states_of_the_receiver_are_read() {
        let received = Received::new(1, 2);
        assert_eq!(Theirs::of(Some(DeliveryState::Received(received.clone()))), Theirs::Upto(received));
        assert_eq!(Theirs::of(Some(Outcome::Released.into())), Theirs::Outcome(Outcome::Released));
        let id = crate::types::TransactionId::new(b"t").unwrap();
        let transactional = DeliveryState::Transactional(Box::new(TransactionalState::new(id)));
        assert_eq!(Theirs::of(Some(transactional)), Theirs::Upto(START));
    }
}
