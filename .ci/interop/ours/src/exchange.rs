//! Steps that many cases have in common.

use amqp_proto::message::Message;
use amqp_proto::wire::Outcome;

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Opening, Receiver, Receiving, Sender, Sending};
use crate::failure::{Done, Failure, same};

/// The types of a client's handles.
pub(crate) type Link<C> = <C as Client>::Connection;
pub(crate) type To<C> = <Link<C> as Connection>::Sender;
pub(crate) type From<C> = <Link<C> as Connection>::Receiver;

/// A connection, with a link to the case's queue and a link from it.
pub(crate) struct Pair<C: Client> {
    pub(crate) connection: C::Connection,
    pub(crate) sender: To<C>,
    pub(crate) receiver: From<C>,
    pub(crate) queue: String,
}

impl<C: Client> Pair<C> {
    pub(crate) async fn open(fixture: &Fixture) -> Done<Self> {
        Self::open_with(fixture, fixture.opening()).await
    }

    /// Opens the connection with settings of its own.
    pub(crate) async fn open_with(fixture: &Fixture, opening: Opening) -> Done<Self> {
        let connection = C::open(opening).await?;
        let queue = fixture.queue("q");
        let sender = connection.sender(Sending::to(&queue)).await?;
        let receiver = connection.receiver(Receiving::from(&queue)).await?;
        Ok(Self { connection, sender, receiver, queue })
    }

    /// Asserts that the queue is empty, and closes everything.
    pub(crate) async fn finish(self) -> Done {
        nothing_before(&self.sender, &self.receiver, "the end").await?;
        self.sender.close().await?;
        self.receiver.close().await?;
        self.connection.close().await
    }
}

/// Sends a message, and asserts that it is accepted.
pub(crate) async fn send(sender: &impl Sender, body: &str) -> Done {
    same("the outcome", sender.send(Message::from(body)).await?, Outcome::Accepted)
}

/// Receives the next message.
pub(crate) async fn next<R: Receiver>(receiver: &R) -> Done<R::Delivery> {
    receiver.recv().await?.ok_or_else(|| Failure::wrong("the link is over"))
}

/// Receives the next message, and asserts that it has this body.
pub(crate) async fn take<R: Receiver>(receiver: &R, body: &str) -> Done<R::Delivery> {
    let delivery = next(receiver).await?;
    same("the body", text(&delivery)?.as_str(), body)?;
    Ok(delivery)
}

/// Returns the body of a message that is text.
pub(crate) fn text(delivery: &impl Delivery) -> Done<String> {
    let body = delivery.message()?.body()?;
    body.as_str().map(str::to_owned).ok_or_else(|| Failure::wrong(format!("the body is {body:?}")))
}

/// Sends a message, and asserts that it is the next one to arrive.
pub(crate) async fn nothing_before(sender: &impl Sender, receiver: &impl Receiver, marker: &str) -> Done {
    send(sender, marker).await?;
    take(receiver, marker).await?.end(Outcome::Accepted)
}

/// Asserts that a connection works: sends a message and receives it.
pub(crate) async fn serves(connection: &impl Connection, queue: &str) -> Done {
    let sender = connection.sender(Sending::to(queue)).await?;
    let receiver = connection.receiver(Receiving::from(queue)).await?;
    nothing_before(&sender, &receiver, "it serves").await?;
    sender.close().await?;
    receiver.close().await
}
