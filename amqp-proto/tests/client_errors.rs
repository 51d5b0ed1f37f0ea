//! Errors of an adapter's calls: the text, the kind, and whether the same call may succeed later.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::error::Error as _;
use std::io;

use amqp_proto::client::{CloseReason, Error, ErrorKind};
use amqp_proto::config::Ungranted;
use amqp_proto::policy::RequestError;
use amqp_proto::types::{Limits, Value};
use amqp_proto::wire::{AmqpError, Condition, Modified, NotAccepted, Outcome, Rejected};
use amqp_proto::{
    FlowError, LinkError, Origin, ReadError, SendError, SessionError, SettleError, StaleKey, TransactionError,
};
use bytes::Bytes;

fn check(error: impl Into<Error>, kind: ErrorKind, is_transient: bool, text: &str) {
    let error = error.into();
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!((error.kind(), error.is_transient()), (kind, is_transient), "{error}");
}

/// A call that cannot be made says why; only credit, windows and queues come back by themselves.
#[test]
fn calls_that_cannot_be_made_say_why() {
    check(StaleKey, ErrorKind::State, false, "the session, link or delivery no longer exists");
    check(SessionError::NotOpen, ErrorKind::State, false, "cannot use the session: ");
    check(LinkError::Detached, ErrorKind::State, false, "cannot use the link: ");
    check(SendError::NoCredit, ErrorKind::State, true, "cannot send the message: ");
    check(SendError::WindowClosed, ErrorKind::State, true, "cannot send the message: ");
    check(SendError::Full, ErrorKind::State, true, "cannot send the message: ");
    check(SendError::Detached, ErrorKind::State, false, "cannot send the message: ");
    check(SettleError::Settled, ErrorKind::State, false, "cannot settle the delivery: ");
    check(TransactionError::Discharged, ErrorKind::State, false, "cannot use the transaction: ");
    check(ReadError::NoDelivery, ErrorKind::State, false, "cannot read the delivery: ");
    check(FlowError::Detached, ErrorKind::State, false, "cannot grant credit: ");
    check(FlowError::Full, ErrorKind::State, true, "cannot send properties of the link: ");
    check(RequestError::Full, ErrorKind::State, true, "cannot send the request: ");
    check(RequestError::NoAddress, ErrorKind::InvalidInput, false, "cannot send the request: ");
    let missing = Error::Ungranted([Ungranted::Durability, Ungranted::Expiry].into());
    check(missing, ErrorKind::State, false, "the peer does not grant durability, ");
}

/// [3.4]: what is known of a message, and of a transaction [4.4], is in the error.
#[test]
fn messages_and_transactions_without_success_say_what_is_known() {
    let temporary = || Box::new(AmqpError::new(Condition::ResourceLimitExceeded));
    let lasting = || Box::new(AmqpError::new(Condition::NotFound));
    let refused = |error| NotAccepted(Box::new(Outcome::Rejected(Rejected { error })));
    check(NotAccepted(Box::new(Outcome::Released)), ErrorKind::NotAccepted, true, "not accepted: released");
    let failed = Outcome::from(Modified::failed());
    check(NotAccepted(Box::new(failed)), ErrorKind::NotAccepted, true, "delivery failed");
    check(refused(None), ErrorKind::NotAccepted, false, "not accepted: rejected");
    check(refused(Some(temporary())), ErrorKind::NotAccepted, true, "amqp:resource-limit-exceeded");
    check(refused(Some(lasting())), ErrorKind::NotAccepted, false, "amqp:not-found");
    check(Error::Undecided, ErrorKind::OutcomeUnknown, false, "settled the delivery without an outcome");
    check(Error::Unconfirmed, ErrorKind::OutcomeUnknown, true, "timed out waiting for the outcome");
    check(Error::Aborted, ErrorKind::Message, false, "the sender aborted the message");
    check(Error::TimedOut, ErrorKind::TimedOut, true, "timed out waiting for the peer");
    check(Error::RolledBack(temporary()), ErrorKind::RolledBack, true, "the transaction was rolled back: ");
    check(Error::RolledBack(lasting()), ErrorKind::RolledBack, false, "the transaction was rolled back: ");
    check(
        Error::Undeclared(lasting()),
        ErrorKind::Peer,
        false,
        "the coordinator has declared no transaction: ",
    );
    let doubt = Error::InDoubt(CloseReason::unwritten());
    check(doubt, ErrorKind::OutcomeUnknown, false, "the transaction may be committed or rolled back: ");
    let broken = Value::decode(&mut Bytes::from_static(&[0x71]), &Limits::DEFAULT).unwrap_err();
    check(broken, ErrorKind::Message, false, "malformed message: ");
}

/// [2.4.3]: the end of a connection, session or link is in each error that it causes.
#[test]
fn the_end_of_an_endpoint_is_in_the_error() {
    let end = CloseReason::unwritten;
    for (error, text) in [
        (Error::Connection(end()), "the connection was ended by this end: "),
        (Error::Session(end()), "the session was ended by this end: "),
        (Error::Link(end()), "the link was ended by this end: "),
        (Error::Lost(end()), "the outcome of the delivery is unknown: ended by this end: "),
        (Error::Interrupted(end()), "the connection is interrupted: ended by this end: "),
    ] {
        assert!(error.to_string().starts_with(text), "{error}");
        assert_eq!((error.origin(), error.is_remote()), (Some(Origin::Local), false));
        assert_eq!(error.condition(), Some(&Condition::ResourceLimitExceeded));
        assert!(error.description().unwrap().contains("before all sent messages were written"));
        assert!(error.info().unwrap().is_empty());
        assert!(error.sasl().is_none() && error.redirect().is_none());
        let kind =
            if matches!(error, Error::Lost(_)) { ErrorKind::OutcomeUnknown } else { ErrorKind::Protocol };
        assert_eq!(error.kind(), kind);
    }
    assert_eq!((Error::Gone.origin(), Error::Gone.condition(), Error::Gone.info()), (None, None, None));
}

/// An error of the system says that it is one; a wrong argument or a wrong protocol will not pass.
#[test]
fn errors_of_the_system_are_named() {
    check(io::Error::from(io::ErrorKind::ConnectionRefused), ErrorKind::Transport, true, "I/O error: ");
    check(io::Error::from(io::ErrorKind::TimedOut), ErrorKind::TimedOut, true, "I/O error: ");
    check(io::Error::new(io::ErrorKind::InvalidInput, "no name"), ErrorKind::InvalidInput, false, "no name");
    check(io::Error::new(io::ErrorKind::InvalidData, "no TLS"), ErrorKind::Transport, false, "no TLS");
    let cause = io::Error::other(io::Error::other("the cause"));
    assert!(Error::from(cause).source().is_none());
    assert!(Error::Gone.source().is_none());
}
