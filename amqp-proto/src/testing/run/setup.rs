//! The options of the ends of a run.

use crate::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use crate::testing::operation::{EndSetup, Run, Side};
use crate::types::{Limits, SequenceNo, Str, TransferNumber};

impl Run {
    pub(super) fn setup(&self, side: Side) -> &'_ EndSetup {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

pub(super) fn options(name: &str, setup: &EndSetup) -> Options {
    let mut limits = Limits::default().with_frame_size(512 + 100 * u32::from(setup.frame_size.0));
    if setup.fills {
        limits = limits.with_output_octets(1_000);
    }
    Options::new(Str::from(name)).with_limits(limits)
}

pub(super) fn session_options(setup: &EndSetup) -> SessionOptions {
    SessionOptions::new()
        .with_incoming_frames(u32::from(setup.session_frames.0) + 1)
        .with_next_outgoing_id(TransferNumber::new(setup.first_transfer.0))
}

pub(super) fn sender_options(setup: &EndSetup) -> SenderOptions {
    let first = SequenceNo::new(setup.first_delivery.0);
    SenderOptions::new().with_initial_delivery_count(first).with_auto_settle(setup.settles)
}

pub(super) fn receiver_options(setup: &EndSetup) -> ReceiverOptions {
    let options = ReceiverOptions::new().with_prefetch(setup.prefetch.0.into());
    options.with_streaming(setup.streams).with_auto_accept(false)
}
