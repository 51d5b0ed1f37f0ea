//! Sent messages and their outcomes.

use amqp_proto::message::Message;
use amqp_proto::wire::{Outcome, ReceiverSettleMode, SenderSettleMode};

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Receiving, Sender, Sending, Sent};
use crate::exchange::{Pair, next, send, take};
use crate::failure::{Done, Failure, same};
use crate::messages::{self, Messages, agree};

/// Sends to an address that gives each message a certain outcome.
async fn outcome_of<C: Client>(fixture: &Fixture, address: &str) -> Done<Outcome> {
    let connection = C::open(fixture.opening()).await?;
    let sender = connection.sender(Sending::to(address)).await?;
    let outcome = sender.send(Message::from("to be judged")).await?;
    sender.close().await?;
    connection.close().await?;
    Ok(outcome)
}

/// The error that the brokers reject with.
fn is_rejected(outcome: &Outcome) -> Done {
    match outcome {
        Outcome::Rejected(rejected) => {
            let error = rejected.error.as_ref().ok_or_else(|| Failure::wrong("rejected without an error"))?;
            same("the condition", error.condition.as_str(), "peer-broker:rejected")?;
            let description = error.description.as_ref().map(ToString::to_string);
            same("the description", description.as_deref(), Some("refused by the peer broker"))
        }
        other => Err(Failure::Wrong(format!("the outcome is {other:?}, not rejected"))),
    }
}

fn is_modified(outcome: &Outcome) -> Done {
    match outcome {
        Outcome::Modified(modified) => same("delivery-failed", modified.delivery_failed, Some(true)),
        other => Err(Failure::Wrong(format!("the outcome is {other:?}, not modified"))),
    }
}

fn is(outcome: &Outcome, expected: &Outcome) -> Done {
    same("the outcome", outcome, expected)
}

pub(crate) async fn a_broker_accepts_our_message<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    send(&pair.sender, "job").await?;
    take(&pair.receiver, "job").await?.end(Outcome::Accepted)?;
    pair.finish().await
}

pub(crate) async fn a_broker_rejects_our_message_with_a_reason<C: Client>(fixture: &Fixture) -> Done {
    is_rejected(&outcome_of::<C>(fixture, "outcome.rejected").await?)
}

pub(crate) async fn a_broker_releases_our_message<C: Client>(fixture: &Fixture) -> Done {
    is(&outcome_of::<C>(fixture, "outcome.released").await?, &Outcome::Released)
}

pub(crate) async fn a_broker_modifies_our_message<C: Client>(fixture: &Fixture) -> Done {
    is_modified(&outcome_of::<C>(fixture, "outcome.modified").await?)
}

/// Each outcome arrives at its message, with many messages in flight.
pub(crate) async fn each_message_gets_its_own_outcome<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let sender = connection.sender(Sending::to("outcome.mixed")).await?;
    let mut sent = Vec::new();
    for n in 0..200 {
        sent.push(sender.send_queued(Message::from(format!("{n}"))).await?);
    }
    for (n, sent) in sent.iter_mut().enumerate() {
        let outcome = sent.outcome().await?;
        match n % 4 {
            0 => is(&outcome, &Outcome::Accepted)?,
            1 => is_rejected(&outcome)?,
            2 => is(&outcome, &Outcome::Released)?,
            _ => is_modified(&outcome)?,
        }
    }
    sender.close().await?;
    connection.close().await
}

/// More messages than any broker's window and credit arrive in order.
pub(crate) async fn thousands_of_messages_arrive_in_order<C: Client>(fixture: &Fixture) -> Done {
    const COUNT: usize = 3_000;
    let pair = Pair::<C>::open(fixture).await?;
    let mut sent = Vec::new();
    for n in 0..COUNT {
        sent.push(pair.sender.send_queued(Message::from(format!("{n}"))).await?);
    }
    for mut sent in sent {
        is(&sent.outcome().await?, &Outcome::Accepted)?;
    }
    for n in 0..COUNT {
        take(&pair.receiver, &n.to_string()).await?.end(Outcome::Accepted)?;
    }
    pair.finish().await
}

async fn settled_arrive<C: Client>(fixture: &Fixture, mode: Option<SenderSettleMode>) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    let sending = Sending { snd_settle_mode: mode, ..Sending::to(&pair.queue) };
    let sender = pair.connection.sender(sending).await?;
    for n in 0..300 {
        let message = Message::from(format!("{n}"));
        let mut sent = match mode {
            None => sender.send_settled(message).await?,
            Some(_) => sender.send_queued(message).await?,
        };
        is(&sent.outcome().await?, &Outcome::Accepted)?;
    }
    for n in 0..300 {
        take(&pair.receiver, &n.to_string()).await?.end(Outcome::Accepted)?;
    }
    sender.close().await?;
    pair.finish().await
}

