//! Connecting to something that is no broker: the error says what it is, in bounded time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[path = "../../amqp-blocking/tests/common/strangers.rs"]
mod strangers;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use amqp_tokio::wire::Condition;
use amqp_tokio::{Connection, ConnectionOptions, Error, Origin};
use strangers::{STRANGERS, mute, nobody};

async fn open(at: SocketAddr, options: ConnectionOptions) -> Error {
    Connection::open_with(&format!("amqp://{at}"), options).await.map(|_: Connection| ()).unwrap_err()
}

#[tokio::test]
async fn nobody_listens() {
    let error = open(nobody(), ConnectionOptions::new()).await;
    let Error::Io(io) = &error else { panic!("{error:?}") };
    assert_eq!((io.kind(), error.origin()), (ErrorKind::ConnectionRefused, None));
}

#[tokio::test]
async fn somebody_who_speaks_something_else_or_hangs_up() {
    for stranger in STRANGERS {
        let error = open(stranger.listen(), ConnectionOptions::new()).await;
        assert!(matches!(error, Error::Connection(_)), "{error:?}");
        assert_eq!((error.origin(), error.condition()), (Some(Origin::Transport), None));
        assert!(error.to_string().contains(stranger.words), "{error}, not {}", stranger.words);
    }
}

#[tokio::test]
async fn somebody_who_never_answers() {
    let error = open(mute(), ConnectionOptions::new().with_open_timeout(Duration::from_millis(50))).await;
    assert!(matches!(error, Error::Connection(_)), "{error:?}");
    assert_eq!(
        (error.origin(), error.condition()),
        (Some(Origin::Local), Some(&Condition::ResourceLimitExceeded))
    );
    let words =
        "timed out waiting for the peer's open: it has said nothing, perhaps the port speaks TLS (amqp://";
    assert!(error.to_string().starts_with(words), "{error}");
}
