//! Messages that the handler leaves undecided [3.4]: accepted, released, or modified.

use std::panic::{AssertUnwindSafe, catch_unwind};

use amqp_proto::Connection;
use amqp_proto::config::{Options, ReceiverOptions};
use amqp_proto::handler::{
    ConnectionToken, Context, Decision, DeliveryToken, Dispatcher, Handler, LinkToken, ReceivedMessage,
    ReceiverToken,
};
use amqp_proto::message::{Body, Message};
use amqp_proto::testing::{HEADER, attach_sender, begin, detach, open, transfer};
use amqp_proto::types::{Limits, List, Moment, Value};
use amqp_proto::wire::{Deframer, DeliveryState, Modified};
use bytes::Buf;

use crate::joined::Joined;

/// Sends one message and notes its outcome.
#[derive(Default)]
struct Job {
    outcome: Option<&'static str>,
}

impl Handler for Job {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect("amqp://example.com");
        let sender = cx.create_sender(connection, "jobs");
        cx.send(sender, "job").unwrap();
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, _: DeliveryToken) {
        self.outcome = Some("accepted");
    }

    fn on_released(&mut self, _: &mut Context<'_>, _: DeliveryToken) {
        self.outcome = Some("released");
    }

    fn on_modified(&mut self, _: &mut Context<'_>, _: DeliveryToken, modified: &Modified) {
        assert_eq!(modified.delivery_failed, Some(true));
        self.outcome = Some("failed");
    }
}

/// M-STATE-07 [3.4.4]: a message is released if the handler has no method for messages.
#[test]
fn a_message_that_no_method_takes_is_released() {
    struct Deaf;
    impl Handler for Deaf {}
    let mut all = Joined::new(Job::default(), Deaf);
    all.drive();
    assert_eq!(all.near.outcome, Some("released"));
}

/// M-STATE-08 [3.4.5]: a message on which the handler panics is modified as failed, and never accepted.
#[test]
fn a_message_on_which_the_handler_panics_is_not_accepted() {
    struct Panicking;
    impl Handler for Panicking {
        fn on_message(&mut self, _: &mut Context<'_>, _: ReceivedMessage) {
            panic!("a message that cannot be processed");
        }
    }
    let mut all = Joined::new(Job::default(), Panicking);
    assert!(catch_unwind(AssertUnwindSafe(|| all.drive())).is_err());
    // A dropped container does the same.
    all.server.with(Moment::START, |cx| cx.stop());
    all.drive();
    assert_eq!(all.near.outcome, Some("failed"));
}

/// Keeps the messages that it receives.
#[derive(Default)]
struct Taking {
    texts: Vec<String>,
    closed: usize,
}

impl Handler for Taking {
    fn on_message(&mut self, _: &mut Context<'_>, incoming: ReceivedMessage) {
        assert_eq!(self.closed, 0, "told before the end of its link");
        self.texts.push(incoming.message().unwrap().body().unwrap().as_str().unwrap().into());
    }

    fn on_link_closed(&mut self, _: &mut Context<'_>, _: LinkToken, _: &amqp_proto::Reason) {
        self.closed += 1;
    }
}

/// Takes the output of a connection as names of frames.
fn written(all: &mut Dispatcher, key: ConnectionToken) -> Vec<String> {
    let mut output = all.connection(key).unwrap().output();
    let octets = output.copy_to_bytes(output.remaining());
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(&octets);
    if deframer.remaining().starts_with(b"AMQP") {
        deframer.next_header().unwrap();
    }
    std::iter::from_fn(|| deframer.next_frame(u32::MAX).unwrap())
        .map(|frame| frame.decode(&Limits::DEFAULT).unwrap().to_string())
        .collect()
}