pub(crate) async fn messages_that_are_sent_settled_arrive<C: Client>(fixture: &Fixture) -> Done {
    settled_arrive::<C>(fixture, None).await
}

pub(crate) async fn messages_on_a_settled_link_arrive<C: Client>(fixture: &Fixture) -> Done {
    settled_arrive::<C>(fixture, Some(SenderSettleMode::Settled)).await
}

/// Messages that were sent settled arrive, although everything is closed at once.
pub(crate) async fn settled_messages_survive_a_close<C: Client>(fixture: &Fixture) -> Done {
    let queue = fixture.queue("q");
    let connection = C::open(fixture.opening()).await?;
    let sender = connection.sender(Sending::to(&queue)).await?;
    for n in 0..50 {
        sender.send_settled(Message::from(format!("{n}"))).await?;
    }
    connection.close().await?;
    let pair = Pair::<C>::open(fixture).await?;
    for n in 0..50 {
        take(&pair.receiver, &n.to_string()).await?.end(Outcome::Accepted)?;
    }
    pair.finish().await
}

/// The sender requests the receiver settle mode second, and settles once it has the outcome.
pub(crate) async fn a_sender_settles_for_a_receiver_that_settles_second<C: Client>(
    fixture: &Fixture,
) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    let sending = Sending {
        rcv_settle_mode: Some(ReceiverSettleMode::Second),
        snd_settle_mode: Some(SenderSettleMode::Unsettled),
        ..Sending::to(&pair.queue)
    };
    let sender = pair.connection.sender(sending).await?;
    for n in 0..20 {
        send(&sender, &n.to_string()).await?;
        take(&pair.receiver, &n.to_string()).await?.end(Outcome::Accepted)?;
    }
    sender.close().await?;
    pair.finish().await
}

/// The application settles deliveries instead of the link.
pub(crate) async fn the_application_settles_its_own_deliveries<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    let sending = Sending { settles: true, ..Sending::to(&pair.queue) };
    let sender = pair.connection.sender(sending).await?;
    for n in 0..20 {
        let mut sent = sender.send_queued(Message::from(format!("{n}"))).await?;
        is(&sent.outcome().await?, &Outcome::Accepted)?;
        // If the peer has already settled the delivery, nothing is left to do.
        let _ = sent.settle();
        take(&pair.receiver, &n.to_string()).await?.end(Outcome::Accepted)?;
    }
    sender.close().await?;
    pair.finish().await
}

/// A priority of 4, the default, is written nevertheless: some brokers read a missing one as 0.
pub(crate) async fn a_priority_of_4_is_above_3<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let queue = fixture.priority_queue("q");
    let sender = connection.sender(Sending::to(&queue)).await?;
    for priority in [4, 3] {
        let message = Message::from(priority.to_string()).with_priority(priority);
        is(&sender.send(message).await?, &Outcome::Accepted)?;
    }
    let receiver = connection.receiver(Receiving::from(&queue)).await?;
    for priority in ["4", "3"] {
        take(&receiver, priority).await?.end(Outcome::Accepted)?;
    }
    connection.close().await
}

/// Sends messages, and asserts that they arrive unchanged.
async fn come_back<C: Client>(fixture: &Fixture, messages: Messages) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    for (name, message) in messages {
        same(name, pair.sender.send(message.clone()).await?, Outcome::Accepted)?;
        let delivery = next(&pair.receiver).await?;
        agree(name, &message, &delivery.message()?.to_message()?)?;
        delivery.end(Outcome::Accepted)?;
    }
    pair.finish().await
}

pub(crate) async fn properties_and_annotations_arrive<C: Client>(fixture: &Fixture) -> Done {
    come_back::<C>(fixture, messages::said()).await
}

pub(crate) async fn timestamps_arrive<C: Client>(fixture: &Fixture) -> Done {
    come_back::<C>(fixture, messages::times()).await
}

pub(crate) async fn a_user_id_arrives<C: Client>(fixture: &Fixture) -> Done {
    come_back::<C>(fixture, messages::user()).await
}

pub(crate) async fn binary_data_arrives<C: Client>(fixture: &Fixture) -> Done {
    come_back::<C>(fixture, messages::data()).await
}

pub(crate) async fn strings_arrive<C: Client>(fixture: &Fixture) -> Done {
    come_back::<C>(fixture, messages::texts()).await
}

pub(crate) async fn a_boolean_arrives<C: Client>(fixture: &Fixture) -> Done {
    come_back::<C>(fixture, messages::boolean()).await
}

pub(crate) async fn lists_and_maps_arrive<C: Client>(fixture: &Fixture) -> Done {
    come_back::<C>(fixture, messages::compound()).await
}

pub(crate) async fn message_ids_keep_their_types<C: Client>(fixture: &Fixture) -> Done {
    come_back::<C>(fixture, messages::named()).await
}
