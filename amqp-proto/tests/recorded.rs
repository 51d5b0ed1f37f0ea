//! A recorded conversation of two other engines, frame by frame, repeated with this crate's client and then with its
//! server. Each writes frames that mean the same as the recorded ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::message::Payload;
use amqp_proto::sasl::{
    AnonymousClient, AnonymousServer, ClientProfile, ClientSasl, Nonce, ServerSasl, TransportSecurity,
};
use amqp_proto::types::{
    DeliveryKey, DeliveryTag, Limits, LinkKey, Moment, ReceiverKey, SenderKey, SessionKey,
};
use amqp_proto::wire::{
    AmqpError, Attach, Condition, Deframer, DeliveryState, Frame, Open, Outcome, Performative,
    SenderSettleMode,
};
use amqp_proto::{Connection, Event};
use bytes::{Buf, Bytes};
use common::{data, octets, text};

/// Loads a header or frame of the record.
fn recorded(name: &str) -> Bytes {
    let all = data("wire-examples.json");
    let examples = all["examples"].as_array().unwrap();
    octets(text(examples.iter().find(|example| text(example, "name") == name).expect(name), "hex"))
}

fn frames(octets: &[u8]) -> Vec<Frame> {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(octets);
    let mut frames = Vec::new();
    while !deframer.remaining().is_empty() {
        if deframer.remaining().starts_with(b"AMQP") {
            deframer.next_header().unwrap();
        } else {
            frames.push(deframer.next_frame(1024).unwrap().unwrap().decode(&Limits::DEFAULT).unwrap());
        }
    }
    frames
}

fn performative(name: &str) -> Performative {
    match frames(&recorded(name)).pop() {
        Some(Frame::Amqp { performative, .. }) => performative,
        other => panic!("{other:?}"),
    }
}

fn recorded_open(name: &str) -> Open {
    match performative(name) {
        Performative::Open(open) => *open,
        other => panic!("{other:?}"),
    }
}

fn recorded_attach(name: &str) -> Attach {
    match performative(name) {
        Performative::Attach(attach) => *attach,
        other => panic!("{other:?}"),
    }
}

