//! Streams that break, stall or move single octets: nothing hangs, nothing spins, and each outcome is reported once.
//!
//! The clock is virtual and moves only when every task waits. So a driver that waits for nothing meets the test's
//! deadline, and a driver that spins fails by the number of its calls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::ErrorKind;
use std::time::Duration;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::types::Limits;
use amqp_tokio::wire::{AmqpError, Condition, Outcome};
use amqp_tokio::{
    Acceptor, Connection, ConnectionOptions, Error, Origin, Outgoing, Receiver, Sender, Session,
};
use common::receiver;
use common::valve::{Hold, Valve, Way};

/// Bounds a wait that could last for ever.
async fn bounded<F: Future>(future: F) -> F::Output {
    let day = Duration::from_secs(24 * 3600);
    tokio::time::timeout(day, future).await.expect("a wait without an end")
}

/// A client behind a valve, and a server.
async fn valved(options: ConnectionOptions) -> (Connection, Connection, Hold) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (near, hold) = Valve::new(near);
    let acceptor = Acceptor::default();
    let (client, server) = tokio::join!(Connection::over(near, options), Connection::accept(far, &acceptor));
    (client.unwrap(), server.unwrap(), hold)
}

async fn sending(client: &Connection, server: &Connection) -> (Sender, Receiver, Session) {
    let options = ReceiverOptions::new().with_auto_accept(false).with_prefetch(1_000);
    common::sending(client, server, options).await
}

/// Lets all tasks run until they wait, and passes all early timers, which could hide a missing wake-up.
async fn rest() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// Options with a small output limit.
fn narrow() -> ConnectionOptions {
    let limits = Limits::DEFAULT.with_output_octets(4096).with_output_octets_hard(4096);
    ConnectionOptions::new().with_limits(limits)
}

/// Checks the fate of a delivery: accepted, or lost with the transport.
fn is_accepted(outcome: Result<Outcome, Error>) -> bool {
    match outcome {
        Ok(Outcome::Accepted) => true,
        Err(Error::Lost(ended)) if ended.origin() == Origin::Transport => false,
        other => panic!("{other:?}"),
    }
}

/// Sends three messages from a client to a server that accepts them, until the client's input ends.
async fn exchange(cut: Way) -> (usize, bool) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (near, hold) = Valve::new(near);
    hold.read(cut);
    let server = tokio::spawn(async move {
        let server = Connection::accept(far, &Acceptor::default()).await?;
        while let Some(offered) = server.next_session().await? {
            let session = offered.accept()?;
            let receiver = receiver(&session, ReceiverOptions::new().with_auto_accept(true)).await;
            while receiver.recv().await?.is_some() {}
        }
        Ok::<(), Error>(())
    });
    let client = async {
        let client = Connection::over(near, ConnectionOptions::new().without_sasl()).await?;
        let sender = client.sender("jobs").await?;
        let mut sent = Vec::new();
        for _ in 0..3 {
            sent.push(sender.send_queued("job").await?);
        }
        let mut accepted = 0;
        for sent in sent {
            accepted += usize::from(is_accepted(sent.await));
        }
        assert!(accepted == 3 || sender.try_send("late").is_err());
        let end = client.closed().await;
        assert_eq!(end.origin(), Origin::Transport);
        if let Way::Left(_, Some(kind)) = cut {
            assert_eq!(end.io().map(std::io::Error::kind), Some(kind));
        }
        Ok::<usize, Error>(accepted)
    };
    let accepted = bounded(client).await;
    // The server learns of the end in all cases.
    let _ = bounded(server).await;
    let is_ended = accepted.as_ref().err().is_none_or(|error| error.ended().is_some());
    assert!(is_ended, "{accepted:?}");
    (accepted.unwrap_or(0), hold.calls() < 1_000)
}

/// EOF or a reset after any octet: each wait ends, and earlier reports stay true.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn input_that_ends_anywhere() {
    for kind in [None, Some(ErrorKind::ConnectionReset)] {
        let mut before = 0;
        for octets in 0..2_000 {
            let (accepted, is_calm) = exchange(Way::Left(octets, kind)).await;
            assert!(accepted >= before && is_calm, "{accepted} were accepted of {octets} octets");
            before = accepted;
            if accepted == 3 {
                break;
            }
        }
        assert_eq!(before, 3);
    }
}

