//! Received messages and their outcomes.

use std::collections::BTreeSet;
use std::time::Duration;

use amqp_proto::wire::{
    AmqpError, Condition, Modified, Outcome, ReceiverSettleMode, Rejected, SenderSettleMode,
};

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Receiver, Receiving, Sending, Session};
use crate::exchange::{Pair, next, nothing_before, send, take, text};
use crate::failure::{Done, holds, same};

/// Returns the delivery-count and first-acquirer of the header.
async fn attempts(delivery: &impl Delivery) -> Done<(u32, bool)> {
    let header = delivery.message()?.header()?;
    Ok((header.delivery_count, header.first_acquirer))
}

/// Sets an outcome that removes the message from the queue.
async fn ends<C: Client>(fixture: &Fixture, outcome: Outcome) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    send(&pair.sender, "job").await?;
    take(&pair.receiver, "job").await?.end(outcome)?;
    pair.finish().await
}

/// Sets an outcome after which the message is delivered again, with this delivery-count.
async fn comes_again<C: Client>(fixture: &Fixture, outcome: Outcome, count: u32) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    send(&pair.sender, "job").await?;
    let first = take(&pair.receiver, "job").await?;
    same("delivery-count at first", attempts(&first).await?.0, 0)?;
    first.end(outcome)?;
    let again = take(&pair.receiver, "job").await?;
    same("delivery-count and first-acquirer", attempts(&again).await?, (count, false))?;
    again.end(Outcome::Accepted)?;
    pair.finish().await
}

fn rejected(error: Option<AmqpError>) -> Outcome {
    Outcome::Rejected(Rejected { error: error.map(Box::new) })
}

fn modified(delivery_failed: bool, undeliverable_here: bool) -> Outcome {
    Outcome::from(Modified {
        delivery_failed: Some(delivery_failed),
        undeliverable_here: Some(undeliverable_here),
        ..Modified::default()
    })
}

pub(crate) async fn an_accepted_message_is_gone<C: Client>(fixture: &Fixture) -> Done {
    ends::<C>(fixture, Outcome::Accepted).await
}

pub(crate) async fn a_rejected_message_is_gone<C: Client>(fixture: &Fixture) -> Done {
    ends::<C>(fixture, rejected(None)).await
}

pub(crate) async fn a_message_rejected_with_an_error_is_gone<C: Client>(fixture: &Fixture) -> Done {
    let error = AmqpError::new(Condition::DecodeError).with_description("no such job");
    ends::<C>(fixture, rejected(Some(error))).await
}

pub(crate) async fn a_released_message_is_redelivered<C: Client>(fixture: &Fixture) -> Done {
    comes_again::<C>(fixture, Outcome::Released, 0).await
}

pub(crate) async fn a_modified_message_that_failed_is_counted<C: Client>(fixture: &Fixture) -> Done {
    comes_again::<C>(fixture, modified(true, false), 1).await
}

pub(crate) async fn a_modified_message_that_did_not_fail_is_not_counted<C: Client>(
    fixture: &Fixture,
) -> Done {
    comes_again::<C>(fixture, modified(false, false), 0).await
}

pub(crate) async fn a_message_modified_as_undeliverable_here_is_not_redelivered<C: Client>(
    fixture: &Fixture,
) -> Done {
    ends::<C>(fixture, modified(true, true)).await
}

/// Outcomes are set in any order, each for its message.
pub(crate) async fn each_outcome_reaches_its_own_message<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    pair.receiver.set_credit(20)?;
    let mut taken = Vec::new();
    for n in 0..20 {
        send(&pair.sender, &n.to_string()).await?;
        taken.push((n, next(&pair.receiver).await?));
    }
    let mut released = BTreeSet::new();
    taken.sort_by_key(|(n, _)| n * 7 % 20);
    for (n, delivery) in taken {
        match n % 3 {
            0 => delivery.end(Outcome::Accepted)?,
            1 => delivery.end(rejected(None))?,
            _ => {
                released.insert(n.to_string());
                delivery.end(Outcome::Released)?;
            }
        }
    }
    let mut came = BTreeSet::new();
    for _ in 0..released.len() {
        let delivery = next(&pair.receiver).await?;
        came.insert(text(&delivery)?);
        delivery.end(Outcome::Accepted)?;
    }
    same("what comes again", came, released)?;
    pair.finish().await
}

