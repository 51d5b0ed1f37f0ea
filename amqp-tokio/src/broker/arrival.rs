//! [`Arrival`]: a message that comes in, and what the broker reads in it.

use amqp_proto::message::{MessageView, Payload, Rewrite};
use amqp_proto::types::Annotations;
use amqp_proto::wire::{Header, SectionKind};

use super::stored::kept;
use crate::Delivery;

/// A message that a client sends.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) payload: Payload,
    /// The priority; messages of a higher one come first.
    pub(super) priority: u8,
}

impl Arrival {
    /// Reads a message. One of another format than the standard's has a normal priority.
    pub(super) fn of(delivery: &Delivery) -> Self {
        let plain = || Self { payload: kept(delivery.payload().clone()), priority: Header::NORMAL_PRIORITY };
        delivery.message().ok().map_or_else(plain, |view| Self::read(&view))
    }

    fn read(view: &MessageView) -> Self {
        // A message without a header has the default header, which costs nothing to read.
        let priority = view.header().ok().and_then(|header| header.priority);
        Self { payload: kept(forwarded(view)), priority: priority.unwrap_or(Header::NORMAL_PRIORITY) }
    }
}

/// Returns a message without its delivery-annotations, which are for this broker only [3.2.2].
fn forwarded(view: &MessageView) -> Payload {
    let without = || {
        view.section(SectionKind::DeliveryAnnotations)?;
        let none = Some(Annotations::default());
        view.rewrite(&Rewrite { delivery_annotations: none, ..Rewrite::default() }).ok()
    };
    without().unwrap_or_else(|| view.payload().clone())
}
