//! Half-closed sockets, and peers that do not answer: each wait ends.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use super::common::{pair_with, sending};
use crate::adapter::{self, both};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::wire::Outcome;
use crate::amqp::{Acceptor, Connection, ConnectionOptions, Error, Origin};

/// A half-closed socket ends both connections; messages accepted before stay accepted.
#[adapter::test]
async fn a_socket_that_is_half_closed_ends_both_connections() {
    for is_server in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let half = if is_server { far.try_clone() } else { near.try_clone() }.unwrap();
        let (near, far) = (adapter::socket(near), adapter::socket(far));
        let connect = async { Connection::over(near, ConnectionOptions::new()).await.unwrap() };
        let accept = async { Connection::accept(far, &Acceptor::default()).await.unwrap() };
        let (client, server) = both(connect, accept).await;
        let by_hand = ReceiverOptions::new().with_auto_accept(false);
        let (sender, receiver, _session) = sending(client.sender("jobs"), &server, by_hand).await;
        let first = sender.send_queued("first").await.unwrap();
        let second = sender.send_queued("second").await.unwrap();
        receiver.recv().await.unwrap().unwrap().accept().unwrap();
        let kept = receiver.recv().await.unwrap().unwrap();
        assert_eq!(first.outcome().await.unwrap(), Outcome::Accepted);
        half.shutdown(Shutdown::Write).unwrap();
        let lost = second.outcome().await;
        assert!(matches!(lost, Err(Error::Lost(end)) if end.origin() == Origin::Transport));
        kept.into_undecided();
        assert_eq!(client.closed().await.origin(), Origin::Transport);
        assert_eq!(server.closed().await.origin(), Origin::Transport);
        assert!(matches!(receiver.recv().await, Err(_) | Ok(None)));
        assert!(server.next_session().await.is_err());
    }
}

/// Calls that the peer does not answer time out; the connection goes on.
#[adapter::test]
async fn a_peer_that_does_not_answer_is_given_up() {
    let options = ConnectionOptions::new().with_reply_timeout(Duration::from_millis(100));
    let (client, _server) = pair_with(options, Acceptor::default()).await;
    // The server never accepts an offer.
    assert!(matches!(client.session().await, Err(Error::TimedOut)));
    assert!(matches!(client.sender("jobs").attach().await, Err(Error::TimedOut)));
    assert!(matches!(client.receiver("jobs").attach().await, Err(Error::TimedOut)));
    client.close().await.unwrap();
}
