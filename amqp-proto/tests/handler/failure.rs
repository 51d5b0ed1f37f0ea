//! An error ends the container if its handler has no method for the error.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SessionOptions};
use amqp_proto::handler::{
    Action, ConnectionToken, Context, Decision, Dispatcher, Failure, FailureScope, Handler, LinkToken,
    ReceiverToken, SessionToken,
};
use amqp_proto::testing::{HEADER, attach, begin, detach, open};
use amqp_proto::types::Moment;
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{Connection, Origin, Reason};

use crate::joined::Joined;

/// A client that sends to `jobs` and has no methods for errors.
struct Plain(&'static str);

impl Handler for Plain {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.0);
        cx.create_sender(connection, "jobs");
    }
}

/// A server that accepts everything.
struct Host;

impl Handler for Host {}

/// A server that runs this for each link that the client attaches.
struct Links<F>(F);

impl<F: FnMut(&mut Context<'_>, ReceiverToken) -> Decision<ReceiverOptions>> Handler for Links<F> {
    fn on_receiver_offered(
        &mut self,
        cx: &mut Context<'_>,
        receiver: ReceiverToken,
    ) -> Decision<ReceiverOptions> {
        (self.0)(cx, receiver)
    }
}

fn driven<C: Handler, S: Handler>(near: C, far: S) -> Joined<C, S> {
    let mut all = Joined::new(near, far);
    all.drive();
    all
}

/// Returns the container's failure, and checks that nothing else is left.
fn failure<C: Handler, S: Handler>(all: &Joined<C, S>) -> Failure {
    assert!(all.client.is_finished(), "{:?}", all.client);
    all.client.failure().expect("a failure").clone()
}

fn condition(failure: &Failure) -> Option<&Condition> {
    failure.reason.error.as_ref().map(|error| &error.condition)
}

#[test]
fn a_connection_that_cannot_be_made_ends_the_container() {
    let all = driven(Plain("gopher://example.com"), Host);
    let failure = failure(&all);
    assert!(matches!(failure.scope, FailureScope::Connection(_)), "{failure:?}");
    assert_eq!(failure.reason.origin, Origin::Transport);
    assert!(failure.to_string().contains("gopher://example.com"), "{failure}");
}

/// 2.6.3: a link refused with or without a reason ends the container; neither case hangs.
#[test]
fn a_refused_link_ends_the_container() {
    let refusing = Links(|_: &mut Context<'_>, _| Decision::Refuse(AmqpError::new(Condition::NotFound)));
    let failure = failure(&driven(Plain("amqp://example.com"), refusing));
    assert!(matches!(failure.scope, FailureScope::Link(_)));
    assert_eq!((failure.reason.origin, condition(&failure)), (Origin::Remote, Some(&Condition::NotFound)));
}

/// 2.6.3: a peer attaches a link without a target and detaches it without an error.
#[test]
fn a_link_that_is_refused_without_an_error_ends_the_container() {
    let mut client = Dispatcher::new();
    client.start(Moment::START, &mut Plain("amqp://example.com"));
    let Some(Action::Connect { connection, .. }) = client.poll_action() else { panic!("a request") };
    client.connected(connection, Connection::client(Options::new("client"), Moment::START)).unwrap();
    let mut peer = HEADER.to_vec();
    let refused = attach("jobs-1", 0, true).nulls(2).terminus(0x28, "somewhere");
    for frame in [open("peer"), begin(Some(0), 0, 10, 10), refused, detach(0, true)] {
        peer.extend_from_slice(&frame.to_octets());
        // The client's answers are written in between.
        client.connection(connection).unwrap().receive(Moment::START, &peer);
        client.dispatch(Moment::START, &mut Plain(""));
        peer.clear();
    }
    let failure = client.failure().expect("a failure");
    assert!(matches!(failure.scope, FailureScope::Link(_)));
    assert_eq!((failure.reason.origin, condition(failure)), (Origin::Remote, None));
}

/// S-BEG-11: a refused session is the failure, and not the link on it.
#[test]
fn a_refused_session_ends_the_container() {
    struct Refusing;
    impl Handler for Refusing {
        fn on_session_offered(&mut self, _: &mut Context<'_>, _: SessionToken) -> Decision<SessionOptions> {
            Decision::Refuse(AmqpError::new(Condition::NotAllowed))
        }
    }
    let failure = failure(&driven(Plain("amqp://example.com"), Refusing));
    assert!(matches!(failure.scope, FailureScope::Session(_)));
    assert_eq!(condition(&failure), Some(&Condition::NotAllowed));
}

#[test]
fn a_lost_transport_ends_the_container() {
    let mut all = driven(Plain("amqp://example.com"), Host);
    assert_eq!(all.client.failure(), None);
    all.cut();
    all.drive();
    let failure = failure(&all);
    assert!(matches!(failure.scope, FailureScope::Connection(_)), "{failure:?}");
    assert_eq!(failure.reason.origin, Origin::Transport);
    // A server does not fail when it loses a client.
    assert_eq!(all.server.failure(), None);
}

#[test]
fn a_connection_that_is_closed_with_an_error_ends_the_container() {
    let closing = Links(|cx: &mut Context<'_>, _| {
        let connection = cx.current().unwrap();
        cx.close_connection_with(connection, AmqpError::new(Condition::ConnectionForced));
        Decision::Later
    });
    let failure = failure(&driven(Plain("amqp://example.com"), closing));
    assert!(matches!(failure.scope, FailureScope::Connection(_)));
    assert_eq!(condition(&failure), Some(&Condition::ConnectionForced));
}