/// Messages that are unsettled when the link is closed go to the next receiver.
pub(crate) async fn an_unsettled_message_is_redelivered_after_a_detach<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    pair.receiver.close().await?;
    send(&pair.sender, "job").await?;
    // With more credit, the released message could come again on this link while it is detached. RabbitMQ 3.10 then keeps
    // it for the closed link until the session ends.
    let receiver = pair.connection.receiver(Receiving::from(&pair.queue).with_prefetch(0)).await?;
    receiver.set_credit(1)?;
    drop(take(&receiver, "job").await?);
    receiver.close().await?;
    send(&pair.sender, "the next").await?;
    let receiver = pair.connection.receiver(Receiving::from(&pair.queue)).await?;
    take(&receiver, "job").await?.end(Outcome::Accepted)?;
    take(&receiver, "the next").await?.end(Outcome::Accepted)?;
    pair.connection.close().await
}

/// Messages that are unsettled when the session is ended go to the next receiver.
pub(crate) async fn an_unsettled_message_is_redelivered_after_an_end<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let queue = fixture.queue("q");
    let sender = connection.sender(Sending::to(&queue)).await?;
    let session = connection.session().await?;
    send(&sender, "job").await?;
    let receiver = session.receiver(Receiving::from(&queue)).await?;
    drop(take(&receiver, "job").await?);
    session.end().await?;
    let receiver = connection.receiver(Receiving::from(&queue)).await?;
    take(&receiver, "job").await?.end(Outcome::Accepted)?;
    nothing_before(&sender, &receiver, "the end").await?;
    connection.close().await
}

/// Messages that are unsettled when the connection is closed go to the next receiver.
pub(crate) async fn an_unsettled_message_is_redelivered_after_a_close<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    send(&pair.sender, "job").await?;
    drop(take(&pair.receiver, "job").await?);
    pair.connection.close().await?;
    let pair = Pair::<C>::open(fixture).await?;
    take(&pair.receiver, "job").await.map(drop)
}

/// The receiver requests settled messages.
pub(crate) async fn a_receiver_that_asks_for_settled_messages_gets_them<C: Client>(
    fixture: &Fixture,
) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    pair.receiver.close().await?;
    let receiving =
        Receiving { snd_settle_mode: Some(SenderSettleMode::Settled), ..Receiving::from(&pair.queue) };
    let receiver = pair.connection.receiver(receiving).await?;
    for n in 0..50 {
        send(&pair.sender, &n.to_string()).await?;
        let delivery = take(&receiver, &n.to_string()).await?;
        holds("the delivery is settled", delivery.is_settled())?;
    }
    receiver.close().await?;
    let receiver = pair.connection.receiver(Receiving::from(&pair.queue)).await?;
    nothing_before(&pair.sender, &receiver, "the end").await?;
    pair.connection.close().await
}

/// With the receiver settle mode second, the sender settles once it has the outcome, and then this end settles.
pub(crate) async fn a_broker_settles_before_our_receiver_that_settles_second<C: Client>(
    fixture: &Fixture,
) -> Done {
    // A broker that does not settle is waited for as long as this.
    let opening = fixture.opening().with(|options| options.with_reply_timeout(Duration::from_secs(10)));
    let pair = Pair::<C>::open_with(fixture, opening).await?;
    pair.receiver.close().await?;
    let receiving =
        Receiving { rcv_settle_mode: Some(ReceiverSettleMode::Second), ..Receiving::from(&pair.queue) };
    let receiver = pair.connection.receiver(receiving.clone()).await?;
    for n in 0..30 {
        send(&pair.sender, &n.to_string()).await?;
        let delivery = take(&receiver, &n.to_string()).await?;
        let key = delivery.key();
        delivery.end(Outcome::Accepted)?;
        receiver.settled(key).await?;
    }
    receiver.close().await?;
    let receiver = pair.connection.receiver(receiving).await?;
    nothing_before(&pair.sender, &receiver, "the end").await?;
    pair.connection.close().await
}

