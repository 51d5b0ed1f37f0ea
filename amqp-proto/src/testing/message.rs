//! Samples of messages.

use alloc::vec::Vec;
use bytes::Bytes;

use super::sample::*;
use crate::message::{Body, Message};
use crate::types::{Annotations, ApplicationProperties, List, Value};
use crate::wire::{Header, Properties};

/// The sections of a message but for its body.
type Sections =
    ((Header, Annotations, Annotations), (Option<Properties>, ApplicationProperties), Annotations);

one_of! {
    Body {
        Value => Body::Value,
        (Bytes, Vec<Bytes>) => |(first, others)| Body::Data(core::iter::once(first).chain(others).collect()),
        (List, Vec<List>) => |(first, others)| Body::Sequence(core::iter::once(first).chain(others).collect()),
    }
    Message { (Body, Sections) => |(body, sections)| message(body, sections), }
}

public! { Body Message }

fn message(
    body: Body,
    ((header, delivery, on_message), (properties, application), footer): Sections,
) -> Message {
    let has_data = matches!(body, Body::Data(_));
    let mut message = Message::new(body);
    *message.header_mut() = header;
    *message.delivery_annotations_mut() = delivery;
    *message.message_annotations_mut() = on_message;
    if let Some(mut properties) = properties {
        // Only data bodies have a content-encoding (M-PROP-05).
        properties.content_encoding = properties.content_encoding.filter(|_| has_data);
        *message.properties_mut() = properties;
    }
    *message.application_properties_mut() = application;
    *message.footer_mut() = footer;
    message
}