/// Input that arrived before the peer disappeared is read, although output fails.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn output_that_breaks_before_input() {
    for kind in [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset] {
        let (client, server, hold) = valved(ConnectionOptions::new()).await;
        let (sender, receiver, _session) = sending(&client, &server).await;
        let first = sender.send_queued("first").await.unwrap();
        rest().await;
        hold.read(Way::Stalled);
        receiver.recv().await.unwrap().unwrap().accept().unwrap();
        rest().await;
        hold.write(Way::Broken(kind));
        hold.read(Way::Open);
        let second = sender.send_queued("second").await.unwrap();
        let (first, second) = bounded(async { (first.await, second.await) }).await;
        assert!(is_accepted(first) && !is_accepted(second));
        let end = bounded(client.closed()).await;
        assert_eq!((end.origin(), end.io().map(std::io::Error::kind)), (Origin::Transport, Some(kind)));
        bounded(client.close()).await.unwrap_err();
        assert!(bounded(client.session()).await.is_err());
    }
}

/// The reason in the peer's close is reported, although the transport breaks after it.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn the_last_words_of_a_peer() {
    let (client, server, hold) = valved(ConnectionOptions::new()).await;
    let (sender, _receiver, _session) = sending(&client, &server).await;
    hold.read(Way::Stalled);
    let closing = tokio::spawn(async move { server.close_with(AmqpError::new(Condition::NotAllowed)).await });
    rest().await;
    let sent = sender.send_queued("job").await.unwrap();
    hold.write(Way::Broken(ErrorKind::BrokenPipe));
    hold.read(Way::Open);
    let Error::Lost(end) = bounded(sent).await.unwrap_err() else { panic!("it is lost") };
    assert_eq!((end.origin(), end.condition()), (Origin::Remote, Some(&Condition::NotAllowed)));
    bounded(closing).await.unwrap().unwrap();
}

/// A write of no octets ends the connection and is not repeated for ever; so does a failed flush.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn writes_of_nothing_and_flushes_that_fail() {
    for (write, flush, kind) in [
        (Way::Ended, Way::Open, ErrorKind::WriteZero),
        (Way::Open, Way::Broken(ErrorKind::BrokenPipe), ErrorKind::BrokenPipe),
    ] {
        let (client, server, hold) = valved(ConnectionOptions::new()).await;
        let (sender, _receiver, _session) = sending(&client, &server).await;
        hold.write(write);
        hold.flush(flush);
        assert!(!is_accepted(bounded(sender.send("job")).await));
        let end = bounded(client.closed()).await;
        assert_eq!(end.io().map(std::io::Error::kind), Some(kind));
        bounded(server.closed()).await;
    }
}

/// One octet for each call, or an interruption at every other call: slow, with the same result.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn octets_one_by_one_and_interruptions() {
    for way in [Way::Crumbs(1), Way::Interrupted(1), Way::Interrupted(usize::MAX)] {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (near, hold) = Valve::new(near);
        hold.read(way);
        hold.write(way);
        if let Way::Interrupted(_) = way {
            hold.flush(way);
        }
        let acceptor = Acceptor::default();
        let opened = async {
            tokio::join!(Connection::over(near, ConnectionOptions::new()), Connection::accept(far, &acceptor))
        };
        let (client, server) = bounded(opened).await;
        let (client, server) = (client.unwrap(), server.unwrap());
        let (sender, receiver, _session) = bounded(sending(&client, &server)).await;
        let receive = async {
            let delivery = receiver.recv().await.unwrap().unwrap();
            assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap().len(), 20_000);
            delivery.accept().unwrap();
        };
        let (outcome, ()) = bounded(async { tokio::join!(sender.send(vec![1; 20_000]), receive) }).await;
        assert_eq!(outcome.unwrap(), Outcome::Accepted);
        bounded(client.close()).await.unwrap();
    }
}

