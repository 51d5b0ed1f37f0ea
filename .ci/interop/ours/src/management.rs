//! Declares queues through the management node of RabbitMQ 4, which creates none on first use.

use amqp_blocking::{Connection, Error};
use amqp_proto::message::{Message, MessageView};
use amqp_proto::symbol;
use amqp_proto::types::{Fields, Map, Value};
use amqp_proto::wire::{MessageId, SenderSettleMode};

use crate::client::Opening;
use crate::failure::{Done, Failure};

/// The management node, and the name of the pair of links to and from it.
const NODE: &str = "/management";
const PAIR: &str = "management-link-pair";

/// Declares a durable classic queue with these arguments. An existing queue stays as it is.
pub(crate) fn declare_queue(opening: Opening, name: &str, arguments: &[(&str, u64)]) -> Done {
    let connection = Connection::open_with(&opening.url, opening.options)?;
    let arguments = arguments.iter().map(|&(key, value)| (Value::from(key), Value::from(value)));
    let body = Map::from_iter([
        (Value::from("durable"), Value::from(true)),
        (Value::from("arguments"), Value::from(Map::from_iter(arguments))),
    ]);
    let response = request(&connection, "PUT", &format!("/queues/{name}"), Value::from(body))?;
    connection.close()?;
    match response.properties()?.subject.as_deref() {
        Some("200" | "201" | "204") => Ok(()),
        status => Err(Failure::wrong(format!("declaring {name}: {status:?}, {:?}", response.body()?))),
    }
}

/// Sends one request over a pair of links of its own, and returns the response.
fn request(connection: &Connection, method: &str, path: &str, body: Value) -> Done<MessageView> {
    let paired = Fields::from_iter([(symbol!("paired"), Value::from(true))]);
    let responses = connection
        .receiver(NODE)
        .with_name(PAIR)
        .with_properties(paired.clone())
        .with_snd_settle_mode(SenderSettleMode::Settled)
        .attach()?;
    let requests = connection
        .sender(NODE)
        .with_name(PAIR)
        .with_properties(paired)
        .with_snd_settle_mode(SenderSettleMode::Settled)
        .attach()?;
    let message = Message::from(body)
        .with_message_id(MessageId::Ulong(1))
        .with_subject(method)
        .with_to(path)
        .with_reply_to("$me");
    let _ = requests.send(message)?;
    let response = responses.recv()?.ok_or(Error::TimedOut)?;
    Ok(response.message()?)
}
