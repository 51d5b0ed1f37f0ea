//! Conversations with a peer written by hand, octet by octet, which find mistakes that encoder and decoder share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::message::Payload;
use amqp_proto::sasl::{
    AnonymousClient, AnonymousServer, ClientProfile, ClientSasl, Nonce, ServerSasl, TransportSecurity,
};
use amqp_proto::testing::{
    Literal, Script, attach, attach_receiver, attach_sender, begin, close, detach, disposition, end, flow,
    open, transfer,
};
use amqp_proto::types::{LinkKey, Moment, ReceiverKey, SenderKey, SessionKey};
use amqp_proto::wire::{AmqpError, Condition, DeliveryState, Outcome, ReceiverSettleMode, SenderSettleMode};
use amqp_proto::{Connection, Event, Origin};
use bytes::Bytes;

const HEADER: &str = "414d515000010000";
const SASL_HEADER: &str = "414d515003010000";
/// The number of frames of 64 KiB in a session's window.
const WINDOW: u32 = 512;
const ACCEPTED: &str = "00532445";

/// Plays a script, which the connection must follow.
#[track_caller]
fn follow(connection: &mut Connection, script: &Script) -> Vec<Event> {
    script.run(connection).unwrap_or_else(|difference| panic!("{difference}"))
}

/// The open of this crate's ends.
fn our_open(container_id: &str) -> Literal {
    open(container_id).null().uint(65_536).ushort(255)
}

/// The begin of this crate's ends.
fn our_begin(remote_channel: Option<u16>) -> Literal {
    begin(remote_channel, 0, WINDOW, 0x7fff_ffff).uint(65_535)
}

/// The begin of the peer.
fn their_begin(remote_channel: Option<u16>) -> Literal {
    begin(remote_channel, 0, 100, 100)
}

/// The fields of this end's flow, up to the handle.
fn our_flow(next_incoming_id: u32, incoming_window: u32, next_outgoing_id: u32) -> Literal {
    flow(Some(next_incoming_id), incoming_window, next_outgoing_id, 0x7fff_ffff)
}

fn opened_client() -> Connection {
    let mut client = Connection::client(Options::new("client"), Moment::START);
    let script = Script::new().expect_hex(HEADER).expect(our_open("client"));
    assert_eq!(follow(&mut client, &script.send_hex(HEADER).send(open("server"))), [Event::Opened]);
    client
}

fn opened_server() -> Connection {
    let mut server = Connection::server(Options::new("server"), Moment::START);
    let script = Script::new().send_hex(HEADER).expect_hex(HEADER).send(open("client"));
    assert_eq!(follow(&mut server, &script.expect(our_open("server"))), [Event::Opened]);
    server
}

fn begun_client() -> (Connection, SessionKey) {
    let mut client = opened_client();
    let session = client.begin(SessionOptions::new()).unwrap();
    let script = Script::new().expect(our_begin(None)).send(their_begin(Some(0)));
    assert_eq!(follow(&mut client, &script), [Event::SessionBegun(session)]);
    (client, session)
}

fn begun_server() -> (Connection, SessionKey) {
    let mut server = opened_server();
    let [Event::SessionOffered(session)] = follow(&mut server, &Script::new().send(their_begin(None)))[..]
    else {
        panic!("no session")
    };
    server.session(session).unwrap().accept(SessionOptions::new()).unwrap();
    follow(&mut server, &Script::new().expect(our_begin(Some(0))));
    (server, session)
}

/// A client with a link to `jobs` and this credit.
fn sending_client(credit: u32) -> (Connection, SenderKey) {
    let (mut client, session) = begun_client();
    let sender = client.session(session).unwrap().attach_sender("jobs", SenderOptions::to("jobs")).unwrap();
    let script = Script::new()
        .expect(attach("jobs", 0, false).nulls(2).raw("00532845").terminus(0x29, "jobs").nulls(2).uint(0))
        .send(attach_receiver("jobs", 7, "", "jobs"))
        .send(flow(Some(0), 100, 0, 100).uint(7).uint(0).uint(credit));
    assert_eq!(follow(&mut client, &script), [Event::LinkAttached(sender.into()), Event::Sendable(sender)]);
    (client, sender)
}