/// While the peer does not read: sending waits, memory stays within the limits, receiving continues, nothing spins,
/// and a close ends in time.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn a_peer_that_takes_nothing() {
    const LARGE: usize = 100_000;
    let (client, server, hold) = valved(ConnectionOptions::new()).await;
    let (sender, _receiver, far) = sending(&client, &server).await;
    let accept = async { common::sender(&far).await };
    let (answers, back) = tokio::join!(client.receiver("answers"), accept);
    let (answers, back) = (answers.unwrap(), back);
    rest().await;
    hold.write(Way::Stalled);
    let calls = hold.calls();
    let mut sent = Vec::new();
    while sent.len() < 100
        && let Ok(queued) = sender.try_send(vec![1; LARGE])
    {
        sent.push(queued);
    }
    // The output in the engine, and the output taken from it.
    let most = 2 * Limits::DEFAULT.output_octets() / LARGE + 2;
    assert!((1..=most).contains(&sent.len()), "{} are queued", sent.len());
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("more").await }
    });
    for _ in 0..20 {
        drop(back.send_queued("answer").await.unwrap());
        let _ = bounded(answers.recv()).await.unwrap().unwrap().into_undecided();
    }
    let idle = hold.calls();
    assert!(idle - calls < 1_000, "{} calls", idle - calls);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(hold.calls() - idle < 10, "{} calls for nothing", hold.calls() - idle);
    // The peer never reads the close, so it times out with an error (C-CLOSE-02).
    let error = bounded(client.close()).await.unwrap_err();
    assert!(error.to_string().contains("before all sent messages were written"), "{error}");
    for sent in sent {
        assert!(matches!(bounded(sent).await, Err(Error::Lost(_))));
    }
    assert!(bounded(waiting).await.unwrap().is_err());
    assert!(hold.calls() - idle < 100);
}

/// When the peer reads again, everything arrives.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn a_peer_that_stalls_for_a_while() {
    let (client, server, hold) = valved(narrow()).await;
    let (sender, receiver, _session) = sending(&client, &server).await;
    hold.write(Way::Stalled);
    let sends: Vec<_> = (0..20)
        .map(|_| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(vec![1; 10_000]).await.unwrap() })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(60)).await;
    hold.write(Way::Open);
    let receive = async {
        for _ in 0..20 {
            receiver.recv().await.unwrap().unwrap().accept().unwrap();
        }
    };
    bounded(receive).await;
    for sent in sends {
        assert_eq!(bounded(sent).await.unwrap(), Outcome::Accepted);
    }
}

/// Two ends whose output is full, each waiting for the other to read, do read.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn two_ends_that_are_full_at_once() {
    for octets in [4_500, 6_000, 7_500] {
        let options = narrow().with_frame_size(512);
        let (client, server) = common::pair_with(options.clone(), options, 100).await;
        let (there, from_client, far) = sending(&client, &server).await;
        let accept = async { common::sender(&far).await };
        let (from_server, back) = tokio::join!(client.receiver("answers"), accept);
        let from_server = from_server.unwrap();
        rest().await;
        let sends = async { tokio::join!(there.send(vec![1; octets]), back.send(vec![2; octets])) };
        let receives = async {
            let (one, other) = tokio::join!(from_client.recv(), from_server.recv());
            one.unwrap().unwrap().accept().unwrap();
            other.unwrap().unwrap().accept().unwrap();
        };
        let ((there, back), ()) = bounded(async { tokio::join!(sends, receives) }).await;
        assert_eq!((there.unwrap(), back.unwrap()), (Outcome::Accepted, Outcome::Accepted));
    }
}

/// The transport breaks while input waits for space in the output: the wait ends.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn output_that_breaks_while_input_waits_for_it() {
    for read in [Way::Open, Way::Ended, Way::Stalled] {
        let (client, server, hold) = valved(narrow()).await;
        let (sender, _receiver, _session) = sending(&client, &server).await;
        hold.write(Way::Stalled);
        let sent = sender.send_queued(vec![1; 1 << 20]).await.unwrap();
        rest().await;
        hold.read(read);
        rest().await;
        hold.write(Way::Broken(ErrorKind::ConnectionReset));
        assert!(!is_accepted(bounded(sent).await));
        assert_eq!(bounded(client.closed()).await.origin(), Origin::Transport);
    }
}

