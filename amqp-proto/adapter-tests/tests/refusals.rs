//! Links, sessions and connections that the peer refuses or ends: every wait ends with a reason.

use super::common::{link, next_receiver, next_session, pair};
use crate::adapter::{self, both, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::wire::{AmqpError, Condition};
use crate::amqp::{Error, OfferedLink, Origin};

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