/// A server that receives on a link of the peer, with credit for two.
fn receiving_server(options: ReceiverOptions) -> (Connection, ReceiverKey) {
    let (mut server, _) = begun_server();
    let events = follow(&mut server, &Script::new().send(attach_sender("jobs", 3, "here", "jobs")));
    let [Event::LinkOffered(LinkKey::Receiver(receiver))] = events[..] else { panic!("{events:?}") };
    server.receiver(receiver).unwrap().accept_link(options.clone().with_prefetch(2)).unwrap();
    (server, receiver)
}

/// The peer's attach as a receiver of messages up to 32 MiB, and its credit.
fn their_links_answer() -> (Literal, Literal) {
    let answer = attach_receiver("jobs", 0, "here", "jobs").nulls(3).ulong(32 << 20);
    (answer, our_flow(0, WINDOW, 0).uint(0).uint(0).uint(2))
}

#[track_caller]
fn messages(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Message { .. })).count()
}

/// C-OPEN-01, C-CLOSE-03: a client opens a connection and closes it.
#[test]
fn a_client_opens_and_closes() {
    let mut client = opened_client();
    assert!(client.close());
    let events = follow(&mut client, &Script::new().expect(close()).send(close()));
    assert!(matches!(&events[..], [Event::Closed(_)]) && client.is_over());
}

