//! [`Backoff`]: the delays between attempts to connect.

use core::time::Duration;

/// The delays between attempts, such as attempts to connect.
///
/// Each delay is twice the one before, up to a bound, minus a random part. The random part spreads the
/// clients that lost the same peer, so that they do not reconnect at the same moment.
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::policy::Backoff;
///
/// let (first, longest) = (Duration::from_millis(100), Duration::from_secs(5));
/// let backoff = Backoff::new(first, longest).with_jitter(0);
/// let delays: Vec<_> =
///     (0..7).map(|attempt| backoff.delay(attempt, 0).as_millis()).collect();
/// assert_eq!(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// In microseconds, as the longest.
    first: u64,
    longest: u64,
    jitter: u8,
    attempts: Option<u32>,
}

impl Backoff {
    /// Returns delays from `first` up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first: micros(first), longest: micros(longest), jitter: 50, attempts: None }
    }

    /// Sets the random part of a delay in percent, at most 100. Default 50: the delay lies between half and
    /// all of the computed one.
    #[must_use]
    pub const fn with_jitter(mut self, percent: u8) -> Self {
        self.jitter = if percent > 100 { 100 } else { percent };
        self
    }

    /// Sets the number of attempts. Default: no limit.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Returns `true` if an attempt with this number may be made; the first number is 0.
    pub fn allows(&self, attempt: u32) -> bool {
        self.attempts.is_none_or(|attempts| attempt < attempts)
    }

    /// Returns the delay before an attempt; the first attempt is number 0.
    ///
    /// `random` is a number that the caller draws from the whole range of `u64`.
    pub fn delay(&self, attempt: u32, random: u64) -> Duration {
        // An overflow exceeds every bound.
        let doubled = self.first.checked_mul(1_u64.checked_shl(attempt).unwrap_or(u64::MAX));
        let whole = doubled.unwrap_or(u64::MAX).min(self.longest);
        let chance = part(whole, u64::from(self.jitter) << 32, 100 << 32);
        Duration::from_micros(whole - part(chance, random, u64::MAX))
    }
}

impl Default for Backoff {
    /// Returns delays from 100 milliseconds up to 30 seconds.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(30))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Returns `whole * part / of`; `part` is at most `of`.
fn part(whole: u64, part: u64, of: u64) -> u64 {
    let part = u128::from(whole) * u128::from(part) / u128::from(of);
    u64::try_from(part).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Duration};
    use proptest::prelude::*;

    proptest! {
        /// For all numbers: no delay exceeds the bound, none loses more than the random part, and none is
        /// less than that of an earlier attempt.
        #[test]
        fn delays_keep_within_bounds(
            first in any::<u64>(), most in any::<u64>(), jitter in 0_u8..=255, attempt in 0_u32..200, random in any::<u64>()
        ) {
            let longest = Duration::from_micros(most);
            let backoff = Backoff::new(Duration::from_micros(first), longest).with_jitter(jitter);
            let (delay, next) = (backoff.delay(attempt, random), backoff.delay(attempt + 1, random));
            prop_assert!(delay <= longest && delay <= next);
            let whole = backoff.clone().with_jitter(0).delay(attempt, random);
            let least = whole.as_micros() * u128::from(100 - jitter.min(100)) / 100;
            prop_assert!(delay.as_micros() >= least && delay <= whole);
        }
    }

    #[test]
    fn attempts_end() {
        assert!(Backoff::default().allows(u32::MAX));
        let three = Backoff::default().with_attempts(3);
        assert_eq!((three.allows(2), three.allows(3)), (true, false));
    }

    #[test]
    fn chance_takes_its_part() {
        let [second, half] = [1_000, 500].map(Duration::from_millis);
        let backoff = Backoff::new(second, second);
        assert_eq!((backoff.delay(9, 0), backoff.delay(9, u64::MAX)), (second, half));
        let all = backoff.with_jitter(100);
        let rounded = half + Duration::from_micros(1);
        assert_eq!((all.delay(0, u64::MAX), all.delay(0, u64::MAX / 2)), (Duration::ZERO, rounded));
    }
}
