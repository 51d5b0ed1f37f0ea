//! TLS: trusted certificates and other certificates.

use amqp_proto::client::ConnectionOptions;
use amqp_proto::message::Message;
use amqp_proto::sasl::{ClientProfile, Login};
use amqp_proto::wire::Outcome;

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Opening, Receiving, Sender, Sending};
use crate::exchange::next;
use crate::failure::{Done, Failure, Over, holds, refused, same};
use crate::messages::octets;

/// Sends and receives more than fits in a TLS record.
async fn exchanges<C: Client>(fixture: &Fixture, opening: Opening) -> Done {
    let connection = C::open(opening).await?;
    let queue = fixture.queue("q");
    let sender = connection.sender(Sending::to(&queue)).await?;
    let receiver = connection.receiver(Receiving::from(&queue)).await?;
    for size in [0, 1_000, 1 << 20] {
        same("the outcome", sender.send(Message::from(octets(size))).await?, Outcome::Accepted)?;
        let delivery = next(&receiver).await?;
        let body = delivery.message()?.data()?.unwrap_or_default().to_bytes();
        holds("the octets are those that were sent", body == octets(size))?;
        delivery.end(Outcome::Accepted)?;
    }
    connection.close().await
}

/// Asserts that the connection fails, with an error that says why.
async fn is_refused<C: Client>(opening: Opening, why: &str) -> Done {
    let problem = refused("opening", C::open(opening).await)?;
    same("what is over", problem.over, Over::Transport)?;
    if problem.words.contains(why) { Ok(()) } else { Err(Failure::Problem(problem)) }
}

pub(crate) async fn a_broker_with_a_trusted_certificate_is_accepted<C: Client>(fixture: &Fixture) -> Done {
    exchanges::<C>(fixture, fixture.trusting()?).await
}

/// A password is sent over TLS without an option that allows it.
pub(crate) async fn a_password_goes_over_tls<C: Client>(fixture: &Fixture) -> Done {
    let login = Login::new("test", "secret").map_err(|error| Failure::wrong(error.to_string()))?;
    exchanges::<C>(fixture, fixture.trusting()?.sasl(ClientProfile::new().with_login(login))).await
}

/// The system does not trust the authority.
pub(crate) async fn a_certificate_of_an_unknown_authority_is_refused<C: Client>(fixture: &Fixture) -> Done {
    is_refused::<C>(fixture.opening().with(ConnectionOptions::with_anonymous), "UnknownIssuer").await
}

pub(crate) async fn an_expired_certificate_is_refused<C: Client>(fixture: &Fixture) -> Done {
    is_refused::<C>(fixture.trusting()?, "expired").await
}

pub(crate) async fn a_certificate_for_another_name_is_refused<C: Client>(fixture: &Fixture) -> Done {
    is_refused::<C>(fixture.trusting()?, "not valid for name").await
}