/// H-HDR-04, C-CLOSE-03: a server answers the open, and closes with an error.
#[test]
fn a_server_opens_and_closes_with_an_error() {
    let mut server = opened_server();
    server.close_with(AmqpError::new(Condition::ConnectionForced).with_description("so long"));
    let error = "00531d c022 02 a316 616d71703a636f6e6e656374696f6e3a666f72636564 a107 736f206c6f6e67";
    let events = follow(&mut server, &Script::new().expect(close().raw(error)).send(close()));
    let [Event::Closed(reason)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(reason.origin, Origin::Local);
}

/// The peer closes with an error.
#[test]
fn a_server_answers_a_close() {
    let mut server = opened_server();
    let script = Script::new().send(close().error("amqp:connection:forced")).expect(close());
    let events = follow(&mut server, &script);
    let [Event::Closed(reason)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(reason.error.as_ref().unwrap().condition, Condition::ConnectionForced);
}

/// T-XFER-21, T-DISP-15: a client attaches a link and sends a message in one frame, which is accepted.
#[test]
fn a_client_sends_and_gets_the_outcome() {
    let (mut client, sender) = sending_client(2);
    let delivery = client.sender(sender).unwrap().send("hello").unwrap();
    let script = Script::new()
        .expect(transfer(0, 0, &[0, 0, 0, 0]).payload(*b"\x00\x53\x77\xa1\x05hello"))
        .send(disposition(true, 0, None).boolean(true).raw(ACCEPTED));
    let events = follow(&mut client, &script);
    let state = Some(DeliveryState::Outcome(Outcome::Accepted));
    assert_eq!(events, [Event::Updated { link: sender.into(), delivery, state, settled: true }]);
    client.sender(sender).unwrap().close().unwrap();
    let events = follow(&mut client, &Script::new().expect(detach(0, true)).send(detach(7, true)));
    assert!(matches!(events[..], [Event::LinkDetached { closed: true, .. }]));
}

/// T-DISP-20, T-PREF-01: a server receives, renews its credit, and accepts all messages in one range.
#[test]
fn a_server_receives_and_accepts() {
    let (mut server, receiver) = receiving_server(ReceiverOptions::new());
    let (answer, credit) = their_links_answer();
    let script = Script::new()
        .expect(answer)
        .expect(credit)
        .send(transfer(3, 0, b"a").payload([0x00, 0x53, 0x77, 0x40]))
        .send(transfer(3, 1, b"b").payload([0x00, 0x53, 0x77, 0x41]));
    assert_eq!(messages(&follow(&mut server, &script)), 2);
    for tag in [b"a", b"b"] {
        let mut receiver = server.receiver(receiver).unwrap();
        let delivery = receiver.receive().unwrap();
        assert_eq!(delivery.tag().as_ref(), tag);
        receiver.accept(delivery.key()).unwrap();
    }
    let script = Script::new()
        .expect(disposition(true, 0, Some(1)).boolean(true).raw(ACCEPTED))
        .expect(our_flow(2, WINDOW, 0).uint(0).uint(2).uint(2))
        .named("credit, topped up")
        .send(end())
        .expect(end());
    let events = follow(&mut server, &script);
    assert!(matches!(events[..], [Event::LinkDetached { .. }, Event::SessionEnded { .. }]), "{events:?}");
}

/// T-DISP-16: with mode second, the receiver sends its outcome, the sender settles, and both forget the delivery.
#[test]
fn exactly_once_to_a_server() {
    let (mut server, session) = begun_server();
    let attached = attach("jobs", 3, false).null().ubyte(1).terminus(0x28, "here").terminus(0x29, "jobs");
    let events = follow(&mut server, &Script::new().send(attached.nulls(2).uint(0)));
    let [Event::LinkOffered(LinkKey::Receiver(receiver))] = events[..] else { panic!("{events:?}") };
    let options = ReceiverOptions::new().with_prefetch(1);
    server.receiver(receiver).unwrap().accept_link(options).unwrap();
    let answer = attach("jobs", 0, true).null().ubyte(1).terminus(0x28, "here").terminus(0x29, "jobs");
    let script = Script::new()
        .expect(answer.nulls(3).ulong(32 << 20))
        .expect(our_flow(0, WINDOW, 0).uint(0).uint(0).uint(1))
        .send(transfer(3, 0, b"once").payload([0x00, 0x53, 0x77, 0x40]));
    assert_eq!(messages(&follow(&mut server, &script)), 1);
    let delivery = server.receiver(receiver).unwrap().receive().unwrap().key();
    server.receiver(receiver).unwrap().accept(delivery).unwrap();
    let script = Script::new()
        .expect(disposition(true, 0, None).null().raw(ACCEPTED))
        .expect(our_flow(1, WINDOW, 0).uint(0).uint(1).uint(1))
        .send(disposition(false, 0, None).boolean(true));
    let events = follow(&mut server, &script);
    assert!(matches!(events[..], [Event::Updated { settled: true, .. }]), "{events:?}");
    assert_eq!(server.session(session).unwrap().unsettled_received(), 0);
}

/// T-DISP-16: the sender settles a delivery when its outcome has arrived.
#[test]
fn exactly_once_from_a_client() {
    let (mut client, session) = begun_client();
    let options = SenderOptions::to("jobs").with_rcv_settle_mode(ReceiverSettleMode::Second);
    let sender = client.session(session).unwrap().attach_sender("jobs", options).unwrap();
    let ours = attach("jobs", 0, false).null().ubyte(1).raw("00532845").terminus(0x29, "jobs");
    let theirs = attach("jobs", 0, true).null().ubyte(1).raw("00532845").terminus(0x29, "jobs");
    let script = Script::new()
        .expect(ours.nulls(2).uint(0))
        .send(theirs)
        .send(flow(Some(0), 100, 0, 100).uint(0).uint(0).uint(1));
    follow(&mut client, &script);
    client.sender(sender).unwrap().send("x").unwrap();
    let script = Script::new()
        .expect(transfer(0, 0, &[0, 0, 0, 0]).payload(*b"\x00\x53\x77\xa1\x01x"))
        .send(disposition(true, 0, None).null().raw(ACCEPTED))
        .expect(disposition(false, 0, None).boolean(true));
    let events = follow(&mut client, &script);
    assert!(matches!(events[..], [Event::Updated { settled: true, .. }]), "{events:?}");
}

/// T-DRAIN-01, T-DRAIN-03: the peer drains a sender without messages.
#[test]
fn a_sender_is_drained() {
    let (mut client, sender) = sending_client(3);
    client.sender(sender).unwrap().send("x").unwrap();
    let script = Script::new()
        .expect(transfer(0, 0, &[0, 0, 0, 0]).payload(*b"\x00\x53\x77\xa1\x01x"))
        .send(flow(Some(1), 100, 0, 100).uint(7).uint(1).uint(2).null().boolean(true))
        .expect(our_flow(0, WINDOW, 1).uint(0).uint(3).uint(0).null().boolean(true))
        .named("all credit given back");
    follow(&mut client, &script);
    assert_eq!(client.sender(sender).unwrap().credit(), 0);
}

/// T-DRAIN-03: this end drains the peer.
#[test]
fn a_receiver_drains() {
    let (mut server, receiver) = receiving_server(ReceiverOptions::new());
    let (answer, credit) = their_links_answer();
    follow(&mut server, &Script::new().expect(answer).expect(credit));
    server.receiver(receiver).unwrap().drain().unwrap();
    let script = Script::new()
        .expect(our_flow(0, WINDOW, 0).uint(0).uint(0).uint(2).null().boolean(true))
        .send(flow(Some(0), 100, 0, 100).uint(3).uint(2).uint(0).null().boolean(true));
    assert_eq!(follow(&mut server, &script), [Event::Drained(receiver)]);
}

/// L-ATT-05: a server refuses a link by an attach without target and a detach with the reason.
#[test]
fn a_server_refuses_a_link() {
    let (mut server, _) = begun_server();
    let events = follow(&mut server, &Script::new().send(attach_sender("jobs", 3, "here", "jobs")));
    let [Event::LinkOffered(LinkKey::Receiver(receiver))] = events[..] else { panic!("{events:?}") };
    server.receiver(receiver).unwrap().refuse_link(AmqpError::new(Condition::NotFound)).unwrap();
    let script = Script::new()
        .expect(attach("jobs", 0, true))
        .expect(detach(0, true).error("amqp:not-found"))
        .send(detach(3, true));
    let events = follow(&mut server, &script);
    assert!(matches!(events[..], [Event::LinkDetached { closed: true, .. }]), "{events:?}");
}

/// L-ATT-06: a client does not use a link between the refusing attach and the detach.
#[test]
fn a_client_is_refused_a_link() {
    let (mut client, session) = begun_client();
    let sender = client.session(session).unwrap().attach_sender("jobs", SenderOptions::to("jobs")).unwrap();
    let script = Script::new()
        .expect(attach("jobs", 0, false).nulls(2).raw("00532845").terminus(0x29, "jobs").nulls(2).uint(0))
        .send(attach("jobs", 0, true).nulls(2).raw("00532845"))
        .send(flow(Some(0), 100, 0, 100).uint(0).uint(0).uint(5));
    assert_eq!(follow(&mut client, &script), []);
    assert!(client.sender(sender).unwrap().send("x").is_err());
    let script = Script::new().send(detach(0, true).error("amqp:not-found")).expect(detach(0, true));
    let events = follow(&mut client, &script);
    let [Event::LinkDetached { closed: true, reason, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(reason.error.as_ref().unwrap().condition, Condition::NotFound);
}

/// T-XFER-21, S-WIN-08: a message beyond the peer's frame size passes a window of one frame.
#[test]
fn a_large_message_goes_in_frames_that_the_peer_accepts() {
    let mut client = Connection::client(Options::new("client"), Moment::START);
    let script = Script::new().expect_hex(HEADER).expect(our_open("client")).send_hex(HEADER);
    follow(&mut client, &script.send(open("server").null().uint(512)));
    let session = client.begin(SessionOptions::new()).unwrap();
    let script = Script::new().expect(our_begin(None)).send(begin(Some(0), 0, 1, 100));
    follow(&mut client, &script);
    let options = SenderOptions::to("jobs").with_snd_settle_mode(SenderSettleMode::Settled);
    let sender = client.session(session).unwrap().attach_sender("jobs", options).unwrap();
    let script = Script::new()
        .expect(
            attach("jobs", 0, false).ubyte(1).null().raw("00532845").terminus(0x29, "jobs").nulls(2).uint(0),
        )
        .send(attach_receiver("jobs", 0, "", "jobs"))
        .send(flow(Some(0), 1, 0, 100).uint(0).uint(0).uint(1));
    follow(&mut client, &script);
    client
        .sender(sender)
        .unwrap()
        .send_payload(&Payload::from(Bytes::from(vec![7; 600])), &SendOptions::new())
        .unwrap();
    let first = transfer(0, 0, &[0, 0, 0, 0]).boolean(true).boolean(true);
    let room = 512 - first.to_octets().len();
    let script = Script::new()
        .expect(first.payload(vec![7; room]))
        .send(flow(Some(1), 1, 0, 100))
        .named("one more frame")
        .expect(Literal::new(0x14).uint(0).payload(vec![7; 600 - room]));
    follow(&mut client, &script);
}

/// A-SASL-07, A-SASL-16: ANONYMOUS, at both ends.
#[test]
fn anonymous_to_both_sides() {
    let mechanisms = || Literal::sasl(0x40).symbols(&["ANONYMOUS"]);
    let init = || Literal::sasl(0x41).symbol("ANONYMOUS").binary(b"");
    let outcome = || Literal::sasl(0x44).ubyte(0);

    let profile = ClientProfile::new().with_anonymous(AnonymousClient::new());
    let sasl = ClientSasl::new(profile, TransportSecurity::Clear, Nonce::from_random(&[7; 16]).unwrap());
    let mut client = Connection::client_with_sasl(Options::new("client"), sasl, Moment::START);
    let script = Script::new()
        .expect_hex(SASL_HEADER)
        .send_hex(SASL_HEADER)
        .send(mechanisms())
        .expect(init())
        .send(outcome())
        .expect_hex(HEADER)
        .send_hex(HEADER)
        .expect(our_open("client"))
        .send(open("server"));
    assert_eq!(follow(&mut client, &script), [Event::Opened]);

    let sasl = ServerSasl::new(TransportSecurity::Clear).with_mechanism(AnonymousServer::new());
    let mut server = Connection::server_with_sasl(Options::new("server"), sasl, Moment::START);
    let script = Script::new()
        .send_hex(SASL_HEADER)
        .expect_hex(SASL_HEADER)
        .expect(mechanisms())
        .send(init())
        .expect(outcome())
        .send_hex(HEADER)
        .send(open("client"))
        .expect_hex(HEADER)
        .expect(our_open("server"));
    assert_eq!(follow(&mut server, &script), [Event::Opened]);
}

/// A script reports the first difference, and output that it did not expect.
#[test]
fn a_script_reports_the_first_difference() {
    let mut client = Connection::client(Options::new("client"), Moment::START);
    let script = Script::new().expect_hex(HEADER).expect(our_open("other")).named("the open of another");
    let difference = script.run(&mut client).unwrap_err();
    assert_eq!(difference.step(), "step 2, the open of another");
    assert_eq!(difference.wanted().len(), difference.written().len());
    let text = difference.to_string();
    assert!(text.starts_with("step 2, the open of another: differs from octet 3 on\n"), "{text}");
    let mut client = Connection::client(Options::new("client"), Moment::START);
    let difference = Script::new().expect_hex(HEADER).run(&mut client).unwrap_err();
    assert_eq!((difference.step(), difference.wanted()), ("silence at the end", &[][..]));
    assert_eq!(difference.written(), our_open("client").to_octets());
}
