//! The windows of a session: the number of transfer frames that each end may still send [2.5.6].

use crate::codec::to_usize;
use crate::machine::fault::SessionFault;
use crate::machine::link::Held;
use crate::machine::memory::FRAME;
use crate::types::TransferNumber;
use crate::wire::Flow;

/// The window for the peer's transfers. It opens as the application takes messages, not as it settles them.
#[derive(Debug)]
pub(crate) struct IncomingWindow {
    /// The id of the next transfer; unknown before the peer's begin.
    next_id: TransferNumber,
    /// The number of transfers that the peer may still send, as last announced.
    left: u32,
    /// The frames and octets that wait for the application.
    held_frames: u32,
    held_octets: u64,
    most_frames: u32,
    /// Half of the widest window: the window is not low while more is left.
    half: u32,
    most_octets: u64,
    /// The memory of incomplete messages, which take no room.
    partial: u64,
    /// The size of the largest frame.
    frame_size: u32,
    /// The memory that a frame is expected to take.
    unit: u64,
    /// The window when it was last announced, and the octets that came since.
    announced: u32,
    octets_since: u64,
}

impl IncomingWindow {
    pub(crate) fn new(most_frames: u32, most_octets: u64, frame_size: u32) -> Self {
        let most_frames = most_frames.max(1);
        let fit = frames_in(most_octets, frame_size.max(1).into());
        Self {
            next_id: TransferNumber::new(0),
            left: 0,
            held_frames: 0,
            held_octets: 0,
            most_frames,
            half: most_frames.min(fit) / 2,
            most_octets,
            partial: 0,
            frame_size: frame_size.max(1),
            unit: u64::from(frame_size) + FRAME,
            announced: 0,
            octets_since: 0,
        }
    }

    /// Sets the first transfer-id, from the peer's begin.
    pub(crate) fn start(&mut self, next_outgoing_id: TransferNumber) {
        self.next_id = next_outgoing_id;
    }

    pub(crate) fn next_id(&self) -> TransferNumber {
        self.next_id
    }

    /// Returns the number of frames that there is room for.
    #[inline]
    fn room(&self) -> u32 {
        let frames = self.most_frames.saturating_sub(self.held_frames);
        let fit = frames_in(self.most_octets.saturating_sub(self.held_octets), self.frame_size.into());
        let least = u32::from(self.held_frames == 0);
        frames.min(fit).max(least)
    }

    /// Opens the window as far as there is room, in the memory that is left, too. Returns the new value for the peer. An
    /// announced window is never reduced.
    pub(crate) fn open(&mut self, memory: u64) -> u32 {
        let frames = to_usize(self.announced.saturating_sub(self.left));
        if let Some(octets) = in_memory(self.octets_since).checked_div(frames) {
            // The next frames may be larger.
            self.unit = (2 * octets as u64).min(self.frame_size.into()) + FRAME;
        }
        self.left = self.left.max(self.room_in(memory));
        (self.announced, self.octets_since) = (self.left, 0);
        self.left
    }

    /// Returns the number of frames that there is room for, in the memory that is left, too.
    fn room_in(&self, memory: u64) -> u32 {
        self.room().min(frames_in(memory, self.unit))
    }

    /// Returns `true` if half of that room was used, so that the window should open again.
    pub(crate) fn is_low_in(&self, memory: u64) -> bool {
        let room = self.room_in(memory);
        self.left < room && self.left <= room / 2
    }

    /// Returns `true` if the window is closed, whatever the reason.
    pub(crate) fn is_closed(&self) -> bool {
        self.left == 0
    }

    /// Returns `true` if something waits that the application can take.
    pub(crate) fn has_waiting(&self) -> bool {
        self.held_frames > 0
    }

    /// Returns the octets that wait, and those of incomplete messages.
    pub(crate) fn waiting(&self) -> u64 {
        self.held_octets + self.partial
    }

    /// Returns the memory of what waits.
    pub(crate) fn held(&self) -> u64 {
        self.waiting() + u64::from(self.held_frames) * FRAME
    }

    /// Returns the memory that the transfers will take which the peer may still send.
    pub(crate) fn promised(&self) -> u64 {
        u64::from(self.left) * self.unit
    }

    /// Returns `true` if half of the room was used, so that the window should open again [2.5.6].
    #[inline]
    pub(crate) fn is_low(&self) -> bool {
        if self.left > self.half {
            return false;
        }
        let room = self.room();
        self.left < room && self.left <= room / 2
    }

    /// Returns the number of transfers that the peer may still send.
    #[inline]
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// Records a received transfer [2.5.6] [2.8.17].
    #[inline]
    pub(crate) fn receive(&mut self, octets: usize) -> Result<(), SessionFault> {
        if self.left == 0 {
            return Err(SessionFault::Window);
        }
        self.take(octets);
        Ok(())
    }

    /// Records a received transfer that the window has room for.
    #[inline]
    pub(crate) fn take(&mut self, octets: usize) {
        self.octets_since += octets as u64;
        self.left = self.left.saturating_sub(1);
        self.next_id = self.next_id.next();
    }

    /// Adds what waits for the application.
    #[inline]
    pub(crate) fn hold(&mut self, held: Held) {
        if held.frames == 0 {
            self.partial = self.partial.saturating_add(held.octets as u64);
            return;
        }
        self.held_frames = self.held_frames.saturating_add(held.frames);
        self.held_octets = self.held_octets.saturating_add(held.octets as u64);
    }

