//! [`Wake`]: the way to wake a waiter.

use core::fmt;
use core::task::Waker;
use std::thread::Thread;

/// Wakes a task or a thread that waits in a [`Hub`](super::Hub).
///
/// An adapter for another runtime implements it for its own kind of waiter. Waking a waiter that no longer
/// waits must be harmless.
pub trait Wake: Clone + fmt::Debug + Send + 'static {
    /// Wakes the waiter. Never called under the lock of a hub.
    fn wake(self);

    /// Returns `true` if waking `other` wakes this waiter, too; `false` if that is not known.
    fn will_wake(&self, other: &Self) -> bool;
}

impl Wake for Waker {
    fn wake(self) {
        Self::wake(self);
    }

    fn will_wake(&self, other: &Self) -> bool {
        Self::will_wake(self, other)
    }
}

/// Unparks the thread.
impl Wake for Thread {
    fn wake(self) {
        self.unpark();
    }

    fn will_wake(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}
