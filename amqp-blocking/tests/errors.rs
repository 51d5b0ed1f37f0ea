//! Errors that a person can act on: the kind, whether to try again, and the words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod common;
#[path = "common/refusals.rs"]
mod refusals;

use amqp_blocking::types::{Fields, Symbol, Value};
use amqp_blocking::wire::{Condition, Error as AmqpError};
use amqp_blocking::{Acceptor, Connection, ConnectionOptions, ErrorKind, OfferedLink};
use common::{pair, pair_with, run};
use refusals::REFUSALS;

/// [5.3.3.6]: the SASL outcome is in the error; time-outs, strangers and closed ports say where they were met.
#[test]
fn who_cannot_connect_is_told_what_to_do() {
    for refusal in &REFUSALS {
        let at = refusal.listen();
        let (url, options) = refusal.client(at);
        refusal.check(at, &Connection::open_with(&url, options).unwrap_err());
    }
}

/// [2.8.15]: a close passes, unless the peer does not know the client or the host, or does not allow it.
#[test]
fn a_close_by_the_peer_passes_unless_it_refuses_the_client() {
    for (condition, kind, is_transient) in [
        (Some(Condition::InternalError), ErrorKind::Peer, true),
        (Some(Condition::ConnectionForced), ErrorKind::Peer, true),
        (Some(Condition::ResourceLimitExceeded), ErrorKind::Peer, true),
        (None, ErrorKind::Closed, true),
        (Some(Condition::UnauthorizedAccess), ErrorKind::NotPermitted, false),
        (Some(Condition::NotAllowed), ErrorKind::NotPermitted, false),
        (Some(Condition::NotFound), ErrorKind::NotFound, false),
    ] {
        let (client, server) = pair();
        let closing = match condition.clone() {
            Some(condition) => {
                let error = AmqpError::new(condition).with_description("Connection forced");
                run(move || server.close_with(error))
            }
            None => run(move || server.close()),
        };
        client.closed();
        closing.join().unwrap().unwrap();
        let error = client.session().unwrap_err();
        assert_eq!((error.condition(), error.kind()), (condition.as_ref(), kind), "{error}");
        assert_eq!(error.is_transient(), is_transient, "{error}");
        assert!(error.to_string().starts_with("the connection was ended by the peer"), "{error}");
    }
}

/// [2.7.3] [2.8.14]: a refusal of a link says whether to try again, and hints at the one mistake that is likely.
#[test]
fn a_link_that_is_refused_says_why() {
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
        let (client, server) = pair();
        let refusing = run(move || {
            let session = server.next_session().unwrap().unwrap().accept().unwrap();
            match session.next_link().unwrap().unwrap() {
                OfferedLink::Receiver(link) => link.refuse(error).unwrap(),
                other => panic!("{other:?}"),
            }
            (server, session)
        });
        let error = client.sender("jobs").attach().unwrap_err();
        let _kept = refusing.join().unwrap();
        assert_eq!((error.kind(), error.is_transient()), (kind, is_transient), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("the link was ended by the peer: amqp:") && text.contains(hint), "{text}");
    }
}

/// [2.7.1]: both ends say what they are, unless the application says something else.
#[test]
fn the_open_names_the_product() {
    let (client, server) = pair();
    for end in [&client, &server] {
        let properties = end.peer_open().unwrap().properties;
        assert_eq!(properties.get("product"), Some(&Value::from("amqp-proto")));
        assert!(properties.get("version").is_some() && properties.get("platform").is_some());
    }
    let own: Fields = [(Symbol::from("product"), Value::from("meter"))].into_iter().collect();
    let (_client, server) =
        pair_with(ConnectionOptions::new().with_properties(own.clone()), Acceptor::default());
    assert_eq!(server.peer_open().unwrap().properties, own);
}
