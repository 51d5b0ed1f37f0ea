//! Encodes or decodes one message repeatedly, with each of the Rust implementations. Each decodes its own encoding.

use std::hint::black_box;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::role::{Role, time};

pub(crate) const ID: &str = "3f1c2a7e-88d1-4b60-9a5c-0d6f1e2b3c4d";
pub(crate) const TO: &str = "queue/orders";
const SIZE: usize = 256;
/// The application-properties of the typical message.
const NAMES: [&str; 4] = ["tenant", "kind", "attempt", "trace"];

/// An operation on the message.
struct Op<'a> {
    role: &'a Role,
    is_typical: bool,
    verb: &'a str,
}

impl<'a> Op<'a> {
    fn of(role: &'a Role) -> Self {
        let (kind, verb) = role.text("op").split_once('-').expect("op=KIND-VERB");
        Self { role, is_typical: kind == "typical", verb }
    }

    fn run(&self, mut encode: impl FnMut(), mut decode: impl FnMut(), mut read: impl FnMut()) {
        match self.verb {
            "encode" => time(self.role, &mut encode),
            "decode" => time(self.role, &mut decode),
            _ => time(self.role, &mut read),
        }
    }
}

pub(crate) fn ours(role: &Role) {
    use amqp_proto::message::{Message, MessageView};
    use amqp_proto::types::Limits;

    let op = Op::of(role);
    let plain = Message::from(vec![0; SIZE]);
    let message = if op.is_typical { typical(plain) } else { plain };
    let mut out = BytesMut::with_capacity(4096);
    message.encode(&mut out).expect("a message that can be encoded");
    let octets = out.clone().freeze();
    op.run(
        || {
            out.clear();
            black_box(&message).encode(&mut out).expect("a message that can be encoded");
        },
        || {
            let message = Message::decode(black_box(&octets).clone(), &Limits::DEFAULT);
            black_box(message.expect("a message"));
        },
        || {
            let view = MessageView::new(black_box(&octets).clone(), &Limits::DEFAULT).expect("a message");
            black_box(view.header().expect("a header").durable);
            black_box(view.message_id().expect("properties"));
            black_box(view.to().expect("properties"));
            for name in NAMES {
                black_box(view.property(name).expect("application-properties"));
            }
            black_box(view.data().expect("data"));
        },
    );
}

pub(crate) fn typical(plain: amqp_proto::message::Message) -> amqp_proto::message::Message {
    plain
        .with_durable(true)
        .with_message_id(ID)
        .with_to(TO)
        .with_property("tenant", "acme")
        .with_property("kind", "order.created")
        .with_property("attempt", 1000)
        .with_property("trace", 0x1122_3344_5566_i64)
}

pub(crate) fn fe2o3(role: &Role) {
    use fe2o3_amqp::types::messaging::message::{__private::Serializable, DecodeIntoMessage};
    use fe2o3_amqp::types::messaging::{Data, Message};
    use serde::Serialize;
    use serde_amqp::read::IoReader;
    use serde_amqp::ser::Serializer;

    let op = Op::of(role);
    let message = if op.is_typical { crate::fe2o3::typical(SIZE) } else { crate::fe2o3::plain(SIZE) };
    let encode = |out: &mut BytesMut| {
        let mut serializer = Serializer::from(out.writer());
        Serializable(black_box(&message)).serialize(&mut serializer).expect("a message that can be encoded");
    };
    let mut out = BytesMut::with_capacity(4096);
    encode(&mut out);
    let octets = out.clone().freeze();
    let decode = || -> Message<Data> {
        let reader = IoReader::new(black_box(&octets).clone().reader());
        Data::decode_message_from_reader(reader).expect("a message")
    };
    op.run(
        || {
            out.clear();
            encode(&mut out);
        },
        || drop(black_box(decode())),
        || {
            let message = decode();
            black_box(message.header.as_ref().map(|header| header.durable));
            black_box(&message.properties.as_ref().expect("properties").message_id);
            black_box(
                message.application_properties.as_ref().expect("application-properties").iter().count(),
            );
            black_box(message);
        },
    );
}

pub(crate) fn ramqp(role: &Role) {
    use ramqp::Message;
    use ramqp::codec::{Decode, Encode, OrderedMap, Value};
    use ramqp::types::messaging::{ApplicationProperties, Header, MessageId, Properties};

    let op = Op::of(role);
    let mut message = Message::data(Bytes::from(vec![0; SIZE]));
    if op.is_typical {
        message.header = Some(Header { durable: true, ..Default::default() });
        let (id, to) = (MessageId::String(ID.into()), TO.into());
        message.properties = Some(Properties { message_id: Some(id), to: Some(to), ..Default::default() });
        let mut map: OrderedMap<String, Value> = OrderedMap::new();
        map.push("tenant".into(), Value::String("acme".into()));
        map.push("kind".into(), Value::String("order.created".into()));
        map.push("attempt".into(), Value::Int(1000));
        map.push("trace".into(), Value::Long(0x1122_3344_5566));
        message.application_properties = Some(ApplicationProperties(map));
    }
    let mut out = BytesMut::with_capacity(4096);
    message.encode(&mut out);
    let octets = out.clone().freeze();
    let decode = || Message::decode(&mut black_box(&octets).clone()).expect("a message");
    op.run(
        || {
            out.clear();
            black_box(&message).encode(&mut out);
        },
        || drop(black_box(decode())),
        || {
            let message = decode();
            black_box(message.header.as_ref().map(|header| header.durable));
            black_box(&message.properties.as_ref().expect("properties").message_id);
            black_box(
                message.application_properties.as_ref().expect("application-properties").0.iter().count(),
            );
            black_box(message);
        },
    );
}

pub(crate) fn ntex(role: &Role) {
    use ntex_amqp::codec::protocol::{Header, MessageId};
    use ntex_amqp::codec::{Decode, Encode, Message};
    use ntex_bytes::{BytePages, ByteString};

    let op = Op::of(role);
    let mut message = Message::with_body(ntex_bytes::Bytes::from(vec![0; SIZE]));
    if op.is_typical {
        let text = ByteString::from_static;
        message.set_header(Header {
            durable: true,
            priority: 4,
            ttl: None,
            first_acquirer: false,
            delivery_count: 0,
        });
        message.set_properties(|properties| {
            properties.message_id = Some(MessageId::String(text(ID)));
            properties.to = Some(text(TO));
        });
        message.set_app_property(text("tenant"), text("acme"));
        message.set_app_property(text("kind"), text("order.created"));
        message.set_app_property(text("attempt"), 1000);
        message.set_app_property(text("trace"), 0x1122_3344_5566_i64);
    }
    let encode = || {
        let mut pages = BytePages::default();
        black_box(&message).encode(&mut pages);
        pages
    };
    let octets = encode().freeze();
    let decode = || Message::decode(&mut black_box(&octets).clone()).expect("a message");
    op.run(
        || drop(black_box(encode())),
        || drop(black_box(decode())),
        || {
            let message = decode();
            black_box(message.header().map(|header| header.durable));
            black_box(&message.properties().expect("properties").message_id);
            black_box(message.app_properties().expect("application-properties").iter().count());
            black_box(message.body().data());
            black_box(message);
        },
    );
}
