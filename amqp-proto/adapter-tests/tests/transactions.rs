//! Transactions, from end to end: the client's handles, and a server that coordinates.

use super::common::engine::Engine;
use super::common::port::Port;
use super::common::{next_commit, next_coordinator, next_receiver, next_session, pair, pair_with};
use crate::adapter::{self, both, on_thread, spawn};
use crate::amqp::config::{OnDrop, ReceiverOptions, SenderOptions};
use crate::amqp::proto::Event;
use crate::amqp::types::TransactionId;
use crate::amqp::wire::{AmqpError, Condition, Coordinator as CoordinatorTarget, Outcome};
use crate::amqp::{
    Acceptor, Connection, ConnectionOptions, Coordinator, CoordinatorEvent, Error, ErrorKind, OfferedLink,
    Receiver, Sender, Session, Transaction,
};

/// A client with a session and a transaction, and the server's end of it.
struct World {
    client: Session,
    transaction: Transaction,
    id: TransactionId,
    server: Session,
    coordinator: Coordinator,
    ends: (Connection, Connection),
}

#[adapter::helper]
async fn world_with(options: ConnectionOptions) -> World {
    let (client, server) = pair_with(options, Acceptor::default()).await;
    let declare = async {
        let session = client.session().await.unwrap();
        let transaction = session.transaction().await.unwrap();
        (session, transaction)
    };
    let serve = async {
        let session = next_session(&server).await;
        let coordinator = next_coordinator(&session).await;
        let Some(CoordinatorEvent::Declared(id)) = coordinator.next().await.unwrap() else { panic!("an id") };
        (session, coordinator, id)
    };
    let ((near, transaction), (far, coordinator, id)) = both(declare, serve).await;
    assert_eq!(transaction.id(), id);
    World { client: near, transaction, id, server: far, coordinator, ends: (client, server) }
}

#[adapter::helper]
async fn world() -> World {
    world_with(ConnectionOptions::new()).await
}

