//! Brokers that require a login.

use amqp_proto::Origin;
use amqp_proto::client::ConnectionOptions;
use amqp_proto::sasl::{AnonymousClient, ClientProfile};
use amqp_proto::wire::Condition;

use crate::broker::Fixture;
use crate::client::{Client, Connection};
use crate::exchange::serves;
use crate::failure::{Done, Over, holds, refused, same};

/// The user and password of the URL.
pub(crate) async fn a_login_in_the_url_is_accepted<C: Client>(fixture: &Fixture) -> Done {
    let connection = C::open(fixture.opening()).await?;
    serves(&connection, &fixture.queue("q")).await?;
    connection.close().await
}

pub(crate) async fn an_anonymous_client_is_refused<C: Client>(fixture: &Fixture) -> Done {
    let anonymous = ClientProfile::new().with_anonymous(AnonymousClient::new());
    let problem = refused("opening anonymously", C::open(fixture.opening().sasl(anonymous)).await)?;
    same("what is over", problem.over, Over::Connection)?;
    same("the condition", problem.condition, Some(Condition::UnauthorizedAccess))
}

/// Brokers answer a client without SASL in different ways. In each case, the connection ends.
pub(crate) async fn a_client_without_sasl_is_refused<C: Client>(fixture: &Fixture) -> Done {
    let opening = fixture.opening().with(ConnectionOptions::without_sasl);
    let problem = refused("opening without SASL", C::open(opening).await)?;
    same("what is over", problem.over, Over::Connection)?;
    holds("the peer has ended it", problem.origin != Some(Origin::Local))
}
