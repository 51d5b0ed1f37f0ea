//! [`Retries`]: the attempts to attach a link again on a connection that stays open.

use super::reconnect::Reconnect;
use crate::types::Moment;

/// The attempts to begin a session or to attach a link again that a peer has ended for a reason that passes, on a
/// connection that stays open.
///
/// The rules are those of the connection: each attempt follows after the delay of the
/// [`Backoff`](super::Backoff), the delays begin again after a link was attached for
/// [`with_stable_after`](Reconnect::with_stable_after), and the number of attempts and
/// [`with_give_up_after`](Reconnect::with_give_up_after) end them.
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::policy::{Backoff, Reconnect, Retries};
/// use amqp_proto::types::Moment;
///
/// let second = Duration::from_secs(1);
/// let backoff = Backoff::new(second, 9 * second).with_jitter(0);
/// let rules = Reconnect::new().with_backoff(backoff.with_attempts(2));
///
/// let (mut retries, now) = (Retries::default(), Moment::START);
/// assert_eq!(retries.failed(&rules, now, 7), Some(now + second));
/// assert_eq!(retries.failed(&rules, now, 7), Some(now + 2 * second));
/// assert_eq!(retries.failed(&rules, now, 7), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Retries {
    attempts: u32,
    /// The moment of the first end since the link was stable.
    since: Option<Moment>,
    /// The moment of the last attach.
    up: Option<Moment>,
}

impl Retries {
    /// Reports that the link is attached.
    pub fn succeeded(&mut self, now: Moment) {
        self.up = Some(now);
    }

    /// Reports that the link has ended, or could not be attached. Returns the moment of the next attempt; `None` if
    /// the rules allow none.
    ///
    /// `random` is a number that the caller draws from the whole range of `u64`.
    pub fn failed(&mut self, rules: &Reconnect, now: Moment, random: u64) -> Option<Moment> {
        if self.up.take().is_some_and(|up| now - up >= rules.stable_after) {
            *self = Self::default();
        }
        let since = *self.since.get_or_insert(now);
        if !rules.backoff.allows(self.attempts) {
            return None;
        }
        let next = now + rules.backoff.delay(self.attempts, random);
        self.attempts = self.attempts.saturating_add(1);
        let is_late = rules.give_up_after.is_some_and(|span| next - since > span);
        (!is_late).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Moment, Reconnect, Retries};
    use crate::policy::Backoff;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules() -> Reconnect {
        Reconnect::new()
            .with_backoff(Backoff::new(SECOND, 4 * SECOND).with_jitter(0))
            .with_stable_after(SECOND)
    }

    #[test]
    fn delays_grow_until_a_link_was_stable() {
        let (rules, mut retries, mut now) = (rules(), Retries::default(), Moment::START);
        for delay in [1, 2, 4, 4] {
            let next = retries.failed(&rules, now, 0).unwrap();
            assert_eq!(next - now, delay * SECOND);
            now = next;
            // Attached, and ended at once.
            retries.succeeded(now);
        }
        let next = retries.failed(&rules, now + SECOND, 0).unwrap();
        assert_eq!(next - now, 2 * SECOND);
    }

    #[test]
    fn attempts_end_by_number_and_by_time() {
        let few = rules().with_backoff(Backoff::new(SECOND, SECOND).with_attempts(1));
        let (mut retries, now) = (Retries::default(), Moment::START);
        assert!(retries.failed(&few, now, u64::MAX).is_some());
        assert!(retries.failed(&few, now, 0).is_none());
        let short = rules().with_give_up_after(3 * SECOND);
        let mut retries = Retries::default();
        assert!(retries.failed(&short, now, 0).is_some());
        assert!(retries.failed(&short, now + SECOND, 0).is_some());
        assert!(retries.failed(&short, now + 3 * SECOND, 0).is_none());
        // A loss of a stable link is a new one.
        retries.succeeded(now + 3 * SECOND);
        assert!(retries.failed(&short, now + 4 * SECOND, 0).is_some());
    }
}
