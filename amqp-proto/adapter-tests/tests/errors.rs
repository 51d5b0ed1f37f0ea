//! Errors that a person can act on: the kind, whether a retry can help, and the text.

use super::common::refusals::REFUSALS;
use super::common::{next_session, pair, pair_with};
use crate::adapter::{self, both};
use crate::amqp::types::{Fields, Symbol, Value};
use crate::amqp::wire::{AmqpError, Condition};
use crate::amqp::{Acceptor, Connection, ConnectionOptions, ErrorKind};

/// [5.3.3.6]: the SASL outcome is in the error; time-outs, strangers and closed ports say where they were met.
#[adapter::test]
async fn who_cannot_connect_is_told_what_to_do() {
    for refusal in &REFUSALS {
        let at = refusal.listen();
        let (url, options) = refusal.client(at);
        refusal.check(at, &Connection::open_with(&url, options).await.unwrap_err());
    }
}

/// [2.8.15]: a close passes, unless the peer does not know the client or the host, or does not allow it.
#[adapter::test]
async fn a_close_by_the_peer_passes_unless_it_refuses_the_client() {
    for (condition, kind, is_transient) in [
        (Some(Condition::InternalError), ErrorKind::Peer, true),
        (Some(Condition::ConnectionForced), ErrorKind::Peer, true),
        (Some(Condition::ResourceLimitExceeded), ErrorKind::Peer, true),
        (None, ErrorKind::Closed, true),
        (Some(Condition::UnauthorizedAccess), ErrorKind::NotPermitted, false),
        (Some(Condition::NotAllowed), ErrorKind::NotPermitted, false),
        (Some(Condition::NotFound), ErrorKind::NotFound, false),
    ] {
        let (client, server) = pair().await;
        let error = condition.clone();
        let error = error.map(|error| AmqpError::new(error).with_description("Connection forced"));
        let close = async {
            match error {
                Some(error) => server.close_with(error).await,
                None => server.close().await,
            }
        };
        both(close, async { client.closed().await }).await.0.unwrap();
        let error = client.session().await.unwrap_err();
        assert_eq!((error.condition(), error.kind()), (condition.as_ref(), kind), "{error}");
        assert_eq!(error.is_transient(), is_transient, "{error}");
        assert!(error.to_string().starts_with("the connection was ended by the peer"), "{error}");
    }
}

/// [2.7.3] [2.8.14]: the error of a refused link says whether a retry can help, and hints at the likely mistake.
#[adapter::test]
async fn the_error_of_a_refused_link_has_the_reason() {
    for (condition, description, kind, is_transient, hint) in [
        (
            Condition::InvalidField,
            "{amqp_address_v1_not_permitted,..}",
            ErrorKind::Peer,
            false,
            "/queues/NAME",
        ),
        (Condition::NotFound, "no queue 'jobs'", ErrorKind::NotFound, false, "no queue 'jobs'"),
        (Condition::UnauthorizedAccess, "no", ErrorKind::NotPermitted, false, "amqp:unauthorized-access: no"),
        (Condition::ResourceLocked, "exclusive", ErrorKind::Peer, true, "exclusive"),
    ] {
        let error = AmqpError::new(condition).with_description(description);
        let (client, server) = pair().await;
        let refuse = async {
            let session = next_session(&server).await;
            session.next_link().await.unwrap().unwrap().refuse(error).unwrap();
            session
        };
        let attach = async { client.sender("jobs").attach().await.unwrap_err() };
        let (_session, error) = both(refuse, attach).await;
        assert_eq!((error.kind(), error.is_transient()), (kind, is_transient), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("the link was ended by the peer: amqp:") && text.contains(hint), "{text}");
    }
}

/// [2.7.1]: both ends say what they are, unless the application says something else.
#[adapter::test]
async fn the_open_names_the_product() {
    let (client, server) = pair().await;
    for end in [&client, &server] {
        let properties = end.peer_open().unwrap().properties;
        assert_eq!(properties.get("product"), Some(&Value::from("amqp-proto")));
        assert!(properties.get("version").is_some() && properties.get("platform").is_some());
    }
    let own: Fields = [(Symbol::from("product"), Value::from("meter"))].into_iter().collect();
    let options = ConnectionOptions::new().with_properties(own.clone());
    let (_client, server) = pair_with(options, Acceptor::default()).await;
    assert_eq!(server.peer_open().unwrap().properties, own);
}
