//! An application's own SASL mechanism, from end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use amqp_tokio::proto::symbol;
use amqp_tokio::sasl::{
    ClientMechanism, ClientProfile, Identity, Login, MechanismError, ServerMechanism, ServerSasl, Step,
};
use amqp_tokio::types::Symbol;
use amqp_tokio::wire::{Condition, Secret};
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, Result};

const NAME: Symbol = symbol!("X-COUNTED");

/// The client sends its number of connections, and adds one to the challenge.
#[derive(Debug, Clone)]
struct Counted(Arc<AtomicU32>);

impl ClientMechanism for Counted {
    fn name(&self) -> Symbol {
        NAME
    }

    fn shows_secret(&self) -> bool {
        false
    }

    fn initial_response(&mut self) -> Option<Secret> {
        Some(Secret::from(self.0.fetch_add(1, Ordering::Relaxed).to_string().as_bytes()))
    }

    fn challenge(&mut self, challenge: &Secret) -> std::result::Result<Secret, MechanismError> {
        let [number] = challenge.expose()[..] else { return Err(MechanismError::Malformed) };
        Ok(Secret::from(&[number + 1][..]))
    }

    fn outcome(&mut self, _: Option<&Secret>) -> std::result::Result<(), MechanismError> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Asking(String);

impl ServerMechanism for Asking {
    fn name(&self) -> Symbol {
        NAME
    }

    fn init(&mut self, initial_response: Option<&Secret>) -> Step {
        self.0 = format!("client {}", String::from_utf8_lossy(initial_response.unwrap().expose()));
        Step::Challenge(Secret::from(&[41][..]))
    }

    fn response(&mut self, response: &Secret) -> Step {
        match response.expose()[..] {
            [42] => Step::Done { identity: Identity::of(self.0.as_str()), additional_data: None },
            _ => Step::Failed,
        }
    }
}

async fn connect(options: &ConnectionOptions) -> (Result<Connection>, Result<Connection>) {
    let (near, far) = tokio::io::duplex(1 << 12);
    let acceptor = Acceptor::default()
        .with_sasl(|peer| ServerSasl::new(peer.security()).with_mechanism(Asking::default()));
    tokio::join!(Connection::over(near, options.clone()), Connection::accept(far, &acceptor))
}

#[tokio::test]
#[adapter_tests::bounded]
async fn each_connection_begins_it_anew() {
    let profile = ClientProfile::new()
        .with_login(Login::new("user", "pencil").unwrap())
        .with_mechanism(Counted(Arc::default()));
    let options = ConnectionOptions::new().with_sasl(profile);
    for user in ["client 0", "client 1"] {
        let (client, server) = connect(&options).await;
        client.unwrap();
        assert_eq!(server.unwrap().identity().unwrap().user().unwrap(), user);
    }
    let (client, _) = connect(&options.with_only_mechanisms([symbol!("PLAIN")])).await;
    assert_eq!(client.unwrap_err().condition(), Some(&Condition::UnauthorizedAccess));
}
