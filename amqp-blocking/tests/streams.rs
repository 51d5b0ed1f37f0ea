//! Messages in pieces implement `std::io`, and end with their link.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::io::{self, Read, Write};

use amqp_blocking::config::{ReceiverOptions, SendOptions};
use amqp_blocking::message::Message;
use amqp_blocking::types::Limits;
use amqp_blocking::wire::Outcome;
use amqp_blocking::{Connection, ConnectionOptions, OfferedLink, Receiver, Sender, SenderBuilder, Session};
use common::{piped, piped_with, run};

/// Accepts the next link of a session, on which the server receives.
fn next_receiver(session: &Session, options: ReceiverOptions) -> Receiver {
    match session.next_link().unwrap() {
        Some(OfferedLink::Receiver(link)) => link.accept_with(options).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Attaches a link on which the client sends, at both ends.
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

/// By `std::io`, with copies of any size.
#[test]
#[adapter_tests::bounded]
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
        let mut stream = sender.writer(SendOptions::new()).unwrap();
        io::copy(&mut &*copy, &mut stream).unwrap();
        stream.flush().unwrap();
        stream.finish().unwrap().outcome().unwrap()
    });
    let mut stream = receiver.recv_reader().unwrap().unwrap();
    let mut all = Vec::new();
    Read::read_to_end(&mut stream, &mut all).unwrap();
    assert_eq!(all, whole);
    drop(stream);
    assert_eq!(sends.join().unwrap(), Outcome::Accepted, "it was read to its end");
}

/// A message in pieces ends with its link, at both ends.
#[test]
#[adapter_tests::bounded]
fn a_stream_whose_peer_is_gone() {
    let limits = Limits::DEFAULT.with_output_octets(4096);
    let (client, server, pipe) = piped_with(ConnectionOptions::new().with_limits(limits));
    let options = by_hand(1).with_streaming(true);
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, options);
    let sends = run(move || {
        let mut stream = sender.writer(SendOptions::new()).unwrap();
        let error = (0..10_000).find_map(|_| stream.write(vec![0; 10_000]).err()).unwrap();
        assert!(error.ended().is_some(), "{error}");
        assert!(stream.finish().is_err());
    });
    let mut stream = receiver.recv_reader().unwrap().unwrap();
    stream.read().unwrap().unwrap();
    pipe.cut();
    let error = (0..10_000).find_map(|_| stream.read().err()).unwrap();
    assert!(error.ended().is_some(), "{error}");
    sends.join().unwrap();
}
