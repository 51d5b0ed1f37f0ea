//! Messages: whole, in chunks, and rewritten [3.2].

use amqp_proto::message::{Message, MessageView, Payload, Rewrite};
use amqp_proto::testing::strategies::message;
use amqp_proto::types::{Annotations, Value};
use amqp_proto::wire::{Header, SectionKind};
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::LIMITS;
use crate::octets::{cut, spoiled, spoiling};
use crate::values::look_into;
use crate::wide::wide;

/// Reads a message in every way.
pub(crate) fn read_message(payload: Payload) -> Option<Message> {
    let message = Message::decode(payload.clone(), LIMITS);
    let Ok(view) = MessageView::new(payload, LIMITS) else {
        assert!(message.is_err());
        return None;
    };
    let _ = view.data();
    read_fields_alone(&view);
    for kind in SectionKind::ALL {
        view.section(kind).iter().for_each(|section| look_into(section));
    }
    assert!(view.bare_message().len() <= view.payload().len());
    assert_eq!(view.rewrite(&Rewrite::default()).unwrap(), *view.payload());
    message.ok()
}

/// Expects that each field is read alone as in the whole section, with the same error if it is the wrong one.
fn read_fields_alone(view: &MessageView) {
    let whole = view.properties();
    macro_rules! agree {
        ($($field:ident)*) => {$(
            match (view.$field(), &whole) {
                (Ok(own), Ok(whole)) => assert_eq!(own, whole.$field, "{}", stringify!($field)),
                (Err(error), Ok(_)) => panic!("{}: {error}", stringify!($field)),
                (Ok(_), Err(error)) => {
                    let named = Some(("properties", stringify!($field)));
                    assert_ne!(error.field(), named);
                }
                (Err(own), Err(error)) if own.field().is_some() && own.field() == error.field() => {
                    assert_eq!(&own, error);
                }
                (Err(_), Err(_)) => {}
            }
        )*};
    }
    agree! {
        message_id user_id to subject reply_to correlation_id content_type content_encoding
        absolute_expiry_time creation_time group_id group_sequence reply_to_group_id
    }
}

fn written(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out).unwrap();
    assert_eq!(out.len(), message.encoded_len());
    out.freeze()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn messages_come_back(message in message(), sizes in vec(1..300_usize, 1..8)) {
        let octets = written(&message);
        prop_assert_eq!(&message.to_payload().unwrap().to_bytes(), &octets);
        let chunks = cut(&octets, &sizes).into_iter().map(|piece| octets.slice_ref(piece));
        for payload in [Payload::from(octets.clone()), chunks.collect()] {
            let back = read_message(payload).unwrap();
            prop_assert_eq!(&back, &message);
            prop_assert_eq!(written(&back), &octets);
        }
    }

    /// E-ENC-05, E-ENC-06: the widest form of every section decodes to the same message.
    #[test]
    fn messages_in_wide_form_read_the_same(message in message()) {
        let mut octets = written(&message);
        let mut widest = Vec::new();
        while !octets.is_empty() {
            widest.extend(wide(&Value::decode(&mut octets, LIMITS).unwrap()));
        }
        let back = read_message(Bytes::from(widest).into()).unwrap();
        prop_assert_eq!(written(&back), written(&message));
        prop_assert_eq!(back, message);
    }

    #[test]
    fn spoiled_messages_do_no_harm(
        message in message(),
        sizes in vec(1..64_usize, 1..8),
        spoiling in spoiling(),
    ) {
        let octets = spoiled(&written(&message), &spoiling);
        let whole = read_message(octets.clone().into());
        let chunks = cut(&octets, &sizes).into_iter().map(|piece| octets.slice_ref(piece));
        prop_assert_eq!(&read_message(chunks.collect()), &whole);
        if let Some(message) = whole {
            prop_assert_ne!(format!("{message:?}"), "");
        }
    }

    /// M-SEC-05: forwarding never changes the bare message.
    #[test]
    fn m_sec_05_the_bare_message_stays(
        message in message(),
        header: Header,
        annotations: Annotations,
        delivery: Option<Annotations>,
    ) {
        let view = MessageView::new(message.to_payload().unwrap(), LIMITS).unwrap();
        let rewrite = Rewrite {
            header: Some(header.clone()),
            delivery_annotations: delivery.clone(),
            message_annotations: Some(annotations.clone()),
        };
        let other = MessageView::new(view.rewrite(&rewrite).unwrap(), LIMITS).unwrap();
        prop_assert_eq!(other.bare_message(), view.bare_message());

        let mut expected = message;
        *expected.header_mut() = header;
        *expected.message_annotations_mut() = annotations;
        if let Some(delivery) = delivery {
            *expected.delivery_annotations_mut() = delivery;
        }
        prop_assert_eq!(other.to_message().unwrap(), expected);
    }
}
