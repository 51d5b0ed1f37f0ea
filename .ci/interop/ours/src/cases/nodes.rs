//! Dynamic nodes, and requests and replies over them.

use amqp_proto::message::Message;
use amqp_proto::symbol;
use amqp_proto::wire::{MessageId, Outcome};

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Node, Receiver, Receiving, Sender, Sending};
use crate::exchange::{nothing_before, take, text};
use crate::failure::{Done, Failure, holds, same};

/// A dynamic source.
pub(crate) async fn a_dynamic_source_is_created<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let receiver = connection.receiver(Receiving::from_node(Node::Dynamic)).await?;
    let address = receiver.address().ok_or_else(|| Failure::wrong("the node has no address"))?;
    let sender = connection.sender(Sending::to(&address)).await?;
    nothing_before(&sender, &receiver, "over the node").await?;
    let other = connection.receiver(Receiving::from_node(Node::Dynamic)).await?;
    holds("each link has a node of its own", other.address().as_ref() != Some(&address))?;
    receiver.close().await?;
    connection.close().await
}

/// A dynamic target.
pub(crate) async fn a_dynamic_target_is_created<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let sender = connection.sender(Sending { to: Node::Dynamic, ..Sending::default() }).await?;
    let address = sender.address().ok_or_else(|| Failure::wrong("the node has no address"))?;
    let receiver = connection.receiver(Receiving::from(&address)).await?;
    nothing_before(&sender, &receiver, "over the node").await?;
    connection.close().await
}

/// A sender to the anonymous relay: each message has its own address.
pub(crate) async fn an_anonymous_sender_reaches_each_address<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let sender = connection.sender(Sending::default()).await?;
    holds("the relay is offered", connection.offers(&symbol!("ANONYMOUS-RELAY")))?;
    for name in ["a", "b"] {
        let queue = fixture.queue(name);
        let receiver = connection.receiver(Receiving::from(&queue)).await?;
        same("the outcome", sender.send(Message::from(name).with_to(queue)).await?, Outcome::Accepted)?;
        take(&receiver, name).await?.end(Outcome::Accepted)?;
    }
    connection.close().await
}

/// Requests, to which another connection replies at their reply-to address.
pub(crate) async fn requests_are_answered<C: Client>(fixture: &Fixture) -> Done {
    answered_at::<C>(fixture, Node::Dynamic).await
}

/// Requests with a reply-to node that carries replies only.
pub(crate) async fn requests_are_answered_by_direct_reply_to<C: Client>(fixture: &Fixture) -> Done {
    answered_at::<C>(fixture, Node::Replies).await
}

async fn answered_at<C: Client>(fixture: &Fixture, node: Node) -> Done {
    let (asking, answering) = (C::open(fixture.opening()).await?, C::open(fixture.opening()).await?);
    let replies = asking.receiver(Receiving::from_node(node)).await?;
    let reply_to = replies.address().ok_or_else(|| Failure::wrong("the node has no address"))?;
    let queue = fixture.queue("questions");
    let requests = asking.sender(Sending::to(&queue)).await?;
    let questions = answering.receiver(Receiving::from(&queue)).await?;
    let answers = answering.sender(Sending::default()).await?;
    for n in 0..20 {
        let id = MessageId::Ulong(n);
        let question =
            Message::from(format!("{n} + 1")).with_message_id(id.clone()).with_reply_to(reply_to.clone());
        same("the outcome", requests.send(question).await?, Outcome::Accepted)?;
        answer(&questions, &answers).await?;
        let answer = take(&replies, &format!("{n} + 1 it is")).await?;
        same("correlation-id", answer.message()?.properties()?.correlation_id, Some(id))?;
        if !answer.is_settled() {
            answer.end(Outcome::Accepted)?;
        }
    }
    answering.close().await?;
    asking.close().await
}

async fn answer(questions: &impl Receiver, answers: &impl Sender) -> Done {
    let question = crate::exchange::next(questions).await?;
    let properties = question.message()?.properties()?;
    let (Some(to), Some(id)) = (properties.reply_to, properties.message_id) else {
        return Err(Failure::wrong("a question without a name or a return address"));
    };
    let answer = Message::from(format!("{} it is", text(&question)?)).with_to(to).with_correlation_id(id);
    same("the outcome", answers.send(answer).await?, Outcome::Accepted)?;
    question.end(Outcome::Accepted)
}
