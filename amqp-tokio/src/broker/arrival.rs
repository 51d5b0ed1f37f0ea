//! [`Arrival`]: a message that comes in, and what the broker reads in it.

use amqp_proto::message::{MessageView, Payload, Rewrite};
use amqp_proto::types::Annotations;
use amqp_proto::wire::{Header, SectionKind};

use super::expiry::Expiry;
use super::stored::kept;
use crate::Delivery;

/// A message that a client sends.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) payload: Payload,
    /// The priority; messages of a higher one come first.
    pub(super) priority: u8,
    pub(super) expiry: Option<Expiry>,
}

impl Arrival {
    /// Reads a message. One of another format than the standard's has a normal priority, and never expires.
    pub(super) fn of(delivery: &Delivery) -> Self {
        match delivery.message() {
            Ok(view) => Self::read(&view),
            Err(_) => Self {
                payload: kept(delivery.payload().clone()),
                priority: Header::NORMAL_PRIORITY,
                expiry: None,
            },
        }
    }

    /// Reads the fields that count. A section that is not there costs nothing to read.
    fn read(view: &MessageView) -> Self {
        let header = view.header().ok();
        let priority = header.as_ref().and_then(|header| header.priority);
        Self {
            priority: priority.unwrap_or(Header::NORMAL_PRIORITY),
            expiry: Expiry::of(view, header.as_ref()),
            payload: kept(forwarded(view)),
        }
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