#[test]
fn a_listener_that_fails_ends_the_container() {
    struct Server;
    impl Handler for Server {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            cx.listen("the address is taken");
            cx.connect("amqp://example.com");
            cx.schedule(Duration::from_millis(60_000), 1);
        }
    }
    let failure = failure(&driven(Server, Host));
    assert!(matches!(failure.scope, FailureScope::Listener(_)));
    assert!(failure.to_string().contains("the address is taken"));
}

/// An end without an error is no failure, and neither is an end by the handler.
#[test]
fn an_end_without_an_error_is_no_failure() {
    let closing = Links(|cx: &mut Context<'_>, _| {
        let connection = cx.current().unwrap();
        cx.close_connection(connection);
        Decision::Later
    });
    struct Patient;
    impl Handler for Patient {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            Plain("amqp://example.com").on_start(cx);
        }
        fn on_link_error(&mut self, _: &mut Context<'_>, _: LinkToken, _: &Reason) {}
    }
    let all = driven(Patient, closing);
    assert_eq!((all.client.failure(), all.client.is_finished()), (None, true));

    let mut all = driven(Plain("amqp://example.com"), Host);
    all.client.with(Moment::START, |cx| cx.stop());
    all.client.dispatch(Moment::START, &mut all.near);
    all.cut();
    all.drive();
    assert_eq!((all.client.failure(), all.client.is_finished()), (None, true));
}

/// A method for errors of connections handles everything lost with a connection; a method for errors of links handles
/// only those.
#[test]
fn a_method_for_an_error_keeps_the_container_going() {
    #[derive(Clone, Default)]
    struct Counts {
        transport: Rc<Cell<u32>>,
        link: Rc<Cell<u32>>,
    }
    struct Transport(Counts);
    impl Handler for Transport {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            Plain("amqp://example.com").on_start(cx);
            cx.schedule(Duration::from_millis(60_000), 1);
        }
        fn on_transport_error(&mut self, _: &mut Context<'_>, _: ConnectionToken, _: &Reason) {
            self.0.transport.set(self.0.transport.get() + 1);
        }
    }
    struct Link(Counts);
    impl Handler for Link {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            Plain("amqp://example.com").on_start(cx);
        }
        fn on_link_error(&mut self, _: &mut Context<'_>, _: LinkToken, _: &Reason) {
            self.0.link.set(self.0.link.get() + 1);
        }
    }
    let counts = Counts::default();
    let mut all = driven(Transport(counts.clone()), Host);
    all.cut();
    all.drive();
    assert_eq!((all.client.failure(), all.client.is_finished()), (None, false), "a timer is left");
    assert_eq!(counts.transport.get(), 1);

    let refusing = || Links(|_: &mut Context<'_>, _| Decision::Refuse(AmqpError::new(Condition::NotFound)));
    let all = driven(Link(counts.clone()), refusing());
    assert_eq!((all.client.failure(), counts.link.get()), (None, 1));
    // The error of the link differs from that of the transport.
    let all = driven(Transport(counts.clone()), refusing());
    assert!(matches!(failure(&all).scope, FailureScope::Link(_)));
    assert_eq!(counts.transport.get(), 1);
}

/// The first error counts, even if a handler's method calls the default.
#[test]
fn the_first_failure_counts() {
    struct Reporting(u32);
    impl Handler for Reporting {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            cx.connect("one");
            cx.connect("two");
        }
        fn on_transport_error(&mut self, cx: &mut Context<'_>, connection: ConnectionToken, reason: &Reason) {
            self.0 += 1;
            cx.unhandled(FailureScope::Connection(connection), reason);
        }
    }
    let all = driven(Reporting(0), Host);
    assert_eq!(all.near.0, 2);
    assert!(failure(&all).to_string().ends_with("one"));
}
