//! [`Timers`]: the deadlines of a connection [2.4.5].

use core::time::Duration;

use crate::types::Moment;

/// The kind of a connection's deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// The peer must have opened the connection.
    Open,
    /// The peer must have answered the close [2.4.3].
    Close,
    /// A frame must have arrived [2.4.5].
    Silence,
    /// A frame must be sent to the peer [2.4.5].
    Heartbeat,
    /// Credit that a receiver drains must have been used, or is returned
    /// ([`Options::with_drain_pause`](crate::config::Options::with_drain_pause)).
    Drain,
}

/// The deadlines of a connection.
#[derive(Debug)]
pub(crate) struct Timers {
    now: Moment,
    open_by: Option<Moment>,
    close_by: Option<Moment>,
    /// The greatest time without a received frame, and the time of the last one.
    silence: Option<u32>,
    heard: Moment,
    /// The interval between checks for sent frames, the time of the next check, and the number of frames at
    /// the last one. An interval of 0 means no checks.
    beat: u32,
    beat_at: Moment,
    beat_frames: u64,
}

fn deadline(now: Moment, span: Option<u32>) -> Option<Moment> {
    span.map(|span| now.after(span.into()))
}

impl Timers {
    pub(crate) fn new(now: Moment, open_timeout: Option<u32>, silence: Option<u32>) -> Self {
        Self {
            now,
            open_by: deadline(now, open_timeout),
            close_by: None,
            silence,
            heard: now,
            beat: 0,
            beat_at: now,
            beat_frames: 0,
        }
    }

    /// Sets the time, which does not go back.
    pub(crate) fn set(&mut self, now: Moment) {
        self.now = self.now.max(now);
    }

    /// Records a received frame.
    #[inline]
    pub(crate) fn hear(&mut self) {
        self.heard = self.now;
    }

    /// Records the peer's open, with its idle-time-out.
    pub(crate) fn opened(&mut self, idle_timeout: u32, shortest: u32) {
        self.open_by = None;
        if idle_timeout > 0 {
            // If one check finds a sent frame and the next finds none, at most half of the idle-time-out has
            // passed.
            self.beat = (idle_timeout / 4).max(shortest / 4).max(1);
            self.beat_at = self.now.after(self.beat.into());
        }
    }

    /// Sets the deadline by which this end closes the connection.
    pub(crate) fn leave(&mut self, close_timeout: Option<u32>) {
        self.close_by = deadline(self.now, close_timeout);
    }

    /// Records this end's close.
    pub(crate) fn closed(&mut self, close_timeout: Option<u32>) {
        self.open_by = None;
        self.beat = 0;
        self.close_by = deadline(self.now, close_timeout);
    }

    /// Cancels all deadlines: the connection is over.
    pub(crate) fn stop(&mut self) {
        *self = Self::new(self.now, None, None);
    }

    /// Returns the time without a write after which a thread other than the engine's should write an empty
    /// frame.
    ///
    /// The time is longer than the engine's own interval and shorter than the peer's timeout. `None` for no
    /// bound.
    pub(crate) fn heartbeat_interval(&self) -> Option<Duration> {
        (self.beat > 0).then(|| Duration::from_millis(u64::from(self.beat) * 5 / 2))
    }

    /// Returns the next deadline, and its kind.
    pub(crate) fn next(&self) -> Option<(Moment, Deadline)> {
        let all = [
            self.open_by.map(|by| (by, Deadline::Open)),
            self.close_by.map(|by| (by, Deadline::Close)),
            deadline(self.heard, self.silence).map(|by| (by, Deadline::Silence)),
            (self.beat > 0).then_some((self.beat_at, Deadline::Heartbeat)),
        ];
        all.into_iter().flatten().min_by_key(|(by, _)| *by)
    }

    /// The number of kinds of deadlines.
    pub(crate) const KINDS: usize = 4;

    /// Returns the kind of a deadline that has passed, if any.
    pub(crate) fn passed(&self) -> Option<Deadline> {
        self.next().filter(|(by, _)| *by <= self.now).map(|(_, why)| why)
    }

    /// Returns `true` if no frame was written since the last check, or if the check is a whole interval late,
    /// so that the last frame may be old.
    pub(crate) fn beats(&mut self, frames: u64) -> bool {
        let is_late = self.now.millis_since(self.beat_at) >= u64::from(self.beat);
        self.beat_at = self.now.after(self.beat.into());
        let quiet = is_late || frames == self.beat_frames;
        self.beat_frames = frames;
        quiet
    }

    /// Records that the empty frame of a check was written.
    pub(crate) fn beaten(&mut self, frames: u64) {
        self.beat_frames = frames;
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadline, Timers};
    use crate::types::Moment;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    // C-IDLE-04, threats E4 and E5: extreme spans and clocks neither overflow nor make a busy loop.
    #[test]
    fn e5_extreme_spans_and_clocks() {
        for now in [0, 1, u64::MAX - 1, u64::MAX] {
            for idle in [1, 2, 100, u32::MAX] {
                let mut timers = Timers::new(at(now), Some(u32::MAX), Some(u32::MAX));
                timers.opened(idle, 100);
                let (by, why) = timers.next().unwrap();
                assert!(now == u64::MAX || by > at(now), "{by} for {why:?} at {now}");
                timers.set(at(0));
                assert!(timers.now == at(now));
            }
        }
    }

    // C-IDLE-01: a clock that goes back stands still; the earliest deadline counts.
    #[test]
    fn c_idle_01_the_earliest_deadline_comes_first() {
        let mut timers = Timers::new(at(1_000), Some(500), Some(200));
        assert_eq!(timers.next(), Some((at(1_200), Deadline::Silence)));
        timers.set(at(1_100));
        timers.hear();
        timers.set(at(900));
        assert_eq!((timers.next(), timers.passed()), (Some((at(1_300), Deadline::Silence)), None));
        timers.opened(400, 100);
        assert_eq!(timers.next(), Some((at(1_200), Deadline::Heartbeat)));
        timers.closed(Some(50));
        assert_eq!(timers.next(), Some((at(1_150), Deadline::Close)));
        timers.set(at(2_000));
        assert_eq!(timers.passed(), Some(Deadline::Close));
        timers.stop();
        assert_eq!(timers.next(), None);
    }
}
