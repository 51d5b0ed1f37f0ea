//! What is offered as on tokio: streams, names, ends, credit, and links that are attached again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::io::{self, Read, Write};
use std::time::Duration;

use amqp_blocking::config::{ReceiverOptions, SendOptions, SessionOptions};
use amqp_blocking::message::Message;
use amqp_blocking::types::{Limits, Symbol, TransactionId};
use amqp_blocking::wire::{AmqpError, Condition, Outcome, ReceiverSettleMode};
use amqp_blocking::{
    Acceptor, Connection, ConnectionOptions, Error, OfferedLink, Outgoing, Receiver, Sender, SenderBuilder,
    Session,
};
use common::{pair, pair_with, piped, piped_with, run};

/// The server's end of the next link of a session, on which it receives.
fn next_receiver(session: &Session, options: ReceiverOptions) -> Receiver {
    match session.next_link().unwrap() {
        Some(OfferedLink::Receiver(link)) => link.accept_with(options).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A link on which the client sends, and the server's end of it.
fn sending(
    client: SenderBuilder,
    server: &Connection,
    options: ReceiverOptions,
) -> (Sender, Receiver, Session) {
    let attaching = run(move || client.attach().unwrap());
    let session = server.next_session().unwrap().unwrap().accept().unwrap();
    let receiver = next_receiver(&session, options);
    (attaching.join().unwrap(), receiver, session)
}

fn by_hand(prefetch: u32) -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(prefetch).with_auto_accept(false)
}

#[test]
fn a_message_is_sent_and_read_in_pieces() {
    let (client, server) = pair();
    let options = by_hand(1).with_streaming(true);
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, options);
    let whole = Message::from(vec![5; 9 << 20]).to_payload().unwrap().to_bytes();
    let octets = whole.len();
    let sends = run(move || {
        let mut stream = sender.stream(&SendOptions::new()).unwrap();
        for piece in whole.chunks(100_000) {
            stream.write(whole.slice_ref(piece)).unwrap();
        }
        assert_eq!(stream.finish().unwrap().outcome().unwrap(), Outcome::Accepted);
        // Given up, and so never seen; the credit for it is spent.
        let mut stream = sender.stream(&SendOptions::new()).unwrap();
        stream.write(&b"half a mess"[..]).unwrap();
        drop(stream);
        let mut stream = sender.stream(&SendOptions::new()).unwrap();
        stream.write(&b"another"[..]).unwrap();
        stream.abort().unwrap();
        assert_eq!(sender.send("next").unwrap(), Outcome::Accepted);
    });
    let mut stream = receiver.recv_stream().unwrap().unwrap();
    assert!(!stream.is_settled() && stream.tag().is_some());
    let mut read = 0;
    while let Some(part) = stream.read().unwrap() {
        read += part.len();
    }
    assert_eq!(read, octets);
    stream.accept().unwrap();
    loop {
        receiver.set_credit(1).unwrap();
        let mut stream = receiver.recv_stream().unwrap().unwrap();
        match stream.read_to_end() {
            Ok(_) => break stream.accept().unwrap(),
            Err(Error::Aborted) => {}
            Err(error) => panic!("{error}"),
        }
    }
    sends.join().unwrap();
    client.close().unwrap();
    assert!(receiver.recv_stream().unwrap().is_none());
}

/// M-BODY-02 [3.2.6]: the data of a body is read while it comes, without the encoding around it.
#[test]
fn m_body_02_the_data_of_a_body_is_read_in_pieces() {
    let (client, server) = pair();
    let options = by_hand(2).with_streaming(true);
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, options);
    let data: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let copy = data.clone();
    let sends = run(move || {
        let message = Message::from(copy).with_durable(true);
        assert_eq!(sender.send(message).unwrap(), Outcome::Accepted);
        assert!(sender.send("text").unwrap().accepted().is_err());
    });
    let mut stream = receiver.recv_stream().unwrap().unwrap();
    let mut read = Vec::new();
    while let Some(part) = stream.read_data().unwrap() {
        read.extend(part.to_bytes());
    }
    assert!(read == data);
    stream.accept().unwrap();
    let mut stream = receiver.recv_stream().unwrap().unwrap();
    assert!(matches!(stream.read_data(), Err(Error::Message(_))));
    stream.reject(None).unwrap();
    sends.join().unwrap();
}

