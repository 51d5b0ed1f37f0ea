//! [`Session`]: a session as both ends have told of it.

use amqp_proto::wire::{Begin, Flow};

use super::step::{Both, Side};

/// A session, and the windows of its ends.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The channels that both ends use.
    pub(crate) channels: Both<Option<u16>>,
    /// The steps that begin and end it.
    pub(crate) first: usize,
    pub(crate) last: Option<usize>,
    pub(crate) is_ended: Both<bool>,
    /// The number of the next transfer of each end, and of its first one.
    next: Both<u32>,
    initial: Both<u32>,
    /// The number of transfers that each end may send.
    window: Both<Option<u32>>,
}

impl Session {
    pub(crate) fn new(first: usize) -> Self {
        Self { first, ..Self::default() }
    }

    /// Takes a begin.
    pub(crate) fn begin(&mut self, from: Side, channel: u16, begin: &Begin) {
        *self.channels.of_mut(from) = Some(channel);
        *self.next.of_mut(from) = begin.next_outgoing_id.get();
        *self.initial.of_mut(from) = begin.next_outgoing_id.get();
        *self.window.of_mut(from.other()) = Some(begin.incoming_window);
    }

    /// Takes the windows of a flow.
    pub(crate) fn flow(&mut self, from: Side, flow: &Flow) {
        let peer = from.other();
        let next = *self.next.of(peer);
        let arrived = flow.next_incoming_id.map_or(*self.initial.of(peer), |id| id.get());
        // Transfers on the way count against the window.
        let on_the_way = next.wrapping_sub(arrived);
        *self.window.of_mut(peer) = Some(flow.incoming_window.saturating_sub(on_the_way));
    }

    /// Takes a transfer. Returns false if the window is closed.
    pub(crate) fn transfer(&mut self, from: Side) -> bool {
        let next = self.next.of_mut(from);
        *next = next.wrapping_add(1);
        match self.window.of_mut(from) {
            None => true,
            Some(0) => false,
            Some(window) => {
                *window -= 1;
                true
            }
        }
    }

    /// Returns the number of transfers that this end may send, if it is known.
    pub(crate) fn window(&self, from: Side) -> Option<u32> {
        *self.window.of(from)
    }
}