fn recorded_state(name: &str) -> DeliveryState {
    match performative(name) {
        Performative::Disposition(disposition) => disposition.state.unwrap(),
        Performative::Transfer(transfer) => transfer.state.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn recorded_error(name: &str) -> AmqpError {
    match performative(name) {
        Performative::Detach(detach) => detach.error.unwrap(),
        Performative::End(end) => end.error.unwrap(),
        Performative::Close(close) => close.error.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Joins the payloads of these frames.
fn recorded_payload(names: &[&str]) -> Payload {
    let payload = |name: &&str| match frames(&recorded(name)).pop() {
        Some(Frame::Amqp { payload, .. }) => payload,
        other => panic!("{other:?}"),
    };
    names.iter().map(payload).collect()
}

/// Returns a frame as text without its windows, defaults and repeated transfer fields, which depend on the engine.
fn meaning(frame: &Frame) -> String {
    let Frame::Amqp { performative, payload, .. } = frame else { return frame.to_string() };
    match performative {
        Performative::Begin(begin) => format!("begin in answer to {:?}", begin.remote_channel),
        Performative::Attach(attach) => {
            // A capability is the same with and without an array around it.
            let target = format!("{:?}", attach.target).replace(['[', ']'], "");
            format!("attach {} {} {:?} {target}", attach.name, attach.handle, attach.role)
        }
        Performative::Flow(flow) => format!(
            "flow {:?} {:?} {:?} {:?} {}",
            flow.next_incoming_id, flow.handle, flow.delivery_count, flow.link_credit, flow.drain
        ),
        Performative::Transfer(transfer) if transfer.aborted => format!("abort {}", transfer.handle),
        Performative::Transfer(transfer) => format!(
            "transfer {} {} {:?} {} {:?} {payload:?}",
            transfer.handle,
            transfer.message_format.unwrap_or(0),
            transfer.state,
            transfer.more,
            transfer.settled == Some(true),
        ),
        other => format!("{other:?}"),
    }
}

/// This crate's end; the other end's frames come from the record.
struct End {
    connection: Connection,
    events: Vec<Event>,
}

impl End {
    fn new(connection: Connection) -> Self {
        Self { connection, events: Vec::new() }
    }

    /// Feeds the recorded frames to this end and returns its events.
    fn peer_sends(&mut self, names: &[&str]) -> Vec<Event> {
        for octet in names.iter().flat_map(|name| recorded(name)) {
            self.connection.receive(Moment::START, &[octet]);
            self.events.extend(std::iter::from_fn(|| self.connection.poll_event()));
        }
        std::mem::take(&mut self.events)
    }

    fn written(&mut self) -> Bytes {
        let mut output = self.connection.output();
        output.copy_to_bytes(output.remaining())
    }

    /// Checks that this end has written frames with this meaning.
    #[track_caller]
    fn engine_wrote(&mut self, names: &[&str]) {
        let ours: Vec<String> = frames(&self.written()).iter().map(meaning).collect();
        let theirs: Vec<String> =
            names.iter().flat_map(|name| frames(&recorded(name))).map(|frame| meaning(&frame)).collect();
        assert_eq!(ours, theirs);
    }

    /// Checks that this end has written exactly these octets.
    #[track_caller]
    fn engine_wrote_exactly(&mut self, names: &[&str]) {
        let theirs: Vec<u8> = names.iter().flat_map(|name| recorded(name)).collect();
        assert_eq!(common::hex(&self.written()), common::hex(&theirs));
    }
}

/// Turns a recorded open into options.
fn options(open: Open) -> Options {
    let limits = Limits::default().with_frame_size(open.max_frame_size).with_channel_max(open.channel_max);
    let options = Options::new(open.container_id).with_limits(limits);
    let options = match open.hostname {
        Some(hostname) => options.with_hostname(hostname),
        None => options,
    };
    options
        .with_idle_timeout(open.idle_time_out.map(|half| 2 * Duration::from_millis(half.into())))
        .with_offered_capabilities(open.offered_capabilities)
        .with_desired_capabilities(open.desired_capabilities)
        .with_properties(open.properties)
}

/// The client and its session, after SASL, open and begin.
fn client() -> (End, SessionKey) {
    let trace = AnonymousClient::new().with_trace("user").unwrap();
    let profile = ClientProfile::new().with_anonymous(trace);
    let sasl = ClientSasl::new(profile, TransportSecurity::Clear, Nonce::from_random(&[7; 16]).unwrap());
    let open = recorded_open("x-client-open");
    // The engine gives SASL the host that it opens the connection to; the recorded one did not.
    let mut end = End::new(Connection::client_with_sasl(options(open.clone()), sasl, Moment::START));
    end.engine_wrote_exactly(&["x-client-sasl"]);
    assert_eq!(end.peer_sends(&["x-server-sasl", "x-server-sasl-2"]), []);
    let written = frames(&end.written());
    let mut init = frames(&recorded("x-client-sasl-2"));
    let [Frame::Sasl(amqp_proto::wire::SaslBody::Init(init))] = &mut init[..] else { panic!("{init:?}") };
    init.hostname = open.hostname.clone();
    assert_eq!(written, [Frame::Sasl(init.clone().into())]);
    assert_eq!(end.peer_sends(&["x-server-sasl-3"]), []);
    let written = end.written();
    assert_eq!(written[..8], recorded("x-client-sasl-3"));
    assert_eq!(frames(&written), frames(&recorded("x-client-open")));
    assert_eq!(end.peer_sends(&["x-server-sasl-4", "x-server-open"]), [Event::Opened]);
    let session = end.connection.begin(SessionOptions::new()).unwrap();
    end.engine_wrote(&["x-client-begin-initiate"]);
    assert_eq!(end.peer_sends(&["x-server-begin-answer"]), [Event::SessionBegun(session)]);
    (end, session)
}

/// Sends the payload of the recorded frames with this tag.
fn send(end: &mut End, sender: SenderKey, tag: &[u8], names: &[&str]) -> DeliveryKey {
    let options = SendOptions::new().with_tag(DeliveryTag::new(tag).unwrap());
    let mut sender = end.connection.sender(sender).unwrap();
    sender.send_payload(&recorded_payload(names), &options).unwrap()
}

/// The event of a recorded outcome that the peer has settled.
fn settled(sender: SenderKey, delivery: DeliveryKey, name: &str) -> Event {
    Event::Updated { link: sender.into(), delivery, state: Some(recorded_state(name)), settled: true }
}

/// K-01, K-05: this crate's client against the recorded server, with transactions.
#[test]
fn the_clients_part() {
    let (mut end, session) = client();
    let attach = recorded_attach("x-client-attach-sender");
    let options = SenderOptions::new()
        .with_source(*attach.source.unwrap())
        .with_target(*attach.target.unwrap())
        .with_snd_settle_mode(SenderSettleMode::Unsettled);
    let sender = end.connection.session(session).unwrap().attach_sender("link-1", options).unwrap();
    end.engine_wrote(&["x-client-attach-sender"]);
    let told = end.peer_sends(&["x-server-attach-answer", "x-server-flow-credit"]);
    assert_eq!(told, [Event::LinkAttached(sender.into()), Event::Sendable(sender)]);
    let mode = end.connection.sender(sender).unwrap().snd_settle_mode();
    assert_eq!(mode, SenderSettleMode::Unsettled, "as the sender has it (L-MODE-01)");

    let first = send(&mut end, sender, b"tag-A", &["x-client-transfer"]);
    end.engine_wrote_exactly(&["x-client-transfer"]);
    let accepted = "x-server-disposition-accepted-unsettled";
    assert_eq!(end.peer_sends(&[accepted]), [settled(sender, first, accepted)]);
    end.engine_wrote(&["x-client-disposition-sender-settle"]);

    let burst = ["x-client-transfer-burst", "x-client-transfer-burst-2", "x-client-transfer-burst-3"];
    let three = [0, 1, 2].map(|at| {
        let tag = format!("tag-{at}");
        send(&mut end, sender, tag.as_bytes(), &[burst[at]])
    });
    end.engine_wrote_exactly(&burst);
    let range = "x-server-disposition-range";
    assert_eq!(end.peer_sends(&[range]), three.map(|delivery| settled(sender, delivery, range)));

    let large = ["x-client-transfer-large", "x-client-transfer-large-2", "x-client-transfer-large-3"];
    let delivery = send(&mut end, sender, b"big", &large);
    let written = frames(&end.written());
    let payload: Payload = written
        .iter()
        .map(|frame| match frame {
            Frame::Amqp { payload, .. } => payload.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((written.len(), payload.to_bytes()), (3, recorded_payload(&large).to_bytes()));
    assert_eq!(meaning(&written[0]), meaning(&frames(&recorded(large[0]))[0]));
    let modified = "x-server-disposition-modified";
    assert_eq!(end.peer_sends(&[modified]), [settled(sender, delivery, modified)]);

    end.peer_sends(&["x-server-flow-drain"]);
    end.engine_wrote(&["x-client-flow-drained"]);
    assert_eq!(
        end.peer_sends(&["x-server-flow-credit-again"]),
        [Event::Sendable(sender)],
        "the drain used it up"
    );
    let delivery = send(&mut end, sender, b"rej", &["x-client-transfer-2"]);
    end.engine_wrote_exactly(&["x-client-transfer-2"]);
    let rejected = "x-server-disposition-rejected";
    assert_eq!(end.peer_sends(&[rejected]), [settled(sender, delivery, rejected)]);

    let tag = SendOptions::new().with_tag(DeliveryTag::new(b"abo").unwrap());
    let mut partial = end.connection.sender(sender).unwrap();
    partial.begin_delivery(&tag).unwrap();
    partial.write(recorded_payload(&["x-client-transfer-partial"]).to_bytes()).unwrap();
    end.engine_wrote_exactly(&["x-client-transfer-partial"]);
    end.connection.sender(sender).unwrap().abort().unwrap();
    end.engine_wrote(&["x-client-transfer-aborted"]);
    end.peer_sends(&["x-server-flow-credit-3"]);
    assert_eq!(end.connection.sender(sender).unwrap().credit(), 4);
    transactions_of_the_client(&mut end, session, sender);
    ends_of_the_client(end, session, sender);
}

fn transactions_of_the_client(end: &mut End, session: SessionKey, sender: SenderKey) {
    let attach = recorded_attach("x-client-attach-coordinator");
    let options =
        SenderOptions::new().with_source(*attach.source.unwrap()).with_target(*attach.target.unwrap());
    let coordinator = end.connection.session(session).unwrap().attach_sender("txn", options).unwrap();
    end.engine_wrote(&["x-client-attach-coordinator"]);
    // The answer has no source, since that is for the sender to set.
    let told =
        end.peer_sends(&["x-server-attach-coordinator-answer", "x-server-attach-coordinator-answer-2"]);
    assert_eq!(told, [Event::LinkAttached(coordinator.into()), Event::Sendable(coordinator)]);
    let declare = send(end, coordinator, b"d1", &["x-client-txn-declare"]);
    end.engine_wrote_exactly(&["x-client-txn-declare"]);
    let declared = "x-server-txn-declared";
    assert_eq!(end.peer_sends(&[declared]), [settled(coordinator, declare, declared)]);
    let options = SendOptions::new()
        .with_tag(DeliveryTag::new(b"tx").unwrap())
        .with_state(recorded_state("x-client-txn-transfer"));
    let payload = recorded_payload(&["x-client-txn-transfer"]);
    let delivery = end.connection.sender(sender).unwrap().send_payload(&payload, &options).unwrap();
    end.engine_wrote(&["x-client-txn-transfer"]);
    let disposition = "x-server-txn-disposition";
    assert_eq!(end.peer_sends(&[disposition]), [settled(sender, delivery, disposition)]);
    send(end, coordinator, b"d2", &["x-client-txn-discharge"]);
    end.engine_wrote_exactly(&["x-client-txn-discharge"]);

    let attach = recorded_attach("x-client-attach-dynamic-receiver");
    let options = ReceiverOptions::new().with_source(*attach.source.clone().unwrap()).with_prefetch(0);
    end.connection.session(session).unwrap().attach_receiver("dyn", options).unwrap();
    let written = frames(&end.written());
    let [Frame::Amqp { performative: Performative::Attach(ours), .. }] = &written[..] else {
        panic!("{written:?}")
    };
    assert_eq!((&ours.source, ours.handle), (&attach.source, attach.handle));
    let closed = recorded_error("x-client-detach-closed-error");
    end.connection.sender(sender).unwrap().detach().unwrap();
    end.connection.sender(coordinator).unwrap().close_with(closed).unwrap();
    end.engine_wrote(&["x-client-detach", "x-client-detach-closed-error"]);
}

fn ends_of_the_client(mut end: End, session: SessionKey, sender: SenderKey) {
    assert_eq!(end.peer_sends(&["x-server-heartbeat"]), []);
    end.connection.session(session).unwrap().end_with(recorded_error("x-client-end-error")).unwrap();
    end.engine_wrote(&["x-client-end-error"]);
    let told = end.peer_sends(&["x-server-end-answer"]);
    // The record has no answer to the discharge.
    assert!(
        matches!(
            &told[..],
            [
                ..,
                Event::Lost { .. },
                Event::LinkDetached { .. },
                Event::LinkDetached { .. },
                Event::SessionEnded { .. }
            ]
        ),
        "{told:?}"
    );
    assert!(end.connection.sender(sender).is_err());
    end.connection.close_with(recorded_error("x-client-close-error"));
    end.engine_wrote(&["x-client-close-error"]);
    let told = end.peer_sends(&["x-server-close-answer"]);
    assert!(matches!(told[..], [Event::Closed(_)]) && end.connection.is_over());
    assert!(end.written().is_empty());
}

/// The server, after SASL, open and begin.
fn server() -> End {
    let sasl = ServerSasl::new(TransportSecurity::Clear).with_mechanism(AnonymousServer::new());
    let open = recorded_open("x-server-open");
    let mut end = End::new(Connection::server_with_sasl(options(open), sasl, Moment::START));
    end.peer_sends(&["x-client-sasl"]);
    let written = end.written();
    assert_eq!(written[..8], recorded("x-server-sasl"));
    assert_eq!(frames(&written), frames(&recorded("x-server-sasl-2")));
    end.peer_sends(&["x-client-sasl-2"]);
    end.engine_wrote_exactly(&["x-server-sasl-3"]);
    assert_eq!(end.connection.identity().unwrap().trace().unwrap().as_str(), "user");
    assert_eq!(end.peer_sends(&["x-client-sasl-3", "x-client-open"]), [Event::Opened]);
    let written = end.written();
    assert_eq!(written[..8], recorded("x-server-sasl-4"));
    assert_eq!(frames(&written), frames(&recorded("x-server-open")));
    assert_eq!(end.connection.peer_open(), Some(recorded_open("x-client-open")));
    let told = end.peer_sends(&["x-client-begin-initiate"]);
    let [Event::SessionOffered(session)] = told[..] else { panic!("{told:?}") };
    end.connection.session(session).unwrap().accept(SessionOptions::new()).unwrap();
    end.engine_wrote(&["x-server-begin-answer"]);
    end
}

/// Offers a recorded link, which is accepted and gets credit.
fn receiver(end: &mut End, names: &[&str], credit: u32) -> ReceiverKey {
    let told = end.peer_sends(names);
    let [Event::LinkOffered(LinkKey::Receiver(receiver))] = told[..] else { panic!("{told:?}") };
    let mut link = end.connection.receiver(receiver).unwrap();
    link.accept_link(ReceiverOptions::new().with_prefetch(0)).unwrap();
    link.set_credit(credit).unwrap();
    receiver
}

/// Feeds a recorded message, receives it, and checks its payload.
#[track_caller]
fn received(end: &mut End, receiver: ReceiverKey, tag: &[u8], names: &[&str]) -> DeliveryKey {
    let told = end.peer_sends(names);
    assert!(matches!(told[..], [Event::Message { .. }]), "{told:?}");
    let delivery = end.connection.receiver(receiver).unwrap().receive().unwrap();
    assert_eq!(delivery.tag().as_ref(), tag);
    assert_eq!(delivery.payload().to_bytes(), recorded_payload(names).to_bytes());
    delivery.message().unwrap().body().unwrap();
    delivery.key()
}

/// K-01: this crate's server against the recorded client.
#[test]
fn the_servers_part() {
    let mut end = server();
    let link = receiver(&mut end, &["x-client-attach-sender"], 5);
    end.engine_wrote(&["x-server-attach-answer", "x-server-flow-credit"]);
    let first = received(&mut end, link, b"tag-A", &["x-client-transfer"]);
    // The recorded server sent the outcome and let the client settle; this end, with mode first, settles at once.
    end.connection.receiver(link).unwrap().accept(first).unwrap();
    let written = frames(&end.written());
    let [Frame::Amqp { performative: Performative::Disposition(told), .. }] = &written[..] else {
        panic!("{written:?}")
    };
    assert_eq!(told.state, Some(recorded_state("x-server-disposition-accepted-unsettled")));
    assert_eq!(end.peer_sends(&["x-client-disposition-sender-settle"]), []);

    let burst = ["x-client-transfer-burst", "x-client-transfer-burst-2", "x-client-transfer-burst-3"];
    let three = [0, 1, 2].map(|at| {
        let tag = format!("tag-{at}");
        received(&mut end, link, tag.as_bytes(), &[burst[at]])
    });
    for delivery in three {
        end.connection.receiver(link).unwrap().accept(delivery).unwrap();
    }
    end.engine_wrote_exactly(&["x-server-disposition-range"]);

    let large = ["x-client-transfer-large", "x-client-transfer-large-2", "x-client-transfer-large-3"];
    let delivery = received(&mut end, link, b"big", &large);
    let DeliveryState::Outcome(Outcome::Modified(modified)) = recorded_state("x-server-disposition-modified")
    else {
        panic!("not modified")
    };
    end.connection.receiver(link).unwrap().modify(delivery, *modified).unwrap();
    end.engine_wrote(&["x-server-disposition-modified"]);

    end.connection.receiver(link).unwrap().set_credit(3).unwrap();
    end.connection.receiver(link).unwrap().drain().unwrap();
    end.engine_wrote(&["x-server-flow-drain"]);
    assert_eq!(end.peer_sends(&["x-client-flow-drained"]), [Event::Drained(link)]);
    end.connection.receiver(link).unwrap().set_credit(2).unwrap();
    end.engine_wrote(&["x-server-flow-credit-again"]);
    let delivery = received(&mut end, link, b"rej", &["x-client-transfer-2"]);
    let DeliveryState::Outcome(Outcome::Rejected(rejected)) = recorded_state("x-server-disposition-rejected")
    else {
        panic!("not rejected")
    };
    end.connection.receiver(link).unwrap().reject(delivery, *rejected.error.unwrap()).unwrap();
    end.engine_wrote(&["x-server-disposition-rejected"]);
    assert_eq!(end.peer_sends(&["x-client-transfer-partial", "x-client-transfer-aborted"]), []);
    end.connection.receiver(link).unwrap().set_credit(4).unwrap();
    end.engine_wrote(&["x-server-flow-credit-3"]);
    transactions_of_the_server(&mut end, link);
    ends_of_the_server(end, link);
}

fn transactions_of_the_server(end: &mut End, link: ReceiverKey) {
    let coordinator = receiver(end, &["x-client-attach-coordinator"], 10);
    end.engine_wrote(&["x-server-attach-coordinator-answer", "x-server-attach-coordinator-answer-2"]);
    let declare = received(end, coordinator, b"d1", &["x-client-txn-declare"]);
    let declared = recorded_state("x-server-txn-declared");
    end.connection.receiver(coordinator).unwrap().dispose(declare, &declared).unwrap();
    end.engine_wrote(&["x-server-txn-declared"]);
    let delivery = received(end, link, b"tx", &["x-client-txn-transfer"]);
    let accepted = recorded_state("x-server-txn-disposition");
    end.connection.receiver(link).unwrap().dispose(delivery, &accepted).unwrap();
    end.engine_wrote(&["x-server-txn-disposition"]);
    received(end, coordinator, b"d2", &["x-client-txn-discharge"]);
    let told = end.peer_sends(&["x-client-attach-dynamic-receiver"]);
    let [Event::LinkOffered(LinkKey::Sender(dynamic))] = told[..] else { panic!("{told:?}") };
    let attach = end.connection.sender(dynamic).unwrap().peer_attach().unwrap();
    assert_eq!(attach, recorded_attach("x-client-attach-dynamic-receiver"));
}

fn ends_of_the_server(mut end: End, link: ReceiverKey) {
    let told = end.peer_sends(&["x-client-detach"]);
    assert!(matches!(told[..], [Event::LinkDetached { closed: false, .. }]), "{told:?}");
    assert!(end.connection.receiver(link).unwrap().is_suspended());
    let told = end.peer_sends(&["x-client-detach-closed-error"]);
    let [Event::Lost { .. }, Event::LinkDetached { closed: true, reason, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(reason.error, Some(recorded_error("x-client-detach-closed-error")));
    assert_eq!(frames(&end.written()).len(), 2, "both are answered; the record has the client's part only");
    // The client announced an idle-time-out of ten seconds, and gets a frame after that long without another.
    let beat = loop {
        let (deadline, _) = end.connection.next_deadline().unwrap();
        assert!(deadline <= Moment::from_millis(10_000));
        end.connection.handle_deadline(deadline);
        let written = end.written();
        if !written.is_empty() {
            break written;
        }
    };
    assert_eq!(beat, recorded("x-server-heartbeat"));
    let told = end.peer_sends(&["x-client-end-error"]);
    let [.., Event::SessionEnded { reason, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(reason.error, Some(recorded_error("x-client-end-error")));
    end.engine_wrote_exactly(&["x-server-end-answer"]);
    let told = end.peer_sends(&["x-client-close-error"]);
    let [Event::Closed(reason)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(reason.error.as_ref().unwrap().condition, Condition::ConnectionForced);
    end.engine_wrote_exactly(&["x-server-close-answer"]);
    assert!(end.connection.is_over());
}
