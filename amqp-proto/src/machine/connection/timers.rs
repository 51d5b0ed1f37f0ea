//! [`Timers`]: what has to happen when nothing happens [2.4.5].

use crate::types::Moment;

/// Why a connection wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// The peer has to have opened the connection by then.
    Open,
    /// The peer has to have answered the close by then [2.4.3].
    Close,
    /// A frame has to have come by then [2.4.5].
    Silence,
    /// The peer has to be sent a frame [2.4.5].
    Heartbeat,
    /// Credit that a receiver drains is given back unless it is used by then
    /// ([`Options::with_drain_pause`](crate::config::Options::with_drain_pause)).
    Drain,
}

/// The deadlines of a connection. A span of 0 means none.
#[derive(Debug)]
pub(crate) struct Timers {
    now: Moment,
    open_by: Option<Moment>,
    close_by: Option<Moment>,
    /// How long the peer may be silent, and when it last was not.
    silence: u32,
    heard: Moment,
    /// How often the peer is sent a frame, when to look whether it was, and how many had been written then.
    beat: u32,
    beat_at: Moment,
    beat_frames: u64,
}

fn deadline(now: Moment, span: u32) -> Option<Moment> {
    (span > 0).then(|| now.after(span.into()))
}

impl Timers {
    pub(crate) fn new(now: Moment, open_time_out: u32, silence: u32) -> Self {
        Self {
            now,
            open_by: deadline(now, open_time_out),
            close_by: None,
            silence,
            heard: now,
            beat: 0,
            beat_at: now,
            beat_frames: 0,
        }
    }

    /// Takes note of the time, which does not go back.
    pub(crate) fn set(&mut self, now: Moment) {
        self.now = self.now.max(now);
    }

    /// A frame has come.
    #[inline]
    pub(crate) fn hear(&mut self) {
        self.heard = self.now;
    }

    /// The peer has opened the connection and asks to be sent something every so many milliseconds.
    pub(crate) fn opened(&mut self, idle_time_out: u32, shortest: u32) {
        self.open_by = None;
        if idle_time_out > 0 {
            // Nothing is sent at one look and something was at the one before: half of it has passed at most.
            self.beat = (idle_time_out / 4).max(shortest / 4).max(1);
            self.beat_at = self.now.after(self.beat.into());
        }
    }

    /// This end will have closed the connection by then.
    pub(crate) fn leave(&mut self, close_time_out: u32) {
        self.close_by = deadline(self.now, close_time_out);
    }

    /// This end has closed the connection.
    pub(crate) fn closed(&mut self, close_time_out: u32) {
        self.open_by = None;
        self.beat = 0;
        self.close_by = deadline(self.now, close_time_out);
    }

    /// The connection is over.
    pub(crate) fn stop(&mut self) {
        *self = Self::new(self.now, 0, 0);
    }

    /// Returns how long nothing may be written before somebody else than the engine writes an empty frame: longer
    /// than the engine ever waits itself, and shorter than the peer does. `None`: for ever.
    pub(crate) fn longest_pause(&self) -> Option<u32> {
        (self.beat > 0).then(|| self.beat.saturating_mul(5) / 2)
    }

    /// The deadline that comes first, and why there is one.
    pub(crate) fn next(&self) -> Option<(Moment, Deadline)> {
        let all = [
            self.open_by.map(|by| (by, Deadline::Open)),
            self.close_by.map(|by| (by, Deadline::Close)),
            deadline(self.heard, self.silence).map(|by| (by, Deadline::Silence)),
            (self.beat > 0).then_some((self.beat_at, Deadline::Heartbeat)),
        ];
        all.into_iter().flatten().min_by_key(|(by, _)| *by)
    }

    /// How many kinds of deadlines there are.
    pub(crate) const KINDS: usize = 4;

    /// The deadline that has passed, if one has.
    pub(crate) fn passed(&self) -> Option<Deadline> {
        self.next().filter(|(by, _)| *by <= self.now).map(|(_, why)| why)
    }

    /// Looks whether a frame was written since the last look; if not, one has to be. At a look that is a whole beat
    /// late that may have been long ago, so one has to be, too.
    pub(crate) fn beats(&mut self, frames: u64) -> bool {
        let is_late = self.now.millis_since(self.beat_at) >= u64::from(self.beat);
        self.beat_at = self.now.after(self.beat.into());
        let quiet = is_late || frames == self.beat_frames;
        self.beat_frames = frames;
        quiet
    }

    /// The empty frame that a look asked for is written.
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

    /// C-IDLE-04, threats E4 and E5: extreme spans and clocks neither overflow nor make a busy loop.
    #[test]
    fn e5_extreme_spans_and_clocks() {
        for now in [0, 1, u64::MAX - 1, u64::MAX] {
            for idle in [1, 2, 100, u32::MAX] {
                let mut timers = Timers::new(at(now), u32::MAX, u32::MAX);
                timers.opened(idle, 100);
                let (by, why) = timers.next().unwrap();
                assert!(now == u64::MAX || by > at(now), "{by} for {why:?} at {now}");
                timers.set(at(0));
                assert!(timers.now == at(now));
            }
        }
    }

    /// C-IDLE-01: a clock that goes back stands still; the earliest deadline counts.
    #[test]
    fn c_idle_01_the_earliest_deadline_comes_first() {
        let mut timers = Timers::new(at(1_000), 500, 200);
        assert_eq!(timers.next(), Some((at(1_200), Deadline::Silence)));
        timers.set(at(1_100));
        timers.hear();
        timers.set(at(900));
        assert_eq!((timers.next(), timers.passed()), (Some((at(1_300), Deadline::Silence)), None));
        timers.opened(400, 100);
        assert_eq!(timers.next(), Some((at(1_200), Deadline::Heartbeat)));
        timers.closed(50);
        assert_eq!(timers.next(), Some((at(1_150), Deadline::Close)));
        timers.set(at(2_000));
        assert_eq!(timers.passed(), Some(Deadline::Close));
        timers.stop();
        assert_eq!(timers.next(), None);
    }
}
