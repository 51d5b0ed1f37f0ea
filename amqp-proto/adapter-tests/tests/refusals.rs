//! Links, sessions and connections that the peer refuses or ends: every wait ends with a reason.

use super::common::{link, next_receiver, next_session, pair, pair_with, sending};
use crate::adapter::{self, both, pause, pipe, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::types::Limits;
use crate::amqp::wire::{AmqpError, Condition, Outcome};
use crate::amqp::{Acceptor, Connection, ConnectionOptions, Error, MemoryPool, OfferedLink, Origin};

/// L-ATT-05: the error of a refused link names the end that refused it, and the reason.
#[adapter::test]
async fn a_link_that_is_refused() {
    let (client, server) = pair().await;
    let attach = async { client.receiver("nowhere").attach().await.unwrap_err() };
    let refuse = async {
        let session = next_session(&server).await;
        let link = session.next_link().await.unwrap().unwrap();
        let OfferedLink::Sender(sender) = &link else { panic!("{link:?}") };
        assert_eq!(sender.address(), link.peer_attach().unwrap().source.unwrap().address);
        assert_eq!(sender.address().as_deref(), Some("nowhere"));
        link.refuse(AmqpError::new(Condition::NotFound).with_description("no such queue")).unwrap();
        session
    };
    let (error, _session) = both(attach, refuse).await;
    assert!(matches!(error, Error::Link(_)) && error.is_remote());
    assert_eq!(error.condition(), Some(&Condition::NotFound));
    assert_eq!(error.description().map(|words| words.as_str()), Some("no such queue"));
    client.close().await.unwrap();
}

#[adapter::test]
async fn a_link_that_the_peer_closes_ends_all_that_waits_for_it() {
    let (sender, receiver, (client, _server, _session)) =
        link(ReceiverOptions::new().with_auto_accept(true)).await;
    receiver.set_credit(0).unwrap();
    let sent = sender.try_send("job").ok();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let sender = sender.clone();
        waiting.push(spawn(async move {
            for _ in 0..200 {
                if let Err(error) = sender.send("job").await {
                    return error;
                }
            }
            panic!("the link goes on");
        }));
    }
    receiver.close_with(AmqpError::new(Condition::DetachForced)).await.unwrap();
    for waiting in waiting {
        let error = waiting.join().await.unwrap();
        assert_eq!(error.condition(), Some(&Condition::DetachForced), "{error}");
        assert!(error.is_remote());
    }
    // M-STATE-07: closing has released the message if it had arrived.
    if let Some(sent) = sent {
        assert!(!sent.outcome().await.is_ok_and(|outcome| outcome.is_accepted()));
    }
    client.close().await.unwrap();
}

#[adapter::test]
async fn a_session_that_the_peer_ends() {
    let (client, server) = pair().await;
    let begin = async { client.session().await.unwrap() };
    let (session, theirs) = both(begin, async { next_session(&server).await }).await;
    let attach = async { session.sender("jobs").attach().await.unwrap() };
    let accept = async { next_receiver(&theirs, ReceiverOptions::new()).await };
    let (sender, _receiver) = both(attach, accept).await;
    theirs.end_with(AmqpError::new(Condition::WindowViolation)).await.unwrap();
    let error = sender.send("job").await.unwrap_err();
    assert!(matches!(error, Error::Session(_)), "it is the session that is over: {error:?}");
    assert_eq!(error.condition(), Some(&Condition::WindowViolation));
    assert!(matches!(session.sender("more").attach().await, Err(Error::Session(_))));
    assert!(client.is_open());
    client.close().await.unwrap();
}

/// An end carries an error, and waits for the peer's end.
#[adapter::test]
async fn a_session_is_ended_with_a_reason() {
    let (client, server) = pair().await;
    let begin = async { client.session().await.unwrap() };
    let (near, far) = both(begin, async { next_session(&server).await }).await;
    near.end_with(AmqpError::new(Condition::WindowViolation)).await.unwrap();
    let error = far.next_link().await.unwrap_err();
    assert_eq!(error.condition(), Some(&Condition::WindowViolation));
}