/// By `std::io`, through copies of whatever size.
#[test]
fn a_stream_is_a_reader_and_a_writer() {
    let (client, server, _) = piped();
    let (sender, receiver, _session) = sending(
        client.sender("jobs"),
        &server,
        ReceiverOptions::new().with_streaming(true).with_auto_accept(true),
    );
    let whole = Message::from(vec![7; 300_000]).to_payload().unwrap().to_bytes();
    let copy = whole.clone();
    let sends = run(move || {
        let mut stream = sender.stream(&SendOptions::new()).unwrap();
        io::copy(&mut &*copy, &mut stream).unwrap();
        stream.flush().unwrap();
        stream.finish().unwrap().outcome().unwrap()
    });
    let mut stream = receiver.recv_stream().unwrap().unwrap();
    let mut all = Vec::new();
    Read::read_to_end(&mut stream, &mut all).unwrap();
    assert_eq!(all, whole);
    drop(stream);
    assert_eq!(sends.join().unwrap(), Outcome::Accepted, "it was read to its end");
}

/// Who drops a stream half way gets the next message all the same.
#[test]
fn a_stream_that_is_not_read_to_its_end_is_released() {
    let (client, server) = pair();
    let options = ReceiverOptions::new().with_prefetch(2).with_streaming(true);
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, options);
    let sends = run(move || {
        assert_eq!(sender.send(Message::new(vec![1; 40 << 20])).unwrap(), Outcome::Released);
        assert_eq!(sender.send("small").unwrap(), Outcome::Accepted);
    });
    let mut stream = receiver.recv_stream().unwrap().unwrap();
    stream.read().unwrap().unwrap();
    drop(stream);
    let mut stream = receiver.recv_stream().unwrap().unwrap();
    assert!(stream.read_to_end().unwrap().len() < 100);
    stream.accept().unwrap();
    sends.join().unwrap();
}

/// A stream ends with its link, at both ends.
#[test]
fn a_stream_whose_peer_is_gone() {
    let limits = Limits::DEFAULT.with_output_octets(4096);
    let (client, server, pipe) = piped_with(ConnectionOptions::new().with_limits(limits));
    let options = by_hand(1).with_streaming(true);
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, options);
    let sends = run(move || {
        let mut stream = sender.stream(&SendOptions::new()).unwrap();
        let error = (0..10_000).find_map(|_| stream.write(vec![0; 10_000]).err()).unwrap();
        assert!(error.ended().is_some(), "{error}");
        assert!(stream.finish().is_err());
    });
    let mut stream = receiver.recv_stream().unwrap().unwrap();
    stream.read().unwrap().unwrap();
    pipe.cut();
    let error = (0..10_000).find_map(|_| stream.read().err()).unwrap();
    assert!(error.ended().is_some(), "{error}");
    sends.join().unwrap();
}

#[test]
fn waiting_until_it_can_be_sent() {
    let (client, server, _) = piped();
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, by_hand(0));
    let waits: Vec<_> = (0..3)
        .map(|_| {
            let sender = sender.clone();
            run(move || sender.sendable())
        })
        .collect();
    receiver.add_credit(1).unwrap();
    // One who only looks takes nothing, and it is the next one's turn.
    waits.into_iter().for_each(|wait| wait.join().unwrap().unwrap());
    let sent = sender.send_now("job").unwrap();
    assert!(sent.tag().is_some() && !sent.is_settled());
    assert_eq!(sender.unsettled(), 1);
    receiver.recv().unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
    assert_eq!((sender.unsettled(), receiver.unsettled()), (0, 0));
    let waits = run(move || sender.sendable());
    receiver.close().unwrap();
    assert!(waits.join().unwrap().is_err());
}

/// T-AVAIL-01: the receiver is told how much waits.
#[test]
fn what_is_available() {
    let (client, server, _) = piped();
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, by_hand(0));
    sender.set_available(17).unwrap();
    receiver.add_credit(1).unwrap();
    let sent = sender.send_queued("job").unwrap();
    receiver.recv().unwrap().unwrap().accept().unwrap();
    sent.outcome().unwrap().accepted().unwrap();
    receiver.drain().unwrap();
    assert_eq!(receiver.available(), 16, "one of them has come");
}

/// X-RET-01, X-RET-03: a message that is retired in a transaction stays unsettled, and can get another outcome.
#[test]
fn x_ret_03_a_retired_message_stays_unsettled() {
    let (client, server, _) = piped();
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, by_hand(1));
    let sent = sender.send_queued("job").unwrap();
    let transaction = TransactionId::new(b"t").unwrap();
    let key = receiver.recv().unwrap().unwrap().retire(transaction, Outcome::Accepted).unwrap();
    assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
    receiver.retire(key, transaction, Outcome::Released).unwrap();
    assert_eq!((sender.unsettled(), receiver.unsettled()), (1, 1));
    receiver.release(key).unwrap();
    assert_eq!(receiver.unsettled(), 0);
}

