//! Threats E1 to E11 that need no socket: slow peers, jumping clocks, wrapping numbers, hostile text, secrets, a
//! hostile application, and a transport that breaks between two honest ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::sasl::{
    ClientProfile, ClientSasl, Credentials, Login, Nonce, PlainServer, ServerSasl, TransportSecurity,
};
use amqp_proto::testing::{HEADER, Pair, close};
use amqp_proto::types::{DeliveryTag, Moment, SequenceNo, TransferNumber};
use amqp_proto::wire::{AmqpError, Condition, Outcome};
use amqp_proto::{
    Connection, Deadline, Event, FlowError, LinkError, ReadError, SendError, SessionError, SettleError,
};
use bytes::{Buf, Bytes};
use endpoint::*;

/// E1: a peer that sends one octet a minute misses the deadline for its open.
#[test]
fn e1_one_octet_a_minute() {
    let mut server = Connection::server(Options::new("endpoint"), Moment::START);
    let mut now = Moment::START;
    for octet in HEADER {
        let (deadline, why) = server.next_deadline().unwrap();
        assert_eq!((deadline, why), (Moment::from_millis(30_000), Deadline::Open));
        now += Duration::from_millis(3_000);
        server.receive(now, &[octet]);
    }
    server.handle_deadline(Moment::from_millis(29_999));
    assert!(!server.is_over());
    server.handle_deadline(Moment::from_millis(30_000));
    assert!(server.is_over() && server.next_deadline().is_none());
    // On an open connection, octets of an endless frame do not restart the idle time-out.
    let options = Options::new("endpoint").with_idle_timeout(Duration::from_secs(10));
    let mut server = Connection::server(options, Moment::START);
    server.receive(Moment::START, &up());
    assert_eq!(server.poll_event(), Some(Event::Opened));
    for (second, octet) in (1..10).zip(*b"\0\0\x01\0\x02\0\0\0\0") {
        server.receive(Moment::from_millis(second * 1_000), &[octet]);
        assert_eq!(server.next_deadline(), Some((Moment::from_millis(10_000), Deadline::Silence)));
    }
    server.handle_deadline(Moment::from_millis(10_000));
    assert!(server.is_over());
}

/// E4, E5: time that goes back, jumps, or reaches its end; deadlines handled early, late and twice.
#[test]
fn e4_time_that_jumps() {
    for idle in [1, 2, u32::MAX] {
        for times in [[5, 0, u64::MAX], [u64::MAX, 0, u64::MAX], [u64::MAX - 1, u64::MAX, 1]] {
            let options = Options::new("endpoint").with_idle_timeout(Duration::from_millis(idle.into()));
            let mut server = Connection::server(options, Moment::from_millis(times[0]));
            for time in times.map(Moment::from_millis) {
                server.handle_deadline(time);
                server.receive(time, &up());
                server.handle_deadline(time);
                server.handle_deadline(time);
                let _ = server.next_deadline();
                let _ = server.output().remaining();
                while server.poll_event().is_some() {}
            }
            server.close();
            server.handle_deadline(Moment::from_millis(u64::MAX));
            assert!(idle == u32::MAX || server.is_over());
        }
    }
}

/// E4: at the end of time every deadline stays due, and handling them still comes to an end.
#[test]
fn e4_a_heartbeat_at_the_end_of_time() {
    let mut client =
        Connection::client(Options::new("client").with_idle_timeout(Duration::from_secs(1)), Moment::START);
    let mut server = Connection::server(Options::new("endpoint"), Moment::START);
    let mut output = client.output();
    let octets = output.copy_to_bytes(output.remaining());
    server.receive(Moment::START, &octets);
    assert_eq!(server.poll_event(), Some(Event::Opened));
    assert_eq!(server.next_deadline().unwrap().1, Deadline::Heartbeat);
    for _ in 0..3 {
        server.handle_deadline(Moment::from_millis(u64::MAX));
        let octets = server.output().remaining();
        server.output().advance(octets);
    }
    assert!(!server.is_over());
}

