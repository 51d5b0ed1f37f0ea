//! Queues, exchanges and bindings, managed over AMQP.

use amqp_proto::brokers::rabbitmq;
use amqp_proto::message::Message;
use amqp_proto::policy::{Binding, ExchangeOptions, ManagementError, ManagementRequest, QueueOptions};
use amqp_proto::wire::{Outcome, StreamOffset};

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Receiver, Receiving, Sender, Sending};
use crate::exchange::take;
use crate::failure::{Done, Failure, same};
use crate::management::Manager;

/// A queue from its declaration to its end. Its name has characters that are encoded.
pub(crate) async fn a_queue_is_declared_bound_purged_and_deleted<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let mut manager = Manager::attach(&connection).await?;
    let (queue, exchange) = (fixture.name("jobs/1 of \u{fc}"), fixture.name("events"));
    let declare = || ManagementRequest::declare_queue(&queue, QueueOptions::new());
    same("created", manager.perform(declare()).await?.status(), 201)?;
    let answer = manager.perform(declare()).await?;
    same("there already", answer.status(), 200)?;
    let info = answer.queue().ok_or_else(|| Failure::wrong("no queue in the answer"))?;
    let told = (info.name.as_str(), info.queue_type.as_str(), info.durable);
    same("the queue", told, (queue.as_str(), "classic", true))?;
    let other = QueueOptions::new().with_argument("x-max-length", 5_u64);
    let differs = manager.request(ManagementRequest::declare_queue(&queue, other)).await?;
    same("another one", status(&differs), Some(409))?;

    let topic = ManagementRequest::declare_exchange(&exchange, ExchangeOptions::new("topic"));
    manager.perform(topic).await?;
    let binding = Binding::queue(queue.as_str(), exchange.as_str(), "order.#");
    manager.perform(ManagementRequest::bind(&binding)).await?;
    let bindings = manager.perform(ManagementRequest::get_bindings(&binding)).await?.locations();
    same("bindings", bindings.len(), 1)?;
    let orders = connection.sender(Sending::to(&rabbitmq::exchange_with_key(&exchange, "order.new"))).await?;
    for _ in 0..3 {
        same("routed", orders.send(Message::from("job")).await?, Outcome::Accepted)?;
    }
    let purged = manager.perform(ManagementRequest::purge_queue(&queue)).await?;
    same("purged", purged.message_count(), Some(3))?;
    manager.perform(ManagementRequest::unbind(&binding)).await?;
    same("not routed", orders.send(Message::from("job")).await?, Outcome::Released)?;
    orders.close().await?;

    manager.perform(ManagementRequest::delete_exchange(&exchange)).await?;
    let deleted = manager.perform(ManagementRequest::delete_queue(&queue)).await?;
    same("deleted", deleted.message_count(), Some(0))?;
    let gone = manager.request(ManagementRequest::get_queue(&queue)).await?;
    same("gone", status(&gone), Some(404))?;
    connection.close().await
}

/// A stream keeps its messages. Each receiver begins where it asks.
pub(crate) async fn a_stream_is_read_again_from_an_offset<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let mut manager = Manager::attach(&connection).await?;
    let stream = fixture.name("events");
    manager.perform(ManagementRequest::declare_queue(&stream, QueueOptions::stream())).await?;
    let address = rabbitmq::queue(&stream);
    let sender = connection.sender(Sending::to(&address)).await?;
    for n in 0..5_u64 {
        same("stored", sender.send(Message::from(n.to_string())).await?, Outcome::Accepted)?;
    }
    sender.close().await?;
    let from = |offset| Receiving { stream_offset: Some(offset), ..Receiving::from(&address) };
    for (begin, first) in [(StreamOffset::First, 0), (StreamOffset::Offset(3), 3), (StreamOffset::First, 0)] {
        let receiver = connection.receiver(from(begin)).await?;
        for n in first..5 {
            let delivery = take(&receiver, &n.to_string()).await?;
            let message = delivery.message()?.to_message()?;
            same("the offset", rabbitmq::stream_offset(&message), Some(n))?;
            delivery.end(Outcome::Accepted)?;
        }
        receiver.close().await?;
    }
    manager.perform(ManagementRequest::delete_queue(&stream)).await?;
    connection.close().await
}

/// Returns the status of a refusal.
fn status<T>(answer: &Result<T, ManagementError>) -> Option<u16> {
    match answer {
        Err(ManagementError::Refused { status, .. }) => Some(*status),
        _ => None,
    }
}