/// A delivery that is settled only once the sender has.
#[test]
fn waiting_until_it_is_settled() {
    let (client, server, _) = piped();
    let builder =
        client.sender("jobs").with_rcv_settle_mode(ReceiverSettleMode::Second).with_auto_settle(false);
    let (sender, receiver, _session) = sending(builder, &server, by_hand(1));
    let sent = sender.send_queued("job").unwrap();
    let key = receiver.recv().unwrap().unwrap().into_undecided();
    receiver.accept(key).unwrap();
    assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
    assert_eq!(receiver.unsettled(), 1);
    let waits = run({
        let receiver = receiver.clone();
        move || receiver.settled(key)
    });
    sent.settle().unwrap();
    waits.join().unwrap().unwrap();
    assert_eq!((sender.unsettled(), receiver.unsettled()), (0, 0));
}

/// A link that was detached and is attached again is not closed by the handles of before.
#[test]
fn a_link_that_is_attached_again() {
    let (client, server, _) = piped();
    let (mut sender, mut receiver, far) =
        sending(client.sender("jobs").with_name("one"), &server, by_hand(1));
    for is_ours in [true, false, true] {
        let lost = sender.send_queued("job").unwrap();
        receiver.recv().unwrap().unwrap().into_undecided();
        if is_ours {
            sender.detach().unwrap()
        } else {
            receiver.detach().unwrap()
        }
        let ends = [sender.closed(), receiver.closed()];
        assert!(ends.iter().all(|end| end.condition().is_none() && end.ended().is_some()), "{ends:?}");
        assert!(matches!(lost.outcome(), Err(Error::Lost(_))));
        assert!(sender.send_now("late").is_err());
        let attaching = client.sender("jobs").with_name("one");
        let attaching = run(move || attaching.attach().unwrap());
        let again = next_receiver(&far, by_hand(1));
        drop(lost);
        drop((
            std::mem::replace(&mut sender, attaching.join().unwrap()),
            std::mem::replace(&mut receiver, again),
        ));
        assert_eq!((&*sender.name(), &*receiver.name()), ("one", "one"));
    }
    let sent = sender.send_queued("job").unwrap();
    receiver.recv().unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
    sender.close_with(AmqpError::new(Condition::ResourceDeleted)).unwrap();
    assert_eq!(receiver.closed().condition(), Some(&Condition::ResourceDeleted));
    assert_eq!(receiver.name(), "");
}

/// What is sent is written before the link is closed, however much it is.
#[test]
fn a_close_waits_for_what_was_sent() {
    let (client, server) = pair();
    let (sender, receiver, _session) =
        sending(client.sender("jobs"), &server, ReceiverOptions::new().with_prefetch(1));
    let _sent = sender.send_queued(Outgoing::from(vec![1; 20 << 20]).with_settled(true)).unwrap();
    let closes = run(move || sender.close().unwrap());
    let delivery = receiver.recv().unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap().len(), 20 << 20);
    closes.join().unwrap();
}

/// A client that takes no offers refuses them, as it would on tokio; one that does has them told.
#[test]
fn offers_of_the_peer() {
    let (client, server) = pair_with(ConnectionOptions::new(), Acceptor::default());
    let refused = server.session().unwrap_err();
    assert!(matches!(&refused, Error::Session(_)) && refused.is_remote(), "{refused}");
    client.close().unwrap();
    let options = ConnectionOptions::new().with_accept_offers(true);
    let [fast, slow] = ["fast", "slow"].map(|name| Symbol::new(name).unwrap());
    let offered = [fast.clone()].into_iter().collect();
    let acceptor = Acceptor::new(ConnectionOptions::new().with_offered_capabilities(offered));
    let (client, server) = pair_with(options, acceptor);
    assert!(client.offers(&fast) && !client.offers(&slow));
    let begins = run(move || server.session_with(SessionOptions::new()).map(|session| (session, server)));
    let accepted = client.next_session().unwrap().unwrap().accept().unwrap();
    let (session, _server) = begins.join().unwrap().unwrap();
    assert!(session.peer_begin().is_some() && accepted.peer_begin().is_some());
}

/// T-DRAIN-01: nobody waits to send, and so all credit comes back.
#[test]
fn draining_with_nothing_to_send() {
    let (client, server, _) = piped();
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, by_hand(0));
    receiver.set_credit(10).unwrap();
    sender.sendable().unwrap();
    receiver.drain().unwrap();
    assert_eq!((sender.credit(), receiver.credit()), (0, 0));
    assert!(matches!(sender.send_queued_timeout("job", Duration::ZERO), Err(Error::TimedOut)));
    receiver.set_credit(1).unwrap();
    sender.sendable().unwrap();
}
