//! [`Moment`]: a time on the caller's clock.

use core::fmt;

/// A moment on the caller's monotonic clock, in milliseconds from a start that the caller chooses.
///
/// The engine reads no clock: the caller passes the time to every call that depends on it. If the clock goes
/// back, the engine treats the clock as standing still.
///
/// ```
/// use amqp_proto::types::Moment;
///
/// let now = Moment::from_millis(1_000);
/// assert_eq!(now.after(500).millis_since(now), 500);
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
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Returns the milliseconds from `earlier` to this moment, or 0 if `earlier` lies ahead.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
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
