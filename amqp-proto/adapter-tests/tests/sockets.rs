//! Half-closed sockets, and peers that do not answer: each wait ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::common::{listener, next_client, pair_with, sending};
use crate::adapter::{self, both, on_thread, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::wire::{Condition, Outcome};
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

/// C-CLOSE-02, C-CLOSE-06 [2.4.3]: after its close for a fault, this end ends its half of the stream, and reads on until the
/// peer has answered and ended its half.
#[adapter::test]
async fn c_close_02_input_is_read_until_the_peer_has_answered() {
    let (listener, url) = listener().await;
    let server = spawn(async move { next_client(&listener).await.closed().await });
    let peer = on_thread(move || {
        let mut peer = TcpStream::connect(url.strip_prefix("amqp://").unwrap()).unwrap();
        peer.write_all(b"AMQP\0\x01\0\0").unwrap();
        peer.write_all(b"\0\0\0\x11\x02\0\0\0\0\x53\x10\xc0\x04\x01\xa1\x01p").unwrap();
        // The server's header, and the beginning of its open.
        peer.read_exact(&mut [0; 12]).unwrap();
        // A frame with the data offset 1.
        peer.write_all(b"\0\0\0\x08\x01\0\0\0").unwrap();
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).unwrap();
        // Longer than any other pause at the end of a connection.
        for _ in 0..15 {
            peer.write_all(b"\0\0\0\x08\x02\0\0\0").unwrap();
            thread::sleep(Duration::from_millis(100));
        }
        peer.write_all(b"\0\0\0\x0c\x02\0\0\0\0\x53\x18\x45").unwrap();
        answer
    });
    let end = server.join().await.unwrap();
    assert_eq!((end.origin(), end.condition()), (Origin::Local, Some(&Condition::FramingError)));
    let answer = peer.join().await.unwrap();
    let condition = b"amqp:connection:framing-error";
    assert!(answer.windows(condition.len()).any(|words| words == condition), "{answer:?}");
}
