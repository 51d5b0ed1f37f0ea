//! Transactions at the broker's coordinator.

use amqp_proto::message::Message;
use amqp_proto::wire::Outcome;

use crate::broker::Fixture;
use crate::client::{
    Client, Connection, Delivery, Receiver, Receiving, Sender, Sending, Session, Transaction,
};
use crate::exchange::{Link, next, nothing_before, send, take, text};
use crate::failure::{Done, same};

type Of<C> = <Link<C> as Connection>::Session;
type To<C> = <Of<C> as Session>::Sender;
type From<C> = <Of<C> as Session>::Receiver;

/// A session, with a link to a queue and a link from it.
struct Pair<C: Client> {
    connection: C::Connection,
    session: Of<C>,
    sender: To<C>,
    receiver: From<C>,
    queue: String,
}

impl<C: Client> Pair<C> {
    async fn open(fixture: &Fixture) -> Done<Self> {
        let connection = C::open(fixture.opening()).await?;
        let session = connection.session().await?;
        let queue = fixture.queue("q");
        let sender = session.sender(Sending::to(&queue)).await?;
        let receiver = session.receiver(Receiving::from(&queue)).await?;
        Ok(Self { connection, session, sender, receiver, queue })
    }

    /// Sends a message in a transaction, and asserts that it would be accepted.
    async fn post(&self, transaction: &<Of<C> as Session>::Transaction, body: &str) -> Done {
        let outcome = transaction.send(&self.sender, Message::from(body)).await?;
        same("the outcome in the transaction", outcome, Outcome::Accepted)
    }

    /// Asserts that the queue is empty, and closes everything.
    async fn finish(self) -> Done {
        nothing_before(&self.sender, &self.receiver, "the end").await?;
        self.sender.close().await?;
        self.receiver.close().await?;
        self.session.end().await?;
        self.connection.close().await
    }
}

pub(crate) async fn posted_messages_arrive_at_the_commit<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    let transaction = pair.session.transaction().await?;
    pair.post(&transaction, "one").await?;
    pair.post(&transaction, "two").await?;
    nothing_before(&pair.sender, &pair.receiver, "before the commit").await?;
    transaction.commit().await?;
    take(&pair.receiver, "one").await?.end(Outcome::Accepted)?;
    take(&pair.receiver, "two").await?.end(Outcome::Accepted)?;
    pair.finish().await
}

pub(crate) async fn posted_messages_are_dropped_at_the_rollback<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    let transaction = pair.session.transaction().await?;
    pair.post(&transaction, "one").await?;
    transaction.rollback().await?;
    pair.finish().await
}

pub(crate) async fn accepted_messages_are_gone_at_the_commit<C: Client>(fixture: &Fixture) -> Done {
    let mut pair = Pair::<C>::open(fixture).await?;
    send(&pair.sender, "one").await?;
    let transaction = pair.session.transaction().await?;
    transaction.accept(take(&pair.receiver, "one").await?)?;
    transaction.commit().await?;
    // The queue would give an unsettled message to the next receiver.
    pair.receiver.close().await?;
    pair.receiver = pair.session.receiver(Receiving::from(&pair.queue)).await?;
    pair.finish().await
}

pub(crate) async fn accepted_messages_come_back_after_the_rollback<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    send(&pair.sender, "one").await?;
    let transaction = pair.session.transaction().await?;
    transaction.accept(take(&pair.receiver, "one").await?)?;
    transaction.rollback().await?;
    take(&pair.receiver, "one").await?.end(Outcome::Accepted)?;
    pair.finish().await
}

/// Receives from one queue and sends to another in one transaction: after a rollback the message is in the first queue,
/// after a commit in the second.
pub(crate) async fn messages_move_from_queue_to_queue<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    let other = fixture.queue("other");
    let sender = pair.session.sender(Sending::to(&other)).await?;
    let receiver = pair.session.receiver(Receiving::from(&other)).await?;
    send(&pair.sender, "job").await?;
    for commits in [false, true] {
        let transaction = pair.session.transaction().await?;
        let delivery = next(&pair.receiver).await?;
        let body = text(&delivery)?;
        transaction.accept(delivery)?;
        let outcome = transaction.send(&sender, Message::from(format!("{body} is done"))).await?;
        same("the outcome in the transaction", outcome, Outcome::Accepted)?;
        if commits {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
            nothing_before(&sender, &receiver, "after the rollback").await?;
        }
    }
    take(&receiver, "job is done").await?.end(Outcome::Accepted)?;
    sender.close().await?;
    receiver.close().await?;
    pair.finish().await
}

pub(crate) async fn a_transaction_without_its_handle_is_rolled_back<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    let transaction = pair.session.transaction().await?;
    pair.post(&transaction, "one").await?;
    drop(transaction);
    let transaction = pair.session.transaction().await?;
    pair.post(&transaction, "two").await?;
    transaction.commit().await?;
    take(&pair.receiver, "two").await?.end(Outcome::Accepted)?;
    pair.finish().await
}

/// None of many transactions is in doubt, and each does what it was told to.
pub(crate) async fn transactions_follow_each_other<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    for number in 0..20 {
        let transaction = pair.session.transaction().await?;
        pair.post(&transaction, &format!("message {number}")).await?;
        if number % 3 == 0 {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
        }
    }
    for number in (0..20).filter(|number| number % 3 != 0) {
        take(&pair.receiver, &format!("message {number}")).await?.end(Outcome::Accepted)?;
    }
    pair.finish().await
}