/// A peer that has ended only its own direction gets all output, and then the connection is over.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn input_that_ends_while_output_goes_on() {
    let (client, server, hold) = valved(ConnectionOptions::new()).await;
    let (sender, receiver, _session) = sending(&client, &server).await;
    hold.write(Way::Crumbs(10_000));
    let settled = Outgoing::from(vec![1; 60_000]).with_settled(true);
    let _sent = sender.send_queued(settled).await.unwrap();
    let sent = sender.send_queued("job").await.unwrap();
    hold.read(Way::Ended);
    assert!(!is_accepted(bounded(sent).await));
    bounded(client.close()).await.unwrap_or_else(|error| assert_eq!(error.origin(), Some(Origin::Transport)));
    assert!(hold.octets_written() > 60_000);
    assert!(bounded(receiver.recv()).await.unwrap().is_some());
    assert_eq!(bounded(server.closed()).await.origin(), Origin::Transport);
}

/// A transport that cannot be shut down blocks nothing.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn a_shutdown_that_takes_for_ever_or_fails() {
    for shutdown in [Way::Stalled, Way::Broken(ErrorKind::NotConnected)] {
        let (client, server, hold) = valved(ConnectionOptions::new()).await;
        let (sender, _receiver, _session) = sending(&client, &server).await;
        hold.shutdown(shutdown);
        let calls = hold.calls();
        bounded(client.close()).await.unwrap();
        assert!(sender.try_send("late").is_err());
        bounded(server.closed()).await;
        assert!(hold.calls() - calls < 100);
    }
}

/// C-IDLE-03: a silent peer is given up, although it reads.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn a_peer_that_goes_silent() {
    for write in [Way::Open, Way::Stalled] {
        let options = ConnectionOptions::new().with_idle_timeout(Duration::from_secs(60));
        let (client, server, hold) = valved(options).await;
        let (sender, _receiver, _session) = sending(&client, &server).await;
        let calls = hold.calls();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(client.is_open(), "it is quiet, and not silent");
        assert!(hold.calls() - calls < 2_000, "{} calls in an hour", hold.calls() - calls);
        hold.read(Way::Stalled);
        hold.write(write);
        let Error::Lost(end) = bounded(sender.send("job")).await.unwrap_err() else { panic!("it is lost") };
        assert_eq!(end.origin(), Origin::Local);
        bounded(client.closed()).await;
        assert!(bounded(client.close()).await.is_err());
        bounded(server.closed()).await;
    }
}

/// A quiet connection costs nothing.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn a_quiet_connection_is_not_polled() {
    let (client, server, hold) = valved(ConnectionOptions::new()).await;
    let (_sender, _receiver, _session) = sending(&client, &server).await;
    rest().await;
    let calls = hold.calls();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(hold.calls(), calls);
    assert!(client.is_open());
}

/// However much there is to read, the driver lets the task that has a message run before it reads many more.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn messages_are_taken_as_they_are_read() {
    const MESSAGES: usize = 30;
    let (near, far) = tokio::io::duplex(16 << 20);
    let (near, hold) = Valve::new(near);
    let acceptor = Acceptor::default();
    let (client, server) =
        tokio::join!(Connection::over(near, ConnectionOptions::new()), Connection::accept(far, &acceptor));
    let (client, server) = (client.unwrap(), server.unwrap());
    let (receiver, sender, _session) = common::receiving(&client, &server).await;
    hold.read(Way::Stalled);
    for _ in 0..MESSAGES {
        drop(sender.send_queued(Outgoing::from(vec![1; 200_000]).with_settled(true)).await.unwrap());
    }
    rest().await;
    let mut before = hold.calls();
    hold.read(Way::Open);
    for number in 0..MESSAGES {
        drop(receiver.recv().await.unwrap().unwrap());
        let calls = hold.calls();
        assert!(calls - before < 40, "{} reads for message {number}", calls - before);
        before = calls;
    }
}
