//! The frame trace: one line for every header and frame, without credentials.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use amqp_proto::config::{Options, SenderOptions, SessionOptions};
use amqp_proto::sasl::{ClientProfile, ClientSasl, Login, Nonce, TransportSecurity};
use amqp_proto::testing::Pair;
use amqp_proto::types::Moment;
use amqp_proto::{Connection, Direction};
use bytes::Buf;

type Lines = Arc<Mutex<Vec<String>>>;

fn trace(connection: &mut Connection) -> Lines {
    let lines = Lines::default();
    let kept = lines.clone();
    connection.set_trace(move |frame| kept.lock().unwrap().push(frame.to_string()));
    lines
}

fn take(lines: &Lines) -> Vec<String> {
    std::mem::take(&mut lines.lock().unwrap())
}

/// A hook set on a new client gets the frames that are not yet taken from the output.
#[test]
fn a_client_shows_its_first_frames() {
    let first = [
        "-> header Amqp 1.0.0",
        "-> [0] open { container_id: \"client\", max_frame_size: 65536, channel_max: 255 }",
    ];
    let mut client = Connection::client(Options::new("client"), Moment::START);
    assert_eq!(take(&trace(&mut client)), first);
    // Another hook gets the same frames; later frames come once.
    let lines = trace(&mut client);
    client.receive(Moment::START, b"AMQP\0\x01\0\0");
    assert_eq!(take(&lines)[2..], ["<- header Amqp 1.0.0"]);
    // A partly taken frame is not shown again.
    client.output().advance(3);
    assert_eq!(take(&trace(&mut client)), [""; 0]);
    let octets = client.output().remaining();
    client.output().advance(octets);
    assert_eq!(take(&trace(&mut client)), [""; 0]);
    // A server has written nothing yet.
    let mut server = Connection::server(Options::new("server"), Moment::START);
    assert_eq!(take(&trace(&mut server)), [""; 0]);
}

/// Both ends trace each frame, with its channel and the size of its payload.
#[test]
fn every_frame_is_shown_at_both_ends() {
    let mut pair = Pair::new(Options::new("client"), Options::new("server"));
    let there = trace(&mut pair.server);
    let payloads = Arc::new(Mutex::new(Vec::new()));
    let kept = payloads.clone();
    pair.client.set_trace(move |frame| {
        if frame.direction() == Direction::Out {
            kept.lock().unwrap().push((frame.channel().map(|channel| channel.get()), frame.payload()));
        }
    });
    pair.drive();
    let session = pair.client.begin(SessionOptions::new()).unwrap();
    let sender =
        pair.client.session(session).unwrap().attach_sender("jobs", SenderOptions::to("jobs")).unwrap();
    pair.drive();
    pair.client.sender(sender).unwrap().send("job").unwrap();
    pair.drive();
    let told = [(None, 0), (Some(0), 0), (Some(0), 0), (Some(0), 0), (Some(0), 8)];
    assert_eq!(*payloads.lock().unwrap(), told);
    let received = take(&there);
    assert_eq!(received.iter().filter(|line| line.starts_with("<- ")).count(), told.len());
    assert!(received.iter().any(|line| line.starts_with("<- [0] transfer {")), "{received:#?}");
}

/// The trace hides credentials.
#[test]
fn credentials_do_not_show() {
    let profile = ClientProfile::new().with_login(Login::new("ann", "s3cret").unwrap());
    let sasl = ClientSasl::new(profile, TransportSecurity::Encrypted, Nonce::from_random(&[7; 16]).unwrap());
    let mut client = Connection::client_with_sasl(Options::new("client"), sasl, Moment::START);
    let lines = trace(&mut client);
    client.receive(Moment::START, b"AMQP\x03\x01\0\0\0\0\0\x15\x02\x01\0\0");
    client.receive(Moment::START, b"\0\x53\x40\xc0\x08\x01\xa3\x05PLAIN");
    let lines = take(&lines);
    let init = "-> [sasl] sasl-init { mechanism: :PLAIN, initial_response: <11 octets hidden> }";
    assert_eq!(lines.last().unwrap(), init);
}