#[adapter::helper]
async fn next_rollback(coordinator: &Coordinator) -> TransactionId {
    match coordinator.next().await.unwrap() {
        Some(CoordinatorEvent::RolledBack(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// Attaches a link on which the client sends.
#[adapter::helper]
async fn outgoing(client: &Session, server: &Session) -> (Sender, Receiver) {
    let attach = async { client.sender("out").attach().await.unwrap() };
    both(attach, async { next_receiver(server, ReceiverOptions::new()).await }).await
}

/// Attaches a link on which the client receives.
#[adapter::helper]
async fn incoming(client: &Session, server: &Session) -> (Receiver, Sender) {
    let attach = async { client.receiver("in").attach().await.unwrap() };
    let accept = async {
        let Some(OfferedLink::Sender(link)) = server.next_link().await.unwrap() else { panic!("a sender") };
        link.accept().unwrap()
    };
    both(attach, accept).await
}

/// X-POST-04: a message of the transaction names it, and its sender learns what becomes of it at the commit.
#[adapter::test]
async fn x_post_04_a_message_is_posted_and_committed() {
    let World { client, transaction, id, server, coordinator, ends } = world().await;
    let (sender, receiver) = outgoing(&client, &server).await;
    let send = async { transaction.send(&sender, "x").await.unwrap() };
    let receive = async {
        let delivery = receiver.recv().await.unwrap().unwrap();
        assert!(delivery.state().is_some());
        assert!(receiver.coordinates(&id));
        delivery.accept().unwrap();
    };
    let (outcome, ()) = both(send, receive).await;
    assert_eq!(outcome, Outcome::Accepted);
    let mut is_applied = false;
    let committed = spawn(async move { transaction.commit().await });
    let request = next_commit(&coordinator).await;
    assert_eq!((request.id(), request.settled_postings()), (id.clone(), 0));
    request.commit(|| is_applied = true).unwrap();
    committed.join().await.unwrap().unwrap();
    assert!(is_applied && !receiver.coordinates(&id));
    drop(ends);
}

/// X-RET-01, X-RET-03: a message that is accepted in the transaction is accepted at the commit. After a rollback it is
/// released, and so it is when the transaction is dropped.
#[adapter::test]
async fn x_ret_03_a_message_is_retired() {
    for end in ["commit", "rollback", "drop"] {
        let World { client, transaction, server, coordinator, ends, .. } = world().await;
        let (receiver, sender) = incoming(&client, &server).await;
        let sent = sender.send_queued("x").await.unwrap();
        let delivery = receiver.recv().await.unwrap().unwrap();
        transaction.accept(delivery).unwrap();
        let expected = match end {
            "commit" => {
                let committed = spawn(async move { transaction.commit().await });
                let request = next_commit(&coordinator).await;
                assert!(sent.try_outcome().unwrap().is_none(), "before the commit");
                request.commit(|| ()).unwrap();
                committed.join().await.unwrap().unwrap();
                Outcome::Accepted
            }
            "rollback" => {
                let undone = spawn(async move { transaction.rollback().await });
                next_rollback(&coordinator).await;
                undone.join().await.unwrap().unwrap();
                Outcome::Released
            }
            _ => {
                drop(transaction);
                next_rollback(&coordinator).await;
                Outcome::Released
            }
        };
        assert_eq!(sent.outcome().await.unwrap(), expected, "{end}");
        drop(ends);
    }
}

/// A message that is not accepted, or a coordinator that refuses, rolls the transaction back, with the error.
#[adapter::test]
async fn a_commit_that_fails() {
    for refuses in [false, true] {
        let World { client, transaction, server, coordinator, ends, .. } = world().await;
        let (sender, receiver) = outgoing(&client, &server).await;
        let sent = transaction.send_queued(&sender, "x").await.unwrap();
        let committed = spawn(async move { transaction.commit().await });
        let delivery = receiver.recv().await.unwrap().unwrap();
        let error = AmqpError::new(Condition::PreconditionFailed);
        if refuses {
            delivery.accept().unwrap();
            next_commit(&coordinator).await.refuse(error);
        } else {
            delivery.reject(error).unwrap();
            next_rollback(&coordinator).await;
            assert!(!sent.outcome().await.unwrap().is_accepted());
        }
        let error = committed.join().await.unwrap().unwrap_err();
        assert!(
            matches!(&error, Error::RolledBack(error) if error.condition == Condition::PreconditionFailed),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::RolledBack);
        drop(ends);
    }
}

/// A commit whose answer is lost with the connection is in doubt, and is not asked for again, also by a connection that
/// is opened again.
#[adapter::test]
async fn a_lost_answer_is_in_doubt() {
    let World { transaction, coordinator, ends: (_client, server), .. } = world().await;
    let committed = spawn(async move { transaction.commit().await });
    let request = next_commit(&coordinator).await;
    let closed = spawn(async move { server.close_with(AmqpError::new(Condition::ConnectionForced)).await });
    let error = committed.join().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::InDoubt(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(!error.is_transient());
    let _ = closed.join().await.unwrap();
    assert!(matches!(request.commit(|| panic!("it is too late")), Err(Error::RolledBack(_))));
}

/// X-CTL-04: a transaction without a commit is rolled back when the control link is closed; the next one gets a new link.
#[adapter::test]
async fn x_ctl_04_the_end_of_the_control_link() {
    let World { client, transaction, id, server, coordinator, ends } = world().await;
    drop(coordinator);
    // The client learns of another link behind that.
    let (sender, receiver) = outgoing(&client, &server).await;
    let error = transaction.commit().await.unwrap_err();
    assert!(matches!(error, Error::RolledBack(_)), "{error}");
    // The answer to the end of the control link arrives before another link.
    let behind = outgoing(&client, &server).await;
    assert!(!receiver.coordinates(&id));
    drop(behind);
    let declare = async { client.transaction().await.unwrap() };
    let (again, coordinator) = both(declare, async {
        let coordinator = next_coordinator(&server).await;
        assert!(matches!(coordinator.next().await.unwrap(), Some(CoordinatorEvent::Declared(_))));
        coordinator
    })
    .await;
    assert_ne!(again.id(), id);
    drop((again, sender));
    next_rollback(&coordinator).await;
    drop(ends);
}

/// One control link serves all transactions of a session, and the session's end closes it.
#[adapter::test]
async fn transactions_share_a_control_link() {
    let World { client, transaction, coordinator, ends, .. } = world().await;
    let next = client.transaction().await.unwrap();
    assert!(matches!(coordinator.next().await.unwrap(), Some(CoordinatorEvent::Declared(_))));
    assert_ne!(next.id(), transaction.id());
    drop((next, transaction));
    next_rollback(&coordinator).await;
    next_rollback(&coordinator).await;
    drop(client);
    assert!(coordinator.next().await.unwrap().is_none());
    drop(ends);
}

/// X-CTL-05: a peer without a coordinator refuses the control link; each attempt says so.
#[adapter::test]
async fn x_ctl_05_no_coordinator() {
    let (client, server) = pair().await;
    let begin = async { client.session().await.unwrap() };
    let (session, theirs) = both(begin, async { next_session(&server).await }).await;
    for _ in 0..2 {
        let refuse = async {
            let link = theirs.next_link().await.unwrap().unwrap();
            link.refuse(Condition::NotImplemented).unwrap();
        };
        let (declared, ()) = both(async { session.transaction().await }, refuse).await;
        let error = declared.unwrap_err();
        assert_eq!(error.condition(), Some(&Condition::NotImplemented), "{error}");
    }
}

/// Work with the links of another connection is refused, and the message goes back.
#[adapter::test]
async fn no_work_on_another_connection() {
    let World { transaction, ends, .. } = world().await;
    let World { client, server, ends: others, .. } = world().await;
    let (sender, _receiver) = outgoing(&client, &server).await;
    let error = transaction.send(&sender, "x").await.unwrap_err();
    assert!(matches!(error, Error::Transaction(_)), "{error}");
    let (receiver, far) = incoming(&client, &server).await;
    let sent = far.send_queued("x").await.unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    assert!(matches!(transaction.accept(delivery).unwrap_err(), Error::Transaction(_)));
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);
    drop((ends, others));
}

/// A message that keeps its state when it is dropped keeps it after a rollback, too.
#[adapter::test]
async fn a_kept_message_stays_unsettled() {
    let World { client, transaction, server, coordinator, ends, .. } = world().await;
    let attach = async { client.receiver("in").with_on_drop(OnDrop::Keep).attach().await.unwrap() };
    let accept = async {
        let Some(OfferedLink::Sender(link)) = server.next_link().await.unwrap() else { panic!("a sender") };
        link.accept().unwrap()
    };
    let (receiver, sender) = both(attach, accept).await;
    let sent = sender.send_queued("x").await.unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    let key = delivery.key();
    transaction.reject(delivery, None).unwrap();
    let undone = spawn(async move { transaction.rollback().await });
    next_rollback(&coordinator).await;
    undone.join().await.unwrap().unwrap();
    receiver.accept(key).unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    drop(ends);
}

/// A peer that declares and rolls back while the application takes no report loses its control link: the reports are
/// bounded.
#[adapter::test]
async fn reports_that_nobody_takes_are_bounded() {
    let port = Port::bind();
    let address = port.address();
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let options = SenderOptions::to_coordinator(CoordinatorTarget::default());
        let mut session = client.amqp.session(client.session).unwrap();
        let control = session.attach_sender("control", options).unwrap();
        client.until(|event| matches!(event, Event::LinkAttached(_)).then_some(()));
        let ended = |event: &Event| match event {
            Event::LinkDetached { reason, .. } => Some(reason.error.clone().unwrap().condition),
            _ => None,
        };
        for _ in 0..5_000 {
            let Ok(mut control) = client.amqp.sender(control) else { break };
            let Ok(transaction) = control.declare() else { break };
            let declared = client.until(|event| match event {
                Event::Declared(_) => Some(true),
                Event::Undeclared { .. } => Some(false),
                _ => None,
            });
            if !declared {
                return client.until(ended);
            }
            let Ok(mut transaction) = client.amqp.transaction(transaction) else { break };
            transaction.rollback(None).unwrap();
            client.until(|event| matches!(event, Event::RolledBack { .. }).then_some(()));
        }
        client.until(ended)
    });
    let (server, _cable) = port.accept().await;
    let session = next_session(&server).await;
    let coordinator = next_coordinator(&session).await;
    assert_eq!(client.join().await.unwrap(), Condition::ResourceLimitExceeded);
    let mut taken = 0;
    while let Ok(Some(_)) = coordinator.next().await {
        taken += 1;
    }
    // The client may have made one more before it saw the end.
    assert!((4_097..=4_098).contains(&taken), "{taken}");
}
