//! Opening a connection, and who the client is.

use std::time::Duration;

use amqp_proto::client::ConnectionOptions;
use amqp_proto::sasl::{AnonymousClient, ClientProfile, Login};
use amqp_proto::types::Symbol;
use amqp_proto::wire::Condition;
use amqp_proto::{Origin, symbol};

use crate::client::{Client, Connection, Opening};
use crate::failure::{Done, Failure, Over, refused, same};
use crate::kit::serves;
use crate::place::Place;

const PLAIN: Symbol = symbol!("PLAIN");
const SCRAM: Symbol = symbol!("SCRAM-SHA-256");

/// Opens a connection, uses it, and closes it.
async fn opens<C: Client>(place: &Place, opening: Opening) -> Done {
    let connection = C::open(opening).await?;
    serves(&connection, &place.queue("q")).await?;
    connection.close().await
}

fn profile(password: &str) -> Done<ClientProfile> {
    let login = Login::new("test", password).map_err(|error| Failure::wrong(error.to_string()))?;
    // The brokers are on loopback.
    Ok(ClientProfile::new().with_login(login).with_plain_in_clear())
}

fn by(place: &Place, mechanism: Symbol, password: &str) -> Done<Opening> {
    Ok(place.opening().sasl(profile(password)?.with_only([mechanism])))
}

/// Sees that the server refuses a login, and that the error says so.
async fn is_refused<C: Client>(opening: Opening) -> Done {
    let problem = refused("the login", C::open(opening).await)?;
    if problem.origin == Some(Origin::Local) {
        return Err(Failure::Problem(problem)); // there was no login
    }
    same("what is over", problem.over, Over::Connection)?;
    same("who ended it", problem.origin, Some(Origin::Remote))?;
    same("the condition", problem.condition, Some(Condition::UnauthorizedAccess))
}

pub(crate) async fn a_connection_opens_without_sasl<C: Client>(place: &Place) -> Done {
    opens::<C>(place, place.opening().with(ConnectionOptions::without_sasl)).await
}

pub(crate) async fn a_connection_opens_as_anonymous<C: Client>(place: &Place) -> Done {
    let profile = ClientProfile::new().with_anonymous(AnonymousClient::new());
    opens::<C>(place, place.opening().sasl(profile)).await
}

pub(crate) async fn plain_lets_in<C: Client>(place: &Place) -> Done {
    opens::<C>(place, by(place, PLAIN, "secret")?).await
}

pub(crate) async fn plain_with_a_wrong_password_is_refused<C: Client>(place: &Place) -> Done {
    is_refused::<C>(by(place, PLAIN, "wrong")?).await
}

pub(crate) async fn scram_lets_in<C: Client>(place: &Place) -> Done {
    opens::<C>(place, by(place, SCRAM, "secret")?).await
}

pub(crate) async fn scram_with_a_wrong_password_is_refused<C: Client>(place: &Place) -> Done {
    is_refused::<C>(by(place, SCRAM, "wrong")?).await
}

pub(crate) async fn a_login_takes_what_is_offered<C: Client>(place: &Place) -> Done {
    opens::<C>(place, place.opening().sasl(profile("secret")?)).await
}

pub(crate) async fn heartbeats_keep_an_idle_connection<C: Client>(place: &Place) -> Done {
    let opening = place.opening().with(|options| options.with_idle_timeout(Duration::from_secs(2)));
    let connection = C::open(opening).await?;
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    serves(&connection, &place.queue("q")).await?;
    connection.close().await
}
