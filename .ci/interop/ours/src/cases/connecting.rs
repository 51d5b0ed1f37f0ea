//! Opening a connection, and the identity of the client.

use std::time::Duration;

use amqp_proto::client::ConnectionOptions;
use amqp_proto::sasl::{AnonymousClient, ClientProfile, Login};
use amqp_proto::types::Symbol;
use amqp_proto::wire::Condition;
use amqp_proto::{Origin, symbol};

use crate::broker::Fixture;
use crate::client::{Client, Connection, Opening};
use crate::exchange::serves;
use crate::failure::{Done, Failure, Over, refused, same};

const PLAIN: Symbol = symbol!("PLAIN");
const SCRAM: Symbol = symbol!("SCRAM-SHA-256");

/// Opens a connection, uses it, and closes it.
async fn opens<C: Client>(fixture: &Fixture, opening: Opening) -> Done {
    let connection = C::open(opening).await?;
    serves(&connection, &fixture.queue("q")).await?;
    connection.close().await
}

fn profile(password: &str) -> Done<ClientProfile> {
    let login = Login::new("test", password).map_err(|error| Failure::wrong(error.to_string()))?;
    // The brokers are on loopback.
    Ok(ClientProfile::new().with_login(login).with_plain_in_clear())
}

fn by(fixture: &Fixture, mechanism: Symbol, password: &str) -> Done<Opening> {
    Ok(fixture.opening().sasl(profile(password)?.with_only([mechanism])))
}

/// Asserts that the server refuses a login, with an error that says so.
async fn is_refused<C: Client>(opening: Opening) -> Done {
    let problem = refused("the login", C::open(opening).await)?;
    if problem.origin == Some(Origin::Local) {
        return Err(Failure::Problem(problem)); // there was no login
    }
    same("what is over", problem.over, Over::Connection)?;
    same("who ended it", problem.origin, Some(Origin::Remote))?;
    same("the condition", problem.condition, Some(Condition::UnauthorizedAccess))
}

pub(crate) async fn a_connection_opens_without_sasl<C: Client>(fixture: &Fixture) -> Done {
    opens::<C>(fixture, fixture.opening().with(ConnectionOptions::without_sasl)).await
}

pub(crate) async fn a_connection_opens_as_anonymous<C: Client>(fixture: &Fixture) -> Done {
    let profile = ClientProfile::new().with_anonymous(AnonymousClient::new());
    opens::<C>(fixture, fixture.opening().sasl(profile)).await
}

pub(crate) async fn a_login_by_plain_is_accepted<C: Client>(fixture: &Fixture) -> Done {
    opens::<C>(fixture, by(fixture, PLAIN, "secret")?).await
}

pub(crate) async fn plain_with_a_wrong_password_is_refused<C: Client>(fixture: &Fixture) -> Done {
    is_refused::<C>(by(fixture, PLAIN, "wrong")?).await
}

pub(crate) async fn a_login_by_scram_is_accepted<C: Client>(fixture: &Fixture) -> Done {
    opens::<C>(fixture, by(fixture, SCRAM, "secret")?).await
}

pub(crate) async fn scram_with_a_wrong_password_is_refused<C: Client>(fixture: &Fixture) -> Done {
    is_refused::<C>(by(fixture, SCRAM, "wrong")?).await
}

pub(crate) async fn a_login_uses_a_mechanism_that_is_offered<C: Client>(fixture: &Fixture) -> Done {
    opens::<C>(fixture, fixture.opening().sasl(profile("secret")?)).await
}

pub(crate) async fn heartbeats_keep_an_idle_connection<C: Client>(fixture: &Fixture) -> Done {
    let opening = fixture.opening().with(|options| options.with_idle_timeout(Duration::from_secs(4)));
    let connection = C::open(opening).await?;
    tokio::time::sleep(Duration::from_secs(7)).await;
    serves(&connection, &fixture.queue("q")).await?;
    connection.close().await
}