/// A connection without handles is closed, and its peer learns that.
#[adapter::test]
async fn dropping_all_handles_closes_the_connection() {
    let (sender, receiver, (client, server, _session)) = link(ReceiverOptions::new()).await;
    drop(client);
    assert!(server.is_open());
    drop(sender);
    assert!(receiver.recv().await.unwrap().is_none());
    let ended = server.closed().await;
    assert_eq!((ended.origin(), ended.error()), (Origin::Remote, None));
}

/// Connections share the memory of a server: who finds too little is refused, and accepted once another has gone.
#[adapter::test]
async fn a_connection_without_memory() {
    let limits = Limits::default().with_memory(1 << 20);
    let pool = MemoryPool::new(5 << 19);
    let acceptor = Acceptor::new(ConnectionOptions::new().with_limits(limits)).with_memory_pool(&pool);
    let one = pair_with(ConnectionOptions::new(), acceptor.clone()).await;
    let two = pair_with(ConnectionOptions::new(), acceptor.clone()).await;
    assert_eq!(pool.left(), 1 << 19);
    let (near, far) = pipe();
    let connect = async { Connection::over(near, ConnectionOptions::new()).await };
    let (client, server) = both(connect, async { Connection::accept(far, &acceptor).await }).await;
    let (client, server) = (client.unwrap_err(), server.unwrap_err());
    assert!(matches!(client, Error::Connection(_)) && client.is_remote() && !server.is_remote());
    for error in [client, server] {
        assert_eq!(error.condition(), Some(&Condition::ResourceLimitExceeded));
    }
    assert_eq!(pool.left(), 1 << 19);
    one.0.close().await.unwrap();
    drop(one);
    while pool.left() == 1 << 19 {
        pause().await;
    }
    let again = pair_with(ConnectionOptions::new(), acceptor).await;
    assert_eq!(pool.left(), 1 << 19);
    for (client, server) in [&two, &again] {
        let (sender, receiver, _session) =
            sending(client.sender("jobs"), server, ReceiverOptions::new().with_auto_accept(true)).await;
        let send = async { sender.send("job").await.unwrap() };
        let (outcome, ()) = both(send, async { drop(receiver.recv().await.unwrap().unwrap()) }).await;
        assert_eq!(outcome, Outcome::Accepted);
    }
}

/// A client that fills its share of the memory is slowed down, and the others go on.
#[adapter::test]
async fn a_full_connection_leaves_the_others_their_memory() {
    let limits = Limits::default().with_memory(1 << 20);
    let pool = MemoryPool::new(2 << 20);
    let acceptor = Acceptor::new(ConnectionOptions::new().with_limits(limits)).with_memory_pool(&pool);
    let one = pair_with(ConnectionOptions::new(), acceptor.clone()).await;
    let two = pair_with(ConnectionOptions::new(), acceptor).await;
    let options = ReceiverOptions::new().with_prefetch(10_000);
    let (greedy, unread, _session) = sending(one.0.sender("jobs"), &one.1, options).await;
    let (mut sent, mut refused) = (Vec::new(), 0);
    while refused < 50 {
        match greedy.try_send(vec![7; 1_000]) {
            Ok(message) => {
                sent.push(message);
                refused = 0;
            }
            Err(_) => {
                refused += 1;
                pause().await;
            }
        }
        assert!(sent.len() < 2_000, "the memory bounds nothing");
    }
    let (sender, receiver, _session) =
        sending(two.0.sender("jobs"), &two.1, ReceiverOptions::new().with_auto_accept(true)).await;
    for _ in 0..200 {
        let send = async { sender.send(vec![7; 1_000]).await.unwrap() };
        let (outcome, ()) = both(send, async { drop(receiver.recv().await.unwrap().unwrap()) }).await;
        assert_eq!(outcome, Outcome::Accepted);
    }
    for message in sent {
        unread.recv().await.unwrap().unwrap().accept().unwrap();
        assert!(message.outcome().await.is_ok());
    }
    assert_eq!(pool.left(), 0);
}