    /// Removes what the application has taken.
    #[inline]
    pub(crate) fn release(&mut self, held: Held) {
        if held.frames == 0 {
            self.partial = self.partial.saturating_sub(held.octets as u64);
        } else {
            self.release_frames(held);
        }
    }

    /// Frees the room of what the application has taken.
    #[inline]
    pub(crate) fn release_frames(&mut self, held: Held) {
        self.held_frames = self.held_frames.saturating_sub(held.frames);
        self.held_octets = self.held_octets.saturating_sub(held.octets as u64);
    }

    /// Applies the peer's next transfer-id [2.5.6].
    pub(crate) fn on_flow(&mut self, flow: &Flow) {
        self.next_id = flow.next_outgoing_id;
    }
}

/// Returns the number of frames of this size, which is not 0, that take this number of octets.
#[inline]
fn frames_in(octets: u64, size: u64) -> u32 {
    in_memory(octets)
        .checked_div(in_memory(size))
        .and_then(|frames| u32::try_from(frames).ok())
        .unwrap_or(u32::MAX)
}

/// Returns a number of octets in memory: on a small target at most the address space, which divides in 32 bits.
#[inline]
fn in_memory(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

/// The window for this end's transfers.
#[derive(Debug)]
pub(crate) struct OutgoingWindow {
    first_id: TransferNumber,
    next_id: TransferNumber,
    /// The number of transfers that the peer accepts.
    left: u32,
}

impl OutgoingWindow {
    pub(crate) fn new(first_id: TransferNumber) -> Self {
        Self { first_id, next_id: first_id, left: 0 }
    }

    pub(crate) fn next_id(&self) -> TransferNumber {
        self.next_id
    }

    /// Returns the number of transfers that this end may send.
    #[inline]
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// Sets the window, from the peer's begin.
    pub(crate) fn start(&mut self, incoming_window: u32) {
        // No transfer can have been sent before.
        self.left = incoming_window;
    }

    /// Records a sent transfer [2.5.6].
    #[inline]
    pub(crate) fn send(&mut self) {
        self.next_id = self.next_id.next();
        self.left = self.left.saturating_sub(1);
    }

    /// Applies the peer's window, which counts from the transfers that the peer had seen [2.5.6].
    pub(crate) fn on_flow(&mut self, flow: &Flow) {
        let seen = flow.next_incoming_id.unwrap_or(self.first_id);
        // A peer that has seen more than was sent is wrong, but causes no harm.
        let on_the_way = u32::try_from(seen.distance(self.next_id)).unwrap_or(0);
        self.left = flow.incoming_window.saturating_sub(on_the_way);
    }
}

#[cfg(test)]
mod tests {
    use super::{IncomingWindow, OutgoingWindow};
    use crate::machine::fault::SessionFault;
    use crate::machine::link::Held;
    use crate::types::TransferNumber;
    use crate::wire::Flow;

    fn flow(next_incoming_id: Option<u32>, incoming_window: u32) -> Flow {
        let mut flow = Flow::new(incoming_window, TransferNumber::new(0), 0);
        flow.next_incoming_id = next_incoming_id.map(TransferNumber::new);
        flow
    }

    // S-WIN-03, S-WIN-06, S-WIN-07, S-WIN-09: across the wrap, and with numbers that make no sense.
    #[test]
    fn s_win_06_frames_on_the_way_count() {
        let mut window = OutgoingWindow::new(TransferNumber::new(u32::MAX));
        window.start(5);
        (0..3).for_each(|_| window.send());
        assert_eq!((window.left(), window.next_id().get()), (2, 2));
        window.on_flow(&flow(Some(0), 5));
        assert_eq!(window.left(), 3);
        window.on_flow(&flow(None, 5));
        assert_eq!(window.left(), 2);
        window.on_flow(&flow(Some(0), 1));
        assert_eq!(window.left(), 0);
        window.on_flow(&flow(Some(9), u32::MAX));
        assert_eq!(window.left(), u32::MAX);
        window.on_flow(&flow(Some(0x8000_0002), 7));
        assert_eq!(window.left(), 7);
    }

    // S-WIN-10, S-WIN-11: the window opens by what is taken, in frames and in octets, and is never overdrawn.
    #[test]
    fn s_win_10_unread_messages_close_the_window() {
        let mut window = IncomingWindow::new(4, 1_000, 100);
        window.start(TransferNumber::new(u32::MAX));
        assert_eq!(window.receive(100), Err(SessionFault::Window));
        assert_eq!((window.is_low(), window.open(u64::MAX), window.is_low()), (true, 4, false));
        for _ in 0..4 {
            assert_eq!(window.receive(100), Ok(()));
            window.hold(Held::of(1, 100));
        }
        assert_eq!(window.receive(100), Err(SessionFault::Window));
        assert_eq!((window.next_id().get(), window.is_low()), (3, false));
        window.release(Held::of(1, 100));
        assert_eq!((window.is_low(), window.open(u64::MAX)), (true, 1));
        window.release(Held::of(3, 300));
        assert_eq!((window.is_low(), window.open(u64::MAX)), (true, 4));

        let mut octets = IncomingWindow::new(100, 1_000, 100);
        assert_eq!(octets.open(u64::MAX), 10);
        octets.receive(100).unwrap();
        octets.hold(Held::of(1, 950));
        assert_eq!((octets.room(), octets.open(u64::MAX)), (0, 9));
        let tiny = IncomingWindow::new(0, 0, 100);
        assert_eq!(tiny.room(), 1);
    }
}