/// Messages arrive only for credit that the application grants.
pub(crate) async fn a_broker_keeps_to_credit_set_by_hand<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    pair.receiver.close().await?;
    for n in 0..10 {
        send(&pair.sender, &n.to_string()).await?;
    }
    let receiver = pair.connection.receiver(Receiving::from(&pair.queue).with_prefetch(0)).await?;
    for n in 0..10 {
        receiver.set_credit(1)?;
        let delivery = take(&receiver, &n.to_string()).await?;
        same("credit", receiver.credit(), 0)?;
        delivery.end(Outcome::Accepted)?;
        // Gives the broker time to send too much.
        let other = pair.connection.receiver(Receiving::from(&fixture.queue("other"))).await?;
        holds("no message without credit", receiver.try_recv()?.is_none())?;
        other.close().await?;
    }
    receiver.close().await?;
    pair.connection.close().await
}

/// Two receivers share the messages of a queue.
pub(crate) async fn two_receivers_share_a_queue<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    let other = pair.connection.receiver(Receiving::from(&pair.queue).with_prefetch(0)).await?;
    pair.receiver.set_credit(0)?;
    pair.receiver.close().await?;
    let receiver = pair.connection.receiver(Receiving::from(&pair.queue).with_prefetch(0)).await?;
    for n in 0..10 {
        send(&pair.sender, &n.to_string()).await?;
    }
    let mut came = BTreeSet::new();
    for _ in 0..5 {
        for receiver in [&receiver, &other] {
            receiver.set_credit(1)?;
            let delivery = next(receiver).await?;
            came.insert(text(&delivery)?);
            delivery.end(Outcome::Accepted)?;
        }
    }
    same("what came", came, (0..10).map(|n| n.to_string()).collect())?;
    pair.connection.close().await
}

/// At the special address `source.150`, each receiver gets 150 messages of its own.
pub(crate) async fn a_source_of_150_messages_is_emptied<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    // On a broker without such addresses, it is an ordinary queue.
    send(&connection.sender(Sending::to("source.150")).await?, "no source").await?;
    let receiver = connection.receiver(Receiving::from("source.150").with_prefetch(20)).await?;
    for n in 0..150_u64 {
        let delivery = take(&receiver, &format!("msg{n}")).await?;
        let id = delivery.message()?.properties()?.message_id;
        same("message-id", id, Some(amqp_proto::wire::MessageId::Ulong(n)))?;
        delivery.end(Outcome::Accepted)?;
    }
    receiver.close().await?;
    connection.close().await
}

pub(crate) async fn a_drain_brings_all_messages<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    pair.receiver.close().await?;
    for n in 0..3 {
        send(&pair.sender, &n.to_string()).await?;
    }
    let receiver = pair.connection.receiver(Receiving::from(&pair.queue).with_prefetch(0)).await?;
    receiver.set_credit(10)?;
    receiver.drain().await?;
    for n in 0..3 {
        let delivery = receiver.try_recv()?;
        let delivery = delivery.ok_or_else(|| crate::failure::Failure::wrong("too few came"))?;
        same("the body", text(&delivery)?, n.to_string())?;
        delivery.end(Outcome::Accepted)?;
    }
    same("credit", receiver.credit(), 0)?;
    holds("no more came", receiver.try_recv()?.is_none())?;
    receiver.set_credit(1)?;
    nothing_before(&pair.sender, &receiver, "after the drain").await?;
    receiver.close().await?;
    pair.connection.close().await
}

pub(crate) async fn a_drain_of_an_empty_queue_ends<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let queue = fixture.queue("q");
    let receiver = connection.receiver(Receiving::from(&queue).with_prefetch(0)).await?;
    for _ in 0..3 {
        receiver.set_credit(10)?;
        receiver.drain().await?;
        same("credit", receiver.credit(), 0)?;
        holds("nothing came", receiver.try_recv()?.is_none())?;
    }
    receiver.set_credit(1)?;
    let sender = connection.sender(Sending::to(&queue)).await?;
    nothing_before(&sender, &receiver, "after the drain").await?;
    connection.close().await
}