/// E6: every number starts just below its wrap.
#[test]
fn e6_numbers_that_wrap() {
    let start = u32::MAX - 2;
    let mut pair = Pair::opened();
    pair.server.collects = true;
    let options = SessionOptions::new().with_next_outgoing_id(TransferNumber::new(start));
    let session = pair.client.begin(options).unwrap();
    let options = SenderOptions::to("jobs").with_initial_delivery_count(SequenceNo::new(start));
    let sender = pair.client.session(session).unwrap().attach_sender("jobs", options).unwrap();
    pair.drive();
    let deliveries: Vec<_> = (0..20)
        .map(|_| {
            let delivery = pair.client.sender(sender).unwrap().send("x").unwrap();
            accept(&mut pair);
            delivery
        })
        .collect();
    assert!(deliveries.iter().all(|delivery| pair.client.outcome(*delivery) == Some(Outcome::Accepted)));
    assert_eq!(pair.client.sender(sender).unwrap().delivery_count().get(), 17);
    assert_eq!(pair.client.session(session).unwrap().unsettled_sent(), 0);
}

fn taken(connection: &mut Connection) -> Bytes {
    let mut output = connection.output();
    output.copy_to_bytes(output.remaining())
}

/// Accepts the offers at the server of a pair.
fn accept(pair: &mut Pair) {
    pair.drive();
    for (receiver, delivery) in pair.server.messages() {
        if let Ok(mut receiver) = pair.server.receiver(receiver) {
            receiver.accept(delivery.key()).unwrap();
        }
    }
    pair.drive();
}

/// A server mechanism's store with one user.
struct Known;

impl Credentials for Known {
    fn check_password(&self, user: &str, password: &str) -> bool {
        (user, password) == ("somebody", "s3cr3t-words")
    }
}

/// E8: neither traces nor `Debug` show a password, at either end.
#[test]
fn e8_secrets_are_not_shown() {
    let login = Login::new("somebody", "s3cr3t-words").unwrap();
    let profile = ClientProfile::new().with_login(login).with_plain_in_clear();
    let as_client = ClientSasl::new(profile, TransportSecurity::Clear, Nonce::from_random(&[7; 16]).unwrap());
    let as_server = ServerSasl::new(TransportSecurity::Encrypted).with_mechanism(PlainServer::new(Known));
    let mut client = Connection::client_with_sasl(Options::new("client"), as_client, Moment::START);
    let mut server = Connection::server_with_sasl(Options::new("server"), as_server, Moment::START);
    let shown = Arc::new(Mutex::new(String::new()));
    for end in [&mut client, &mut server] {
        let shown = shown.clone();
        end.set_trace(move |frame| shown.lock().unwrap().push_str(&format!("{frame} {frame:?}\n")));
    }
    for _ in 0..8 {
        let octets = taken(&mut client);
        shown.lock().unwrap().push_str(&format!("{client:?} {server:?}"));
        server.receive(Moment::START, &octets);
        let octets = taken(&mut server);
        client.receive(Moment::START, &octets);
        while let Some(event) = client.poll_event().or_else(|| server.poll_event()) {
            shown.lock().unwrap().push_str(&format!("{event:?}"));
        }
    }
    assert!(client.is_open() && server.is_open());
    let shown = shown.lock().unwrap();
    let octets: String = common::hex(b"s3cr3t");
    assert!(shown.contains("sasl-init") && !shown.contains("s3cr3t") && !shown.contains(&octets), "{shown}");
    assert!(!shown.contains("115, 51, 99"));
}

/// E9: text from a peer has no characters that act on a terminal or a log.
#[test]
fn e9_words_for_a_log() {
    let error = "00531dc01c02a303783a79a1140a1b5b324a0d666f7267656420e280ae6c696e65";
    let mut stream = up();
    stream.extend(close().raw(error).to_octets());
    let endpoint = attack_server(&stream);
    let reason = endpoint.connection.remote_error().unwrap().to_string();
    assert!(reason.starts_with("x:y: ") && !reason.chars().any(char::is_control), "{reason:?}");
    assert!(!reason.contains('\u{202e}') && reason.contains("forged"), "{reason:?}");
}

