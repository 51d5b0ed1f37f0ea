//! Connections to servers that are no brokers: the error names them, in bounded time.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use super::common::strangers::{STRANGERS, closed_port, mute};
use crate::adapter;
use crate::amqp::wire::Condition;
use crate::amqp::{Connection, ConnectionOptions, Error, Origin};

#[adapter::helper]
async fn open(at: SocketAddr, options: ConnectionOptions) -> Error {
    Connection::open_with(&format!("amqp://{at}"), options).await.map(|_: Connection| ()).unwrap_err()
}

#[adapter::test]
async fn a_closed_port_is_told_by_the_system() {
    let error = open(closed_port(), ConnectionOptions::new()).await;
    let Error::Io(io) = &error else { panic!("{error:?}") };
    assert_eq!((io.kind(), error.origin()), (ErrorKind::ConnectionRefused, None));
}

#[adapter::test]
async fn an_unknown_host_is_told_by_the_system() {
    let opened = Connection::open("amqp://no-such-host.invalid").await;
    assert!(matches!(opened, Err(Error::Io(_))));
}

/// H-HDR-05: another protocol is recognised by its first octets.
#[adapter::test]
async fn another_protocol_or_an_early_end_is_named() {
    for stranger in STRANGERS {
        let error = open(stranger.listen(), ConnectionOptions::new()).await;
        assert!(matches!(error, Error::Connection(_)), "{error:?}");
        assert_eq!((error.origin(), error.condition()), (Some(Origin::Transport), None));
        assert!(error.to_string().contains(stranger.words), "{error}, not {}", stranger.words);
    }
}

#[adapter::test]
async fn a_server_that_never_answers_is_given_up() {
    let error = open(mute(), ConnectionOptions::new().with_open_timeout(Duration::from_millis(50))).await;
    assert!(matches!(error, Error::Connection(_)), "{error:?}");
    assert_eq!(
        (error.origin(), error.condition()),
        (Some(Origin::Local), Some(&Condition::ResourceLimitExceeded))
    );
    let words = "timed out waiting for the peer's open: the peer sent nothing; it may expect TLS (amqp://";
    assert!(error.to_string().starts_with(words), "{error}");
}
