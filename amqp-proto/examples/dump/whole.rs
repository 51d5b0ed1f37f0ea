//! [`Whole`]: the transfers of each delivery as one, since each peer splits messages as it likes.

use std::collections::HashMap;

use amqp_proto::wire::{Frame, Performative, Transfer};
use bytes::BytesMut;

use super::step::What;

/// The deliveries of one direction whose transfers are not complete, by channel and handle.
#[derive(Default)]
pub(crate) struct Whole(HashMap<(u16, u32), (Transfer, BytesMut)>);

impl Whole {
    /// Takes a header or frame. Returns `None` for a transfer that is not the last of its delivery, and a transfer with the
    /// whole message for the last one. Everything else is returned as it is.
    pub(crate) fn add(&mut self, what: &What) -> Option<What> {
        let What::Frame(frame, count) = what else { return Some(what.clone()) };
        let Frame::Amqp { channel, performative: Performative::Transfer(transfer), payload } = &**frame
        else {
            return Some(what.clone());
        };
        let key = (channel.get(), transfer.handle.get());
        if !transfer.more && !self.0.contains_key(&key) {
            return Some(What::Frame(frame.clone(), *count));
        }
        let (whole, message) = self.0.entry(key).or_insert_with(|| (transfer.clone(), BytesMut::new()));
        message.extend_from_slice(payload);
        whole.aborted |= transfer.aborted;
        whole.settled = whole.settled.max(transfer.settled);
        if transfer.more && !transfer.aborted {
            return None;
        }
        let (mut whole, message) = self.0.remove(&key)?;
        whole.more = false;
        let length = message.len();
        let frame = Frame::Amqp { channel: *channel, performative: whole.into(), payload: message.freeze() };
        Some(What::Frame(Box::new(frame), length))
    }
}