/// E10: a command at a wrong time is refused with its own error and changes nothing.
#[test]
fn e10_an_application_that_asks_for_the_impossible() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("jobs");
    let long = SendOptions::new().with_tag(DeliveryTag::new(&[7; 32]).unwrap());
    assert!(DeliveryTag::new(&[7; 33]).is_err());
    let first = pair.client.sender(sender).unwrap().send_with(&"x".into(), &long).unwrap();
    let view = &mut pair.client.sender(sender).unwrap();
    assert!(matches!(view.send_with(&"x".into(), &long), Err(SendError::TagInUse(_))));
    assert!(matches!(view.write(&b"x"[..]), Err(SendError::NoDelivery)));
    assert!(matches!(view.finish(), Err(SendError::NoDelivery)));
    assert!(matches!(view.abort(), Err(SendError::NoDelivery)));
    assert!(matches!(view.accept_link(SenderOptions::new()), Err(LinkError::NotOffered)));
    let mut sent = 1;
    let refused = loop {
        match view.send("x") {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((refused, sent), (SendError::NoCredit, 100));
    view.settle(first).unwrap();
    assert_eq!(view.settle(first), Err(SettleError::Settled));
    pair.drive();
    let mut view = pair.server.receiver(receiver).unwrap();
    assert_eq!(view.accept(first), Err(SettleError::WrongLink));
    assert!(matches!(view.read(first), Err(ReadError::WrongLink)));
    view.close().unwrap();
    assert_eq!(view.close(), Err(LinkError::Detached));
    assert_eq!(view.detach(), Err(LinkError::Detached));
    assert_eq!(view.set_credit(1), Err(FlowError::Detached));
    assert_eq!(view.accept_link(ReceiverOptions::new()), Err(LinkError::NotOffered));
    pair.drive();
    assert!(pair.client.sender(sender).is_err() && pair.server.receiver(receiver).is_err());
    let session = pair.client.default_session();
    let mut view = pair.client.session(session).unwrap();
    view.end().unwrap();
    assert_eq!(view.end(), Err(SessionError::Ended));
    assert_eq!(view.accept(SessionOptions::new()), Err(SessionError::NotOffered));
    assert_eq!(view.attach_sender("l", SenderOptions::new()), Err(LinkError::NoSession));
    pair.drive();
    assert!(pair.client.session(session).is_err());
    assert!(pair.client.close() && !pair.client.close());
    assert!(!pair.client.close_with(AmqpError::new(Condition::InternalError)));
    assert_eq!(pair.client.begin(SessionOptions::new()), Err(SessionError::NotOpen));
    pair.drive();
    assert!(pair.client.is_over() && pair.server.is_over());
}

/// E11: the transport between two honest ends breaks after any octet. Both ends end, and know of each message that it
/// was accepted or lost.
#[test]
fn e11_a_way_that_breaks_after_any_octet() {
    let conversation = |to_server: Option<u64>, to_client: Option<u64>| {
        let mut pair = Pair::new(Options::new("client"), Options::new("server"));
        pair.server.collects = true;
        if let Some(octets) = to_server {
            pair.to_server.cut_after(octets);
        }
        if let Some(octets) = to_client {
            pair.to_client.cut_after(octets);
        }
        let mut deliveries = Vec::new();
        let session = pair.client.begin(SessionOptions::new()).unwrap();
        let attached = pair.client.session(session).unwrap().attach_sender("jobs", SenderOptions::to("jobs"));
        let sender = attached.unwrap();
        for _ in 0..3 {
            accept(&mut pair);
            let Ok(mut sender) = pair.client.sender(sender) else { break };
            deliveries.extend(sender.send("hello").ok());
        }
        accept(&mut pair);
        pair.client.close();
        pair.drive();
        // An end that has only seen the end of the input is over, too.
        if to_server.is_some() || to_client.is_some() {
            pair.cut();
            pair.drive();
        }
        assert!(pair.client.is_over() && pair.server.is_over());
        for delivery in deliveries {
            let is_known = pair.client.outcome(delivery) == Some(Outcome::Accepted);
            assert!(is_known ^ pair.client.is_lost(delivery), "{to_server:?} {to_client:?}");
        }
        let closed = |events: &[Event]| events.iter().filter(|e| matches!(e, Event::Closed(_))).count();
        assert_eq!((closed(&pair.client.events()), closed(&pair.server.events())), (1, 1));
    };
    conversation(None, None);
    for octets in 0..400 {
        conversation(Some(octets), None);
        conversation(None, Some(octets));
        conversation(Some(octets), Some(400 - octets));
    }
}
