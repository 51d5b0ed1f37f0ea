//! Concurrent links and sessions, and their ends.

use amqp_proto::Origin;
use amqp_proto::message::Message;
use amqp_proto::wire::{AmqpError, Condition, Outcome};

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Node, Receiver, Receiving, Sender, Sending, Session};
use crate::exchange::{Pair, send, serves, take};
use crate::failure::{Done, Failure, Over, refused, same};

/// Several sessions with several links each, all in use.
pub(crate) async fn sessions_and_links_do_not_mix<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let (mut sessions, mut links) = (Vec::new(), Vec::new());
    for s in 0..3 {
        let session = connection.session().await?;
        for l in 0..4 {
            let queue = fixture.queue(&format!("{s}-{l}"));
            let sender = session.sender(Sending::to(&queue)).await?;
            let receiver = session.receiver(Receiving::from(&queue)).await?;
            links.push((sender, receiver));
        }
        sessions.push(session);
    }
    for n in 0..10 {
        for (link, (sender, _)) in links.iter().enumerate() {
            send(sender, &format!("{n} on {link}")).await?;
        }
    }
    for (link, (_, receiver)) in links.iter().enumerate() {
        for n in 0..10 {
            take(receiver, &format!("{n} on {link}")).await?.end(Outcome::Accepted)?;
        }
    }
    for session in sessions {
        session.end().await?;
    }
    connection.close().await
}

/// The end of a session does not affect other sessions.
pub(crate) async fn a_session_ends_without_its_connection<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let queue = fixture.queue("q");
    let (one, other) = (connection.session().await?, connection.session().await?);
    let sender = one.sender(Sending::to(&queue)).await?;
    let receiver = other.receiver(Receiving::from(&queue)).await?;
    send(&sender, "over both").await?;
    one.end().await?;
    let problem = refused("sending on a session that is over", sender.send(Message::from("late")).await)?;
    same("who ended it", problem.origin, Some(Origin::Local))?;
    take(&receiver, "over both").await?.end(Outcome::Accepted)?;
    other.end().await?;
    serves(&connection, &queue).await?;
    connection.close().await
}

/// Links are attached and closed many times.
pub(crate) async fn links_are_attached_and_closed_again_and_again<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let queue = fixture.queue("q");
    for _ in 0..50 {
        serves(&connection, &queue).await?;
    }
    connection.close().await
}

/// Connections are opened and closed many times.
pub(crate) async fn connections_are_opened_and_closed_again_and_again<C: Client>(fixture: &Fixture) -> Done {
    for _ in 0..10 {
        C::open(fixture.opening()).await?.close().await?;
    }
    Ok(())
}

/// The peer answers a detach, an end and a close with an error.
pub(crate) async fn a_close_with_an_error_is_answered<C: Client>(fixture: &Fixture) -> Done {
    let error = || AmqpError::new(Condition::InternalError).with_description("as it happens");
    let pair = Pair::<C>::open(fixture).await?;
    pair.sender.close_with(error()).await?;
    pair.receiver.close_with(error()).await?;
    serves(&pair.connection, &pair.queue).await?;
    pair.connection.close_with(error()).await
}

/// The error of a link that the broker refuses has the reason, and the connection stays open.
pub(crate) async fn the_error_of_a_refused_link_has_the_reason<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    let session = connection.session().await?;
    let attached = session.receiver(Receiving::from_node(Node::None)).await;
    let problem = refused("a receiver from nowhere", attached)?;
    serves(&connection, &fixture.queue("q")).await?;
    connection.close().await?;
    if problem.over != Over::Link {
        return Err(Failure::Problem(problem));
    }
    same("who ended it", problem.origin, Some(Origin::Remote))?;
    same("the condition", problem.condition, Some(Condition::InvalidField))?;
    same("the description", problem.description.as_str(), "a source address is needed")
}

/// Dropping the last handle closes its endpoint.
pub(crate) async fn dropped_handles_are_closed<C: Client>(fixture: &Fixture) -> Done {
    let pair = Pair::<C>::open(fixture).await?;
    send(&pair.sender, "job").await?;
    drop(take(&pair.receiver, "job").await?);
    drop(pair);
    let connection = C::open(fixture.opening()).await?;
    let receiver = connection.receiver(Receiving::from(&fixture.queue("q"))).await?;
    take(&receiver, "job").await?.end(Outcome::Accepted)?;
    connection.close().await
}
