//! What many cases need.

use amqp_proto::message::Message;
use amqp_proto::wire::Outcome;

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Receiver, Receiving, Sender, Sending};
use crate::failure::{Done, Failure, same};

/// The types of a client.
pub(crate) type Link<C> = <C as Client>::Connection;
pub(crate) type To<C> = <Link<C> as Connection>::Sender;
pub(crate) type From<C> = <Link<C> as Connection>::Receiver;

/// A connection, with a link to a queue of the case's own and one from it.
pub(crate) struct Pair<C: Client> {
    pub(crate) connection: C::Connection,
    pub(crate) sender: To<C>,
    pub(crate) receiver: From<C>,
    pub(crate) queue: String,
}

impl<C: Client> Pair<C> {
    pub(crate) async fn open(fixture: &Fixture) -> Done<Self> {
        let connection = C::open(fixture.opening()).await?;
        let queue = fixture.queue("q");
        let sender = connection.sender(Sending::to(&queue)).await?;
        let receiver = connection.receiver(Receiving::from(&queue)).await?;
        Ok(Self { connection, sender, receiver, queue })
    }

    /// Sees that nothing is left in the queue, and that all can be closed.
    pub(crate) async fn finish(self) -> Done {
        nothing_before(&self.sender, &self.receiver, "the end").await?;
        self.sender.close().await?;
        self.receiver.close().await?;
        self.connection.close().await
    }
}

/// Sends a message, which has to be accepted.
pub(crate) async fn send(sender: &impl Sender, body: &str) -> Done {
    same("the outcome", sender.send(Message::from(body)).await?, Outcome::Accepted)
}

/// The next message.
pub(crate) async fn next<R: Receiver>(receiver: &R) -> Done<R::Delivery> {
    receiver.recv().await?.ok_or_else(|| Failure::wrong("the link is over"))
}

/// The next message, which has to have this body.
pub(crate) async fn take<R: Receiver>(receiver: &R, body: &str) -> Done<R::Delivery> {
    let delivery = next(receiver).await?;
    same("the body", text(&delivery)?.as_str(), body)?;
    Ok(delivery)
}

/// The body of a message that is text.
pub(crate) fn text(delivery: &impl Delivery) -> Done<String> {
    let body = delivery.message()?.body()?;
    body.as_str().map(str::to_owned).ok_or_else(|| Failure::wrong(format!("the body is {body:?}")))
}

/// Sees that the next message is one that is sent now.
pub(crate) async fn nothing_before(sender: &impl Sender, receiver: &impl Receiver, marker: &str) -> Done {
    send(sender, marker).await?;
    take(receiver, marker).await?.end(Outcome::Accepted)
}

/// Sees that a connection serves: a message goes there and back.
pub(crate) async fn serves(connection: &impl Connection, queue: &str) -> Done {
    let sender = connection.sender(Sending::to(queue)).await?;
    let receiver = connection.receiver(Receiving::from(queue)).await?;
    nothing_before(&sender, &receiver, "it serves").await?;
    sender.close().await?;
    receiver.close().await
}
