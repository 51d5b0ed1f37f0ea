//! [`Backoff`]: how long to wait before connecting again.

/// How long to wait before another attempt, such as to connect: twice as long each time, up to a bound, less a part that
/// chance decides, so that many who lost the same peer do not come back at the same moment.
///
/// ```
/// use amqp_proto::policy::Backoff;
///
/// let backoff = Backoff::new(100, 5_000).with_jitter(0);
/// let delays: Vec<u64> = (0..8).map(|attempt| backoff.delay(attempt, 0)).collect();
/// assert_eq!(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: u64,
    most: u64,
    jitter: u8,
    attempts: Option<u32>,
}

impl Backoff {
    /// From so many milliseconds up to so many.
    pub const fn new(first: u64, most: u64) -> Self {
        Self { first, most, jitter: 50, attempts: None }
    }

    /// Sets which part of a delay chance decides, in percent; 100 at most. Default 50: it is between a half and all.
    #[must_use]
    pub const fn with_jitter(mut self, percent: u8) -> Self {
        self.jitter = if percent > 100 { 100 } else { percent };
        self
    }

    /// Sets after how many attempts to give up. Default: never.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Returns whether this attempt, the first of which is 0, is to be made at all.
    pub fn allows(&self, attempt: u32) -> bool {
        self.attempts.is_none_or(|attempts| attempt < attempts)
    }

    /// Returns how many milliseconds to wait before this attempt, the first of which is 0. `random` is any number
    /// that the caller draws from all of `u64`.
    pub fn delay(&self, attempt: u32, random: u64) -> u64 {
        // What is shifted out would exceed any bound.
        let doubled = self.first.checked_mul(1_u64.checked_shl(attempt).unwrap_or(u64::MAX));
        let whole = doubled.unwrap_or(u64::MAX).min(self.most);
        let chance = part(whole, u64::from(self.jitter) << 32, 100 << 32);
        whole - part(chance, random, u64::MAX)
    }
}

impl Default for Backoff {
    /// From 100 milliseconds up to 30 seconds.
    fn default() -> Self {
        Self::new(100, 30_000)
    }
}

/// This part of a whole; the part is not larger than what it is a part of.
fn part(whole: u64, part: u64, of: u64) -> u64 {
    let part = u128::from(whole) * u128::from(part) / u128::from(of);
    u64::try_from(part).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the numbers: never longer than the bound, never shorter than what chance may take, and never less
        /// for a later attempt.
        #[test]
        fn delays_keep_within_bounds(
            first in any::<u64>(), most in any::<u64>(), jitter in 0_u8..=255, attempt in 0_u32..200, random in any::<u64>()
        ) {
            let backoff = Backoff::new(first, most).with_jitter(jitter);
            let (delay, next) = (backoff.delay(attempt, random), backoff.delay(attempt + 1, random));
            prop_assert!(delay <= most && delay <= next);
            let whole = backoff.clone().with_jitter(0).delay(attempt, random);
            let least = u128::from(whole) * u128::from(100 - jitter.min(100)) / 100;
            prop_assert!(u128::from(delay) >= least && delay <= whole);
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
        let backoff = Backoff::new(1_000, 1_000);
        assert_eq!((backoff.delay(9, 0), backoff.delay(9, u64::MAX)), (1_000, 500));
        let all = backoff.with_jitter(100);
        assert_eq!((all.delay(0, u64::MAX), all.delay(0, u64::MAX / 2)), (0, 501));
    }
}