/// 2.6.5: a message and the end of its link arrive in one read. The handler gets the message first, and its outcome
/// reaches the peer.
#[test]
fn a_message_that_arrives_with_the_end_of_its_link_is_handled() {
    let (mut all, mut taking) = (Dispatcher::new(), Taking::default());
    let key = all.add(Connection::server(Options::new("server"), Moment::START)).unwrap();
    let mut peer = HEADER.to_vec();
    for frame in [open("peer"), begin(None, 0, 10, 10), attach_sender("x", 0, "a", "b")] {
        peer.extend_from_slice(&frame.to_octets());
    }
    all.connection(key).unwrap().receive(Moment::START, &peer);
    all.dispatch(Moment::START, &mut taking);
    written(&mut all, key);
    let message = transfer(0, 0, b"t").payload(b"\x00\x53\x77\xa1\x03job");
    let both = [message.to_octets(), detach(0, true).to_octets()].concat();
    all.connection(key).unwrap().receive(Moment::START, &both);
    all.dispatch(Moment::START, &mut taking);
    assert_eq!((taking.texts.as_slice(), taking.closed), (["job".to_string()].as_slice(), 1));
    let frames = written(&mut all, key);
    assert!(frames.iter().any(|frame| frame.contains("disposition")), "{frames:?}");
    assert!(frames.iter().any(|frame| frame.contains("accepted")), "{frames:?}");
}

/// 2.6.6: messages behind the one on which the handler closes the link are neither reported nor accepted.
#[test]
fn unread_messages_of_a_closed_link_are_not_accepted() {
    #[derive(Default)]
    struct Three {
        outcomes: Vec<&'static str>,
    }
    impl Handler for Three {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            let connection = cx.connect("amqp://example.com");
            let sender = cx.create_sender(connection, "jobs");
            for _ in 0..3 {
                cx.send(sender, "job").unwrap();
            }
        }
        fn on_accepted(&mut self, _: &mut Context<'_>, _: DeliveryToken) {
            self.outcomes.push("accepted");
        }
        fn on_delivery_lost(&mut self, _: &mut Context<'_>, _: DeliveryToken, _: Option<&DeliveryState>) {
            self.outcomes.push("lost");
        }
    }
    struct Closing(usize);
    impl Handler for Closing {
        fn on_receiver_offered(
            &mut self,
            _: &mut Context<'_>,
            _: ReceiverToken,
        ) -> Decision<ReceiverOptions> {
            Decision::Accept(ReceiverOptions::new().with_prefetch(10))
        }
        fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
            self.0 += 1;
            cx.close_link(incoming.receiver()).unwrap();
        }
    }
    let mut all = Joined::new(Three::default(), Closing(0));
    all.drive();
    assert_eq!(all.far.0, 1);
    assert_eq!(all.near.outcomes, ["accepted", "lost", "lost"]);
}

/// A message is decoded within the limits of its connection.
#[test]
fn messages_are_read_within_the_limits_of_their_connection() {
    struct Checking(Option<bool>);
    impl Handler for Checking {
        fn on_message(&mut self, _: &mut Context<'_>, incoming: ReceivedMessage) {
            self.0 = Some(incoming.message().and_then(|message| message.body()).is_ok());
        }
    }
    for (elements, fits) in [(64, false), (1 << 16, true)] {
        let (mut all, mut checking) = (Dispatcher::new(), Checking(None));
        let limits = Limits::DEFAULT.with_elements(elements);
        let options = Options::new("server").with_limits(limits);
        let key = all.add(Connection::server(options, Moment::START)).unwrap();
        let list = Message::new(Body::Value(Value::List(List::from(vec![Value::Null; 1_000]))));
        let octets = list.to_payload().unwrap().to_bytes();
        let mut peer = HEADER.to_vec();
        for frame in [open("peer"), begin(None, 0, 10, 10), attach_sender("x", 0, "a", "b")] {
            peer.extend_from_slice(&frame.to_octets());
        }
        all.connection(key).unwrap().receive(Moment::START, &peer);
        all.dispatch(Moment::START, &mut checking);
        let transfer = transfer(0, 0, b"t").payload(&*octets).to_octets();
        all.connection(key).unwrap().receive(Moment::START, &transfer);
        all.dispatch(Moment::START, &mut checking);
        assert_eq!(checking.0, Some(fits), "{elements}");
    }
}
