//! What the ends of a run are set up with.

use crate::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use crate::testing::operation::{Habits, Run, Side};
use crate::types::{Limits, SequenceNo, Str, TransferNumber};

impl Run {
    pub(super) fn habits(&self, side: Side) -> &'_ Habits {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

pub(super) fn options(name: &str, habits: &Habits) -> Options {
    let mut limits = Limits::default().with_frame_size(512 + 100 * u32::from(habits.frame_size.0));
    if habits.fills {
        limits = limits.with_output_octets(1_000);
    }
    Options::new(Str::from(name)).with_limits(limits)
}

pub(super) fn session_options(habits: &Habits) -> SessionOptions {
    SessionOptions::new()
        .with_incoming_frames(u32::from(habits.session_frames.0) + 1)
        .with_next_outgoing_id(TransferNumber::new(habits.first_transfer.0))
}

pub(super) fn sender_options(habits: &Habits) -> SenderOptions {
    let first = SequenceNo::new(habits.first_delivery.0);
    SenderOptions::new().with_initial_delivery_count(first).with_auto_settle(habits.settles)
}

pub(super) fn receiver_options(habits: &Habits) -> ReceiverOptions {
    let options = ReceiverOptions::new().with_prefetch(habits.prefetch.0.into());
    options.with_streaming(habits.streams).with_auto_accept(false)
}
