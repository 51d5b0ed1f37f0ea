//! [`Moment`]: a time on the caller's clock.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A moment on the caller's monotonic clock, in milliseconds from a start that the caller chooses.
///
/// The engine reads no clock: the caller passes the time to every call that depends on it. If the clock goes
/// back, the engine treats the clock as standing still.
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::types::Moment;
///
/// let now = Moment::from_millis(1_000);
/// let later = now + Duration::from_millis(500);
/// assert_eq!(later.as_millis(), 1_500);
/// assert_eq!(later - now, Duration::from_millis(500));
/// assert_eq!(now - later, Duration::ZERO);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The start of the clock.
    pub const START: Self = Self(0);

    /// Returns the moment `millis` milliseconds after the clock's start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the clock's start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the moment `millis` milliseconds later; the clock ends at 2^64 - 1.
    pub(crate) const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Returns the milliseconds from `earlier` to this moment, or 0 if `earlier` lies ahead.
    pub(crate) const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Returns a later moment. A part of a millisecond is left out; the clock ends at 2^64 - 1.
impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        self.after(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

/// Returns the time from an earlier moment to this one, or zero if the other one is later.
impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_millis(self.millis_since(earlier))
    }
}

/// Returns a span in milliseconds for the wire: a part of one counts as a whole one, and the longest is 49 days.
pub(crate) fn whole_millis(span: Duration) -> u32 {
    // In 64 bits, for which small processors have no long division.
    let parts = u64::from(span.subsec_nanos().div_ceil(1_000_000));
    u32::try_from(span.as_secs().saturating_mul(1_000).saturating_add(parts)).unwrap_or(u32::MAX)
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
